//! Writes a query as [`Query::parse`] reads it back.

use crate::ast::{
    Aggregate, Attribute, Compare, Field, FieldOp, Form, Function, Math, Metrics, Pipeline, Query,
    Relation, Scalar, Scope, Second, SetOp, Spansets, Stage,
};
use crate::value::{Static, Value};
use sonde_lex::quoted;
use std::fmt::{Display, Formatter, Result};

/// How tightly fields hold together; see the parser.
const LOGIC: u8 = 1;
const COMPARISON: u8 = 2;
const SUM: u8 = 3;
const SIGN: u8 = 4;
const PRODUCT: u8 = 5;
const POWER: u8 = 6;
const ATOM: u8 = 7;

/// Items with `between` between them.
fn join<T: Display>(f: &mut Formatter<'_>, items: &[T], between: &str) -> Result {
    for (at, item) in items.iter().enumerate() {
        f.write_str(if at > 0 { between } else { "" })?;
        item.fmt(f)?;
    }
    Ok(())
}

impl Display for Query {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.pipeline.fmt(f)?;
        if let Some(metrics) = &self.metrics {
            write!(f, " | {metrics}")?;
        }
        if !self.hints.is_empty() {
            f.write_str(" with(")?;
            for (at, (name, value)) in self.hints.iter().enumerate() {
                f.write_str(if at > 0 { ", " } else { "" })?;
                write!(f, "{name}=")?;
                literal(f, value)?;
            }
            f.write_str(")")?;
        }
        Ok(())
    }
}

impl Display for Pipeline {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        join(f, &self.stages, " | ")
    }
}

impl Display for Stage {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Spansets(spansets) => spansets.fmt(f),
            Self::Scalar { left, op, right } => write!(f, "{left} {op} {right}"),
            Self::By(field) => write!(f, "by({field})"),
            Self::Coalesce => f.write_str("coalesce()"),
            Self::Select(fields) => {
                f.write_str("select(")?;
                join(f, fields, ", ")?;
                f.write_str(")")
            }
        }
    }
}

impl Display for Spansets {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Filter(None) => f.write_str("{ }"),
            Self::Filter(Some(field)) => write!(f, "{{ {field} }}"),
            Self::Pipeline(pipeline) => write!(f, "({pipeline})"),
            Self::Binary { left, op, right } => {
                let is_logic = matches!(op, SetOp::And | SetOp::Or);
                spansets(f, left, !is_logic && is_logical(left))?;
                write!(f, " {op} ")?;
                let inside = matches!(&**right, Self::Binary { .. });
                spansets(f, right, inside && (is_logical(right) || !is_logic))
            }
        }
    }
}

fn is_logical(spansets: &Spansets) -> bool {
    matches!(
        spansets,
        Spansets::Binary {
            op: SetOp::And | SetOp::Or,
            ..
        }
    )
}

fn spansets(f: &mut Formatter<'_>, inner: &Spansets, in_parentheses: bool) -> Result {
    if in_parentheses {
        write!(f, "({inner})")
    } else {
        inner.fmt(f)
    }
}

impl Display for SetOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let Self::Structural(relation, form) = self else {
            return f.write_str(if *self == Self::And { "&&" } else { "||" });
        };
        f.write_str(match form {
            Form::Plain => "",
            Form::Not => "!",
            Form::Union => "&",
        })?;
        f.write_str(match relation {
            Relation::Child => ">",
            Relation::Descendant => ">>",
            Relation::Parent => "<",
            Relation::Ancestor => "<<",
            Relation::Sibling => "~",
        })
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Literal(value) => literal(f, value),
            Self::Attribute(attribute) => attribute.fmt(f),
            Self::Intrinsic(intrinsic) => f.write_str(intrinsic.name()),
            Self::Binary { left, op, right } => {
                let own = binding(self);
                let is_power = own == POWER;
                operand(f, left, own + u8::from(is_power))?;
                write!(f, " {op} ")?;
                operand(f, right, own + u8::from(!is_power))
            }
            Self::Match {
                field,
                pattern,
                negated,
            } => {
                operand(f, field, COMPARISON)?;
                let sign = if *negated { "!~" } else { "=~" };
                write!(f, " {sign} {}", quoted(pattern.text()))
            }
            Self::Not(inner) => {
                f.write_str("!")?;
                operand(f, inner, PRODUCT)
            }
            Self::Minus(inner) => {
                f.write_str("-")?;
                operand(f, inner, PRODUCT)
            }
        }
    }
}

fn operand(f: &mut Formatter<'_>, field: &Field, least: u8) -> Result {
    if binding(field) < least {
        write!(f, "({field})")
    } else {
        field.fmt(f)
    }
}

fn binding(field: &Field) -> u8 {
    match field {
        Field::Binary { op, .. } => match op {
            FieldOp::And | FieldOp::Or => LOGIC,
            FieldOp::Compare(_) => COMPARISON,
            FieldOp::Math(Math::Add | Math::Sub) => SUM,
            FieldOp::Math(Math::Mul | Math::Div | Math::Mod) => PRODUCT,
            FieldOp::Math(Math::Pow) => POWER,
        },
        Field::Match { .. } => COMPARISON,
        Field::Not(_) | Field::Minus(_) => SIGN,
        Field::Literal(Value::Int(n) | Value::Duration(n)) if *n < 0 => SIGN,
        Field::Literal(Value::Float(n)) if n.is_sign_negative() => SIGN,
        Field::Literal(_) | Field::Attribute(_) | Field::Intrinsic(_) => ATOM,
    }
}

fn literal(f: &mut Formatter<'_>, value: &Static) -> Result {
    match value {
        Value::Str(text) => f.write_str(&quoted(text)),
        // A number that has no fraction is written so that it stays one that may have.
        Value::Float(n) => {
            let text = sonde_lex::number_text(*n);
            let is_whole = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
            write!(f, "{text}{}", if is_whole { ".0" } else { "" })
        }
        other => other.fmt(f),
    }
}

impl Display for Attribute {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        if self.of_parent {
            f.write_str("parent.")?;
        }
        if self.scope != Scope::Any {
            write!(f, "{}.", self.scope.name())?;
        } else if !self.of_parent {
            f.write_str(".")?;
        }
        let is_plain = |c: char| c.is_alphanumeric() || "_.-/:".contains(c);
        let first = self.name.chars().next();
        // A digit would begin a number, and a scope's name another scope.
        let is_odd = first.is_none_or(|c| !c.is_alphabetic() && c != '_')
            || (self.of_parent && self.scope == Scope::Any && self.name.contains('.'))
            || self.name.contains("//");
        if is_odd || !self.name.chars().all(is_plain) {
            f.write_str(&quoted(&self.name))
        } else {
            f.write_str(&self.name)
        }
    }
}

impl Display for FieldOp {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::And => f.write_str("&&"),
            Self::Or => f.write_str("||"),
            Self::Compare(op) => op.fmt(f),
            Self::Math(op) => op.fmt(f),
        }
    }
}

impl Display for Compare {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
        })
    }
}

impl Display for Math {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::Mod => "%",
            Self::Pow => "^",
        })
    }
}

impl Display for Scalar {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Literal(value) => literal(f, value),
            Self::Count => f.write_str("count()"),
            Self::Aggregate(aggregate, field) => write!(f, "{aggregate}({field})"),
            Self::Binary { left, op, right } => {
                let operand = |f: &mut Formatter<'_>, side: &Self| match side {
                    Self::Binary { .. } => write!(f, "({side})"),
                    Self::Literal(_) | Self::Count | Self::Aggregate(..) => side.fmt(f),
                };
                operand(f, left)?;
                write!(f, " {op} ")?;
                operand(f, right)
            }
        }
    }
}

impl Display for Aggregate {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(match self {
            Self::Avg => "avg",
            Self::Min => "min",
            Self::Max => "max",
            Self::Sum => "sum",
        })
    }
}

impl Display for Metrics {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        self.function.fmt(f)?;
        if !self.by.is_empty() {
            f.write_str(" by (")?;
            join(f, &self.by, ", ")?;
            f.write_str(")")?;
        }
        for second in &self.second {
            second.fmt(f)?;
        }
        Ok(())
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Rate => f.write_str("rate()"),
            Self::CountOverTime => f.write_str("count_over_time()"),
            Self::OverTime(aggregate, field) => write!(f, "{aggregate}_over_time({field})"),
            Self::Histogram(field) => write!(f, "histogram_over_time({field})"),
            Self::Quantile(field, quantiles) => {
                write!(f, "quantile_over_time({field}")?;
                for quantile in quantiles {
                    write!(f, ", {quantile}")?;
                }
                f.write_str(")")
            }
            Self::Compare {
                selection,
                top,
                period,
            } => {
                write!(f, "compare({selection}, {top}")?;
                if let Some((start, end)) = period {
                    write!(f, ", {start}, {end}")?;
                }
                f.write_str(")")
            }
        }
    }
}

impl Display for Second {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::TopK(n) => write!(f, " | topk({n})"),
            Self::BottomK(n) => write!(f, " | bottomk({n})"),
            Self::Filter(op, value) => {
                write!(f, " {op} ")?;
                literal(f, value)
            }
        }
    }
}

//! Queries for numbers on one line.

use crate::ast::{
    Binary, Group, Grouping, LabelReplace, Matching, MetricExpr, RangeAggregation,
    VectorAggregation,
};
use sonde_lex::{duration_text, number_text, quoted};
use std::fmt::{Display, Formatter, Result};

impl Display for MetricExpr {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        match self {
            Self::Number(number) => f.write_str(&number_text(*number)),
            Self::Vector(number) => write!(f, "vector({})", number_text(*number)),
            Self::Range(range) => range.fmt(f),
            Self::Aggregate(aggregation) => aggregation.fmt(f),
            Self::Binary(binary) => binary.fmt(f),
            Self::LabelReplace(replace) => replace.fmt(f),
        }
    }
}

impl Display for RangeAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "{}(", self.op.as_str())?;
        if let Some(parameter) = self.parameter {
            write!(f, "{}, ", number_text(parameter))?;
        }
        self.log.fmt(f)?;
        if let Some(unwrap) = &self.unwrap {
            write!(f, " {unwrap}")?;
        }
        let is_bare = self.log.stages.is_empty() && self.unwrap.is_none();
        f.write_str(if is_bare { "" } else { " " })?;
        window(f, self)?;
        f.write_str(")")?;
        match &self.grouping {
            Some(grouping) => write!(f, " {grouping}"),
            None => Ok(()),
        }
    }
}

/// `[5m] offset 1h`
pub(super) fn window(f: &mut impl std::fmt::Write, range: &RangeAggregation) -> Result {
    write!(f, "[{}]", duration_text(range.range))?;
    match range.offset {
        0 => Ok(()),
        offset => write!(f, " offset {}", duration_text(offset)),
    }
}

impl Display for Grouping {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let word = if self.is_without { "without" } else { "by" };
        write!(f, "{word} ({})", self.labels.join(", "))
    }
}

impl Display for VectorAggregation {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.write_str(self.op.as_str())?;
        if let Some(grouping) = &self.grouping {
            write!(f, " {grouping} ")?;
        }
        f.write_str("(")?;
        if let Some(parameter) = self.parameter {
            write!(f, "{parameter}, ")?;
        }
        write!(f, "{})", self.expr)
    }
}

impl Display for LabelReplace {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        write!(f, "label_replace({}", self.expr)?;
        for text in texts(self) {
            write!(f, ", {text}")?;
        }
        f.write_str(")")
    }
}

/// The arguments behind the expression.
pub(super) fn texts(replace: &LabelReplace) -> [String; 4] {
    let LabelReplace {
        destination,
        replacement,
        source,
        regex,
        ..
    } = replace;
    [destination, replacement, source, regex].map(|text| quoted(text))
}

impl Display for Binary {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        let side = |f: &mut Formatter<'_>, expr: &MetricExpr, is_right: bool| {
            if needs_parentheses(self, expr, is_right) {
                write!(f, "({expr})")
            } else {
                expr.fmt(f)
            }
        };
        side(f, &self.left, false)?;
        write!(f, " {} ", operator(self))?;
        side(f, &self.right, true)
    }
}

/// Whether a side would be read as something else without parentheses.
pub(super) fn needs_parentheses(binary: &Binary, side: &MetricExpr, is_right: bool) -> bool {
    let MetricExpr::Binary(inner) = side else {
        return false;
    };
    let (outer, inner) = (binary.op, inner.op.power());
    let is_far = is_right != outer.is_right_associative();
    inner < outer.power() || inner == outer.power() && is_far
}

/// The operator and what stands with it.
pub(super) fn operator(binary: &Binary) -> String {
    let Matching {
        is_on,
        labels,
        group,
    } = &binary.matching;
    let mut out = String::from(binary.op.as_str());
    if binary.return_bool {
        out.push_str(" bool");
    }
    if *is_on || !labels.is_empty() || *group != Group::OneToOne {
        let word = if *is_on { "on" } else { "ignoring" };
        out.push_str(&format!(" {word} ({})", labels.join(", ")));
    }
    let (word, labels) = match group {
        Group::OneToOne => return out,
        Group::Left(labels) => ("group_left", labels),
        Group::Right(labels) => ("group_right", labels),
    };
    out.push_str(&format!(" {word}"));
    if !labels.is_empty() {
        out.push_str(&format!(" ({})", labels.join(", ")));
    }
    out
}

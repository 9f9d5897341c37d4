//! What the grammar does not say: what operators and functions take, and what selectors need.

use crate::ast::{Aggregate, Binary, Expr, ExprKind, Selector, Span, Type};
use crate::error::ParseError;
use crate::functions::{Function, Shape};
use sonde_proto::{METRIC_NAME, MatchOp};

/// The first mistake, in the order of evaluation.
pub(super) fn check(text: &str, expr: &Expr) -> Result<(), ParseError> {
    let checker = Checker { text };
    checker.expr(expr)
}

struct Checker<'a> {
    text: &'a str,
}

impl Checker<'_> {
    fn error(&self, span: Span, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, span.start as usize, message)
    }

    fn expr(&self, expr: &Expr) -> Result<(), ParseError> {
        match &expr.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) | ExprKind::String(_) => Ok(()),
            ExprKind::Paren(inner) => self.expr(inner),
            ExprKind::Plus(inner) | ExprKind::Negate(inner) => {
                self.expr(inner)?;
                match inner.returns() {
                    Type::Scalar | Type::Vector => Ok(()),
                    other => {
                        let message = format!(
                            "unary expression only allowed on expressions of type scalar or instant vector, got {:?}",
                            other.as_str()
                        );
                        Err(self.error(expr.span, message))
                    }
                }
            }
            ExprKind::Selector(selector) | ExprKind::Matrix(selector, _) => {
                self.selector(selector, expr.span)
            }
            ExprKind::Subquery(subquery) => {
                self.expr(&subquery.expr)?;
                match subquery.expr.returns() {
                    Type::Vector => Ok(()),
                    other => {
                        let message = format!(
                            "subquery is only allowed on instant vector, got {} instead",
                            other.short()
                        );
                        Err(self.error(expr.span, message))
                    }
                }
            }
            ExprKind::Binary(binary) => self.binary(binary, expr.span),
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate),
            ExprKind::Call { function, args } => self.call(function, args, expr.span),
        }
    }

    fn expect(&self, expr: &Expr, wanted: Type, place: &str) -> Result<(), ParseError> {
        self.expr(expr)?;
        if expr.returns() == wanted {
            return Ok(());
        }
        let message = format!(
            "expected type {} in {place}, got {}",
            wanted.as_str(),
            expr.returns().as_str()
        );
        Err(self.error(expr.span, message))
    }

    fn selector(&self, selector: &Selector, span: Span) -> Result<(), ParseError> {
        let mut others = selector.matchers.iter();
        let mut known = selector.name.as_ref();
        if known.is_some() {
            others.next();
        }
        let named = others.clone().filter(|m| m.name == METRIC_NAME);
        // Beside a name before the braces, no matcher of the name is allowed.
        let is_outside = known.is_some();
        for matcher in named.filter(|m| is_outside || m.op == MatchOp::Equal) {
            if let Some(name) = known.replace(&matcher.value) {
                let message = format!(
                    "metric name must not be set twice: {name:?} or {:?}",
                    matcher.value
                );
                return Err(self.error(span, message));
            }
        }
        if selector.name.is_none() && others.all(|m| m.matches("")) {
            let message = "vector selector must contain at least one non-empty matcher";
            return Err(self.error(span, message));
        }
        Ok(())
    }

    fn aggregate(&self, aggregate: &Aggregate) -> Result<(), ParseError> {
        self.expect(&aggregate.expr, Type::Vector, "aggregation expression")?;
        match (&aggregate.param, aggregate.op.param()) {
            (Some(param), Some(wanted)) => self.expect(param, wanted, "aggregation parameter"),
            _ => Ok(()),
        }
    }

    fn binary(&self, b: &Binary, span: Span) -> Result<(), ParseError> {
        self.expr(&b.lhs)?;
        self.expr(&b.rhs)?;
        let (lhs, rhs) = (b.lhs.returns(), b.rhs.returns());
        let operator = self.operator_span(b);
        if b.is_bool && !b.op.is_comparison() {
            let message = "bool modifier can only be used on comparison operators";
            return Err(self.error(operator, message));
        }
        let scalars = (lhs, rhs) == (Type::Scalar, Type::Scalar);
        if b.op.is_comparison() && !b.is_bool && scalars {
            let message = "comparisons between scalars must use BOOL modifier";
            return Err(self.error(operator, message));
        }
        if b.op.is_trim() && scalars {
            let message = format!(
                "operator {:?} not allowed for scalar operations",
                b.op.as_str()
            );
            return Err(self.error(operator, message));
        }
        let matching = &b.matching;
        let twice = matching
            .labels
            .iter()
            .find(|l| matching.include.contains(l));
        if let Some(label) = twice.filter(|_| matching.on) {
            let message = format!("label {label:?} must not occur in ON and GROUP clause at once");
            return Err(self.error(operator, message));
        }
        for side in [&b.lhs, &b.rhs] {
            if !matches!(side.returns(), Type::Scalar | Type::Vector) {
                let message = "binary expression must contain only scalar and instant vector types";
                return Err(self.error(side.span, message));
            }
        }
        let vectors = (lhs, rhs) == (Type::Vector, Type::Vector);
        if !vectors && !matching.labels.is_empty() {
            let message = "vector matching only allowed between instant vectors";
            return Err(self.error(span, message));
        }
        if !vectors && !matching.fill.is_none() {
            let message = "filling in missing series only allowed between instant vectors";
            return Err(self.error(span, message));
        }
        if b.op.is_set() && !matching.fill.is_none() {
            let message = "filling in missing series not allowed for set operators";
            return Err(self.error(span, message));
        }
        if vectors && b.op.is_set() && matching.many.is_some() {
            let message = format!("no grouping allowed for {:?} operation", b.op.as_str());
            return Err(self.error(span, message));
        }
        if !vectors && b.op.is_set() {
            let message = format!(
                "set operator {:?} not allowed in binary scalar expression",
                b.op.as_str()
            );
            return Err(self.error(span, message));
        }
        Ok(())
    }

    /// Where the operator stands: between the operands, without the blanks.
    fn operator_span(&self, b: &Binary) -> Span {
        let (mut start, end) = (b.lhs.span.end, b.rhs.span.start);
        let between = self.text.get(start as usize..end as usize);
        let between = between.unwrap_or_default();
        start += (between.len() - between.trim_start().len()) as u32;
        Span { start, end }
    }

    fn call(&self, function: &Function, args: &[Expr], span: Span) -> Result<(), ParseError> {
        let (least, most) = function.arg_counts();
        if args.len() < least || args.len() > most {
            let bound = match () {
                () if least == most => least.to_string(),
                () if args.len() < least => format!("at least {least}"),
                () => format!("at most {most}"),
            };
            let message = format!(
                "expected {bound} argument(s) in call to {:?}, got {}",
                function.name,
                args.len()
            );
            return Err(self.error(span, message));
        }
        let place = format!("call to function {:?}", function.name);
        for (n, arg) in args.iter().enumerate() {
            if n == 1 && function.is_shape(Shape::Info) {
                return self.label_selector(arg, &place);
            }
            self.expect(arg, function.arg(n), &place)?;
        }
        Ok(())
    }

    /// The second argument of `info()`: matchers in braces, which may match everything.
    fn label_selector(&self, arg: &Expr, place: &str) -> Result<(), ParseError> {
        match &arg.kind {
            ExprKind::Selector(s) if s.name.is_none() && s.when == Default::default() => Ok(()),
            _ if arg.returns() == Type::Vector => {
                let message = "expected label selectors only, got vector selector instead";
                Err(self.error(arg.span, message))
            }
            _ => self.expect(arg, Type::Vector, place),
        }
    }
}

//! Types: what an operator or function takes.

use super::Parser;
use crate::promql::ast::{Binary, Expr, Type};
use crate::promql::error::ParseError;
use crate::promql::functions::Function;

impl Parser<'_> {
    pub(super) fn expect_type(
        &self,
        expr: &Expr,
        wanted: Type,
        place: &str,
    ) -> Result<(), ParseError> {
        if expr.returns() == wanted {
            return Ok(());
        }
        let message = format!(
            "expected type {} in {place}, got {}",
            wanted.as_str(),
            expr.returns().as_str()
        );
        Err(ParseError::new(self.text, expr.at, message))
    }

    pub(super) fn checked_unary(&self, inner: Expr) -> Result<Expr, ParseError> {
        match inner.returns() {
            Type::Scalar | Type::Vector => Ok(inner),
            other => {
                let message = format!(
                    "unary expression only allowed on expressions of type scalar or instant vector, got {}",
                    other.as_str()
                );
                Err(ParseError::new(self.text, inner.at, message))
            }
        }
    }

    pub(super) fn checked_binary(&self, binary: Binary, at: usize) -> Result<Binary, ParseError> {
        for side in [&binary.lhs, &binary.rhs] {
            if !matches!(side.returns(), Type::Scalar | Type::Vector) {
                return Err(ParseError::new(
                    self.text,
                    side.at,
                    "binary expression must contain only scalar and instant vector types",
                ));
            }
        }
        let types = (binary.lhs.returns(), binary.rhs.returns());
        let matched = binary.matching.on || !binary.matching.labels.is_empty();
        let op = binary.op;
        let message = if types == (Type::Vector, Type::Vector) {
            return Ok(binary);
        } else if matched {
            String::from("vector matching only allowed between instant vectors")
        } else if op.is_set() {
            format!(
                "set operator {:?} not allowed in binary scalar expression",
                op.as_str()
            )
        } else if types == (Type::Scalar, Type::Scalar) && op.is_comparison() && !binary.is_bool {
            String::from("comparisons between scalars must use BOOL modifier")
        } else {
            return Ok(binary);
        };
        Err(ParseError::new(self.text, at, message))
    }

    pub(super) fn check_args(
        &self,
        function: &Function,
        args: &[Expr],
        at: usize,
    ) -> Result<(), ParseError> {
        let (least, most) = function.arg_counts();
        if args.len() < least || args.len() > most {
            let bound = if args.len() < least {
                format!("at least {least}")
            } else {
                format!("at most {most}")
            };
            let bound = if least == most {
                least.to_string()
            } else {
                bound
            };
            let message = format!(
                "expected {bound} argument(s) in call to {:?}, got {}",
                function.name,
                args.len()
            );
            return Err(ParseError::new(self.text, at, message));
        }
        let place = format!("call to function {:?}", function.name);
        args.iter()
            .enumerate()
            .try_for_each(|(n, arg)| self.expect_type(arg, function.arg(n), &place))
    }
}

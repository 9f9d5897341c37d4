//! Computed durations into fixed ones, when the query's times are known.

use super::ast::{Expr, ExprKind, Length, When};
use super::error::ParseError;
use super::parse::Given;

/// Replaces every computed duration of an expression that is asked from `start` to `end` at
/// every `step` (all in milliseconds; an instant query has no step). `text` is where the
/// expression was read from.
///
/// # Errors
/// Where a duration divides by zero, is out of range, or is not more than nothing where it
/// must be.
pub fn resolve(
    expr: &mut Expr,
    text: &str,
    start: i64,
    end: i64,
    step: i64,
) -> Result<(), ParseError> {
    let range = end.saturating_sub(start);
    let resolver = Resolver {
        text,
        given: Given { step, range },
    };
    resolver.expr(expr)
}

struct Resolver<'a> {
    text: &'a str,
    given: Given,
}

impl Resolver<'_> {
    fn expr(&self, expr: &mut Expr) -> Result<(), ParseError> {
        match &mut expr.kind {
            ExprKind::Number(_) | ExprKind::Duration(_) | ExprKind::String(_) => Ok(()),
            ExprKind::Paren(inner) | ExprKind::Plus(inner) | ExprKind::Negate(inner) => {
                self.expr(inner)
            }
            ExprKind::Selector(selector) => self.when(&mut selector.when),
            ExprKind::Matrix(selector, range) => {
                self.when(&mut selector.when)?;
                self.length(range, true)
            }
            ExprKind::Subquery(subquery) => {
                self.when(&mut subquery.when)?;
                self.length(&mut subquery.range, true)?;
                subquery
                    .step
                    .iter_mut()
                    .try_for_each(|step| self.length(step, true))?;
                self.expr(&mut subquery.expr)
            }
            ExprKind::Binary(binary) => {
                self.expr(&mut binary.lhs)?;
                self.expr(&mut binary.rhs)
            }
            ExprKind::Aggregate(aggregate) => {
                let mut param = aggregate.param.iter_mut();
                param.try_for_each(|param| self.expr(param))?;
                self.expr(&mut aggregate.expr)
            }
            ExprKind::Call { args, .. } => args.iter_mut().try_for_each(|arg| self.expr(arg)),
        }
    }

    fn when(&self, when: &mut When) -> Result<(), ParseError> {
        let mut offset = when.offset.iter_mut();
        offset.try_for_each(|offset| self.length(offset, false))
    }

    fn length(&self, length: &mut Length, must_be_positive: bool) -> Result<(), ParseError> {
        let Length::Computed(computed) = length else {
            return Ok(());
        };
        let at = computed.span.start as usize;
        let refused = |message: &str| ParseError::new(self.text, at, message);
        let millis = computed.millis(self.given).map_err(refused)?;
        if must_be_positive && millis <= 0 {
            return Err(refused("duration must be greater than 0"));
        }
        *length = Length::Fixed(millis);
        Ok(())
    }
}

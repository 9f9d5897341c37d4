//! Durations in brackets and after `offset`: a literal, or arithmetic over literals and what
//! the query gives.
//!
//! ```text
//! in brackets      5m   2 * 5m   (step() + 1) ^ 2   min_of(step(), 5m)
//! after offset     5m   -5m   (2 * 5m)   -(2 * 5m)   step()   -step()   max_of(1m, range())
//! ```
//!
//! After `offset`, arithmetic needs parentheses: `m offset 100 + 2` is a sum.

use super::Parser;
use crate::ast::{BinaryOp, Computed, DurationExpr, Length};
use crate::error::ParseError;
use crate::lex::{Token, is_one_of};

/// Lengths and times beyond this many milliseconds (about 285,000 years) are refused, so that
/// sums of them never overflow.
pub(crate) const MILLIS_MAX: f64 = 9e15;

const WANTED: &str = "number, duration, step(), or range()";

impl Parser<'_> {
    /// A length in brackets, which must be more than nothing.
    pub(super) fn positive_length(
        &mut self,
        context: &str,
        expected: &str,
    ) -> Result<Length, ParseError> {
        let at = self.at();
        let expr = self.duration_expr(0, context, expected)?;
        let length = self.length(expr, at)?;
        match length {
            Length::Fixed(millis) if millis <= 0 => {
                Err(self.error_at(at, "duration must be greater than 0"))
            }
            length => Ok(length),
        }
    }

    /// What `offset` is followed by.
    pub(super) fn offset_length(&mut self) -> Result<Length, ParseError> {
        let at = self.at();
        let negative = self.take_sign("-");
        if !negative {
            self.take_sign("+");
        }
        let inner = self.duration_primary("offset", WANTED)?;
        let expr = if negative { negated(inner) } else { inner };
        self.length(expr, at)
    }

    /// A literal is known at once; anything else when the query is.
    fn length(&self, expr: DurationExpr, at: usize) -> Result<Length, ParseError> {
        let span = self.span_from(at);
        let millis = match expr {
            DurationExpr::Number(seconds) => (seconds * 1e3).round(),
            DurationExpr::Duration(millis) => millis as f64,
            expr => return Ok(Length::Computed(Computed { expr, span })),
        };
        if millis.is_nan() || millis.abs() > MILLIS_MAX {
            return Err(self.error_at(at, "duration out of range"));
        }
        Ok(Length::Fixed(millis as i64))
    }

    /// Arithmetic of operators that bind at least as tight as `power`.
    fn duration_expr(
        &mut self,
        power: u8,
        context: &str,
        expected: &str,
    ) -> Result<DurationExpr, ParseError> {
        self.deeper()?;
        let start = self.at();
        let mut lhs = self.duration_operand(context, expected)?;
        let mut links = 0;
        while let Some(op) = self.duration_operator().filter(|op| op.power() >= power) {
            let at = self.at();
            self.next += 1;
            let above = if op == BinaryOp::Pow {
                op.power()
            } else {
                op.power() + 1
            };
            let rhs = self.duration_expr(above, context, expected)?;
            self.allow_expr(start)?;
            match (op, seconds(&rhs)) {
                (BinaryOp::Div, Some(0.0)) => return Err(self.error_at(at, "division by zero")),
                (BinaryOp::Mod, Some(0.0)) => return Err(self.error_at(at, "modulo by zero")),
                _ => {}
            }
            links += 1;
            if self.depth + links > super::DEPTH_MAX {
                return Err(self.too_deep(at));
            }
            lhs = DurationExpr::Binary(op, Box::new(lhs), Box::new(rhs));
        }
        self.depth -= 1;
        Ok(lhs)
    }

    fn duration_operator(&self) -> Option<BinaryOp> {
        match self.peek() {
            Token::Sign(sign @ ("+" | "-" | "*" | "/" | "%" | "^")) => BinaryOp::from_sign(sign),
            _ => None,
        }
    }

    fn duration_operand(
        &mut self,
        context: &str,
        expected: &str,
    ) -> Result<DurationExpr, ParseError> {
        let negative = self.take_sign("-");
        if !negative && !self.take_sign("+") {
            return self.duration_primary(context, expected);
        }
        let inner = self.duration_expr(BinaryOp::Pow.power(), context, expected)?;
        Ok(if negative { negated(inner) } else { inner })
    }

    fn duration_primary(
        &mut self,
        context: &str,
        expected: &str,
    ) -> Result<DurationExpr, ParseError> {
        let at = self.at();
        let literal = match self.peek().clone() {
            Token::Number(seconds) => DurationExpr::Number(seconds),
            Token::Duration(millis) => DurationExpr::Duration(millis),
            Token::Sign("(") => return self.duration_paren(),
            Token::Word(word) => return self.duration_word(word, at, context, expected),
            _ => return Err(self.unexpected(context, expected)),
        };
        self.next += 1;
        Ok(literal)
    }

    fn duration_paren(&mut self) -> Result<DurationExpr, ParseError> {
        let at = self.at();
        self.next += 1;
        let inner = self.duration_expr(0, "", "")?;
        self.expect_sign(")", "", "")?;
        self.allow_expr(at)?;
        // Around a literal, parentheses mean nothing, but `(-2) ^ 2` is not `-2 ^ 2`.
        Ok(if seconds(&inner).is_some_and(f64::is_sign_positive) {
            inner
        } else {
            DurationExpr::Paren(Box::new(inner))
        })
    }

    fn duration_word(
        &mut self,
        word: &str,
        at: usize,
        context: &str,
        expected: &str,
    ) -> Result<DurationExpr, ParseError> {
        let is = |words: &[&str]| is_one_of(word, words);
        let is_least = is(&["min_of", "min"]);
        if !is_least && !is(&["step", "range", "max_of", "max"]) {
            return Err(self.unexpected(context, expected));
        }
        self.next += 1;
        self.expect_sign("(", "", "")?;
        if is(&["step", "range"]) {
            self.expect_sign(")", "", "")?;
            self.allow_expr(at)?;
            return Ok(if is(&["step"]) {
                DurationExpr::Step
            } else {
                DurationExpr::Range
            });
        }
        let a = Box::new(self.duration_expr(0, "", "")?);
        self.expect_sign(",", "", "")?;
        let b = Box::new(self.duration_expr(0, "", "")?);
        self.expect_sign(")", "", "")?;
        self.allow_expr(at)?;
        Ok(if is_least {
            DurationExpr::Least(a, b)
        } else {
            DurationExpr::Most(a, b)
        })
    }

    fn allow_expr(&self, at: usize) -> Result<(), ParseError> {
        if self.features.duration_expressions {
            return Ok(());
        }
        Err(self.error_at(at, "experimental duration expression is not enabled"))
    }
}

/// A literal's seconds.
fn seconds(expr: &DurationExpr) -> Option<f64> {
    match expr {
        DurationExpr::Number(seconds) => Some(*seconds),
        DurationExpr::Duration(millis) => Some(*millis as f64 / 1e3),
        _ => None,
    }
}

fn negated(expr: DurationExpr) -> DurationExpr {
    match expr {
        DurationExpr::Number(seconds) => DurationExpr::Number(-seconds),
        DurationExpr::Duration(millis) => DurationExpr::Duration(-millis),
        expr => DurationExpr::Negate(Box::new(expr)),
    }
}

/// What a query gives to its durations, in milliseconds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) step: i64,
    pub(crate) range: i64,
}

impl Computed {
    /// The length in milliseconds.
    pub(crate) fn millis(&self, given: Given) -> Result<i64, &'static str> {
        let seconds = self.expr.seconds(given)?;
        let millis = (seconds * 1e3).trunc();
        if millis.is_nan() || millis.abs() > MILLIS_MAX {
            return Err("duration is out of range");
        }
        Ok(millis as i64)
    }
}

impl DurationExpr {
    fn seconds(&self, given: Given) -> Result<f64, &'static str> {
        Ok(match self {
            Self::Number(seconds) => *seconds,
            Self::Duration(millis) => *millis as f64 / 1e3,
            Self::Step => given.step as f64 / 1e3,
            Self::Range => given.range as f64 / 1e3,
            Self::Negate(inner) => -inner.seconds(given)?,
            Self::Paren(inner) => inner.seconds(given)?,
            Self::Least(a, b) => a.seconds(given)?.min(b.seconds(given)?),
            Self::Most(a, b) => a.seconds(given)?.max(b.seconds(given)?),
            Self::Binary(op, lhs, rhs) => {
                let (lhs, rhs) = (lhs.seconds(given)?, rhs.seconds(given)?);
                match op {
                    BinaryOp::Div if rhs == 0.0 => return Err("division by zero"),
                    BinaryOp::Mod if rhs == 0.0 => return Err("modulo by zero"),
                    op => crate::eval::arithmetic(*op, lhs, rhs),
                }
            }
        })
    }
}

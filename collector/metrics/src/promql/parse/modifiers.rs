//! What follows an operand: `[5m]`, `[5m:1m]`, `offset 5m`, `@ 0`; and what follows an
//! operator: `bool`, `on (…)`, `group_left (…)`.

use super::Parser;
use crate::promql::ast::{At, BinaryOp, Expr, ExprKind, Many, Matching, Subquery, Type, When};
use crate::promql::error::ParseError;
use crate::promql::lex::Token;

/// Times and offsets beyond this many milliseconds (about 285,000 years) are refused, so that
/// sums of them never overflow.
const MILLIS_MAX: f64 = 9e15;

impl Parser<'_> {
    /// Applies everything that follows an operand.
    pub(super) fn modifiers(&mut self, mut expr: Expr) -> Result<Expr, ParseError> {
        loop {
            if self.is_sign("[") {
                expr = self.range(expr)?;
            } else if self.is_word("offset") {
                let at = self.at();
                self.next += 1;
                let offset = self.signed_duration()?;
                let when = self.when(&mut expr, at, "offset")?;
                if when.offset.replace(offset).is_some() {
                    return Err(ParseError::new(
                        self.text,
                        at,
                        "offset may not be set multiple times",
                    ));
                }
            } else if self.is_sign("@") {
                let at = self.at();
                self.next += 1;
                let time = self.at_time()?;
                let when = self.when(&mut expr, at, "@")?;
                if when.at.replace(time).is_some() {
                    return Err(ParseError::new(
                        self.text,
                        at,
                        "@ <timestamp> may not be set multiple times",
                    ));
                }
            } else {
                return Ok(expr);
            }
        }
    }

    fn when<'e>(
        &self,
        expr: &'e mut Expr,
        at: usize,
        what: &str,
    ) -> Result<&'e mut When, ParseError> {
        match &mut expr.kind {
            ExprKind::Selector(selector) | ExprKind::Matrix(selector, _) => Ok(&mut selector.when),
            ExprKind::Subquery(subquery) => Ok(&mut subquery.when),
            _ => {
                let message = format!(
                    "{what} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
                );
                Err(ParseError::new(self.text, at, message))
            }
        }
    }

    /// `[range]` or `[range:step]`.
    fn range(&mut self, expr: Expr) -> Result<Expr, ParseError> {
        let at = self.at();
        self.next += 1;
        let range = self.positive_duration()?;
        if self.take_sign("]") {
            return self.matrix(expr, range, at);
        }
        self.expect_sign(":", "or \"]\" after the range")?;
        let step = if self.is_sign("]") {
            None
        } else {
            Some(self.positive_duration()?)
        };
        self.expect_sign("]", "after the step")?;
        if expr.returns() != Type::Vector {
            let message = format!(
                "subquery is only allowed on instant vector, got {}",
                expr.returns().as_str()
            );
            return Err(ParseError::new(self.text, expr.at, message));
        }
        let (from, below) = (expr.at, expr.depth);
        let subquery = Subquery {
            expr,
            range,
            step,
            when: When::default(),
        };
        self.node(ExprKind::Subquery(Box::new(subquery)), from, below)
    }

    fn matrix(&self, expr: Expr, range: i64, at: usize) -> Result<Expr, ParseError> {
        let ExprKind::Selector(selector) = expr.kind else {
            return Err(ParseError::new(
                self.text,
                at,
                "ranges only allowed for vector selectors",
            ));
        };
        if selector.when != When::default() {
            return Err(ParseError::new(
                self.text,
                at,
                "no offset or @ modifiers allowed before range",
            ));
        }
        self.node(ExprKind::Matrix(selector, range), expr.at, 0)
    }

    fn positive_duration(&mut self) -> Result<i64, ParseError> {
        let at = self.at();
        let millis = self.duration()?;
        if millis <= 0 {
            return Err(ParseError::new(
                self.text,
                at,
                "duration must be greater than 0",
            ));
        }
        Ok(millis)
    }

    fn signed_duration(&mut self) -> Result<i64, ParseError> {
        let negative = self.take_sign("-");
        if !negative {
            self.take_sign("+");
        }
        let millis = self.duration()?;
        Ok(if negative { -millis } else { millis })
    }

    /// A duration, or a number of seconds.
    fn duration(&mut self) -> Result<i64, ParseError> {
        let millis = match self.peek() {
            Token::Duration(millis) => *millis as f64,
            Token::Number(seconds) => (seconds * 1e3).round(),
            _ => return Err(self.unexpected("a duration such as 5m")),
        };
        if millis.is_nan() || millis.abs() > MILLIS_MAX {
            return Err(self.error("duration out of range"));
        }
        self.next += 1;
        Ok(millis as i64)
    }

    fn at_time(&mut self) -> Result<At, ParseError> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.take_word(word) {
                self.expect_sign("(", "after start or end")?;
                self.expect_sign(")", "after start or end")?;
                return Ok(at);
            }
        }
        let negative = self.take_sign("-");
        if !negative {
            self.take_sign("+");
        }
        let seconds = match self.peek() {
            Token::Number(seconds) => *seconds,
            Token::Duration(millis) => *millis as f64 / 1e3,
            _ => return Err(self.unexpected("a time in seconds, start() or end()")),
        };
        let millis = (if negative { -seconds } else { seconds } * 1e3).round();
        if millis.is_nan() || millis.abs() > MILLIS_MAX {
            return Err(self.error("timestamp out of bounds for @ modifier"));
        }
        self.next += 1;
        Ok(At::Time(millis as i64))
    }

    /// What stands between an operator and its right operand.
    pub(super) fn matching(&mut self, op: BinaryOp) -> Result<(bool, Matching), ParseError> {
        let at = self.at();
        let is_bool = self.take_word("bool");
        if is_bool && !op.is_comparison() {
            return Err(ParseError::new(
                self.text,
                at,
                "bool modifier can only be used on comparison operators",
            ));
        }
        let mut matching = Matching::default();
        let on = self.is_word("on");
        if !(on || self.is_word("ignoring")) || !matches!(self.peek_at(1), Token::Sign("(")) {
            return Ok((is_bool, matching));
        }
        self.next += 1;
        matching.on = on;
        matching.labels = self.label_names()?;
        let group_at = self.at();
        matching.many = if self.take_word("group_left") {
            Some(Many::Left)
        } else if self.take_word("group_right") {
            Some(Many::Right)
        } else {
            return Ok((is_bool, matching));
        };
        if op.is_set() {
            let message = format!("no grouping allowed for {:?} operation", op.as_str());
            return Err(ParseError::new(self.text, group_at, message));
        }
        if self.is_sign("(") {
            matching.include = self.label_names()?;
        }
        let twice = matching
            .include
            .iter()
            .find(|name| matching.on && matching.labels.contains(name));
        if let Some(name) = twice {
            let message = format!("label {name:?} must not occur in ON and GROUP clause at once");
            return Err(ParseError::new(self.text, group_at, message));
        }
        Ok((is_bool, matching))
    }
}

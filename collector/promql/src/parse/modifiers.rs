//! What follows an operand: `[5m]`, `[5m:1m]`, `offset 5m`, `@ 0`, `anchored`; and what
//! follows an operator: `bool`, `on (…)`, `group_left (…)`.

use super::Parser;
use super::duration::MILLIS_MAX;
use crate::ast::{At, Edges, Expr, ExprKind, Length, Many, Matching, Subquery, When};
use crate::error::ParseError;
use crate::lex::Token;
use crate::number::label_number;

impl Parser<'_> {
    /// Applies everything that follows an operand.
    pub(super) fn modifiers(&mut self, mut expr: Expr) -> Result<Expr, ParseError> {
        loop {
            if self.is_sign("[") {
                expr = self.range(expr)?;
                continue;
            }
            let start = expr.span.start as usize;
            if self.take_word("offset") {
                let offset = self.offset_length()?;
                self.set_offset(&mut expr, offset)?;
            } else if self.take_sign("@") {
                let at = self.at_time(start)?;
                let when = self.when(&mut expr, "@")?;
                if when.at.replace(at).is_some() {
                    let message = "@ <timestamp> may not be set multiple times";
                    return Err(self.error_at(start, message));
                }
            } else if self.take_word("anchored") {
                self.set_edges(&mut expr, Edges::Anchored)?;
            } else if self.take_word("smoothed") {
                self.set_edges(&mut expr, Edges::Smoothed)?;
            } else {
                return Ok(expr);
            }
            expr.span = self.span_from(start);
        }
    }

    fn when<'e>(&self, expr: &'e mut Expr, what: &str) -> Result<&'e mut When, ParseError> {
        let start = expr.span.start as usize;
        match &mut expr.kind {
            ExprKind::Selector(selector) | ExprKind::Matrix(selector, _) => Ok(&mut selector.when),
            ExprKind::Subquery(subquery) => Ok(&mut subquery.when),
            _ => {
                let message = format!(
                    "{what} modifier must be preceded by an instant vector selector or range vector selector or a subquery"
                );
                Err(self.error_at(start, message))
            }
        }
    }

    /// No offset is one that may still be set.
    fn set_offset(&self, expr: &mut Expr, offset: Length) -> Result<(), ParseError> {
        let start = expr.span.start as usize;
        let when = self.when(expr, "offset")?;
        if when.offset.is_some() {
            return Err(self.error_at(start, "offset may not be set multiple times"));
        }
        when.offset = Some(offset).filter(|offset| *offset != Length::Fixed(0));
        Ok(())
    }

    fn set_edges(&self, expr: &mut Expr, edges: Edges) -> Result<(), ParseError> {
        let start = expr.span.start as usize;
        let word = edges.word().unwrap_or_default();
        let refused = |message: String| Err(self.error_at(start, message));
        if !self.features.extended_ranges {
            return refused(format!("{word} modifier is experimental and not enabled"));
        }
        match &mut expr.kind {
            ExprKind::Selector(selector) | ExprKind::Matrix(selector, _) => {
                if ![Edges::Plain, edges].contains(&selector.edges) {
                    return refused(
                        "anchored and smoothed modifiers cannot be used together".into(),
                    );
                }
                selector.edges = edges;
                Ok(())
            }
            ExprKind::Subquery(_) => {
                refused(format!("{word} modifier is not supported for subqueries"))
            }
            _ => refused(format!(
                "{word} modifier must be preceded by an instant vector selector or range vector selector"
            )),
        }
    }

    /// `[range]` or `[range:step]`.
    fn range(&mut self, expr: Expr) -> Result<Expr, ParseError> {
        const LENGTH: &str = "number, duration, step(), or range()";
        let at = self.at();
        self.next += 1;
        let range = self.positive_length("subquery or range selector", LENGTH)?;
        if self.take_sign("]") {
            return self.matrix(expr, range, at);
        }
        self.expect_sign(":", "subquery or range", "\":\" or \"]\"")?;
        let step = if self.is_sign("]") {
            None
        } else {
            let expected = "number, duration, step(), range(), or \"]\"";
            Some(self.positive_length("subquery selector", expected)?)
        };
        self.expect_sign("]", "subquery selector", "\"]\"")?;
        let (start, below) = (expr.span.start as usize, expr.depth);
        let subquery = Subquery {
            expr,
            range,
            step,
            when: When::default(),
        };
        self.node(ExprKind::Subquery(Box::new(subquery)), start, below)
    }

    fn matrix(&self, expr: Expr, range: Length, at: usize) -> Result<Expr, ParseError> {
        let ExprKind::Selector(selector) = expr.kind else {
            return Err(self.error_at(at, "ranges only allowed for vector selectors"));
        };
        if selector.when.offset.is_some() {
            return Err(self.error_at(at, "no offset modifiers allowed before range"));
        }
        if selector.when.at.is_some() {
            return Err(self.error_at(at, "no @ modifiers allowed before range"));
        }
        let start = expr.span.start as usize;
        self.node(ExprKind::Matrix(selector, range), start, 0)
    }

    fn at_time(&mut self, start: usize) -> Result<At, ParseError> {
        for (word, at) in [("start", At::Start), ("end", At::End)] {
            if self.take_word(word) {
                self.expect_sign("(", "@", "timestamp")?;
                self.expect_sign(")", "@", "timestamp")?;
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
            _ => return Err(self.unexpected("@", "timestamp")),
        };
        let seconds = if negative { -seconds } else { seconds };
        let millis = (seconds * 1e3).round();
        if millis.is_nan() || millis.abs() > MILLIS_MAX {
            let shown = if seconds.is_finite() {
                format!("{seconds:.6}")
            } else {
                label_number(seconds)
            };
            let message = format!("timestamp out of bounds for @ modifier: {shown}");
            return Err(self.error_at(start, message));
        }
        self.next += 1;
        Ok(At::Time(millis as i64))
    }

    /// What stands between an operator and its right operand.
    pub(super) fn matching(&mut self) -> Result<(bool, Matching), ParseError> {
        let is_bool = self.take_word("bool");
        let mut matching = Matching::default();
        let on = self.is_word("on");
        if on || self.is_word("ignoring") {
            self.next += 1;
            matching.on = on;
            matching.labels = self.label_names()?;
            self.grouped(&mut matching)?;
        }
        self.fills(&mut matching)?;
        Ok((is_bool, matching))
    }

    /// `group_left (labels)`
    fn grouped(&mut self, matching: &mut Matching) -> Result<(), ParseError> {
        matching.many = if self.take_word("group_left") {
            Some(Many::Left)
        } else if self.take_word("group_right") {
            Some(Many::Right)
        } else {
            return Ok(());
        };
        if self.is_sign("(") || !self.begins_operand() {
            matching.include = self.label_names()?;
        }
        Ok(())
    }

    /// `fill (0)`, `fill_left (0)`, `fill_right (0)`, the last of each kind. Without a number
    /// in parentheses the words are names of metrics.
    fn fills(&mut self, matching: &mut Matching) -> Result<(), ParseError> {
        const CONTEXT: &str = "fill modifier";
        loop {
            let at = self.at();
            let sides = match self.peek() {
                Token::Word(word) if word.eq_ignore_ascii_case("fill") => (true, true),
                Token::Word(word) if word.eq_ignore_ascii_case("fill_left") => (true, false),
                Token::Word(word) if word.eq_ignore_ascii_case("fill_right") => (false, true),
                _ => return Ok(()),
            };
            if !matches!(self.peek_at(1), Token::Sign("(")) {
                return Ok(());
            }
            if !self.features.fill_modifiers {
                let message = "binop fill modifiers are experimental and not enabled";
                return Err(self.error_at(at, message));
            }
            self.next += 2;
            let negative = self.take_sign("-");
            if !negative {
                self.take_sign("+");
            }
            let value = match self.peek() {
                Token::Number(value) => *value,
                Token::Duration(millis) => *millis as f64 / 1e3,
                _ => return Err(self.unexpected(CONTEXT, "number")),
            };
            self.next += 1;
            self.expect_sign(")", CONTEXT, "\")\"")?;
            let value = Some(if negative { -value } else { value });
            let fill = &mut matching.fill;
            fill.left = if sides.0 { value } else { fill.left };
            fill.right = if sides.1 { value } else { fill.right };
        }
    }
}

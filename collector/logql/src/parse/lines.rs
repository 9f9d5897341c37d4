//! Line filters: `|= "text"`, `!~ "regex" or "another"`, `|= ip("10.0.0.0/8")`.

use super::{Parser, Token};
use crate::ast::{LineFilter, LineOp, LineText};
use sonde_lex::ParseError;

impl Parser<'_> {
    pub(super) fn line_op(&self) -> Option<LineOp> {
        Some(match self.peek() {
            Token::Sign("|=") => LineOp::Contains,
            Token::Sign("!=") => LineOp::NotContains,
            Token::Sign("|~") => LineOp::Matches,
            Token::Sign("!~") => LineOp::NotMatches,
            Token::Sign("|>") => LineOp::Pattern,
            Token::Sign("!>") => LineOp::NotPattern,
            _ => return None,
        })
    }

    /// What stands behind the operator, which is the next token.
    pub(super) fn line_filter(&mut self, op: LineOp) -> Result<LineFilter, ParseError> {
        self.next += 1;
        let mut alternatives = vec![self.line_text(op)?];
        while self.take_word("or") {
            self.check_count(alternatives.len(), "texts of a line filter")?;
            alternatives.push(self.line_text(op)?);
        }
        Ok(LineFilter { op, alternatives })
    }

    fn line_text(&mut self, op: LineOp) -> Result<LineText, ParseError> {
        let at = self.at();
        if let Some(text) = self.ip()? {
            if !matches!(op, LineOp::Contains | LineOp::NotContains) {
                let message = format!(
                    "ip() does not go with {}; write |= ip(…) or != ip(…)",
                    op.as_str()
                );
                return Err(self.error_at(at, message));
            }
            return Ok(LineText { text, is_ip: true });
        }
        if let Token::Word(_) | Token::Number(_) | Token::Duration(_) | Token::Bytes(_) =
            self.peek()
        {
            let message = format!(
                "expected a text in quotes behind {0}, found {1}; a label filter stands behind |, such as | status != 500",
                op.as_str(),
                self.peek()
            );
            return Err(self.error(message));
        }
        let what = format!(
            "a text in quotes behind {}, such as \"timeout\"",
            op.as_str()
        );
        let text = self.quoted(&what)?;
        if op.is_regex() {
            self.check_pattern(at, &text)?;
        }
        Ok(LineText { text, is_ip: false })
    }

    /// `ip("…")`, where it stands here.
    pub(super) fn ip(&mut self) -> Result<Option<String>, ParseError> {
        if !self.is_word("ip") || *self.peek_at(1) != Token::Sign("(") {
            return Ok(None);
        }
        self.next += 2;
        let what = "an address, a range or a prefix in quotes, such as \"10.0.0.0/8\"";
        let range = self.quoted(what)?;
        self.expect_sign(")", "to close ip(")?;
        Ok(Some(range))
    }
}

//! `name{label="value", …}`.

use super::Parser;
use crate::promql::ast::{Expr, ExprKind, Selector, When};
use crate::promql::error::ParseError;
use crate::promql::lex::Token;
use crate::translate::labels::NAME;
use sonde_proto::{MatchOp, Matcher};

/// How many matchers a selector may have.
const MATCHERS_MAX: usize = 256;

impl Parser<'_> {
    /// A selector, after its name.
    pub(super) fn selector(&mut self, name: Option<&str>, at: usize) -> Result<Expr, ParseError> {
        let mut matchers = Vec::new();
        if let Some(name) = name {
            matchers.push(self.matcher(NAME, MatchOp::Equal, name, at)?);
        }
        if self.take_sign("{") {
            self.matchers(&mut matchers)?;
        }
        if matchers.iter().all(|m| m.matches("")) {
            let message = "vector selector must contain at least one non-empty matcher";
            return Err(ParseError::new(self.text, at, message));
        }
        self.node(
            ExprKind::Selector(Selector {
                matchers,
                when: When::default(),
            }),
            at,
            0,
        )
    }

    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Result<(), ParseError> {
        while !self.take_sign("}") {
            let at = self.at();
            let matcher = self.one_matcher()?;
            let named = |m: &Matcher| m.name == NAME && m.op == MatchOp::Equal;
            if named(&matcher) && matchers.iter().any(named) {
                return Err(ParseError::new(
                    self.text,
                    at,
                    format!("metric name must not be set twice: {:?}", matcher.value),
                ));
            }
            matchers.push(matcher);
            if matchers.len() > MATCHERS_MAX {
                return Err(ParseError::new(
                    self.text,
                    at,
                    format!("more than {MATCHERS_MAX} matchers"),
                ));
            }
            if !self.take_sign(",") {
                self.expect_sign("}", "or \",\" after a matcher")?;
                break;
            }
        }
        Ok(())
    }

    fn one_matcher(&mut self) -> Result<Matcher, ParseError> {
        let at = self.at();
        let name = match self.peek().clone() {
            Token::Word(word) if !word.contains(':') => word.to_owned(),
            Token::Text(text) => text.into_owned(),
            _ => return Err(self.unexpected("a label matcher or \"}\"")),
        };
        let quoted = matches!(self.peek(), Token::Text(_));
        self.next += 1;
        let op = match self.peek() {
            Token::Sign("=") => MatchOp::Equal,
            Token::Sign("!=") => MatchOp::NotEqual,
            Token::Sign("=~") => MatchOp::Regex,
            Token::Sign("!~") => MatchOp::NotRegex,
            // `{"a metric"}`: a quoted name alone is the metric's.
            _ if quoted => return self.matcher(NAME, MatchOp::Equal, &name, at),
            _ => return Err(self.unexpected("one of =, !=, =~ and !~")),
        };
        self.next += 1;
        let value_at = self.at();
        let Token::Text(value) = self.peek().clone() else {
            return Err(self.unexpected("a string in quotes"));
        };
        self.next += 1;
        self.matcher(&name, op, &value, value_at)
    }

    fn matcher(
        &self,
        name: &str,
        op: MatchOp,
        value: &str,
        at: usize,
    ) -> Result<Matcher, ParseError> {
        Matcher::new(name, op, value)
            .map_err(|error| ParseError::new(self.text, at, error.to_string()))
    }
}

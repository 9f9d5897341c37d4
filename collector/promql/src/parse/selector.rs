//! `name{label="value", …}`.

use super::Parser;
use crate::ast::{Edges, Expr, ExprKind, Selector, When};
use crate::error::ParseError;
use crate::lex::Token;
use sonde_proto::METRIC_NAME as NAME;
use sonde_proto::{MatchOp, Matcher};

/// How many matchers a selector may have.
const MATCHERS_MAX: usize = 256;

/// Where its matchers stand.
pub(super) const CONTEXT: &str = "label matching";

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
        let selector = Selector {
            name: name.map(str::to_owned),
            matchers,
            when: When::default(),
            edges: Edges::Plain,
        };
        self.node(ExprKind::Selector(selector), at, 0)
    }

    fn matchers(&mut self, matchers: &mut Vec<Matcher>) -> Result<(), ParseError> {
        while !self.take_sign("}") {
            let at = self.at();
            matchers.push(self.one_matcher()?);
            if matchers.len() > MATCHERS_MAX {
                return Err(self.error_at(at, format!("more than {MATCHERS_MAX} matchers")));
            }
            if !self.take_sign(",") {
                self.expect_sign("}", CONTEXT, "\",\" or \"}\"")?;
                break;
            }
        }
        Ok(())
    }

    fn one_matcher(&mut self) -> Result<Matcher, ParseError> {
        let at = self.at();
        let (name, quoted) = match self.peek().clone() {
            Token::Word(word) => (word.to_owned(), false),
            Token::Text(text) => (text.into_owned(), true),
            _ => return Err(self.unexpected(CONTEXT, "identifier or \"}\"")),
        };
        self.next += 1;
        let op = match self.peek() {
            Token::Sign("=") => MatchOp::Equal,
            Token::Sign("!=") => MatchOp::NotEqual,
            Token::Sign("=~") => MatchOp::Regex,
            Token::Sign("!~") => MatchOp::NotRegex,
            // `{"a metric"}`: a quoted name alone is the metric's.
            Token::Sign("," | "}") if quoted => {
                return self.matcher(NAME, MatchOp::Equal, &name, at);
            }
            _ if quoted => return Err(self.unexpected(CONTEXT, "\",\" or \"}\"")),
            _ => return Err(self.unexpected(CONTEXT, "label matching operator")),
        };
        self.next += 1;
        let Token::Text(value) = self.peek().clone() else {
            return Err(self.unexpected(CONTEXT, "string"));
        };
        self.next += 1;
        self.matcher(&name, op, &value, at)
    }

    fn matcher(
        &mut self,
        name: &str,
        op: MatchOp,
        value: &str,
        at: usize,
    ) -> Result<Matcher, ParseError> {
        Matcher::within(&mut self.patterns, name, op, value)
            .map_err(|error| self.error_at(at, error.to_string()))
    }
}

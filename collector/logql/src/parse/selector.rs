//! `{name="value", …}`, and matchers wherever they stand.

use super::{PATTERNS_FEW, PATTERNS_MAX, Parser, Token};
use sonde_lex::ParseError;
use sonde_proto::re2::{self, BadRegex, Dot, PatternBudget};
use sonde_proto::{MatchOp, Matcher, MatcherError};

impl Parser<'_> {
    pub(super) fn selector(&mut self) -> Result<Vec<Matcher>, ParseError> {
        let at = self.at();
        let matchers = self.braced(|parser, name, op| parser.matcher(&name, op))?;
        self.check_narrow(&matchers, at)?;
        Ok(matchers)
    }

    /// The same form, but names with their values: what does not choose needs no expression.
    pub(super) fn labels(&mut self) -> Result<Vec<(String, String)>, ParseError> {
        self.braced(|parser, name, op| {
            if op != MatchOp::Equal {
                let op = op.as_str();
                let message =
                    format!("label {name:?} is compared with {op}; labels are given with =");
                return Err(parser.error(message));
            }
            let value = parser.quoted("a text in quotes such as \"checkout\"")?;
            Ok((name, value))
        })
    }

    /// `{name=…, …}`; `read` takes what stands behind the operator.
    fn braced<T>(
        &mut self,
        read: impl Fn(&mut Self, String, MatchOp) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        self.expect_sign(
            "{",
            "to begin a selector such as {service_name=\"checkout\"}",
        )?;
        let mut all = Vec::new();
        while !self.take_sign("}") {
            self.check_count(all.len(), "matchers")?;
            let name = self.name("a label's name such as service_name, or \"}\"")?;
            let Some(op) = self.match_op() else {
                return Err(self.unexpected("=, !=, =~ or !~ behind a label's name"));
            };
            all.push(read(self, name, op)?);
            if !self.take_sign(",") {
                self.expect_sign("}", "or \",\" behind a matcher")?;
                break;
            }
        }
        Ok(all)
    }

    /// Loki's rule, where it is demanded.
    pub(super) fn check_narrow(&self, matchers: &[Matcher], at: usize) -> Result<(), ParseError> {
        if !self.is_narrow || matchers.iter().any(|matcher| !matcher.matches("")) {
            return Ok(());
        }
        Err(self.error_at(
            at,
            "this selects every stream; add a matcher that an empty value does not satisfy, such as service_name=~\".+\"",
        ))
    }

    /// Takes `= != =~ !~`.
    pub(super) fn match_op(&mut self) -> Option<MatchOp> {
        let op = match self.peek() {
            Token::Sign("=") => MatchOp::Equal,
            Token::Sign("!=") => MatchOp::NotEqual,
            Token::Sign("=~") => MatchOp::Regex,
            Token::Sign("!~") => MatchOp::NotRegex,
            _ => return None,
        };
        self.next += 1;
        Some(op)
    }

    /// The text behind an operator, and the compiled whole.
    pub(super) fn matcher(&mut self, name: &str, op: MatchOp) -> Result<Matcher, ParseError> {
        let at = self.at();
        let value = self.quoted("a text in quotes such as \"checkout\"")?;
        if matches!(op, MatchOp::Regex | MatchOp::NotRegex) {
            self.check_pattern(at, &value)?;
        }
        Matcher::new(name, op, &value).map_err(|error| self.error_at(at, bad_pattern(&error)))
    }

    /// Counts one more regular expression, what it has that takes long to read, and what it
    /// takes once it is compiled.
    pub(super) fn check_pattern(&mut self, at: usize, text: &str) -> Result<(), ParseError> {
        self.patterns
            .take(text)
            .map_err(|reason| self.error_at(at, reason))
    }
}

/// The regular expressions of a query so far.
#[derive(Default)]
pub(super) struct Patterns {
    count: usize,
    /// What they count that takes long to read, see [`re2::WEIGHT_MAX`].
    weight: usize,
    /// What those behind the first few may still take.
    left: PatternBudget,
}

impl Patterns {
    fn take(&mut self, text: &str) -> Result<(), String> {
        self.count += 1;
        self.weight += re2::weight(text);
        if self.weight > re2::WEIGHT_MAX {
            return Err(BadRegex::TooWide.to_string());
        }
        if self.count > PATTERNS_MAX {
            return Err(format!(
                "a query has at most {PATTERNS_MAX} regular expressions; join some with |"
            ));
        }
        // What else is wrong with it is told by whoever compiles it.
        if self.count > PATTERNS_FEW
            && self.left.take_compiled(text, Dot::Any) == Err(BadRegex::TooMany)
        {
            return Err(format!(
                "with this regular expression those of the query take more than {} bytes of memory; use smaller repetitions, or ask in parts",
                re2::COMPILED_BYTES_MAX
            ));
        }
        Ok(())
    }
}

/// What is wrong with a pattern.
pub(super) fn bad_pattern(error: &MatcherError) -> String {
    match error.reason() {
        BadRegex::TooLarge => {
            "this regular expression takes too much memory; use smaller repetitions".into()
        }
        BadRegex::Syntax(reason) => format!(
            "not a regular expression: {}; put a backslash before signs that are text",
            reason.trim_end_matches('.')
        ),
        other => other.to_string(),
    }
}

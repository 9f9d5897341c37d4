//! The query text: conditions that one span of a trace must all satisfy.
//!
//! ```text
//! service=checkout status=error operation="POST /pay" duration>100ms http.route=/x retry!=1
//! query      = condition*                        a space is "and"
//! condition  = key op value
//! key        = service | operation | status | kind | duration | any attribute's name
//! op         = = != =~ !~ > >= < <=
//! value      = word | "text with \" and \\" | `text`
//! ```
//!
//! A trace matches when at least one of its spans satisfies every condition. An attribute
//! is looked for on the span and on its resource; `!=` holds where `=` does not, so also
//! where the attribute is missing. `>` and its kin compare numbers.

mod parse;
mod matches;

pub use parse::ParseError;

use crate::token::{Kind, token};
use regex::Regex;

/// A parsed query.
#[derive(Clone, Debug, Default)]
pub struct TraceQuery {
    conditions: Vec<Condition>,
}

#[derive(Clone, Debug)]
struct Condition {
    subject: Subject,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Subject {
    Service,
    Operation,
    Status,
    Kind,
    Duration,
    Attribute(String),
}

#[derive(Clone, Debug)]
enum Test {
    Equal(String),
    NotEqual(String),
    Regex(Regex),
    NotRegex(Regex),
    Number(Comparison, f64),
    Nanos(Comparison, u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Greater,
    GreaterEqual,
    Less,
    LessEqual,
    Equal,
    NotEqual,
}

impl TraceQuery {
    /// Reads a query.
    ///
    /// # Errors
    /// [`ParseError`] names the place and what was expected there.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::parse(text)
    }

    /// The tokens that a matching trace must have.
    pub(crate) fn tokens(&self) -> Vec<u64> {
        self.conditions
            .iter()
            .filter_map(Condition::token)
            .collect()
    }

    /// The shortest and the longest duration that a matching span may have.
    pub(crate) fn nanos_range(&self) -> (u64, u64) {
        let (mut low, mut high) = (0, u64::MAX);
        for condition in &self.conditions {
            match condition.test {
                Test::Nanos(Comparison::Greater | Comparison::GreaterEqual, n) => low = low.max(n),
                Test::Nanos(Comparison::Less | Comparison::LessEqual, n) => high = high.min(n),
                Test::Nanos(Comparison::Equal, n) => (low, high) = (low.max(n), high.min(n)),
                _ => {}
            }
        }
        (low, high)
    }
}

impl Condition {
    fn token(&self) -> Option<u64> {
        let Test::Equal(value) = &self.test else {
            return None;
        };
        let value = value.as_bytes();
        match &self.subject {
            Subject::Service => token(Kind::Service, "", value),
            Subject::Operation => token(Kind::Operation, "", value),
            Subject::Status => token(Kind::Status, "", value),
            Subject::Kind => token(Kind::Role, "", value),
            // An empty value also means "not there", which has no token.
            Subject::Attribute(_) if value.is_empty() => None,
            Subject::Attribute(key) => token(Kind::Attribute, key, value),
            Subject::Duration => None,
        }
    }
}

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

use crate::narrow::{Narrowing, SpanNeeds};
use crate::token::{kind_name, status_name};
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

    /// What one span of a matching trace must be.
    pub(crate) fn narrowing(&self) -> Narrowing {
        let mut needs = SpanNeeds {
            nanos: self.nanos_range(),
            ..SpanNeeds::default()
        };
        for condition in &self.conditions {
            condition.narrow(&mut needs);
        }
        Narrowing::default().and(vec![needs])
    }

    /// The shortest and the longest duration that a matching span may have.
    fn nanos_range(&self) -> (u64, u64) {
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
    fn narrow(&self, needs: &mut SpanNeeds) {
        let Test::Equal(value) = &self.test else {
            return;
        };
        match &self.subject {
            Subject::Service => needs.service = Some(value.clone()),
            Subject::Operation => needs.name = Some(value.clone()),
            Subject::Status => needs.status = (0..=2).find(|n| status_name(*n) == value),
            Subject::Kind => needs.kind = (0..=5).find(|n| kind_name(*n) == value),
            // An empty value also means "not there", which cannot be asked for.
            Subject::Attribute(key) if !value.is_empty() => {
                needs.attributes.push((key.clone(), value.clone()));
            }
            Subject::Attribute(_) | Subject::Duration => {}
        }
    }
}

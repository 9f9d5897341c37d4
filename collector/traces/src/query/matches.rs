//! Decides whether a span satisfies a query.

use super::{Comparison, Condition, Subject, Test, TraceQuery};
use crate::model::Span;

impl TraceQuery {
    /// Whether one span satisfies every condition.
    #[must_use]
    pub fn matches(&self, span: &Span) -> bool {
        self.conditions
            .iter()
            .all(|condition| condition.matches(span))
    }
}

impl Condition {
    fn matches(&self, span: &Span) -> bool {
        match &self.subject {
            Subject::Service => self.test.text(&span.service),
            Subject::Operation => self.test.text(&span.name),
            Subject::Status => self.test.text(&span.status),
            Subject::Kind => self.test.text(&span.kind),
            Subject::Duration => self.test.nanos(span.duration_nanos()),
            Subject::Attribute(key) => self.attribute(key, span),
        }
    }

    /// A negative test must hold for every value of the attribute, a positive for one.
    fn attribute(&self, key: &str, span: &Span) -> bool {
        let mut values = span
            .attributes
            .iter()
            .chain(&span.resource)
            .filter(|(k, _)| k == key)
            .map(|(_, v)| v.as_str())
            .peekable();
        if values.peek().is_none() {
            return self.test.text("");
        }
        match self.test {
            Test::NotEqual(_) | Test::NotRegex(_) => values.all(|value| self.test.text(value)),
            Test::Equal(_) | Test::Regex(_) | Test::Number(..) | Test::Nanos(..) => {
                values.any(|value| self.test.text(value))
            }
        }
    }
}

impl Test {
    fn text(&self, text: &str) -> bool {
        match self {
            Self::Equal(wanted) => text == wanted,
            Self::NotEqual(wanted) => text != wanted,
            Self::Regex(regex) => regex.is_match(text),
            Self::NotRegex(regex) => !regex.is_match(text),
            Self::Number(comparison, n) => text
                .parse::<f64>()
                .is_ok_and(|found| comparison.holds(found.partial_cmp(n))),
            Self::Nanos(..) => false,
        }
    }

    fn nanos(&self, nanos: u64) -> bool {
        match self {
            Self::Nanos(comparison, wanted) => comparison.holds(Some(nanos.cmp(wanted))),
            _ => false,
        }
    }
}

impl Comparison {
    fn holds(self, ordering: Option<std::cmp::Ordering>) -> bool {
        ordering.is_some_and(|ordering| match self {
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
        })
    }
}

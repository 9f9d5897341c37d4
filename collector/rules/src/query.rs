//! What rules ask, and what they are answered.

use sonde_proto::{Labels, SampleValue, UnixNanos};
use std::time::Duration;

/// Answers the expressions of rules.
pub trait Query {
    /// The value of an expression at a time: an instant vector, or a scalar as one sample
    /// without labels.
    ///
    /// # Errors
    /// Why there is no answer, for a person.
    fn instant(&self, expr: &str, time: UnixNanos) -> Result<Vec<Sample>, String>;

    /// Whether a text is an expression.
    ///
    /// # Errors
    /// What is wrong with it, and where.
    fn check(&self, expr: &str) -> Result<(), ExprError>;

    /// How long something has been running, by a clock that only goes forward: evaluations
    /// are timed with it. Unless it is given, they count as taking no time.
    fn elapsed(&self) -> Duration {
        Duration::ZERO
    }
}

/// One element of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The labels, with the metric's name if there is one.
    pub labels: Labels,
    /// The value.
    pub value: SampleValue,
}

impl Sample {
    /// The value as a number, which of a histogram is nothing, as for Prometheus' alerts.
    pub(crate) fn number(&self) -> f64 {
        match &self.value {
            SampleValue::Float(value) => *value,
            SampleValue::Histogram(_) => 0.0,
        }
    }
}

/// A sample that a rule makes. A series that has ended gets Prometheus' stale marker, the
/// NaN with the bits `0x7ff0000000000002`.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleSample {
    /// The labels, with the metric's name.
    pub labels: Labels,
    /// When it holds.
    pub time: UnixNanos,
    /// The value.
    pub value: SampleValue,
}

/// What is wrong with an expression, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{line}:{column}: {message}")]
pub struct ExprError {
    /// What is wrong.
    pub message: String,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

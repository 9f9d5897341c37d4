//! What a query gives, and what it may take.

use super::features::Features;
use sonde_proto::{Deadline, Histogram, Labels, SampleValue, UnixNanos};
use std::sync::Arc;
use std::time::Duration;

/// A query.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The expression.
    pub text: &'a str,
    /// Which experimental parts of the language it may use.
    pub features: &'a Features,
    /// What it may take.
    pub limits: &'a QueryLimits,
}

/// What a query may take.
#[derive(Clone, Debug)]
pub struct QueryLimits {
    /// How many samples may be read and computed.
    pub samples_max: u64,
    /// How many series one selector may match.
    pub series_max: usize,
    /// How many bytes of labels may be kept while it is computed.
    pub label_bytes_max: u64,
    /// How many bytes of values (series × steps) may be kept while it is computed.
    pub value_bytes_max: u64,
    /// When to give up.
    pub deadline: Deadline,
    /// How long a value is good for when no newer one comes.
    pub lookback: Duration,
}

impl Default for QueryLimits {
    fn default() -> Self {
        Self {
            samples_max: 50_000_000,
            series_max: 400_000,
            label_bytes_max: 256 << 20,
            value_bytes_max: 256 << 20,
            deadline: Deadline::never(),
            lookback: Duration::from_secs(300),
        }
    }
}

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    /// When.
    pub time: UnixNanos,
    /// What.
    pub value: f64,
}

/// A series' value at the time of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub struct InstantSample {
    /// The series.
    pub labels: Labels,
    /// The time of the query.
    pub time: UnixNanos,
    /// Its value.
    pub value: SampleValue,
}

/// A series' values over a range query.
#[derive(Clone, Debug, PartialEq)]
pub struct RangeSeries {
    /// The series.
    pub labels: Labels,
    /// Times and values.
    pub samples: Vec<(UnixNanos, f64)>,
    /// Times and histograms, of times that have no value.
    pub histograms: Vec<(UnixNanos, Arc<Histogram>)>,
}

impl RangeSeries {
    /// Whether it has neither.
    pub(crate) fn is_empty(&self) -> bool {
        self.samples.is_empty() && self.histograms.is_empty()
    }
}

/// What a query gives, and what it should be read with.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The value of the expression.
    pub value: QueryValue,
    /// What is probably wrong, in Prometheus' words.
    pub warnings: Vec<String>,
    /// What may be worth a look.
    pub infos: Vec<String>,
}

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    /// A number.
    Scalar(Sample),
    /// A text.
    String {
        /// The time of the query.
        time: UnixNanos,
        /// The text.
        value: String,
    },
    /// Series with one value each.
    Vector(Vec<InstantSample>),
    /// Series with values over time.
    Matrix(Vec<RangeSeries>),
}

//! What a metric query gives, and over which times it is asked.

use sonde_proto::{Labels, UnixNanos};

/// The times at which an expression is evaluated: one, or from a start in equal steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    start: UnixNanos,
    step: u64,
    len: usize,
    is_instant: bool,
}

impl Grid {
    /// One time.
    #[must_use]
    pub fn instant(time: UnixNanos) -> Self {
        Self {
            start: time,
            step: 1,
            len: 1,
            is_instant: true,
        }
    }

    /// `start`, `start + step`… up to `end`, which is included where a step lands on it.
    ///
    /// There is none where `step` is zero or `end` is before `start`.
    #[must_use]
    pub fn range(start: UnixNanos, end: UnixNanos, step_ns: u64) -> Option<Self> {
        let last = end.0.checked_sub(start.0)?.checked_div(step_ns)?;
        Some(Self {
            start,
            step: step_ns,
            len: usize::try_from(last).ok()?.checked_add(1)?,
            is_instant: false,
        })
    }

    /// The first time.
    #[must_use]
    pub fn start(&self) -> UnixNanos {
        self.start
    }

    /// The last time.
    #[must_use]
    pub fn end(&self) -> UnixNanos {
        self.time(self.len - 1)
    }

    /// Nanoseconds between two times.
    #[must_use]
    pub fn step(&self) -> u64 {
        self.step
    }

    /// How many times there are: at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a grid is never empty")]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether it is one time that was asked for, and not a range.
    #[must_use]
    pub fn is_instant(&self) -> bool {
        self.is_instant
    }

    /// A time by its number. It is between the start and the end, so nothing overflows.
    #[must_use]
    pub fn time(&self, at: usize) -> UnixNanos {
        UnixNanos(self.start.0 + self.step * at as u64)
    }
}

/// The value of an expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number, of an instant query.
    Scalar(f64),
    /// One value a series, of an instant query: by labels, or as `sort` ordered them.
    Vector(Vec<Sample>),
    /// Values over time, by labels, of a range query. No series is without values.
    Matrix(Vec<Series>),
}

/// A series' value at the time of an instant query.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// The series.
    pub labels: Labels,
    /// Its value.
    pub value: f64,
}

/// A series' values over a range query.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// The series.
    pub labels: Labels,
    /// Times and values, by time.
    pub points: Vec<(UnixNanos, f64)>,
}

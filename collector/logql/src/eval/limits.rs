//! What an evaluation may take, and why it may fail.
//!
//! Everything is charged before it is made, to one account that all sinks of a query share.
//! What is kept is never given back while the query runs.

use crate::pipeline::PipelineLimits;
use crate::source::Stop;
use sonde_proto::Deadline;
use std::sync::atomic::{AtomicU64, Ordering};

/// What an evaluation may take.
#[derive(Clone, Debug)]
pub struct EvalLimits {
    /// How many series one aggregation over a range may have.
    pub series_max: usize,
    /// How many times a range query may ask for: 11,000 steps.
    pub steps_max: usize,
    /// How many bytes of counts and sums may be kept while records come in.
    pub state_bytes_max: u64,
    /// How many single values `quantile_over_time` and `rate_counter` may keep.
    pub values_max: u64,
    /// How many bytes of label names and values may be kept.
    pub label_bytes_max: u64,
    /// How many bytes of results (series × steps) may be kept, those in between included.
    pub result_bytes_max: u64,
    /// What one record may cost in a pipeline.
    pub pipeline: PipelineLimits,
}

impl Default for EvalLimits {
    fn default() -> Self {
        Self {
            series_max: 20_000,
            steps_max: 11_001,
            state_bytes_max: 256 << 20,
            values_max: 8_000_000,
            label_bytes_max: 64 << 20,
            result_bytes_max: 256 << 20,
            pipeline: PipelineLimits::default(),
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvalError {
    /// The query asks for what cannot be.
    #[error("{0}")]
    Query(String),
    /// A stage failed for a record, and the query does not say what to do then.
    #[error("{0}")]
    Pipeline(String),
    /// The series do not fit the operator.
    #[error("{0}")]
    Series(String),
    /// A limit was reached: which one, and what to ask instead.
    #[error("{0}")]
    TooMuch(String),
    /// It took too long.
    #[error("{}", Stop::Deadline)]
    Deadline,
    /// The store cannot read what it has.
    #[error("{0}")]
    Source(String),
}

impl From<Stop> for EvalError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::TooMuch(text) => Self::TooMuch(text),
            Stop::Pipeline(text) => Self::Pipeline(text),
            Stop::Deadline => Self::Deadline,
            Stop::Source(text) => Self::Source(text),
        }
    }
}

/// How much work is done between two looks at the clock.
const WORK_BETWEEN_LOOKS: u64 = 1 << 16;

/// What was used so far, and how much there is.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: EvalLimits,
    deadline: Deadline,
    state_bytes: AtomicU64,
    values: AtomicU64,
    label_bytes: AtomicU64,
    result_bytes: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: &EvalLimits, deadline: &Deadline) -> Self {
        Self {
            limits: limits.clone(),
            deadline: deadline.clone(),
            state_bytes: AtomicU64::new(0),
            values: AtomicU64::new(0),
            label_bytes: AtomicU64::new(0),
            result_bytes: AtomicU64::new(0),
        }
    }

    pub(crate) fn deadline(&self) -> &Deadline {
        &self.deadline
    }

    /// Looks at the clock.
    pub(crate) fn look(&self) -> Result<(), Stop> {
        if self.deadline.has_passed() {
            return Err(Stop::Deadline);
        }
        Ok(())
    }

    /// Accounts for counts and sums.
    pub(crate) fn keep_state(&self, bytes: usize) -> Result<(), Stop> {
        let max = self.limits.state_bytes_max;
        charge(&self.state_bytes, bytes, max, || {
            format!(
                "the query needs more than {max} bytes for its counts; ask for fewer series (sum by (…)), a longer step or a shorter time"
            )
        })
    }

    /// Accounts for whole records that wait for others.
    pub(crate) fn keep_records(&self, bytes: usize) -> Result<(), Stop> {
        let max = self.limits.state_bytes_max;
        charge(&self.state_bytes, bytes, max, || {
            format!(
                "distinct needs all records in order, and they have more than {max} bytes; ask for a shorter time or a rarer word, or count by the label instead: sum by (…)"
            )
        })
    }

    /// Accounts for values that are kept one by one.
    pub(crate) fn keep_values(&self, values: usize) -> Result<(), Stop> {
        let max = self.limits.values_max;
        charge(&self.values, values, max, || {
            format!(
                "the query needs more than {max} single values; ask for a shorter time, filter more, or use avg_over_time or max_over_time"
            )
        })
    }

    /// Accounts for names and values of labels.
    pub(crate) fn keep_labels(&self, bytes: usize) -> Result<(), Stop> {
        let max = self.limits.label_bytes_max;
        charge(&self.label_bytes, bytes, max, || {
            format!(
                "the query's series have more than {max} bytes of labels; keep fewer of them: sum by (…)"
            )
        })
    }

    /// Accounts for results.
    pub(crate) fn keep_results(&self, values: usize) -> Result<(), Stop> {
        let max = self.limits.result_bytes_max;
        charge(&self.result_bytes, values.saturating_mul(8), max, || {
            format!(
                "the query's results need more than {max} bytes; ask for fewer series (sum by (…)), a longer step or a shorter time"
            )
        })
    }

    pub(crate) fn too_many_series(&self) -> Stop {
        Stop::TooMuch(format!(
            "the query has more than {} series; keep fewer labels: sum by (…), or a narrower selector",
            self.limits.series_max
        ))
    }
}

fn charge(
    used: &AtomicU64,
    more: usize,
    max: u64,
    message: impl Fn() -> String,
) -> Result<(), Stop> {
    let more = more as u64;
    let before = used.fetch_add(more, Ordering::Relaxed);
    if before.saturating_add(more) > max {
        return Err(Stop::TooMuch(message()));
    }
    Ok(())
}

/// One thread's work, so that the clock is looked at now and then.
#[derive(Debug, Default)]
pub(crate) struct Work(u64);

impl Work {
    /// Accounts for so many steps of work.
    pub(crate) fn add(&mut self, budget: &Budget, steps: usize) -> Result<(), Stop> {
        self.0 += steps as u64;
        if self.0 < WORK_BETWEEN_LOOKS {
            return Ok(());
        }
        self.0 = 0;
        budget.look()
    }
}

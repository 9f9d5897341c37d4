//! Durations in buckets, and the example that explains them.

use serde::{Deserialize, Serialize};
use sonde_proto::{SpanId, TraceId, UnixNanos};

/// Upper bounds of buckets: in nanoseconds to decide by, in seconds to report.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bounds {
    nanos: Vec<u64>,
    seconds: Vec<f64>,
}

impl Bounds {
    /// The most bounds that are kept.
    const MAX: usize = 64;

    /// Sorts what was configured and leaves out what is no bound.
    pub(crate) fn new(configured: &[f64]) -> Self {
        let mut seconds: Vec<f64> = configured
            .iter()
            .copied()
            .filter(|s| s.is_finite() && *s > 0.0 && *s < 1e9)
            .collect();
        seconds.sort_unstable_by(f64::total_cmp);
        seconds.dedup();
        seconds.truncate(Self::MAX);
        Self {
            nanos: seconds.iter().map(|s| (s * 1e9).round() as u64).collect(),
            seconds,
        }
    }

    /// The bounds in seconds.
    pub(crate) fn seconds(&self) -> &[f64] {
        &self.seconds
    }

    /// How many buckets the bounds make.
    pub(crate) fn buckets(&self) -> usize {
        self.nanos.len() + 1
    }

    fn bucket(&self, nanos: u64) -> usize {
        self.nanos.partition_point(|bound| *bound < nanos)
    }
}

/// Counts of durations by bucket since a start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Histogram {
    pub(crate) counts: Vec<u64>,
    pub(crate) sum_nanos: u64,
}

impl Histogram {
    /// Adds a duration.
    pub(crate) fn add(&mut self, bounds: &Bounds, nanos: u64) {
        self.counts.resize(bounds.buckets(), 0);
        self.counts[bounds.bucket(nanos)] += 1;
        self.sum_nanos = self.sum_nanos.saturating_add(nanos);
    }

    /// How many durations were added.
    pub(crate) fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// One span that stands for many.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Example {
    pub(crate) trace_id: TraceId,
    pub(crate) span_id: SpanId,
    pub(crate) time: UnixNanos,
    pub(crate) nanos: u64,
}

impl Example {
    /// Keeps the slower of two; the later of two equally slow ones.
    pub(crate) fn keep_slower(kept: &mut Option<Self>, new: Self) {
        if kept
            .as_ref()
            .is_none_or(|kept| (kept.nanos, kept.time) <= (new.nanos, new.time))
        {
            *kept = Some(new);
        }
    }
}

/// When a series began, was last added to, and whether it was ever handed out.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Life {
    pub(crate) start: UnixNanos,
    pub(crate) last: UnixNanos,
    pub(crate) told: bool,
}

impl Life {
    pub(crate) fn new(now: UnixNanos) -> Self {
        Self {
            start: now,
            last: now,
            told: false,
        }
    }
}

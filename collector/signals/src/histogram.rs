//! Durations in buckets, and the example that explains them.

use crate::native::Native;
use crate::weight::Count;
use serde::{Deserialize, Serialize};
use sonde_proto::{SpanId, TraceId, UnixNanos};
use std::time::Duration;

/// How much later than it arrived a span may be counted. What a collection decides by its own
/// time leaves this much, so that counting again after a crash, without collections in between,
/// decides the same.
pub(crate) const LAG_MAX: Duration = Duration::from_secs(60);

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
    counts: Vec<Count>,
    sum_nanos: u128,
    /// The same natively, where that is wanted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) native: Option<Box<Native>>,
}

impl Histogram {
    /// Adds a duration as often as the weight says; `now` is when a native histogram begins
    /// that was not wanted before.
    pub(crate) fn add(&mut self, shape: &Shape, nanos: u64, weight: Count, now: UnixNanos) {
        self.counts.resize(shape.bounds.buckets(), Count::default());
        self.counts[shape.bounds.bucket(nanos)].add(weight);
        self.sum_nanos = self.sum_nanos.saturating_add(weight.times(nanos));
        if shape.native {
            self.native
                .get_or_insert_with(|| Box::new(Native::new(now)))
                .add(nanos, weight);
        }
    }

    /// How many durations were added, rounded down.
    pub(crate) fn count(&self) -> u64 {
        self.up_to_each().last().map_or(0, Count::whole)
    }

    /// How many lie in each bucket. Rounded down is what lies at or below each bound, because
    /// that is what queries read and what must not decrease.
    pub(crate) fn by_bucket(&self) -> Vec<u64> {
        let mut below = 0;
        self.up_to_each()
            .map(|count| count.whole() - std::mem::replace(&mut below, count.whole()))
            .collect()
    }

    /// The sum of the durations.
    pub(crate) fn sum_seconds(&self) -> f64 {
        self.sum_nanos as f64 / 1e9
    }

    fn up_to_each(&self) -> impl Iterator<Item = Count> {
        self.counts.iter().scan(Count::default(), |sum, count| {
            sum.add(*count);
            Some(*sum)
        })
    }
}

/// How durations are kept.
#[derive(Clone, Debug)]
pub(crate) struct Shape {
    pub(crate) bounds: Bounds,
    pub(crate) native: bool,
}

/// One span that stands for many.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
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

    /// Whether a series that is added to `now` has ended and begins again. Decided by arrival
    /// alone, so that counting again after a crash decides the same.
    pub(crate) fn has_ended(&self, now: UnixNanos, stale: Duration) -> bool {
        self.last.plus(stale) < now
    }

    /// What is to be told of the series at `now`.
    pub(crate) fn stage(&self, now: UnixNanos, stale: Duration) -> Stage {
        let ends = self.last.plus(stale);
        if now <= ends {
            Stage::Live
        } else if now <= ends.plus(LAG_MAX) {
            Stage::Quiet
        } else {
            Stage::Ended
        }
    }
}

/// The stages of a series' life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// It is told.
    Live,
    /// Nothing is told: a span on its way may begin it again, with a zero of its own.
    Quiet,
    /// Its end is told, and it is forgotten.
    Ended,
}

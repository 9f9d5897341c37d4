//! How far a search or a count has come, for whoever shows that while it goes on.

use super::{Best, Examined, FoundTrace};
use sonde_proto::UnixNanos;
use sonde_traceql::{Counting, Series};

/// How far a search has come.
#[derive(Debug)]
pub struct SearchProgress<'a> {
    /// How many traces were judged.
    pub traces: usize,
    /// How many bytes of spans these had.
    pub bytes: u64,
    /// Every trace that starts later was judged.
    pub reached: UnixNanos,
    best: &'a Best,
}

impl<'a> SearchProgress<'a> {
    pub(super) fn new(examined: &Examined, reached: UnixNanos, best: &'a Best) -> Self {
        Self {
            traces: examined.traces,
            bytes: examined.bytes,
            reached,
            best,
        }
    }

    /// The traces that the answer will begin with: nothing that is still to come is newer than
    /// one of these, or takes its place.
    pub fn settled(&self) -> impl Iterator<Item = &'a FoundTrace> {
        self.best.after(self.reached)
    }
}

/// How far a count has come.
#[derive(Debug)]
pub struct MetricsProgress<'a, 'q> {
    /// How many traces were counted.
    pub traces: usize,
    /// What was counted last starts then, and little that is still to come starts later.
    pub reached: UnixNanos,
    pub(super) counting: &'a Counting<'q>,
}

impl MetricsProgress<'_, '_> {
    /// The series as they are so far. What is still to come changes their samples.
    #[must_use]
    pub fn series(&self) -> Vec<Series> {
        self.counting.clone().finish().0
    }
}

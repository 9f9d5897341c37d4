//! One series in memory: how far it came.

use crate::is_stale;

/// The latest value of a series. Its labels are with those of all series, its samples in the
/// [generations](super::generation).
#[derive(Debug)]
pub(crate) struct Series {
    /// Where its labels end, and those of the next series begin.
    pub(super) labels_end: u32,
    /// Its newest sample says that it has ended.
    pub(super) has_ended: bool,
    /// Some sample of it said since when it counts.
    pub(super) has_starts: bool,
    /// What is sent of it are deltas, so that its newest value counts for what comes next.
    pub(super) of_deltas: bool,
    last_time: i64,
    last_value: f64,
}

impl Series {
    pub(crate) fn new(labels_end: u32) -> Self {
        Self {
            labels_end,
            has_ended: false,
            has_starts: false,
            of_deltas: false,
            last_time: i64::MIN,
            last_value: 0.0,
        }
    }

    /// Notes a sample that is newer than all before.
    pub(crate) fn note(&mut self, time: i64, value: f64) {
        self.last_time = time;
        if !is_stale(value) {
            self.last_value = value;
        }
    }

    /// The newest time, also if it is sealed already; `i64::MIN` before the first sample.
    pub(crate) fn last_time(&self) -> i64 {
        self.last_time
    }

    /// The newest value that was no stale marker: what a delta is added to.
    pub(crate) fn last_value(&self) -> f64 {
        self.last_value
    }

    /// Goes on from the last sealed sample.
    pub(crate) fn continue_at(&mut self, time: i64, value: f64) {
        (self.last_time, self.last_value) = (time, value);
    }
}

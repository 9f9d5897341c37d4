//! Since when samples count: what that says about two samples that follow one another, and about
//! the first of a range.
//!
//! ```text
//! start of the later one   before the earlier one   it went on: no reset
//!                          after the earlier one    it began anew: a reset
//!                          at the earlier one       each counts from the one before it; but where
//!                                                   the earlier one does not know its own start,
//!                                                   that is where the counter is known from
//! ```
//!
//! One that does not come before its own sample says nothing, and neither does the same twice.

use super::Window;
use crate::histogram;
use crate::sample::HistogramSample;

/// A time and since when it was counted, 0 where that is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) time: i64,
    pub(super) start: i64,
}

impl Counted {
    /// Whether counting began between the one before and this one.
    pub(super) fn begins_after(self, before: Self) -> bool {
        if self.start == 0 || self.start >= self.time || self.start == before.start {
            return false;
        }
        if self.start != before.time {
            return self.start > before.time;
        }
        before.start != 0 && before.start < before.time
    }
}

impl From<&HistogramSample> for Counted {
    fn from(sample: &HistogramSample) -> Self {
        Self {
            time: sample.time,
            start: sample.start,
        }
    }
}

/// Whether a counter was reset between two histograms that follow one another.
pub(super) fn are_apart(before: &HistogramSample, now: &HistogramSample) -> bool {
    Counted::from(now).begins_after(before.into()) || histogram::is_reset(&before.value, &now.value)
}

impl Window<'_> {
    /// The float at a place.
    pub(super) fn counted(&self, at: usize) -> Counted {
        Counted {
            time: self.times[at],
            start: self.starts.get(at).copied().unwrap_or_default(),
        }
    }

    /// Whether a counter was reset between the float before a place and the one there.
    pub(super) fn is_reset(&self, at: usize) -> bool {
        self.values[at] < self.values[at - 1]
            || !self.starts.is_empty() && self.counted(at).begins_after(self.counted(at - 1))
    }

    /// When a counter was zero, if its first sample in the range says so and that is in the
    /// range too.
    pub(super) fn zero(&self, first: Counted) -> Option<i64> {
        let is_inside = first.start != 0 && first.start > self.start && first.start < first.time;
        is_inside.then_some(first.start)
    }
}

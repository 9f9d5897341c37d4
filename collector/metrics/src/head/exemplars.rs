//! The newest exemplars of a tenant, in a ring.

use crate::translate::exemplar::Exemplar;
use ahash::AHashMap;
use sonde_proto::{Labels, UnixNanos};
use std::collections::VecDeque;

/// A bounded queue of exemplars and the series they belong to. Not sealed: after a restart
/// it holds what the replay brings back.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    queue: VecDeque<(Labels, Exemplar)>,
    series: AHashMap<u32, (Labels, UnixNanos)>,
}

impl Ring {
    /// Adds an exemplar of a series, unless it was there already: exporters send the same
    /// ones again and again.
    pub(crate) fn push(
        &mut self,
        series: u32,
        labels: impl FnOnce() -> Labels,
        exemplar: Exemplar,
        max: usize,
    ) {
        let (labels, newest) = self
            .series
            .entry(series)
            .or_insert_with(|| (labels(), UnixNanos(0)));
        if exemplar.time <= *newest || max == 0 {
            return;
        }
        *newest = exemplar.time;
        self.queue.push_back((labels.clone(), exemplar));
        while self.queue.len() > max {
            self.queue.pop_front();
        }
    }

    /// Series were renumbered.
    pub(crate) fn forget_series(&mut self) {
        self.series.clear();
    }

    /// Lets go of those that are not to be kept.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&Labels, UnixNanos) -> bool) {
        self.queue
            .retain(|(labels, exemplar)| is_kept(labels, exemplar.time));
    }

    /// Every exemplar with its series, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Labels, Exemplar)> {
        self.queue.iter()
    }
}

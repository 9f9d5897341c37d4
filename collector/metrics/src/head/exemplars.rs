//! The newest exemplars of a tenant, in a ring.

use crate::translate::exemplar::Exemplar;
use ahash::AHashMap;
use sonde_proto::{Labels, UnixNanos};
use std::collections::VecDeque;

/// How many bytes of labels an exemplar may have on average: long labels leave room for fewer.
const BYTES_PER_EXEMPLAR: usize = 2048;
/// About what the newest time of a series takes.
const NEWEST_BYTES: usize = 16;

/// A bounded queue of exemplars and the series they belong to. Not sealed: after a restart
/// it holds what the replay brings back.
#[derive(Debug, Default)]
pub(crate) struct Ring {
    queue: VecDeque<(Labels, Exemplar)>,
    /// Of what is in the queue.
    queue_bytes: usize,
    /// The time of the newest exemplar of each series that ever had one.
    newest: AHashMap<u32, UnixNanos>,
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
        if max == 0 {
            return;
        }
        let newest = self.newest.entry(series).or_insert(UnixNanos(0));
        if exemplar.time <= *newest {
            return;
        }
        *newest = exemplar.time;
        let one = (labels(), exemplar);
        self.queue_bytes += bytes_of(&one);
        self.queue.push_back(one);
        let bytes_max = max.saturating_mul(BYTES_PER_EXEMPLAR);
        while self.queue.len() > max || self.queue_bytes > bytes_max {
            let Some(oldest) = self.queue.pop_front() else {
                break;
            };
            self.queue_bytes -= bytes_of(&oldest);
        }
    }

    /// Series were renumbered.
    pub(crate) fn forget_series(&mut self) {
        self.newest.clear();
    }

    /// Lets go of those that are not to be kept.
    pub(crate) fn retain(&mut self, is_kept: impl Fn(&Labels, UnixNanos) -> bool) {
        let mut gone = 0;
        self.queue.retain(|one| {
            let is_kept = is_kept(&one.0, one.1.time);
            gone += if is_kept { 0 } else { bytes_of(one) };
            is_kept
        });
        self.queue_bytes -= gone;
    }

    /// Every exemplar with its series, the oldest first.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &(Labels, Exemplar)> {
        self.queue.iter()
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.queue_bytes + self.newest.len() * NEWEST_BYTES
    }
}

/// The texts of one exemplar and its series, and about what stands around them.
fn bytes_of((labels, exemplar): &(Labels, Exemplar)) -> usize {
    let bytes = |labels: &Labels| {
        let pairs = labels.iter();
        pairs
            .map(|(name, value)| name.len() + value.len() + 64)
            .sum::<usize>()
    };
    bytes(labels) + bytes(&exemplar.labels) + size_of::<Exemplar>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(second: u64) -> Exemplar {
        Exemplar {
            labels: Labels::default(),
            value: 1.0,
            time: UnixNanos::from_secs(second),
        }
    }

    fn labels(value: &str) -> Labels {
        [("n", value)].into_iter().collect()
    }

    #[test]
    fn one_that_was_there_is_not_kept_again_and_no_labels_are_made_for_it() {
        let mut ring = Ring::default();
        ring.push(1, || labels("a"), exemplar(5), 10);
        ring.push(1, || panic!("it is not newer"), exemplar(5), 10);
        ring.push(2, || panic!("none are kept"), exemplar(5), 0);
        assert_eq!((ring.iter().count(), ring.newest.len()), (1, 1));
    }

    #[test]
    fn what_was_let_go_takes_no_room() {
        let mut ring = Ring::default();
        for round in 1..100 {
            (0..10).for_each(|series| ring.push(series, || labels("a"), exemplar(round), 10));
            ring.retain(|_, _| false);
            assert_eq!((ring.queue_bytes, ring.iter().count()), (0, 0));
        }
    }

    #[test]
    fn long_labels_leave_room_for_fewer() {
        let (mut ring, long) = (Ring::default(), "x".repeat(4000));
        for series in 0..100 {
            ring.push(series, || labels(&long), exemplar(1), 10);
            assert!(ring.queue_bytes <= 10 * BYTES_PER_EXEMPLAR);
        }
        assert_eq!(ring.iter().count(), 4);
        for series in 100..200 {
            ring.push(series, || labels("short"), exemplar(1), 10);
        }
        assert_eq!(ring.iter().count(), 10);
    }
}

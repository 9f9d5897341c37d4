//! When a group is evaluated: at slots that are an interval apart, each group's shifted by
//! its own share of the interval, so that groups do not all query at once.
//!
//! Invariant: a slot is evaluated at most once, only when it has begun, and only if it has
//! begun after the start. So a restart changes neither which slots there are nor evaluates
//! one before the data that was under way has arrived.

use sonde_proto::{Fingerprint, UnixNanos};
use std::time::Duration;

/// The slots of one group.
#[derive(Debug)]
pub(crate) struct Schedule {
    interval: u64,
    offset: u64,
    last: Option<UnixNanos>,
}

/// A slot whose turn has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// The time that is evaluated.
    pub(crate) at: UnixNanos,
    /// How many slots before it nobody evaluated.
    pub(crate) missed: u64,
}

impl Schedule {
    /// `key` decides by how much the slots are shifted.
    pub(crate) fn new(interval: Duration, key: Fingerprint) -> Self {
        let interval = u64::try_from(interval.as_nanos())
            .unwrap_or(u64::MAX)
            .max(1);
        Self {
            interval,
            offset: key.0 % interval,
            last: None,
        }
    }

    /// Passes over every slot up to now, the first time.
    pub(crate) fn start(&mut self, now: UnixNanos) {
        if self.last.is_none() {
            self.last = Some(self.newest(now));
        }
    }

    /// When [`Schedule::take`] is to be called next: at once for the first time, then for
    /// every slot.
    pub(crate) fn due(&self, now: UnixNanos) -> UnixNanos {
        match self.last {
            // A clock that was set back by more than an interval must not silence the group.
            Some(last) if last.since(now) <= self.interval() => last.plus(self.interval()),
            Some(_) | None => self.newest(now),
        }
    }

    /// The newest slot, if it is due; slots before it are passed over. The first call only
    /// starts the schedule.
    pub(crate) fn take(&mut self, now: UnixNanos) -> Option<Slot> {
        if self.due(now) > now {
            return None;
        }
        let at = self.newest(now);
        let last = self.last.replace(at)?;
        let slots = at.0.saturating_sub(last.0) / self.interval;
        (at != last).then(|| Slot {
            at,
            missed: slots.saturating_sub(1),
        })
    }

    /// The newest slot that has begun.
    fn newest(&self, now: UnixNanos) -> UnixNanos {
        match now.0.checked_sub(self.offset) {
            Some(shifted) => UnixNanos(shifted - shifted % self.interval + self.offset),
            None => UnixNanos(0),
        }
    }

    fn interval(&self) -> Duration {
        Duration::from_nanos(self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> UnixNanos {
        UnixNanos::from_secs(seconds)
    }

    fn schedule() -> Schedule {
        let three_seconds = Fingerprint(3_000_000_000);
        Schedule::new(Duration::from_secs(10), three_seconds)
    }

    #[test]
    fn slots_are_an_interval_apart_and_shifted() {
        let mut schedule = schedule();
        assert!(schedule.due(at(1_000)) <= at(1_000), "it is to be started");
        assert_eq!(schedule.take(at(1_000)), None);
        assert_eq!(schedule.due(at(1_000)), at(1_003));
        assert_eq!(schedule.take(at(1_002)), None);
        let slot = schedule.take(at(1_004));
        let expected = Slot {
            at: at(1_003),
            missed: 0,
        };
        assert_eq!(slot, Some(expected));
        assert_eq!(schedule.take(at(1_004)), None);
    }

    #[test]
    fn missed_slots_are_passed_over_and_counted() {
        let mut schedule = schedule();
        schedule.take(at(1_000));
        let slot = schedule.take(at(1_060));
        let expected = Slot {
            at: at(1_053),
            missed: 5,
        };
        assert_eq!(slot, Some(expected));
        assert_eq!(schedule.due(at(1_060)), at(1_063));
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_silence_the_group() {
        let mut schedule = schedule();
        schedule.take(at(1_000));
        assert_eq!(schedule.take(at(990)), None, "a moment is waited for");
        let slot = schedule.take(at(500));
        let expected = Slot {
            at: at(493),
            missed: 0,
        };
        assert_eq!(slot, Some(expected));
    }

    #[test]
    fn times_at_the_ends_of_the_range_do_not_panic() {
        for now in [UnixNanos(0), UnixNanos(1), UnixNanos(u64::MAX)] {
            let mut schedule = schedule();
            assert_eq!(schedule.take(now), None);
            assert_eq!(schedule.take(now), None);
        }
    }
}

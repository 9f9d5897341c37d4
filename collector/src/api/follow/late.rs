//! Counts the lines that come too late to be followed, without I/O.
//!
//! Now and then it is counted how many lines the query's streams have in the hour before where
//! following goes on. What is there in the same hour a while later, and was not then, has come
//! too late. The streams are counted, which needs no look at lines; so with stages behind the
//! selector some of these lines may not be asked for.

use sonde_proto::UnixNanos;
use std::time::Duration;

/// How often it is counted.
pub(super) const COUNT_EVERY: Duration = Duration::from_secs(10);
/// How late lines are counted.
const PERIOD: Duration = Duration::from_secs(3600);

/// From a time on, before another.
pub(super) type Period = (UnixNanos, UnixNanos);

/// What was counted the last time.
#[derive(Debug, Default)]
pub(super) struct Late {
    counted: Option<(Period, u64)>,
}

/// What is counted this time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Question {
    /// What was counted the last time.
    pub(super) again: Option<Period>,
    /// What will be counted again.
    pub(super) next: Period,
}

/// How many lines there are; nothing where it could not be told.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) again: Option<u64>,
    pub(super) next: Option<u64>,
}

impl Late {
    /// What to count, where following goes on from a time.
    pub(super) fn question(&self, from: UnixNanos) -> Question {
        Question {
            again: self.counted.map(|(period, _)| period),
            next: (from.minus(PERIOD), from),
        }
    }

    /// Takes what was counted: how many lines have come too late since the last time.
    pub(super) fn take(&mut self, question: Question, counts: Counts) -> u64 {
        let before = self.counted.map(|(_, count)| count);
        self.counted = counts.next.map(|count| (question.next, count));
        match (before, counts.again) {
            // Fewer are those that were deleted, or are not kept any longer.
            (Some(before), Some(now)) => now.saturating_sub(before),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_there_before_has_come_late() {
        let mut late = Late::default();
        let mut count = |from: u64, again: Option<u64>, next: Option<u64>| {
            let question = late.question(UnixNanos::from_secs(from));
            (question.again, late.take(question, Counts { again, next }))
        };
        let hour = |to| (UnixNanos::from_secs(to - 3600), UnixNanos::from_secs(to));
        assert_eq!(count(5000, None, Some(10)), (None, 0));
        assert_eq!(count(5010, Some(10), Some(12)), (Some(hour(5000)), 0));
        assert_eq!(count(5020, Some(15), Some(20)), (Some(hour(5010)), 3));
        assert_eq!(count(5030, Some(4), Some(6)), (Some(hour(5020)), 0));
        // What could not be counted is compared with nothing.
        assert_eq!(count(5040, None, None), (Some(hour(5030)), 0));
        assert_eq!(count(5050, None, Some(9)), (None, 0));
        assert_eq!(count(5060, Some(10), Some(9)), (Some(hour(5050)), 1));
    }
}

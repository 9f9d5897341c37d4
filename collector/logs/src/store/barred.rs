//! Segments that no merge is to take for a while, because one with them has failed.
//!
//! A merge that fails over what it reads would fail again at every seal and keep all others
//! from their turn. What ails the disk passes, so the time is short.

use sonde_proto::UnixNanos;
use std::collections::BTreeMap;
use std::time::Duration;

/// How long a segment is let alone.
const BARRED_FOR: Duration = Duration::from_secs(600);

/// The sources of the merge that was started last, and of those that failed, since when. As many
/// at most as there were segments lately.
#[derive(Debug, Default)]
pub(super) struct Barred {
    tried: Vec<u64>,
    since: BTreeMap<u64, UnixNanos>,
}

impl Barred {
    /// Notes what the work in the background takes that is started now: nothing where that is
    /// no merge.
    pub(super) fn try_with(&mut self, sources: Vec<u64>) {
        self.tried = sources;
    }

    /// Bars the sources of the merge that has failed; whether there are any.
    pub(super) fn bar_tried(&mut self, now: UnixNanos) -> bool {
        let tried = std::mem::take(&mut self.tried);
        let is_merge = !tried.is_empty();
        self.since.extend(tried.into_iter().map(|id| (id, now)));
        is_merge
    }

    /// Lets those be tried again that have been barred for long enough, or since nobody knows
    /// when, where the clock stepped back. Whether there are any.
    pub(super) fn forget_before(&mut self, now: UnixNanos) -> bool {
        let before = self.since.len();
        self.since
            .retain(|_, since| now >= *since && now.since(*since) < BARRED_FOR);
        self.since.len() < before
    }

    pub(super) fn has(&self, segment: u64) -> bool {
        self.since.contains_key(&segment)
    }
}

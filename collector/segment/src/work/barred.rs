//! Segments that no merge is to take for a while.

use sonde_proto::UnixNanos;
use std::collections::HashMap;
use std::time::Duration;

/// How long a segment is let alone after a merge with it has failed.
const BARRED_FOR: Duration = Duration::from_secs(3600);

/// The inputs of merges that failed, and when they did. As many at most as there are segments.
#[derive(Debug, Default)]
pub struct Barred(HashMap<u64, UnixNanos>);

impl Barred {
    /// Notes the inputs of a merge that failed now.
    pub fn add(&mut self, inputs: Vec<u64>, now: UnixNanos) {
        self.0.extend(inputs.into_iter().map(|id| (id, now)));
    }

    /// Lets those be tried again that have been barred for long enough.
    pub fn forget_before(&mut self, now: UnixNanos) {
        self.0.retain(|_, since| now.since(*since) < BARRED_FOR);
    }

    /// Whether no merge is to take the segment.
    #[must_use]
    pub fn contains(&self, id: u64) -> bool {
        self.0.contains_key(&id)
    }
}

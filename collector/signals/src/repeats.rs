//! Batches that come again.
//!
//! A sender whose answer was lost sends the same bytes once more, and they were counted. Spans
//! have IDs of their own, so two batches with the same bytes are one batch, always; it counts
//! once. A sender that packs its spans anew before it sends them again is not recognised, and
//! counts twice: to know every span by its ID would cost more than all other counting.
//!
//! What was seen is part of the snapshot, so that counting again after a crash decides the
//! same.

use ahash::HashSet;
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use std::collections::VecDeque;
use std::time::Duration;

/// What tells batches apart: the ID of the first span, the length and the CRC-32C.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(crate) struct Batch {
    first: u64,
    bytes: u32,
    crc: u32,
}

/// The batches seen lately, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(
    from = "VecDeque<(UnixNanos, Batch)>",
    into = "VecDeque<(UnixNanos, Batch)>"
)]
pub(crate) struct Repeats {
    seen: VecDeque<(UnixNanos, Batch)>,
    known: HashSet<Batch>,
}

impl Batch {
    /// `first_span` is the span ID of the first span.
    pub(crate) fn of(payload: &[u8], first_span: &[u8]) -> Self {
        let first = first_span
            .first_chunk()
            .map_or(0, |id| u64::from_be_bytes(*id));
        Self {
            first,
            bytes: u32::try_from(payload.len()).unwrap_or(u32::MAX),
            crc: crc32c::crc32c(payload),
        }
    }
}

impl Repeats {
    /// Notes a batch; whether it is new. Those older than `window` are forgotten, and the
    /// oldest where there are more than `most`.
    pub(crate) fn note(
        &mut self,
        batch: Batch,
        now: UnixNanos,
        window: Duration,
        most: usize,
    ) -> bool {
        self.forget(now.minus(window), most.saturating_sub(1));
        let new = self.known.insert(batch);
        if new {
            self.seen.push_back((now, batch));
        }
        new
    }

    /// Forgets what was seen before, and the oldest where there are more than `most`.
    pub(crate) fn forget(&mut self, before: UnixNanos, most: usize) {
        while let Some((seen, batch)) = self.seen.front()
            && (*seen < before || self.seen.len() > most)
        {
            self.known.remove(batch);
            self.seen.pop_front();
        }
    }
}

impl From<VecDeque<(UnixNanos, Batch)>> for Repeats {
    fn from(seen: VecDeque<(UnixNanos, Batch)>) -> Self {
        let known = seen.iter().map(|(_, batch)| *batch).collect();
        Self { seen, known }
    }
}

impl From<Repeats> for VecDeque<(UnixNanos, Batch)> {
    fn from(repeats: Repeats) -> Self {
        repeats.seen
    }
}

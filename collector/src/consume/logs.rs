//! Logs go to the log store, and where traces are sampled, errors name the traces they are of.
//!
//! These votes are durable before the journal forgets the records they came from, so that a
//! trace that is judged after a restart has all of them. While logs are replayed, and whenever
//! there are more to take, the trace store is told how far they have come, and judges nothing
//! beyond.

use super::Consumer;
use sonde_logs::{LogStore, each_error};
use sonde_proto::{Entry, Position, UnixNanos};
use sonde_traces::{TraceStore, Vote};
use std::sync::Arc;

/// Feeds the log store, and the trace store with votes.
pub(crate) struct LogConsumer {
    store: Arc<LogStore>,
    traces: Arc<TraceStore>,
    /// Up to where votes are durable.
    saved_to: Position,
    /// Entries before this position had their votes.
    voted_to: Position,
    /// When the newest entry arrived.
    newest: UnixNanos,
    /// Whether any were offered since the trace store was told last how far they have come.
    is_busy: bool,
}

impl LogConsumer {
    pub(crate) fn new(store: Arc<LogStore>, traces: Arc<TraceStore>) -> Self {
        traces.hear(Position::START, UnixNanos(0));
        // A file that cannot be written now is tried again when it matters.
        let saved_to = traces.save_votes(Position::START).unwrap_or_default();
        Self {
            voted_to: saved_to.min(store.resume_from()),
            store,
            traces,
            saved_to,
            newest: UnixNanos(0),
            is_busy: false,
        }
    }

    fn hear(&mut self, caught_up: bool) {
        if caught_up {
            // What the journal no longer holds is of no trace that waits.
            self.voted_to = self.voted_to.max(self.store.applied_to());
        }
        let was_busy = std::mem::take(&mut self.is_busy);
        let until = match caught_up && !was_busy {
            true => UnixNanos(u64::MAX),
            false => self.newest,
        };
        self.traces.hear(self.applied_to(), until);
    }

    /// Makes the votes durable of what the store has sealed.
    fn cover(&mut self) -> Result<(), String> {
        let sealed = self.store.resume_from();
        if sealed > self.saved_to {
            let saved = self.traces.save_votes(sealed);
            self.saved_to = saved.map_err(|error| error.to_string())?;
        }
        Ok(())
    }
}

impl Consumer for LogConsumer {
    fn resume_from(&self) -> Position {
        self.store.resume_from().min(self.saved_to)
    }

    fn applied_to(&self) -> Position {
        self.store.applied_to().min(self.voted_to)
    }

    fn apply(&mut self, entries: &[(Position, Entry)]) {
        self.is_busy |= !entries.is_empty();
        for (position, entry) in entries {
            self.voted_to = self.voted_to.max(position.next());
            each_error(entry, |trace_id| {
                let at = entry.received_at;
                self.traces
                    .vote(&entry.tenant, trace_id, Vote::ErrorLog, at);
            });
            self.newest = self.newest.max(entry.received_at);
        }
        self.store.apply(entries);
    }

    fn maintain(&mut self, now: UnixNanos, caught_up: bool) -> Result<(), String> {
        self.hear(caught_up);
        let maintained = self.store.maintain(now);
        // Also after a failure: what it has sealed all the same is covered, and can be trimmed.
        let covered = self.cover();
        maintained
            .map(drop)
            .map_err(|error| error.to_string())
            .and(covered)
    }

    fn seal(&mut self, now: UnixNanos, caught_up: bool) -> Result<(), String> {
        self.hear(caught_up);
        let sealed = self.store.seal(now);
        let covered = self.cover();
        sealed
            .map(drop)
            .map_err(|error| error.to_string())
            .and(covered)
    }
}

#[cfg(test)]
mod tests;

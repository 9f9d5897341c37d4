//! Spans go to the trace store and, all of them, into RED and the service graph.
//!
//! The signals' state is written to a snapshot once the store has sealed, every ten seconds at
//! most, and the journal is trimmed only before both, so counters continue over a crash without
//! a reset, a gap or a double count. Nothing is emitted while old entries are replayed:
//! what they had led to was emitted before.
//!
//! Where traces are sampled, RED is computed of all of them all the same. An exemplar names a
//! trace that is kept then: its vote is durable before the exemplar is, and there is one of a
//! series in a minute.

use super::Consumer;
use crate::derive::Derived;
use crate::durable;
use sonde_proto::{Entry, Position, Tenant, UnixNanos, walk};
use sonde_signals::SpanSignals;
use sonde_traces::{TraceStore, Vote};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

const EMIT_EVERY: Duration = Duration::from_secs(5);
/// How often a series has an exemplar where not every trace is kept.
const EXEMPLAR_EVERY: Duration = Duration::from_secs(60);
/// How long a snapshot lasts. Where spans come so fast that the store seals every second,
/// writing one each time took a twentieth of all processor time; the journal keeps what came
/// since, which is counted again after a crash.
const SNAPSHOT_EVERY: Duration = Duration::from_secs(10);

/// Feeds the trace store and the signals computed from spans.
pub(crate) struct SpanConsumer {
    store: Arc<TraceStore>,
    signals: SpanSignals,
    snapshot_file: PathBuf,
    /// The signals' position in the snapshot on disk.
    snapshot_at: Position,
    /// When it was written last, by this program.
    snapshot_written: Option<UnixNanos>,
    derived: Derived,
    emitted: UnixNanos,
}

impl SpanConsumer {
    /// `signals` as restored from `snapshot_file`, or new where there was none.
    pub(crate) fn new(
        store: Arc<TraceStore>,
        signals: SpanSignals,
        snapshot_file: PathBuf,
        derived: Derived,
    ) -> Self {
        let snapshot_at = signals.applied_to();
        store.note_replaying(true);
        Self {
            store,
            signals,
            snapshot_file,
            snapshot_at,
            snapshot_written: None,
            derived,
            emitted: UnixNanos::default(),
        }
    }

    fn emit(&mut self, now: UnixNanos) {
        self.emitted = now;
        let store = &self.store;
        let every = match store.samples() {
            true => EXEMPLAR_EVERY,
            false => Duration::ZERO,
        };
        let mut keep = |tenant: &Tenant, id| store.vote(tenant, id, Vote::Exemplar, now);
        let collected = self.signals.collect_with(now, every, &mut keep);
        if let Err(error) = store.save_votes(Position::START) {
            tracing::warn!(%error, "after a crash now, an exemplar may name a trace that is not kept");
        }
        for (tenant, request) in collected {
            self.derived.append(tenant, &request);
        }
    }

    /// Brings the snapshot up to what the store has sealed, unless it is a recent one.
    fn cover_if_due(&mut self, now: UnixNanos) -> Result<(), String> {
        // Where the clock stepped back, nobody knows how long it has been.
        let is_recent = self
            .snapshot_written
            .is_some_and(|written| now >= written && now.since(written) < SNAPSHOT_EVERY);
        if is_recent { Ok(()) } else { self.cover(now) }
    }

    fn cover(&mut self, now: UnixNanos) -> Result<(), String> {
        let at = self.signals.applied_to();
        if self.store.resume_from() > self.snapshot_at && at > self.snapshot_at {
            durable::replace(&self.snapshot_file, &self.signals.snapshot())
                .map_err(|error| format!("write {}: {error}", self.snapshot_file.display()))?;
            self.snapshot_at = at;
            self.snapshot_written = Some(now);
        }
        Ok(())
    }
}

impl Consumer for SpanConsumer {
    fn resume_from(&self) -> Position {
        self.store.resume_from().min(self.snapshot_at)
    }

    fn applied_to(&self) -> Position {
        self.store.applied_to().min(self.signals.applied_to())
    }

    fn apply(&mut self, entries: &[(Position, Entry)]) {
        let mut store = self.store.begin();
        for (position, entry) in entries {
            let (stored, counted) = (store.wants(*position), self.signals.wants(*position));
            if !stored && !counted {
                continue;
            }
            // Read once for both.
            let spans = walk::spans_of(entry);
            if stored {
                store.take(*position, entry, &spans);
            }
            if counted {
                self.signals.take(*position, entry, &spans);
            }
        }
    }

    fn maintain(&mut self, now: UnixNanos, caught_up: bool) -> Result<(), String> {
        self.store.note_replaying(!caught_up);
        if caught_up && now.since(self.emitted) >= EMIT_EVERY {
            self.emit(now);
        }
        let maintained = self.store.as_ref().maintain(now);
        // Also after a failure: what it has sealed all the same is covered, and can be trimmed.
        let covered = self.cover_if_due(now);
        maintained.map_err(|error| error.to_string()).and(covered)
    }

    fn seal(&mut self, now: UnixNanos, caught_up: bool) -> Result<(), String> {
        self.store.note_replaying(!caught_up);
        if caught_up {
            self.emit(now);
        }
        let sealed = self.store.as_ref().seal(now);
        let covered = self.cover(now);
        sealed.map_err(|error| error.to_string()).and(covered)
    }
}

//! What the thread that takes entries owns: the manifest, what is being sealed and merged, and
//! how full the memory is.

use super::merge::Merged;
use super::{MetricStore, StoreError};
use crate::Config;
use crate::ingest::Ingest;
use crate::remote::ahead::{Ahead, Unpacked};
use crate::segment::Segment;
use crate::telemetry::Reason;
use sonde_proto::snappy::Unpacker;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use sonde_segment::Manifest;
use sonde_segment::work::{Background, Barred, Pace};
use std::sync::Arc;

/// A segment of every tenant that had samples.
pub(super) type Sealed = Result<Vec<(Tenant, Arc<Segment>)>, StoreError>;

/// Who may change the store.
#[derive(Debug)]
pub(super) struct Writer {
    /// The manifest in force.
    pub(super) manifest: Manifest,
    /// Everything before this position is frozen or sealed already, while a seal is not done.
    pub(super) frozen: Option<Position>,
    pub(super) frozen_bytes: u64,
    /// Bytes of samples that came since.
    pub(super) active_bytes: u64,
    /// How many samples came since.
    pub(super) active_samples: u64,
    /// When the oldest of these was received.
    pub(super) active_since: Option<UnixNanos>,
    pub(super) sealing: Background<Sealed>,
    pub(super) merging: Background<Result<Merged, StoreError>>,
    /// The inputs of the merge under way.
    pub(super) merging_run: Vec<u64>,
    pub(super) barred: Barred,
    /// How many wait until everything is sealed. Nothing new is frozen for its age or its number
    /// meanwhile, or they would wait for ever.
    pub(super) waiting: usize,
    /// Whether segments changed since a merge was last looked for.
    pub(super) merge_due: bool,
    pub(super) pace: Arc<Pace>,
    /// When tenants and series that ended were last looked for.
    pub(super) swept: UnixNanos,
    /// The time that was last told.
    pub(super) now: UnixNanos,
    unpacker: Unpacker,
    /// The first entry for which there was no room.
    refused: Option<Position>,
}

impl Writer {
    pub(super) fn new(manifest: Manifest, config: &Config, now: UnixNanos) -> Self {
        Self {
            manifest,
            frozen: None,
            frozen_bytes: 0,
            active_bytes: 0,
            active_samples: 0,
            active_since: None,
            sealing: Background::new("metrics-seal"),
            merging: Background::new("metrics-merge"),
            merging_run: Vec::new(),
            barred: Barred::default(),
            waiting: 0,
            merge_due: true,
            swept: now,
            pace: Arc::new(Pace::new(config.merge_bytes_per_second_max)),
            now,
            unpacker: Unpacker::default(),
            refused: None,
        }
    }

    /// Ends the work in the background; its results are not published.
    pub(super) fn stop(&mut self) {
        self.pace.close();
        self.sealing.wait();
        self.merging.wait();
    }
}

impl MetricStore {
    /// Makes entries visible. Those before [`Self::applied_to`] are ignored.
    ///
    /// Memory is bounded: where the samples fill it and cannot be sealed (a full disk), the
    /// entries from there on are refused, [`Self::applied_to`] stays, and they have to be
    /// applied again, from that position, once there is room.
    pub fn apply(&self, entries: &[(Position, Entry)]) {
        let mut writer = self.writer.lock();
        let applied = entries.partition_point(|(position, _)| *position < self.applied_to());
        let entries = &entries[applied..];
        Ahead::of(&self.keys, entries, |ahead| {
            self.apply_all(&mut writer, entries, ahead);
        });
    }

    fn apply_all(&self, writer: &mut Writer, entries: &[(Position, Entry)], ahead: Option<&Ahead>) {
        for (position, entry) in entries {
            if writer.refused.is_some_and(|refused| *position > refused)
                || !self.make_room(writer, *position)
            {
                return;
            }
            writer.refused = None;
            if entry.signal == Signal::Metrics {
                let unpacked = ahead.and_then(|ahead| ahead.take(*position, entry));
                self.apply_one(writer, entry, unpacked.as_ref());
                if let (Some(ahead), Some(unpacked)) = (ahead, unpacked) {
                    ahead.give_back(unpacked);
                }
            }
            self.advance_to(position.next());
        }
    }

    fn apply_one(&self, writer: &mut Writer, entry: &Entry, unpacked: Option<&Unpacked>) {
        let Some(tenant) = self.tenant_or_new(&entry.tenant) else {
            self.telemetry.refuse(Reason::TenantsMax, 1);
            return;
        };
        writer.active_since.get_or_insert(entry.received_at);
        let mut state = tenant.state.write();
        let before = (state.head.samples(), state.head.active_bytes() as u64);
        Ingest {
            config: &self.config,
            keys: &self.keys,
            telemetry: &self.telemetry,
            indexes: &self.indexes,
            room: self.room(&entry.tenant, &state),
            offenders: &tenant.offenders,
            state: &mut state,
            unpacker: &mut writer.unpacker,
            received_at: entry.received_at,
        }
        .entry(entry, unpacked);
        self.count_series(&tenant, &state);
        let (samples, bytes) = (state.head.samples(), state.head.active_bytes() as u64);
        self.telemetry.samples.inc_by(samples - before.0);
        writer.active_samples += samples - before.0;
        writer.active_bytes = (writer.active_bytes + bytes).saturating_sub(before.1);
    }

    /// Makes sure that there is memory for the entry at `next`, by sealing early. False where
    /// there is none.
    fn make_room(&self, writer: &mut Writer, next: Position) -> bool {
        let max = self.config.head_bytes_max;
        let all = writer.active_bytes + writer.frozen_bytes;
        if writer.active_bytes < max / 2 && all < max {
            return true;
        }
        let full = writer.frozen.is_some() && all >= max;
        if full && let Err(error) = self.finish_seal(writer) {
            if writer.refused.is_none() {
                tracing::error!(%error, "the metric store is full and cannot seal; nothing more is taken until it can");
            }
            writer.refused.get_or_insert(next);
            return false;
        }
        // Whoever waits until everything is sealed comes first, while there is room: where a seal
        // takes as long as the memory takes to fill, it would never find an instant without one.
        let freeze_at = if writer.waiting == 0 { max / 2 } else { max };
        if writer.frozen.is_none()
            && writer.active_bytes >= freeze_at
            && let Err(error) = self.freeze(writer)
        {
            tracing::error!(%error, "sealing metrics failed and will be tried again");
        }
        true
    }
}

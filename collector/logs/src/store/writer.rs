//! What the writing thread owns, and how it takes entries.

use super::LogStore;
use super::barred::Barred;
use super::delete::{Requests, SavedRequests};
use super::merge::Merged;
use super::seal::{Frozen, Sealed};
use super::sweep::Sweeping;
use crate::config::Config;
use crate::dedup::{Marks, SavedMarks};
use crate::intake::Intake;
use crate::tail::Batch;
use crate::telemetry::Telemetry;
use serde::{Deserialize, Serialize};
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use sonde_segment::Manifest;
use sonde_segment::work::{Background, Pace};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many bytes of payload are made visible in one step.
const STEP_BYTES: usize = 4 << 20;

/// The writing thread's own.
pub(super) struct Writer {
    pub(super) manifest: Manifest,
    pub(super) intake: Intake,
    /// When `maintain` first saw the growing tail.
    pub(super) tail_since: Option<UnixNanos>,
    pub(super) active_bytes: u64,
    pub(super) frozen: Option<Frozen>,
    pub(super) sealing: Background<Result<Vec<Sealed>, String>>,
    pub(super) merging: Background<Result<Merged, String>>,
    /// Whether segments changed since a merge was last looked for.
    pub(super) merge_due: bool,
    pub(super) barred: Barred,
    /// What is asked to be deleted.
    pub(super) requests: Requests,
    pub(super) sweeping: Sweeping,
    /// The time, as `maintain` was told last.
    pub(super) now: UnixNanos,
    /// Holds merging back.
    pub(super) pace: Arc<Pace>,
    /// The first entry that was refused for want of room.
    refused: Option<Position>,
}

/// What the manifest keeps for the store.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Extra {
    pub(super) marks: SavedMarks,
    pub(super) deletes: SavedRequests,
}

impl Writer {
    /// # Errors
    /// What the manifest has for the store and cannot be read.
    pub(super) fn new(
        manifest: Manifest,
        config: &Config,
        telemetry: &Telemetry,
        now: UnixNanos,
    ) -> Result<Self, String> {
        let extra: Extra = match manifest.extra.is_null() {
            true => Extra::default(),
            false => serde_json::from_value(manifest.extra.clone())
                .map_err(|error| format!("its part for logs cannot be read: {error}"))?,
        };
        let marks = Marks::restore(config.uid_files_max, &extra.marks);
        Ok(Self {
            manifest,
            intake: Intake::new(config, marks, telemetry.clone()),
            tail_since: None,
            active_bytes: 0,
            frozen: None,
            sealing: Background::new("logs-seal"),
            merging: Background::new("logs-merge"),
            merge_due: true,
            barred: Barred::default(),
            requests: Requests::restore(extra.deletes),
            sweeping: Sweeping::default(),
            now,
            pace: Arc::new(Pace::new(config.merge_bytes_per_second_max)),
            refused: None,
        })
    }

    /// Ends the work in the background; its results are not published.
    pub(super) fn stop(&mut self) {
        self.pace.close();
        self.sealing.wait();
        self.merging.wait();
    }

    pub(super) fn frozen_bytes(&self) -> u64 {
        self.frozen.as_ref().map_or(0, |f| f.bytes)
    }
}

impl LogStore {
    /// Applies the first of `entries` and returns the others.
    pub(super) fn apply_some<'e>(
        &self,
        writer: &mut Writer,
        entries: &'e [(Position, Entry)],
    ) -> &'e [(Position, Entry)] {
        let mut batches = with_room(entries);
        let (mut applied_to, mut bytes, mut taken) = (self.applied_to(), 0, 0);
        for (position, entry) in entries {
            let behind_refused = writer.refused.is_some_and(|refused| *position > refused);
            if *position >= applied_to && !behind_refused {
                writer.intake.take(*position, entry, &mut batches);
                applied_to = position.next();
                writer.refused = None;
                bytes += entry.payload.len();
            }
            taken += 1;
            if bytes >= STEP_BYTES {
                break;
            }
        }
        writer.active_bytes += batches.values().map(crate::tail::Batch::bytes).sum::<u64>();
        self.view.write().append(batches, applied_to);
        self.telemetry
            .tail_bytes
            .set(clamped(writer.active_bytes + writer.frozen_bytes()));
        &entries[taken..]
    }

    /// Makes sure that the tail has room for the entry at `next`, by sealing early. False
    /// where it has none.
    pub(super) fn make_room(&self, writer: &mut Writer, next: Position) -> bool {
        let max = self.config.tail_bytes_max;
        if writer.active_bytes < max / 2 {
            return true;
        }
        let full = writer.frozen.is_some() && writer.active_bytes + writer.frozen_bytes() >= max;
        if full && let Err(error) = self.finish_seal(writer) {
            self.telemetry.fail("seal");
            if writer.refused.is_none() {
                tracing::error!(%error, "the log store is full and cannot seal; nothing more is taken until it can");
            }
            writer.refused.get_or_insert(next);
            return false;
        }
        if writer.frozen.is_none()
            && let Err(error) = self.freeze(writer)
        {
            self.telemetry.fail("seal");
            tracing::error!(%error, "sealing logs failed and will be tried again");
        }
        true
    }

    /// Shows sizes on the metrics page.
    pub(super) fn show_gauges(&self, writer: &Writer) {
        let segments = &writer.manifest.segments;
        self.telemetry.segments.set(clamped(segments.len() as u64));
        self.telemetry
            .segment_bytes
            .set(clamped(segments.iter().map(|s| s.bytes).sum()));
        self.telemetry
            .tail_bytes
            .set(clamped(writer.active_bytes + writer.frozen_bytes()));
    }
}

/// A batch for each tenant of the first of `entries`, with room for what they hold: one that
/// grows is copied again and again.
fn with_room(entries: &[(Position, Entry)]) -> BTreeMap<Tenant, Batch> {
    let mut sizes: BTreeMap<&Tenant, usize> = BTreeMap::new();
    let mut all = 0;
    for (_, entry) in entries {
        if entry.signal == Signal::Logs {
            *sizes.entry(&entry.tenant).or_default() += entry.payload.len();
        }
        all += entry.payload.len();
        if all >= STEP_BYTES {
            break;
        }
    }
    let batches = sizes.into_iter().map(|(tenant, bytes)| {
        let mut batch = Batch::default();
        batch.reserve(bytes);
        (tenant.clone(), batch)
    });
    batches.collect()
}

fn clamped(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

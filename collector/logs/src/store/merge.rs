//! Merging: from several small segments to one, in the background; and sweeping, which is a
//! merge of one. They take turns.
//!
//! Segments whose blocks are full are joined: the blocks are moved as they are. Others are
//! written anew, and so are those where something is to be left out.

mod joined;
mod sources;

use super::LogStore;
use super::StoreError;
use super::plan::{self, Piece, PlanLimits};
use super::seal::{About, Task, last_time};
use super::sweep::{deletes_through, note_deletes};
use super::writer::Writer;
use crate::segment::{Damage, Handle, ReadError, Segment};
use sonde_proto::Tenant;
use sonde_segment::SegmentMeta;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// Why work in the background gave up.
const CLOSING: &str = "the store is closing";

/// What the work in the background came to.
#[derive(Debug)]
pub(super) enum Merged {
    /// It waits for the manifest.
    Written(Rewritten),
    /// A source turned out to be damaged.
    Damaged { id: u64, damage: Damage },
    /// The system does not let a source be read.
    Unreadable { id: u64, error: String },
}

/// What is to become of segments.
#[derive(Debug, Default)]
pub(super) struct Rewritten {
    /// These go.
    pub(super) gone: Vec<u64>,
    /// This takes their place, unless nothing is left of them.
    pub(super) new: Option<Arc<Handle>>,
    /// These have nothing of what the requests up to `through` delete.
    pub(super) clean: Vec<u64>,
    pub(super) through: u64,
    /// How many records are left out because they outlived their retention.
    pub(super) past: u64,
    /// How many are left out because somebody asked for that.
    pub(super) deleted: u64,
}

impl Rewritten {
    /// Both together; only one of them has a new segment.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.gone.extend(other.gone);
        self.clean.extend(other.clean);
        self.new = self.new.or(other.new);
        self.past += other.past;
        self.deleted += other.deleted;
        self
    }
}

impl LogStore {
    /// Publishes the work in the background if it is finished, and starts the next if some
    /// is due.
    pub(super) fn advance_merge(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if let Some(result) = writer.merging.poll() {
            self.publish_merge(writer, result)?;
        }
        if !writer.merging.is_busy() {
            self.start_merge(writer);
        }
        Ok(())
    }

    /// Merges and sweeps until nothing is left to do, and waits for it.
    ///
    /// # Errors
    /// [`StoreError`] when a segment could not be published; the others stay.
    pub fn merge_all(&self) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        writer.merge_due = true;
        loop {
            if let Some(result) = writer.merging.wait() {
                self.publish_merge(&mut writer, result)?;
            }
            // What cannot be read must not be taken up again and again.
            self.judge_damaged(&mut writer)?;
            self.start_merge(&mut writer);
            if !writer.merging.is_busy() {
                return Ok(());
            }
        }
    }

    /// Starts what is due: a sweep or a merge, in turns.
    fn start_merge(&self, writer: &mut Writer) {
        let started = match writer.sweeping.was_last {
            true => self.merge(writer) || self.sweep(writer),
            false => self.sweep(writer) || self.merge(writer),
        };
        if !started {
            writer.sweeping.was_last = false;
        }
    }

    fn sweep(&self, writer: &mut Writer) -> bool {
        let Some(sweep) = self.next_sweep(writer) else {
            return false;
        };
        writer.sweeping.was_last = true;
        writer.barred.try_with(Vec::new());
        let pace = Arc::clone(&writer.pace);
        self.start(writer, move || sweep.run(&pace));
        true
    }

    fn merge(&self, writer: &mut Writer) -> bool {
        writer.merge_due |= writer.barred.forget_before(writer.now);
        if !std::mem::take(&mut writer.merge_due) {
            return false;
        }
        let sources = self.next_sources(writer).unwrap_or_default();
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
            return false;
        };
        writer.sweeping.was_last = false;
        let ids = sources.iter().map(|source| source.meta.id);
        writer.barred.try_with(ids.collect());
        let cancel = self.config.delete_cancel_seconds;
        let through = writer.requests.due_through(writer.now, cancel);
        let hidden = self.view.read().hidden(&first.meta.tenant);
        let hidden = hidden.through(through);
        let task = Task {
            dir: Arc::clone(&self.dir),
            common: Arc::clone(&self.common),
            tenant: first.meta.tenant.clone(),
            id: writer.manifest.take_id(),
            positions: (first.meta.positions.0, last.meta.positions.1),
        };
        let pace = Arc::clone(&writer.pace);
        self.start(writer, move || {
            let sources = match open_all(&sources) {
                Ok(sources) => sources,
                Err(unread) => return Ok(unread),
            };
            let joined = task.join(&sources, &pace, &hidden, through)?;
            joined.map_or_else(|| task.merge(&sources, &pace, &hidden, through), Ok)
        });
        true
    }

    fn start(
        &self,
        writer: &mut Writer,
        work: impl Fn() -> Result<Merged, String> + Clone + Send + 'static,
    ) {
        if let Some(result) = writer.merging.start(work)
            && let Err(error) = self.publish_merge(writer, Some(result))
        {
            tracing::error!(%error, "merging segments of logs failed");
        }
    }

    fn next_sources(&self, writer: &Writer) -> Option<Vec<Arc<Handle>>> {
        let limits = PlanLimits {
            factor: usize::try_from(self.config.merge_factor)
                .unwrap_or(usize::MAX)
                .clamp(2, 64),
            raw_bytes_max: self.config.segment_bytes_max,
            span_max: Duration::from_secs(self.config.merge_span_seconds_max),
        };
        let mut tenants: BTreeMap<&Tenant, Vec<&SegmentMeta>> = BTreeMap::new();
        for meta in &writer.manifest.segments {
            tenants.entry(&meta.tenant).or_default().push(meta);
        }
        let view = self.view.read();
        tenants.into_values().find_map(|mut metas| {
            metas.sort_unstable_by_key(|m| m.positions);
            let is_apart = |m: &&SegmentMeta| view.suspects.has(m.id) || writer.barred.has(m.id);
            let mut readable = metas.split(is_apart);
            readable.find_map(|metas| {
                let pieces: Vec<Piece> = metas.iter().map(|m| piece(m)).collect();
                let window = plan::next_merge(&pieces, &limits)?;
                metas[window].iter().map(|m| view.segment(m.id)).collect()
            })
        })
    }

    fn publish_merge(
        &self,
        writer: &mut Writer,
        result: Option<Result<Merged, String>>,
    ) -> Result<(), StoreError> {
        let panicked = || Err("the merging thread panicked".into());
        match result.unwrap_or_else(panicked) {
            Ok(Merged::Written(rewritten)) => self.replace_rewritten(writer, rewritten),
            Ok(Merged::Damaged { id, damage }) => {
                self.damaged.lock().push((id, damage.0));
                writer.merge_due = true;
                writer.sweeping.rest(writer.now);
                Ok(())
            }
            Ok(Merged::Unreadable { id, error }) => {
                self.telemetry.fail("merge");
                if let Some(meta) = writer.manifest.segment(id) {
                    let suspects = &mut self.view.write().suspects;
                    suspects.add_unreadable(meta, &error, writer.now);
                }
                writer.merge_due = true;
                writer.sweeping.rest(writer.now);
                Ok(())
            }
            Err(error) => {
                // Not tried again before a while: a full disk is not helped by trying.
                self.telemetry.fail("merge");
                writer.merge_due |= writer.barred.bar_tried(writer.now);
                writer.sweeping.rest(writer.now);
                tracing::warn!(
                    error,
                    "merging segments of logs failed; they stay as they are"
                );
                Ok(())
            }
        }
    }

    fn replace_rewritten(
        &self,
        writer: &mut Writer,
        rewritten: Rewritten,
    ) -> Result<(), StoreError> {
        let Rewritten { gone, new, .. } = &rewritten;
        if !gone.iter().all(|id| writer.manifest.segment(*id).is_some()) {
            // Retention or quarantine took a source meanwhile; merge what is left anew.
            writer.merge_due = true;
            self.discard(new.as_deref());
            return Ok(());
        }
        let mut manifest = writer.manifest.clone();
        manifest.segments = rewritten.apply_to(&manifest.segments);
        if manifest == writer.manifest {
            writer
                .sweeping
                .note(rewritten.clean.into_iter(), writer.now);
            return Ok(());
        }
        if let Err(error) = self.dir.swap(&manifest) {
            writer.sweeping.rest(writer.now);
            if !error.may_be_in_force() {
                self.discard(new.as_deref());
            }
            return Err(error.into());
        }
        writer.manifest = manifest;
        let gone: BTreeSet<u64> = rewritten.gone.into_iter().collect();
        let taken = self.view.write().replace_segments(&gone, rewritten.new);
        self.delete_when_unused(taken);
        writer.merge_due |= !gone.is_empty();
        writer
            .sweeping
            .note(rewritten.clean.into_iter(), writer.now);
        self.telemetry.drop("retention_stream", rewritten.past);
        self.telemetry.drop("deleted", rewritten.deleted);
        self.show_gauges(writer);
        Ok(())
    }

    fn discard(&self, segment: Option<&Handle>) {
        if let Some(segment) = segment {
            self.dir.remove(&segment.meta.tenant, segment.meta.id);
        }
    }
}

impl Rewritten {
    /// The segments there are afterwards.
    fn apply_to(&self, segments: &[SegmentMeta]) -> Vec<SegmentMeta> {
        let mut segments = segments.to_vec();
        segments.retain(|s| !self.gone.contains(&s.id));
        for segment in &mut segments {
            if self.clean.contains(&segment.id) {
                note_deletes(segment, self.through);
            }
        }
        segments.extend(self.new.iter().map(|s| SegmentMeta::clone(&s.meta)));
        segments
    }
}

/// The sources of a merge, which holds all of them open; or which of them cannot be read.
fn open_all(sources: &[Arc<Handle>]) -> Result<Vec<Arc<Segment>>, Merged> {
    let open = |source: &Arc<Handle>| {
        let opened = source.open();
        opened.map_err(|error| unread(source.meta.id, error))
    };
    sources.iter().map(open).collect()
}

/// What work comes to that could not read a segment.
pub(super) fn unread(id: u64, error: ReadError) -> Merged {
    match error {
        ReadError::Damaged(damage) => Merged::Damaged { id, damage },
        ReadError::Unreadable(error) => Merged::Unreadable {
            id,
            error: error.to_string(),
        },
    }
}

/// What is known of a segment that is made of `sources`, with the requests to delete up to
/// `through` carried out.
fn about(sources: &[Arc<Segment>], through: u64) -> About {
    let received = sources.iter().map(|s| last_time(&s.meta)).max();
    let before = sources.iter().map(|s| deletes_through(&s.meta)).min();
    About {
        received: received.unwrap_or_default(),
        deletes_through: through.max(before.unwrap_or(0)),
    }
}

/// The bytes of a segment's records, uncompressed.
fn raw_bytes(meta: &SegmentMeta) -> u64 {
    let known = meta.extra.get("raw_bytes");
    let known = known.and_then(serde_json::Value::as_u64);
    known.unwrap_or(meta.bytes)
}

fn piece(meta: &SegmentMeta) -> Piece {
    Piece {
        raw_bytes: raw_bytes(meta),
        start: meta.start,
        end: last_time(meta),
    }
}

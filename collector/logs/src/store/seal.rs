//! Sealing: from the frozen tail to segments.

use super::LogStore;
use super::StoreError;
use super::view::FrozenTail;
use super::writer::{Extra, Writer};
use crate::dedup::SavedMarks;
use crate::segment::{Common, Segment, SegmentWriter};
use crate::stream::{Ordinals, Stream};
use crate::tail::{Batch, TailRecord};
use serde_json::Value;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{SegmentDir, SegmentMeta};
use std::sync::Arc;

/// A tail on its way into segments. Queries see it until the segments are published.
#[derive(Debug)]
pub(super) struct Frozen {
    /// Everything before this position is in it or in segments.
    covers: Position,
    marks: SavedMarks,
    tail: Arc<FrozenTail>,
    pub(super) bytes: u64,
}

/// A segment that was written and waits for the manifest.
#[derive(Debug)]
pub(super) struct Sealed {
    segment: Arc<Segment>,
}

/// A segment to be written.
#[derive(Clone)]
pub(super) struct Task {
    pub(super) dir: Arc<SegmentDir>,
    pub(super) common: Arc<Common>,
    pub(super) tenant: Tenant,
    pub(super) id: u64,
    pub(super) positions: (Position, Position),
}

/// What is known of a segment's records before they are written.
#[derive(Clone, Copy)]
pub(super) struct About {
    /// When the last of them arrived.
    pub(super) received: UnixNanos,
    /// The requests to delete up to this number are carried out.
    pub(super) deletes_through: u64,
}

/// From when on a segment's records are too old together: the time of the last of them, but
/// not after it arrived. A sender whose clock is years ahead would be kept for years.
pub(super) fn last_time(meta: &SegmentMeta) -> UnixNanos {
    let received = meta.extra.get("received").and_then(Value::as_u64);
    received.map_or(meta.end, |received| meta.end.min(UnixNanos(received)))
}

impl LogStore {
    /// Freezes the tail and starts to write its segments.
    pub(super) fn freeze(&self, writer: &mut Writer) {
        let (tail, covers) = {
            let mut view = self.view.write();
            (view.freeze(), view.applied_to)
        };
        writer.frozen = Some(Frozen {
            covers,
            marks: writer.intake.marks().save(),
            tail: Arc::new(tail),
            bytes: std::mem::take(&mut writer.active_bytes),
        });
        writer.tail_since = None;
        self.start_seal(writer);
    }

    /// Starts to write the segments of the frozen tail.
    fn start_seal(&self, writer: &mut Writer) {
        let Some(frozen) = &writer.frozen else { return };
        let tail = Arc::clone(&frozen.tail);
        let positions = (writer.manifest.covers, frozen.covers);
        let task = |tenant: &Tenant, id| Task {
            dir: Arc::clone(&self.dir),
            common: Arc::clone(&self.common),
            tenant: tenant.clone(),
            id,
            positions,
        };
        let tasks: Vec<Task> = tail
            .iter()
            .map(|(tenant, _)| task(tenant, writer.manifest.take_id()))
            .collect();
        let pace = Arc::clone(&writer.pace);
        let work = move || {
            let _merges_wait = pace.sealing();
            let all = tasks.iter().zip(tail.iter());
            let sealed: Result<Vec<Sealed>, String> =
                all.map(|(task, (_, batches))| task.seal(batches)).collect();
            if sealed.is_err() {
                // The next attempt writes all anew; on a full disk it needs the room.
                tasks.iter().for_each(Task::discard);
            }
            sealed
        };
        // There may be no thread for it; a failure is tried again by the next attempt.
        if let Some(result) = writer.sealing.start(work)
            && let Err(error) = self.publish_seal(writer, Some(result))
        {
            tracing::error!(%error, "sealing logs failed and will be tried again");
        }
    }

    /// Publishes the seal if it is finished, and starts it again if it had failed.
    pub(super) fn advance_seal(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if let Some(result) = writer.sealing.poll() {
            return self.publish_seal(writer, result);
        }
        if writer.frozen.is_some() && !writer.sealing.is_busy() {
            self.start_seal(writer);
        }
        Ok(())
    }

    /// Waits until the frozen tail, if there is one, is sealed and published.
    pub(super) fn finish_seal(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.frozen.is_some() && !writer.sealing.is_busy() {
            self.start_seal(writer);
        }
        match writer.sealing.wait() {
            Some(result) => self.publish_seal(writer, result),
            None => Ok(()),
        }
    }

    fn publish_seal(
        &self,
        writer: &mut Writer,
        result: Option<Result<Vec<Sealed>, String>>,
    ) -> Result<(), StoreError> {
        let panicked = || Err("the sealing thread panicked".into());
        let sealed = result.unwrap_or_else(panicked).map_err(StoreError::Seal)?;
        let Some(frozen) = &writer.frozen else {
            return Ok(());
        };
        let mut manifest = writer.manifest.clone();
        manifest.covers = frozen.covers;
        manifest
            .segments
            .extend(sealed.iter().map(|s| s.segment.meta.clone()));
        let extra = Extra {
            marks: frozen.marks.clone(),
            deletes: writer.requests.save(),
        };
        manifest.extra =
            serde_json::to_value(extra).map_err(|error| StoreError::Seal(error.to_string()))?;
        if let Err(error) = self.dir.swap(&manifest) {
            if !error.may_be_in_force() {
                for sealed in &sealed {
                    self.dir
                        .remove(&sealed.segment.meta.tenant, sealed.segment.meta.id);
                }
            }
            return Err(error.into());
        }
        let covers = manifest.covers;
        writer.manifest = manifest;
        writer.frozen = None;
        writer.merge_due = true;
        let segments = sealed.into_iter().map(|s| s.segment).collect();
        self.view.write().replace_frozen(segments, covers);
        self.show_gauges(writer);
        Ok(())
    }
}

impl Task {
    /// Writes the records of `batches` as one segment, durably.
    fn seal(&self, batches: &[Arc<Batch>]) -> Result<Sealed, String> {
        let all = batches.iter().flat_map(|batch| batch.streams());
        let (streams, ordinals) = Ordinals::of_all(all);
        let slots = ordered(batches, &ordinals);
        let received = batches.iter().map(|b| b.received()).max();
        let about = About {
            received: received.unwrap_or_default(),
            deletes_through: 0,
        };
        let segment = self.write(about, streams, |segment| {
            slots.iter().try_for_each(|slot| {
                let record = record(batches, *slot);
                let added = segment.add(record.key, slot.stream, record.packed);
                added.map_err(|error| error.to_string())
            })
        })?;
        Ok(Sealed { segment })
    }

    /// Deletes what was written of the segment.
    pub(super) fn discard(&self) {
        self.dir.remove(&self.tenant, self.id);
    }

    /// Writes a segment that `fill` fills, makes it durable and opens it. A failure leaves
    /// nothing of it.
    pub(super) fn write(
        &self,
        about: About,
        streams: Vec<Arc<Stream>>,
        fill: impl FnOnce(&mut SegmentWriter) -> Result<(), String>,
    ) -> Result<Arc<Segment>, String> {
        self.write_files(about, streams, fill)
            .inspect_err(|_| self.discard())
    }

    fn write_files(
        &self,
        about: About,
        streams: Vec<Arc<Stream>>,
        fill: impl FnOnce(&mut SegmentWriter) -> Result<(), String>,
    ) -> Result<Arc<Segment>, String> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let path = self
            .dir
            .create(&self.tenant, self.id)
            .map_err(|e| text(&e))?;
        let mut writer =
            SegmentWriter::create(&path, streams, &self.common).map_err(|e| text(&e))?;
        fill(&mut writer)?;
        let written = writer.finish().map_err(|e| text(&e))?;
        self.dir
            .persist(&self.tenant, self.id)
            .map_err(|e| text(&e))?;
        let meta = SegmentMeta {
            id: self.id,
            tenant: self.tenant.clone(),
            start: written.start,
            end: written.end,
            positions: self.positions,
            bytes: written.bytes,
            records: written.records,
            checksum: 0,
            extra: serde_json::json!({
                "raw_bytes": written.raw_bytes,
                "received": about.received,
                "deletes_through": about.deletes_through,
            }),
        };
        let opened = Segment::open(meta, &path, &self.common, false);
        opened.map(Arc::new).map_err(|damage| {
            format!(
                "the segment {} cannot be read back: {damage}",
                path.display()
            )
        })
    }
}

/// A record of some batches: its stream, and where it lies.
#[derive(Clone, Copy)]
struct Slot {
    stream: u32,
    batch: u32,
    record: u32,
}

/// The records in the order in which a segment has them. They are dealt out by stream first:
/// within one they mostly lie in their order already.
fn ordered(batches: &[Arc<Batch>], ordinals: &Ordinals) -> Vec<Slot> {
    let mut slots = Vec::with_capacity(batches.iter().map(|b| b.len()).sum());
    for (batch, b) in (0..).zip(batches) {
        let of_batch: Vec<u32> = b.streams().iter().map(|s| ordinals.of(s)).collect();
        slots.extend((0..).zip(b.records()).map(|(record, r)| Slot {
            stream: of_batch[r.ordinal],
            batch,
            record,
        }));
    }
    slots.sort_by_key(|slot| slot.stream);
    for run in slots.chunk_by_mut(|a, b| a.stream == b.stream) {
        run.sort_by_key(|slot| record(batches, *slot).key);
    }
    slots
}

fn record(batches: &[Arc<Batch>], slot: Slot) -> TailRecord<'_> {
    batches[slot.batch as usize].record(slot.record as usize)
}

//! Sealing: from the frozen tail to segments.

use super::LogStore;
use super::StoreError;
use super::unsealed::{SetAside, Unsealed};
use super::view::FrozenTail;
use super::writer::{Extra, Writer};
use crate::config::BodyEncoding;
use crate::dedup::SavedMarks;
use crate::segment::{Common, Handle, ReadError, SegmentWriter, WriteError, Written};
use crate::stream::{Ordinals, Stream};
use crate::tail::{Batch, TailRecord};
use serde_json::Value;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{SegmentDir, SegmentMeta};
use std::path::Path;
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

/// What became of a tenant's part of the tail, which waits for the manifest.
#[derive(Debug)]
pub(super) enum Sealed {
    /// A segment was written.
    Segment(Arc<Handle>),
    /// It could not become a segment.
    Aside(SetAside),
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
    /// Freezes the tail and starts to write its segments. What was frozen before has to be
    /// sealed first: it is in memory alone.
    ///
    /// # Errors
    /// [`StoreError`] when the segments had to be written here and now, and could not be. It is
    /// tried again by whoever looks after the seal next.
    pub(super) fn freeze(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.frozen.is_some() {
            return self.advance_seal(writer);
        }
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
        writer.intake.begin_tail();
        writer.tail_since = None;
        self.start_seal(writer)
    }

    /// Starts to write the segments of the frozen tail.
    fn start_seal(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let Some(frozen) = &writer.frozen else {
            return Ok(());
        };
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
            let mut sealed = Vec::new();
            for (task, (_, batches)) in all {
                match task.seal_or_set_aside(batches) {
                    Ok(done) => sealed.push(done),
                    Err(why) => {
                        // The next attempt writes all anew; on a full disk it needs the room.
                        tasks.iter().for_each(Task::discard);
                        sealed
                            .iter()
                            .for_each(|s: &Sealed| s.discard_aside(&task.dir));
                        return Err(why);
                    }
                }
            }
            Ok(sealed)
        };
        match writer.sealing.start(work) {
            // There was no thread for it.
            Some(result) => self.publish_seal(writer, Some(result)),
            None => Ok(()),
        }
    }

    /// Publishes the seal if it is finished, and starts it again if it had failed.
    pub(super) fn advance_seal(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if let Some(result) = writer.sealing.poll() {
            return self.publish_seal(writer, result);
        }
        if writer.frozen.is_some() && !writer.sealing.is_busy() {
            return self.start_seal(writer);
        }
        Ok(())
    }

    /// Waits until the frozen tail, if there is one, is sealed and published.
    pub(super) fn finish_seal(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.frozen.is_some() && !writer.sealing.is_busy() {
            self.start_seal(writer)?;
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
        let segments = sealed.iter().filter_map(Sealed::segment);
        manifest
            .segments
            .extend(segments.map(|s| SegmentMeta::clone(&s.meta)));
        let extra = Extra {
            marks: frozen.marks.clone(),
            deletes: writer.requests.save(),
        };
        manifest.extra =
            serde_json::to_value(extra).map_err(|error| StoreError::Seal(error.to_string()))?;
        if let Err(error) = self.dir.swap(&manifest) {
            if !error.may_be_in_force() {
                for segment in sealed.iter().filter_map(Sealed::segment) {
                    self.dir.remove(&segment.meta.tenant, segment.meta.id);
                }
                sealed.iter().for_each(|s| s.discard_aside(&self.dir));
            }
            return Err(error.into());
        }
        let covers = manifest.covers;
        writer.manifest = manifest;
        writer.frozen = None;
        writer.merge_due = true;
        let mut segments = Vec::new();
        for done in sealed {
            match done {
                Sealed::Segment(segment) => segments.push(segment),
                Sealed::Aside(aside) => self.tell_of(&aside),
            }
        }
        self.view.write().replace_frozen(segments, covers);
        self.show_gauges(writer);
        Ok(())
    }
}

impl Sealed {
    fn segment(&self) -> Option<&Arc<Handle>> {
        match self {
            Self::Segment(segment) => Some(segment),
            Self::Aside(_) => None,
        }
    }

    /// Deletes what was set aside: the same is going to be tried again.
    fn discard_aside(&self, dir: &SegmentDir) {
        if let Self::Aside(aside) = self {
            aside.discard(dir);
        }
    }
}

impl Task {
    /// Writes the records of `batches` as one segment, durably.
    pub(super) fn seal(
        &self,
        batches: &[Arc<Batch>],
        bodies: Option<BodyEncoding>,
    ) -> Result<Arc<Handle>, Unsealed> {
        let all = batches.iter().flat_map(|batch| batch.streams());
        let (streams, ordinals) = Ordinals::of_all(all);
        let slots = ordered(batches, streams.len(), &ordinals);
        let received = batches.iter().map(|b| b.received()).max();
        let about = About {
            received: received.unwrap_or_default(),
            deletes_through: 0,
        };
        let create = |path: &Path| match bodies {
            Some(bodies) => SegmentWriter::create_as(path, streams, &self.common, bodies),
            None => SegmentWriter::create(path, streams, &self.common),
        };
        self.write_files(about, |path| {
            let mut segment = create(path)?;
            for near in slots.chunks(FETCHED) {
                fetch(batches, near);
                for slot in near {
                    let record = record(batches, *slot);
                    segment.add(record.key, slot.stream, record.packed)?;
                }
            }
            Ok(segment.finish()?)
        })
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
    ) -> Result<Arc<Handle>, String> {
        self.write_files(about, |path| {
            let writer = SegmentWriter::create(path, streams, &self.common);
            let mut writer = writer.map_err(|error| error.to_string())?;
            fill(&mut writer)?;
            writer.finish().map_err(|error| error.to_string())
        })
    }

    /// The same where `write` writes the files into the directory that it is given.
    pub(super) fn write_files<E: From<String> + From<WriteError>>(
        &self,
        about: About,
        write: impl FnOnce(&Path) -> Result<Written, E>,
    ) -> Result<Arc<Handle>, E> {
        self.write_and_open(about, write)
            .inspect_err(|_| self.discard())
    }

    fn write_and_open<E: From<String> + From<WriteError>>(
        &self,
        about: About,
        write: impl FnOnce(&Path) -> Result<Written, E>,
    ) -> Result<Arc<Handle>, E> {
        let text = |error: &dyn std::fmt::Display| error.to_string();
        let path = self
            .dir
            .create(&self.tenant, self.id)
            .map_err(|e| text(&e))?;
        let written = write(&path)?;
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
        let segment = Handle::new(meta, path.clone(), &self.common);
        match segment.open() {
            Ok(_) => Ok(Arc::new(segment)),
            Err(ReadError::Damaged(damage)) => Err(WriteError::ReadBack { path, damage }.into()),
            Err(ReadError::Unreadable(error)) => Err(E::from(format!(
                "the segment {} cannot be read back: {error}",
                path.display()
            ))),
        }
    }
}

/// A record of some batches: its time, its stream, and where it lies.
#[derive(Clone, Copy, Default)]
struct Slot {
    time: UnixNanos,
    stream: u32,
    batch: u32,
    record: u32,
}

/// The records in the order in which a segment has them. They are dealt out by stream first:
/// within one they mostly lie in their order already.
fn ordered(batches: &[Arc<Batch>], streams: usize, ordinals: &Ordinals) -> Vec<Slot> {
    // A stream that is not among them is behind all of them, for the segment to refuse.
    let of_batch = |batch: &Batch| -> Vec<usize> {
        let ordinals = batch.streams().iter().map(|s| ordinals.of(s) as usize);
        ordinals.map(|ordinal| ordinal.min(streams)).collect()
    };
    let of_batches: Vec<Vec<usize>> = batches.iter().map(|batch| of_batch(batch)).collect();
    let mut places = vec![0; streams + 1];
    for (batch, ordinals) in batches.iter().zip(&of_batches) {
        for record in batch.records() {
            places[ordinals[record.ordinal]] += 1;
        }
    }
    let mut all = 0;
    for place in &mut places {
        (all, *place) = (all + *place, all);
    }
    let mut slots = vec![Slot::default(); all];
    for ((number, batch), ordinals) in (0..).zip(batches).zip(&of_batches) {
        for (place, record) in (0..).zip(batch.records()) {
            let stream = ordinals[record.ordinal];
            slots[places[stream]] = Slot {
                time: record.key.time,
                stream: stream as u32,
                batch: number,
                record: place,
            };
            places[stream] += 1;
        }
    }
    for run in slots.chunk_by_mut(|a, b| a.stream == b.stream) {
        // Those of one time came in the order of their keys.
        run.sort_by_key(|slot| slot.time);
    }
    slots
}

fn record(batches: &[Arc<Batch>], slot: Slot) -> TailRecord<'_> {
    batches[slot.batch as usize].record(slot.record as usize)
}

/// So many records are fetched at once.
const FETCHED: usize = 16;

/// Looks at some records, which lie all over the memory, before they are wanted: what one has
/// to wait for one after the other is waited for once.
fn fetch(batches: &[Arc<Batch>], slots: &[Slot]) {
    let seen = slots.iter().fold(0, |seen, slot| {
        let packed = record(batches, *slot).packed;
        let ends = [packed.first(), packed.last()];
        ends.into_iter()
            .flatten()
            .fold(seen, |seen, byte| seen ^ byte)
    });
    std::hint::black_box(seen);
}

//! Sealing: from a frozen generation of every tenant to segments, beside the thread that takes
//! entries.
//!
//! Every change is the same three steps: write new segments where nobody looks, swap the
//! manifest, then let queries see the change in one step. A failure before the swap leaves
//! everything as it was, and no files behind: on a full disk the next attempt needs the room.

use super::catalog::Catalog;
use super::writer::{Sealed, Writer};
use super::{MetricStore, StoreError, open_segment};
use crate::Samples;
use crate::head::generation::Generation;
use crate::segment::{Segment, SegmentError, SegmentWriter, Summary};
use crate::symbols::Symbols;
use crate::tenant::TenantStore;
use ahash::AHashMap;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::work::Pace;
use sonde_segment::{SegmentDir, SegmentMeta};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A segment to be written.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub(super) dir: Arc<SegmentDir>,
    pub(super) tenant: Tenant,
    pub(super) id: u64,
    pub(super) positions: (Position, Position),
    /// What its samples are thinned to, in milliseconds, or 0.
    pub(super) resolution: i64,
    /// How many bytes these samples took before they were first thinned.
    pub(super) raw_bytes: u64,
}

/// What one tenant has to be sealed.
#[derive(Clone)]
struct Part {
    task: Task,
    tenant: Arc<TenantStore>,
    generation: Arc<Generation>,
}

impl MetricStore {
    /// Freezes what came so far and starts to write its segments. What was frozen before has to
    /// be sealed first: it is in memory alone.
    ///
    /// # Errors
    /// [`StoreError`] when the segments had to be written here and now, and could not be. It is
    /// tried again by whoever looks after the seal next.
    pub(super) fn freeze(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.frozen.is_some() {
            return self.advance_seal(writer);
        }
        for (_, tenant) in self.all_tenants() {
            tenant.state.write().head.freeze();
        }
        writer.frozen = Some(self.applied_to());
        writer.frozen_bytes = std::mem::take(&mut writer.active_bytes);
        (writer.active_samples, writer.active_since) = (0, None);
        self.start_seal(writer)
    }

    /// Starts to write the segments of what is frozen.
    fn start_seal(&self, writer: &mut Writer) -> Result<(), StoreError> {
        let Some(covers) = writer.frozen else {
            return Ok(());
        };
        let positions = (writer.manifest.covers, covers);
        let mut parts = Vec::new();
        for (name, tenant) in self.all_tenants() {
            let Some(generation) = tenant.state.read().head.frozen().cloned() else {
                continue;
            };
            let task = Task {
                dir: Arc::clone(&self.dir),
                tenant: name,
                id: writer.manifest.take_id(),
                positions,
                resolution: 0,
                raw_bytes: 0,
            };
            parts.push(Part {
                task,
                tenant,
                generation,
            });
        }
        let pace = Arc::clone(&writer.pace);
        let work = move || {
            let _merges_wait = pace.sealing();
            let mut sealed = Vec::with_capacity(parts.len());
            for part in &parts {
                match part.seal(&pace) {
                    Ok(segment) => sealed.push((part.task.tenant.clone(), segment)),
                    Err(error) => {
                        // The next attempt writes all anew; on a full disk it needs the room.
                        parts.iter().for_each(|part| part.task.discard());
                        return Err(error);
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

    /// Waits until what is frozen, if anything is, is sealed and published.
    pub(super) fn finish_seal(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if writer.frozen.is_some() && !writer.sealing.is_busy() {
            self.start_seal(writer)?;
        }
        match writer.sealing.wait() {
            Some(result) => self.publish_seal(writer, result),
            None => Ok(()),
        }
    }

    fn publish_seal(&self, writer: &mut Writer, result: Option<Sealed>) -> Result<(), StoreError> {
        let sealed = result.unwrap_or(Err(StoreError::Panicked("sealing")))?;
        let Some(covers) = writer.frozen else {
            return Ok(());
        };
        let mut next = writer.manifest.clone();
        next.covers = covers;
        let written = sealed.iter().map(|(_, segment)| segment.meta.clone());
        next.segments.extend(written);
        self.swap(writer, next)?;
        (writer.frozen, writer.frozen_bytes) = (None, 0);
        self.covers.store(covers.0, Ordering::Release);
        let keep_from = writer
            .now
            .minus(Duration::from_secs(self.config.series_idle_seconds))
            .as_millis();
        let mut sealed: AHashMap<Tenant, Arc<Segment>> = sealed.into_iter().collect();
        // Those too that had nothing to seal: series they no longer use make room for others.
        for (name, tenant) in self.all_tenants() {
            let mut state = tenant.state.write();
            let retired = state.head.thaw(keep_from);
            self.count_series(&tenant, &state);
            if let Some(segment) = sealed.remove(&name) {
                state.segments.push(segment);
                state.sort_segments();
            }
            drop(state);
            drop(retired);
        }
        Ok(())
    }
}

impl Part {
    fn seal(&self, pace: &Pace) -> Result<Arc<Segment>, StoreError> {
        let catalog = Catalog::read(&self.tenant, &self.generation);
        self.task.write(&catalog.symbols, |writer| {
            let (mut samples, mut chunks) = (Samples::default(), Vec::new());
            for (id, labels) in catalog.series() {
                if pace.is_closing() {
                    return Err(SegmentError::Closing);
                }
                samples.clear();
                self.generation.find(id, i64::MIN, i64::MAX, &mut chunks);
                for chunk in chunks.drain(..) {
                    chunk.read(&mut samples)?;
                }
                samples.sort_first_wins();
                writer.add(labels, &samples)?;
            }
            Ok(())
        })
    }
}

impl Task {
    /// Writes a segment that `fill` fills, makes it durable and opens it. A failure leaves
    /// nothing of it.
    pub(super) fn write(
        &self,
        symbols: &Symbols,
        fill: impl FnOnce(&mut SegmentWriter<'_>) -> Result<(), SegmentError>,
    ) -> Result<Arc<Segment>, StoreError> {
        let segment = self
            .write_and_open(symbols, fill)
            .inspect_err(|_| self.discard())?;
        Ok(Arc::new(segment))
    }

    /// Deletes what was written of the segment.
    pub(super) fn discard(&self) {
        self.dir.remove(&self.tenant, self.id);
    }

    fn write_and_open(
        &self,
        symbols: &Symbols,
        fill: impl FnOnce(&mut SegmentWriter<'_>) -> Result<(), SegmentError>,
    ) -> Result<Segment, StoreError> {
        let path = self.dir.create(&self.tenant, self.id)?;
        let failed = |error: SegmentError| StoreError::Write {
            path: path.clone(),
            cause: match error {
                SegmentError::Io(cause) => cause,
                other => io::Error::other(other.to_string()),
            },
        };
        let write = || -> Result<Summary, SegmentError> {
            step(&path)?;
            let mut writer = SegmentWriter::create(&path, symbols)?;
            step(&path)?;
            fill(&mut writer)?;
            step(&path)?;
            Ok(writer.finish()?)
        };
        let summary = write().map_err(&failed)?;
        step(&path).map_err(|error| failed(error.into()))?;
        self.dir.persist(&self.tenant, self.id)?;
        step(&path).map_err(|error| failed(error.into()))?;
        let mut extra = serde_json::json!({ "series": summary.series });
        if self.resolution > 0 {
            extra["resolution_ms"] = self.resolution.into();
            extra["raw_bytes"] = self.raw_bytes.into();
        }
        let meta = SegmentMeta {
            id: self.id,
            tenant: self.tenant.clone(),
            start: UnixNanos::from_millis(summary.first),
            end: UnixNanos::from_millis(summary.last),
            positions: self.positions,
            bytes: summary.bytes,
            records: summary.samples,
            checksum: summary.checksum,
            extra,
        };
        open_segment(&self.dir, &meta).map_err(&failed)
    }
}

/// An instant at which a disk may fail or a process end: tests see to it that it does.
#[cfg(test)]
pub(super) fn step(path: &Path) -> io::Result<()> {
    crate::testing::step(path)
}

/// An instant at which a disk may fail or a process end.
#[cfg(not(test))]
pub(super) fn step(_: &Path) -> io::Result<()> {
    Ok(())
}

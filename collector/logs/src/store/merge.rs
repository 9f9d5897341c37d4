//! Merging: from several small segments to one, in the background.

use super::LogStore;
use super::StoreError;
use super::plan::{self, Piece, PlanLimits};
use super::seal::{About, Task, last_time};
use super::writer::Writer;
use crate::segment::{Cursor, Damage, SealedRecord, Segment, SegmentWriter};
use sonde_proto::Tenant;
use sonde_segment::SegmentMeta;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// How many records are written between two looks at whether to give up.
const RECORDS_PER_LOOK: usize = 1024;

/// A merged segment that waits for the manifest.
#[derive(Debug)]
pub(super) enum Merged {
    /// It was written.
    Written {
        sources: Vec<u64>,
        segment: Arc<Segment>,
    },
    /// A source turned out to be damaged.
    Damaged { id: u64, damage: Damage },
}

impl LogStore {
    /// Publishes the merge if it is finished, and starts the next if one is due.
    pub(super) fn advance_merge(&self, writer: &mut Writer) -> Result<(), StoreError> {
        if let Some(result) = writer.merging.poll() {
            self.publish_merge(writer, result)?;
        }
        if writer.merge_due && !writer.merging.is_busy() {
            self.start_merge(writer);
        }
        Ok(())
    }

    /// Merges until nothing is left to merge, waiting for it.
    #[cfg(test)]
    pub(crate) fn merge_all(&self) -> Result<(), StoreError> {
        let mut writer = self.writer.lock();
        loop {
            if let Some(result) = writer.merging.wait() {
                self.publish_merge(&mut writer, result)?;
            }
            self.start_merge(&mut writer);
            if !writer.merging.is_busy() {
                return Ok(());
            }
        }
    }

    fn start_merge(&self, writer: &mut Writer) {
        writer.merge_due = false;
        let Some(sources) = self.next_sources(writer) else {
            return;
        };
        let (Some(first), Some(last)) = (sources.first(), sources.last()) else {
            return;
        };
        let task = Task {
            dir: Arc::clone(&self.dir),
            pool: Arc::clone(&self.pool),
            tenant: first.meta.tenant.clone(),
            id: writer.manifest.take_id(),
            positions: (first.meta.positions.0, last.meta.positions.1),
        };
        let cancel = Arc::clone(&writer.cancel);
        let work = move || task.merge(&sources, &cancel);
        if let Some(result) = writer.merging.start(work)
            && let Err(error) = self.publish_merge(writer, Some(result))
        {
            tracing::error!(%error, "merging segments of logs failed");
        }
    }

    fn next_sources(&self, writer: &Writer) -> Option<Vec<Arc<Segment>>> {
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
            let pieces: Vec<Piece> = metas.iter().map(|m| piece(m)).collect();
            let window = plan::next_merge(&pieces, &limits)?;
            metas[window].iter().map(|m| view.segment(m.id)).collect()
        })
    }

    fn publish_merge(
        &self,
        writer: &mut Writer,
        result: Option<Result<Merged, String>>,
    ) -> Result<(), StoreError> {
        let panicked = || Err("the merging thread panicked".into());
        match result.unwrap_or_else(panicked) {
            Ok(Merged::Written { sources, segment }) => {
                self.replace_merged(writer, &sources, segment)
            }
            Ok(Merged::Damaged { id, damage }) => {
                self.damaged.lock().push((id, damage.0));
                writer.merge_due = true;
                Ok(())
            }
            Err(error) => {
                // Not tried again before segments change: a full disk is not helped by trying.
                self.telemetry.fail("merge");
                tracing::warn!(
                    error,
                    "merging segments of logs failed; they stay as they are"
                );
                Ok(())
            }
        }
    }

    fn replace_merged(
        &self,
        writer: &mut Writer,
        sources: &[u64],
        segment: Arc<Segment>,
    ) -> Result<(), StoreError> {
        let gone: BTreeSet<u64> = sources.iter().copied().collect();
        let (tenant, id) = (segment.meta.tenant.clone(), segment.meta.id);
        if !gone.iter().all(|id| writer.manifest.segment(*id).is_some()) {
            // Retention or quarantine took a source meanwhile; merge what is left anew.
            writer.merge_due = true;
            self.dir.remove(&tenant, id);
            return Ok(());
        }
        let mut manifest = writer.manifest.clone();
        manifest.segments.retain(|s| !gone.contains(&s.id));
        manifest.segments.push(segment.meta.clone());
        if let Err(error) = self.dir.swap(&manifest) {
            if !error.may_be_in_force() {
                self.dir.remove(&tenant, id);
            }
            return Err(error.into());
        }
        writer.manifest = manifest;
        writer.merge_due = true;
        self.view.write().replace_segments(&gone, Some(segment));
        for id in gone {
            self.dir.remove(&tenant, id);
        }
        self.show_gauges(writer);
        Ok(())
    }
}

fn piece(meta: &SegmentMeta) -> Piece {
    let raw_bytes = meta
        .extra
        .get("raw_bytes")
        .and_then(serde_json::Value::as_u64)
        .unwrap_or(meta.bytes);
    Piece {
        raw_bytes,
        start: meta.start,
        end: last_time(meta),
    }
}

/// A source of a merge with its next record at the front.
struct Front {
    record: SealedRecord,
    source: usize,
}

impl Task {
    /// Writes the records of `sources` as one segment, in the order of their keys.
    fn merge(&self, sources: &[Arc<Segment>], cancel: &AtomicBool) -> Result<Merged, String> {
        let about = About {
            raw_bytes: sources.iter().map(|s| piece(&s.meta).raw_bytes).sum(),
            received: sources
                .iter()
                .map(|s| last_time(&s.meta))
                .max()
                .unwrap_or_default(),
        };
        let mut damaged = None;
        let written = self.write(about, |segment| {
            merge_into(segment, sources, cancel, &mut damaged)
        });
        match (written, damaged) {
            (Ok(segment), None) => Ok(Merged::Written {
                sources: sources.iter().map(|s| s.meta.id).collect(),
                segment,
            }),
            (_, Some((id, damage))) => Ok(Merged::Damaged { id, damage }),
            (Err(error), None) => Err(error),
        }
    }
}

fn merge_into(
    segment: &mut SegmentWriter,
    sources: &[Arc<Segment>],
    cancel: &AtomicBool,
    damaged: &mut Option<(u64, Damage)>,
) -> Result<(), String> {
    let mut met = |source: usize, damage: Damage| {
        let message = damage.to_string();
        *damaged = Some((sources[source].meta.id, damage));
        message
    };
    let mut cursors = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        cursors.push(source.cursor().map_err(|damage| met(at, damage))?);
    }
    let mut read = |source: usize, cursor: &mut Cursor| -> Result<Option<Front>, String> {
        let next = cursor.next().map_err(|damage| met(source, damage));
        Ok(next?.map(|record| Front { record, source }))
    };
    let mut fronts = BinaryHeap::new();
    for (at, cursor) in cursors.iter_mut().enumerate() {
        fronts.extend(read(at, cursor)?.map(Reverse));
    }
    let mut written = 0_usize;
    while let Some(Reverse(front)) = fronts.pop() {
        segment
            .add(front.record.key, &front.record.stream, &front.record.packed)
            .map_err(|error| error.to_string())?;
        fronts.extend(read(front.source, &mut cursors[front.source])?.map(Reverse));
        written += 1;
        if written.is_multiple_of(RECORDS_PER_LOOK) && cancel.load(Ordering::Relaxed) {
            return Err("the store is closing".into());
        }
    }
    Ok(())
}

impl Ord for Front {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.record.key, self.source).cmp(&(other.record.key, other.source))
    }
}

impl PartialOrd for Front {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Front {
    fn eq(&self, other: &Self) -> bool {
        (self.record.key, self.source) == (other.record.key, other.source)
    }
}

impl Eq for Front {}

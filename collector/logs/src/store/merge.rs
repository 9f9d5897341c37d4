//! Merging: from several small segments to one, in the background.

use super::LogStore;
use super::StoreError;
use super::pace::Pace;
use super::plan::{self, Piece, PlanLimits};
use super::seal::{About, Task, last_time};
use super::writer::Writer;
use crate::record::Key;
use crate::segment::{Cursor, Damage, Segment, SegmentWriter};
use crate::stream::{Ordinals, Stream};
use sonde_proto::Tenant;
use sonde_segment::SegmentMeta;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::sync::Arc;
use std::time::{Duration, Instant};

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

    /// Merges until nothing is left to merge, and waits for it.
    ///
    /// # Errors
    /// [`StoreError`] when a merged segment could not be published; the others stay.
    pub fn merge_all(&self) -> Result<(), StoreError> {
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
        let pace = Arc::clone(&writer.pace);
        let work = move || task.merge(&sources, &pace);
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

impl Task {
    /// Writes the records of `sources` as one segment, in the order of streams and keys.
    fn merge(&self, sources: &[Arc<Segment>], pace: &Pace) -> Result<Merged, String> {
        let received = sources.iter().map(|s| last_time(&s.meta)).max();
        let about = About {
            received: received.unwrap_or_default(),
        };
        let mut damaged = None;
        let written = Merge::open(sources, &mut damaged).and_then(|(mut merge, streams)| {
            self.write(about, streams, |segment| {
                merge.run(segment, pace, sources, &mut damaged)
            })
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

/// Sources on their way into one segment.
struct Merge {
    cursors: Vec<Cursor>,
    /// The ordinal in the new segment of each source's streams.
    ordinals: Vec<Vec<u32>>,
}

/// What a source has next: the ordinal of the stream, the key, the source.
type Front = Reverse<(u32, Key, usize)>;

impl Merge {
    /// Opens the sources; also gives the streams of the new segment.
    fn open(
        sources: &[Arc<Segment>],
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(Self, Vec<Arc<Stream>>), String> {
        let mut cursors = Vec::new();
        for source in sources {
            cursors.push(source.cursor().map_err(|d| met(source, d, damaged))?);
        }
        let all = cursors.iter().flat_map(|c| c.streams().iter());
        let (streams, ordinals) = Ordinals::of_all(all);
        let of_source = |c: &Cursor| c.streams().iter().map(|s| ordinals.of(s)).collect();
        let merge = Self {
            ordinals: cursors.iter().map(of_source).collect(),
            cursors,
        };
        Ok((merge, streams))
    }

    fn run(
        &mut self,
        segment: &mut SegmentWriter,
        pace: &Pace,
        sources: &[Arc<Segment>],
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(), String> {
        let started = Instant::now();
        let (mut records, mut bytes) = (0_usize, 0_u64);
        let mut fronts: BinaryHeap<Front> = (0..sources.len())
            .filter_map(|source| self.front(source))
            .collect();
        while let Some(Reverse((stream, key, source))) = fronts.pop() {
            let cursor = &mut self.cursors[source];
            if let Some(record) = cursor.record() {
                bytes += record.packed.len() as u64;
                segment
                    .add(key, stream, record.packed)
                    .map_err(|error| error.to_string())?;
            }
            cursor
                .advance()
                .map_err(|damage| met(&sources[source], damage, damaged))?;
            fronts.extend(self.front(source));
            records += 1;
            if records.is_multiple_of(RECORDS_PER_LOOK) && !pace.may_go_on(bytes, started) {
                return Err("the store is closing".into());
            }
        }
        Ok(())
    }

    fn front(&self, source: usize) -> Option<Front> {
        let record = self.cursors[source].record()?;
        let stream = *self.ordinals[source].get(record.stream as usize)?;
        Some(Reverse((stream, record.key, source)))
    }
}

/// Notes which source is damaged.
fn met(source: &Segment, damage: Damage, damaged: &mut Option<(u64, Damage)>) -> String {
    let message = damage.to_string();
    *damaged = Some((source.meta.id, damage));
    message
}

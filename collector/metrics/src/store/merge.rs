//! Merging: from several small segments to one, in the background; and downsampling, which is a
//! merge of segments that are old enough.

mod source;

use super::seal::Task;
use super::writer::Writer;
use super::{MetricStore, StoreError};
use crate::Samples;
use crate::deletion::Holes;
use crate::downsampling::Downsampling;
use crate::promql::thin;
use crate::segment::{Segment, SegmentError, SegmentWriter};
use crate::symbols::{Symbol, Symbols};
use crate::tenant::TenantStore;
use sonde_proto::Tenant;
use sonde_segment::SegmentMeta;
use sonde_segment::plan::{self, MergeLimits};
use sonde_segment::work::Pace;
use source::{Source, sources};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

/// A merge asks whether it may go on each time it has written so many bytes.
const STEP_BYTES: u64 = 64 << 10;

/// What the work in the background came to.
#[derive(Debug)]
pub(super) enum Merged {
    /// It waits for the manifest.
    Written {
        gone: Vec<u64>,
        tenant: Tenant,
        /// `None` where nothing was left to write.
        segment: Option<Arc<Segment>>,
    },
    /// One of the inputs turned out to be damaged, and was marked.
    Damaged,
}

impl MetricStore {
    /// Publishes the merge if it is finished, and starts the next if one is worth it. One that
    /// failed is counted, and its inputs are let alone for a while: what cannot be merged must
    /// not keep others from it. The next is looked for when segments change: a full disk is not
    /// helped by trying.
    pub(super) fn advance_merge(&self, writer: &mut Writer) {
        if let Some(result) = writer.merging.poll() {
            self.publish_merge(writer, result);
        }
        if !writer.merging.is_busy() && std::mem::take(&mut writer.merge_due) {
            self.start_merge(writer);
        }
    }

    fn start_merge(&self, writer: &mut Writer) {
        let limits = MergeLimits {
            fan_in: self.config.merge_fan_in,
            segment_bytes_max: self.config.segment_bytes_max,
        };
        writer.barred.forget_before(writer.now);
        let is_barred = |id| writer.barred.contains(id);
        let segments = &writer.manifest.segments;
        let steps = &self.config.downsampling;
        let found = next_of_a_group(segments, steps, &limits, is_barred);
        let Some((run, resolution)) = found.or_else(|| {
            let newest = self.newest_sealed(writer);
            steps.next(segments, newest, self.config.segment_bytes_max, is_barred)
        }) else {
            return;
        };
        let Some(first) = run.first().and_then(|id| writer.manifest.segment(*id)) else {
            return;
        };
        let name = first.tenant.clone();
        let Some(tenant) = self.tenant(&name) else {
            return;
        };
        let merge = self.merge_of(writer, name, &tenant, (&run, resolution));
        writer.merging_run.clone_from(&run);
        let work = move || match merge.write() {
            Ok(segment) => Ok(Merged::Written {
                gone: run,
                tenant: merge.task.tenant,
                segment,
            }),
            Err(_) if merge.inputs.iter().any(|(input, _)| input.is_damaged()) => {
                Ok(Merged::Damaged)
            }
            Err(error) => Err(error),
        };
        if let Some(result) = writer.merging.start(work) {
            self.publish_merge(writer, Some(result));
        }
    }

    /// What it takes to write the segments of a run as one, thinned to a resolution or as they
    /// are.
    pub(super) fn merge_of(
        &self,
        writer: &mut Writer,
        name: Tenant,
        tenant: &TenantStore,
        (run, resolution): (&[u64], i64),
    ) -> Merge {
        let inputs: Vec<(Arc<Segment>, Holes)> = {
            let state = tenant.state.read();
            let wanted = state.segments.iter().filter(|s| run.contains(&s.meta.id));
            wanted
                .map(|s| (Arc::clone(s), state.deletions.in_segment(s)))
                .collect()
        };
        let positions = inputs.iter().map(|(s, _)| s.meta.positions);
        let positions = positions.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let task = Task {
            dir: Arc::clone(&self.dir),
            tenant: name,
            id: writer.manifest.take_id(),
            positions: positions.unwrap_or_default(),
            resolution: inputs
                .iter()
                .map(|(s, _)| s.resolution())
                .fold(resolution, i64::max),
            raw_bytes: inputs.iter().map(|(s, _)| raw_bytes(&s.meta)).sum(),
        };
        Merge {
            task,
            inputs,
            pace: Arc::clone(&writer.pace),
        }
    }

    pub(super) fn publish_merge(
        &self,
        writer: &mut Writer,
        result: Option<Result<Merged, StoreError>>,
    ) {
        let merged = result.unwrap_or(Err(StoreError::Panicked("merging")));
        let done = merged.and_then(|merged| match merged {
            Merged::Written {
                gone,
                tenant,
                segment,
            } => self.replace(writer, &gone, &tenant, segment),
            // The next round moves the damaged one aside, and then merges the others.
            Merged::Damaged => Ok(()),
        });
        if let Err(error) = done {
            self.telemetry.merge_failures.inc();
            tracing::warn!(%error, "merging metric segments failed; they stay as they are");
            let run = std::mem::take(&mut writer.merging_run);
            writer.barred.add(run, writer.now);
        }
    }

    /// Puts a merged segment in the place of its inputs.
    pub(super) fn replace(
        &self,
        writer: &mut Writer,
        gone: &[u64],
        name: &Tenant,
        segment: Option<Arc<Segment>>,
    ) -> Result<(), StoreError> {
        let is_listed = |id: &u64| writer.manifest.segment(*id).is_some();
        let tenant = self.tenant(name);
        let (Some(tenant), true) = (tenant, gone.iter().all(is_listed)) else {
            // Something of it was let go or moved aside meanwhile, and must not come back.
            if let Some(segment) = segment {
                self.dir.remove(name, segment.meta.id);
            }
            writer.merge_due = true;
            return Ok(());
        };
        let mut next = writer.manifest.clone();
        next.segments.retain(|s| !gone.contains(&s.id));
        next.segments.extend(segment.iter().map(|s| s.meta.clone()));
        self.swap(writer, next)?;
        let mut state = tenant.state.write();
        state.segments.retain(|s| !gone.contains(&s.meta.id));
        state.segments.extend(segment);
        state.sort_segments();
        drop(state);
        self.show_deletions(writer)?;
        self.indexes.forget(gone);
        gone.iter().for_each(|id| self.dir.remove(name, *id));
        Ok(())
    }
}

/// Segments that are to become one.
#[derive(Clone)]
pub(super) struct Merge {
    pub(super) task: Task,
    /// In the order of arrival, each with what was deleted of it.
    pub(super) inputs: Vec<(Arc<Segment>, Holes)>,
    pace: Arc<Pace>,
}

impl Merge {
    /// Writes the series of all inputs, without what was deleted. `None` where that is all.
    pub(super) fn write(&self) -> Result<Option<Arc<Segment>>, StoreError> {
        let read = |error: SegmentError| StoreError::Merge(error.to_string());
        let (symbols, mut sources) = sources(&self.inputs).map_err(read)?;
        let segment = self.task.write(&symbols, |writer| {
            merge_series(
                &mut sources,
                &symbols,
                writer,
                &self.pace,
                self.task.resolution,
            )
        })?;
        if segment.meta.records > 0 {
            return Ok(Some(segment));
        }
        self.task.discard();
        Ok(None)
    }
}

/// The next merge, of segments that are thinned alike and get old together, and how they are.
fn next_of_a_group(
    segments: &[SegmentMeta],
    steps: &Downsampling,
    limits: &MergeLimits,
    is_barred: impl Fn(u64) -> bool,
) -> Option<(Vec<u64>, i64)> {
    let of_segment = segments.iter().map(|s| (s.id, steps.group(s)));
    let of_segment: BTreeMap<u64, (i64, u64)> = of_segment.collect();
    let groups: BTreeSet<(i64, u64)> = of_segment.values().copied().collect();
    groups.into_iter().find_map(|group| {
        let is_other = |id| is_barred(id) || of_segment.get(&id) != Some(&group);
        let run = plan::merge_in_arrival(segments, limits, is_other)?;
        Some((run, group.0))
    })
}

/// How many bytes the samples of a segment took before they were thinned.
pub(super) fn raw_bytes(meta: &SegmentMeta) -> u64 {
    meta.extra["raw_bytes"].as_u64().unwrap_or(meta.bytes)
}

fn merge_series(
    sources: &mut [Source<'_>],
    symbols: &Symbols,
    writer: &mut SegmentWriter<'_>,
    pace: &Pace,
    resolution: i64,
) -> Result<(), SegmentError> {
    let (mut samples, started, mut asked) = (Samples::default(), Instant::now(), 0);
    let mut labels: Vec<(Symbol, Symbol)> = Vec::new();
    let mut ends = Vec::new();
    while let Some(next) = sources.iter().filter_map(Source::labels).min() {
        labels.clear();
        labels.extend_from_slice(next);
        samples.clear();
        ends.clear();
        for source in sources.iter_mut() {
            if source.labels() == Some(&labels[..]) {
                source.take(&mut samples, symbols)?;
                ends.push((samples.times.len(), samples.histograms.len()));
            }
        }
        samples.sort_first_place_wins(&ends);
        if samples.is_empty() {
            continue;
        }
        thin(&mut samples, resolution);
        writer.add(&labels, &samples)?;
        // What is thinned is read at the pace at which else it would be written.
        let read = sources.iter().map(Source::bytes).sum::<u64>();
        let done = if resolution > 0 { read } else { writer.bytes() };
        if done - asked >= STEP_BYTES {
            asked = done;
            if !pace.may_go_on(asked, started) {
                return Err(SegmentError::Closing);
            }
        }
    }
    Ok(())
}

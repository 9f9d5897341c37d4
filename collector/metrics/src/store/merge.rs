//! Merging: from several small segments to one, in the background.

mod source;

use super::seal::Task;
use super::writer::Writer;
use super::{MetricStore, StoreError};
use crate::Samples;
use crate::segment::{Segment, SegmentError, SegmentWriter};
use crate::symbols::Symbol;
use sonde_segment::plan::{self, MergeLimits};
use sonde_segment::work::Pace;
use source::{Source, sources};
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
        segment: Arc<Segment>,
    },
    /// One of the inputs turned out to be damaged, and was marked.
    Damaged,
}

impl MetricStore {
    /// Publishes the merge if it is finished, and starts the next if one is worth it. One that
    /// failed is counted, and not tried again before segments change: a full disk is not helped
    /// by trying.
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
        let Some(run) = plan::merge(&writer.manifest.segments, &limits) else {
            return;
        };
        let Some(first) = run.first().and_then(|id| writer.manifest.segment(*id)) else {
            return;
        };
        let name = first.tenant.clone();
        let Some(tenant) = self.tenant(&name) else {
            return;
        };
        let inputs: Vec<Arc<Segment>> = {
            let state = tenant.state.read();
            let wanted = |s: &&Arc<Segment>| run.contains(&s.meta.id);
            state.segments.iter().filter(wanted).cloned().collect()
        };
        let positions = inputs.iter().map(|s| s.meta.positions);
        let positions = positions.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        let task = Task {
            dir: Arc::clone(&self.dir),
            tenant: name,
            id: writer.manifest.take_id(),
            positions: positions.unwrap_or_default(),
        };
        let pace = Arc::clone(&writer.pace);
        let work = move || match merge(&task, &inputs, &pace) {
            Ok(segment) => Ok(Merged::Written { gone: run, segment }),
            Err(_) if inputs.iter().any(|input| input.is_damaged()) => Ok(Merged::Damaged),
            Err(error) => Err(error),
        };
        if let Some(result) = writer.merging.start(work) {
            self.publish_merge(writer, Some(result));
        }
    }

    pub(super) fn publish_merge(
        &self,
        writer: &mut Writer,
        result: Option<Result<Merged, StoreError>>,
    ) {
        let merged = result.unwrap_or(Err(StoreError::Panicked("merging")));
        let done = merged.and_then(|merged| match merged {
            Merged::Written { gone, segment } => self.replace(writer, &gone, segment),
            // The next round moves the damaged one aside, and then merges the others.
            Merged::Damaged => Ok(()),
        });
        if let Err(error) = done {
            self.telemetry.merge_failures.inc();
            tracing::warn!(%error, "merging metric segments failed; they stay as they are");
        }
    }

    /// Puts a merged segment in the place of its inputs.
    fn replace(
        &self,
        writer: &mut Writer,
        gone: &[u64],
        segment: Arc<Segment>,
    ) -> Result<(), StoreError> {
        let name = segment.meta.tenant.clone();
        let is_listed = |id: &u64| writer.manifest.segment(*id).is_some();
        let tenant = self.tenant(&name);
        let (Some(tenant), true) = (tenant, gone.iter().all(is_listed)) else {
            // Something of it was let go or moved aside meanwhile, and must not come back.
            self.dir.remove(&name, segment.meta.id);
            writer.merge_due = true;
            return Ok(());
        };
        let mut next = writer.manifest.clone();
        next.segments.retain(|s| !gone.contains(&s.id));
        next.segments.push(segment.meta.clone());
        self.swap(writer, next)?;
        let mut state = tenant.state.write();
        state.segments.retain(|s| !gone.contains(&s.meta.id));
        state.segments.push(segment);
        state.sort_segments();
        drop(state);
        self.indexes.forget(gone);
        gone.iter().for_each(|id| self.dir.remove(&name, *id));
        Ok(())
    }
}

/// Writes the series of all inputs, which come in the order of arrival.
fn merge(task: &Task, inputs: &[Arc<Segment>], pace: &Pace) -> Result<Arc<Segment>, StoreError> {
    let read = |error: SegmentError| StoreError::Merge(error.to_string());
    let (symbols, mut sources) = sources(inputs).map_err(read)?;
    task.write(&symbols, |writer| merge_series(&mut sources, writer, pace))
}

fn merge_series(
    sources: &mut [Source<'_>],
    writer: &mut SegmentWriter<'_>,
    pace: &Pace,
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
                source.take(&mut samples)?;
                ends.push((samples.times.len(), samples.histograms.len()));
            }
        }
        samples.sort_first_place_wins(&ends);
        writer.add(&labels, &samples)?;
        if writer.bytes() - asked >= STEP_BYTES {
            asked = writer.bytes();
            if !pace.may_go_on(asked, started) {
                return Err(SegmentError::Closing);
            }
        }
    }
    Ok(())
}

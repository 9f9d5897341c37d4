//! Sealing, merging, letting go.
//!
//! Every change is the same three steps: write new segments where nobody looks, swap the
//! manifest, then let queries see the change in one step. A failure before the swap leaves
//! everything as it was, and no files behind: on a full disk the next attempt needs the room.

use super::{MetricStore, StoreError, open_segment};
use crate::Samples;
use crate::head::Head;
use crate::postings::Index as _;
use crate::segment::{Segment, SegmentError, SegmentIndex, SegmentWriter, Summary};
use crate::tenant::TenantStore;
use sonde_proto::{Labels, Position, Tenant, UnixNanos};
use sonde_segment::plan::{self, MergeLimits};
use sonde_segment::{Manifest, SegmentMeta, SwapError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

impl MetricStore {
    /// Does what is due: moves damaged segments aside, seals, lets old ones go, merges.
    /// Returns where the journal must be replayed from.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses; what was in force stays in force. A merge that
    /// fails is no error: it is counted, and nothing waits for it.
    pub fn maintain(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let cleared = self.quarantine_damaged();
        let sealed = if self.is_seal_due(now) {
            self.seal(now).map(drop)
        } else {
            Ok(())
        };
        // Also when there was no room to seal: this is what makes some.
        let kept = self.expire(now);
        if sealed.is_ok() {
            self.merge();
        }
        self.refresh_gauges();
        cleared.and(sealed).and(kept)?;
        Ok(self.resume_from())
    }

    /// Seals everything that was applied.
    ///
    /// # Errors
    /// [`StoreError`] when the disk refuses; the samples stay in memory and in the journal.
    pub fn seal(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let _changing = self.changing.lock();
        let covers = self.applied_to();
        let mut manifest = self.manifest.lock();
        let mut next = manifest.clone();
        next.covers = covers;
        let mut sealed = Vec::new();
        for (name, tenant) in self.all_tenants() {
            if tenant.state.read().head.samples() > 0 {
                let positions = (manifest.covers, covers);
                let written = self.write_head(&name, &tenant, &mut next, positions);
                let segment = written.inspect_err(|_| self.discard(&mut manifest, &next))?;
                sealed.push((tenant, segment));
            }
        }
        if next == *manifest {
            return Ok(covers);
        }
        self.swap(&mut manifest, next)?;
        self.covers.store(covers.0, Ordering::Release);
        self.unsealed_since.store(0, Ordering::Release);
        let keep_from = now
            .minus(Duration::from_secs(self.config.series_idle_seconds))
            .as_millis();
        for (tenant, segment) in sealed {
            let mut state = tenant.state.write();
            let retired = state.head.rotate(keep_from);
            state.segments.push(segment);
            state.sort_segments();
            drop(state);
            drop(retired);
        }
        Ok(covers)
    }

    /// Puts a manifest in force, or deletes the segments that were written for it. Where only
    /// the directory could not be synced, the manifest on disk may be the new one, and they stay.
    fn swap(&self, manifest: &mut Manifest, next: Manifest) -> Result<(), SwapError> {
        if let Err(error) = self.dir.swap(&next) {
            if error.may_be_in_force() {
                manifest.next_id = next.next_id;
            } else {
                self.discard(manifest, &next);
            }
            return Err(error);
        }
        if manifest.segments != next.segments {
            self.merge_due.store(true, Ordering::Release);
        }
        *manifest = next;
        Ok(())
    }

    /// Deletes the segments of a manifest that will not come into force. Their identifiers are
    /// not given again.
    fn discard(&self, manifest: &mut Manifest, next: &Manifest) {
        manifest.next_id = next.next_id;
        let written = next.segments.iter();
        for meta in written.filter(|meta| manifest.segment(meta.id).is_none()) {
            self.dir.remove(&meta.tenant, meta.id);
        }
    }

    fn is_seal_due(&self, now: UnixNanos) -> bool {
        let since = UnixNanos(self.unsealed_since.load(Ordering::Acquire));
        if since.0 == 0 {
            return false;
        }
        let aged = now.since(since) >= Duration::from_secs(self.config.seal_interval_seconds);
        let bytes = |(_, tenant): &(Tenant, Arc<TenantStore>)| {
            tenant.state.read().head.sample_bytes() as u64
        };
        aged || self.all_tenants().iter().map(bytes).sum::<u64>() >= self.config.head_bytes_max
    }

    fn write_head(
        &self,
        name: &Tenant,
        tenant: &TenantStore,
        manifest: &mut Manifest,
        positions: (Position, Position),
    ) -> Result<Arc<Segment>, StoreError> {
        self.write_segment(name, manifest, positions, |writer| {
            // Nothing is applied meanwhile: readers alone share the lock.
            let state = tenant.state.read();
            write_series(&state.head, writer)
        })
    }

    fn write_segment(
        &self,
        tenant: &Tenant,
        manifest: &mut Manifest,
        positions: (Position, Position),
        fill: impl FnOnce(&mut SegmentWriter) -> Result<(), SegmentError>,
    ) -> Result<Arc<Segment>, StoreError> {
        let id = manifest.take_id();
        let path = self.dir.create(tenant, id)?;
        let failed = |error: SegmentError| StoreError::Write {
            path: path.clone(),
            cause: match error {
                SegmentError::Io(cause) => cause,
                other => io::Error::other(other.to_string()),
            },
        };
        let write = || -> Result<Summary, SegmentError> {
            let mut writer = SegmentWriter::create(&path)?;
            fill(&mut writer)?;
            Ok(writer.finish()?)
        };
        let finish = || -> Result<Segment, StoreError> {
            let summary = write().map_err(&failed)?;
            self.dir.persist(tenant, id)?;
            let meta = SegmentMeta {
                id,
                tenant: tenant.clone(),
                start: UnixNanos::from_millis(summary.first),
                end: UnixNanos::from_millis(summary.last),
                positions,
                bytes: summary.bytes,
                records: summary.samples,
                checksum: summary.checksum,
                extra: serde_json::json!({ "series": summary.series }),
            };
            open_segment(&self.dir, &meta).map_err(&failed)
        };
        let segment = finish().inspect_err(|_| self.dir.remove(tenant, id))?;
        manifest.segments.push(segment.meta.clone());
        Ok(Arc::new(segment))
    }

    /// Lets go of what is older than retention or too much.
    fn expire(&self, now: UnixNanos) -> Result<(), StoreError> {
        let keep_from = now.minus(Duration::from_secs(self.config.retention_seconds));
        let mut manifest = self.manifest.lock();
        let gone = plan::expire(&manifest.segments, keep_from, self.config.bytes_max);
        self.drop_segments(&mut manifest, &gone)
    }

    /// Merges one run of neighbours, if there is one worth it. One that failed is not tried
    /// again before segments change: a full disk is not helped by trying.
    fn merge(&self) {
        if !self.merge_due.swap(false, Ordering::AcqRel) {
            return;
        }
        if let Err(error) = self.merge_once() {
            self.telemetry.merge_failures.inc();
            tracing::warn!(%error, "merging metric segments failed; they stay as they are");
        }
    }

    fn merge_once(&self) -> Result<(), StoreError> {
        let limits = MergeLimits {
            fan_in: self.config.merge_fan_in,
            segment_bytes_max: self.config.segment_bytes_max,
        };
        let mut manifest = self.manifest.lock();
        let Some(run) = plan::merge(&manifest.segments, &limits) else {
            return Ok(());
        };
        let Some(first) = run.first().and_then(|id| manifest.segment(*id)) else {
            return Ok(());
        };
        let name = first.tenant.clone();
        let Some(tenant) = self.tenant(&name) else {
            return Ok(());
        };
        let inputs: Vec<Arc<Segment>> = tenant
            .state
            .read()
            .segments
            .iter()
            .filter(|s| run.contains(&s.meta.id))
            .cloned()
            .collect();
        let from = inputs
            .iter()
            .map(|s| s.meta.positions.0)
            .min()
            .unwrap_or_default();
        let to = inputs
            .iter()
            .map(|s| s.meta.positions.1)
            .max()
            .unwrap_or_default();
        let mut next = manifest.clone();
        let mut damaged = false;
        let merged = self.write_segment(&name, &mut next, (from, to), |writer| {
            merge_series(&inputs, writer).inspect_err(|error| damaged = error.is_damage())
        });
        match merged {
            Ok(segment) => {
                next.segments.retain(|s| !run.contains(&s.id));
                self.swap(&mut manifest, next)?;
                self.show_merged(&run, &tenant, segment);
                Ok(())
            }
            Err(error) => {
                self.discard(&mut manifest, &next);
                // The next round moves the damaged one aside, and then merges the others.
                if damaged { Ok(()) } else { Err(error) }
            }
        }
    }

    /// Lets queries see a merged segment instead of its inputs.
    fn show_merged(&self, run: &[u64], tenant: &TenantStore, segment: Arc<Segment>) {
        let name = segment.meta.tenant.clone();
        let mut state = tenant.state.write();
        state.segments.retain(|s| !run.contains(&s.meta.id));
        state.segments.push(segment);
        state.sort_segments();
        drop(state);
        self.indexes.forget(run);
        run.iter().for_each(|id| self.dir.remove(&name, *id));
    }

    fn drop_segments(&self, manifest: &mut Manifest, gone: &[u64]) -> Result<(), StoreError> {
        if gone.is_empty() {
            return Ok(());
        }
        let mut next = manifest.clone();
        next.segments.retain(|s| !gone.contains(&s.id));
        let old = manifest.segments.clone();
        self.swap(manifest, next)?;
        self.unlist(gone);
        for meta in old.iter().filter(|s| gone.contains(&s.id)) {
            self.dir.remove(&meta.tenant, meta.id);
        }
        Ok(())
    }

    /// Takes segments out of sight.
    fn unlist(&self, gone: &[u64]) {
        for (_, tenant) in self.all_tenants() {
            tenant
                .state
                .write()
                .segments
                .retain(|s| !gone.contains(&s.meta.id));
        }
        self.indexes.forget(gone);
    }

    fn quarantine_damaged(&self) -> Result<(), StoreError> {
        let is_damaged = |(_, tenant): &(Tenant, Arc<TenantStore>)| -> Vec<u64> {
            let state = tenant.state.read();
            state
                .segments
                .iter()
                .filter(|s| s.is_damaged())
                .map(|s| s.meta.id)
                .collect()
        };
        for id in self.all_tenants().iter().flat_map(is_damaged) {
            self.dir
                .quarantine(&mut self.manifest.lock(), id, "damaged")?;
            self.unlist(&[id]);
            self.merge_due.store(true, Ordering::Release);
            self.telemetry.quarantined.inc();
        }
        Ok(())
    }
}

/// Writes every series of a head.
fn write_series(head: &Head, writer: &mut SegmentWriter) -> Result<(), SegmentError> {
    let mut samples = Samples::default();
    for id in head.sorted() {
        samples.clear();
        for chunk in head.series()[id as usize].chunks(i64::MIN, i64::MAX) {
            chunk.read(&mut samples)?;
        }
        samples.sort_first_wins();
        let text = |symbol: &u32| head.symbols().text(*symbol);
        writer.add(
            head.pairs(id).iter().map(|(n, v)| (text(n), text(v))),
            &samples,
        )?;
    }
    Ok(())
}

/// One segment of a merge, and the series that is next.
struct Input<'a> {
    segment: &'a Segment,
    index: SegmentIndex,
    next: u32,
    labels: Option<Labels>,
}

impl Input<'_> {
    fn advance(&mut self) {
        self.next += 1;
        self.labels = (self.next < self.index.count()).then(|| self.index.labels(self.next));
    }
}

/// Writes the series of all inputs, which come in the order of arrival.
fn merge_series(inputs: &[Arc<Segment>], writer: &mut SegmentWriter) -> Result<(), SegmentError> {
    let mut open = Vec::with_capacity(inputs.len());
    for segment in inputs {
        let index = segment
            .load_index()
            .inspect_err(|error| mark(segment, error))?;
        let labels = (index.count() > 0).then(|| index.labels(0));
        open.push(Input {
            segment,
            index,
            next: 0,
            labels,
        });
    }
    let mut samples = Samples::default();
    while let Some(labels) = open
        .iter()
        .filter_map(|input| input.labels.as_ref())
        .min()
        .cloned()
    {
        samples.clear();
        for input in open
            .iter_mut()
            .filter(|input| input.labels.as_ref() == Some(&labels))
        {
            for chunk in input.index.chunks(input.next) {
                input
                    .segment
                    .read(chunk, &mut samples)
                    .inspect_err(|error| mark(input.segment, error))?;
            }
            input.advance();
        }
        samples.sort_first_wins();
        writer.add(labels.iter(), &samples)?;
    }
    Ok(())
}

fn mark(segment: &Segment, error: &SegmentError) {
    if error.is_damage() && segment.mark_damaged() {
        tracing::error!(segment = segment.meta.id, %error, "a metric segment is damaged; it will be moved aside");
    }
}

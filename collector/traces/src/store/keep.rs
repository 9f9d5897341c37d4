//! What the writer does between batches: seal, let go, move aside, and, in [`super::merge`],
//! merge.

use super::merge::Merging;
use super::{State, StoreError, TraceStore};
use crate::segment::{Segment, received, write_tail};
use crate::tail::SharedTail;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::{Manifest, SegmentMeta, SwapError, plan};
use std::sync::Arc;
use std::time::Duration;

/// The writer's own state: the manifest in force and the merge under way.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) manifest: Manifest,
    pub(super) merging: Option<Merging>,
    /// Whether segments changed since a merge was last looked for.
    pub(super) merge_due: bool,
}

impl Keeper {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            merging: None,
            merge_due: true,
        }
    }

    pub(super) fn covers(&self) -> Position {
        self.manifest.covers
    }
}

impl TraceStore {
    /// Seals when the tail is old or large enough, adopts a finished merge and starts the
    /// next, lets the old go, and moves damaged segments aside. Returns the position before
    /// which the journal may be trimmed.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written; everything applied stays
    /// searchable, and the next call tries again. A merge that fails is no error: it is
    /// counted, and nothing waits for it.
    pub fn maintain(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let sealed = if self.seal_is_due(now) {
            self.seal(now).map(drop)
        } else {
            Ok(())
        };
        let mut keeper = self.keeper.lock();
        let cleared = self.move_damaged_aside(&mut keeper);
        // Also when there was no room to seal: this is what makes some.
        let kept = self.let_go(&mut keeper, now);
        self.advance_merge(&mut keeper);
        self.gauge();
        sealed.and(cleared).and(kept)?;
        Ok(keeper.covers())
    }

    /// Writes the tail as segments, now. Returns the position before which the journal may
    /// be trimmed.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written; the tail stays searchable.
    pub fn seal(&self, _now: UnixNanos) -> Result<Position, StoreError> {
        let mut keeper = self.keeper.lock();
        let (tails, covers) = self.state.write().start_seal();
        if covers == keeper.manifest.covers {
            return Ok(covers);
        }
        let mut manifest = keeper.manifest.clone();
        manifest.covers = covers;
        let numbered: Vec<(u64, &(Tenant, SharedTail))> = tails
            .iter()
            .map(|tail| (manifest.take_id(), tail))
            .collect();
        // A number once given is not given again, even when this seal fails.
        keeper.manifest.next_id = manifest.next_id;
        let written = self.write_tails(&numbered);
        let segments = written.inspect_err(|_| self.discard(&numbered))?;
        let metas = segments.iter().map(|segment| segment.meta.clone());
        manifest.segments.extend(metas);
        if let Err(error) = self.dir.swap(&manifest) {
            if !error.may_be_in_force() {
                self.discard(&numbered);
            }
            return Err(error.into());
        }
        keeper.manifest = manifest;
        keeper.merge_due |= !segments.is_empty();
        self.state.write().finish_seal(&tails, segments);
        Ok(covers)
    }

    fn write_tails(
        &self,
        numbered: &[(u64, &(Tenant, SharedTail))],
    ) -> Result<Vec<Arc<Segment>>, StoreError> {
        let write = |(id, (tenant, tail)): &(u64, &(Tenant, SharedTail))| {
            let path = self.dir.create(tenant, *id)?;
            let meta = write_tail(&path, *id, tenant, &tail.read())?;
            self.dir.persist(tenant, *id)?;
            Ok(Arc::new(Segment::open(&path, meta)?))
        };
        numbered.iter().map(write).collect()
    }

    /// Deletes what a seal wrote that failed: the next one, on a full disk, needs the room.
    fn discard(&self, numbered: &[(u64, &(Tenant, SharedTail))]) {
        for (id, (tenant, _)) in numbered {
            self.dir.remove(tenant, *id);
        }
    }

    fn seal_is_due(&self, now: UnixNanos) -> bool {
        let state = self.state.read();
        let age = Duration::from_secs(self.config.seal_seconds);
        state.tail_bytes() as u64 >= self.config.seal_bytes
            || state
                .oldest_received()
                .is_some_and(|oldest| now.since(oldest) >= age)
    }

    fn let_go(&self, keeper: &mut Keeper, now: UnixNanos) -> Result<(), StoreError> {
        let keep_from = now.minus(Duration::from_secs(self.config.retention_seconds));
        // By arrival: a span may claim any time, and late ones are kept as long as others.
        let by_arrival = |meta: &SegmentMeta| {
            let (start, end) = received(meta);
            SegmentMeta {
                start,
                end,
                ..meta.clone()
            }
        };
        let metas: Vec<SegmentMeta> = keeper.manifest.segments.iter().map(by_arrival).collect();
        let gone = plan::expire(&metas, keep_from, self.config.disk_bytes_max);
        if gone.is_empty() {
            Ok(())
        } else {
            Ok(self.replace(keeper, &gone, None)?)
        }
    }

    pub(super) fn move_damaged_aside(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let damaged: Vec<u64> = self
            .state
            .read()
            .segments
            .iter()
            .filter(|s| s.is_damaged())
            .map(|s| s.meta.id)
            .collect();
        for id in damaged {
            self.dir.quarantine(&mut keeper.manifest, id, "damaged")?;
            keeper.merge_due = true;
            self.state.write().segments.retain(|s| s.meta.id != id);
        }
        Ok(())
    }

    /// Puts a manifest in force without some segments and perhaps with a new one.
    pub(super) fn replace(
        &self,
        keeper: &mut Keeper,
        gone: &[u64],
        new: Option<Segment>,
    ) -> Result<(), SwapError> {
        let mut manifest = keeper.manifest.clone();
        let (out, kept) = manifest
            .segments
            .drain(..)
            .partition::<Vec<_>, _>(|s| gone.contains(&s.id));
        manifest.segments = kept;
        manifest
            .segments
            .extend(new.as_ref().map(|s| s.meta.clone()));
        self.dir.swap(&manifest)?;
        keeper.manifest = manifest;
        keeper.merge_due = true;
        {
            let mut state = self.state.write();
            state.segments.retain(|s| !gone.contains(&s.meta.id));
            state.segments.extend(new.map(Arc::new));
        }
        out.iter()
            .for_each(|meta| self.dir.remove(&meta.tenant, meta.id));
        Ok(())
    }
}

impl State {
    /// Gives every tenant an empty tail; returns all tails that have spans, and what they cover.
    fn start_seal(&mut self) -> (Vec<(Tenant, SharedTail)>, Position) {
        for tails in self.tails.values_mut() {
            tails.retain(|tail| tail.read().spans > 0);
            tails.push(SharedTail::default());
        }
        let full = |tails: &[SharedTail]| {
            tails
                .iter()
                .filter(|tail| tail.read().spans > 0)
                .cloned()
                .collect::<Vec<_>>()
        };
        let tails = self
            .tails
            .iter()
            .flat_map(|(tenant, tails)| full(tails).into_iter().map(|tail| (tenant.clone(), tail)));
        (tails.collect(), self.applied_to)
    }

    /// Lists the segments in the place of the tails they were made from, in one step.
    fn finish_seal(&mut self, sealed: &[(Tenant, SharedTail)], segments: Vec<Arc<Segment>>) {
        for tails in self.tails.values_mut() {
            tails.retain(|tail| !sealed.iter().any(|(_, done)| Arc::ptr_eq(tail, done)));
        }
        self.tails
            .retain(|_, tails| tails.iter().any(|tail| tail.read().spans > 0));
        self.segments.extend(segments);
    }
}

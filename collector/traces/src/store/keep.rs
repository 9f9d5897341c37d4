//! What the writer does between batches: seal, merge, let go, move aside.

use super::{State, StoreError, TraceStore, is_damage};
use crate::segment::{Segment, merge, received, write_tail};
use crate::tail::SharedTail;
use sonde_proto::{Position, Tenant, UnixNanos};
use sonde_segment::blocks::BlockError;
use sonde_segment::{Manifest, SegmentMeta, SwapError, plan};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// The writer's own state: the manifest in force and the merge under way.
#[derive(Debug)]
pub(super) struct Keeper {
    manifest: Manifest,
    merging: Option<Merging>,
}

/// A merge on its own thread, so that spans stay searchable within moments meanwhile.
#[derive(Debug)]
struct Merging {
    id: u64,
    tenant: Tenant,
    inputs: Vec<u64>,
    thread: JoinHandle<Result<SegmentMeta, BlockError>>,
}

impl Keeper {
    pub(super) fn new(manifest: Manifest) -> Self {
        Self {
            manifest,
            merging: None,
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
    /// searchable, and the next call tries again.
    pub fn maintain(&self, now: UnixNanos) -> Result<Position, StoreError> {
        if self.seal_is_due(now) {
            self.seal(now)?;
        }
        let mut keeper = self.keeper.lock();
        self.move_damaged_aside(&mut keeper)?;
        self.let_go(&mut keeper, now)?;
        if keeper
            .merging
            .as_ref()
            .is_none_or(|merging| merging.thread.is_finished())
        {
            self.adopt_merge(&mut keeper)?;
            self.start_merge(&mut keeper)?;
        }
        self.gauge();
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

    /// Waits for the merge under way, then merges until no merge is worth doing.
    ///
    /// # Errors
    /// [`StoreError`] as for [`Self::maintain`].
    pub fn merge_all(&self) -> Result<(), StoreError> {
        let mut keeper = self.keeper.lock();
        loop {
            self.adopt_merge(&mut keeper)?;
            self.start_merge(&mut keeper)?;
            if keeper.merging.is_none() {
                return Ok(());
            }
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

    fn move_damaged_aside(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
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
            self.state.write().segments.retain(|s| s.meta.id != id);
        }
        Ok(())
    }

    fn start_merge(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let limits = plan::MergeLimits {
            fan_in: self.config.merge_fan_in,
            segment_bytes_max: self.config.merge_segment_bytes_max,
        };
        let Some(inputs) = plan::merge(&keeper.manifest.segments, &limits) else {
            return Ok(());
        };
        let segments: Vec<Arc<Segment>> = self
            .state
            .read()
            .segments
            .iter()
            .filter(|s| inputs.contains(&s.meta.id))
            .cloned()
            .collect();
        let Some(tenant) = segments.first().map(|s| s.meta.tenant.clone()) else {
            return Ok(());
        };
        let id = keeper.manifest.take_id();
        let path = self.dir.create(&tenant, id)?;
        let (dir, owner) = (Arc::clone(&self.dir), tenant.clone());
        let work = move || {
            let meta =
                merge(&path, id, &segments).inspect_err(|error| note_inputs(&segments, error))?;
            let persisted = dir.persist(&owner, id);
            persisted.map_err(|error| BlockError::Io {
                operation: "persist",
                cause: std::io::Error::other(error),
            })?;
            Ok(meta)
        };
        let spawned = std::thread::Builder::new()
            .name("traces-merge".to_owned())
            .spawn(work);
        let thread = spawned.map_err(|cause| BlockError::Io {
            operation: "start a thread to merge",
            cause,
        })?;
        keeper.merging = Some(Merging {
            id,
            tenant,
            inputs,
            thread,
        });
        Ok(())
    }

    /// Waits for the merge under way, if any, and puts its segment in the place of its inputs.
    fn adopt_merge(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let Some(Merging {
            id,
            tenant,
            inputs,
            thread,
        }) = keeper.merging.take()
        else {
            return Ok(());
        };
        let outcome = thread
            .join()
            .unwrap_or(Err(BlockError::Damaged("the merge panicked")));
        let listed = |input: &u64| keeper.manifest.segment(*input).is_some();
        match outcome {
            Ok(meta) if inputs.iter().all(listed) => {
                let opened = Segment::open(&self.dir.path(&tenant, id), meta);
                let segment = opened.inspect_err(|_| self.dir.remove(&tenant, id))?;
                self.metrics.merges.inc();
                self.replace(keeper, &inputs, Some(segment))
                    .inspect_err(|error| {
                        if !error.may_be_in_force() {
                            self.dir.remove(&tenant, id);
                        }
                    })?;
                Ok(())
            }
            Ok(_) => {
                self.dir.remove(&tenant, id);
                Ok(())
            }
            Err(error) => {
                self.dir.remove(&tenant, id);
                if is_damage(&error) {
                    self.find_damage(&inputs);
                    return self.move_damaged_aside(keeper);
                }
                Err(error.into())
            }
        }
    }

    /// Reads the inputs of a failed merge through, so that the damaged one is found.
    fn find_damage(&self, inputs: &[u64]) {
        let segments: Vec<Arc<Segment>> = self
            .state
            .read()
            .segments
            .iter()
            .filter(|s| inputs.contains(&s.meta.id))
            .cloned()
            .collect();
        for segment in segments {
            if let Err(error) = segment.verify() {
                self.note_damage(&segment, &error);
            }
        }
    }

    /// Puts a manifest in force without some segments and perhaps with a new one.
    fn replace(
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

fn note_inputs(segments: &[Arc<Segment>], error: &BlockError) {
    let ids: Vec<u64> = segments.iter().map(|s| s.meta.id).collect();
    tracing::warn!(?ids, %error, "a merge of segments of traces failed; they stay as they are");
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

impl Drop for TraceStore {
    fn drop(&mut self) {
        if let Some(merging) = self.keeper.get_mut().merging.take() {
            // Its segment is not listed: the next start deletes it. Only the thread must end.
            let _ = merging.thread.join();
        }
    }
}

//! Merging: from several small segments to one, on a thread of its own.
//!
//! A merge that fails leaves nothing behind, stops nothing else, and is not tried again before
//! segments change: a full disk is not helped by trying.

use super::keep::Keeper;
use super::{StoreError, TraceStore, is_damage};
use crate::segment::{Segment, merge};
use sonde_proto::Tenant;
use sonde_segment::blocks::BlockError;
use sonde_segment::{SegmentMeta, plan};
use std::sync::Arc;
use std::thread::JoinHandle;

/// A merge on its own thread, so that spans stay searchable within moments meanwhile.
#[derive(Debug)]
pub(super) struct Merging {
    id: u64,
    tenant: Tenant,
    inputs: Vec<u64>,
    thread: JoinHandle<Result<SegmentMeta, BlockError>>,
}

impl TraceStore {
    /// Adopts the merge if it is finished, and starts the next if one is due.
    pub(super) fn advance_merge(&self, keeper: &mut Keeper) {
        let busy = |merging: &Merging| !merging.thread.is_finished();
        if keeper.merging.as_ref().is_some_and(busy) {
            return;
        }
        if let Err(error) = self.next_merge(keeper) {
            tracing::warn!(%error, "merging segments of traces failed; they stay as they are");
        }
    }

    /// Waits for the merge under way, then merges until no merge is worth doing.
    ///
    /// # Errors
    /// [`StoreError`] when a segment or the manifest could not be written; the segments stay
    /// as they were.
    pub fn merge_all(&self) -> Result<(), StoreError> {
        let mut keeper = self.keeper.lock();
        keeper.merge_due = true;
        loop {
            self.next_merge(&mut keeper)?;
            if keeper.merging.is_none() {
                return Ok(());
            }
        }
    }

    fn next_merge(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        self.adopt_merge(keeper)
            .and_then(|()| self.start_merge(keeper))
            .inspect_err(|_| {
                self.metrics.merge_failures.inc();
            })
    }

    fn start_merge(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        if !std::mem::take(&mut keeper.merge_due) {
            return Ok(());
        }
        let limits = plan::MergeLimits {
            fan_in: self.config.merge_fan_in,
            segment_bytes_max: self.config.merge_segment_bytes_max,
        };
        let Some(inputs) = plan::merge(&keeper.manifest.segments, &limits) else {
            return Ok(());
        };
        let segments = self.segments(&inputs);
        let Some(tenant) = segments.first().map(|s| s.meta.tenant.clone()) else {
            return Ok(());
        };
        let id = keeper.manifest.take_id();
        let path = self.dir.create(&tenant, id)?;
        let (dir, owner) = (Arc::clone(&self.dir), tenant.clone());
        let work = move || {
            let meta = merge(&path, id, &segments)?;
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
        let all_listed = |keeper: &Keeper| {
            let mut inputs = inputs.iter();
            inputs.all(|input| keeper.manifest.segment(*input).is_some())
        };
        match outcome {
            Ok(meta) if all_listed(keeper) => {
                let opened = Segment::open(&self.dir.path(&tenant, id), meta);
                let segment = opened.inspect_err(|_| self.dir.remove(&tenant, id))?;
                self.replace(keeper, &inputs, Some(segment))
                    .inspect_err(|error| {
                        if !error.may_be_in_force() {
                            self.dir.remove(&tenant, id);
                        }
                    })?;
                self.metrics.merges.inc();
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
                    self.move_damaged_aside(keeper)?;
                    if !all_listed(keeper) {
                        return Ok(());
                    }
                }
                Err(error.into())
            }
        }
    }

    /// Reads the inputs of a failed merge through, so that the damaged one is found.
    fn find_damage(&self, inputs: &[u64]) {
        for segment in self.segments(inputs) {
            if let Err(error) = segment.verify() {
                self.note_damage(&segment, &error);
            }
        }
    }

    fn segments(&self, ids: &[u64]) -> Vec<Arc<Segment>> {
        let state = self.state.read();
        let listed = state.segments.iter().filter(|s| ids.contains(&s.meta.id));
        listed.cloned().collect()
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

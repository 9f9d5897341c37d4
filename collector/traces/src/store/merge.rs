//! Merging: from several small segments to one, on a thread of its own.
//!
//! A merge that fails leaves nothing behind, stops nothing else, and its inputs are let alone
//! for a while: what cannot be merged must not keep others from it.

use super::keep::Keeper;
use super::{StoreError, TraceStore, is_damage};
use crate::segment::{IdsOnly, Segment, ShellCache, merge};
use sonde_proto::Tenant;
use sonde_segment::blocks::BlockError;
use sonde_segment::work::Pace;
use sonde_segment::{SegmentDir, SegmentMeta, plan};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A merge that was tried.
#[derive(Debug)]
pub(super) struct Merging {
    id: u64,
    tenant: Tenant,
    inputs: Vec<u64>,
    outcome: Result<Segment, StoreError>,
    /// Which of the inputs is why it failed.
    damaged: Vec<(Arc<Segment>, BlockError)>,
}

/// A merge to be done.
#[derive(Clone)]
struct Task {
    dir: Arc<SegmentDir>,
    pace: Arc<Pace>,
    id: u64,
    tenant: Tenant,
    inputs: Vec<Arc<Segment>>,
    part_bytes_min: u64,
    shells: Arc<ShellCache>,
}

impl TraceStore {
    /// Publishes the merge if it is finished, and starts the next if one is due.
    pub(super) fn advance_merge(&self, keeper: &mut Keeper) {
        if let Some(merged) = keeper.merging.poll() {
            // It was counted and told of.
            let _ = self.publish_merge(keeper, merged);
        }
        if !keeper.merging.is_busy() && std::mem::take(&mut keeper.merge_due) {
            let _ = self.start_merge(keeper);
        }
    }

    /// Waits for the merge under way, then merges until no merge is worth doing.
    ///
    /// # Errors
    /// [`StoreError`] when a segment or the manifest could not be written; the segments stay
    /// as they were.
    pub fn merge_all(&self) -> Result<(), StoreError> {
        let mut keeper = self.keeper.lock();
        loop {
            if let Some(merged) = keeper.merging.wait() {
                self.publish_merge(&mut keeper, merged)?;
            }
            keeper.merge_due = false;
            self.start_merge(&mut keeper)?;
            if !keeper.merging.is_busy() && !keeper.merge_due {
                return Ok(());
            }
        }
    }

    fn start_merge(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let Some(task) = self.next_merge(keeper) else {
            return Ok(());
        };
        match keeper.merging.start(move || task.run(Task::write)) {
            // There was no thread for it.
            Some(merged) => self.publish_merge(keeper, Some(merged)),
            None => Ok(()),
        }
    }

    /// What is to be merged next.
    fn next_merge(&self, keeper: &mut Keeper) -> Option<Task> {
        let limits = plan::MergeLimits {
            fan_in: self.config.merge_fan_in,
            segment_bytes_max: self.config.merge_segment_bytes_max,
        };
        keeper.barred.forget_before(keeper.now);
        let mut segments = keeper.manifest.segments.clone();
        segments.retain(|s| {
            let is_kept = !keeper.barred.contains(s.id) && !keeper.leaving.contains(s.id);
            is_kept && !IdsOnly::is_meant(s)
        });
        let inputs = self.segments(&plan::merge(&segments, &limits)?);
        let tenant = inputs.first()?.meta.tenant.clone();
        Some(Task {
            dir: Arc::clone(&self.dir),
            pace: Arc::clone(&keeper.pace),
            id: keeper.manifest.take_id(),
            tenant,
            inputs,
            part_bytes_min: self.config.merge_part_bytes_min,
            shells: Arc::clone(&self.shells),
        })
    }

    /// Puts the segment of a merge in the place of its inputs.
    pub(super) fn publish_merge(
        &self,
        keeper: &mut Keeper,
        merged: Option<Merging>,
    ) -> Result<(), StoreError> {
        let merged = merged.ok_or(StoreError::Panicked("merging"));
        let done = merged.and_then(|merged| self.adopt_merge(keeper, merged));
        done.inspect_err(|error| {
            self.metrics.merge_failures.inc();
            tracing::warn!(%error, "merging segments of traces failed; they stay as they are");
        })
    }

    fn adopt_merge(&self, keeper: &mut Keeper, merged: Merging) -> Result<(), StoreError> {
        let Merging {
            id,
            tenant,
            inputs,
            outcome,
            damaged,
        } = merged;
        let is_listed = |input: &u64| keeper.manifest.segment(*input).is_some();
        if outcome.is_ok() && !inputs.iter().all(is_listed) {
            // Retention or quarantine took an input meanwhile; what is left is merged anew.
            keeper.merge_due = true;
            self.dir.remove(&tenant, id);
            return Ok(());
        }
        match outcome {
            Ok(segment) => {
                if let Err(error) = self.replace(keeper, &inputs, Some(segment), Vec::new()) {
                    if !error.may_be_in_force() {
                        self.dir.remove(&tenant, id);
                    }
                    keeper.barred.add(inputs, keeper.now);
                    return Err(error.into());
                }
                self.metrics.merges.inc();
                Ok(())
            }
            Err(error) => {
                self.dir.remove(&tenant, id);
                if !damaged.is_empty() {
                    for (segment, error) in &damaged {
                        self.note_damage(segment, error);
                    }
                    keeper.merge_due = true;
                    return self.move_damaged_aside(keeper);
                }
                keeper.barred.add(inputs, keeper.now);
                Err(error)
            }
        }
    }

    pub(super) fn segments(&self, ids: &[u64]) -> Vec<Arc<Segment>> {
        let state = self.state.read();
        let listed = state.segments.iter().filter(|s| ids.contains(&s.meta.id));
        listed.cloned().collect()
    }
}

impl Task {
    /// Also a merge that panics is known afterwards, so that it is tidied up and let alone.
    fn run(self, write: impl FnOnce(&Self) -> Result<SegmentMeta, BlockError>) -> Merging {
        let work = || -> Result<Segment, BlockError> {
            let meta = write(&self)?;
            Segment::open(&self.dir.path(&self.tenant, self.id), meta, &self.shells)
        };
        let outcome = match catch_unwind(AssertUnwindSafe(work)) {
            Ok(written) => written.map_err(StoreError::from),
            Err(_) => Err(StoreError::Panicked("merging")),
        };
        let is_damage = matches!(&outcome, Err(StoreError::Segment(error)) if is_damage(error));
        Merging {
            damaged: if is_damage {
                self.find_damage()
            } else {
                Vec::new()
            },
            outcome,
            inputs: self.inputs.iter().map(|s| s.meta.id).collect(),
            id: self.id,
            tenant: self.tenant,
        }
    }

    /// Reads the inputs of a failed merge through, so that the damaged one is found.
    fn find_damage(&self) -> Vec<(Arc<Segment>, BlockError)> {
        let inputs = self.inputs.iter();
        let damaged = inputs.filter_map(|segment| {
            let error = segment.verify().err().filter(is_damage)?;
            Some((Arc::clone(segment), error))
        });
        damaged.collect()
    }

    fn write(&self) -> Result<SegmentMeta, BlockError> {
        let failed = |operation| {
            move |error: sonde_segment::SwapError| BlockError::Io {
                operation,
                cause: std::io::Error::other(error),
            }
        };
        let path = self.dir.create(&self.tenant, self.id);
        let path = path.map_err(failed("make room for"))?;
        let meta = merge(
            &path,
            self.id,
            &self.inputs,
            self.part_bytes_min,
            &self.pace,
        )?;
        let persisted = self.dir.persist(&self.tenant, self.id);
        persisted.map_err(failed("persist"))?;
        Ok(meta)
    }
}

#[cfg(test)]
mod tests;

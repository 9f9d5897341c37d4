//! Deleting series, and rewriting the segments that still have what was deleted.

use super::writer::Writer;
use super::{MetricStore, StoreError};
use crate::deletion::{self, Deletion, Deletions};
use crate::postings::Index as _;
use crate::select::in_head;
use crate::tenant::{State, TenantStore};
use parking_lot::RwLockWriteGuard;
use sonde_proto::{Matcher, Tenant, UnixNanos};
use std::sync::Arc;

/// How many deletions may wait for segments to be rewritten.
const DELETIONS_MAX: usize = 1000;
/// So many series forget their newest sample while nothing is applied,
const AT_ONCE: usize = 4096;
/// and so many for which segments have to be read for that.
const LOOKED_UP_AT_ONCE: usize = 32;

/// What is to be deleted.
#[derive(Clone, Copy, Debug)]
pub struct Delete<'a> {
    /// The series that satisfy any of these.
    pub selectors: &'a [Vec<Matcher>],
    /// Samples from here on, in milliseconds since 1970,
    pub start: i64,
    /// up to here, both included.
    pub end: i64,
}

/// Why nothing was deleted.
#[derive(Debug, thiserror::Error)]
pub enum DeleteError {
    /// Too much waits already.
    #[error(
        "{DELETIONS_MAX} deletions wait for their segments to be rewritten; clean tombstones first"
    )]
    TooMany,
    /// The disk refuses.
    #[error("{0}")]
    Store(#[from] StoreError),
}

impl MetricStore {
    /// Deletes samples of everything that was applied. When this returns, no reader sees them
    /// any more, whatever happens to the process; what comes later is kept, and of what comes
    /// meanwhile each request as a whole or nothing of it. They are gone from the disk once their segments were
    /// merged, or [`Self::clean_deleted`] was called.
    ///
    /// Entries are taken meanwhile, but for moments that do not grow with what is deleted.
    ///
    /// # Errors
    /// [`DeleteError`]; then everything is as it was.
    pub fn delete(
        &self,
        tenant: &Tenant,
        delete: &Delete<'_>,
        now: UnixNanos,
    ) -> Result<(), DeleteError> {
        if self.tenant(tenant).is_none() {
            return Ok(());
        }
        let mut writer = self.when_sealed(now)?;
        let mut next = writer.manifest.clone();
        let mut deletions = deletion::listed(&next).unwrap_or_default();
        let new = delete.selectors.iter().map(|selector| Deletion {
            tenant: tenant.as_str().to_owned(),
            selector: selector.clone(),
            start: delete.start,
            end: delete.end,
            before: next.next_id,
        });
        deletions.extend(new);
        if deletions.len() > DELETIONS_MAX {
            return Err(DeleteError::TooMany);
        }
        deletion::list(&mut next, deletions);
        self.swap(&mut writer, next).map_err(StoreError::from)?;
        self.show_deletions(&writer)?;
        drop(writer);
        if let Some(tenant) = self.tenant(tenant) {
            self.forget_newest(&tenant, delete);
        }
        Ok(())
    }

    /// Writes every segment anew that has something deleted, beside the thread that applies.
    ///
    /// # Errors
    /// [`StoreError`] when one cannot be written; what was rewritten stays so.
    pub fn clean_deleted(&self) -> Result<(), StoreError> {
        loop {
            let mut writer = self.writer.lock();
            let Some((name, tenant, id)) = self.with_holes() else {
                return Ok(());
            };
            let merge = self.merge_of(&mut writer, name.clone(), &tenant, (&[id], 0));
            drop(writer);
            match merge.write() {
                Ok(segment) => {
                    self.replace(&mut self.writer.lock(), &[id], &name, segment)?;
                }
                Err(error) => {
                    let [(input, _)] = &merge.inputs[..] else {
                        return Err(error);
                    };
                    if !input.is_damaged() {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// A segment that has something deleted.
    fn with_holes(&self) -> Option<(Tenant, Arc<TenantStore>, u64)> {
        self.all_tenants().into_iter().find_map(|(name, tenant)| {
            let state = tenant.state.read();
            let has_holes = |s: &&Arc<crate::segment::Segment>| {
                !s.is_damaged() && !state.deletions.in_segment(s).is_empty()
            };
            let id = state.segments.iter().find(has_holes)?.meta.id;
            drop(state);
            Some((name, tenant, id))
        })
    }

    /// Lets readers see what the manifest in force says is deleted.
    pub(super) fn show_deletions(&self, writer: &Writer) -> Result<(), StoreError> {
        let deletions = deletion::listed(&writer.manifest);
        let deletions = deletions.map_err(|error| StoreError::Merge(error.to_string()))?;
        for (name, tenant) in self.all_tenants() {
            tenant.state.write().deletions = Deletions::of(&deletions, &name);
        }
        Ok(())
    }

    /// Series whose newest sample was deleted go on from the newest that was not, as they would
    /// after a restart; and exemplars are only in memory.
    fn forget_newest(&self, tenant: &TenantStore, delete: &Delete<'_>) {
        let is_within = |time: i64| (delete.start..=delete.end).contains(&time);
        for selector in delete.selectors {
            // Those that were given other numbers meanwhile are looked for again.
            while !self.forget_all(tenant, in_head(tenant, selector), is_within) {}
            tenant.state.write().head.exemplars.retain(|labels, time| {
                !is_within(time.as_millis()) || !selector.iter().all(|m| m.matches_labels(labels))
            });
        }
    }

    /// Forgets the newest samples of series, some at a time. False where they have other numbers
    /// than they had.
    fn forget_all(
        &self,
        tenant: &TenantStore,
        (numbering, series): (u64, Vec<u32>),
        is_within: impl Fn(i64) -> bool,
    ) -> bool {
        let mut left = series.as_slice();
        while !left.is_empty() {
            let mut state = tenant.state.write();
            if state.head.numbering() != numbering {
                return false;
            }
            let (mut done, mut looked_up) = (0, 0);
            for id in left.iter().take(AT_ONCE) {
                done += 1;
                let newest = state.head.last(*id).map(|(time, _)| time);
                // What is not sealed came later.
                if !newest.is_some_and(&is_within) || !state.head.is_sealed(*id) {
                    continue;
                }
                if !state.head.counts_on(*id) {
                    state.head.continue_at(*id, i64::MIN, 0.0);
                    continue;
                }
                self.continue_from_sealed(&mut state, *id);
                looked_up += 1;
                if looked_up == LOOKED_UP_AT_ONCE {
                    break;
                }
            }
            left = &left[done..];
            // Who waits to apply comes next, not this thread again.
            RwLockWriteGuard::unlock_fair(state);
        }
        true
    }

    /// Lets a series of deltas go on from its newest sealed sample.
    fn continue_from_sealed(&self, state: &mut State, id: u32) {
        let labels = state.head.labels(id);
        let last = state.last_sealed(&labels, &self.indexes);
        let (time, value) = last.unwrap_or((i64::MIN, 0.0));
        state.head.continue_at(id, time, value);
        let histogram = state.last_sealed_histogram(&labels, &self.indexes);
        let was_total = state.head.forget_total(id);
        if let Some(last) = histogram {
            state.head.continue_after(id, last);
            if !was_total {
                state.head.forget_total(id);
            }
        }
    }
}

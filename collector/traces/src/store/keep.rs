//! What the writer does between batches: seal, move damage aside, and, in [`super::leave`] and
//! [`super::merge`], let go and merge.

use super::gone::{self, Why};
use super::leave::Leaving;
use super::merge::Merging;
use super::seal::{Frozen, Outcome};
use super::{StoreError, TraceStore};
use crate::config::Config;
use crate::segment::{IdsOnly, Segment, received};
use sonde_proto::{Position, UnixNanos};
use sonde_segment::work::{Background, Barred, Pace};
use sonde_segment::{Manifest, SegmentMeta, SwapError};
use std::sync::Arc;
use std::time::Duration;

/// The writing thread's own: the manifest in force and the work beside it.
#[derive(Debug)]
pub(super) struct Keeper {
    pub(super) manifest: Manifest,
    /// About how many bytes of memory came since the last freeze.
    pub(super) active_bytes: usize,
    /// When the oldest of that arrived.
    pub(super) active_since: Option<UnixNanos>,
    pub(super) frozen: Option<Frozen>,
    pub(super) sealing: Background<Outcome>,
    pub(super) merging: Background<Merging>,
    pub(super) leaving: Leaving,
    /// Whether segments changed since a merge was last looked for.
    pub(super) merge_due: bool,
    /// What no merge is to take for a while.
    pub(super) barred: Barred,
    /// Holds merging back.
    pub(super) pace: Arc<Pace>,
    /// The time, as [`TraceStore::maintain`] was told last.
    pub(super) now: UnixNanos,
    /// Set while entries from here on were not taken; they must be offered again.
    pub(super) held_back_from: Option<Position>,
}

impl Keeper {
    pub(super) fn new(manifest: Manifest, config: &Config, now: UnixNanos) -> Self {
        Self {
            manifest,
            active_bytes: 0,
            active_since: None,
            frozen: None,
            sealing: Background::new("traces-seal"),
            merging: Background::new("traces-merge"),
            leaving: Leaving::new(),
            merge_due: true,
            barred: Barred::default(),
            pace: Arc::new(Pace::new(config.merge_bytes_per_second_max)),
            now,
            held_back_from: None,
        }
    }

    pub(super) fn frozen_bytes(&self) -> usize {
        self.frozen.as_ref().map_or(0, |frozen| frozen.bytes)
    }

    /// Ends the work in the background; its results are not published.
    pub(super) fn stop(&mut self) {
        self.pace.close();
        // Nobody lists what they wrote: the next start deletes it.
        self.sealing.wait();
        self.merging.wait();
        self.leaving.stop();
    }
}

impl TraceStore {
    /// Publishes what was sealed and merged in the background, starts what is due, moves
    /// damaged segments aside and lets the old go. Does not wait for anything but the
    /// manifest's swap. Returns the position before which the journal may be trimmed.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written; everything applied stays
    /// searchable, and the next call tries again. A merge that fails is no error: it is
    /// counted, and nothing waits for it.
    pub fn maintain(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let mut keeper = self.keeper.lock();
        keeper.now = now;
        let cleared = self.move_damaged_aside(&mut keeper);
        let mut sealed = self.advance_seal(&mut keeper);
        if sealed.is_ok() && self.seal_is_due(&keeper) {
            sealed = self.freeze(&mut keeper);
        }
        // Also when there was no room to seal: this is what makes some.
        let kept = self.let_go(&mut keeper);
        self.advance_merge(&mut keeper);
        self.gauge();
        cleared.and(sealed).and(kept)?;
        Ok(keeper.manifest.covers)
    }

    /// Seals everything that was applied, and waits for it; but traces that wait to be judged go
    /// on waiting. Returns the position before which the journal may be trimmed.
    ///
    /// # Errors
    /// [`StoreError`] when something could not be written; the spans stay searchable.
    pub fn seal(&self, now: UnixNanos) -> Result<Position, StoreError> {
        let mut keeper = self.keeper.lock();
        keeper.now = keeper.now.max(now);
        self.finish_seal(&mut keeper)?;
        if self.applied_to() > keeper.manifest.covers {
            self.freeze(&mut keeper)?;
            self.finish_seal(&mut keeper)?;
        }
        self.gauge();
        Ok(keeper.manifest.covers)
    }

    fn seal_is_due(&self, keeper: &Keeper) -> bool {
        let age = Duration::from_secs(self.config.seal_seconds);
        let aged = |since: UnixNanos| keeper.now.since(since) >= age;
        let full = keeper.active_bytes as u64 >= self.config.seal_bytes;
        keeper.frozen.is_none() && (full || keeper.active_since.is_some_and(aged))
    }

    pub(super) fn move_damaged_aside(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let damaged: Vec<u64> = {
            let state = self.state.read();
            let segments = state.segments.iter().filter(|s| s.is_damaged());
            let ids = state.ids_only.iter().filter(|s| s.is_damaged());
            let ids = ids.map(|s| s.meta.id);
            segments.map(|s| s.meta.id).chain(ids).collect()
        };
        for id in damaged {
            let now = keeper.now;
            if let Some(meta) = keeper.manifest.segment(id).cloned() {
                gone::note(&mut keeper.manifest, &[meta], Why::Damaged, now);
            }
            self.dir.quarantine(&mut keeper.manifest, id, "damaged")?;
            keeper.merge_due = true;
            let mut state = self.state.write();
            state.segments.retain(|s| s.meta.id != id);
            state.ids_only.retain(|s| s.meta.id != id);
            state.gone = gone::read(&keeper.manifest);
        }
        Ok(())
    }

    /// Puts a manifest in force without some segments, and perhaps with new ones.
    pub(super) fn replace(
        &self,
        keeper: &mut Keeper,
        ids: &[u64],
        new: Option<Segment>,
        left: Vec<Arc<IdsOnly>>,
    ) -> Result<(), SwapError> {
        let mut manifest = keeper.manifest.clone();
        let (out, kept) = manifest
            .segments
            .drain(..)
            .partition::<Vec<_>, _>(|s| ids.contains(&s.id));
        manifest.segments = kept;
        if new.is_none() {
            gone::note(&mut manifest, &out, Why::LetGo, keeper.now);
        }
        manifest
            .segments
            .extend(new.as_ref().map(|s| s.meta.clone()));
        manifest
            .segments
            .extend(left.iter().map(|s| s.meta.clone()));
        if let Err(error) = self.dir.swap(&manifest) {
            if !error.may_be_in_force() {
                let written = left.iter().map(|s| &s.meta);
                written.for_each(|meta| self.dir.remove(&meta.tenant, meta.id));
            }
            return Err(error);
        }
        keeper.manifest = manifest;
        keeper.merge_due = true;
        {
            let mut state = self.state.write();
            state.gone = gone::read(&keeper.manifest);
            state.segments.retain(|s| !ids.contains(&s.meta.id));
            state.segments.extend(new.map(Arc::new));
            state.ids_only.retain(|s| !ids.contains(&s.meta.id));
            state.ids_only.extend(left);
        }
        out.iter()
            .for_each(|meta| self.dir.remove(&meta.tenant, meta.id));
        Ok(())
    }

    /// Lets everything that is due be done, and waits for it.
    #[cfg(test)]
    pub(crate) fn settle(&self, now: UnixNanos) -> Result<Position, StoreError> {
        loop {
            self.maintain(now)?;
            let mut keeper = self.keeper.lock();
            self.finish_seal(&mut keeper)?;
            if let Some(merged) = keeper.merging.wait() {
                self.publish_merge(&mut keeper, merged)?;
            } else if self.finish_leaving(&mut keeper)? {
                continue;
            } else if keeper.frozen.is_none() && !keeper.merge_due {
                drop(keeper);
                return self.maintain(now);
            }
        }
    }
}

/// A segment as retention sees it: by when its spans arrived, since a span may claim any time,
/// and late ones are kept as long as others. An arrival that is yet to come was stamped by a
/// clock that went wrong, and says nothing; the spans' own times do then.
pub(super) fn by_age(meta: &SegmentMeta, now: UnixNanos) -> SegmentMeta {
    let (start, end) = received(meta);
    let (start, end) = match end <= now {
        true => (start, end),
        false => (meta.start.min(now), meta.end.min(now)),
    };
    SegmentMeta {
        start,
        end,
        ..meta.clone()
    }
}

//! Letting go: of spans that are too old or too many, and later of their request IDs.
//!
//! The request IDs of a segment are written on a thread of their own before its spans go, so that
//! neither those who bring spans nor queries wait for a disk.

use super::keep::{Keeper, by_age};
use super::{StoreError, TraceStore};
use crate::segment::{IdsOnly, Segment};
use sonde_proto::Tenant;
use sonde_segment::work::Background;
use sonde_segment::{SegmentDir, plan};
use std::sync::Arc;
use std::time::Duration;

/// Segments on their way out.
#[derive(Debug)]
pub(super) struct Leaving {
    work: Background<Vec<Left>>,
    segments: Vec<u64>,
}

/// What is left of a segment.
#[derive(Debug)]
pub(super) struct Left {
    of: u64,
    ids: Option<Arc<IdsOnly>>,
}

/// A segment whose request IDs are to be kept, under a number.
#[derive(Clone)]
struct Part {
    dir: Arc<SegmentDir>,
    segment: Arc<Segment>,
    id: u64,
}

impl Leaving {
    pub(super) fn new() -> Self {
        Self {
            work: Background::new("traces-leave"),
            segments: Vec::new(),
        }
    }

    /// Whether a segment is on its way out, so that merging it is of no use.
    pub(super) fn contains(&self, id: u64) -> bool {
        self.segments.contains(&id)
    }

    /// Waits until nothing is written any more; what was is not published.
    pub(super) fn stop(&mut self) {
        self.work.wait();
    }
}

impl TraceStore {
    /// Lets go of what is older than retention or too much. Of spans, which traces carried a
    /// request ID may be kept for longer; they go when that is written.
    pub(super) fn let_go(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        if let Some(left) = keeper.leaving.work.poll() {
            self.publish_left(keeper, left)?;
        }
        let (ids, spans): (Vec<_>, Vec<_>) = keeper
            .manifest
            .segments
            .iter()
            .map(|s| by_age(s, keeper.now))
            .partition(IdsOnly::is_meant);
        // Age counts from the newest span that is sealed: a machine whose clock is years ahead
        // must not lose everything by it.
        let sealed = keeper.manifest.segments.iter();
        let newest = sealed.map(|s| s.end).max();
        let newest = newest.map_or(keeper.now, |newest| newest.min(keeper.now));
        let (spans_kept, ids_kept) = (
            newest.minus(Duration::from_secs(self.config.retention_seconds)),
            newest.minus(Duration::from_secs(
                self.config.request_id_retention_seconds,
            )),
        );
        let mut gone = plan::expire(&ids, ids_kept, self.config.request_id_bytes_max);
        let spans = plan::expire(&spans, spans_kept, self.config.disk_bytes_max);
        if ids_kept >= spans_kept {
            gone.extend(spans);
        } else if !spans.is_empty() && !keeper.leaving.work.is_busy() {
            self.start_leaving(keeper, spans)?;
        }
        if gone.is_empty() {
            return Ok(());
        }
        Ok(self.replace(keeper, &gone, None, Vec::new())?)
    }

    fn start_leaving(&self, keeper: &mut Keeper, gone: Vec<u64>) -> Result<(), StoreError> {
        let parts: Vec<Part> = self
            .segments(&gone)
            .into_iter()
            .map(|segment| Part {
                dir: Arc::clone(&self.dir),
                segment,
                id: keeper.manifest.take_id(),
            })
            .collect();
        keeper.leaving.segments = gone;
        let work = move || parts.iter().map(Part::keep_ids).collect();
        match keeper.leaving.work.start(work) {
            // There was no thread for it.
            Some(left) => self.publish_left(keeper, Some(left)),
            None => Ok(()),
        }
    }

    /// Lists what is left in the place of the segments. Where the work panicked, they go as where
    /// it failed: on a full disk, retention is what makes room.
    fn publish_left(&self, keeper: &mut Keeper, left: Option<Vec<Left>>) -> Result<(), StoreError> {
        let mut gone = std::mem::take(&mut keeper.leaving.segments);
        gone.retain(|id| keeper.manifest.segment(*id).is_some());
        let (mut kept, mut others) = (Vec::new(), Vec::new());
        for Left { of, ids } in left.unwrap_or_default() {
            match gone.contains(&of) {
                true => kept.extend(ids),
                // It was merged or moved aside meanwhile.
                false => others.extend(ids),
            }
        }
        for ids in others {
            self.dir.remove(&ids.meta.tenant, ids.meta.id);
        }
        if gone.is_empty() {
            return Ok(());
        }
        Ok(self.replace(keeper, &gone, None, kept)?)
    }

    /// Waits for what is on its way out; whether there was anything.
    #[cfg(test)]
    pub(super) fn finish_leaving(&self, keeper: &mut Keeper) -> Result<bool, StoreError> {
        match keeper.leaving.work.wait() {
            Some(left) => self.publish_left(keeper, left).map(|()| true),
            None => Ok(false),
        }
    }
}

impl Part {
    /// Writes the request IDs. Where that fails they go with the spans.
    fn keep_ids(&self) -> Left {
        let tenant = &self.segment.meta.tenant;
        let of = self.segment.meta.id;
        let ids = match self.write(tenant) {
            Ok(Some(ids)) => Some(Arc::new(ids)),
            Ok(None) => {
                self.dir.remove(tenant, self.id);
                None
            }
            Err(error) => {
                self.dir.remove(tenant, self.id);
                tracing::warn!(segment = of, %error, "the request IDs of spans that are let go cannot be kept");
                None
            }
        };
        Left { of, ids }
    }

    fn write(&self, tenant: &Tenant) -> Result<Option<IdsOnly>, StoreError> {
        let path = self.dir.create(tenant, self.id)?;
        let Some(meta) = IdsOnly::write(&path, self.id, &self.segment)? else {
            return Ok(None);
        };
        self.dir.persist(tenant, self.id)?;
        Ok(Some(IdsOnly::open(&path, meta)?))
    }
}

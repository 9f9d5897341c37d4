//! Sealing: from a frozen tail of every tenant to segments, beside the thread that takes spans.
//!
//! Every change is the same three steps: write new segments where nobody looks, swap the
//! manifest, then let queries see the change in one step. A failure before the swap leaves
//! everything as it was, and no files behind: on a full disk the next attempt needs the room.

use super::keep::Keeper;
use super::{State, StoreError, TraceStore};
use crate::raw::{collapse, encode};
use crate::sampling::{Carried, Decided, Judge, Ripe};
use crate::segment::{Segment, ShellCache, write_tail};
use crate::tail::{SharedTail, Tail};
use ahash::AHashMap;
use parking_lot::RwLock;
use sonde_proto::{Position, Tenant};
use sonde_segment::SegmentDir;
use sonde_segment::blocks::BlockError;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;

/// Tails on their way into segments. Queries see them until the segments are published.
#[derive(Debug)]
pub(super) struct Frozen {
    /// Everything before this position is in them or in segments.
    covers: Position,
    tails: Vec<(Tenant, SharedTail)>,
    pub(super) bytes: usize,
    /// Where not everything is kept.
    judge: Option<Arc<Judge>>,
}

/// What the work came to.
pub(super) type Outcome = Result<(Vec<Sealed>, Option<Decided>), StoreError>;

/// What became of a tenant's tail, which waits for the manifest.
#[derive(Debug)]
pub(super) enum Sealed {
    /// A segment was written.
    Segment(Arc<Segment>),
    /// It could not become a segment, however often it is tried.
    Aside {
        path: PathBuf,
        tenant: Tenant,
        spans: u64,
        why: String,
    },
}

/// A segment to be written.
#[derive(Clone)]
struct Part {
    dir: Arc<SegmentDir>,
    tenant: Tenant,
    id: u64,
    tail: SharedTail,
    shells: Arc<ShellCache>,
}

impl TraceStore {
    /// Freezes the tails and starts to write their segments. What was frozen before has to be
    /// sealed first: it is in memory alone.
    ///
    /// # Errors
    /// [`StoreError`] when the segments had to be written here and now, and could not be. It is
    /// tried again by whoever looks after the seal next.
    pub(super) fn freeze(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        if keeper.frozen.is_some() {
            return self.advance_seal(keeper);
        }
        let (carried, ripe) = self.carry(keeper);
        let carried_bytes = carried.bytes;
        let (tails, applied_to) = self.state.write().freeze(carried.tails);
        let judge = self.judging().zip(ripe).map(|(sampler, ripe)| {
            Arc::new(Judge {
                sampler: Arc::clone(sampler),
                waiting: carried.waiting,
                judged_to: applied_to,
                ripe,
            })
        });
        keeper.frozen = Some(Frozen {
            covers: carried.from.unwrap_or(applied_to),
            tails,
            bytes: std::mem::replace(&mut keeper.active_bytes, carried_bytes),
            judge,
        });
        // What waits is looked at again after as long as anything else.
        keeper.active_since = (carried_bytes > 0).then_some(keeper.now);
        self.start_seal(keeper)
    }

    /// The traces that are not judged yet, which go on in the next tails, and which are.
    fn carry(&self, keeper: &Keeper) -> (Carried, Option<Ripe>) {
        let Some(sampler) = self.judging() else {
            return (Carried::default(), None);
        };
        let ripe = sampler.ripe(keeper.now);
        // Nobody but who holds the keeper adds to a tail.
        let tails: Vec<_> = {
            let state = self.state.read();
            let each = |(tenant, tails): (&Tenant, &Vec<SharedTail>)| {
                let active = tails.last().cloned();
                active.map(|tail| (tenant.clone(), tail))
            };
            state.tails.iter().filter_map(each).collect()
        };
        (sampler.carry(&tails, &ripe), Some(ripe))
    }

    /// Starts to write the segments of what is frozen.
    fn start_seal(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        let Some(frozen) = &keeper.frozen else {
            return Ok(());
        };
        let part = |(tenant, tail): &(Tenant, SharedTail)| Part {
            dir: Arc::clone(&self.dir),
            tenant: tenant.clone(),
            id: keeper.manifest.take_id(),
            tail: Arc::clone(tail),
            shells: Arc::clone(&self.shells),
        };
        let parts: Vec<Part> = frozen.tails.iter().map(part).collect();
        let pace = Arc::clone(&keeper.pace);
        let judge = frozen.judge.clone();
        let work = move || {
            let _merges_wait = pace.sealing();
            let mut sealed = Vec::with_capacity(parts.len());
            let done = seal_all(&parts, judge.as_deref(), &mut sealed);
            if done.is_err() {
                // The next attempt writes all anew; on a full disk it needs the room.
                parts.iter().for_each(Part::discard);
                sealed.iter().for_each(|done| done.take_back(&parts));
            }
            done.map(|decided| (sealed, decided))
        };
        match keeper.sealing.start(work) {
            // There was no thread for it.
            Some(result) => self.publish_seal(keeper, Some(result)),
            None => Ok(()),
        }
    }

    /// Publishes the seal if it is finished, and starts it again if it had failed.
    pub(super) fn advance_seal(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        if let Some(result) = keeper.sealing.poll() {
            return self.publish_seal(keeper, result);
        }
        if keeper.frozen.is_some() && !keeper.sealing.is_busy() {
            return self.start_seal(keeper);
        }
        Ok(())
    }

    /// Waits until what is frozen, if anything is, is sealed and published.
    pub(super) fn finish_seal(&self, keeper: &mut Keeper) -> Result<(), StoreError> {
        if keeper.frozen.is_some() && !keeper.sealing.is_busy() {
            self.start_seal(keeper)?;
        }
        match keeper.sealing.wait() {
            Some(result) => self.publish_seal(keeper, result),
            None => Ok(()),
        }
    }

    fn publish_seal(&self, keeper: &mut Keeper, result: Option<Outcome>) -> Result<(), StoreError> {
        let (sealed, decided) = result.unwrap_or(Err(StoreError::Panicked("sealing")))?;
        let Some(frozen) = &keeper.frozen else {
            return Ok(());
        };
        let mut manifest = keeper.manifest.clone();
        manifest.covers = frozen.covers;
        let segments = || sealed.iter().filter_map(Sealed::segment);
        manifest
            .segments
            .extend(segments().map(|segment| segment.meta.clone()));
        if let Err(error) = self.dir.swap(&manifest) {
            if !error.may_be_in_force() {
                segments().for_each(|s| self.dir.remove(&s.meta.tenant, s.meta.id));
                sealed.iter().for_each(|done| done.discard_aside(&self.dir));
            }
            return Err(error.into());
        }
        let segments: Vec<Arc<Segment>> = segments().cloned().collect();
        keeper.manifest = manifest;
        keeper.merge_due |= !segments.is_empty();
        let mut state = self.state.write();
        state.finish_seal(&frozen.tails, segments, frozen.covers);
        let asides = sealed.iter().filter_map(Sealed::trouble);
        for (trouble, spans) in asides {
            tracing::error!("{trouble}");
            self.metrics.drop_unsealed(spans);
            state.note_trouble(trouble);
        }
        drop(state);
        if let (Some(sampler), Some(decided)) = (&self.sampler, decided) {
            sampler.adopt(decided);
        }
        keeper.frozen = None;
        Ok(())
    }
}

/// Writes the segments of all tenants: of what is kept, where not everything is.
fn seal_all(
    parts: &[Part],
    judge: Option<&Judge>,
    sealed: &mut Vec<Sealed>,
) -> Result<Option<Decided>, StoreError> {
    let Some(judge) = judge else {
        for part in parts {
            sealed.push(part.seal_or_set_aside()?);
        }
        return Ok(None);
    };
    let mut sitting = judge.sit();
    for part in parts {
        let judged = || sitting.judge(&part.tenant, &part.tail.read());
        let Ok(kept) = catch_unwind(AssertUnwindSafe(judged)) else {
            // It would panic again. Spans that wait are written twice, and told once.
            tracing::error!(tenant = %part.tenant, "judging traces panicked, which is a defect; please report it: all that were to be judged are kept");
            sealed.push(part.seal_or_set_aside()?);
            continue;
        };
        if kept.spans > 0 {
            sealed.push(part.of(kept).seal_or_set_aside()?);
        }
    }
    // Before any manifest lists what follows from it.
    sitting.finish().map(Some)
}

impl Sealed {
    fn segment(&self) -> Option<&Arc<Segment>> {
        match self {
            Self::Segment(segment) => Some(segment),
            Self::Aside { .. } => None,
        }
    }

    /// What a person is to be told, and of how many spans.
    fn trouble(&self) -> Option<(String, u64)> {
        let Self::Aside {
            path,
            tenant,
            spans,
            why,
        } = self
        else {
            return None;
        };
        let trouble = format!(
            "{spans} spans of tenant {tenant} could not be sealed and lie as OTLP in {}: {why}; please report it",
            path.display()
        );
        Some((trouble, *spans))
    }

    fn take_back(&self, parts: &[Part]) {
        if let Some(part) = parts.first() {
            self.discard_aside(&part.dir);
        }
    }

    /// Deletes what was set aside: the same is going to be tried again.
    fn discard_aside(&self, dir: &SegmentDir) {
        if let Self::Aside { path, .. } = self
            && let Err(error) = dir.take_back(path)
        {
            tracing::warn!(path = %path.display(), %error, "could not delete spans that are to be set aside again");
        }
    }
}

impl Part {
    /// The same of another tail.
    fn of(&self, tail: Tail) -> Self {
        Self {
            tail: Arc::new(RwLock::new(tail)),
            ..self.clone()
        }
    }

    /// Writes the tail as a segment, durably. A disk that refuses is waited for; but where it
    /// is the spans themselves over which no segment can be written, they are set aside, or
    /// one tenant's would keep those of all others in memory.
    fn seal_or_set_aside(&self) -> Result<Sealed, StoreError> {
        let why = match catch_unwind(AssertUnwindSafe(|| self.seal())) {
            Ok(Ok(segment)) => return Ok(Sealed::Segment(Arc::new(segment))),
            Ok(Err(StoreError::Segment(
                error @ (BlockError::TooLarge(_) | BlockError::Order | BlockError::Damaged(_)),
            ))) => error.to_string(),
            Ok(Err(error)) => return Err(error),
            Err(_) => "writing them panicked".to_owned(),
        };
        self.discard();
        let tail = self.tail.read();
        let write = |out: &mut dyn std::io::Write| {
            for trace in tail.traces.values() {
                let mut spans = trace.spans.clone();
                collapse(&mut spans);
                out.write_all(&encode(&mut spans))?;
            }
            Ok(())
        };
        Ok(Sealed::Aside {
            path: self.dir.set_aside(self.id, "unsealed", write)?,
            tenant: self.tenant.clone(),
            spans: tail.spans,
            why,
        })
    }

    fn seal(&self) -> Result<Segment, StoreError> {
        let path = self.dir.create(&self.tenant, self.id)?;
        let meta = write_tail(&path, self.id, &self.tenant, &self.tail.read())?;
        self.dir.persist(&self.tenant, self.id)?;
        Ok(Segment::open(&path, meta, &self.shells)?)
    }

    /// Deletes what was written of the segment.
    fn discard(&self) {
        self.dir.remove(&self.tenant, self.id);
    }
}

impl State {
    /// Gives every tenant a tail with what is carried on, mostly nothing; returns those before
    /// that have spans, and what they cover.
    fn freeze(
        &mut self,
        mut carried: AHashMap<Tenant, Tail>,
    ) -> (Vec<(Tenant, SharedTail)>, Position) {
        let mut frozen = Vec::new();
        for (tenant, tails) in &mut self.tails {
            frozen.extend(tails.iter().cloned().map(|tail| (tenant.clone(), tail)));
            let next = carried.remove(tenant).unwrap_or_default();
            tails.push(Arc::new(RwLock::new(next)));
        }
        frozen.retain(|(_, tail)| tail.read().spans > 0);
        frozen.sort_by(|(a, _), (b, _)| a.cmp(b));
        (frozen, self.applied_to)
    }

    /// Lists the segments in the place of the tails they were made from, in one step.
    fn finish_seal(
        &mut self,
        sealed: &[(Tenant, SharedTail)],
        segments: Vec<Arc<Segment>>,
        covers: Position,
    ) {
        for tails in self.tails.values_mut() {
            tails.retain(|tail| {
                let is_it = |(_, done): &(Tenant, SharedTail)| Arc::ptr_eq(tail, done);
                !sealed.iter().any(is_it)
            });
        }
        self.tails
            .retain(|_, tails| tails.iter().any(|tail| tail.read().spans > 0));
        self.segments.extend(segments);
        self.covers = covers;
    }
}

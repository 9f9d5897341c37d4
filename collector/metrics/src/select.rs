//! From matchers to series with their samples, over segments and head.
//!
//! Whatever is looked at, the clock is too: matching, and visiting what matched, ends when
//! nobody waits for the answer any more.

mod judged;
mod sets;
mod smallest;

use crate::Samples;
use crate::deletion::{self, Deletions, Gone};
use crate::head::histograms::HeadChunk;
use crate::postings::{Clock, Index, Known};
use crate::promql::source::{ReadCost, Room, Series, Source, Stop, TimeRange};
use crate::segment::{ChunkRef, IndexCache, Segment, SegmentError, SegmentIndex};
use crate::symbols::Symbol;
use crate::tenant::TenantStore;
use ahash::{AHashMap, AHashSet};
use judged::Judged;
use sets::Texts;
pub use smallest::Limited;
pub(crate) use smallest::Smallest;
use smallvec::SmallVec;
use sonde_proto::{Deadline, Labels, Matcher};
use std::cell::Cell;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// One tenant's data, to be queried.
pub(crate) struct TenantSource<'a> {
    pub(crate) tenant: &'a TenantStore,
    pub(crate) indexes: &'a IndexCache,
    pub(crate) deadline: &'a Deadline,
    pub(crate) reads: &'a Reads,
}

/// What was read of the store for an answer.
#[derive(Clone, Debug, Default)]
pub struct Reads {
    samples: Cell<u64>,
    most: Cell<u64>,
}

impl Reads {
    /// How many samples were read, over all series.
    pub fn samples(&self) -> u64 {
        self.samples.get()
    }

    /// How many samples of one series were held at most.
    pub fn most(&self) -> u64 {
        self.most.get()
    }

    fn add(&self, samples: u64) {
        self.samples.set(self.samples.get().saturating_add(samples));
        self.most.set(self.most.get().max(samples));
    }
}

/// One series of an answer. It holds what it needs, so that writers go on meanwhile.
pub(crate) struct StoredSeries<'a> {
    reads: &'a Reads,
    labels: Labels,
    /// The earlier arrived first.
    parts: Vec<Part>,
    range: TimeRange,
}

/// A place in a series' list takes about as much as so many samples once they are read.
const PART_SAMPLES: u64 = 5;

enum Part {
    /// Frozen or not.
    Head(HeadChunk, bool),
    /// And what was deleted of its series.
    Sealed(Arc<Segment>, ChunkRef, Option<Gone>),
}

impl Part {
    /// What tells apart the places that samples come from: segments, frozen, active.
    fn place(&self) -> u64 {
        match self {
            Self::Sealed(segment, ..) => segment.meta.id,
            Self::Head(_, true) => u64::MAX - 1,
            Self::Head(_, false) => u64::MAX,
        }
    }
}

impl Part {
    /// How many samples in the range it is charged as: at its edges, fewer than there may be.
    fn samples(&self, range: TimeRange) -> u64 {
        match self {
            Self::Sealed(_, chunk, ..) if chunk.first >= range.start && chunk.last <= range.end => {
                u64::from(chunk.count).max(PART_SAMPLES)
            }
            _ => PART_SAMPLES,
        }
    }
}

/// Whether a series may have samples in the range.
type HasSamples<'a> = &'a dyn Fn(u32) -> bool;

/// What matched, at one instant.
struct Found {
    /// With how many of the chunks are frozen.
    head: Vec<(Labels, (Vec<HeadChunk>, usize))>,
    segments: Vec<Arc<Segment>>,
    deletions: Deletions,
}

impl<'a> Source for TenantSource<'a> {
    type Series = StoredSeries<'a>;

    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        room: &mut Room,
    ) -> Result<Vec<StoredSeries<'a>>, Stop> {
        let series_max = room.series_max;
        let mut texts = Texts::default();
        let found = self.find(matchers, range, &mut texts, room)?;
        let mut all: Vec<StoredSeries<'a>> = Vec::new();
        let mut clock = Clock::new(self.deadline);
        let mut by_labels: AHashMap<Labels, usize> = AHashMap::new();
        let mut add = |labels: Labels, parts: &mut dyn Iterator<Item = Part>, room: &mut Room| {
            let at = match by_labels.entry(labels) {
                Entry::Occupied(known) => *known.get(),
                Entry::Vacant(_) if all.len() >= series_max => {
                    return Err(Stop::SeriesMax(series_max));
                }
                Entry::Vacant(place) => {
                    sets::charge(place.key().len(), room)?;
                    all.push(StoredSeries {
                        reads: self.reads,
                        labels: place.key().clone(),
                        parts: Vec::new(),
                        range,
                    });
                    *place.insert(all.len() - 1)
                }
            };
            for part in parts {
                room.take_samples(part.samples(range))?;
                all[at].parts.push(part);
            }
            Ok(())
        };
        for segment in &found.segments {
            let Some(index) = self.index(segment) else {
                continue;
            };
            let holes = found.deletions.in_segment(segment);
            let mut sets = texts.of(&*index);
            for id in index.matching_within(matchers, self.deadline)? {
                clock.check()?;
                let gone = holes.of(&index, id);
                let mut parts = sealed(segment, &index, id, range, gone).peekable();
                if parts.peek().is_some() {
                    add(sets.labels(id, room)?, &mut parts, room)?;
                }
            }
        }
        for (labels, (chunks, frozen)) in found.head {
            let part = |(at, chunk)| Part::Head(chunk, at < frozen);
            add(labels, &mut chunks.into_iter().enumerate().map(part), room)?;
        }
        Ok(all)
    }
}

fn sealed<'a>(
    segment: &'a Arc<Segment>,
    index: &'a SegmentIndex,
    id: u32,
    range: TimeRange,
    gone: Option<Gone>,
) -> impl Iterator<Item = Part> + 'a {
    let inside = move |c: &&ChunkRef| c.first <= range.end && c.last >= range.start;
    let chunks = index.chunks(id).iter().filter(inside);
    chunks.filter_map(move |chunk| {
        let is_gone = gone
            .as_ref()
            .is_some_and(|gone| deletion::covers(gone, chunk.first, chunk.last));
        (!is_gone).then(|| Part::Sealed(Arc::clone(segment), *chunk, gone.clone()))
    })
}

/// The series of a tenant's head that satisfy every matcher, and by which numbering. Patterns are
/// judged while others may write.
pub(crate) fn in_head(tenant: &TenantStore, matchers: &[Matcher]) -> (u64, Vec<u32>) {
    let never = Deadline::never();
    let judged = Judged::read(tenant, matchers, &never).unwrap_or_default();
    let state = tenant.state.read();
    let known = judged.of(&state);
    let found = state.head.matching_known(matchers, known, &never);
    (state.head.numbering(), found.unwrap_or_default())
}

impl TenantSource<'_> {
    fn find(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        texts: &mut Texts,
        room: &mut Room,
    ) -> Result<Found, Stop> {
        let judged = Judged::read(self.tenant, matchers, self.deadline)?;
        let state = self.tenant.state.read();
        let known = judged.of(&state);
        let ids = state.head.matching_known(matchers, known, self.deadline)?;
        let mut head = Vec::new();
        let mut clock = Clock::new(self.deadline);
        let mut sets = texts.of(&state.head);
        for id in ids {
            clock.check()?;
            let chunks = state.head.chunks(id, range.start, range.end);
            if !chunks.0.is_empty() {
                if head.len() >= room.series_max {
                    return Err(Stop::SeriesMax(room.series_max));
                }
                sets::charge(state.head.pairs(id).len(), room)?;
                head.push((sets.labels(id, room)?, chunks));
            }
        }
        let segments = state.overlapping(range.start, range.end);
        Ok(Found {
            head,
            segments,
            deletions: state.deletions.clone(),
        })
    }

    /// The labels of matching series with samples in the range.
    pub(crate) fn labels(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        out: &mut Smallest<Labels>,
    ) -> Result<(), Stop> {
        self.each_index(matchers, range, |index, known, has_samples| {
            let mut clock = Clock::new(self.deadline);
            for id in index.matching_known(matchers, known, self.deadline)? {
                clock.check()?;
                if has_samples(id) {
                    out.add(index.labels(id))?;
                }
            }
            Ok(())
        })
    }

    /// The names of the labels of those series.
    pub(crate) fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        out: &mut Smallest<String>,
    ) -> Result<(), Stop> {
        self.each_index(matchers, range, |index, known, has_samples| {
            let mut clock = Clock::new(self.deadline);
            let mut seen = AHashSet::new();
            if matchers.is_empty() {
                for (name, values) in index.postings().names() {
                    clock.check()?;
                    if values.values().flatten().any(|id| has_samples(*id)) {
                        seen.insert(name);
                    }
                }
            } else {
                for id in index.matching_known(matchers, known, self.deadline)? {
                    clock.check()?;
                    let pairs = index.pairs(id);
                    if pairs.iter().any(|(name, _)| !seen.contains(name)) && has_samples(id) {
                        seen.extend(pairs.iter().map(|(name, _)| *name));
                    }
                }
            }
            add_texts(index, seen, out)
        })
    }

    /// The values of one label of those series.
    pub(crate) fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
        out: &mut Smallest<String>,
    ) -> Result<(), Stop> {
        self.each_index(matchers, range, |index, known, has_samples| {
            let Some(name) = index.symbols().find(name) else {
                return Ok(());
            };
            let mut clock = Clock::new(self.deadline);
            let mut seen = AHashSet::new();
            if matchers.is_empty() {
                for (value, ids) in index.postings().values(name).into_iter().flatten() {
                    clock.check()?;
                    if ids.iter().any(|id| has_samples(*id)) {
                        seen.insert(*value);
                    }
                }
            } else {
                for id in index.matching_known(matchers, known, self.deadline)? {
                    clock.check()?;
                    let pair = index.pairs(id).iter().find(|(n, _)| *n == name);
                    let value = pair.map(|(_, value)| *value);
                    if let Some(value) = value.filter(|v| !seen.contains(v) && has_samples(id)) {
                        seen.insert(value);
                    }
                }
            }
            add_texts(index, seen, out)
        })
    }

    /// Visits memory and every segment that overlaps the range, each with what matchers are known
    /// to say of it, and with what tells whether one of its series may have samples there.
    fn each_index(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        mut visit: impl FnMut(&dyn Index, Known, HasSamples<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let judged = Judged::read(self.tenant, matchers, self.deadline)?;
        let state = self.tenant.state.read();
        let known = judged.of(&state);
        let head = &state.head;
        visit(head, known, &|id| head.overlaps(id, range.start, range.end))?;
        let segments = state.overlapping(range.start, range.end);
        let deletions = state.deletions.clone();
        drop(state);
        for segment in segments {
            if self.deadline.has_passed() {
                return Err(Stop::Deadline);
            }
            if let Some(index) = self.index(&segment) {
                let holes = deletions.in_segment(&segment);
                visit(&*index, Known::default(), &|id| {
                    let gone = holes.of(&index, id);
                    sealed(&segment, &index, id, range, gone).next().is_some()
                })?;
            }
        }
        Ok(())
    }

    /// The index of a segment; a damaged one is noted and left out.
    fn index(&self, segment: &Segment) -> Option<Arc<SegmentIndex>> {
        self.indexes
            .get(segment)
            .map_err(|error| note(segment, &error))
            .ok()
    }
}

fn add_texts(
    index: &dyn Index,
    symbols: AHashSet<Symbol>,
    out: &mut Smallest<String>,
) -> Result<(), Stop> {
    for symbol in symbols {
        let text = index.symbols().text(symbol);
        if out.wants(text) {
            out.add(text.to_owned())?;
        }
    }
    Ok(())
}

/// Notes a segment that cannot be read; the rest is served.
fn note(segment: &Segment, error: &SegmentError) {
    if error.is_damage() {
        if segment.mark_damaged() {
            tracing::error!(segment = segment.meta.id, %error, "a metric segment is damaged; it is left out and will be moved aside");
        }
    } else {
        tracing::warn!(segment = segment.meta.id, %error, "a metric segment cannot be read now; the answer is without it");
    }
}

impl Series for StoredSeries<'_> {
    fn labels(&self) -> Labels {
        self.labels.clone()
    }

    fn read(&self, out: &mut Samples) -> Result<(), Stop> {
        out.clear();
        // Where the samples of each place end that has some.
        let mut ends: SmallVec<[(usize, usize); 8]> = SmallVec::new();
        let mut place = None;
        for part in &self.parts {
            if place
                .replace(part.place())
                .is_some_and(|before| before != part.place())
            {
                ends.push((out.times.len(), out.histograms.len()));
            }
            match part {
                Part::Head(chunk, _) => chunk
                    .read(out)
                    .map_err(|error| Stop::Source(error.to_string()))?,
                Part::Sealed(segment, chunk, gone) => {
                    let before = deletion::mark(out);
                    if let Err(error) = segment.read(chunk, out) {
                        note(segment, &error);
                    }
                    if let Some(gone) = gone {
                        deletion::remove(out, before, gone);
                    }
                }
            }
        }
        out.sort_first_place_wins(&ends);
        out.clip(self.range.start, self.range.end);
        self.reads.add(out.len() as u64);
        Ok(())
    }

    fn cost(&self) -> ReadCost {
        let bytes = self.parts.iter().map(|part| match part {
            Part::Head(chunk, _) => chunk.bytes() as u64,
            Part::Sealed(_, chunk, _) => u64::from(chunk.times.1) + u64::from(chunk.values.1),
        });
        ReadCost {
            chunks: self.parts.len() as u64,
            bytes: bytes.sum(),
        }
    }
}

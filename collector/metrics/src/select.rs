//! From matchers to series with their samples, over segments and head.
//!
//! Whatever is looked at, the clock is too: matching, and visiting what matched, ends when
//! nobody waits for the answer any more.

mod smallest;

use crate::Samples;
use crate::chunk::open::ClosedChunk;
use crate::postings::{Clock, Index};
use crate::promql::source::{ReadCost, Series, Source, Stop, TimeRange};
use crate::segment::{ChunkRef, IndexCache, Segment, SegmentError, SegmentIndex};
use crate::symbols::Symbol;
use crate::tenant::TenantStore;
use ahash::{AHashMap, AHashSet};
pub use smallest::Limited;
pub(crate) use smallest::Smallest;
use sonde_proto::{Deadline, Labels, Matcher};
use std::cell::Cell;
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

enum Part {
    Head(ClosedChunk),
    Sealed(Arc<Segment>, ChunkRef),
}

/// Whether a series may have samples in the range.
type HasSamples<'a> = &'a dyn Fn(u32) -> bool;

/// What matched, at one instant.
struct Found {
    head: Vec<(Labels, Vec<ClosedChunk>)>,
    segments: Vec<Arc<Segment>>,
}

impl<'a> Source for TenantSource<'a> {
    type Series = StoredSeries<'a>;

    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        series_max: usize,
    ) -> Result<Vec<StoredSeries<'a>>, Stop> {
        let found = self.find(matchers, range, series_max)?;
        let mut all: Vec<StoredSeries<'a>> = Vec::new();
        let mut clock = Clock::new(self.deadline);
        let mut by_labels: AHashMap<Labels, usize> = AHashMap::new();
        let mut add = |labels: Labels, parts: &mut dyn Iterator<Item = Part>| {
            let next = all.len();
            let at = *by_labels.entry(labels).or_insert_with_key(|labels| {
                all.push(StoredSeries {
                    reads: self.reads,
                    labels: labels.clone(),
                    parts: Vec::new(),
                    range,
                });
                next
            });
            all[at].parts.extend(parts);
            all.len() <= series_max
        };
        for segment in &found.segments {
            let Some(index) = self.index(segment) else {
                continue;
            };
            for id in index.matching_within(matchers, self.deadline)? {
                clock.check()?;
                let mut parts = sealed(segment, &index, id, range).peekable();
                if parts.peek().is_some() && !add(index.labels(id), &mut parts) {
                    return Err(Stop::SeriesMax(series_max));
                }
            }
        }
        for (labels, chunks) in found.head {
            if !add(labels, &mut chunks.into_iter().map(Part::Head)) {
                return Err(Stop::SeriesMax(series_max));
            }
        }
        Ok(all)
    }
}

fn sealed<'a>(
    segment: &'a Arc<Segment>,
    index: &'a SegmentIndex,
    id: u32,
    range: TimeRange,
) -> impl Iterator<Item = Part> + 'a {
    let inside = move |c: &&ChunkRef| c.first <= range.end && c.last >= range.start;
    index
        .chunks(id)
        .iter()
        .filter(inside)
        .map(|chunk| Part::Sealed(Arc::clone(segment), *chunk))
}

impl TenantSource<'_> {
    fn find(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        series_max: usize,
    ) -> Result<Found, Stop> {
        let state = self.tenant.state.read();
        let ids = state.head.matching_within(matchers, self.deadline)?;
        let mut head = Vec::new();
        let mut clock = Clock::new(self.deadline);
        for id in ids {
            clock.check()?;
            let chunks = state.head.chunks(id, range.start, range.end);
            if !chunks.is_empty() {
                head.push((state.head.labels(id), chunks));
            }
            if head.len() > series_max {
                return Err(Stop::SeriesMax(series_max));
            }
        }
        let segments = state.overlapping(range.start, range.end);
        Ok(Found { head, segments })
    }

    /// The labels of matching series with samples in the range.
    pub(crate) fn labels(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        out: &mut Smallest<Labels>,
    ) -> Result<(), Stop> {
        self.each_index(range, |index, has_samples| {
            let mut clock = Clock::new(self.deadline);
            for id in index.matching_within(matchers, self.deadline)? {
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
        self.each_index(range, |index, has_samples| {
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
                for id in index.matching_within(matchers, self.deadline)? {
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
        self.each_index(range, |index, has_samples| {
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
                for id in index.matching_within(matchers, self.deadline)? {
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

    /// Visits memory and every segment that overlaps the range, each with what tells whether
    /// one of its series may have samples there.
    fn each_index(
        &self,
        range: TimeRange,
        mut visit: impl FnMut(&dyn Index, HasSamples<'_>) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let state = self.tenant.state.read();
        let head = &state.head;
        visit(head, &|id| head.overlaps(id, range.start, range.end))?;
        let segments = state.overlapping(range.start, range.end);
        drop(state);
        for segment in segments {
            if self.deadline.has_passed() {
                return Err(Stop::Deadline);
            }
            if let Some(index) = self.index(&segment) {
                visit(&*index, &|id| {
                    sealed(&segment, &index, id, range).next().is_some()
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
        for part in &self.parts {
            match part {
                Part::Head(chunk) => chunk
                    .read(out)
                    .map_err(|error| Stop::Source(error.to_string()))?,
                Part::Sealed(segment, chunk) => {
                    if let Err(error) = segment.read(chunk, out) {
                        note(segment, &error);
                    }
                }
            }
        }
        out.sort_first_wins();
        out.clip(self.range.start, self.range.end);
        self.reads.add(out.len() as u64);
        Ok(())
    }

    fn cost(&self) -> ReadCost {
        let bytes = self.parts.iter().map(|part| match part {
            Part::Head(chunk) => chunk.bytes.len() as u64,
            Part::Sealed(_, chunk) => u64::from(chunk.times.1) + u64::from(chunk.values.1),
        });
        ReadCost {
            chunks: self.parts.len() as u64,
            bytes: bytes.sum(),
        }
    }
}

//! From matchers to series with their samples, over segments and head.

use crate::Samples;
use crate::chunk::open::ClosedChunk;
use crate::postings::Index;
use crate::promql::source::{Series, Source, Stop, TimeRange};
use crate::segment::{ChunkRef, IndexCache, Segment, SegmentError, SegmentIndex};
use crate::tenant::TenantStore;
use ahash::{AHashMap, AHashSet};
use sonde_proto::{Labels, Matcher};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One tenant's data, to be queried.
pub(crate) struct TenantSource<'a> {
    pub(crate) tenant: &'a TenantStore,
    pub(crate) indexes: &'a IndexCache,
}

/// One series of an answer. It holds what it needs, so that writers go on meanwhile.
pub(crate) struct StoredSeries {
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

impl Source for TenantSource<'_> {
    type Series = StoredSeries;

    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        series_max: usize,
    ) -> Result<Vec<StoredSeries>, Stop> {
        let found = self.find(matchers, range, series_max)?;
        let mut all: Vec<StoredSeries> = Vec::new();
        let mut by_labels: AHashMap<Labels, usize> = AHashMap::new();
        let mut add = |labels: Labels, parts: &mut dyn Iterator<Item = Part>| {
            let next = all.len();
            let at = *by_labels.entry(labels).or_insert_with_key(|labels| {
                all.push(StoredSeries {
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
            for id in index.matching(matchers) {
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
        let ids = state.head.matching(matchers);
        let mut head = Vec::new();
        for id in ids {
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

    /// The labels of matching series with samples in the range, at most `limit`.
    pub(crate) fn labels(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        limit: usize,
        out: &mut BTreeSet<Labels>,
    ) {
        self.each_index(range, |index, has_samples| {
            for id in index.matching(matchers) {
                if out.len() >= limit {
                    return;
                }
                if has_samples(id) {
                    out.insert(index.labels(id));
                }
            }
        });
    }

    /// The names of the labels of those series.
    pub(crate) fn label_names(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        out: &mut BTreeSet<String>,
    ) {
        self.each_index(range, |index, has_samples| {
            let mut seen = AHashSet::new();
            for id in index.matching(matchers) {
                let pairs = index.pairs(id);
                if pairs.iter().any(|(name, _)| !seen.contains(name)) && has_samples(id) {
                    seen.extend(pairs.iter().map(|(name, _)| *name));
                }
            }
            out.extend(
                seen.into_iter()
                    .map(|name| index.symbols().text(name).to_owned()),
            );
        });
    }

    /// The values of one label of those series.
    pub(crate) fn label_values(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: TimeRange,
        out: &mut BTreeSet<String>,
    ) {
        self.each_index(range, |index, has_samples| {
            let Some(name) = index.symbols().find(name) else {
                return;
            };
            let mut seen = AHashSet::new();
            for id in index.matching(matchers) {
                let pair = index.pairs(id).iter().find(|(n, _)| *n == name);
                let value = pair.map(|(_, value)| *value);
                if let Some(value) = value.filter(|v| !seen.contains(v) && has_samples(id)) {
                    seen.insert(value);
                }
            }
            out.extend(
                seen.into_iter()
                    .map(|value| index.symbols().text(value).to_owned()),
            );
        });
    }

    /// Visits memory and every segment that overlaps the range, each with what tells whether
    /// one of its series may have samples there.
    fn each_index(&self, range: TimeRange, mut visit: impl FnMut(&dyn Index, HasSamples<'_>)) {
        let state = self.tenant.state.read();
        let head = &state.head;
        visit(head, &|id| head.overlaps(id, range.start, range.end));
        let segments = state.overlapping(range.start, range.end);
        drop(state);
        for segment in segments {
            if let Some(index) = self.index(&segment) {
                visit(&*index, &|id| {
                    sealed(&segment, &index, id, range).next().is_some()
                });
            }
        }
    }

    /// The index of a segment; a damaged one is noted and left out.
    fn index(&self, segment: &Segment) -> Option<Arc<SegmentIndex>> {
        self.indexes
            .get(segment)
            .map_err(|error| note(segment, &error))
            .ok()
    }
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

impl Series for StoredSeries {
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
        Ok(())
    }
}

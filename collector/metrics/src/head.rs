//! What is not sealed yet: the series of one tenant and their newest samples.
//!
//! A series is found by a key over the bytes of resource, metric and attributes
//! ([`groups`]), so that its labels are worked out once and not per sample. Series outlive
//! their samples, which come and go in generations ([`generation`]): one is active, and one
//! may be frozen, on its way into a segment.

mod series;
mod chunks;
pub(crate) mod generation;
pub(crate) mod groups;
pub(crate) mod exemplars;

use crate::chunk::open::ClosedChunk;
use crate::postings::{Index, Pairs, Postings};
use crate::symbols::{Symbol, Symbols};
use crate::translate::exemplar::Exemplar;
use crate::translate::labels::LabelMap;
use ahash::RandomState;
use generation::Generation;
pub(crate) use groups::Refusal;
use hashbrown::HashTable;
pub(crate) use series::Series;
use std::sync::Arc;

/// About what a series takes beside its labels and samples.
const SERIES_BYTES: usize = size_of::<Series>() + 16;
/// About what one of its labels takes, and its place in the list of the label's value.
const LABEL_BYTES: usize = 8 + 7;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was appended.
    Appended,
    /// It was older than the newest and put beside it.
    Late,
    /// Its time was taken already.
    Duplicate,
}

/// The series of one tenant in memory.
#[derive(Debug, Default)]
pub(crate) struct Head {
    symbols: Symbols,
    series: Vec<Series>,
    /// The labels of all series, one after the other.
    labels: Vec<(Symbol, Symbol)>,
    /// Each series by the hash of its labels, which is kept so that growing looks at no labels.
    by_labels: HashTable<(u32, u32)>,
    hasher: RandomState,
    postings: Postings,
    pub(crate) groups: groups::Groups,
    pub(crate) exemplars: exemplars::Ring,
    label_bytes: usize,
    /// How often series and texts were given other numbers.
    numbering: u64,
    active: Generation,
    frozen: Option<Arc<Generation>>,
}

impl Head {
    /// How many samples are unsealed.
    pub(crate) fn samples(&self) -> u64 {
        self.generations().map(Generation::samples).sum()
    }

    /// About how much memory the head takes.
    pub(crate) fn bytes(&self) -> usize {
        let samples: usize = self.generations().map(Generation::bytes).sum();
        samples + self.label_bytes + self.symbols.bytes() + self.groups.bytes()
    }

    /// About how much memory sealing what is not frozen yet would free.
    pub(crate) fn active_bytes(&self) -> usize {
        self.active.bytes()
    }

    /// What changes when series and texts are given other numbers.
    pub(crate) fn numbering(&self) -> u64 {
        self.numbering
    }

    /// The earliest and latest unsealed sample.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        let wider = |a: (i64, i64), b: (i64, i64)| (a.0.min(b.0), a.1.max(b.1));
        self.generations()
            .filter_map(Generation::span)
            .reduce(wider)
    }

    /// The earlier one first.
    fn generations(&self) -> impl Iterator<Item = &Generation> {
        self.frozen.as_deref().into_iter().chain([&self.active])
    }

    /// The chunks of a series that may have samples in the range, the earlier arrived first.
    pub(crate) fn chunks(&self, series: u32, start: i64, end: i64) -> Vec<ClosedChunk> {
        let mut found = Vec::new();
        self.generations()
            .for_each(|samples| samples.find(series, start, end, &mut found));
        found
    }

    /// Whether a series may have a sample in the range.
    pub(crate) fn overlaps(&self, series: u32, start: i64, end: i64) -> bool {
        self.generations()
            .any(|samples| samples.overlaps(series, start, end))
    }

    /// The number of the series with these labels, and whether it is new.
    pub(crate) fn series_of(
        &mut self,
        labels: &LabelMap,
        series_max: usize,
    ) -> Result<(u32, bool), Refusal> {
        let known = |t: &str| self.symbols.find(t);
        let pairs: Option<Vec<_>> = labels
            .iter()
            .map(|(n, v)| Some((known(n)?, known(v)?)))
            .collect();
        if let Some(id) = pairs.and_then(|pairs| self.find(&pairs)) {
            return Ok((id, false));
        }
        let is_full = self.labels.len() + labels.len() > u32::MAX as usize;
        if self.series.len() >= series_max || is_full {
            return Err(Refusal::SeriesMax);
        }
        let mut intern = |t: &str| self.symbols.intern(t);
        let pairs: Vec<_> = labels.iter().map(|(n, v)| (intern(n), intern(v))).collect();
        Ok((self.insert(&pairs), true))
    }

    fn find(&self, pairs: &Pairs) -> Option<u32> {
        let hash = self.hash(pairs);
        let is_it = |(other, id): &(u32, u32)| *other == hash && self.pairs(*id) == pairs;
        let found = self.by_labels.find(spread(hash), is_it);
        found.map(|(_, id)| *id)
    }

    fn hash(&self, pairs: &Pairs) -> u32 {
        self.hasher.hash_one(pairs) as u32
    }

    fn insert(&mut self, pairs: &Pairs) -> u32 {
        let id = self.series.len() as u32;
        self.postings.add(id, pairs);
        self.label_bytes += SERIES_BYTES + pairs.len() * LABEL_BYTES;
        grow(&mut self.labels, pairs.len());
        self.labels.extend_from_slice(pairs);
        grow(&mut self.series, 1);
        self.series.push(Series::new(self.labels.len() as u32));
        let hash = self.hash(pairs);
        self.by_labels
            .insert_unique(spread(hash), (hash, id), |(hash, _)| spread(*hash));
        id
    }

    /// Adds a sample to a series of this head.
    pub(crate) fn push(&mut self, series: u32, time: i64, value: f64) -> Outcome {
        let Some(known) = self.series.get_mut(series as usize) else {
            return Outcome::Duplicate;
        };
        let is_newest = time > known.last_time();
        if time == known.last_time() {
            return Outcome::Duplicate;
        }
        if is_newest {
            known.note(time, value);
        }
        self.active.push(series, (time, value), is_newest)
    }

    /// The newest time of a series and its newest value that is no marker, sealed or not.
    pub(crate) fn last(&self, series: u32) -> Option<(i64, f64)> {
        let series = self.series.get(series as usize)?;
        (series.last_time() != i64::MIN).then(|| (series.last_time(), series.last_value()))
    }

    /// Lets a new series go on from its last sealed sample.
    pub(crate) fn continue_at(&mut self, series: u32, time: i64, value: f64) {
        if let Some(series) = self.series.get_mut(series as usize) {
            series.continue_at(time, value);
        }
    }

    /// Keeps an exemplar of a series.
    pub(crate) fn push_exemplar(&mut self, series: u32, exemplar: Exemplar, max: usize) {
        let (symbols, all, pairs) = (&self.symbols, &self.series, &self.labels);
        let labels = || {
            let text = |symbol: &Symbol| symbols.text(*symbol);
            let pairs = pairs_of(all, pairs, series).iter();
            pairs.map(|(n, v)| (text(n), text(v))).collect()
        };
        self.exemplars.push(series, labels, exemplar, max);
    }

    /// Puts the samples so far aside to be sealed; they stay visible until [`Self::thaw`].
    /// `None` where there are none. What was frozen before must be let go by now.
    pub(crate) fn freeze(&mut self) -> Option<Arc<Generation>> {
        debug_assert!(self.frozen.is_none(), "one generation is sealed at a time");
        if self.active.samples() == 0 {
            return None;
        }
        let next = Generation::with_room(self.series.len());
        let frozen = Arc::new(std::mem::replace(&mut self.active, next));
        self.frozen = Some(Arc::clone(&frozen));
        Some(frozen)
    }

    /// What is frozen.
    pub(crate) fn frozen(&self) -> Option<&Arc<Generation>> {
        self.frozen.as_ref()
    }

    /// Lets go of the samples that were frozen, which are sealed now. Series without a sample
    /// since `keep_from` are forgotten. Returns what is to be freed, best outside of any lock.
    pub(crate) fn thaw(&mut self, keep_from: i64) -> Option<Arc<Generation>> {
        let sealed = self.frozen.take();
        self.groups.forget_refused();
        let idle = (0..self.count())
            .filter(|id| !self.is_kept(*id, keep_from))
            .count();
        if idle * 4 > self.series.len() {
            self.rebuild(keep_from);
        }
        sealed
    }

    fn is_kept(&self, series: u32, keep_from: i64) -> bool {
        let newest = self.series[series as usize].last_time();
        newest >= keep_from || self.active.has(series)
    }

    /// Renumbers everything without the idle series.
    fn rebuild(&mut self, keep_from: i64) {
        let kept: Vec<bool> = (0..self.count())
            .map(|id| self.is_kept(id, keep_from))
            .collect();
        let mut old = std::mem::take(self);
        self.numbering = old.numbering + 1;
        self.exemplars = old.exemplars;
        self.exemplars.forget_series();
        let mut numbers = Vec::with_capacity(kept.len());
        for (id, is_kept) in (0..).zip(kept) {
            if !is_kept {
                numbers.push(None);
                continue;
            }
            let mut intern = |s: Symbol| self.symbols.intern(old.symbols.text(s));
            let pairs = pairs_of(&old.series, &old.labels, id).iter();
            let pairs: Vec<_> = pairs.map(|(n, v)| (intern(*n), intern(*v))).collect();
            let number = self.insert(&pairs);
            let series = &old.series[id as usize];
            self.series[number as usize].continue_at(series.last_time(), series.last_value());
            numbers.push(Some(number));
        }
        old.active.renumber(numbers.into_iter(), self.series.len());
        self.active = old.active;
    }
}

impl Index for Head {
    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn postings(&self) -> &Postings {
        &self.postings
    }

    fn count(&self) -> u32 {
        self.series.len() as u32
    }

    fn pairs(&self, series: u32) -> &Pairs {
        pairs_of(&self.series, &self.labels, series)
    }
}

/// The labels of a series among those of all.
fn pairs_of<'a>(series: &[Series], labels: &'a [(Symbol, Symbol)], id: u32) -> &'a Pairs {
    let at = id as usize;
    let before = at.checked_sub(1).and_then(|before| series.get(before));
    let from = before.map_or(0, |s| s.labels_end);
    let to = series.get(at).map_or(from, |s| s.labels_end);
    labels.get(from as usize..to as usize).unwrap_or_default()
}

/// A hash of 32 bits as one of 64.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Makes room for so many more, and an eighth: doubling would leave up to half of it unused.
fn grow<T>(all: &mut Vec<T>, more: usize) {
    if all.capacity() - all.len() < more {
        all.reserve_exact(more.max(all.len() / 8).max(16));
    }
}

#[cfg(test)]
mod tests;

//! What is not sealed yet: the series of one tenant and their newest samples.
//!
//! A series is found by a key over the bytes of resource, metric and attributes
//! ([`groups`]), so that its labels are worked out once and not per sample. Series outlive
//! their samples, which come and go in generations ([`generation`]): one is active, and one
//! may be frozen, on its way into a segment.

mod series;
mod chunks;
pub(crate) mod histograms;
pub(crate) mod generation;
pub(crate) mod groups;
pub(crate) mod exemplars;

use crate::postings::{Index, Pairs, Postings};
use crate::promql::HistogramSample;
use crate::symbols::{Symbol, Symbols};
use crate::translate::exemplar::Exemplar;
use crate::translate::labels::{LabelMap, NAME};
use crate::{is_stale, stale_nan};
use ahash::RandomState;
use generation::Generation;
pub(crate) use groups::Refusal;
use hashbrown::HashTable;
use histograms::{HeadChunk, bytes_of};
pub(crate) use series::Series;
use sonde_proto::Histogram;
use std::borrow::Cow;
use std::collections::BTreeMap;
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
    /// It is there already, with the same value.
    Known,
}

impl Outcome {
    /// Of a sample at a time that is taken.
    fn of_taken(before: f64, value: f64) -> Self {
        if before.to_bits() == value.to_bits() {
            Self::Known
        } else {
            Self::Duplicate
        }
    }
}

/// How many series there may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    /// Of the tenant.
    pub(crate) tenant: usize,
    /// Of this tenant, so that all of them together have as many as they may.
    pub(crate) total: usize,
    /// Of one metric name; 0 is no limit.
    pub(crate) metric: usize,
    /// Bytes for the texts of the tenant's labels.
    pub(crate) symbol_bytes: u64,
}

impl Room {
    /// So many for the tenant, and no other limit.
    #[cfg(test)]
    pub(crate) fn of(tenant: usize) -> Self {
        Self {
            tenant,
            total: usize::MAX,
            metric: 0,
            symbol_bytes: u64::MAX,
        }
    }

    /// Why there is none for one more, where so many are there of the tenant and of the metric,
    /// and its labels' texts would then take so many bytes.
    pub(crate) fn refusal(
        &self,
        series: usize,
        of_metric: usize,
        symbol_bytes: u64,
    ) -> Option<Refusal> {
        if series >= self.tenant {
            Some(Refusal::SeriesMax)
        } else if series >= self.total {
            Some(Refusal::SeriesTotalMax)
        } else if self.metric > 0 && of_metric >= self.metric {
            Some(Refusal::SeriesOfMetricMax)
        } else if symbol_bytes > self.symbol_bytes {
            Some(Refusal::SymbolsMax)
        } else {
            None
        }
    }
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
    /// How many series the metric with the most has.
    of_metric_most: usize,
    /// What the deltas of a series' histograms came to so far.
    totals: BTreeMap<u32, Arc<Histogram>>,
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
        let totals: usize = self.totals.values().map(|total| bytes_of(total)).sum();
        let texts = self.symbols.bytes() + self.exemplars.bytes();
        samples + totals + self.label_bytes + texts + self.groups.bytes()
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

    /// The chunks of a series that may have samples in the range, the earlier arrived first,
    /// and how many of them are frozen.
    pub(crate) fn chunks(&self, series: u32, start: i64, end: i64) -> (Vec<HeadChunk>, usize) {
        let mut found = Vec::new();
        if let Some(frozen) = &self.frozen {
            frozen.find(series, start, end, &mut found);
        }
        let frozen = found.len();
        self.active.find(series, start, end, &mut found);
        (found, frozen)
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
        room: &Room,
    ) -> Result<(u32, bool), Refusal> {
        if let Some(id) = self.known(labels) {
            return Ok((id, false));
        }
        let of_metric = labels.get(NAME).map_or(0, |name| self.of_metric(name));
        if let Some(refusal) =
            room.refusal(self.series.len(), of_metric, self.symbol_bytes_with(labels))
        {
            return Err(refusal);
        }
        if self.labels.len() + labels.len() > u32::MAX as usize {
            return Err(Refusal::SeriesMax);
        }
        self.of_metric_most = self.of_metric_most.max(of_metric + 1);
        let mut intern = |t: &str| self.symbols.intern(t);
        let pairs: Vec<_> = labels.iter().map(|(n, v)| (intern(n), intern(v))).collect();
        Ok((self.insert(&pairs), true))
    }

    /// How many bytes the texts of all labels take.
    pub(crate) fn symbol_bytes(&self) -> u64 {
        self.symbols.text_bytes()
    }

    /// The same with these labels too, even if all of their texts are new.
    pub(crate) fn symbol_bytes_with(&self, labels: &LabelMap) -> u64 {
        let texts = labels.iter().map(|(n, v)| n.len() + v.len());
        self.symbol_bytes() + texts.sum::<usize>() as u64
    }

    /// The number of the series with these labels, if there is one.
    pub(crate) fn known(&self, labels: &LabelMap) -> Option<u32> {
        let known = |t: &str| self.symbols.find(t);
        let pairs: Option<Vec<_>> = labels
            .iter()
            .map(|(n, v)| Some((known(n)?, known(v)?)))
            .collect();
        self.find(&pairs?)
    }

    /// How many series a metric has.
    pub(crate) fn of_metric(&self, name: &str) -> usize {
        let key = self.symbols.find(NAME).zip(self.symbols.find(name));
        let list = key.and_then(|(label, name)| self.postings.values(label)?.get(&name));
        list.map_or(0, Vec::len)
    }

    /// How many series the metric with the most has, or had since series were let go.
    pub(crate) fn of_metric_most(&self) -> usize {
        self.of_metric_most
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
            known.has_ended = is_stale(value);
        } else if let Some(frozen) = &self.frozen
            && let Some(before) = frozen.value_at(series, time)
        {
            return Outcome::of_taken(before, value);
        }
        self.active.push(series, (time, value), is_newest)
    }

    /// Adds a histogram to a series of this head.
    pub(crate) fn push_histogram(&mut self, series: u32, sample: HistogramSample) -> Outcome {
        let Some(known) = self.series.get_mut(series as usize) else {
            return Outcome::Duplicate;
        };
        let is_newest = sample.time > known.last_time();
        if sample.time == known.last_time() {
            return Outcome::Duplicate;
        }
        if is_newest {
            // The newest float stays what it was.
            known.note(sample.time, stale_nan());
            known.has_ended = false;
        }
        self.active.push_histogram(series, sample, is_newest)
    }

    /// Notes since when a sample counts that was just added; 0 where that is not known.
    #[inline]
    pub(crate) fn note_start(&mut self, series: u32, time: i64, start: i64) {
        let Some(known) = self.series.get_mut(series as usize) else {
            return;
        };
        if start != 0 || known.has_starts {
            known.has_starts = true;
            let is_newest = known.last_time() == time;
            self.active.note_start(series, time, start, is_newest);
        }
    }

    /// The histogram of a series at a time, while it is not sealed.
    pub(crate) fn histogram_at(&self, series: u32, time: i64) -> Option<Arc<Histogram>> {
        let mut generations = self.generations();
        generations.find_map(|samples| samples.histogram_at(series, time))
    }

    /// What the deltas of a series' histograms came to so far.
    pub(crate) fn total(&self, series: u32) -> Option<&Arc<Histogram>> {
        self.totals.get(&series)
    }

    /// Notes what the deltas of a series' histograms came to.
    pub(crate) fn set_total(&mut self, series: u32, total: Arc<Histogram>) {
        self.totals.insert(series, total);
    }

    /// Forgets that, and says whether there was anything to forget.
    pub(crate) fn forget_total(&mut self, series: u32) -> bool {
        self.totals.remove(&series).is_some()
    }

    /// The newest time of a series and its newest value that is no marker, sealed or not.
    pub(crate) fn last(&self, series: u32) -> Option<(i64, f64)> {
        let series = self.series.get(series as usize)?;
        (series.last_time() != i64::MIN).then(|| (series.last_time(), series.last_value()))
    }

    /// Lets a new series of histograms of deltas go on from its last sealed one.
    pub(crate) fn continue_after(&mut self, series: u32, last: HistogramSample) {
        if let Some(known) = self.series.get_mut(series as usize)
            && last.time > known.last_time()
        {
            known.note(last.time, stale_nan());
        }
        self.set_total(series, last.value);
    }

    /// Notes that what comes of a series are deltas.
    pub(crate) fn note_deltas(&mut self, series: u32) {
        if let Some(series) = self.series.get_mut(series as usize) {
            series.of_deltas = true;
        }
    }

    /// Whether what a series came to so far counts for what comes next.
    pub(crate) fn counts_on(&self, series: u32) -> bool {
        let known = self.series.get(series as usize);
        known.is_some_and(|known| known.of_deltas) || self.totals.contains_key(&series)
    }

    /// Whether every sample of a series is sealed, late ones too: only then may it go on from an
    /// older time. What came late would otherwise be followed by a newer one at its own time.
    pub(crate) fn is_sealed(&self, series: u32) -> bool {
        !self.generations().any(|samples| samples.has(series))
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
        self.forget_idle(keep_from);
        sealed
    }

    /// Forgets series that have ended or are without a sample since `keep_from`, where they are so many that it is
    /// worth renumbering the others. Nothing may be frozen.
    pub(crate) fn forget_idle(&mut self, keep_from: i64) {
        self.groups.forget_refused();
        let idle = (0..self.count())
            .filter(|id| !self.is_kept(*id, keep_from))
            .count();
        if idle * 4 > self.series.len() {
            self.rebuild(keep_from);
        }
    }

    fn is_kept(&self, series: u32, keep_from: i64) -> bool {
        let known = &self.series[series as usize];
        let goes_on = !known.has_ended && known.last_time() >= keep_from;
        goes_on || self.active.has(series)
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
            let new = &mut self.series[number as usize];
            new.continue_at(series.last_time(), series.last_value());
            (new.has_ended, new.has_starts) = (series.has_ended, series.has_starts);
            new.of_deltas = series.of_deltas;
            if let Some(total) = old.totals.remove(&id) {
                self.totals.insert(number, total);
            }
            numbers.push(Some(number));
        }
        let names = self.symbols.find(NAME);
        let names = names.and_then(|name| self.postings.values(name));
        let sizes = names.into_iter().flat_map(|lists| lists.values());
        self.of_metric_most = sizes.map(Vec::len).max().unwrap_or(0);
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

    fn count_with(&self, name: &str, value: &str) -> usize {
        self.list_with(name, value).len()
    }

    fn list_with(&self, name: &str, value: &str) -> Cow<'_, [u32]> {
        let symbols = self.symbols.find(name).zip(self.symbols.find(value));
        let list = symbols.map_or(&[][..], |(name, value)| self.postings.list(name, value));
        Cow::Borrowed(list)
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

//! What is not sealed yet: the series of one tenant and their newest samples.
//!
//! A series is found by a key over the bytes of resource, metric and attributes
//! ([`groups`]), so that its labels are worked out once and not per sample.

mod series;
pub(crate) mod groups;
pub(crate) mod exemplars;

use crate::chunk::open::ClosedChunk;
use crate::postings::{Index, Pairs, Postings};
use crate::symbols::{Symbol, Symbols};
use crate::translate::exemplar::Exemplar;
use crate::translate::labels::LabelMap;
use ahash::AHashMap;
pub(crate) use groups::Refusal;
pub(crate) use series::{Outcome, Series};
use smallvec::SmallVec;

/// About what a series takes beside its labels and samples.
const SERIES_BYTES: usize = 320;

/// The series of one tenant in memory.
#[derive(Debug, Default)]
pub(crate) struct Head {
    symbols: Symbols,
    series: Vec<Series>,
    by_labels: AHashMap<u64, SmallVec<[u32; 2]>>,
    postings: Postings,
    pub(crate) groups: groups::Groups,
    pub(crate) exemplars: exemplars::Ring,
    samples: u64,
    sample_bytes: usize,
    label_bytes: usize,
    span: Option<(i64, i64)>,
}

impl Head {
    /// How many samples are unsealed.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// About how much memory the head takes.
    pub(crate) fn bytes(&self) -> usize {
        self.sample_bytes + self.label_bytes + self.symbols.bytes() + self.groups.bytes()
    }

    /// About how much memory sealing would free.
    pub(crate) fn sample_bytes(&self) -> usize {
        self.sample_bytes
    }

    /// The earliest and latest unsealed sample.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    pub(crate) fn series(&self) -> &[Series] {
        &self.series
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
        if self.series.len() >= series_max {
            return Err(Refusal::SeriesMax);
        }
        let mut intern = |t: &str| self.symbols.intern(t);
        let pairs: Vec<_> = labels.iter().map(|(n, v)| (intern(n), intern(v))).collect();
        Ok((self.insert(pairs.into()), true))
    }

    fn find(&self, pairs: &Pairs) -> Option<u32> {
        let same = self.by_labels.get(&self.hash(pairs))?;
        same.iter()
            .copied()
            .find(|id| *self.series[*id as usize].labels == *pairs)
    }

    fn insert(&mut self, pairs: Box<Pairs>) -> u32 {
        let id = self.series.len() as u32;
        let hash = self.hash(&pairs);
        self.by_labels.entry(hash).or_default().push(id);
        self.postings.add(id, &pairs);
        self.label_bytes += SERIES_BYTES + pairs.len() * 12;
        self.series.push(Series::new(pairs));
        id
    }

    fn hash(&self, pairs: &Pairs) -> u64 {
        self.by_labels.hasher().hash_one(pairs)
    }

    /// Adds a sample to a series of this head.
    pub(crate) fn push(&mut self, series: u32, time: i64, value: f64) -> Outcome {
        let Some(series) = self.series.get_mut(series as usize) else {
            return Outcome::Duplicate;
        };
        let (outcome, bytes) = series.push(time, value);
        if outcome != Outcome::Duplicate {
            self.sample_bytes += bytes;
            self.samples += 1;
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
        outcome
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
        let (symbols, series_list) = (&self.symbols, &self.series);
        let labels = || {
            let pairs = series_list
                .get(series as usize)
                .map_or(&[][..], |s| &s.labels);
            pairs
                .iter()
                .map(|(n, v)| (symbols.text(*n), symbols.text(*v)))
                .collect()
        };
        self.exemplars.push(series, labels, exemplar, max);
    }

    /// Series with unsealed samples, in the order of their labels.
    pub(crate) fn sorted(&self) -> Vec<u32> {
        let mut ids: Vec<u32> = (0..self.count())
            .filter(|id| self.series[*id as usize].has_samples())
            .collect();
        let texts = |id: &u32| {
            self.pairs(*id)
                .iter()
                .map(|(n, v)| (self.symbols.text(*n), self.symbols.text(*v)))
        };
        ids.sort_by(|a, b| texts(a).cmp(texts(b)));
        ids
    }

    /// Lets go of all samples, which are sealed now. Series without a sample since `keep_from`
    /// are forgotten. Returns what is to be freed, best outside of any lock.
    pub(crate) fn rotate(&mut self, keep_from: i64) -> Vec<Vec<ClosedChunk>> {
        let chunks = self.series.iter_mut().map(Series::rotate).collect();
        (self.samples, self.sample_bytes, self.span) = (0, 0, None);
        self.groups.forget_refused();
        let idle = self
            .series
            .iter()
            .filter(|s| s.last_time() < keep_from)
            .count();
        if idle * 4 > self.series.len() {
            self.rebuild(keep_from);
        }
        chunks
    }

    /// Renumbers everything without the idle series.
    fn rebuild(&mut self, keep_from: i64) {
        let old = std::mem::take(self);
        self.exemplars = old.exemplars;
        self.exemplars.forget_series();
        for series in old
            .series
            .into_iter()
            .filter(|s| s.last_time() >= keep_from)
        {
            let mut intern = |s: Symbol| self.symbols.intern(old.symbols.text(s));
            let pairs: Box<Pairs> = series
                .labels
                .iter()
                .map(|(n, v)| (intern(*n), intern(*v)))
                .collect();
            let id = self.insert(pairs);
            self.series[id as usize].continue_from(&series);
        }
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
        self.series.get(series as usize).map_or(&[], |s| &s.labels)
    }
}

#[cfg(test)]
mod tests;

//! The samples that are sealed together.
//!
//! Samples go to the generation that is active. To seal, it is frozen: put aside as it is, in
//! one step and without a copy, while the next one takes what comes. A frozen generation never
//! changes, so that it is read and sealed without a lock, and is let go as a whole.

use super::histograms::{HeadChunk, Histograms};
use super::{Outcome, chunks::Chunks, grow};
use crate::Samples;
use crate::chunk::starts::Starts;
use crate::promql::HistogramSample;
use ahash::AHashMap;
use sonde_proto::Histogram;
use std::collections::BTreeMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;

/// About what a series with samples takes beside them.
const CHUNKS_BYTES: usize = size_of::<Chunks>() + 16;

/// About what a series takes that says since when it counts.
const STARTS_BYTES: usize = size_of::<(u32, Starts)>() * 3 / 2;

/// Samples of some series, by the numbers these have in their head.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    of_series: Vec<Option<Box<Chunks>>>,
    /// Apart, so that a series without any pays nothing for them.
    histograms: BTreeMap<u32, Histograms>,
    /// The same.
    starts: AHashMap<u32, Starts>,
    samples: u64,
    bytes: usize,
    span: Option<(i64, i64)>,
}

impl Generation {
    /// An empty one with room for so many series.
    pub(crate) fn with_room(series: usize) -> Self {
        let mut of_series = Vec::with_capacity(series);
        of_series.resize_with(series, || None);
        Self {
            of_series,
            ..Self::default()
        }
    }

    /// Adds a sample of a series, which is its newest or not.
    pub(crate) fn push(&mut self, series: u32, sample: (i64, f64), is_newest: bool) -> Outcome {
        if !is_newest && self.histogram_at(series, sample.0).is_some() {
            return Outcome::Duplicate;
        }
        let at = series as usize;
        if at >= self.of_series.len() {
            let more = at + 1 - self.of_series.len();
            grow(&mut self.of_series, more);
            self.of_series.resize_with(at + 1, || None);
        }
        let mut grown = 0;
        let chunks = self.of_series[at].get_or_insert_with(|| {
            grown += CHUNKS_BYTES as isize;
            Box::default()
        });
        let (outcome, more) = if is_newest {
            (Outcome::Appended, chunks.push(sample.0, sample.1))
        } else {
            chunks.push_late(sample.0, sample.1)
        };
        self.count(outcome, sample.0, grown + more);
        outcome
    }

    /// Adds a histogram of a series, which is its newest sample or not.
    pub(crate) fn push_histogram(
        &mut self,
        series: u32,
        sample: HistogramSample,
        is_newest: bool,
    ) -> Outcome {
        let time = sample.time;
        if !is_newest && self.has_float(series, time) {
            return Outcome::Duplicate;
        }
        let mut grown = 0;
        let histograms = self.histograms.entry(series).or_insert_with(|| {
            grown += size_of::<Histograms>() as isize + 16;
            Histograms::default()
        });
        let (outcome, more) = if is_newest {
            (Outcome::Appended, histograms.push(sample))
        } else {
            histograms.push_late(sample)
        };
        self.count(outcome, time, grown + more);
        outcome
    }

    /// Notes since when a sample of a series counts that was just added, its newest or not.
    pub(crate) fn note_start(&mut self, series: u32, time: i64, start: i64, is_newest: bool) {
        if start == 0 && !self.starts.contains_key(&series) {
            return;
        }
        let known = self.starts.entry(series);
        let mut grown = match &known {
            Entry::Occupied(_) => 0,
            Entry::Vacant(_) => STARTS_BYTES as isize,
        };
        let starts = known.or_default();
        grown -= starts.bytes() as isize;
        if is_newest {
            starts.push(time, start);
        } else {
            starts.insert(time, start);
        }
        grown += starts.bytes() as isize;
        self.bytes = self.bytes.saturating_add_signed(grown);
    }

    fn count(&mut self, outcome: Outcome, time: i64, grown: isize) {
        self.bytes = self.bytes.saturating_add_signed(grown);
        if matches!(outcome, Outcome::Appended | Outcome::Late) {
            self.samples += 1;
            let (first, last) = self.span.unwrap_or((time, time));
            self.span = Some((first.min(time), last.max(time)));
        }
    }

    /// The histogram of a series at a time.
    pub(crate) fn histogram_at(&self, series: u32, time: i64) -> Option<Arc<Histogram>> {
        self.histograms.get(&series)?.at(time)
    }

    /// Whether a series has a float at a time. Asked where it has late histograms only.
    fn has_float(&self, series: u32, time: i64) -> bool {
        let (mut chunks, mut samples) = (Vec::new(), Samples::default());
        if let Some(floats) = self.chunks(series) {
            floats.find(time, time, &mut chunks);
        }
        let read = |chunk: &HeadChunk| chunk.read(&mut samples).is_ok();
        chunks.iter().all(read) && samples.times.contains(&time)
    }

    /// How many samples there are.
    pub(crate) fn samples(&self) -> u64 {
        self.samples
    }

    /// About how much memory they take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The earliest and latest sample.
    pub(crate) fn span(&self) -> Option<(i64, i64)> {
        self.span
    }

    /// Whether the series has any samples.
    pub(crate) fn has(&self, series: u32) -> bool {
        self.chunks(series).is_some() || self.histograms.contains_key(&series)
    }

    /// The series that have samples.
    pub(crate) fn series(&self) -> impl Iterator<Item = u32> {
        let beyond = self.histograms.last_key_value().map_or(0, |(id, _)| id + 1);
        let count = (self.of_series.len() as u32).max(beyond);
        (0..count).filter(|id| self.has(*id))
    }

    /// The value of a series at a time.
    pub(crate) fn value_at(&self, series: u32, time: i64) -> Option<f64> {
        self.chunks(series)?.value_at(time)
    }

    /// Whether the series may have a sample in the range.
    pub(crate) fn overlaps(&self, series: u32, start: i64, end: i64) -> bool {
        let histograms = self.histograms.get(&series);
        self.chunks(series)
            .is_some_and(|chunks| chunks.overlaps(start, end))
            || histograms.is_some_and(|histograms| histograms.overlaps(start, end))
    }

    /// Appends the chunks of a series that may have samples in the range.
    pub(crate) fn find(&self, series: u32, start: i64, end: i64, out: &mut Vec<HeadChunk>) {
        let before = out.len();
        if let Some(chunks) = self.chunks(series) {
            chunks.find(start, end, out);
        }
        if let Some(histograms) = self.histograms.get(&series) {
            histograms.find(start, end, out);
        }
        if self.starts.is_empty() {
            return;
        }
        if let Some(starts) = self.starts.get(&series) {
            let starts = Arc::new(starts.clone());
            let found = out.drain(before..).collect::<Vec<_>>().into_iter();
            out.extend(found.map(|c| HeadChunk::Since(Box::new(c), Arc::clone(&starts))));
        }
    }

    /// Gives series other numbers; those with samples must have one.
    pub(crate) fn renumber(&mut self, numbers: impl Iterator<Item = Option<u32>>, series: usize) {
        let old = std::mem::replace(&mut self.of_series, Self::with_room(series).of_series);
        let mut histograms = std::mem::take(&mut self.histograms);
        let mut starts = std::mem::take(&mut self.starts);
        let old = old.into_iter().chain(std::iter::repeat_with(|| None));
        for ((chunks, number), before) in old.zip(numbers).zip(0u32..) {
            if let (Some(number), Some(held)) = (number, histograms.remove(&before)) {
                self.histograms.insert(number, held);
            }
            if let (Some(number), Some(held)) = (number, starts.remove(&before)) {
                self.starts.insert(number, held);
            }
            let slot = number.and_then(|number| self.of_series.get_mut(number as usize));
            if let Some(slot) = slot {
                *slot = chunks;
            }
        }
    }

    fn chunks(&self, series: u32) -> Option<&Chunks> {
        self.of_series.get(series as usize)?.as_deref()
    }
}

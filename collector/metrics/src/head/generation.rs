//! The samples that are sealed together.
//!
//! Samples go to the generation that is active. To seal, it is frozen: put aside as it is, in
//! one step and without a copy, while the next one takes what comes. A frozen generation never
//! changes, so that it is read and sealed without a lock, and is let go as a whole.

use super::{Outcome, chunks::Chunks, grow};
use crate::chunk::open::ClosedChunk;

/// About what a series with samples takes beside them.
const CHUNKS_BYTES: usize = size_of::<Chunks>() + 16;

/// Samples of some series, by the numbers these have in their head.
#[derive(Debug, Default)]
pub(crate) struct Generation {
    of_series: Vec<Option<Box<Chunks>>>,
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
        self.bytes = self.bytes.saturating_add_signed(grown + more);
        if matches!(outcome, Outcome::Appended | Outcome::Late) {
            self.samples += 1;
            let (first, last) = self.span.unwrap_or((sample.0, sample.0));
            self.span = Some((first.min(sample.0), last.max(sample.0)));
        }
        outcome
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
        self.chunks(series).is_some()
    }

    /// The series that have samples.
    pub(crate) fn series(&self) -> impl Iterator<Item = u32> {
        let numbered = (0u32..).zip(&self.of_series);
        numbered
            .filter(|(_, chunks)| chunks.is_some())
            .map(|(id, _)| id)
    }

    /// The value of a series at a time.
    pub(crate) fn value_at(&self, series: u32, time: i64) -> Option<f64> {
        self.chunks(series)?.value_at(time)
    }

    /// Whether the series may have a sample in the range.
    pub(crate) fn overlaps(&self, series: u32, start: i64, end: i64) -> bool {
        self.chunks(series)
            .is_some_and(|chunks| chunks.overlaps(start, end))
    }

    /// Appends the chunks of a series that may have samples in the range.
    pub(crate) fn find(&self, series: u32, start: i64, end: i64, out: &mut Vec<ClosedChunk>) {
        if let Some(chunks) = self.chunks(series) {
            chunks.find(start, end, out);
        }
    }

    /// Gives series other numbers; those with samples must have one.
    pub(crate) fn renumber(&mut self, numbers: impl Iterator<Item = Option<u32>>, series: usize) {
        let old = std::mem::replace(&mut self.of_series, Self::with_room(series).of_series);
        for (chunks, number) in old.into_iter().zip(numbers) {
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

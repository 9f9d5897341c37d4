//! Histograms with their times, packed in memory.

use super::bits::Damaged;
use super::{columns, histogram};
use crate::Samples;
use crate::promql::HistogramSample;
use std::sync::Arc;

/// Some histograms of a series, shared with the queries that read them.
#[derive(Clone, Debug)]
pub(crate) struct Packed {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u32,
    /// Where the times end and the histograms begin.
    times_end: u32,
    bytes: Arc<[u8]>,
}

impl Packed {
    /// Packs samples that are in the order of time and no more than a column holds; `None` of
    /// nothing.
    pub(crate) fn of(samples: &[HistogramSample]) -> Option<Self> {
        let (first, last) = (samples.first()?, samples.last()?);
        let times: Vec<i64> = samples.iter().map(|sample| sample.time).collect();
        let mut bytes = columns::write_times(&times);
        let times_end = bytes.len() as u32;
        bytes.extend(histogram::write(samples));
        Some(Self {
            first: first.time,
            last: last.time,
            count: times.len() as u32,
            times_end,
            bytes: bytes.into(),
        })
    }

    /// How many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Whether it may have a sample in the range.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.first <= end && self.last >= start
    }

    /// The times of the samples.
    pub(crate) fn times(&self) -> Result<Vec<i64>, Damaged> {
        let mut times = Vec::with_capacity(self.count as usize);
        columns::read_times(self.columns().0, &mut times)?;
        Ok(times)
    }

    /// Appends the samples to `out`.
    pub(crate) fn read(&self, out: &mut Samples) -> Result<(), Damaged> {
        histogram::read(self.columns().1, &self.times()?, &mut out.histograms)
    }

    fn columns(&self) -> (&[u8], &[u8]) {
        let end = self.bytes.len().min(self.times_end as usize);
        self.bytes.split_at(end)
    }
}

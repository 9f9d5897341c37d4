//! The histograms of one series in one generation, which most series do not have.
//!
//! As with [floats](super::chunks): what comes in the order of time is packed as soon as there
//! is enough of it, late ones are kept sorted beside it. Packed ones are packed again, together
//! with the next, until there are enough to make a good chunk.

use super::Outcome;
use crate::Samples;
use crate::chunk::open::ClosedChunk;
use crate::chunk::packed::Packed;
use crate::chunk::starts::Starts;
use crate::chunk::{Damaged, histogram};
use crate::promql::HistogramSample;
use sonde_proto::{BucketSpan, Histogram};
use std::sync::Arc;

/// So many are kept as they came before they are packed.
const OPEN_MAX: usize = 16;
/// So many bytes of them, too.
const OPEN_BYTES_MAX: usize = 64 << 10;
/// A pack that has so many is left as it is.
const PACKED_SAMPLES: u32 = 112;
/// One that has so many bytes, too.
const PACKED_BYTES: usize = 64 << 10;
/// About what the allocator takes beside the bytes of a pack.
const PACKED_OVERHEAD: usize = size_of::<Packed>() + 32;

/// What one series got since the generation began.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    /// One after the other in time.
    packed: Vec<Packed>,
    open: Vec<HistogramSample>,
    open_bytes: usize,
    late_packed: Vec<Packed>,
    late: Vec<HistogramSample>,
    late_bytes: usize,
    packed_bytes: usize,
}

/// Some samples of a series in memory.
#[derive(Clone, Debug)]
pub(crate) enum HeadChunk {
    /// Floats.
    Floats(ClosedChunk),
    /// Histograms.
    Packed(Packed),
    /// Histograms as they came.
    Open(Box<[HistogramSample]>),
    /// Some that say since when they count.
    Since(Box<HeadChunk>, Arc<Starts>),
}

impl HeadChunk {
    /// Appends the samples to `out`.
    pub(crate) fn read(&self, out: &mut Samples) -> Result<(), Damaged> {
        match self {
            Self::Floats(chunk) => chunk.read(out),
            Self::Packed(packed) => packed.read(out),
            Self::Open(samples) => {
                out.histograms.extend_from_slice(samples);
                Ok(())
            }
            Self::Since(chunk, starts) => {
                let before = (out.times.len(), out.histograms.len());
                chunk.read(out)?;
                starts.tell(out, before);
                Ok(())
            }
        }
    }

    /// How many bytes it is read from.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Floats(chunk) => chunk.bytes.len(),
            Self::Packed(packed) => packed.bytes(),
            Self::Open(samples) => samples.iter().map(|one| bytes_of(&one.value)).sum(),
            Self::Since(chunk, starts) => chunk.bytes() + starts.bytes(),
        }
    }
}

/// About how many bytes a histogram takes.
pub(crate) fn bytes_of(histogram: &Histogram) -> usize {
    let sides = [&histogram.positive, &histogram.negative];
    let sides = sides
        .iter()
        .map(|side| side.spans.len() * size_of::<BucketSpan>() + side.counts.len() * 8);
    // The allocator's share of the parts, and what counts the references.
    size_of::<Histogram>() + 64 + sides.sum::<usize>() + histogram.bounds.len() * 8
}

impl Histograms {
    /// Adds a sample that is newer than all before; returns how many more bytes of memory
    /// are used.
    pub(crate) fn push(&mut self, sample: HistogramSample) -> isize {
        let before = self.bytes();
        self.open_bytes += bytes_of(&sample.value);
        self.open.push(sample);
        if self.open.len() >= OPEN_MAX || self.open_bytes >= OPEN_BYTES_MAX {
            self.open_bytes = 0;
            self.pack();
        }
        self.bytes() as isize - before as isize
    }

    /// Adds a sample that is older than the newest.
    pub(crate) fn push_late(&mut self, sample: HistogramSample) -> (Outcome, isize) {
        if self.at(sample.time).is_some() {
            return (Outcome::Duplicate, 0);
        }
        let before = self.bytes();
        let at = self.late.partition_point(|s| s.time < sample.time);
        self.late_bytes += bytes_of(&sample.value);
        self.late.insert(at, sample);
        if self.late.len() >= PACKED_SAMPLES as usize || self.late_bytes >= OPEN_BYTES_MAX {
            self.late_bytes = 0;
            let packs: Vec<Packed> = packs_of(&self.late).collect();
            self.late.clear();
            self.packed_bytes += bytes_of_packs(&packs);
            self.late_packed.extend(packs);
        }
        (Outcome::Late, self.bytes() as isize - before as isize)
    }

    /// The histogram at a time.
    pub(crate) fn at(&self, time: i64) -> Option<Arc<Histogram>> {
        for samples in [&self.open, &self.late] {
            if let Ok(at) = samples.binary_search_by_key(&time, |sample| sample.time) {
                return Some(Arc::clone(&samples[at].value));
            }
        }
        let next = self.packed.partition_point(|packed| packed.last < time);
        let in_order = self.packed.get(next).into_iter();
        let mut packs = in_order.chain(&self.late_packed);
        packs.find_map(|packed| at_of(packed, time))
    }

    /// Moves what is open into packs, the last of which may take more.
    fn pack(&mut self) {
        let mut joined = Samples::default();
        let takes_more = |last: &mut Packed| {
            let is_small = last.count < PACKED_SAMPLES && last.bytes() < PACKED_BYTES;
            is_small && last.read(&mut joined).is_ok()
        };
        if let Some(last) = self.packed.pop_if(takes_more) {
            self.packed_bytes -= bytes_of_pack(&last);
        }
        joined.histograms.append(&mut self.open);
        let packs: Vec<Packed> = packs_of(&joined.histograms).collect();
        self.packed_bytes += bytes_of_packs(&packs);
        self.packed.extend(packs);
    }

    /// Whether a sample may lie in the range.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        let mut packs = self.packed.iter().chain(&self.late_packed);
        let mut samples = self.open.iter().chain(&self.late);
        packs.any(|packed| packed.overlaps(start, end))
            || samples.any(|sample| (start..=end).contains(&sample.time))
    }

    /// Appends the chunks that may have samples in the range.
    pub(crate) fn find(&self, start: i64, end: i64, out: &mut Vec<HeadChunk>) {
        for (packs, samples) in [(&self.packed, &self.open), (&self.late_packed, &self.late)] {
            let packs = packs.iter().filter(|packed| packed.overlaps(start, end));
            out.extend(packs.cloned().map(HeadChunk::Packed));
            let from = samples.partition_point(|sample| sample.time < start);
            let to = samples.partition_point(|sample| sample.time <= end);
            if let Some(some) = samples.get(from..to).filter(|some| !some.is_empty()) {
                out.push(HeadChunk::Open(some.into()));
            }
        }
    }

    /// About how much memory it takes.
    pub(crate) fn bytes(&self) -> usize {
        let samples = self.open.capacity() + self.late.capacity();
        size_of::<Self>()
            + self.packed_bytes
            + samples * size_of::<HistogramSample>()
            + self.open_bytes
            + self.late_bytes
    }
}

fn bytes_of_pack(packed: &Packed) -> usize {
    packed.bytes() + PACKED_OVERHEAD
}

fn bytes_of_packs(packs: &[Packed]) -> usize {
    packs.iter().map(bytes_of_pack).sum()
}

fn packs_of(samples: &[HistogramSample]) -> impl Iterator<Item = Packed> {
    histogram::pieces(samples).filter_map(Packed::of)
}

fn at_of(packed: &Packed, time: i64) -> Option<Arc<Histogram>> {
    if !packed.overlaps(time, time) || packed.times().ok()?.binary_search(&time).is_err() {
        return None;
    }
    let mut samples = Samples::default();
    packed.read(&mut samples).ok()?;
    let found = samples.histograms.into_iter().find(|s| s.time == time);
    found.map(|sample| sample.value)
}

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
use std::collections::BTreeMap;
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

/// About what is taken to know where a late sample is.
const LATE_PLACE_BYTES: usize = size_of::<(i64, u32)>() * 3 / 2;

/// What one series got since the generation began.
#[derive(Debug, Default)]
pub(crate) struct Histograms {
    /// One after the other in time.
    packed: Vec<Packed>,
    open: Vec<HistogramSample>,
    open_bytes: usize,
    late_packed: Vec<Packed>,
    /// In which of them a time is. Those of samples in no order all span the same times, and one
    /// request may bring as many as a million.
    late_places: BTreeMap<i64, u32>,
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
        if self.is_taken(sample.time) {
            return (Outcome::Duplicate, 0);
        }
        let before = self.bytes();
        let at = self.late.partition_point(|s| s.time < sample.time);
        self.late_bytes += bytes_of(&sample.value);
        self.late.insert(at, sample);
        if self.late.len() >= PACKED_SAMPLES as usize || self.late_bytes >= OPEN_BYTES_MAX {
            self.late_bytes = 0;
            for piece in histogram::pieces(&self.late) {
                if let Some(packed) = Packed::of(piece) {
                    let place = self.late_packed.len() as u32;
                    let times = piece.iter().map(|sample| (sample.time, place));
                    self.late_places.extend(times);
                    self.packed_bytes += bytes_of_pack(&packed);
                    self.late_packed.push(packed);
                }
            }
            self.late.clear();
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
        let packs = [self.packed_at(time), self.late_packed_at(time)];
        packs.into_iter().flatten().find_map(|p| at_of(p, time))
    }

    /// The same, without reading it.
    fn is_taken(&self, time: i64) -> bool {
        let is_in = |samples: &[HistogramSample]| {
            let found = samples.binary_search_by_key(&time, |sample| sample.time);
            found.is_ok()
        };
        is_in(&self.open)
            || is_in(&self.late)
            || self.late_places.contains_key(&time)
            || self.packed_at(time).is_some_and(|packed| has(packed, time))
    }

    fn packed_at(&self, time: i64) -> Option<&Packed> {
        let next = self.packed.partition_point(|packed| packed.last < time);
        self.packed.get(next)
    }

    fn late_packed_at(&self, time: i64) -> Option<&Packed> {
        self.late_packed.get(*self.late_places.get(&time)? as usize)
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
            + self.late_places.len() * LATE_PLACE_BYTES
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

fn has(packed: &Packed, time: i64) -> bool {
    let times = || packed.times().unwrap_or_default();
    packed.overlaps(time, time) && times().binary_search(&time).is_ok()
}

fn at_of(packed: &Packed, time: i64) -> Option<Arc<Histogram>> {
    if !has(packed, time) {
        return None;
    }
    let mut samples = Samples::default();
    packed.read(&mut samples).ok()?;
    let found = samples.histograms.into_iter().find(|s| s.time == time);
    found.map(|sample| sample.value)
}

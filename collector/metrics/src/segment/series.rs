//! A section of series: their labels, and where their columns are.

use super::SegmentError;
use super::sections::{count, put, small, take};
use crate::chunk::Damaged;
use crate::postings::Pairs;
use crate::symbols::Symbol;

/// The checksum after each column.
const COLUMN_END: u64 = 4;

/// Where the columns of one chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u32,
    pub(crate) times: (u64, u32),
    pub(crate) values: (u64, u32),
}

/// Some series that follow one another.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct SeriesBlock {
    pairs: Vec<(Symbol, Symbol)>,
    chunks: Vec<ChunkRef>,
    /// Ends of each series' labels and chunks.
    ends: Vec<(u32, u32)>,
}

impl SeriesBlock {
    /// Adds a series.
    pub(super) fn add(&mut self, pairs: &Pairs, chunks: &[ChunkRef]) {
        self.pairs.extend_from_slice(pairs);
        self.chunks.extend_from_slice(chunks);
        self.close();
    }

    fn close(&mut self) {
        let ends = (self.pairs.len() as u32, self.chunks.len() as u32);
        self.ends.push(ends);
    }

    /// How many series there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// The labels of the series at this place.
    pub(crate) fn pairs(&self, at: usize) -> &Pairs {
        let (from, to) = self.bounds(at);
        &self.pairs[from.0 as usize..to.0 as usize]
    }

    /// The chunks of the series at this place.
    pub(crate) fn chunks(&self, at: usize) -> &[ChunkRef] {
        let (from, to) = self.bounds(at);
        &self.chunks[from.1 as usize..to.1 as usize]
    }

    fn bounds(&self, at: usize) -> ((u32, u32), (u32, u32)) {
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        let from = before.copied().unwrap_or_default();
        (from, self.ends.get(at).copied().unwrap_or(from))
    }

    pub(super) fn clear(&mut self) {
        self.pairs.clear();
        self.chunks.clear();
        self.ends.clear();
    }

    /// About how much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.pairs.len() * 8 + self.chunks.len() * size_of::<ChunkRef>() + self.ends.len() * 8
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.len() as u64);
        let mut expected = Expected::default();
        for at in 0..self.len() {
            let pairs = self.pairs(at);
            put(&mut out, pairs.len() as u64);
            for (name, value) in pairs {
                put(&mut out, u64::from(*name));
                put(&mut out, u64::from(*value));
            }
            expected.put(&mut out, self.chunks(at));
        }
        out
    }

    /// Reads what [`Self::encode`] wrote; symbols are below `texts`.
    pub(super) fn decode(mut bytes: &[u8], texts: u32) -> Result<Self, SegmentError> {
        let bytes = &mut bytes;
        let (mut block, mut expected) = (Self::default(), Expected::default());
        for _ in 0..count(bytes, 2)? {
            for _ in 0..count(bytes, 2)? {
                let (name, value) = (small(bytes)?, small(bytes)?);
                if name >= texts || value >= texts {
                    return Err(Damaged.into());
                }
                block.pairs.push((name, value));
            }
            expected.take(bytes, &mut block.chunks)?;
            block.close();
        }
        block.pairs.shrink_to_fit();
        block.chunks.shrink_to_fit();
        if bytes.is_empty() {
            Ok(block)
        } else {
            Err(Damaged.into())
        }
    }
}

/// What chunk references are told by: how they differ from what they mostly are.
#[derive(Default)]
struct Expected {
    /// The first time of the series before.
    series_first: i64,
    /// Where its times are, which are mostly the same.
    times: u64,
    /// Where the values of the chunk before end.
    values: u64,
}

impl Expected {
    fn put(&mut self, out: &mut Vec<u8>, chunks: &[ChunkRef]) {
        let zigzag = |out: &mut Vec<u8>, n: i64| put(out, crate::chunk::zigzag(n));
        put(out, chunks.len() as u64);
        let mut before = self.series_first;
        for chunk in chunks {
            zigzag(out, chunk.first.wrapping_sub(before));
            zigzag(out, chunk.last.wrapping_sub(chunk.first));
            put(out, u64::from(chunk.count));
            zigzag(out, chunk.times.0.wrapping_sub(self.times).cast_signed());
            put(out, u64::from(chunk.times.1));
            zigzag(out, chunk.values.0.wrapping_sub(self.values).cast_signed());
            put(out, u64::from(chunk.values.1));
            before = chunk.last;
            self.pass(chunk);
        }
        self.end(chunks);
    }

    fn take(&mut self, bytes: &mut &[u8], chunks: &mut Vec<ChunkRef>) -> Result<(), SegmentError> {
        let zigzag =
            |bytes: &mut &[u8]| Ok::<_, SegmentError>(crate::chunk::unzigzag(take(bytes)?));
        let from = chunks.len();
        let mut before = self.series_first;
        for _ in 0..count(bytes, 7)? {
            let first = before.wrapping_add(zigzag(bytes)?);
            let last = first.wrapping_add(zigzag(bytes)?);
            let count = small(bytes)?;
            let times = self.times.wrapping_add_signed(zigzag(bytes)?);
            let times = (times, small(bytes)?);
            let values = self.values.wrapping_add_signed(zigzag(bytes)?);
            let values = (values, small(bytes)?);
            let chunk = ChunkRef {
                first,
                last,
                count,
                times,
                values,
            };
            before = last;
            self.pass(&chunk);
            chunks.push(chunk);
        }
        self.end(&chunks[from..]);
        Ok(())
    }

    /// Goes on to the next chunk.
    fn pass(&mut self, chunk: &ChunkRef) {
        self.times = chunk.times.0;
        let length = u64::from(chunk.values.1) + COLUMN_END;
        self.values = chunk.values.0.wrapping_add(length);
    }

    /// Goes on to the next series.
    fn end(&mut self, chunks: &[ChunkRef]) {
        if let Some(chunk) = chunks.first() {
            self.series_first = chunk.first;
        }
    }
}

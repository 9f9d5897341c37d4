//! A section of series: their labels, and where their columns are.

use super::SegmentError;
use super::sections::{count, put, small, take};
use crate::chunk::Damaged;
use crate::postings::Pairs;
use crate::symbols::Symbol;

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
        for at in 0..self.len() {
            let pairs = self.pairs(at);
            put(&mut out, pairs.len() as u64);
            for (name, value) in pairs {
                put(&mut out, u64::from(*name));
                put(&mut out, u64::from(*value));
            }
            encode_chunks(&mut out, self.chunks(at));
        }
        out
    }

    /// Reads what [`Self::encode`] wrote; symbols are below `texts`.
    pub(super) fn decode(mut bytes: &[u8], texts: u32) -> Result<Self, SegmentError> {
        let bytes = &mut bytes;
        let mut block = Self::default();
        for _ in 0..count(bytes, 2)? {
            for _ in 0..count(bytes, 2)? {
                let (name, value) = (small(bytes)?, small(bytes)?);
                if name >= texts || value >= texts {
                    return Err(Damaged.into());
                }
                block.pairs.push((name, value));
            }
            decode_chunks(bytes, &mut block.chunks)?;
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

fn encode_chunks(out: &mut Vec<u8>, chunks: &[ChunkRef]) {
    put(out, chunks.len() as u64);
    let mut before = 0i64;
    for chunk in chunks {
        put(out, crate::chunk::zigzag(chunk.first.wrapping_sub(before)));
        put(
            out,
            crate::chunk::zigzag(chunk.last.wrapping_sub(chunk.first)),
        );
        put(out, u64::from(chunk.count));
        put(out, chunk.times.0);
        put(out, u64::from(chunk.times.1));
        put(out, chunk.values.0);
        put(out, u64::from(chunk.values.1));
        before = chunk.last;
    }
}

fn decode_chunks(bytes: &mut &[u8], chunks: &mut Vec<ChunkRef>) -> Result<(), SegmentError> {
    let mut before = 0i64;
    for _ in 0..count(bytes, 7)? {
        let first = before.wrapping_add(crate::chunk::unzigzag(take(bytes)?));
        let last = first.wrapping_add(crate::chunk::unzigzag(take(bytes)?));
        let count = small(bytes)?;
        let times = (take(bytes)?, small(bytes)?);
        let values = (take(bytes)?, small(bytes)?);
        chunks.push(ChunkRef {
            first,
            last,
            count,
            times,
            values,
        });
        before = last;
    }
    Ok(())
}

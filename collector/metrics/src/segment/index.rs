//! The index of a segment: which series it has and where their columns are.

use super::SegmentError;
use crate::chunk::Damaged;
use crate::postings::{Index, Pairs, Postings};
use crate::symbols::{Symbol, Symbols};
use crate::translate::wire::varint;

/// Where the columns of one chunk are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ChunkRef {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) count: u32,
    pub(crate) times: (u64, u32),
    pub(crate) values: (u64, u32),
}

/// The index in memory.
#[derive(Debug, Default)]
pub(crate) struct SegmentIndex {
    symbols: Symbols,
    pairs: Vec<(Symbol, Symbol)>,
    chunks: Vec<ChunkRef>,
    /// Ends of each series' labels and chunks.
    ends: Vec<(u32, u32)>,
    postings: Postings,
}

impl SegmentIndex {
    /// Adds a series.
    pub(crate) fn add<'a>(
        &mut self,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        chunks: &[ChunkRef],
    ) {
        let from = self.pairs.len();
        for (name, value) in labels {
            let pair = (self.symbols.intern(name), self.symbols.intern(value));
            self.pairs.push(pair);
        }
        self.chunks.extend_from_slice(chunks);
        self.postings
            .add(self.ends.len() as u32, &self.pairs[from..]);
        self.ends
            .push((self.pairs.len() as u32, self.chunks.len() as u32));
    }

    /// The chunks of a series.
    pub(crate) fn chunks(&self, series: u32) -> &[ChunkRef] {
        let (from, to) = self.bounds(series);
        &self.chunks[from.1 as usize..to.1 as usize]
    }

    /// About how much memory the index takes.
    pub(crate) fn bytes(&self) -> u64 {
        let fixed = self.pairs.len() * 24 + self.chunks.len() * 48 + self.ends.len() * 8;
        (self.symbols.bytes() * 2 + fixed) as u64
    }

    fn bounds(&self, series: u32) -> ((u32, u32), (u32, u32)) {
        let at = series as usize;
        let from = at
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied()
            .unwrap_or_default();
        (from, self.ends.get(at).copied().unwrap_or(from))
    }

    /// The index as it lies in the file, before packing.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put(&mut out, self.symbols.iter().len() as u64);
        for text in self.symbols.iter() {
            put(&mut out, text.len() as u64);
            out.extend_from_slice(text.as_bytes());
        }
        put(&mut out, self.ends.len() as u64);
        for series in 0..self.count() {
            let pairs = self.pairs(series);
            put(&mut out, pairs.len() as u64);
            for (name, value) in pairs {
                put(&mut out, u64::from(*name));
                put(&mut out, u64::from(*value));
            }
            encode_chunks(&mut out, self.chunks(series));
        }
        out
    }

    /// Reads what [`Self::encode`] wrote.
    pub(crate) fn decode(mut bytes: &[u8]) -> Result<Self, SegmentError> {
        let bytes = &mut bytes;
        let mut texts = Vec::new();
        for _ in 0..take(bytes)? {
            let length = take(bytes)? as usize;
            let (text, rest) = bytes.split_at_checked(length).ok_or(Damaged)?;
            texts.push(std::str::from_utf8(text).map_err(|_| Damaged)?);
            *bytes = rest;
        }
        let text = |symbol: u64| {
            usize::try_from(symbol)
                .ok()
                .and_then(|at| texts.get(at).copied())
        };
        let mut index = Self::default();
        let (mut labels, mut chunks) = (Vec::new(), Vec::new());
        for _ in 0..take(bytes)? {
            labels.clear();
            for _ in 0..take(bytes)? {
                let (name, value) = (text(take(bytes)?), text(take(bytes)?));
                labels.push(name.zip(value).ok_or(Damaged)?);
            }
            decode_chunks(bytes, &mut chunks)?;
            index.add(labels.iter().copied(), &chunks);
        }
        Ok(index)
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
    chunks.clear();
    let mut before = 0i64;
    for _ in 0..take(bytes)? {
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

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Result<u64, SegmentError> {
    varint(bytes).map_err(|_| Damaged.into())
}

fn small(bytes: &mut &[u8]) -> Result<u32, SegmentError> {
    u32::try_from(take(bytes)?).map_err(|_| Damaged.into())
}

impl Index for SegmentIndex {
    fn symbols(&self) -> &Symbols {
        &self.symbols
    }

    fn postings(&self) -> &Postings {
        &self.postings
    }

    fn count(&self) -> u32 {
        self.ends.len() as u32
    }

    fn pairs(&self, series: u32) -> &Pairs {
        let (from, to) = self.bounds(series);
        &self.pairs[from.0 as usize..to.0 as usize]
    }
}

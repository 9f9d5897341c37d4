//! Writes the list of identifiers.
//!
//! Memory: what was added is sorted and packed every [`RUN`] pairs, to about four bytes a
//! pair, and the packed runs are merged at the end. The identifiers of a segment of 512 MiB
//! take about 40 MB so.

use super::{CHUNK, PAGE_BITS, Place};
use crate::segment::numbers::{put, put_varint, take_varint};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::io::{self, Write};

/// How many pairs are kept as they came.
const RUN: usize = 1 << 20;

/// A list of identifiers being written.
#[derive(Debug, Default)]
pub(in crate::segment) struct TokensBuilder {
    /// Hash in the upper half, place in the lower.
    pairs: Vec<u64>,
    runs: Vec<Vec<u8>>,
    count: u64,
    any_pages: bool,
}

impl TokensBuilder {
    /// Adds the identifiers of a block, which is below [`super::BLOCKS_MAX`]: their pages, and
    /// their hashes.
    pub(in crate::segment) fn add(&mut self, block: u32, hashes: impl Iterator<Item = (u8, u32)>) {
        let before = self.pairs.len();
        let any_pages = &mut self.any_pages;
        self.pairs.extend(hashes.map(|(page, hash)| {
            *any_pages |= page > 0;
            let place = Place { block, page }.number(PAGE_BITS).unwrap_or(u32::MAX);
            u64::from(hash) << 32 | u64::from(place)
        }));
        self.count += (self.pairs.len() - before) as u64;
        if self.pairs.len() >= RUN {
            self.pack_run();
        }
    }

    fn pack_run(&mut self) {
        self.pairs.sort_unstable();
        let (mut run, mut before) = (Vec::with_capacity(self.pairs.len() * 4), 0);
        for pair in self.pairs.drain(..) {
            let hash = pair >> 32;
            put_varint(hash - before, &mut run);
            put_varint(pair & u64::from(u32::MAX), &mut run);
            before = hash;
        }
        self.runs.push(run);
    }

    /// Writes the file.
    pub(in crate::segment) fn finish(mut self, out: &mut impl Write) -> io::Result<()> {
        let bits = super::bits_for(self.count);
        let page_bits = if self.any_pages { PAGE_BITS } else { 0 };
        let mut writer = Writer::new(bits, page_bits, out);
        let mut add = |pair: u64| {
            let place = pair as u32 >> (PAGE_BITS - page_bits);
            writer.add(pair & !u64::from(u32::MAX) | u64::from(place))
        };
        if self.runs.is_empty() {
            self.pairs.sort_unstable();
            self.pairs.iter().try_for_each(|pair| add(*pair))?;
        } else {
            self.pack_run();
            merged(&self.runs, add)?;
        }
        writer.finish()
    }
}

/// Calls `each` with the pairs of all runs, ascending.
fn merged(runs: &[Vec<u8>], mut each: impl FnMut(u64) -> io::Result<()>) -> io::Result<()> {
    let mut runs: Vec<PackedRun<'_>> = runs
        .iter()
        .map(|run| PackedRun { at: run, hash: 0 })
        .collect();
    let mut fronts = BinaryHeap::new();
    for (n, run) in runs.iter_mut().enumerate() {
        fronts.extend(run.next().map(|pair| Reverse((pair, n))));
    }
    while let Some(Reverse((pair, n))) = fronts.pop() {
        each(pair)?;
        fronts.extend(runs[n].next().map(|pair| Reverse((pair, n))));
    }
    Ok(())
}

struct PackedRun<'a> {
    at: &'a [u8],
    hash: u64,
}

impl Iterator for PackedRun<'_> {
    type Item = u64;

    fn next(&mut self) -> Option<u64> {
        self.hash += take_varint(&mut self.at)?;
        Some(self.hash << 32 | take_varint(&mut self.at)?)
    }
}

/// Writes pairs that come in their order.
pub(super) struct Writer<'w, W> {
    bits: u32,
    page_bits: u32,
    out: &'w mut W,
    offset: u64,
    hashes: Vec<u32>,
    counts: Vec<i64>,
    places: Vec<i64>,
    index: Vec<u8>,
    chunk: Vec<u8>,
}

impl<'w, W: Write> Writer<'w, W> {
    pub(super) fn new(bits: u32, page_bits: u32, out: &'w mut W) -> Self {
        Self {
            bits,
            page_bits,
            out,
            offset: 0,
            hashes: Vec::new(),
            counts: Vec::new(),
            places: Vec::new(),
            index: Vec::new(),
            chunk: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, pair: u64) -> io::Result<()> {
        let hash = (pair >> 32) as u32 >> (32 - self.bits);
        let place = (pair & u64::from(u32::MAX)).cast_signed();
        if self.hashes.last() != Some(&hash) {
            if self.hashes.len() == CHUNK {
                self.end_chunk()?;
            }
            self.hashes.push(hash);
            self.counts.push(-1);
        } else if self.places.last() == Some(&place) {
            // Of a text and of an attribute.
            return Ok(());
        }
        if let Some(count) = self.counts.last_mut() {
            *count += 1;
        }
        self.places.push(place);
        Ok(())
    }

    fn end_chunk(&mut self) -> io::Result<()> {
        let Some(first) = self.hashes.first().copied() else {
            return Ok(());
        };
        let mut before = first;
        let steps = self.hashes.iter().map(|hash| {
            let step = hash - before;
            before = *hash;
            i64::from(step)
        });
        let steps: Vec<i64> = steps.collect();
        self.chunk.clear();
        put_varint(steps.len() as u64, &mut self.chunk);
        put(&steps, &mut self.chunk);
        put(&self.counts, &mut self.chunk);
        put(&self.places, &mut self.chunk);
        self.out.write_all(&self.chunk)?;
        self.index.extend_from_slice(&first.to_le_bytes());
        self.index.extend_from_slice(&self.offset.to_le_bytes());
        let checksum = crc32c::crc32c(&self.chunk);
        self.index.extend_from_slice(&checksum.to_le_bytes());
        self.offset += self.chunk.len() as u64;
        self.hashes.clear();
        self.counts.clear();
        self.places.clear();
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.end_chunk()?;
        let chunks = (self.index.len() / super::ENTRY) as u32;
        let bits = self.bits | self.page_bits << 8;
        self.index.extend_from_slice(&bits.to_le_bytes());
        self.index.extend_from_slice(&chunks.to_le_bytes());
        let checksum = crc32c::crc32c(&self.index);
        self.index.extend_from_slice(&checksum.to_le_bytes());
        self.out.write_all(&self.index)
    }
}

//! Reads the records of a segment's part one after the other, for merging.

use super::fetch::{Scratch, Wanted};
use super::reader::Segment;
use super::{Damage, guarded};
use crate::record::Key;
use std::ops::Range;
use std::sync::Arc;

/// A record read from a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SealedRecord<'a> {
    /// The ordinal of its stream in the segment.
    pub(crate) stream: u32,
    pub(crate) key: Key,
    pub(crate) packed: &'a [u8],
}

/// Reads a part's records in the order of their streams and keys, a block at a time.
pub(crate) struct Cursor {
    segment: Arc<Segment>,
    /// How many streams the segment has.
    streams: u32,
    scratch: Scratch,
    /// Those that are still to be read.
    blocks: Range<u32>,
    records: Vec<(u32, Key)>,
    packed: Vec<u8>,
    ends: Vec<usize>,
    at: usize,
}

impl Segment {
    /// How many parts it has.
    pub(crate) fn parts(&self) -> Result<u32, Damage> {
        self.directory.check()?;
        Ok(self.directory.parts())
    }

    /// Reads the records of a part in the order of their streams and keys.
    pub(crate) fn cursor(self: &Arc<Self>, part: u32) -> Result<Cursor, Damage> {
        self.directory.check()?;
        self.streams.check_index()?;
        let mut cursor = Cursor {
            segment: Arc::clone(self),
            streams: self.streams.len(),
            scratch: Scratch::new()?,
            blocks: self.directory.blocks_of(part)?,
            records: Vec::new(),
            packed: Vec::new(),
            ends: Vec::new(),
            at: 0,
        };
        guarded(|| cursor.fill())?;
        Ok(cursor)
    }
}

impl Cursor {
    /// The record it stands at.
    pub(crate) fn record(&self) -> Option<SealedRecord<'_>> {
        let (stream, key) = *self.records.get(self.at)?;
        let start = self.at.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(SealedRecord {
            stream,
            key,
            packed: &self.packed[start..self.ends[self.at]],
        })
    }

    /// Goes on to the next record.
    pub(crate) fn advance(&mut self) -> Result<(), Damage> {
        self.at += 1;
        if self.at < self.records.len() {
            return Ok(());
        }
        guarded(|| self.fill())
    }

    /// Unpacks the next block, where there is one.
    fn fill(&mut self) -> Result<(), Damage> {
        self.at = 0;
        self.records.clear();
        self.packed.clear();
        self.ends.clear();
        let Some(number) = self.blocks.next() else {
            return Ok(());
        };
        let segment = Arc::clone(&self.segment);
        let block = segment.block(number)?;
        let scratch = &mut self.scratch;
        block.times(&mut scratch.numbers, &mut scratch.times)?;
        let rows: Vec<usize> = (0..block.records()).collect();
        let keys = block.keys(&rows, &scratch.times)?;
        for run in block.runs() {
            let known = run.stream < self.streams;
            let more = run.records as usize;
            if !known || self.records.len() + more > keys.len() {
                return Err(Damage(format!(
                    "{block} has other streams than the segment"
                )));
            }
            let of_run = &keys[self.records.len()..][..more];
            self.records
                .extend(of_run.iter().map(|key| (run.stream, *key)));
        }
        if self.records.len() != keys.len() {
            return Err(Damage(format!("{block} has records of no stream")));
        }
        let wanted: Vec<Wanted<'_>> = rows
            .iter()
            .zip(&keys)
            .map(|(row, key)| Wanted {
                row: *row,
                key: *key,
                body: None,
            })
            .collect();
        block.fetch(&wanted, scratch, |_, packed| {
            self.packed.extend_from_slice(packed);
            self.ends.push(self.packed.len());
        })?;
        if self.ends.len() != self.records.len() {
            return Err(Damage(format!("{block} has fewer bodies than records")));
        }
        Ok(())
    }
}

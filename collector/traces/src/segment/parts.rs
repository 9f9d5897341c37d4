//! The parts of a segment's spans: each was written at once, and a merge moves it as it lies.
//!
//! ```text
//! spans.blk   part*                     each a sorted-block file, whole in itself
//! index.blk   key  'p' part u32, chunk u32, big endian    value  numbers in the segment's list of
//!                                         [`super::shells`] of 1,024 that a part's spans name by
//!                                         their places in here, ascending, varint deltas
//! ```
//!
//! The spans of a segment's only part name the numbers of the segment's list, and there are no such
//! entries. Where there are several parts, the filter of `index.blk` knows all trace IDs, so that a
//! trace which is not there is asked for once and not once for each part.
//!
//! A trace may have spans in several parts, and copies of one span: who reads it collapses them, as
//! those in several segments.

use super::ordinals::{decode_ordinals, encode_ordinals};
use super::shells::NOT_LISTED;
use super::{SPANS, Segment};
use sonde_segment::blocks::{BlockError, Reader, Writer, Written};
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::ops::Bound;
use std::path::Path;

const NUMBERS: u8 = b'p';
/// So many numbers are read at once.
pub(super) const CHUNK: u32 = 1024;
/// The format of a segment whose spans are in one part, and of one with several.
const FORMAT_OF_ONE: u64 = 2;
const FORMAT_OF_SEVERAL: u64 = 3;

/// What was written of spans.
#[derive(Clone, Copy, Debug)]
pub(super) struct SpansWritten {
    pub(super) bytes: u64,
    pub(super) checksum: u32,
    parts: usize,
}

impl SpansWritten {
    pub(super) fn of(parts: &[Written]) -> Self {
        Self {
            bytes: parts.iter().map(|part| part.bytes).sum(),
            checksum: joined_checksum(parts.iter().map(|part| part.checksum)),
            parts: parts.len(),
        }
    }

    /// The format of a segment with such spans.
    pub(super) fn format(&self) -> u64 {
        if self.parts > 1 {
            FORMAT_OF_SEVERAL
        } else {
            FORMAT_OF_ONE
        }
    }
}

/// The checksum of several parts, or of the only one.
pub(super) fn joined_checksum(parts: impl Iterator<Item = u32>) -> u32 {
    let join = |before, next: u32| crc32c::crc32c_append(before, &next.to_le_bytes());
    parts.reduce(join).unwrap_or_default()
}

/// Writes parts, one behind the other.
pub(super) struct PartsWriter {
    out: BufWriter<File>,
    parts: Vec<Written>,
    bytes: u64,
}

impl PartsWriter {
    pub(super) fn create(path: &Path) -> Result<Self, BlockError> {
        let file = File::create(path.join(SPANS)).map_err(failed("create"))?;
        Ok(Self {
            out: BufWriter::with_capacity(256 << 10, file),
            parts: Vec::new(),
            bytes: 0,
        })
    }

    /// Adds a part as it lies. `wrote` hears of the file's bytes, and may end it.
    pub(super) fn copy(
        &mut self,
        part: &Reader,
        mut wrote: impl FnMut(u64) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        part.copy_to(&mut self.out, |bytes| {
            self.bytes += bytes;
            wrote(self.bytes)
        })?;
        self.parts.push(Written {
            bytes: part.bytes(),
            entries: part.entries(),
            raw_bytes: part.raw_bytes(),
            checksum: part.checksum(),
        });
        Ok(())
    }

    /// Adds a part that `fill` writes, which is told how many bytes came before.
    pub(super) fn write(
        &mut self,
        fill: impl FnOnce(&mut Writer<&mut BufWriter<File>>, u64) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let mut writer = Writer::new(&mut self.out)?;
        fill(&mut writer, self.bytes)?;
        let (written, _) = writer.finish_into()?;
        self.bytes += written.bytes;
        self.parts.push(written);
        Ok(())
    }

    /// Finishes the file and syncs it.
    pub(super) fn finish(mut self) -> Result<SpansWritten, BlockError> {
        self.out.flush().map_err(failed("write"))?;
        self.out.get_ref().sync_all().map_err(failed("sync"))?;
        Ok(SpansWritten::of(&self.parts))
    }
}

fn failed(operation: &'static str) -> impl FnOnce(std::io::Error) -> BlockError {
    move |cause| BlockError::Io { operation, cause }
}

/// Writes what the spans of one part after the other name by the places in these numbers.
pub(super) fn write_numbers<'a>(
    writer: &mut Writer,
    parts: impl Iterator<Item = &'a [u32]>,
) -> Result<(), BlockError> {
    let mut value = Vec::new();
    for (part, numbers) in (0..).zip(parts) {
        for (chunk, numbers) in (0..).zip(numbers.chunks(CHUNK as usize)) {
            value.clear();
            encode_ordinals(numbers.iter().copied(), &mut value);
            writer.add(&key(part, chunk), &value)?;
        }
    }
    Ok(())
}

impl Segment {
    /// The number in the segment's list of what spans of a part name by one.
    pub(super) fn listed(&self, part: u32, number: u32) -> Result<u32, BlockError> {
        if self.parts.len() == 1 {
            return Ok(number);
        }
        let numbers = self.cache.numbers(self, part, number / CHUNK)?;
        let listed = numbers.get((number % CHUNK) as usize).copied();
        listed.ok_or(NOT_LISTED)
    }

    /// A chunk of a part's numbers.
    pub(super) fn read_numbers(&self, part: u32, chunk: u32) -> Result<Vec<u32>, BlockError> {
        let numbers = self.index.get(&key(part, chunk))?.ok_or(NOT_LISTED)?;
        decode_ordinals(&numbers)
    }

    /// All of a part's numbers.
    pub(super) fn numbers_of(&self, part: u32) -> Result<Vec<u32>, BlockError> {
        let first = key(part, 0);
        let mut all = Vec::new();
        for entry in self.index.scan(Bound::Included(&first)) {
            let (key, value) = entry?;
            if !key.starts_with(&first[..5]) {
                break;
            }
            all.extend(decode_ordinals(&value)?);
        }
        Ok(all)
    }
}

fn key(part: u32, chunk: u32) -> [u8; 9] {
    let mut key = [NUMBERS; 9];
    key[1..5].copy_from_slice(&part.to_be_bytes());
    key[5..].copy_from_slice(&chunk.to_be_bytes());
    key
}

#[cfg(test)]
mod tests;

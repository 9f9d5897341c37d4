//! `directory`: what the blocks of a segment are, without looking at them.
//!
//! ```text
//! magic "SONDLOG5" │ blocks u32 │ CRC-32C of words/ u32 │ parts u32
//!       │ head* │ part* (`parts`) │ runs │ CRC-32C of all before
//! head  168 bytes, little endian:
//!   offset u64        of the block's first section in `blocks`
//!   first, last u64   the earliest and the latest time
//!   positions u64 ×2  the first and the last position of the journal
//!   bodies u64        bytes of bodies, unpacked
//!   records u32 │ runs at u32 │ runs u32
//!   flags u32         1: identifiers, 2: words not indexed; 4: identifiers by page
//!   reach 40 bytes    what its identifiers look like (`words::Reach`)
//!   sections 8 × (length u32, CRC-32C u32)
//! runs  per block, per stream: (ordinal - the one before) varint │ records varint │ bytes varint
//! ```
//!
//! Versions 3 and 4 are read too. Templated bodies of before version 5 have no columns with
//! grams, blocks of version 3 no identifiers by page; all else is the same.
//!
//! Heads have a fixed size so that a query reads those it looks at where they lie, in a
//! mapping of the file: an open segment holds nothing of them in memory.

use super::Damage;
use super::handle::Checked;
use super::numbers::{put_varint, take_count, take_varint};
use super::parts::{Part, Place};
use crate::words::Reach;
use sonde_proto::UnixNanos;
use std::ops::Range;
use tantivy::directory::OwnedBytes;

pub(super) const FILE: &str = "directory";
const MAGIC: &[u8; 8] = b"SONDLOG5";
/// The magics of the versions that are read.
const READ: [&[u8; 8]; 3] = [MAGIC, b"SONDLOG4", b"SONDLOG3"];
/// What the magic of every version begins with.
const NAME: &[u8] = b"SONDLOG";
const START: usize = 20;
const HEAD: usize = 168;
const CHECKSUM: usize = 4;

/// The columns of a block, in the order in which they lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Times,
    Order,
    Details,
    Lengths,
    Traces,
    Spans,
    Attributes,
    Bodies,
}

pub(super) const SECTIONS: usize = 8;

impl Section {
    pub(super) const ALL: [Self; SECTIONS] = [
        Self::Times,
        Self::Order,
        Self::Details,
        Self::Lengths,
        Self::Traces,
        Self::Spans,
        Self::Attributes,
        Self::Bodies,
    ];
}

/// Its identifiers are in no list: it may hold any.
pub(super) const ANY_IDENTIFIER: u32 = 1;
/// Its words are in no dictionary: it may hold any.
pub(super) const ANY_WORD: u32 = 2;
/// Its identifiers are listed with the page of its bodies that they are on.
pub(super) const BY_PAGE: u32 = 4;

/// What is known of a block without looking at it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) offset: u64,
    pub(super) first: UnixNanos,
    pub(super) last: UnixNanos,
    pub(super) positions: (u64, u64),
    pub(super) body_bytes: u64,
    pub(super) records: u32,
    pub(super) runs_at: u32,
    pub(super) runs: u32,
    pub(super) flags: u32,
    pub(super) reach: Reach,
    pub(super) sections: [Extent; SECTIONS],
}

/// How long a section is, and its checksum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) length: u32,
    pub(super) checksum: u32,
}

/// Neighbouring records of one stream in a block.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) stream: u32,
    pub(super) records: u32,
    pub(super) body_bytes: u64,
}

impl Head {
    /// Where a section lies in `blocks`; nothing where that is beyond any file.
    pub(super) fn extent(&self, section: Section) -> Option<(Range<usize>, u32)> {
        let at = section as usize;
        let before = self.sections[..at].iter().map(|s| u64::from(s.length));
        let from = self.offset.checked_add(before.sum())?;
        let to = from.checked_add(u64::from(self.sections[at].length))?;
        let range = usize::try_from(from).ok()?..usize::try_from(to).ok()?;
        Some((range, self.sections[at].checksum))
    }

    fn write(&self, out: &mut Vec<u8>) {
        let longs = [
            self.offset,
            self.first.0,
            self.last.0,
            self.positions.0,
            self.positions.1,
            self.body_bytes,
        ];
        longs
            .iter()
            .for_each(|n| out.extend_from_slice(&n.to_le_bytes()));
        for n in [self.records, self.runs_at, self.runs, self.flags] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        self.reach.write(out);
        for section in self.sections {
            out.extend_from_slice(&section.length.to_le_bytes());
            out.extend_from_slice(&section.checksum.to_le_bytes());
        }
    }

    fn read(bytes: &[u8; HEAD]) -> Self {
        let long = |n: usize| u64::from_le_bytes(array(bytes, n * 8));
        let short = |at: usize| u32::from_le_bytes(array(bytes, at));
        let mut head = Self {
            offset: long(0),
            first: UnixNanos(long(1)),
            last: UnixNanos(long(2)),
            positions: (long(3), long(4)),
            body_bytes: long(5),
            records: short(48),
            runs_at: short(52),
            runs: short(56),
            flags: short(60),
            reach: Reach::read(&array(bytes, 64)),
            sections: Default::default(),
        };
        for (n, section) in head.sections.iter_mut().enumerate() {
            let at = 64 + Reach::BYTES + n * 8;
            section.length = short(at);
            section.checksum = short(at + 4);
        }
        head
    }
}

/// `N` bytes at `at` of a head; a head has them.
fn array<const N: usize>(bytes: &[u8; HEAD], at: usize) -> [u8; N] {
    bytes[at..].first_chunk().copied().unwrap_or([0; N])
}

/// A directory being written.
#[derive(Debug, Default)]
pub(super) struct DirectoryBuilder {
    heads: Vec<u8>,
    parts: Vec<u8>,
    runs: Vec<u8>,
    blocks: u32,
    /// How many of them are in parts.
    in_parts: u32,
}

impl DirectoryBuilder {
    /// Adds the next block. False where there are too many.
    pub(super) fn add(&mut self, mut head: Head, runs: &[Run]) -> bool {
        let (Ok(at), Some(blocks)) = (u32::try_from(self.runs.len()), self.blocks.checked_add(1))
        else {
            return false;
        };
        head.runs_at = at;
        head.runs = runs.len() as u32;
        let mut before = 0;
        for run in runs {
            put_varint(u64::from(run.stream - before), &mut self.runs);
            put_varint(u64::from(run.records), &mut self.runs);
            put_varint(run.body_bytes, &mut self.runs);
            before = run.stream;
        }
        head.write(&mut self.heads);
        self.blocks = blocks;
        true
    }

    /// How many blocks there are.
    pub(super) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// Makes the blocks that were added since the last part a part, where there are any.
    pub(super) fn end_part(&mut self, dictionary: Place) {
        if self.in_parts < self.blocks {
            let part = Part {
                first_block: self.in_parts,
                dictionary,
            };
            part.write(&mut self.parts);
            self.in_parts = self.blocks;
        }
    }

    /// The file. All blocks are in parts.
    pub(super) fn finish(self, words_checksum: u32) -> Vec<u8> {
        let parts = (self.parts.len() / Part::BYTES) as u32;
        let mut out = MAGIC.to_vec();
        out.extend_from_slice(&self.blocks.to_le_bytes());
        out.extend_from_slice(&words_checksum.to_le_bytes());
        out.extend_from_slice(&parts.to_le_bytes());
        out.extend_from_slice(&self.heads);
        out.extend_from_slice(&self.parts);
        out.extend_from_slice(&self.runs);
        let checksum = crc32c::crc32c(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out
    }
}

fn is_read(bytes: &[u8]) -> bool {
    READ.iter().any(|magic| bytes.starts_with(*magic))
}

/// Where the file is of a version of the format that is not read: its bytes as they would be if
/// it said that it is of one that is, of each.
pub(super) fn of_another_version(bytes: &[u8]) -> Option<impl Iterator<Item = Vec<u8>>> {
    if !bytes.starts_with(NAME) || is_read(bytes) {
        return None;
    }
    let rest = bytes.get(MAGIC.len()..).unwrap_or_default();
    Some(READ.iter().map(move |magic| [&magic[..], rest].concat()))
}

/// The directory of an open segment.
pub(super) struct Directory {
    bytes: OwnedBytes,
    blocks: u32,
    parts: u32,
    checked: Checked,
}

impl Directory {
    /// Takes the bytes of the file; whether they are as written is seen by `check`.
    pub(super) fn open(bytes: OwnedBytes) -> Result<Self, Damage> {
        let damaged = || Damage(format!("{FILE} is no directory of blocks"));
        let start: &[u8; START] = bytes.first_chunk().ok_or_else(damaged)?;
        let blocks = u32::from_le_bytes([start[8], start[9], start[10], start[11]]);
        let parts = u32::from_le_bytes([start[16], start[17], start[18], start[19]]);
        let heads = (blocks as usize).checked_mul(HEAD);
        let of_parts = (parts as usize).checked_mul(Part::BYTES);
        let needed = heads
            .and_then(|n| n.checked_add(of_parts?))
            .and_then(|n| n.checked_add(START + CHECKSUM));
        if start.starts_with(NAME) && !is_read(start) {
            return Err(Damage(format!(
                "{FILE} is of another version of the format than this program reads"
            )));
        }
        if !is_read(start) || needed.is_none_or(|n| n > bytes.len()) {
            return Err(damaged());
        }
        Ok(Self {
            bytes,
            blocks,
            parts,
            checked: Checked::default(),
        })
    }

    /// Takes what is known of its checksum, or will be, from `checked`.
    pub(super) fn with(mut self, checked: &Checked) -> Self {
        self.checked = Checked::clone(checked);
        self
    }

    /// Looks at the checksum, once.
    pub(super) fn check(&self) -> Result<(), Damage> {
        let right = self.checked.get_or_init(|| {
            let (all, checksum) = self.bytes.split_at(self.bytes.len() - CHECKSUM);
            crc32c::crc32c(all).to_le_bytes() == checksum
        });
        match right {
            true => Ok(()),
            false => Err(Damage(format!("the checksum of {FILE} does not hold"))),
        }
    }

    pub(super) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// The checksum of the dictionary of words.
    pub(super) fn words_checksum(&self) -> u32 {
        u32::from_le_bytes([
            self.bytes[12],
            self.bytes[13],
            self.bytes[14],
            self.bytes[15],
        ])
    }

    /// How many parts there are.
    pub(super) fn parts(&self) -> u32 {
        self.parts
    }

    /// A part, by its number.
    pub(super) fn part(&self, number: u32) -> Result<Part, Damage> {
        let at = START + self.blocks as usize * HEAD + number as usize * Part::BYTES;
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        let bytes = bytes.filter(|_| number < self.parts);
        bytes
            .map(Part::read)
            .ok_or_else(|| Damage(format!("{FILE} has no part {number}")))
    }

    /// The blocks of a part.
    pub(super) fn blocks_of(&self, part: u32) -> Result<Range<u32>, Damage> {
        let from = self.part(part)?.first_block;
        let to = match part + 1 < self.parts {
            true => self.part(part + 1)?.first_block,
            false => self.blocks,
        };
        Ok(from..to)
    }

    /// The number of the part that a block is in.
    pub(super) fn part_of(&self, block: u32) -> Result<u32, Damage> {
        let (mut low, mut high) = (0, self.parts);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.part(middle)?.first_block <= block {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
            .ok_or_else(|| Damage(format!("block {block} is in no part")))
    }

    /// What is known of a block.
    pub(super) fn head(&self, block: u32) -> Result<Head, Damage> {
        let at = START + block as usize * HEAD;
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        let bytes = bytes.filter(|_| block < self.blocks);
        bytes
            .map(Head::read)
            .ok_or_else(|| Damage(format!("{FILE} has no block {block}")))
    }

    /// The blocks that have a flag.
    pub(super) fn flagged(&self, flag: u32) -> impl Iterator<Item = u32> + use<'_> {
        const FLAGS: usize = 60;
        let heads = self
            .bytes
            .get(START..)
            .unwrap_or_default()
            .chunks_exact(HEAD);
        let flags = heads.map(|head| head[FLAGS..].first_chunk().copied().unwrap_or_default());
        let has = move |flags: [u8; 4]| u32::from_le_bytes(flags) & flag != 0;
        (0..self.blocks)
            .zip(flags)
            .filter_map(move |(block, flags)| has(flags).then_some(block))
    }

    /// The streams of a block's records, in their order.
    pub(super) fn runs(&self, head: &Head) -> impl Iterator<Item = Run> + use<'_> {
        let from = START
            + self.blocks as usize * HEAD
            + self.parts as usize * Part::BYTES
            + head.runs_at as usize;
        let to = self.bytes.len() - CHECKSUM;
        let mut at = self.bytes.get(from..to).unwrap_or_default();
        let (mut stream, mut left) = (0_u32, head.runs);
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let step = u32::try_from(take_count(&mut at)?).ok()?;
            stream = stream.checked_add(step)?;
            Some(Run {
                stream,
                records: u32::try_from(take_count(&mut at)?).ok()?,
                body_bytes: take_varint(&mut at)?,
            })
        })
    }
}

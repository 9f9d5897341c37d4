//! Reads one segment: opened once, searched by many threads.
//!
//! Opening maps the files and looks at little of them; each piece is held against its
//! checksum whenever it is read. Memory: the streams, where there is room for them, and
//! what tantivy keeps of its dictionary; the rest lies in the page cache.

use super::bodies::{self, Bodies};
use super::common::Common;
use super::directory::{self, Directory, Head, Run, Section};
use super::ids::Ids;
use super::numbers::{take, take_bytes};
use super::streams::{self, StreamList, Streams};
use super::templates::{self, Templates};
use super::tokens::{self, Tokens};
use super::vocabulary::Vocabulary;
use super::writer::BLOCKS;
use super::{Damage, guarded};
use crate::record::Key;
use sonde_patterns::Dictionary;
use sonde_proto::{Position, UnixNanos};
use sonde_segment::SegmentMeta;
use std::cell::OnceCell;
use std::path::Path;
use std::sync::Arc;
use tantivy::directory::{Directory as _, MmapDirectory, OwnedBytes};

/// A sealed segment, open for reading.
pub(crate) struct Segment {
    /// What the manifest says of it.
    pub(crate) meta: SegmentMeta,
    pub(super) directory: Directory,
    pub(super) tokens: Tokens,
    pub(super) vocabulary: Vocabulary,
    templates: Templates,
    streams: Streams,
    common: Arc<Common>,
    blocks: OwnedBytes,
}

impl Segment {
    /// Opens the segment in `dir`. Streams that another segment has too are taken from
    /// `common`. With `verify` every byte is held against its checksum now.
    pub(crate) fn open(
        meta: SegmentMeta,
        dir: &Path,
        common: &Arc<Common>,
        verify: bool,
    ) -> Result<Self, Damage> {
        guarded(|| {
            let segment = Self::map(meta, dir, common)?;
            if verify {
                segment.check()?;
            }
            Ok(segment)
        })
    }

    fn map(meta: SegmentMeta, dir: &Path, common: &Arc<Common>) -> Result<Self, Damage> {
        let files = MmapDirectory::open(dir).map_err(|error| Damage(error.to_string()))?;
        let map = |name: &str| -> Result<OwnedBytes, Damage> {
            let damaged = |why: &dyn std::fmt::Display| Damage(format!("{name}: {why}"));
            let file = files
                .open_read(Path::new(name))
                .map_err(|error| damaged(&error))?;
            file.read_bytes().map_err(|error| damaged(&error))
        };
        let directory = Directory::open(map(directory::FILE)?)?;
        let templates = match dir.join(templates::FILE).try_exists() {
            Ok(false) => None,
            _ => Some(map(templates::FILE)?),
        };
        Ok(Self {
            templates: Templates::new(templates, &common.dictionaries),
            tokens: Tokens::open(map(tokens::FILE)?)?,
            vocabulary: Vocabulary::open(dir, directory.blocks())?,
            streams: Streams::new(map(streams::FILE)?, &common.streams),
            common: Arc::clone(common),
            blocks: map(BLOCKS)?,
            directory,
            meta,
        })
    }

    /// Holds everything against its checksum.
    fn check(&self) -> Result<(), Damage> {
        self.directory.check()?;
        self.tokens.check()?;
        self.vocabulary.check(self.directory.words_checksum())?;
        self.streams.check()?;
        self.templates.check()?;
        let (mut records, mut end) = (0, 0);
        for number in 0..self.directory.blocks() {
            let block = self.block(number)?;
            for section in Section::ALL {
                block.section(section)?;
            }
            if bodies::is_templated(block.section(Section::Bodies)?) {
                block.dictionary()?;
            }
            records += u64::from(block.head.records);
            end = block.end();
        }
        if records != self.meta.records || end != self.blocks.len() {
            return Err(Damage(format!(
                "it holds {records} records in {end} bytes instead of {} in {}",
                self.meta.records,
                self.blocks.len()
            )));
        }
        Ok(())
    }

    /// The streams its records are of, ascending.
    pub(crate) fn streams(&self) -> Result<StreamList, Damage> {
        guarded(|| self.streams.all())
    }

    /// A block of it.
    pub(super) fn block(&self, number: u32) -> Result<Block<'_>, Damage> {
        Ok(Block {
            head: self.directory.head(number)?,
            segment: self,
            dictionary: OnceCell::new(),
            number,
        })
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("id", &self.meta.id)
            .field("records", &self.meta.records)
            .finish_non_exhaustive()
    }
}

/// A block of a segment, nothing of it read yet.
pub(super) struct Block<'s> {
    pub(super) head: Head,
    segment: &'s Segment,
    dictionary: OnceCell<Arc<Dictionary>>,
    number: u32,
}

impl<'s> Block<'s> {
    /// How many records it has.
    pub(super) fn records(&self) -> usize {
        self.head.records as usize
    }

    /// The streams of its records, in their order.
    pub(super) fn runs(&self) -> impl Iterator<Item = Run> + use<'s> {
        self.segment.directory.runs(&self.head)
    }

    /// The bytes of a section, which are as they were written.
    pub(super) fn section(&self, section: Section) -> Result<&'s [u8], Damage> {
        let found = self.head.extent(section).and_then(|(range, checksum)| {
            let bytes = self.segment.blocks.get(range)?;
            (crc32c::crc32c(bytes) == checksum).then_some(bytes)
        });
        found.ok_or_else(|| {
            Damage(format!(
                "the checksum of {self}, {section:?}, does not hold"
            ))
        })
    }

    /// Where the block ends among all blocks.
    fn end(&self) -> usize {
        self.head
            .extent(Section::Bodies)
            .map_or(usize::MAX, |(range, _)| range.end)
    }

    /// What a section says cannot be.
    pub(super) fn nonsense(&self, section: Section) -> Damage {
        Damage(format!("{self}, {section:?}, cannot be read"))
    }

    /// The times of the records.
    pub(super) fn times(
        &self,
        numbers: &mut Vec<i64>,
        into: &mut Vec<UnixNanos>,
    ) -> Result<(), Damage> {
        let mut at = self.section(Section::Times)?;
        self.read_times(&mut at, numbers, into)
            .ok_or_else(|| self.nonsense(Section::Times))
    }

    fn read_times(
        &self,
        at: &mut &[u8],
        numbers: &mut Vec<i64>,
        into: &mut Vec<UnixNanos>,
    ) -> Option<()> {
        into.clear();
        let (code, rest) = at.split_first()?;
        *at = rest;
        let scale = 1000_u64.checked_pow(u32::from(*code))?;
        let mut time = take_long(at)?;
        take(at, self.records().checked_sub(1)?, numbers)?;
        into.reserve(self.records());
        into.push(UnixNanos(time.wrapping_mul(scale)));
        into.extend(numbers.iter().map(|step| {
            time = time.wrapping_add(step.cast_unsigned());
            UnixNanos(time.wrapping_mul(scale))
        }));
        Some(())
    }

    /// The keys of the records at `rows`, whose times are among `times`.
    pub(super) fn keys(&self, rows: &[usize], times: &[UnixNanos]) -> Result<Vec<Key>, Damage> {
        let mut at = self.section(Section::Order)?;
        self.read_keys(&mut at, rows, times)
            .ok_or_else(|| self.nonsense(Section::Order))
    }

    fn read_keys(&self, at: &mut &[u8], rows: &[usize], times: &[UnixNanos]) -> Option<Vec<Key>> {
        let mut position = take_long(at)?;
        let (mut steps, mut indexes) = (Vec::new(), Vec::new());
        take(at, self.records().checked_sub(1)?, &mut steps)?;
        take(at, self.records(), &mut indexes)?;
        let (mut rows, mut index) = (rows.iter().copied().peekable(), 0_i64);
        let mut keys = Vec::with_capacity(rows.len());
        let steps = [0].iter().chain(&steps);
        for (row, (step, more)) in steps.zip(&indexes).enumerate() {
            position = position.wrapping_add(step.cast_unsigned());
            index = index.wrapping_add(*more);
            if rows.next_if_eq(&row).is_some() {
                keys.push(Key {
                    time: *times.get(row)?,
                    position: Position(position),
                    index: u32::try_from(index).ok()?,
                });
            }
        }
        Some(keys)
    }

    /// Where each body ends among all bodies.
    pub(super) fn ends(&self, numbers: &mut Vec<i64>, into: &mut Vec<usize>) -> Result<(), Damage> {
        into.clear();
        let mut at = self.section(Section::Lengths)?;
        let mut read = || {
            take(&mut at, self.records(), numbers)?;
            let mut end = 0_usize;
            for length in &*numbers {
                end = end.checked_add(usize::try_from(*length).ok()?)?;
                into.push(end);
            }
            Some(())
        };
        read().ok_or_else(|| self.nonsense(Section::Lengths))
    }

    /// The bodies, which end at `ends`.
    pub(super) fn bodies<'a>(&'a self, ends: &'a [usize]) -> Result<Bodies<'a>, Damage> {
        let section = self.section(Section::Bodies)?;
        let bodies = match bodies::is_templated(section) {
            true => Bodies::read_templated(section, ends, self.dictionary()?),
            false => Bodies::read(section, ends),
        };
        bodies.ok_or_else(|| self.nonsense(Section::Bodies))
    }

    /// The templates of the segment.
    fn dictionary(&self) -> Result<&Arc<Dictionary>, Damage> {
        if let Some(known) = self.dictionary.get() {
            return Ok(known);
        }
        let kept = &self.segment.common.dictionaries;
        let dictionary = self.segment.templates.dictionary(kept)?;
        Ok(self.dictionary.get_or_init(|| dictionary))
    }

    /// The trace IDs.
    pub(super) fn traces(&self) -> Result<Ids<'s, 16>, Damage> {
        let section = self.section(Section::Traces)?;
        Ids::read(section, self.records()).ok_or_else(|| self.nonsense(Section::Traces))
    }

    /// The span IDs.
    pub(super) fn spans(&self) -> Result<Ids<'s, 8>, Damage> {
        let section = self.section(Section::Spans)?;
        Ids::read(section, self.records()).ok_or_else(|| self.nonsense(Section::Spans))
    }
}

impl std::fmt::Display for Block<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "block {}", self.number)
    }
}

pub(super) fn take_long(at: &mut &[u8]) -> Option<u64> {
    let bytes = take_bytes(at, 8)?;
    bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

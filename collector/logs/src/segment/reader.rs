//! Reads one open segment, which many threads may search.
//!
//! Opening maps the files and looks at little of them; each piece is held against its
//! checksum whenever it is read. Memory: streams that were read, where there is room for them,
//! and what tantivy keeps of its dictionary; the rest lies in the page cache.

use super::bodies::{self, Bodies};
use super::common::Common;
use super::directory::{self, Directory, Head, Run, Section};
use super::handle::{Known, ReadError};
use super::ids::Ids;
use super::mapped::Lease;
use super::numbers::{take, take_bytes};
use super::parts;
use super::streams::{self, StreamList, Streams, Summary, Values};
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
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use tantivy::directory::{Directory as _, MmapDirectory, OwnedBytes};

/// A sealed segment, open for reading.
pub(crate) struct Segment {
    /// What the manifest says of it.
    pub(crate) meta: Arc<SegmentMeta>,
    pub(super) directory: Directory,
    pub(super) tokens: Tokens,
    pub(super) vocabulary: Vocabulary,
    pub(super) templates: Templates,
    pub(super) streams: Streams,
    common: Arc<Common>,
    pub(super) blocks: OwnedBytes,
    pub(super) lease: Lease,
}

impl Segment {
    /// Opens the segment in `dir` that nothing is known of. With `verify` every byte is held
    /// against its checksum now.
    #[cfg(test)]
    pub(crate) fn open(
        meta: SegmentMeta,
        dir: &Path,
        common: &Arc<Common>,
        verify: bool,
    ) -> Result<Self, Damage> {
        let segment = Self::open_known(Arc::new(meta), dir, common, &Known::default());
        let segment = segment.map_err(|error| Damage(error.to_string()))?;
        if verify {
            segment.verify()?;
        }
        Ok(segment)
    }

    /// Opens the segment in `dir`. Streams that another segment has too are taken from
    /// `common`. What is in `known` is not looked at again.
    pub(super) fn open_known(
        meta: Arc<SegmentMeta>,
        dir: &Path,
        common: &Arc<Common>,
        known: &Known,
    ) -> Result<Self, ReadError> {
        guarded::<_, Damage>(|| Ok(Self::map(meta, dir, common, known)))?
    }

    fn map(
        meta: Arc<SegmentMeta>,
        dir: &Path,
        common: &Arc<Common>,
        known: &Known,
    ) -> Result<Self, ReadError> {
        let files = MmapDirectory::open(dir)?;
        let mut bytes = 0;
        let mut map = |name: &str| -> Result<OwnedBytes, ReadError> {
            let file = files.open_read(Path::new(name))?.read_bytes()?;
            bytes += file.len() as u64;
            Ok(file)
        };
        let directory = Directory::open(map(directory::FILE)?)?.with(&known.directory);
        let templates = match dir.join(templates::FILE).try_exists() {
            Ok(false) => None,
            _ => Some(map(templates::FILE)?),
        };
        let dictionaries = known.dictionaries(directory.parts(), &common.dictionaries);
        let (tokens, streams, blocks) = (map(tokens::FILE)?, map(streams::FILE)?, map(BLOCKS)?);
        let vocabulary = Vocabulary::open(dir, directory.blocks(), &known.words)?;
        let bytes = bytes + vocabulary.bytes();
        known.note_bytes(bytes)?;
        Ok(Self {
            templates: Templates::new(templates, dictionaries),
            tokens: Tokens::open(tokens)?.with(&known.tokens),
            vocabulary,
            streams: Streams::open(streams, &common.streams, &known.streams)?.with(&known.list),
            common: Arc::clone(common),
            blocks,
            directory,
            lease: common.mapped.lease(bytes),
            meta,
        })
    }

    /// Holds everything against its checksum.
    pub(super) fn verify(&self) -> Result<(), Damage> {
        guarded(|| self.check())
    }

    fn check(&self) -> Result<(), Damage> {
        self.directory.check()?;
        self.tokens.check()?;
        self.vocabulary.check(self.directory.words_checksum())?;
        self.streams.check()?;
        let parts = (0..self.directory.parts()).map(|number| self.directory.part(number));
        let parts = parts.collect::<Result<Vec<_>, _>>()?;
        parts::check(parts.iter().copied(), self.directory.blocks())?;
        self.templates.check(parts.into_iter())?;
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

    /// The sections of its streams: the ordinals of each, and what their labels are.
    pub(crate) fn sections_of_streams(
        &self,
        mut each: impl FnMut(Range<u32>, Summary<'_>) -> Result<(), Damage>,
    ) -> Result<(), Damage> {
        self.streams.check_index()?;
        (0..self.streams.sections()).try_for_each(|section| {
            let ordinals = self.streams.ordinals(section)?;
            each(ordinals, self.streams.summary(section)?)
        })
    }

    /// Calls `each` with the values that a label has in its streams, some of them more than once.
    pub(crate) fn each_value(&self, label: &str, mut each: impl FnMut(&str)) -> Result<(), Damage> {
        self.streams.check_index()?;
        for section in 0..self.streams.sections() {
            let values = self.streams.summary(section)?.values(label);
            match values.ok_or_else(Summary::damage)? {
                Values::Are(values) => values.into_iter().for_each(&mut each),
                Values::Between(..) | Values::Unknown => {
                    let streams = self.streams.section(section)?;
                    streams
                        .iter()
                        .for_each(|stream| each(stream.labels.get(label)));
                }
            }
        }
        Ok(())
    }

    /// The streams of a section.
    pub(crate) fn section_of_streams(&self, section: u32) -> Result<StreamList, Damage> {
        self.streams.section(section)
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

    /// What it is of.
    pub(super) fn segment(&self) -> &'s Segment {
        self.segment
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

    /// How many bytes a section has.
    pub(super) fn length(&self, section: Section) -> usize {
        self.head.sections[section as usize].length as usize
    }

    /// Where the block ends among all blocks.
    pub(super) fn end(&self) -> usize {
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
        let (mut from, mut index) = (0, 0_i64);
        let mut keys = Vec::with_capacity(rows.len());
        let sum = |differences: &[i64]| differences.iter().fold(0, |a: i64, b| a.wrapping_add(*b));
        for row in rows {
            // What lies between two wanted rows is only summed up.
            let steps = sum(steps.get(from.max(1) - 1..*row)?);
            position = position.wrapping_add(steps.cast_unsigned());
            index = index.wrapping_add(sum(indexes.get(from..=*row)?));
            from = row + 1;
            keys.push(Key {
                time: *times.get(*row)?,
                position: Position(position),
                index: u32::try_from(index).ok()?,
            });
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

    /// Whether its bodies are templated, if they are as they were written.
    pub(super) fn is_templated(&self) -> bool {
        let bodies = self.head.extent(Section::Bodies);
        let section = bodies.and_then(|(range, _)| self.segment.blocks.get(range));
        section.is_some_and(bodies::is_templated)
    }

    /// The templates of its part.
    pub(super) fn dictionary(&self) -> Result<&Arc<Dictionary>, Damage> {
        if let Some(known) = self.dictionary.get() {
            return Ok(known);
        }
        let Segment {
            directory,
            templates,
            common,
            ..
        } = self.segment;
        let number = directory.part_of(self.number)?;
        let part = (number, &directory.part(number)?);
        let dictionary = templates.dictionary(part, &common.dictionaries)?;
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

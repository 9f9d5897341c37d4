//! Joins segments: their blocks are moved as they are.
//!
//! ```text
//! blocks      copied, one source after the other, each section held against its checksum
//! directory   heads with new offsets; runs with the ordinals of all streams together; the
//!             parts of all sources
//! templates   the dictionaries of all parts, copied
//! tokens      the sorted lists as one
//! words/      merged by tantivy
//! streams     the sorted lists as one
//! ```
//!
//! Nothing of a record is unpacked, which is what makes it a tenth of the work of writing the
//! records anew. It is all that merging is for where blocks are full already: one list of
//! identifiers, one dictionary of words and one directory to look into, instead of many.
//!
//! Whatever is copied was looked at: a damaged source is named, and does not take those that
//! it would be joined with along when a query meets the damage.

use super::Damage;
use super::directory::{self, DirectoryBuilder, Section};
use super::reader::Segment;
use super::streams::{self, ListsError, Streams};
use super::templates::{self, TemplatesBuilder};
use super::tokens::{self, ListError};
use super::vocabulary;
use super::writer::{BLOCKS, WriteError, Written, directory_bytes, io_error, too_large};
use super::{guarded, writer};
use sonde_proto::UnixNanos;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// All blocks of a part but the last are full. Where parts have at least so many blocks on
/// average, writing the records anew would save few blocks.
const BLOCKS_PER_PART_MIN: u32 = 4;
/// Parts that are written anew have one dictionary together. It is worth that where the
/// dictionaries are more than one part in so many of the blocks.
const TEMPLATES_SHARE_MAX: u64 = 32;

/// A segment to be joined with others.
pub(crate) struct JoinSource<'a> {
    pub(crate) segment: &'a Segment,
    /// Where its files lie.
    pub(crate) dir: PathBuf,
}

/// Why segments could not be joined.
#[derive(Debug)]
pub(crate) enum JoinError {
    /// The source at this place is damaged.
    Damaged(usize, Damage),
    Write(WriteError),
    /// The caller did not want it any more.
    Stopped,
}

impl From<WriteError> for JoinError {
    fn from(error: WriteError) -> Self {
        Self::Write(error)
    }
}

/// Whether the joined segment would be about as good as one that is written anew. Damage
/// comes with the place of the source that has it.
pub(crate) fn join_well(sources: &[Arc<Segment>]) -> Result<bool, (usize, Damage)> {
    let (mut blocks, mut parts, mut templates, mut bytes) = (0_u32, 0_u32, 0, 0);
    for (at, source) in sources.iter().enumerate() {
        let directory = &source.directory;
        directory.check().map_err(|damage| (at, damage))?;
        blocks = blocks.saturating_add(directory.blocks());
        parts = parts.saturating_add(directory.parts());
        bytes += source.blocks.len() as u64;
        for number in 0..directory.parts() {
            let part = directory.part(number).map_err(|damage| (at, damage))?;
            templates += u64::from(part.dictionary.length);
        }
    }
    Ok(blocks / BLOCKS_PER_PART_MIN >= parts
        && templates <= bytes / TEMPLATES_SHARE_MAX
        && tokens::stays_selective(sources.iter().map(|source| &source.tokens)))
}

/// Writes `sources`, in their order, as one segment into the directory `dir`, which is
/// created. Its files are written; making them durable is the caller's. `go_on` is asked once
/// in a while, with how many bytes were written.
///
/// What the packed records' bytes are is not known here.
pub(crate) fn join(
    dir: &Path,
    sources: &[JoinSource<'_>],
    mut go_on: impl FnMut(u64) -> bool,
) -> Result<Written, JoinError> {
    let mut join = Join::create(dir)?;
    let lists: Vec<&Streams> = sources.iter().map(|s| &s.segment.streams).collect();
    let streams = streams::join(&lists).map_err(|error| match error {
        ListsError::Damaged(at, damage) => JoinError::Damaged(at, damage),
        ListsError::Io(error) => JoinError::Write(io_error(dir)(error)),
        ListsError::TooMany => JoinError::Write(too_large(dir)),
    })?;
    let mut first_blocks = Vec::with_capacity(sources.len());
    for ((at, source), ordinals) in sources.iter().enumerate().zip(&streams.ordinals) {
        first_blocks.push(join.directory.blocks());
        join.copy(at, source.segment, ordinals, &mut go_on)?;
    }
    join.tokens(sources, &first_blocks, &mut go_on)?;
    for (at, source) in sources.iter().enumerate() {
        let Segment {
            directory,
            vocabulary,
            ..
        } = source.segment;
        let checked = guarded(|| vocabulary.check(directory.words_checksum()));
        checked.map_err(|damage| JoinError::Damaged(at, damage))?;
    }
    if !go_on(join.offset) {
        return Err(JoinError::Stopped);
    }
    let dirs: Vec<PathBuf> = sources.iter().map(|source| source.dir.clone()).collect();
    let words = vocabulary::join(dir, &dirs).map_err(writer::words_error(dir))?;
    join.finish(words, &streams.file)
}

/// A segment that is being joined from others.
struct Join<'d> {
    dir: &'d Path,
    blocks: BufWriter<File>,
    offset: u64,
    directory: DirectoryBuilder,
    templates: TemplatesBuilder,
    written: Written,
}

impl<'d> Join<'d> {
    fn create(dir: &'d Path) -> Result<Self, WriteError> {
        let io = io_error(dir);
        std::fs::create_dir_all(dir).map_err(&io)?;
        let blocks = File::create(dir.join(BLOCKS)).map_err(&io)?;
        Ok(Self {
            dir,
            blocks: BufWriter::with_capacity(1 << 20, blocks),
            offset: 0,
            directory: DirectoryBuilder::default(),
            templates: TemplatesBuilder::default(),
            written: Written::default(),
        })
    }

    /// Copies the parts of the source at a place. `ordinals` are those of its streams among
    /// all.
    fn copy(
        &mut self,
        at: usize,
        source: &Segment,
        ordinals: &[u32],
        go_on: &mut impl FnMut(u64) -> bool,
    ) -> Result<(), JoinError> {
        let damaged = |damage| JoinError::Damaged(at, damage);
        source.directory.check().map_err(damaged)?;
        let mut end = 0;
        for number in 0..source.directory.parts() {
            let part = source.directory.part(number).map_err(damaged)?;
            for block in source.directory.blocks_of(number).map_err(damaged)? {
                end = self.copy_block(at, source, block, ordinals, end)?;
                if !go_on(self.offset) {
                    return Err(JoinError::Stopped);
                }
            }
            let dictionary = source.templates.written(&part).map_err(damaged)?;
            let place = self.templates.add(dictionary);
            let place = place.ok_or_else(|| too_large(self.dir))?;
            self.directory.end_part(place);
        }
        match end == source.blocks.len() {
            true => Ok(()),
            false => Err(damaged(Damage(format!(
                "{BLOCKS} has another length than its directory says"
            )))),
        }
    }

    /// Copies the block that begins at `from`; where it ends.
    fn copy_block(
        &mut self,
        at: usize,
        source: &Segment,
        number: u32,
        ordinals: &[u32],
        from: usize,
    ) -> Result<usize, JoinError> {
        let damaged = |damage| JoinError::Damaged(at, damage);
        let block = source.block(number).map_err(damaged)?;
        for section in Section::ALL {
            block.section(section).map_err(damaged)?;
        }
        let to = block.end();
        let bytes = source.blocks.get(from..to);
        let (Some(bytes), Ok(offset)) = (bytes, u64::try_from(from)) else {
            return Err(damaged(Damage(format!("{block} lies beyond {BLOCKS}"))));
        };
        let mut runs = Vec::with_capacity(block.head.runs as usize);
        let (mut records, mut before) = (0, 0);
        for mut run in block.runs() {
            let ordinal = ordinals.get(run.stream as usize).copied();
            run.stream = ordinal
                .filter(|ordinal| *ordinal >= before)
                .ok_or_else(|| damaged(Damage(format!("{block} has streams in another order"))))?;
            before = run.stream;
            records += u64::from(run.records);
            runs.push(run);
        }
        if records != u64::from(block.head.records) || offset != block.head.offset {
            return Err(damaged(Damage(format!(
                "{block} is not what {} says",
                directory::FILE
            ))));
        }
        let mut head = block.head;
        head.offset = self.offset;
        if !self.directory.add(head, &runs) {
            return Err(too_large(self.dir).into());
        }
        self.blocks.write_all(bytes).map_err(io_error(self.dir))?;
        self.offset += bytes.len() as u64;
        self.count(head.first, head.last, records);
        Ok(to)
    }

    fn count(&mut self, first: UnixNanos, last: UnixNanos, records: u64) {
        let written = &mut self.written;
        written.start = match written.records {
            0 => first,
            _ => written.start.min(first),
        };
        written.end = written.end.max(last);
        written.records += records;
    }

    fn tokens(
        &mut self,
        sources: &[JoinSource<'_>],
        first_blocks: &[u32],
        go_on: &mut impl FnMut(u64) -> bool,
    ) -> Result<(), JoinError> {
        let io = io_error(self.dir);
        let lists: Vec<tokens::Source<'_>> = sources
            .iter()
            .zip(first_blocks)
            .map(|(source, first_block)| tokens::Source {
                tokens: &source.segment.tokens,
                first_block: *first_block,
            })
            .collect();
        let file = File::create(self.dir.join(tokens::FILE)).map_err(&io)?;
        let mut file = BufWriter::with_capacity(1 << 18, file);
        let joined = tokens::join(&lists, &mut file, || go_on(self.offset));
        joined.map_err(|error| match error {
            ListError::Damaged(at, damage) => JoinError::Damaged(at, damage),
            ListError::Io(error) => JoinError::Write(io(error)),
            ListError::Stopped => JoinError::Stopped,
        })?;
        file.flush().map_err(&io)?;
        Ok(())
    }

    fn finish(mut self, words: u32, streams: &[u8]) -> Result<Written, JoinError> {
        let io = io_error(self.dir);
        self.blocks.flush().map_err(&io)?;
        let write = |name: &str, bytes: &[u8]| std::fs::write(self.dir.join(name), bytes);
        let directory = self.directory.finish(words);
        write(directory::FILE, &directory).map_err(&io)?;
        write(streams::FILE, streams).map_err(&io)?;
        if let Some(templates) = self.templates.finish() {
            write(templates::FILE, &templates).map_err(&io)?;
        }
        let bytes = directory_bytes(self.dir).map_err(&io)?;
        Ok(Written {
            bytes,
            ..self.written
        })
    }
}

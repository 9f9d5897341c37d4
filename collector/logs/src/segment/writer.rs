//! Writes one segment.

use super::Damage;
use super::block::BlockBuilder;
use super::bodies::BodyWriter;
use super::common::Common;
use super::directory::{self, DirectoryBuilder};
use super::packing::Packer;
use super::streams;
use super::templates::{self, TemplatesBuilder};
use super::terms::BlockTerms;
use super::tokens::{self, TokensBuilder};
use super::vocabulary::VocabularyBuilder;
use crate::config::BodyEncoding;
use crate::record::{Key, Packed};
use crate::stream::Stream;
use sonde_proto::UnixNanos;
use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::TantivyError;

/// The file of the blocks themselves.
pub(super) const BLOCKS: &str = "blocks";

/// A segment being written. The records of a part come in the order of their streams'
/// ordinals, those of a stream in the order of their keys.
pub(crate) struct SegmentWriter {
    dir: PathBuf,
    streams: Vec<Arc<Stream>>,
    block: BlockBuilder,
    bodies: BodyWriter,
    terms: BlockTerms,
    packer: Packer,
    packed: Vec<u8>,
    blocks: BufWriter<File>,
    offset: u64,
    directory: DirectoryBuilder,
    templates: TemplatesBuilder,
    tokens: TokensBuilder,
    vocabulary: VocabularyBuilder,
    written: Written,
}

/// What a finished segment holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) records: u64,
    pub(crate) start: UnixNanos,
    pub(crate) end: UnixNanos,
    /// The packed records' bytes, uncompressed.
    pub(crate) raw_bytes: u64,
    /// On disk.
    pub(crate) bytes: u64,
}

/// Why a segment could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WriteError {
    #[error("cannot write the segment {}: {cause}", path.display())]
    Io {
        path: PathBuf,
        cause: std::io::Error,
    },
    #[error("cannot write the words of the segment {}: {cause}", path.display())]
    Words {
        path: PathBuf,
        cause: tantivy::TantivyError,
    },
    #[error("a record to be written is damaged in memory")]
    Record,
    #[error("the segment {} cannot be read back: {damage}", path.display())]
    ReadBack { path: PathBuf, damage: Damage },
    #[error("the segment {} has too many blocks, or one that is too large", path.display())]
    TooLarge { path: PathBuf },
}

impl WriteError {
    /// Whether it lies in what is to be written, so that another attempt comes to the same.
    pub(crate) fn lies_in_records(&self) -> bool {
        match self {
            Self::Record | Self::ReadBack { .. } | Self::TooLarge { .. } => true,
            Self::Io { .. } => false,
            Self::Words { cause, .. } => !matches!(
                cause,
                TantivyError::IoError(_)
                    | TantivyError::OpenReadError(_)
                    | TantivyError::OpenWriteError(_)
                    | TantivyError::OpenDirectoryError(_)
                    | TantivyError::LockFailure(..)
            ),
        }
    }
}

impl From<WriteError> for String {
    fn from(error: WriteError) -> Self {
        error.to_string()
    }
}

impl SegmentWriter {
    /// Starts a segment in the directory `dir`, which is created. `streams` are the streams
    /// of its records, in their order.
    pub(crate) fn create(
        dir: &Path,
        streams: Vec<Arc<Stream>>,
        common: &Arc<Common>,
    ) -> Result<Self, WriteError> {
        Self::create_as(dir, streams, common, common.bodies)
    }

    /// The same with another encoding of the bodies than is usual.
    pub(crate) fn create_as(
        dir: &Path,
        streams: Vec<Arc<Stream>>,
        common: &Arc<Common>,
        bodies: BodyEncoding,
    ) -> Result<Self, WriteError> {
        let io = io_error(dir);
        std::fs::create_dir_all(dir).map_err(&io)?;
        let vocabulary = VocabularyBuilder::create(dir).map_err(words_error(dir))?;
        let blocks = File::create(dir.join(BLOCKS)).map_err(&io)?;
        Ok(Self {
            bodies: BodyWriter::new(common, bodies, &streams),
            streams,
            block: BlockBuilder::default(),
            terms: BlockTerms::default(),
            packer: Packer::new().map_err(&io)?,
            packed: Vec::new(),
            blocks: BufWriter::with_capacity(1 << 20, blocks),
            offset: 0,
            directory: DirectoryBuilder::default(),
            templates: TemplatesBuilder::default(),
            tokens: TokensBuilder::default(),
            vocabulary,
            written: Written::default(),
            dir: dir.to_owned(),
        })
    }

    /// Adds a record of the stream with this ordinal.
    pub(crate) fn add(&mut self, key: Key, stream: u32, packed: &[u8]) -> Result<(), WriteError> {
        let record = Packed::read(packed).ok_or(WriteError::Record)?;
        if (stream as usize) >= self.streams.len() {
            return Err(WriteError::Record);
        }
        self.block.add(key, stream, &record);
        let written = &mut self.written;
        written.start = if written.records == 0 {
            key.time
        } else {
            written.start.min(key.time)
        };
        written.end = written.end.max(key.time);
        written.records += 1;
        written.raw_bytes += packed.len() as u64;
        if self.block.is_full() {
            self.end_block()?;
        }
        Ok(())
    }

    /// Ends a part: the records that follow begin anew in the order of streams and keys.
    pub(crate) fn end_part(&mut self) -> Result<(), WriteError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        let dictionary = self.bodies.end_part();
        let place = self.templates.add(&dictionary);
        let place = place.ok_or_else(|| too_large(&self.dir))?;
        self.directory.end_part(place);
        Ok(())
    }

    fn end_block(&mut self) -> Result<(), WriteError> {
        let (head, runs) = self
            .block
            .finish(
                self.offset,
                &mut self.packer,
                &mut self.bodies,
                &mut self.terms,
                &mut self.packed,
            )
            .ok_or_else(|| too_large(&self.dir))?;
        let number = self.directory.blocks();
        if !self.directory.add(head, &runs) {
            return Err(too_large(&self.dir));
        }
        self.blocks
            .write_all(&self.packed)
            .map_err(io_error(&self.dir))?;
        self.offset += self.packed.len() as u64;
        self.packed.shrink_to(4 << 20);
        if number >= tokens::BLOCKS_MAX {
            return Err(too_large(&self.dir));
        }
        self.tokens.add(number, self.terms.identifiers());
        self.vocabulary
            .add(&mut self.terms.words())
            .map_err(words_error(&self.dir))
    }

    /// Completes the segment. Its files are written; making them durable is the caller's.
    pub(crate) fn finish(mut self) -> Result<Written, WriteError> {
        self.end_part()?;
        self.bodies.finish();
        let dir = self.dir;
        let io = io_error(&dir);
        self.blocks.flush().map_err(&io)?;
        let words = self.vocabulary.finish(&dir).map_err(words_error(&dir))?;
        let write = |name: &str, bytes: &[u8]| std::fs::write(dir.join(name), bytes);
        let directory = self.directory.finish(words);
        write(directory::FILE, &directory).map_err(&io)?;
        let streams = streams::write(&self.streams).map_err(&io)?;
        let streams = streams.ok_or_else(|| too_large(&dir))?;
        write(streams::FILE, &streams).map_err(&io)?;
        if let Some(templates) = self.templates.finish() {
            write(templates::FILE, &templates).map_err(&io)?;
        }
        let tokens = File::create(dir.join(tokens::FILE)).map_err(&io)?;
        let mut tokens = BufWriter::with_capacity(1 << 18, tokens);
        self.tokens.finish(&mut tokens).map_err(&io)?;
        tokens.flush().map_err(&io)?;
        let bytes = directory_bytes(&dir).map_err(&io)?;
        Ok(Written {
            bytes,
            ..self.written
        })
    }
}

/// There are more blocks, or longer sections, than can be addressed.
pub(super) fn too_large(dir: &Path) -> WriteError {
    WriteError::TooLarge {
        path: dir.to_owned(),
    }
}

pub(super) fn io_error(dir: &Path) -> impl Fn(std::io::Error) -> WriteError {
    let path = dir.to_owned();
    move |cause| WriteError::Io {
        path: path.clone(),
        cause,
    }
}

pub(super) fn words_error(dir: &Path) -> impl Fn(tantivy::TantivyError) -> WriteError {
    let path = dir.to_owned();
    move |cause| WriteError::Words {
        path: path.clone(),
        cause,
    }
}

/// How many bytes all files of a directory have.
pub(super) fn directory_bytes(dir: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| {
        let entry = entry?;
        let more = match entry.file_type()?.is_dir() {
            true => directory_bytes(&entry.path())?,
            false => entry.metadata()?.len(),
        };
        Ok(sum + more)
    })
}

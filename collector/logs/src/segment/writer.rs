//! Writes one segment.

use super::schema::{self, Fields};
use super::streams;
use super::wordlist::WordList;
use crate::record::{Key, Packed};
use crate::stream::Stream;
use sonde_proto::{UnixNanos, semconv};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tantivy::directory::MmapDirectory;
use tantivy::index::SegmentReader;
use tantivy::indexer::SingleSegmentIndexWriter;
use tantivy::schema::TantivyDocument;

/// The index's hash table is sized for this share of the records' bytes.
const TABLE_BYTES_MIN: usize = 1 << 20;
const TABLE_BYTES_MAX: usize = 64 << 20;

/// A segment being written. Records come in the order of their keys.
pub(crate) struct SegmentWriter {
    dir: PathBuf,
    fields: Fields,
    index: SingleSegmentIndexWriter<TantivyDocument>,
    streams: Vec<Arc<Stream>>,
    /// Streams known by their address; each is held, so that no address is used twice.
    by_pointer: HashMap<usize, (Arc<Stream>, u64)>,
    by_content: HashMap<Arc<Stream>, u64>,
    written: Written,
    values: Vec<u8>,
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
    #[error("cannot write the index of the segment {}: {cause}", path.display())]
    Index {
        path: PathBuf,
        cause: tantivy::TantivyError,
    },
    #[error("a record to be written is damaged in memory")]
    Record,
}

impl SegmentWriter {
    /// Starts a segment in the directory `dir`, which is created. `raw_bytes` is about how
    /// much will come.
    pub(crate) fn create(dir: &Path, raw_bytes: u64) -> Result<Self, WriteError> {
        std::fs::create_dir_all(dir).map_err(|cause| WriteError::Io {
            path: dir.to_owned(),
            cause,
        })?;
        let (schema, fields) = schema::schema();
        let table_bytes = usize::try_from(raw_bytes / 2).unwrap_or(usize::MAX);
        let index = MmapDirectory::open(dir)
            .map_err(tantivy::TantivyError::from)
            .and_then(|directory| {
                schema::builder(schema).single_segment_index_writer(
                    directory,
                    table_bytes.clamp(TABLE_BYTES_MIN, TABLE_BYTES_MAX),
                )
            });
        Ok(Self {
            dir: dir.to_owned(),
            fields,
            index: index.map_err(|cause| WriteError::Index {
                path: dir.to_owned(),
                cause,
            })?,
            streams: Vec::new(),
            by_pointer: HashMap::new(),
            by_content: HashMap::new(),
            written: Written::default(),
            values: Vec::new(),
        })
    }

    /// Adds a record.
    pub(crate) fn add(
        &mut self,
        key: Key,
        stream: &Arc<Stream>,
        packed: &[u8],
    ) -> Result<(), WriteError> {
        let record = Packed::read(packed).ok_or(WriteError::Record)?;
        let mut document = TantivyDocument::default();
        document.add_u64(self.fields.time, key.time.0);
        document.add_u64(self.fields.stream, self.ordinal(stream));
        document.add_text(self.fields.body, String::from_utf8_lossy(record.body));
        self.join_values(&record);
        if !self.values.is_empty() {
            document.add_text(
                self.fields.attributes,
                String::from_utf8_lossy(&self.values),
            );
        }
        if let Some(trace) = &record.trace_id {
            document.add_bytes(self.fields.trace, trace.as_bytes());
        }
        document.add_bytes(self.fields.record, packed);
        let added = self.index.add_document(document);
        added.map_err(|cause| WriteError::Index {
            path: self.dir.clone(),
            cause,
        })?;
        self.count(key, packed);
        Ok(())
    }

    /// The attributes' values as one text: their words are looked up, not their names. The
    /// record's own identifier would be a word of its own in every record.
    fn join_values(&mut self, record: &Packed<'_>) {
        self.values.clear();
        let searched = record
            .attributes()
            .filter(|(name, _)| *name != semconv::LOG_RECORD_UID.as_bytes());
        for (_, value) in searched {
            self.values.extend_from_slice(value);
            self.values.push(b'\n');
        }
    }

    fn count(&mut self, key: Key, packed: &[u8]) {
        let written = &mut self.written;
        written.start = if written.records == 0 {
            key.time
        } else {
            written.start.min(key.time)
        };
        written.end = written.end.max(key.time);
        written.records += 1;
        written.raw_bytes += packed.len() as u64;
    }

    fn ordinal(&mut self, stream: &Arc<Stream>) -> u64 {
        let pointer = Arc::as_ptr(stream) as usize;
        if let Some((_, ordinal)) = self.by_pointer.get(&pointer) {
            return *ordinal;
        }
        let next = self.streams.len() as u64;
        let ordinal = *self.by_content.entry(Arc::clone(stream)).or_insert(next);
        if ordinal == next {
            self.streams.push(Arc::clone(stream));
        }
        self.by_pointer
            .insert(pointer, (Arc::clone(stream), ordinal));
        ordinal
    }

    /// Completes the segment. Its files are written; making them durable is the caller's.
    pub(crate) fn finish(self) -> Result<Written, WriteError> {
        let path = self.dir;
        let finished = self.index.finalize().and_then(|index| {
            for segment in index.searchable_segments()? {
                WordList::write(&path, &SegmentReader::open(&segment)?, self.fields.body)?;
            }
            Ok(())
        });
        finished.map_err(|cause| WriteError::Index {
            path: path.clone(),
            cause,
        })?;
        let io = |cause| WriteError::Io {
            path: path.clone(),
            cause,
        };
        streams::write(&path, &self.streams).map_err(io)?;
        let bytes = directory_bytes(&path).map_err(io)?;
        Ok(Written {
            bytes,
            ..self.written
        })
    }
}

fn directory_bytes(dir: &Path) -> std::io::Result<u64> {
    std::fs::read_dir(dir)?.try_fold(0, |sum, entry| Ok(sum + entry?.metadata()?.len()))
}

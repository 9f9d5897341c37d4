//! Reads one segment: opened once, searched by many threads.

use super::Damage;
use super::candidates::Narrowing;
use super::schema::{self, Fields};
use super::streams::Streams;
use super::wordlist::WordList;
use crate::record::{Key, Packed};
use crate::search::{Ask, Collector, Direction};
use crate::stream::{Stream, StreamPool};
use sonde_proto::UnixNanos;
use sonde_segment::SegmentMeta;
use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use tantivy::columnar::Column;
use tantivy::index::SegmentReader;
use tantivy::schema::Field;
use tantivy::schema::document::{DeserializeError, DocumentDeserialize, DocumentDeserializer};
use tantivy::store::StoreReader;
use tantivy::{DocId, Index};

/// How many unpacked blocks a query keeps: neighbours are usually read together.
const BLOCKS_KEPT: usize = 4;
/// How many documents are passed over between two looks at the clock.
const DOCUMENTS_PER_LOOK: usize = 1024;

/// A sealed segment, open for reading.
pub(crate) struct Segment {
    /// What the manifest says of it.
    pub(crate) meta: SegmentMeta,
    streams: Streams,
    words: WordList,
    fields: Fields,
    reader: SegmentReader,
    time: Column<u64>,
    stream: Column<u64>,
}

/// What a query did with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Visit {
    /// Nothing in it could match or be wanted.
    Skipped,
    /// Records were read.
    Visited,
}

impl Segment {
    /// Opens the segment in `dir` and checks that it is what the manifest says.
    /// Streams that another segment has too are taken from `pool`.
    pub(crate) fn open(
        meta: SegmentMeta,
        dir: &Path,
        pool: &StreamPool,
        verify: bool,
    ) -> Result<Self, Damage> {
        guarded(|| Self::open_unguarded(meta, dir, pool, verify))
    }

    fn open_unguarded(
        meta: SegmentMeta,
        dir: &Path,
        pool: &StreamPool,
        verify: bool,
    ) -> Result<Self, Damage> {
        let streams = Streams::open(dir, pool)?;
        let words = WordList::open(dir, verify)?;
        let index = Index::open_in_dir(dir)?;
        if verify {
            let damaged = index.validate_checksum()?;
            if let Some(file) = damaged.iter().min() {
                return Err(Damage(format!(
                    "the checksum of {} does not hold",
                    file.display()
                )));
            }
        }
        let segments = index.searchable_segments()?;
        let [segment] = &segments[..] else {
            return Err(Damage(format!(
                "its index has {} segments instead of one",
                segments.len()
            )));
        };
        let reader = SegmentReader::open(segment)?;
        if u64::from(reader.max_doc()) != meta.records {
            return Err(Damage(format!(
                "it holds {} records instead of {}",
                reader.max_doc(),
                meta.records
            )));
        }
        let columns = reader.fast_fields();
        let (time, stream) = (columns.u64(schema::TIME)?, columns.u64(schema::STREAM)?);
        let (_, fields) = schema::schema();
        Ok(Self {
            meta,
            streams,
            words,
            fields,
            reader,
            time,
            stream,
        })
    }

    /// The streams its records are of.
    pub(crate) fn streams(&self) -> Result<Cow<'_, [Arc<Stream>]>, Damage> {
        self.streams.all()
    }

    /// Gives `collector` the records that are asked for, best first.
    pub(crate) fn visit(&self, ask: &Ask<'_>, collector: &mut Collector) -> Result<Visit, Damage> {
        guarded(|| self.visit_unguarded(ask, collector))
    }

    fn visit_unguarded(&self, ask: &Ask<'_>, collector: &mut Collector) -> Result<Visit, Damage> {
        let streams = self.streams()?;
        let wanted: Vec<bool> = streams
            .iter()
            .map(|s| ask.wants_stream(&s.labels))
            .collect();
        if !wanted.contains(&true) {
            return Ok(Visit::Skipped);
        }
        let range = self.documents_between(ask.times());
        let candidates = if range.is_empty() {
            Some(Vec::new())
        } else {
            self.candidates(ask)?
        };
        match candidates {
            None => self.read(range, &streams, &wanted, ask, collector),
            Some(mut documents) => {
                documents.retain(|doc| range.contains(doc));
                self.read(documents.into_iter(), &streams, &wanted, ask, collector)
            }
        }
    }

    fn candidates(&self, ask: &Ask<'_>) -> Result<Option<Vec<DocId>>, Damage> {
        let narrowing = Narrowing::new(&self.reader, self.fields, &self.words);
        Ok(match ask {
            Ask::Lines(search) => {
                narrowing.containing(search.query.filters().iter().filter_map(|f| f.needle()))?
            }
            Ask::Trace(id) => narrowing.of_trace(id.as_bytes())?,
            Ask::Token(token) => narrowing.with_token(token)?,
        })
    }

    fn read(
        &self,
        documents: impl DoubleEndedIterator<Item = DocId>,
        streams: &[Arc<Stream>],
        wanted: &[bool],
        ask: &Ask<'_>,
        collector: &mut Collector,
    ) -> Result<Visit, Damage> {
        let store = self.reader.get_store_reader(BLOCKS_KEPT)?;
        let mut visit = Visit::Skipped;
        let mut each = |(n, doc): (usize, DocId)| -> Result<bool, Damage> {
            let time = self.time_of(doc);
            if collector.is_past(time)
                || (n.is_multiple_of(DOCUMENTS_PER_LOOK) && collector.check_deadline())
            {
                return Ok(false);
            }
            let stream = self.ordinal_of(doc);
            if !wanted.get(stream).copied().unwrap_or(false) {
                return Ok(true);
            }
            visit = Visit::Visited;
            let bytes = stored(&store, doc)?;
            let packed = Packed::read(&bytes)
                .ok_or_else(|| Damage(format!("record {doc} cannot be read")))?;
            let key = Key {
                time,
                position: packed.position,
                index: packed.index,
            };
            if collector.wants(key) && ask.wants_record(&packed) {
                collector.take(key, &streams[stream], &bytes);
            }
            Ok(collector.spend(bytes.len()))
        };
        match ask.direction() {
            Direction::Backward => all(documents.rev().enumerate(), &mut each)?,
            Direction::Forward => all(documents.enumerate(), &mut each)?,
        }
        Ok(visit)
    }

    /// The documents with times in `[start, end)`: they lie in the order of their times.
    fn documents_between(&self, (start, end): (UnixNanos, UnixNanos)) -> std::ops::Range<DocId> {
        self.first_at_or_after(start)..self.first_at_or_after(end)
    }

    fn first_at_or_after(&self, time: UnixNanos) -> DocId {
        let (mut low, mut high) = (0, self.reader.max_doc());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.time_of(middle) < time {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    fn time_of(&self, doc: DocId) -> UnixNanos {
        UnixNanos(self.time.first(doc).unwrap_or(0))
    }

    fn ordinal_of(&self, doc: DocId) -> usize {
        let ordinal = self.stream.first(doc).unwrap_or(u64::MAX);
        usize::try_from(ordinal).unwrap_or(usize::MAX)
    }

    /// Reads all records in the order of their keys.
    pub(crate) fn cursor(self: &Arc<Self>) -> Result<Cursor, Damage> {
        let store = self.reader.get_store_reader(1)?;
        Ok(Cursor {
            segment: Arc::clone(self),
            streams: self.streams()?.into_owned(),
            store,
            next: 0,
        })
    }
}

impl std::fmt::Debug for Segment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Segment")
            .field("id", &self.meta.id)
            .field("records", &self.meta.records)
            .finish()
    }
}

/// A record read from a segment.
pub(crate) struct SealedRecord {
    pub(crate) key: Key,
    pub(crate) stream: Arc<Stream>,
    pub(crate) packed: Vec<u8>,
}

/// Reads a segment's records one after the other.
pub(crate) struct Cursor {
    segment: Arc<Segment>,
    streams: Vec<Arc<Stream>>,
    store: StoreReader,
    next: DocId,
}

impl Cursor {
    /// The next record.
    pub(crate) fn next(&mut self) -> Result<Option<SealedRecord>, Damage> {
        guarded(|| self.next_unguarded())
    }

    fn next_unguarded(&mut self) -> Result<Option<SealedRecord>, Damage> {
        let doc = self.next;
        if doc >= self.segment.reader.max_doc() {
            return Ok(None);
        }
        self.next += 1;
        let damaged = || Damage(format!("record {doc} cannot be read"));
        let bytes = stored(&self.store, doc)?;
        let packed = Packed::read(&bytes).ok_or_else(damaged)?;
        let key = Key {
            time: self.segment.time_of(doc),
            position: packed.position,
            index: packed.index,
        };
        let stream = self
            .streams
            .get(self.segment.ordinal_of(doc))
            .ok_or_else(damaged)?;
        Ok(Some(SealedRecord {
            key,
            stream: Arc::clone(stream),
            packed: bytes,
        }))
    }
}

/// Calls `each` until it says enough.
fn all<T>(
    items: impl Iterator<Item = T>,
    each: &mut impl FnMut(T) -> Result<bool, Damage>,
) -> Result<(), Damage> {
    for item in items {
        if !each(item)? {
            break;
        }
    }
    Ok(())
}

/// The files are input: where tantivy panics over damaged ones, that is damage too.
fn guarded<T>(work: impl FnOnce() -> Result<T, Damage>) -> Result<T, Damage> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Damage("reading it panicked".into())))
}

fn stored(store: &StoreReader, doc: DocId) -> Result<Vec<u8>, Damage> {
    Ok(store.get::<StoredRecord>(doc)?.0)
}

/// A document of which only the stored record is of interest.
struct StoredRecord(Vec<u8>);

impl DocumentDeserialize for StoredRecord {
    fn deserialize<'de, D: DocumentDeserializer<'de>>(
        mut from: D,
    ) -> Result<Self, DeserializeError> {
        let field: Option<(Field, Vec<u8>)> = from.next_field()?;
        let (_, bytes) = field.ok_or_else(|| DeserializeError::custom("the record is missing"))?;
        Ok(Self(bytes))
    }
}

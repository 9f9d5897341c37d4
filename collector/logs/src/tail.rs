//! Records in memory: searchable from the moment they are applied, until a segment has them.
//!
//! Batches are immutable once they are visible, so a query takes the list of them and then
//! looks at them without any lock.

mod summary;

use crate::record::Key;
use crate::search::Ask;
use crate::stream::Stream;
use ahash::AHashMap;
use sonde_proto::UnixNanos;
use std::sync::{Arc, OnceLock};
use summary::Summary;

/// Small batches are joined up to this size, so that a query's list of them stays short.
const JOINED_BYTES_MAX: usize = 256 << 10;
/// Batches of more bytes have a summary of their words.
const SUMMARY_BYTES_MIN: usize = JOINED_BYTES_MAX / 2;

/// Some records of one tenant, in the order of their arrival.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    streams: Vec<Arc<Stream>>,
    /// The number of each stream by its address, while records are added.
    ordinals: AHashMap<usize, u32>,
    /// What its streams take that no batch before it in the tail has.
    stream_bytes: u64,
    records: Vec<Slot>,
    packed: Vec<u8>,
    received: UnixNanos,
    /// Its words, once a query wanted them.
    summary: OnceLock<Summary>,
}

#[derive(Clone, Copy, Debug)]
struct Slot {
    key: Key,
    stream: u32,
    from: u32,
    length: u32,
}

/// One record of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TailRecord<'a> {
    pub(crate) key: Key,
    pub(crate) stream: &'a Arc<Stream>,
    /// The row of `stream` in the batch's streams.
    pub(crate) ordinal: usize,
    pub(crate) packed: &'a [u8],
}

impl Batch {
    /// Adds a record of a stream of this batch that `pack` writes. False, and nothing is
    /// added, when the batch could not address it.
    pub(crate) fn push_of(
        &mut self,
        stream: u32,
        key: Key,
        pack: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let before = self.packed.len();
        pack(&mut self.packed);
        let (from, length) = (
            u32::try_from(before),
            u32::try_from(self.packed.len() - before),
        );
        let (Ok(from), Ok(length)) = (from, length) else {
            self.packed.truncate(before);
            return false;
        };
        self.records.push(Slot {
            key,
            stream,
            from,
            length,
        });
        true
    }

    /// Adds a record of any stream.
    #[cfg(test)]
    pub(crate) fn push(
        &mut self,
        key: Key,
        stream: &Arc<Stream>,
        pack: impl FnOnce(&mut Vec<u8>),
    ) -> bool {
        let stream = self.stream(stream, stream.bytes());
        self.push_of(stream, key, pack)
    }

    /// The number of a stream in this batch, which takes it in if need be. `bytes` says how
    /// much it takes in memory beside what other batches of the tail have of it.
    pub(crate) fn stream(&mut self, stream: &Arc<Stream>, bytes: u64) -> u32 {
        self.stream_bytes += bytes;
        let next = u32::try_from(self.streams.len())
            .expect("a batch is of some gigabytes at most, and every stream takes bytes of these");
        *self
            .ordinals
            .entry(Arc::as_ptr(stream) as usize)
            .or_insert_with(|| {
                self.streams.push(Arc::clone(stream));
                next
            })
    }

    /// The records, in the order of their arrival.
    pub(crate) fn records(&self) -> impl ExactSizeIterator<Item = TailRecord<'_>> {
        (0..self.records.len()).map(|at| self.record(at))
    }

    /// The record that came in this place.
    pub(crate) fn record(&self, at: usize) -> TailRecord<'_> {
        let slot = self.records[at];
        let from = slot.from as usize;
        TailRecord {
            key: slot.key,
            stream: &self.streams[slot.stream as usize],
            ordinal: slot.stream as usize,
            packed: &self.packed[from..from + slot.length as usize],
        }
    }

    /// The streams its records are of.
    pub(crate) fn streams(&self) -> &[Arc<Stream>] {
        &self.streams
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        let summary = self.summary.get().map_or(0, Summary::bytes);
        let records = self.packed.len() + self.records.len() * size_of::<Slot>();
        (records + summary) as u64 + self.stream_bytes
    }

    /// Whether its words allow for what is asked for. Small batches are joined soon, and
    /// read as quickly as their words are found; of others the words are found once.
    pub(crate) fn may_have(&self, ask: &Ask<'_>) -> bool {
        if self.packed.len() < SUMMARY_BYTES_MIN || !summary::narrows(ask) {
            return true;
        }
        self.summary.get_or_init(|| Summary::of(self)).may_have(ask)
    }

    /// Makes room for records of about so many bytes.
    pub(crate) fn reserve(&mut self, bytes: usize) {
        self.packed.reserve(bytes);
    }

    /// Says when the entry arrived whose records are added next.
    pub(crate) fn note_arrival(&mut self, at: UnixNanos) {
        self.received = self.received.max(at);
    }

    /// When the last of its entries arrived.
    pub(crate) fn received(&self) -> UnixNanos {
        self.received
    }

    /// How many records it holds.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The earliest and the latest time of its records.
    pub(crate) fn times(&self) -> Option<(UnixNanos, UnixNanos)> {
        let times = || self.records.iter().map(|slot| slot.key.time);
        Some((times().min()?, times().max()?))
    }

    fn joined(&self, later: &Self) -> Self {
        let mut joined = Self {
            streams: self.streams.clone(),
            ordinals: addresses(&self.streams).zip(0..).collect(),
            stream_bytes: self.stream_bytes,
            records: self.records.clone(),
            packed: self.packed.clone(),
            received: self.received.max(later.received),
            summary: OnceLock::new(),
        };
        let of_later = later.streams.iter();
        let of_later: Vec<u32> = of_later.map(|stream| joined.stream(stream, 0)).collect();
        joined.stream_bytes += later.stream_bytes;
        for record in later.records() {
            joined.push_of(of_later[record.ordinal], record.key, |out| {
                out.extend_from_slice(record.packed);
            });
        }
        joined.ordinals = AHashMap::new();
        joined
    }
}

fn addresses(streams: &[Arc<Stream>]) -> impl Iterator<Item = usize> {
    streams.iter().map(|stream| Arc::as_ptr(stream) as usize)
}

/// Makes a batch visible at the end of a list, joined with what is small before it. A
/// record is copied about as often as a binary counter carries.
pub(crate) fn append(batches: &mut Vec<Arc<Batch>>, mut batch: Batch) {
    batch.ordinals = AHashMap::new();
    let mut batch = Arc::new(batch);
    while let Some(last) = batches.last() {
        let fits = last.packed.len() + batch.packed.len() <= JOINED_BYTES_MAX;
        if !fits || last.len() > 2 * batch.len() {
            break;
        }
        batch = Arc::new(last.joined(&batch));
        batches.pop();
    }
    batches.push(batch);
}

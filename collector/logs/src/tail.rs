//! Records in memory: searchable from the moment they are applied, until a segment has them.
//!
//! Batches are immutable once they are visible, so a query takes the list of them and then
//! looks at them without any lock.

use crate::record::Key;
use crate::stream::Stream;
use sonde_proto::UnixNanos;
use std::collections::HashMap;
use std::sync::Arc;

/// Small batches are joined up to this size, so that a query's list of them stays short.
const JOINED_BYTES_MAX: usize = 256 << 10;

/// Some records of one tenant, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub(crate) struct Batch {
    streams: Vec<Arc<Stream>>,
    ordinals: HashMap<usize, u32>,
    stream_bytes: u64,
    records: Vec<Slot>,
    packed: Vec<u8>,
    received: UnixNanos,
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
    /// Adds a record that `pack` writes. False, and nothing is added, when the batch could
    /// not address it.
    pub(crate) fn push(
        &mut self,
        key: Key,
        stream: &Arc<Stream>,
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
        let stream = self.ordinal(stream);
        self.records.push(Slot {
            key,
            stream,
            from,
            length,
        });
        true
    }

    fn ordinal(&mut self, stream: &Arc<Stream>) -> u32 {
        let next = u32::try_from(self.streams.len())
            .expect("fewer streams than bytes, and those are addressed by u32");
        *self
            .ordinals
            .entry(Arc::as_ptr(stream) as usize)
            .or_insert_with(|| {
                self.stream_bytes += stream.bytes();
                self.streams.push(Arc::clone(stream));
                next
            })
    }

    /// The records, in the order of their arrival.
    pub(crate) fn records(&self) -> impl ExactSizeIterator<Item = TailRecord<'_>> {
        self.records.iter().map(|slot| {
            let from = slot.from as usize;
            TailRecord {
                key: slot.key,
                stream: &self.streams[slot.stream as usize],
                ordinal: slot.stream as usize,
                packed: &self.packed[from..from + slot.length as usize],
            }
        })
    }

    /// The streams its records are of.
    pub(crate) fn streams(&self) -> &[Arc<Stream>] {
        &self.streams
    }

    /// About how many bytes it takes in memory.
    pub(crate) fn bytes(&self) -> u64 {
        (self.packed.len() + self.records.len() * size_of::<Slot>()) as u64 + self.stream_bytes
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
        let mut joined = self.clone();
        joined.note_arrival(later.received);
        for record in later.records() {
            joined.push(record.key, record.stream, |out| {
                out.extend_from_slice(record.packed);
            });
        }
        joined
    }
}

/// Makes a batch visible at the end of a list, joined with what is small before it. A
/// record is copied about as often as a binary counter carries.
pub(crate) fn append(batches: &mut Vec<Arc<Batch>>, batch: Batch) {
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

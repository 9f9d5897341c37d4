//! Gets the whole of the records that were found, each block's together.

use super::collect::{Hit, Place, Record};
use super::{Ask, Collector, Limits, Threads};
use crate::segment::{Handle, ReadError, Reader, Readers, Wanted};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// To get records of a block costs about as much as to look at so many bytes.
const BLOCK_BYTES: u64 = 64 << 10;

/// The hits with their records packed, within the limits; and the segments that could not be
/// read.
pub(super) fn fetch(
    segments: &[Arc<Handle>],
    hits: Vec<Hit>,
    ask: &Ask<'_>,
    limits: Limits,
    readers: &Readers,
    threads: &Threads,
) -> (Collector, Vec<(u64, ReadError)>) {
    let mut collector = Collector::new(ask.direction(), limits);
    let mut sealed = Vec::new();
    for hit in hits {
        match hit.record {
            Record::Packed(packed) => {
                if collector.wants(hit.key) {
                    collector.take(hit.key, &hit.stream, Record::Packed(packed));
                }
            }
            Record::Sealed(place) => sealed.push((hit.key, hit.stream, place)),
        }
    }
    let in_order = |p: &Place| (p.segment, p.block, p.row);
    sealed.sort_unstable_by_key(|(_, _, place)| in_order(place));
    let blocks: Vec<_> = sealed
        .chunk_by(|(_, _, a), (_, _, b)| (a.segment, a.block) == (b.segment, b.block))
        .collect();
    let (collector, unread) = (Mutex::new(collector), Mutex::new(Vec::new()));
    let next = AtomicUsize::new(0);
    let work = |reader: &mut Reader| {
        while let Some(hits) = blocks.get(next.fetch_add(1, Ordering::Relaxed)) {
            let Some((_, _, first)) = hits.first() else {
                continue;
            };
            let segment = &segments[first.segment];
            let wanted: Vec<Wanted<'_>> = hits
                .iter()
                .map(|(key, _, place)| Wanted {
                    row: place.row,
                    key: *key,
                    body: place.body.as_deref(),
                })
                .collect();
            let each = |at: usize, packed: &[u8]| {
                let (key, stream, _) = &hits[at];
                let mut collector = collector.lock();
                if collector.wants(*key) {
                    collector.take(*key, stream, Record::Packed(packed.into()));
                }
            };
            let fetched = reader.of(segment).and_then(|(segment, scratch)| {
                Ok(segment.fetch(first.block, &wanted, scratch, each)?)
            });
            if let Err(error) = fetched {
                unread.lock().push((segment.meta.id, error));
            }
        }
    };
    if threads.are_worth(blocks.len() as u64 * BLOCK_BYTES) {
        threads.run(blocks.len(), || readers.lend(work));
    } else {
        readers.lend(work);
    }
    (collector.into_inner(), unread.into_inner())
}

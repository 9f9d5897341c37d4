//! Looks through segments, the most promising block first, on as many threads as are useful.
//!
//! Segments and blocks wait in one heap, in the order of the best time that they can have.
//! A segment that comes out is replaced by those of its blocks that can match; a block that
//! comes out is read. So blocks of segments that overlap are read in the right order, and
//! when the best that is left cannot beat what was found, nothing more is read at all. A thread
//! has one segment open at a time.

use super::chosen::{Chosen, Room};
use super::collect::{Place, Record};
use super::run::Looked;
use super::{Ask, Collector, Direction, Snapshot, Threads};
use crate::segment::{Candidate, Handle, ReadError, Reader, Readers};
use parking_lot::{Condvar, Mutex};
use sonde_proto::UnixNanos;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// After every so many looks it is asked whether other threads should help: to find the blocks of
/// a segment is one look, to read a block is two.
const LOOKS_ALONE: usize = 8;
/// So many are looked at by each that helps, before helpers are shared out anew.
const LOOKS_HELPED: usize = 256;
/// Opening a segment and finding its blocks costs about as much as to look at so many bytes.
const OPEN_BYTES: u64 = 256 << 10;
/// A block costs at least as much as to look at so many bytes.
const BLOCK_BYTES_MIN: u64 = 32 << 10;

/// Something to be looked at. The greatest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// Greater for what is better in the direction asked for.
    rank: u64,
    segment: usize,
    /// A block of it; or all of it.
    block: Option<Candidate>,
}

#[derive(Debug, Default)]
struct Queue {
    items: BinaryHeap<Item>,
    /// Segments that are being replaced by their blocks.
    opening: usize,
    /// Segments that were.
    opened: usize,
    /// Segments that wait.
    unopened: usize,
}

struct Visit<'a> {
    snapshot: &'a Snapshot,
    segments: &'a [Arc<Handle>],
    ask: &'a Ask<'a>,
    readers: &'a Readers,
    collector: Mutex<Collector>,
    queue: Mutex<Queue>,
    changed: Condvar,
    states: Vec<State<'a>>,
    room: Arc<Room>,
    candidates: AtomicU64,
    blocks: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
}

/// What is known of a segment.
#[derive(Default)]
struct State<'a> {
    chosen: OnceLock<Chosen<'a>>,
    visited: AtomicBool,
    unread: OnceLock<ReadError>,
}

/// What came of visiting segments.
pub(super) struct Visited {
    pub(super) collector: Collector,
    /// All but the bytes, which the collector counts.
    pub(super) looked: Looked,
    pub(super) unread: Vec<(u64, ReadError)>,
}

/// Gives `collector` what is asked for.
pub(super) fn visit(
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    collector: Collector,
    readers: &Readers,
    threads: &Threads,
) -> Visited {
    let segments = &snapshot.segments[..];
    let mut visit = Visit::new(snapshot, ask, collector, readers);
    let (start, end) = ask.times();
    let in_time = segments
        .iter()
        .enumerate()
        .filter(|(_, s)| s.meta.end >= start && s.meta.start < end);
    let items = in_time.map(|(segment, s)| Item {
        rank: visit.rank(s.meta.start, s.meta.end),
        segment,
        block: None,
    });
    let items: BinaryHeap<Item> = items.collect();
    let queue = visit.queue.get_mut();
    (queue.unopened, queue.items) = (items.len(), items);
    while !visit.queue.get_mut().items.is_empty() {
        match threads.are_worth(visit.left_bytes()) {
            true => drop(threads.run(usize::MAX, || visit.work(LOOKS_HELPED))),
            false => visit.work(LOOKS_ALONE),
        }
    }
    let states = segments.iter().zip(visit.states);
    let (mut visited, mut unread) = (0, Vec::new());
    for (segment, state) in states {
        visited += usize::from(state.visited.into_inner());
        unread.extend(state.unread.into_inner().map(|e| (segment.meta.id, e)));
    }
    Visited {
        collector: visit.collector.into_inner(),
        looked: Looked {
            visited,
            skipped: segments.len() - visited,
            candidates: visit.candidates.into_inner(),
            blocks: visit.blocks.into_inner(),
            records: visit.records.into_inner(),
            bytes: 0,
        },
        unread,
    }
}

impl<'a> Visit<'a> {
    fn new(
        snapshot: &'a Snapshot,
        ask: &'a Ask<'a>,
        collector: Collector,
        readers: &'a Readers,
    ) -> Self {
        let segments = &snapshot.segments[..];
        Self {
            snapshot,
            segments,
            ask,
            readers,
            collector: Mutex::new(collector),
            queue: Mutex::default(),
            changed: Condvar::new(),
            states: segments.iter().map(|_| State::default()).collect(),
            room: Arc::new(Room::new(snapshot.stream_bytes_max)),
            candidates: AtomicU64::new(0),
            blocks: AtomicU64::new(0),
            records: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
        }
    }

    fn rank(&self, first: UnixNanos, last: UnixNanos) -> u64 {
        let (start, end) = self.ask.times();
        match self.ask.direction() {
            Direction::Backward => last.0.min(end.0 - 1),
            Direction::Forward => u64::MAX - first.max(start).0,
        }
    }

    /// Looks at what is best, one after the other, until nothing is left or so many looks were
    /// taken.
    fn work(&self, looks: usize) {
        self.readers.lend(|reader| self.work_with(reader, looks));
    }

    fn work_with(&self, reader: &mut Reader, mut looks: usize) {
        while looks > 0
            && let Some(item) = self.next()
        {
            let taken = match item.block {
                None => {
                    self.open(item.segment);
                    1
                }
                Some(block) => {
                    self.read(item.segment, block, reader);
                    2
                }
            };
            looks = looks.saturating_sub(taken);
        }
    }

    fn next(&self) -> Option<Item> {
        let mut queue = self.queue.lock();
        let item = loop {
            if let Some(item) = queue.items.pop() {
                break item;
            }
            if queue.opening == 0 {
                return None;
            }
            self.changed.wait(&mut queue);
        };
        let best = match self.ask.direction() {
            Direction::Backward => item.rank,
            Direction::Forward => u64::MAX - item.rank,
        };
        let mut collector = self.collector.lock();
        if collector.check_deadline() || collector.is_past(UnixNanos(best)) {
            // Everything that is left is no better.
            queue.items.clear();
            queue.unopened = 0;
            return None;
        }
        if item.block.is_none() {
            queue.opening += 1;
            queue.unopened -= 1;
        }
        Some(item)
    }

    /// About how many bytes of blocks are left to look at, as far as what was seen can say.
    fn left_bytes(&self) -> u64 {
        let queue = self.queue.lock();
        let count = |n: &AtomicU64| n.load(Ordering::Relaxed);
        let of_segment = count(&self.candidates) / (queue.opened as u64).max(1);
        let blocks = (queue.items.len() - queue.unopened) as u64;
        let blocks = blocks.saturating_add(of_segment.saturating_mul(queue.unopened as u64));
        let of_block = count(&self.bytes) / count(&self.blocks).max(1);
        let to_open = OPEN_BYTES.saturating_mul(queue.unopened as u64);
        let blocks = blocks.saturating_mul(of_block.max(BLOCK_BYTES_MIN));
        blocks.saturating_add(to_open)
    }

    /// Puts the blocks of a segment in its place.
    fn open(&self, at: usize) {
        let _opening = Opening(self);
        let candidates = self.candidates(at).unwrap_or_else(|error| {
            self.states[at].unread.get_or_init(|| error);
            Vec::new()
        });
        let count = candidates.len() as u64;
        self.candidates.fetch_add(count, Ordering::Relaxed);
        let mut queue = self.queue.lock();
        queue.items.extend(candidates.iter().map(|candidate| Item {
            rank: self.rank(candidate.first, candidate.last),
            segment: at,
            block: Some(*candidate),
        }));
    }

    /// The blocks of a segment that can have what is asked for.
    fn candidates(&self, at: usize) -> Result<Vec<Candidate>, ReadError> {
        let (segment, state) = (&self.segments[at], &self.states[at]);
        let veil = self.snapshot.veil_of_segment(segment);
        let segment = segment.open()?;
        let chosen = match Chosen::of_segment(&segment, *self.ask, veil, &self.room) {
            Ok(chosen) => state.chosen.get_or_init(|| chosen),
            Err(error) => {
                error.or_stop(|why| self.collector.lock().stop_for(why))?;
                return Ok(Vec::new());
            }
        };
        match chosen.any() {
            true => Ok(segment.candidates(self.ask, chosen)?),
            false => Ok(Vec::new()),
        }
    }

    fn read(&self, at: usize, block: Candidate, reader: &mut Reader) {
        let (segment, state) = (&self.segments[at], &self.states[at]);
        let Some(chosen) = state.chosen.get() else {
            return;
        };
        if state.unread.get().is_some() {
            return;
        }
        let bar = self.collector.lock().bar();
        let scanned = reader.of(segment).and_then(|(segment, scratch)| {
            let scanned = segment.scan(block, self.ask, chosen, bar, scratch);
            match scanned {
                Ok(scanned) => Ok(Some(scanned)),
                Err(error) => {
                    error.or_stop(|why| self.collector.lock().stop_for(why))?;
                    Ok(None)
                }
            }
        });
        let scanned = match scanned {
            Ok(Some(scanned)) => scanned,
            Ok(None) => return,
            Err(error) => {
                state.unread.get_or_init(|| error);
                return;
            }
        };
        state.visited.store(true, Ordering::Relaxed);
        self.blocks.fetch_add(1, Ordering::Relaxed);
        self.records.fetch_add(scanned.records, Ordering::Relaxed);
        let mut collector = self.collector.lock();
        for hit in scanned.hits {
            if collector.wants(hit.key)
                && let Some(stream) = chosen.stream(hit.stream as usize)
            {
                let place = Place {
                    segment: at,
                    block: block.block,
                    row: hit.row,
                    body_bytes: hit.body_bytes,
                    body: hit.body,
                };
                collector.take(hit.key, stream, Record::Sealed(place));
            }
        }
        self.bytes
            .fetch_add(scanned.bytes as u64, Ordering::Relaxed);
        collector.spend(scanned.bytes);
    }
}

/// A segment is being replaced by its blocks, until this is dropped: others wait for that, and
/// would for ever if it panicked.
struct Opening<'v, 'a>(&'v Visit<'a>);

impl Drop for Opening<'_, '_> {
    fn drop(&mut self) {
        let mut queue = self.0.queue.lock();
        queue.opening -= 1;
        queue.opened += 1;
        drop(queue);
        self.0.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::search::{Limits, Lines};
    use crate::testing::search;
    use sonde_proto::Deadline;

    #[test]
    fn nobody_waits_for_a_thread_that_panicked_over_a_segment() {
        let snapshot = Snapshot::default();
        let search = search("{}");
        let lines = Lines::of_search(&search);
        let ask = Ask::Lines(&lines);
        let limits = Limits {
            records: 1,
            answer_bytes: 1,
            scan_bytes: 1,
            deadline: Deadline::never(),
        };
        let collector = Collector::new(ask.direction(), limits);
        let readers = Readers::default();
        let visit = Visit::new(&snapshot, &ask, collector, &readers);
        visit.queue.lock().opening = 1;
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| visit.next().is_none());
            let opening = scope.spawn(|| {
                let _opening = Opening(&visit);
                panic!("as the test wants it");
            });
            assert!(opening.join().is_err());
            assert!(waiting.join().unwrap());
        });
    }
}

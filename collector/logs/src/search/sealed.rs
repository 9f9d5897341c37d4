//! Looks through segments, the most promising block first, on as many threads as are useful.
//!
//! Segments and blocks wait in one heap, in the order of the best time that they can have.
//! A segment that comes out is replaced by those of its blocks that can match; a block that
//! comes out is read. So blocks of segments that overlap are read in the right order, and
//! when the best that is left cannot beat what was found, nothing more is read at all.

use super::chosen::Chosen;
use super::collect::{Place, Record};
use super::run::Looked;
use super::{Ask, Collector, Direction, Snapshot};
use crate::segment::{Damage, Scratch, Segment, StreamList};
use parking_lot::{Condvar, Mutex};
use sonde_proto::UnixNanos;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// After so many blocks, and with so many left, other threads help.
const BLOCKS_ALONE: usize = 4;

/// Something to be looked at. The greatest comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    /// Greater for what is better in the direction asked for.
    rank: u64,
    segment: usize,
    /// A block of it, and the equalities that it may have; or all of it.
    block: Option<(u32, u32)>,
}

#[derive(Debug)]
struct Queue {
    items: BinaryHeap<Item>,
    /// Segments that are being replaced by their blocks.
    opening: usize,
}

struct Visit<'a> {
    snapshot: &'a Snapshot,
    segments: &'a [Arc<Segment>],
    /// The streams of each segment, once it was opened.
    streams: &'a [OnceLock<StreamList>],
    ask: &'a Ask<'a>,
    collector: Mutex<Collector>,
    queue: Mutex<Queue>,
    changed: Condvar,
    states: Vec<State<'a>>,
    candidates: AtomicU64,
    blocks: AtomicU64,
    records: AtomicU64,
}

/// What is known of a segment.
#[derive(Default)]
struct State<'a> {
    chosen: OnceLock<Chosen<'a>>,
    visited: AtomicBool,
    damage: OnceLock<Damage>,
}

/// What came of visiting segments.
pub(super) struct Visited {
    pub(super) collector: Collector,
    /// All but the bytes, which the collector counts.
    pub(super) looked: Looked,
    pub(super) damaged: Vec<(u64, Damage)>,
}

/// Gives `collector` what is asked for.
pub(super) fn visit(
    snapshot: &Snapshot,
    ask: &Ask<'_>,
    collector: Collector,
    threads: usize,
) -> Visited {
    let segments = &snapshot.segments[..];
    let streams: Vec<_> = segments.iter().map(|_| OnceLock::new()).collect();
    let mut visit = Visit {
        snapshot,
        segments,
        streams: &streams,
        ask,
        collector: Mutex::new(collector),
        queue: Mutex::new(Queue {
            items: BinaryHeap::new(),
            opening: 0,
        }),
        changed: Condvar::new(),
        states: segments.iter().map(|_| State::default()).collect(),
        candidates: AtomicU64::new(0),
        blocks: AtomicU64::new(0),
        records: AtomicU64::new(0),
    };
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
    let items = items.collect();
    visit.queue.get_mut().items = items;
    visit.work(BLOCKS_ALONE);
    if threads > 1 && visit.queue.lock().items.len() > BLOCKS_ALONE {
        std::thread::scope(|scope| {
            for _ in 1..threads {
                let name = std::thread::Builder::new().name("logs-query".into());
                // Where the system has no thread left, there are fewer.
                let _ = name.spawn_scoped(scope, || visit.work(usize::MAX));
            }
            visit.work(usize::MAX);
        });
    } else {
        visit.work(usize::MAX);
    }
    let states = segments.iter().zip(visit.states);
    let (mut visited, mut damaged) = (0, Vec::new());
    for (segment, state) in states {
        visited += usize::from(state.visited.into_inner());
        damaged.extend(state.damage.into_inner().map(|d| (segment.meta.id, d)));
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
        damaged,
    }
}

impl Visit<'_> {
    fn rank(&self, first: UnixNanos, last: UnixNanos) -> u64 {
        let (start, end) = self.ask.times();
        match self.ask.direction() {
            Direction::Backward => last.0.min(end.0 - 1),
            Direction::Forward => u64::MAX - first.max(start).0,
        }
    }

    /// Looks at what is best, one after the other, until nothing is left or so many blocks
    /// were read.
    fn work(&self, mut blocks: usize) {
        let mut scratch = None;
        while blocks > 0
            && let Some(item) = self.next()
        {
            match item.block {
                None => self.open(item.segment),
                Some(block) => {
                    self.read(item.segment, block, &mut scratch);
                    blocks -= 1;
                }
            }
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
            return None;
        }
        queue.opening += usize::from(item.block.is_none());
        Some(item)
    }

    /// Puts the blocks of a segment in its place.
    fn open(&self, at: usize) {
        let (segment, state) = (&self.segments[at], &self.states[at]);
        let found = segment.streams().and_then(|streams| {
            let streams = self.streams[at].get_or_init(|| streams);
            let veils = self.snapshot.veils_of_segment(segment, streams);
            let chosen = Chosen::new(streams, self.ask, veils);
            if !chosen.any() {
                return Ok(Vec::new());
            }
            let chosen = state.chosen.get_or_init(|| chosen);
            segment.candidates(self.ask, chosen)
        });
        let candidates = found.unwrap_or_else(|damage| {
            state.damage.get_or_init(|| damage);
            Vec::new()
        });
        let count = candidates.len() as u64;
        self.candidates.fetch_add(count, Ordering::Relaxed);
        let mut queue = self.queue.lock();
        queue.items.extend(candidates.iter().map(|candidate| Item {
            rank: self.rank(candidate.first, candidate.last),
            segment: at,
            block: Some((candidate.block, candidate.may_have)),
        }));
        queue.opening -= 1;
        self.changed.notify_all();
    }

    fn read(&self, at: usize, block: (u32, u32), scratch: &mut Option<Scratch>) {
        let (segment, state) = (&self.segments[at], &self.states[at]);
        let Some(chosen) = state.chosen.get() else {
            return;
        };
        if state.damage.get().is_some() {
            return;
        }
        let bar = self.collector.lock().bar();
        let scratch = match scratch {
            Some(scratch) => Ok(scratch),
            None => Scratch::new().map(|new| scratch.insert(new)),
        };
        let scanned = scratch.and_then(|s| segment.scan(block, self.ask, chosen, bar, s));
        let scanned = match scanned {
            Ok(scanned) => scanned,
            Err(damage) => {
                state.damage.get_or_init(|| damage);
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
                    block: block.0,
                    row: hit.row,
                    body_bytes: hit.body_bytes,
                    body: hit.body,
                };
                collector.take(hit.key, stream, Record::Sealed(place));
            }
        }
        collector.spend(scanned.bytes);
    }
}

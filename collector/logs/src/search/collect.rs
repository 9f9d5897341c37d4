//! Keeps the best records found so far, within every limit.

use super::Direction;
use crate::record::Key;
use crate::segment::Bar;
use crate::stream::Stream;
use sonde_proto::{Deadline, UnixNanos};
use std::cmp::Ordering;
use std::collections::BinaryHeap;
use std::sync::Arc;

/// How many bytes are read between two looks at the clock: a few records can be large.
const BYTES_PER_LOOK: u64 = 8 << 20;

/// How much one search may take.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    pub(crate) records: usize,
    pub(crate) answer_bytes: u64,
    pub(crate) scan_bytes: u64,
    pub(crate) deadline: Deadline,
}

/// The best records so far.
#[derive(Debug)]
pub(crate) struct Collector {
    direction: Direction,
    limits: Limits,
    /// The worst of the kept is on top.
    kept: BinaryHeap<Hit>,
    kept_bytes: u64,
    /// Set when records were given up for want of room: nothing from here on is wanted.
    floor: Option<Key>,
    bytes_read: u64,
    /// How many bytes were read when the clock was last looked at for their sake.
    looked_at: u64,
    /// Why there was no room for more.
    overflow: Option<String>,
    cut: Option<String>,
    stopped: bool,
}

/// A record that is asked for.
#[derive(Debug)]
pub(crate) struct Hit {
    pub(crate) key: Key,
    pub(crate) stream: Arc<Stream>,
    pub(crate) record: Record,
    direction: Direction,
}

/// A record, or where it lies.
#[derive(Debug)]
pub(crate) enum Record {
    Packed(Box<[u8]>),
    Sealed(Place),
}

/// Where a sealed record lies.
#[derive(Debug)]
pub(crate) struct Place {
    /// Among the segments of the snapshot.
    pub(crate) segment: usize,
    pub(crate) block: u32,
    pub(crate) row: usize,
    pub(crate) body_bytes: usize,
    /// The body, where it was read.
    pub(crate) body: Option<Box<[u8]>>,
}

impl Record {
    fn bytes(&self) -> u64 {
        match self {
            Self::Packed(packed) => packed.len() as u64,
            Self::Sealed(place) => place.body_bytes as u64,
        }
    }
}

impl Collector {
    pub(crate) fn new(direction: Direction, limits: Limits) -> Self {
        Self {
            direction,
            limits,
            kept: BinaryHeap::new(),
            kept_bytes: 0,
            floor: None,
            bytes_read: 0,
            looked_at: 0,
            overflow: None,
            cut: None,
            stopped: false,
        }
    }

    /// Whether a record with this key would be among the best.
    pub(crate) fn wants(&self, key: Key) -> bool {
        if self
            .floor
            .is_some_and(|floor| rank(self.direction, key, floor) != Ordering::Less)
        {
            return false;
        }
        match self.kept.peek() {
            Some(worst) if self.kept.len() >= self.limits.records => {
                rank(self.direction, key, worst.key) == Ordering::Less
            }
            Some(_) | None => self.limits.records > 0,
        }
    }

    /// Whether no record of this time, nor of any time after it in the direction, is wanted.
    pub(crate) fn is_past(&self, time: UnixNanos) -> bool {
        let full = self.kept.len() >= self.limits.records;
        let worst = self.kept.peek().filter(|_| full).map(|hit| hit.key);
        let past = |bar: Key| match self.direction {
            Direction::Backward => time < bar.time,
            Direction::Forward => time > bar.time,
        };
        self.limits.records == 0 || worst.is_some_and(past) || self.floor.is_some_and(past)
    }

    /// What further records must beat.
    pub(crate) fn bar(&self) -> Bar {
        let full = self.kept.len() >= self.limits.records;
        let worst = self.kept.peek().filter(|_| full).map(|hit| hit.key);
        let worst = match (worst, self.floor) {
            (Some(a), Some(b)) if rank(self.direction, a, b) == Ordering::Greater => Some(b),
            (worst, floor) => worst.or(floor),
        };
        Bar {
            direction: self.direction,
            limit: self.limits.records,
            worst,
        }
    }

    /// Takes a record that is wanted, and gives up the worst beyond the limits.
    pub(crate) fn take(&mut self, key: Key, stream: &Arc<Stream>, record: Record) {
        self.kept_bytes += record.bytes();
        self.kept.push(Hit {
            key,
            stream: Arc::clone(stream),
            record,
            direction: self.direction,
        });
        while self.kept.len() > self.limits.records {
            self.give_up_worst();
        }
        // One record is always shown, however large.
        while self.kept_bytes > self.limits.answer_bytes && self.kept.len() > 1 {
            self.floor = self.give_up_worst().or(self.floor);
            let max = self.limits.answer_bytes;
            self.overflow.get_or_insert_with(|| format!("the answer is cut at {max} bytes of records; ask for a shorter time or fewer records"));
        }
    }

    fn give_up_worst(&mut self) -> Option<Key> {
        let worst = self.kept.pop()?;
        self.kept_bytes -= worst.record.bytes();
        Some(worst.key)
    }

    /// Counts bytes looked at; false when the search has to stop.
    pub(crate) fn spend(&mut self, bytes: usize) -> bool {
        self.bytes_read += bytes as u64;
        if self.bytes_read > self.limits.scan_bytes && !self.stopped {
            self.stop(format!(
                "the search stopped after reading {} bytes; ask for a shorter time or a rarer word",
                self.limits.scan_bytes
            ));
        }
        if self.bytes_read - self.looked_at >= BYTES_PER_LOOK {
            self.looked_at = self.bytes_read;
            self.check_deadline();
        }
        !self.stopped
    }

    /// Looks at the clock; true when the search has to stop.
    pub(crate) fn check_deadline(&mut self) -> bool {
        if !self.stopped && self.deadline_passed() {
            self.stop("the search ran out of time; ask for a shorter time or a rarer word".into());
        }
        self.stopped
    }

    fn deadline_passed(&self) -> bool {
        self.limits.deadline.has_passed()
    }

    /// Ends the search, unless it has ended.
    pub(crate) fn stop_for(&mut self, why: String) {
        if !self.stopped {
            self.stop(why);
        }
    }

    fn stop(&mut self, why: String) {
        self.stopped = true;
        self.note(why);
    }

    /// Says that records may be missing.
    pub(crate) fn note(&mut self, why: String) {
        match &mut self.cut {
            Some(cut) => {
                cut.push_str("; ");
                cut.push_str(&why);
            }
            None => self.cut = Some(why),
        }
    }

    /// Whether there is no room for more records.
    pub(crate) fn is_full(&self) -> bool {
        self.kept.len() >= self.limits.records || self.floor.is_some()
    }

    /// The records, best first; the bytes read; why records may be missing, where it is no
    /// reason that there was no room for them if the search `goes_on`.
    pub(crate) fn finish(self, goes_on: bool) -> (Vec<Hit>, u64, Option<String>) {
        let cut = match (self.overflow.filter(|_| !goes_on), self.cut) {
            (Some(overflow), Some(cut)) => Some(format!("{overflow}; {cut}")),
            (overflow, cut) => overflow.or(cut),
        };
        (self.kept.into_sorted_vec(), self.bytes_read, cut)
    }
}

/// `Less` where `a` comes before `b`.
fn rank(direction: Direction, a: Key, b: Key) -> Ordering {
    match direction {
        Direction::Backward => b.cmp(&a),
        Direction::Forward => a.cmp(&b),
    }
}

impl Ord for Hit {
    fn cmp(&self, other: &Self) -> Ordering {
        rank(self.direction, self.key, other.key)
    }
}

impl PartialOrd for Hit {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Hit {
    fn eq(&self, other: &Self) -> bool {
        self.key == other.key
    }
}

impl Eq for Hit {}

//! The samples of one series in one generation.
//!
//! Samples in order of time go to the open chunk; late ones are kept sorted beside it and
//! become chunks of their own when they are read, which overlap the others. Readers merge; at a
//! time that is taken twice the sample that arrived first wins, so a replay changes nothing.
//!
//! One request may bring a million late samples of a series in any order: to look whether a time
//! is taken does not depend on how many are.
//!
//! A late sample is held against what is not sealed alone. One at a time that is sealed already
//! is taken, counted as late, left out by readers and gone with the next merge, whatever its value
//! is: to tell its sender that it contradicts, a chunk would have to be read from disk for each
//! late sample, by the thread for which everybody waits.

use super::Outcome;
use super::histograms::HeadChunk;
use crate::Samples;
use crate::chunk::open::{ClosedChunk, OpenChunk, SAMPLES_MAX};
use std::collections::BTreeMap;

/// About what the allocator takes beside the bytes of a shared chunk.
const CLOSED_BYTES: usize = 40 + 32;
/// About what a late sample takes.
const LATE_BYTES: isize = (size_of::<(i64, f64)>() * 3 / 2) as isize;

/// What one series got since the generation began.
#[derive(Debug, Default)]
pub(crate) struct Chunks {
    open: Option<OpenChunk>,
    /// What most series do not have.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    closed: Vec<ClosedChunk>,
    late: BTreeMap<i64, f64>,
}

impl Chunks {
    /// Adds a sample that is newer than all before; returns how many more bytes of memory
    /// are used.
    pub(crate) fn push(&mut self, time: i64, value: f64) -> isize {
        if let Some(open) = self.open.as_mut().filter(|open| !open.is_full()) {
            let before = open.bytes() as isize;
            open.push(time, value);
            return open.bytes() as isize - before;
        }
        let mut grown = 0;
        if let Some(full) = self.open.take() {
            let closed = full.close();
            grown += (closed.bytes.len() + CLOSED_BYTES) as isize - full.bytes() as isize;
            self.more.get_or_insert_default().closed.push(closed);
        }
        let open = OpenChunk::begin(time, value);
        grown += open.bytes() as isize;
        self.open = Some(open);
        grown
    }

    /// Adds a sample that is older than the newest.
    pub(crate) fn push_late(&mut self, time: i64, value: f64) -> (Outcome, isize) {
        if let Some(before) = self.value_at(time) {
            return (Outcome::of_taken(before, value), 0);
        }
        self.more.get_or_insert_default().late.insert(time, value);
        (Outcome::Late, LATE_BYTES)
    }

    /// The value at a time: that of the sample that arrived first.
    pub(crate) fn value_at(&self, time: i64) -> Option<f64> {
        let mut chunks = Vec::new();
        self.find_in_order(time, time, &mut chunks);
        let mut samples = Samples::default();
        for chunk in chunks {
            samples.clear();
            // What was written a moment ago can be read.
            chunk.read(&mut samples).ok()?;
            if let Ok(at) = samples.times.binary_search(&time) {
                return samples.values.get(at).copied();
            }
        }
        self.more.as_ref()?.late.get(&time).copied()
    }

    /// Whether a sample may lie in the range.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        let closed = |c: &ClosedChunk| c.first <= end && c.last >= start;
        self.open
            .as_ref()
            .is_some_and(|open| open.first() <= end && open.last() >= start)
            || self.more.as_ref().is_some_and(|more| {
                more.closed.iter().any(closed) || more.late(start, end).next().is_some()
            })
    }

    /// Appends the chunks that may have samples in the range, the earlier arrived first.
    pub(crate) fn find(&self, start: i64, end: i64, out: &mut Vec<HeadChunk>) {
        self.find_in_order(start, end, out);
        if let Some(more) = &self.more {
            let late: Vec<(i64, f64)> = more.late(start, end).collect();
            let late = late.chunks(usize::from(SAMPLES_MAX)).filter_map(encode);
            out.extend(late.map(HeadChunk::Floats));
        }
    }

    /// The same without late samples.
    fn find_in_order(&self, start: i64, end: i64, out: &mut Vec<HeadChunk>) {
        let inside = |c: &&ClosedChunk| c.first <= end && c.last >= start;
        let closed = self.more.iter().flat_map(|more| &more.closed);
        out.extend(closed.filter(inside).cloned().map(HeadChunk::Floats));
        let open = self
            .open
            .as_ref()
            .filter(|open| open.first() <= end && open.last() >= start);
        out.extend(open.map(OpenChunk::close).map(HeadChunk::Floats));
    }
}

impl More {
    fn late(&self, start: i64, end: i64) -> impl Iterator<Item = (i64, f64)> {
        let inside = self.late.range(start..=end.max(start));
        inside.map(|(time, value)| (*time, *value))
    }
}

fn encode(samples: &[(i64, f64)]) -> Option<ClosedChunk> {
    let ((time, value), rest) = samples.split_first()?;
    let mut open = OpenChunk::begin(*time, *value);
    rest.iter()
        .for_each(|(time, value)| open.push(*time, *value));
    Some(open.close())
}

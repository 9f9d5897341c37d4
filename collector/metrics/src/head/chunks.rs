//! The samples of one series in one generation.
//!
//! Samples in order of time go to the open chunk; late ones are kept sorted beside it and
//! become chunks of their own, which overlap the others. Readers merge; at a time that is
//! taken twice the sample that arrived first wins, so a replay changes nothing.
//!
//! A late sample is held against what is not sealed alone. One at a time that is sealed already
//! is taken, counted as late, left out by readers and gone with the next merge, whatever its value
//! is: to tell its sender that it contradicts, a chunk would have to be read from disk for each
//! late sample, by the thread for which everybody waits.

use super::Outcome;
use super::histograms::HeadChunk;
use crate::Samples;
use crate::chunk::open::{ClosedChunk, OpenChunk, SAMPLES_MAX};

/// About what the allocator takes beside the bytes of a shared chunk.
const CLOSED_BYTES: usize = 40 + 32;

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
    late: Vec<(i64, f64)>,
    late_closed: Vec<ClosedChunk>,
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
        let more = self.more.get_or_insert_default();
        let at = more.late.partition_point(|(t, _)| *t < time);
        more.late.insert(at, (time, value));
        if more.late.len() >= usize::from(SAMPLES_MAX) {
            more.late_closed.extend(encode(&more.late));
            more.late.clear();
        }
        (Outcome::Late, 16)
    }

    /// The value at a time: that of the sample that arrived first.
    pub(crate) fn value_at(&self, time: i64) -> Option<f64> {
        let mut chunks = Vec::new();
        self.find(time, time, &mut chunks);
        let mut samples = Samples::default();
        for chunk in chunks {
            samples.clear();
            // What was written a moment ago can be read.
            chunk.read(&mut samples).ok()?;
            if let Ok(at) = samples.times.binary_search(&time) {
                return samples.values.get(at).copied();
            }
        }
        None
    }

    /// Whether a sample may lie in the range.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        let closed = |c: &ClosedChunk| c.first <= end && c.last >= start;
        self.open
            .as_ref()
            .is_some_and(|open| open.first() <= end && open.last() >= start)
            || self.more.as_ref().is_some_and(|more| {
                more.closed.iter().chain(&more.late_closed).any(closed)
                    || more.late.iter().any(|(t, _)| (start..=end).contains(t))
            })
    }

    /// Appends the chunks that may have samples in the range, the earlier arrived first.
    pub(crate) fn find(&self, start: i64, end: i64, out: &mut Vec<HeadChunk>) {
        let inside = |c: &&ClosedChunk| c.first <= end && c.last >= start;
        let more = self.more.as_deref();
        let mut add = |chunk: ClosedChunk| out.push(HeadChunk::Floats(chunk));
        more.iter()
            .flat_map(|m| m.closed.iter().filter(inside))
            .cloned()
            .for_each(&mut add);
        let open = self
            .open
            .as_ref()
            .filter(|open| open.first() <= end && open.last() >= start);
        open.map(OpenChunk::close).into_iter().for_each(&mut add);
        if let Some(more) = more {
            let late = more.late_closed.iter().filter(inside).cloned();
            late.chain(encode(&more.late).filter(|c| inside(&c)))
                .for_each(add);
        }
    }
}

fn encode(samples: &[(i64, f64)]) -> Option<ClosedChunk> {
    let ((time, value), rest) = samples.split_first()?;
    let mut open = OpenChunk::begin(*time, *value);
    rest.iter()
        .for_each(|(time, value)| open.push(*time, *value));
    Some(open.close())
}

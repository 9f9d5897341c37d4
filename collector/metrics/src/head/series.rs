//! One series in memory.
//!
//! Samples in order of time go to the open chunk; late ones are kept sorted beside it and
//! become chunks of their own, which overlap the others. Readers merge; at a time that is
//! taken twice the sample that arrived first wins, so a replay changes nothing.

use crate::chunk::open::{ClosedChunk, OpenChunk, SAMPLES_MAX};
use crate::is_stale;
use crate::postings::Pairs;

/// What became of a sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It was appended.
    Appended,
    /// It was older than the newest and put beside it.
    Late,
    /// Its time was taken already.
    Duplicate,
}

/// Labels, samples and the latest value of a series.
#[derive(Debug)]
pub(crate) struct Series {
    pub(crate) labels: Box<Pairs>,
    open: Option<OpenChunk>,
    closed: Vec<ClosedChunk>,
    late: Option<Box<Late>>,
    last_time: i64,
    last_value: f64,
}

#[derive(Debug, Default)]
struct Late {
    samples: Vec<(i64, f64)>,
    closed: Vec<ClosedChunk>,
}

impl Series {
    pub(crate) fn new(labels: Box<Pairs>) -> Self {
        Self {
            labels,
            open: None,
            closed: Vec::new(),
            late: None,
            last_time: i64::MIN,
            last_value: 0.0,
        }
    }

    /// Adds a sample; also tells how many more bytes of memory are used.
    pub(crate) fn push(&mut self, time: i64, value: f64) -> (Outcome, usize) {
        if time <= self.last_time {
            return self.push_late(time, value);
        }
        self.last_time = time;
        if !is_stale(value) {
            self.last_value = value;
        }
        let Some(open) = self.open.as_mut().filter(|open| !open.is_full()) else {
            let freed = self.open.take().map_or(0, |full| {
                let closed = full.close();
                let freed = full.bytes() as isize - closed.bytes.len() as isize - 48;
                self.closed.push(closed);
                freed
            });
            let open = OpenChunk::begin(time, value);
            let bytes = open.bytes() as isize - freed;
            self.open = Some(open);
            return (Outcome::Appended, bytes.max(0) as usize);
        };
        let before = open.bytes();
        open.push(time, value);
        (Outcome::Appended, open.bytes() - before)
    }

    fn push_late(&mut self, time: i64, value: f64) -> (Outcome, usize) {
        if time == self.last_time {
            return (Outcome::Duplicate, 0);
        }
        let late = self.late.get_or_insert_default();
        let Err(at) = late.samples.binary_search_by_key(&time, |(t, _)| *t) else {
            return (Outcome::Duplicate, 0);
        };
        late.samples.insert(at, (time, value));
        if late.samples.len() >= usize::from(SAMPLES_MAX) {
            late.closed.extend(encode(&late.samples));
            late.samples.clear();
        }
        (Outcome::Late, 16)
    }

    /// The newest time, also if it is sealed already; `i64::MIN` before the first sample.
    pub(crate) fn last_time(&self) -> i64 {
        self.last_time
    }

    /// The newest value that was no stale marker: what a delta is added to.
    pub(crate) fn last_value(&self) -> f64 {
        self.last_value
    }

    /// Goes on from where a series of the same labels was.
    pub(crate) fn continue_from(&mut self, other: &Self) {
        (self.last_time, self.last_value) = (other.last_time, other.last_value);
    }

    /// Goes on from the last sealed sample.
    pub(crate) fn continue_at(&mut self, time: i64, value: f64) {
        (self.last_time, self.last_value) = (time, value);
    }

    pub(crate) fn has_samples(&self) -> bool {
        self.open.is_some() || self.late.is_some()
    }

    /// Whether a sample may lie in the range.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        let closed = |c: &ClosedChunk| c.first <= end && c.last >= start;
        self.open
            .as_ref()
            .is_some_and(|open| open.first() <= end && open.last() >= start)
            || self.closed.iter().any(closed)
            || self.late.as_ref().is_some_and(|late| {
                late.closed.iter().any(closed)
                    || late.samples.iter().any(|(t, _)| (start..=end).contains(t))
            })
    }

    /// The chunks that may have samples in the range, the earlier arrived first.
    pub(crate) fn chunks(&self, start: i64, end: i64) -> Vec<ClosedChunk> {
        let inside = |c: &&ClosedChunk| c.first <= end && c.last >= start;
        let mut chunks: Vec<ClosedChunk> = self.closed.iter().filter(inside).cloned().collect();
        let open = self
            .open
            .as_ref()
            .filter(|open| open.first() <= end && open.last() >= start);
        chunks.extend(open.map(OpenChunk::close));
        if let Some(late) = &self.late {
            chunks.extend(late.closed.iter().filter(inside).cloned());
            chunks.extend(encode(&late.samples).filter(|c| inside(&c)));
        }
        chunks
    }

    /// Lets go of all samples.
    pub(crate) fn rotate(&mut self) -> Vec<ClosedChunk> {
        self.open = None;
        self.late = None;
        std::mem::take(&mut self.closed)
    }
}

fn encode(samples: &[(i64, f64)]) -> Option<ClosedChunk> {
    let ((time, value), rest) = samples.split_first()?;
    let mut open = OpenChunk::begin(*time, *value);
    rest.iter()
        .for_each(|(time, value)| open.push(*time, *value));
    Some(open.close())
}

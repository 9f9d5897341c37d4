//! Records that wait for their turn.
//!
//! `distinct` keeps the first record of each value, and first is what its time says, not the
//! order in which a source's threads find it. So where a query has it, whole records are kept
//! until the scan is over, and go through the pipeline by their times.

use crate::eval::cell::Cell;
use crate::eval::column::label_bytes;
use crate::eval::limits::Budget;
use crate::eval::sink::RangeSink;
use crate::source::{Record, Sink as _, Stop, StreamView};
use sonde_proto::{Labels, UnixNanos};

/// What one sink holds back.
#[derive(Debug, Default)]
pub(crate) struct Held {
    streams: Vec<Stream>,
    records: Vec<HeldRecord>,
}

#[derive(Debug, PartialEq)]
struct Stream {
    labels: Labels,
    metadata: Vec<(String, String)>,
}

#[derive(Debug)]
struct HeldRecord {
    stream: usize,
    time: UnixNanos,
    line: Box<[u8]>,
    metadata: Box<[(Box<str>, Box<str>)]>,
}

/// What a record or a name takes besides its text.
const BYTES: usize = size_of::<HeldRecord>();

impl Held {
    /// What comes next is of this stream.
    pub(crate) fn stream(&mut self, stream: StreamView<'_>, budget: &Budget) -> Result<(), Stop> {
        let last = self.streams.last();
        if last.is_some_and(|s| s.labels == *stream.labels && s.metadata == stream.metadata) {
            return Ok(());
        }
        let texts = stream
            .metadata
            .iter()
            .map(|(n, v)| n.len() + v.len() + BYTES);
        budget.keep_labels(label_bytes(stream.labels) + texts.sum::<usize>())?;
        self.streams.push(Stream {
            labels: stream.labels.clone(),
            metadata: stream.metadata.to_vec(),
        });
        Ok(())
    }

    /// Holds a record back.
    pub(crate) fn push(&mut self, record: &Record<'_>, budget: &Budget) -> Result<(), Stop> {
        let texts = record
            .metadata
            .iter()
            .map(|(n, v)| n.len() + v.len() + BYTES);
        budget.keep_records(BYTES + record.line.len() + texts.sum::<usize>())?;
        let metadata = record
            .metadata
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into()));
        self.records.push(HeldRecord {
            stream: self.streams.len().saturating_sub(1),
            time: record.time,
            line: record.line.into(),
            metadata: metadata.collect(),
        });
        Ok(())
    }
}

/// Gives what all sinks held back to one sink, by time; of one time, by labels and line, so
/// that the answer does not depend on who found what.
pub(crate) fn release<C: Cell>(held: &[Held], sink: &mut RangeSink<'_, C>) -> Result<(), Stop> {
    let mut all: Vec<(&Stream, &HeldRecord)> = Vec::new();
    for part in held {
        let records = part.records.iter();
        all.extend(records.filter_map(|r| Some((part.streams.get(r.stream)?, r))));
    }
    all.sort_by(|(stream, record), (other_stream, other)| {
        let key = (record.time, &stream.labels, &record.line);
        key.cmp(&(other.time, &other_stream.labels, &other.line))
    });
    for (stream, record) in all {
        let stream = StreamView {
            labels: &stream.labels,
            metadata: &stream.metadata,
        };
        let metadata: Vec<(&str, &str)> =
            record.metadata.iter().map(|(n, v)| (&**n, &**v)).collect();
        sink.stream(stream)?;
        sink.record(&Record {
            time: record.time,
            line: &record.line,
            stream,
            metadata: &metadata,
        })?;
    }
    Ok(())
}

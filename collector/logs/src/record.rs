//! One log record: as an answer shows it, and packed as tail and segments keep it.
//!
//! ```text
//! packed = flags u8        bit 0: trace ID follows, bit 1: span ID follows
//!          severity u8     SeverityNumber, 0 where unknown
//!          observed varint                   nanoseconds since 1970
//!          [trace ID 16 bytes] [span ID 8 bytes]
//!          length varint, body               the raw bytes, as they came
//!          count varint, count × (length varint, name, length varint, value)
//! ```
//!
//! The record's key and its stream stand outside: they are columns in a segment.

pub(crate) mod metadata;
mod pack;

pub(crate) use pack::{NewRecord, Packed, append, pack};

use crate::stream::Stream;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use sonde_logql::Category;
use sonde_proto::{Labels, Position, SpanId, TraceId, UnixNanos};
use std::collections::BTreeMap;

/// A log record as an answer shows it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct LogRecord {
    /// When it happened: its own time, else when it was first seen, else when it arrived.
    pub time: UnixNanos,
    /// When it was first seen by a collector; 0 where unknown.
    pub observed: UnixNanos,
    /// The labels of its stream, with `level`.
    pub labels: Labels,
    /// OpenTelemetry's `SeverityNumber`, 1 to 24; 0 where unknown.
    pub severity: u8,
    /// `trace`, `debug`, `info`, `warn`, `error`, `fatal` or `unknown`.
    pub level: String,
    /// The message. Bytes that are no UTF-8 are shown as U+FFFD; searches see them as they are.
    pub body: String,
    /// The trace it belongs to.
    pub trace_id: Option<TraceId>,
    /// The span it belongs to.
    pub span_id: Option<SpanId>,
    /// The record's own attributes, in order.
    pub attributes: Vec<(String, String)>,
    /// The attributes of its resource and scope that are no labels.
    pub resource: Vec<(String, String)>,
    /// What the query's pipeline made of it, where a query found it.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub line: Option<Line>,
}

/// A record as a pipeline leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The line.
    pub text: String,
    /// All labels by name, each with where it comes from.
    pub labels: Vec<(String, String, Category)>,
    /// Whether there was no stage to change anything.
    pub is_as_it_came: bool,
}

impl Line {
    /// How many bytes its text and its labels have.
    pub(crate) fn bytes(&self) -> u64 {
        let labels = self.labels.iter();
        let labels = labels.map(|(name, value, _)| name.len() + value.len());
        (self.text.len() + labels.sum::<usize>()) as u64
    }
}

/// What stages changed: `line`, and the labels that they took out of it as `parsed`.
impl Serialize for Line {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if !self.is_as_it_came {
            let labels = self.labels.iter();
            let parsed = labels.filter(|(.., category)| *category == Category::Parsed);
            let parsed = parsed.map(|(name, value, _)| (name, value));
            map.serialize_entry("line", &self.text)?;
            map.serialize_entry("parsed", &parsed.collect::<BTreeMap<_, _>>())?;
        }
        map.end()
    }
}

/// The order of records: by time, and by arrival among equal times.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) time: UnixNanos,
    pub(crate) position: Position,
    pub(crate) index: u32,
}

impl LogRecord {
    /// The record that is packed in `packed`; nothing where that is damaged.
    pub(crate) fn unpack(time: UnixNanos, stream: &Stream, packed: &[u8]) -> Option<Self> {
        Packed::read(packed).map(|packed| Self::of(time, stream, &packed))
    }

    /// A packed record of a stream.
    pub(crate) fn of(time: UnixNanos, stream: &Stream, packed: &Packed<'_>) -> Self {
        Self {
            time,
            observed: packed.observed,
            labels: stream.labels.clone(),
            severity: packed.severity,
            level: stream.level.as_str().to_owned(),
            body: String::from_utf8_lossy(packed.body).into_owned(),
            trace_id: packed.trace_id,
            span_id: packed.span_id,
            attributes: packed
                .attributes()
                .map(|(k, v)| (lossy(k), lossy(v)))
                .collect(),
            resource: stream.resource.to_vec(),
            line: None,
        }
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

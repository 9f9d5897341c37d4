//! What is asked of a record.

use super::{Direction, Search};
use crate::record::Packed;
use crate::words;
use sonde_proto::{Labels, TraceId, UnixNanos};

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// The lines of a query in a range of time.
    Lines(&'a Search),
    /// The records of a trace, whenever they were.
    Trace(&'a TraceId),
    /// The records with this token in body or attributes, whenever they were.
    Token(&'a str),
}

impl Ask<'_> {
    /// The times asked for: from, and before.
    pub(crate) fn times(&self) -> (UnixNanos, UnixNanos) {
        match self {
            Self::Lines(search) => (search.start, search.end),
            Self::Trace(_) | Self::Token(_) => (UnixNanos(0), UnixNanos(u64::MAX)),
        }
    }

    /// Which records are the best.
    pub(crate) fn direction(&self) -> Direction {
        match self {
            Self::Lines(search) => search.direction,
            Self::Trace(_) | Self::Token(_) => Direction::Forward,
        }
    }

    /// Whether a stream with these labels can have what is asked for.
    pub(crate) fn wants_stream(&self, labels: &Labels) -> bool {
        match self {
            Self::Lines(search) => search.query.matches_labels(labels),
            Self::Trace(_) | Self::Token(_) => true,
        }
    }

    /// Whether a record of the tail, of a wanted stream and time, is asked for: the bytes decide.
    pub(crate) fn wants_record(&self, record: &Packed<'_>) -> bool {
        match self {
            Self::Lines(search) => search.query.matches_line(record.body),
            Self::Trace(id) => record.trace_id.as_ref() == Some(id),
            Self::Token(token) => {
                let has = |text| words::contains_token(text, token.as_bytes());
                has(record.body) || searched_values(record).any(has)
            }
        }
    }
}

/// The values that identifiers are looked for in.
fn searched_values<'a>(record: &Packed<'a>) -> impl Iterator<Item = &'a [u8]> + use<'a> {
    let uid = sonde_proto::semconv::LOG_RECORD_UID.as_bytes();
    record
        .attributes()
        .filter(move |(name, _)| *name != uid)
        .map(|(_, value)| value)
}

//! What is asked of a record.

use super::{Direction, Lines};
use crate::record::{Packed, metadata};
use crate::words;
use sonde_proto::{Labels, TraceId, UnixNanos};

/// One question.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ask<'a> {
    /// The lines of a query in a range of time.
    Lines(&'a Lines<'a>),
    /// The records of a trace, whenever they were.
    Trace(&'a TraceId),
    /// The records with this token in body or attributes, whenever they were.
    Token(&'a str),
}

impl<'a> Ask<'a> {
    /// The times asked for: from, and before.
    pub(crate) fn times(&self) -> (UnixNanos, UnixNanos) {
        match self {
            Self::Lines(lines) => (lines.start, lines.end),
            Self::Trace(_) | Self::Token(_) => (UnixNanos(0), UnixNanos(u64::MAX)),
        }
    }

    /// Which records are the best.
    pub(crate) fn direction(&self) -> Direction {
        match self {
            Self::Lines(lines) => lines.direction,
            Self::Trace(_) | Self::Token(_) => Direction::Forward,
        }
    }

    /// Whether a stream with these labels can have what is asked for.
    pub(crate) fn wants_stream(&self, labels: &Labels) -> bool {
        match self {
            Self::Lines(lines) => lines.matches_labels(labels),
            Self::Trace(_) | Self::Token(_) => true,
        }
    }

    /// The lines, where lines are asked for.
    pub(crate) fn lines(&self) -> Option<&'a Lines<'a>> {
        match self {
            Self::Lines(lines) => Some(lines),
            Self::Trace(_) | Self::Token(_) => None,
        }
    }

    /// Whether a record of the tail, of a wanted stream and time, is asked for, but for what
    /// the pipeline says: the bytes decide.
    pub(crate) fn wants_record(&self, record: &Packed<'_>) -> bool {
        match self {
            Self::Lines(lines) => lines.matches_line(record.body),
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
    let searched = record
        .attributes()
        .filter(|(name, _)| metadata::is_shown(name));
    searched.map(|(_, value)| value)
}

//! Searching: one compiled question, asked of tail and segments alike.

mod ask;
mod collect;
mod sealed;
mod fetch;
mod run;

pub(crate) use ask::Ask;
pub(crate) use collect::{Collector, Limits, Record};
pub(crate) use run::{Found, Snapshot, run};

use crate::query::LogQuery;
use crate::record::LogRecord;
use serde::Serialize;
use sonde_proto::{Position, UnixNanos};
use std::time::Instant;

/// Which records come first, and so which are left out beyond the limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Direction {
    /// The newest first; among equal times the one that arrived last.
    #[default]
    Backward,
    /// The oldest first; exactly the reverse of [`Self::Backward`].
    Forward,
}

/// A search for log lines.
#[derive(Clone, Debug)]
pub struct Search {
    /// Which streams, which lines.
    pub query: LogQuery,
    /// The earliest time.
    pub start: UnixNanos,
    /// The time before which records must be.
    pub end: UnixNanos,
    /// How many records at most.
    pub limit: usize,
    /// Which of them first.
    pub direction: Direction,
    /// When to stop and answer with what was found.
    pub deadline: Option<Instant>,
}

/// What a search found, and how it went.
#[derive(Clone, Debug, Serialize)]
pub struct LogAnswer {
    /// The records in the order asked for.
    pub records: Vec<LogRecord>,
    /// Everything before this position of the journal was searched.
    pub searched_through: Position,
    /// How many segments had records read from them.
    pub segments_visited: usize,
    /// How many segments needed no reading.
    pub segments_skipped: usize,
    /// How many bytes were looked at: of bodies, and of the columns of segments as they lie.
    pub bytes_read: u64,
    /// Why records may be missing, where that is so.
    pub cut: Option<String>,
}

/// What belongs to an identifier.
#[derive(Clone, Debug, Default)]
pub struct Belonging {
    /// The records, oldest first.
    pub records: Vec<LogRecord>,
    /// Why these may not be all.
    pub cut: Option<String>,
}

/// Why a search has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SearchError {
    /// The identifier that was looked up holds nothing that could be looked up.
    #[error("{0:?} has no letter or digit to look for")]
    NoWord(String),
    /// A record that was found cannot be read.
    #[error("a record that was found cannot be read; its segment is damaged")]
    Damaged,
}

#[cfg(test)]
mod tests;

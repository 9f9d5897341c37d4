//! Searching: one compiled question, asked of tail and segments alike.

mod threads;
mod lines;
mod ask;
mod chosen;
mod collect;
mod sealed;
mod fetch;
mod run;
mod show;
mod source;
mod volumes;

pub(crate) use ask::Ask;
pub(crate) use chosen::{ChooseError, Chosen, Room};
pub(crate) use collect::{Collector, Limits, Record};
pub(crate) use lines::Lines;
pub(crate) use run::{Found, Looked, Snapshot, run};
pub(crate) use show::{Shown, Shows};
pub(crate) use threads::Threads;
pub(crate) use volumes::count;

pub use source::TenantSource;
pub use volumes::{StreamVolume, StreamVolumes};

use crate::record::LogRecord;
use serde::Serialize;
use sonde_logql::LogQuery;
use sonde_proto::{Deadline, Position, UnixNanos};
use std::time::Duration;

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
    /// The least time between two of them.
    pub interval: Duration,
    /// When to stop and answer with what was found.
    pub deadline: Deadline,
}

/// What a search found, and how it went.
#[derive(Clone, Debug, Serialize)]
pub struct LogAnswer {
    /// The records in the order asked for.
    pub records: Vec<LogRecord>,
    /// Everything before this position of the journal was searched.
    pub searched_through: Position,
    /// The words by which blocks were chosen.
    pub terms: Vec<String>,
    /// How many segments had records read from them.
    pub segments_visited: usize,
    /// How many segments needed no reading.
    pub segments_skipped: usize,
    /// How many blocks could have what is asked for, by their times, streams and words. Those
    /// of segments that needed no look are not among them.
    pub blocks_candidates: u64,
    /// How many of these were read.
    pub blocks_visited: u64,
    /// How many records of wanted streams and times these have, with those of the tail that
    /// were looked at.
    pub records_read: u64,
    /// How many bytes were looked at: of bodies, and of the columns of segments as they lie.
    pub bytes_read: u64,
    /// Why records may be missing, where that is so.
    pub cut: Option<String>,
}

/// How reading went that was not for records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// How many records were told of.
    pub records: u64,
    /// How many bytes their lines have, as far as that was needed.
    pub line_bytes: u64,
    /// The words by which blocks were chosen.
    pub terms: Vec<String>,
    /// How many segments had blocks looked at.
    pub segments_visited: usize,
    /// How many segments needed no look.
    pub segments_skipped: usize,
    /// How many blocks could have what is asked for, by their times, streams and words.
    pub blocks_candidates: u64,
    /// How many of these were looked at: for many of them the directory was enough.
    pub blocks_visited: u64,
    /// How many bytes were looked at: of bodies, and of the columns of segments as they lie.
    pub bytes_read: u64,
    /// Everything before this position of the journal was looked at.
    pub searched_through: Position,
    /// Why records may be missing, where that is so.
    pub cut: Option<String>,
}

impl Reading {
    /// Adds how more went.
    pub(crate) fn add(&mut self, more: &Self) {
        self.records += more.records;
        self.line_bytes += more.line_bytes;
        self.terms.extend_from_slice(&more.terms);
        self.terms.sort_unstable();
        self.terms.dedup();
        self.segments_visited = self.segments_visited.max(more.segments_visited);
        self.segments_skipped = self.segments_skipped.max(more.segments_skipped);
        self.blocks_candidates += more.blocks_candidates;
        self.blocks_visited += more.blocks_visited;
        self.bytes_read += more.bytes_read;
        self.searched_through = self.searched_through.max(more.searched_through);
        self.cut = self.cut.take().or_else(|| more.cut.clone());
    }
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
    /// The time was over before there was an answer.
    #[error("the query ran out of time; ask for a shorter time or a narrower selector")]
    Deadline,
}

#[cfg(test)]
mod tests;

//! Logs as LogQL sees them: the log store behind the language's words.
//!
//! ```text
//! stream               the labels; a pushed stream's under their own names, see [`labels`]
//! structured metadata  of the stream: attributes of resource and scope that are no labels,
//!                      detected_level; of the record: its attributes, trace_id, span_id,
//!                      severity_number. Names with everything but letters, digits and
//!                      underscores as an underscore
//! line                 the body
//! ```
//!
//! Everything is read in pages through [`LogStore::search`], which narrows by selector and by
//! what lines must contain; the language decides the rest.

mod labels;
mod pages;
mod record;
mod scan;
mod search;
mod streams;

pub(crate) use labels::with_pushed;
pub(crate) use scan::LogSource;
pub(crate) use search::{Line, LineSearch, Lines};
pub(crate) use streams::{StreamUse, Streams};

use pages::{Pages, What};
use sonde_logs::{Direction, LogStore, SearchError};
use sonde_proto::{Position, Tenant};
use std::sync::Arc;
use std::time::Instant;

/// Reads the logs of all tenants. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogReader {
    store: Arc<LogStore>,
    /// How many records one search of the store may give.
    records_max: usize,
    /// How many bytes of lines and labels one answer may have.
    answer_bytes_max: usize,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// A stored record cannot be read.
    #[error("{0}")]
    Store(#[from] SearchError),
    /// The time was over before there was an answer.
    #[error("the query ran out of time; ask for a shorter time or a rarer word")]
    Deadline,
}

/// How reading went.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// How many records were looked at.
    pub(crate) records: u64,
    /// How many bytes their lines have.
    pub(crate) bytes: u64,
    /// How many segments had records read from them, and how many needed no reading; once for
    /// each page.
    pub(crate) segments_visited: usize,
    pub(crate) segments_skipped: usize,
    /// How many bytes the store looked at.
    pub(crate) store_bytes: u64,
    /// How many pages were read.
    pub(crate) pages: usize,
    /// Everything before this position of the journal was looked at.
    pub(crate) searched_through: Position,
    /// Why records may be missing.
    pub(crate) cut: Option<String>,
}

impl LogReader {
    /// Reads a store that was opened with this configuration.
    pub(crate) fn new(store: Arc<LogStore>, config: &sonde_logs::Config) -> Self {
        let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX).max(1);
        Self {
            store,
            records_max: limit(config.records_max),
            answer_bytes_max: limit(config.answer_bytes_max),
        }
    }

    /// The most lines one answer may have.
    pub(crate) fn lines_max(&self) -> usize {
        self.records_max
    }

    /// The logs of one tenant, for metric queries.
    pub(crate) fn source(&self, tenant: &Tenant, deadline: Option<Instant>) -> LogSource<'_> {
        LogSource::new(self, tenant.clone(), deadline)
    }

    fn pages<'r>(
        &'r self,
        tenant: &'r Tenant,
        what: &What<'_>,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> Pages<'r> {
        Pages::new(self, tenant, what, direction, deadline)
    }
}

#[cfg(test)]
mod tests;

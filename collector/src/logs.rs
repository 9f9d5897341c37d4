//! Logs as APIs ask for them: lines with their labels, numbers, streams.

use sonde_logs::{LinePatterns, LogStore, SearchError, TenantSource};
use sonde_proto::{Deadline, Matcher, Tenant, UnixNanos};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use sonde_logs::Reading;
pub(crate) use sonde_logs::{
    Search as LineSearch, StreamVolume as StreamUse, StreamVolumes as Streams,
};

/// Reads the logs of all tenants. Cheap to clone.
#[derive(Clone)]
pub(crate) struct LogReader {
    store: Arc<LogStore>,
    /// How many records one answer may have.
    records_max: usize,
}

/// A line, as a query's pipeline leaves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: UnixNanos,
    pub(crate) text: String,
    /// Its labels by name, each with where it comes from.
    pub(crate) labels: Vec<(String, String, sonde_logql::Category)>,
}

/// The lines of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    pub(crate) reading: Reading,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// A stored record cannot be read.
    #[error("{0}")]
    Store(SearchError),
    /// The time was over before there was an answer.
    #[error("the query ran out of time; ask for a shorter time or a rarer word")]
    Deadline,
}

impl From<SearchError> for ReadError {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Deadline => Self::Deadline,
            other @ (SearchError::NoWord(_) | SearchError::Damaged) => Self::Store(other),
        }
    }
}

impl LogReader {
    /// Reads a store that was opened with this configuration.
    pub(crate) fn new(store: Arc<LogStore>, config: &sonde_logs::Config) -> Self {
        let records_max = usize::try_from(config.records_max).unwrap_or(usize::MAX);
        Self {
            store,
            records_max: records_max.max(1),
        }
    }

    /// The most lines one answer may have.
    pub(crate) fn lines_max(&self) -> usize {
        self.records_max
    }

    /// The logs of one tenant, for metric queries.
    pub(crate) fn source(&self, tenant: &Tenant, deadline: &Deadline) -> TenantSource<'_> {
        self.store.source(tenant, deadline)
    }

    /// Finds lines, in the order asked for.
    ///
    /// # Errors
    /// [`ReadError`] when a record cannot be read.
    pub(crate) fn search(&self, tenant: &Tenant, search: &LineSearch) -> Result<Lines, ReadError> {
        let answer = self.store.search(tenant, search)?;
        let lines = answer.records.into_iter().filter_map(|record| {
            let line = record.line?;
            Some(Line {
                time: record.time,
                text: line.text,
                labels: line.labels,
            })
        });
        Ok(Lines {
            lines: lines.collect(),
            reading: Reading {
                records: answer.records_read,
                line_bytes: answer.bytes_read,
                terms: answer.terms,
                segments_visited: answer.segments_visited,
                segments_skipped: answer.segments_skipped,
                blocks_candidates: answer.blocks_candidates,
                blocks_visited: answer.blocks_visited,
                bytes_read: answer.bytes_read,
                searched_through: answer.searched_through,
                cut: answer.cut,
            },
        })
    }

    /// What the lines of a period look like, and how many there are of each in every step.
    pub(crate) fn patterns(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        period: (UnixNanos, UnixNanos),
        step: Duration,
        deadline: &Deadline,
    ) -> LinePatterns {
        self.store
            .patterns(tenant, matchers, period, step, deadline)
    }

    /// The streams that satisfy a selector and have records in a period. Streams that differ in
    /// nothing but their metadata are one.
    ///
    /// # Errors
    /// [`ReadError`] when there was not enough time.
    pub(crate) fn streams(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        period: (UnixNanos, UnixNanos),
        deadline: &Deadline,
    ) -> Result<Streams, ReadError> {
        self.streams_by_parts(tenant, matchers, period, None, deadline)
    }

    /// The same, with the bytes of every part of the period that is so long.
    ///
    /// # Errors
    /// [`ReadError`] when there was not enough time.
    pub(crate) fn streams_by_parts(
        &self,
        tenant: &Tenant,
        matchers: &[Matcher],
        period: (UnixNanos, UnixNanos),
        part: Option<Duration>,
        deadline: &Deadline,
    ) -> Result<Streams, ReadError> {
        let found = self.store.streams(tenant, matchers, period, part, deadline);
        Ok(found?)
    }
}

#[cfg(test)]
mod tests;

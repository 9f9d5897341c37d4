//! Where records come from: the seam between the language and a store.
//!
//! A metric query asks for as little as it can do with: how many records lie in a span of
//! time, or when they were, or how long they are, or all of them. A source answers from
//! columns where it can, in any order, from several threads at once.

use crate::filter::LineFilter;
use sonde_proto::{Labels, Matcher, UnixNanos};

/// What the records of a stream have in common.
#[derive(Clone, Copy, Debug)]
pub struct StreamView<'a> {
    /// The labels that selectors look at.
    pub labels: &'a Labels,
    /// The structured metadata that all of the stream's records have: attributes of the
    /// resource and the scope, and `detected_level`; under names of letters, digits and underscores.
    pub metadata: &'a [(String, String)],
}

/// A record, as a pipeline reads it.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// When it was.
    pub time: UnixNanos,
    /// Its line, as it came.
    pub line: &'a [u8],
    /// Its stream.
    pub stream: StreamView<'a>,
    /// Its own structured metadata: attributes, `trace_id`, `span_id`, `severity_number`…;
    /// under names of letters, digits and underscores. Empty where it was not asked for.
    pub metadata: &'a [(&'a str, &'a str)],
}

/// What is asked of a source.
#[derive(Clone, Debug)]
pub struct Scan<'q> {
    /// What streams must satisfy.
    pub matchers: &'q [Matcher],
    /// What lines must satisfy.
    pub filters: &'q [LineFilter],
    /// The earliest time.
    pub start: UnixNanos,
    /// The time before which records must be.
    pub end: UnixNanos,
    /// What of a record is needed.
    pub needs: Needs,
    /// Where structured metadata is needed: the names that are, or none where all are. Records
    /// of which it is known that they have none of these may be given without metadata.
    pub metadata: Option<&'q [String]>,
    /// Labels, of the stream or of the metadata, and the values that records must have: those
    /// that lack any of them may be left out, and are dropped by the sinks otherwise.
    pub equalities: &'q [(String, String)],
}

/// What of a record is needed beside its stream and its time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// How many bytes its line has: given with times, or by the line where whole records are.
    pub lengths: bool,
    /// Its line: [`Sink::record`] is called for each.
    pub lines: bool,
    /// Its structured metadata: [`Sink::record`] is called for each.
    pub metadata: bool,
}

/// Takes what a source finds. Each thread of a source has a sink of its own.
pub trait Sink: Send {
    /// What comes next is of this stream, until the next call. `false` skips it.
    ///
    /// # Errors
    /// [`Stop`] ends the scan.
    fn stream(&mut self, stream: StreamView<'_>) -> Result<bool, Stop>;

    /// What is needed of the records of this stream: what the scan asks for, or less. A source
    /// may give as little as this: times where only times are needed.
    fn needs(&self, asked: Needs) -> Needs {
        asked
    }

    /// `count` records with `bytes` bytes of lines lie between `first` and `last`, both
    /// included. `false`: that is not enough, their times are needed.
    ///
    /// # Errors
    /// [`Stop`] ends the scan.
    fn span(&mut self, span: Span) -> Result<bool, Stop>;

    /// Records, by their times, and by the lengths of their lines where those were needed.
    ///
    /// # Errors
    /// [`Stop`] ends the scan.
    fn times(&mut self, times: &[UnixNanos], lengths: &[u32]) -> Result<(), Stop>;

    /// A record.
    ///
    /// # Errors
    /// [`Stop`] ends the scan.
    fn record(&mut self, record: &Record<'_>) -> Result<(), Stop>;
}

/// Some records of one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// How many.
    pub count: u64,
    /// How many bytes their lines have.
    pub bytes: u64,
    /// The earliest of them.
    pub first: UnixNanos,
    /// The latest of them.
    pub last: UnixNanos,
}

/// Why a scan ends early: the limit that was reached and what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Stop {
    /// There are more series, values or bytes than may be.
    #[error("{0}")]
    TooMuch(String),
    /// A stage failed for a record of a query for numbers: which one, and how to skip it.
    #[error("{0}")]
    Pipeline(String),
    /// It took too long.
    #[error("the query ran out of time; ask for a shorter time or a rarer word")]
    Deadline,
    /// The store cannot read what it has.
    #[error("{0}")]
    Source(String),
}

/// How a scan went.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Scanned {
    /// How many records the sinks were told of.
    pub records: u64,
    /// How many bytes of lines those have, or were looked at.
    pub bytes: u64,
    /// Why records may be missing, where that is so.
    pub cut: Option<String>,
}

/// Where records come from.
pub trait Source: Sync {
    /// Gives every record that is asked for to exactly one of the sinks that `make` makes,
    /// once, in no particular order; and returns the sinks.
    ///
    /// # Errors
    /// The first [`Stop`] of a sink, or one of the source's own.
    fn scan<S: Sink>(
        &self,
        scan: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop>;
}

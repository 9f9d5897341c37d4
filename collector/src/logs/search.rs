//! Lines, as a query's pipeline leaves them.

use super::pages::What;
use super::record::{self, RecordWords, StreamWords};
use super::{LogReader, ReadError, Reading};
use sonde_logql::{Category, LogQuery, Scratch};
use sonde_logs::Direction;
use sonde_proto::{Tenant, UnixNanos};
use std::time::{Duration, Instant};

/// A search for lines.
#[derive(Clone, Debug)]
pub(crate) struct LineSearch {
    pub(crate) query: LogQuery,
    pub(crate) start: UnixNanos,
    /// The time before which lines must be.
    pub(crate) end: UnixNanos,
    pub(crate) limit: usize,
    pub(crate) direction: Direction,
    /// The least time between two lines.
    pub(crate) interval: Duration,
    pub(crate) deadline: Option<Instant>,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) time: UnixNanos,
    pub(crate) text: String,
    /// Its labels by name, each with where it comes from.
    pub(crate) labels: Vec<(String, String, Category)>,
}

/// The lines of an answer.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    pub(crate) lines: Vec<Line>,
    pub(crate) reading: Reading,
}

impl LogReader {
    /// Finds lines, in the order asked for.
    ///
    /// # Errors
    /// [`ReadError`] when a record cannot be read.
    pub(crate) fn search(&self, tenant: &Tenant, search: &LineSearch) -> Result<Lines, ReadError> {
        let query = &search.query;
        let what = What {
            matchers: query.matchers(),
            filters: query.filters(),
            start: search.start,
            end: search.end,
            likely: search.limit,
        };
        let mut pages = self.pages(tenant, &what, search.direction, search.deadline);
        let (mut stream, mut scratch) = (StreamWords::default(), Scratch::default());
        let mut lines: Vec<Line> = Vec::new();
        let (mut bytes, mut cut) = (0, None);
        while lines.len() < search.limit {
            let Some(found) = pages.next()? else {
                break;
            };
            stream.turn_to(&found);
            let words = RecordWords::of(&found);
            let pairs = words.pairs();
            let viewed = record::view(&found, &stream, &pairs);
            let Some(left) = query.pipeline().run(&viewed, &mut scratch) else {
                continue;
            };
            let last = lines.last().map(|line| line.time);
            if last.is_some_and(|last| is_too_near(last, found.time, search.interval)) {
                continue;
            }
            let labels = left.labels.sorted().into_iter();
            let line = Line {
                time: found.time,
                text: left.text().into_owned(),
                labels: labels
                    .filter(|(_, value, _)| !value.is_empty())
                    .map(|(name, value, category)| (name.into_owned(), value.to_owned(), category))
                    .collect(),
            };
            bytes += line.bytes();
            if bytes > self.answer_bytes_max && !lines.is_empty() {
                cut = Some(format!(
                    "the answer is cut at {} bytes of lines and labels; ask for a shorter time or fewer lines",
                    self.answer_bytes_max
                ));
                break;
            }
            lines.push(line);
        }
        let mut reading = pages.reading();
        reading.cut = cut.or(reading.cut);
        Ok(Lines { lines, reading })
    }
}

impl Line {
    /// How many bytes its text and its labels have.
    fn bytes(&self) -> usize {
        let labels = self.labels.iter();
        let labels = labels.map(|(name, value, _)| name.len() + value.len());
        self.text.len() + labels.sum::<usize>()
    }
}

fn is_too_near(last: UnixNanos, next: UnixNanos, interval: Duration) -> bool {
    let apart = last.since(next).max(next.since(last));
    apart < interval
}

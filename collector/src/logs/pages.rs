//! All records that are asked for, in order, page by page.

use super::labels::{self, Kind};
use super::{LogReader, ReadError, Reading};
use sonde_logql::LineFilter;
use sonde_logs::{Direction, FilterOp, LogQuery, LogRecord, Search};
use sonde_proto::{Matcher, Tenant, UnixNanos};
use std::collections::VecDeque;
use std::time::Instant;

/// How many records the first page has at least.
const PAGE_MIN: usize = 100;

/// Which records are asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct What<'q> {
    pub(super) matchers: &'q [Matcher],
    pub(super) filters: &'q [LineFilter],
    pub(super) start: UnixNanos,
    /// The time before which records must be.
    pub(super) end: UnixNanos,
    /// How many are likely to be read.
    pub(super) likely: usize,
}

/// The records of streams of all kinds, merged by time.
pub(super) struct Pages<'r> {
    parts: Vec<Part<'r>>,
    direction: Direction,
}

impl<'r> Pages<'r> {
    pub(super) fn new(
        reader: &'r LogReader,
        tenant: &'r Tenant,
        what: &What<'_>,
        direction: Direction,
        deadline: Option<Instant>,
    ) -> Self {
        let page = PAGE_MIN.min(reader.records_max);
        let page = what.likely.clamp(page, reader.records_max);
        let part = |kind: &Kind| Part {
            reader,
            tenant,
            query: LogQuery::new(
                labels::stored(what.matchers, *kind),
                narrowing(what.filters),
            ),
            rest: remaining(what.filters),
            start: what.start,
            end: what.end,
            page,
            direction,
            deadline,
            skip: 0,
            is_done: what.start >= what.end,
            read: VecDeque::new(),
            reading: Reading::default(),
        };
        Self {
            parts: labels::kinds(what.matchers).iter().map(part).collect(),
            direction,
        }
    }

    /// The next record, and nothing once all were given.
    pub(super) fn next(&mut self) -> Result<Option<LogRecord>, ReadError> {
        let mut best: Option<(UnixNanos, usize)> = None;
        for (at, part) in self.parts.iter_mut().enumerate() {
            let Some(time) = part.time()? else {
                continue;
            };
            let is_better = best.is_none_or(|(best, _)| match self.direction {
                Direction::Forward => time < best,
                Direction::Backward => time > best,
            });
            if is_better {
                best = Some((time, at));
            }
        }
        Ok(best.and_then(|(_, at)| self.parts[at].read.pop_front()))
    }

    /// How it went so far.
    pub(super) fn reading(&self) -> Reading {
        let mut all = Reading::default();
        for Reading {
            records,
            bytes,
            segments_visited,
            segments_skipped,
            store_bytes,
            pages,
            searched_through,
            cut,
        } in self.parts.iter().map(|part| &part.reading)
        {
            all.records += records;
            all.bytes += bytes;
            all.segments_visited += segments_visited;
            all.segments_skipped += segments_skipped;
            all.store_bytes += store_bytes;
            all.pages += pages;
            all.searched_through = all.searched_through.max(*searched_through);
            all.cut = all.cut.or_else(|| cut.clone());
        }
        all
    }
}

/// The records of streams of one kind.
struct Part<'r> {
    reader: &'r LogReader,
    tenant: &'r Tenant,
    query: LogQuery,
    /// The filters that the store does not know.
    rest: Vec<LineFilter>,
    start: UnixNanos,
    end: UnixNanos,
    page: usize,
    direction: Direction,
    deadline: Option<Instant>,
    /// How many records at the edge were given already.
    skip: usize,
    is_done: bool,
    read: VecDeque<LogRecord>,
    reading: Reading,
}

impl Part<'_> {
    /// The time of its next record.
    fn time(&mut self) -> Result<Option<UnixNanos>, ReadError> {
        while self.read.is_empty() && !self.is_done {
            self.read_page()?;
        }
        Ok(self.read.front().map(|record| record.time))
    }

    fn read_page(&mut self) -> Result<(), ReadError> {
        let limit = (self.page + self.skip).min(self.reader.records_max);
        let search = Search {
            query: self.query.clone(),
            start: self.start,
            end: self.end,
            limit,
            direction: self.direction,
            deadline: self.deadline,
        };
        let answer = self.reader.store.search(self.tenant, &search)?;
        self.reading.pages += 1;
        self.reading.segments_visited += answer.segments_visited;
        self.reading.segments_skipped += answer.segments_skipped;
        self.reading.store_bytes += answer.bytes_read;
        if self.reading.pages == 1 {
            self.reading.searched_through = answer.searched_through;
        }
        let is_whole = answer.records.len() < limit && answer.cut.is_none();
        let found = answer.records.len();
        let last = answer.records.last().map(|record| record.time);
        let at_edge = answer
            .records
            .iter()
            .rev()
            .take_while(|record| Some(record.time) == last)
            .count();
        for record in answer.records.into_iter().skip(self.skip) {
            self.reading.records += 1;
            self.reading.bytes += record.body.len() as u64;
            let line = record.body.as_bytes();
            if self.rest.iter().all(|filter| filter.matches(line)) {
                self.read.push_back(record);
            }
        }
        let late = self
            .deadline
            .is_some_and(|deadline| Instant::now() >= deadline);
        self.is_done = is_whole || late || found <= self.skip;
        if self.is_done && !is_whole {
            let why = answer.cut.unwrap_or_else(|| {
                if late {
                    ReadError::Deadline.to_string()
                } else {
                    format!("more than {limit} records are of one instant, and the rest of them is left out")
                }
            });
            self.reading.cut.get_or_insert(why);
        }
        if let Some(last) = last {
            self.go_on_from(last, at_edge);
        }
        self.page = (self.page * 2).min(self.reader.records_max);
        Ok(())
    }

    /// The next page begins where this one ended: with the records of its last time, of which
    /// so many were given already.
    fn go_on_from(&mut self, last: UnixNanos, at_edge: usize) {
        self.skip = at_edge;
        match self.direction {
            Direction::Forward => self.start = last,
            Direction::Backward => self.end = UnixNanos(last.0.saturating_add(1)),
        }
    }
}

/// The filters that the store can narrow by.
fn narrowing(filters: &[LineFilter]) -> Vec<sonde_logs::LineFilter> {
    filters.iter().filter_map(known_to_store).collect()
}

fn remaining(filters: &[LineFilter]) -> Vec<LineFilter> {
    let unknown = filters
        .iter()
        .filter(|filter| known_to_store(filter).is_none());
    unknown.cloned().collect()
}

fn known_to_store(filter: &LineFilter) -> Option<sonde_logs::LineFilter> {
    let (text, is_negated) = filter.as_contains()?;
    let op = if is_negated {
        FilterOp::NotContains
    } else {
        FilterOp::Contains
    };
    sonde_logs::LineFilter::new(op, std::str::from_utf8(text).ok()?).ok()
}

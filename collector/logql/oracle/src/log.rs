//! Queries for lines.

use crate::filters::matcher_matches;
use crate::stages::{Seen, begin, run};
use crate::{Key, World};
use sonde_logql::ast::LogExpr;
use sonde_proto::{Matcher, UnixNanos};

/// A line of an answer.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Row {
    /// When it was.
    pub time: UnixNanos,
    /// What it says, after the pipeline.
    pub line: Vec<u8>,
    /// Labels of the stream.
    pub stream: Key,
    /// Structured metadata.
    pub metadata: Key,
    /// Labels that stages have set.
    pub parsed: Key,
    /// `__error__`; empty where there is none.
    pub error: String,
}

impl std::fmt::Debug for Row {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let line = String::from_utf8_lossy(&self.line);
        write!(f, "{} {line:?}", self.time.0)?;
        write!(f, " stream {:?}", self.stream)?;
        write!(f, " metadata {:?}", self.metadata)?;
        write!(f, " parsed {:?} error {:?}", self.parsed, self.error)
    }
}

/// Which records come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// The oldest.
    Forward,
    /// The newest.
    Backward,
}

/// Whether a stream's labels satisfy a selector.
pub(crate) fn selects(matchers: &[Matcher], stream: &sonde_proto::Labels) -> bool {
    matchers
        .iter()
        .all(|matcher| matcher_matches(matcher, stream.get(&matcher.name)))
}

/// All lines of a query from `start` on and before `end`, in order; those of one time in any.
pub fn rows(
    world: &World,
    expr: &LogExpr,
    start: UnixNanos,
    end: UnixNanos,
    direction: Direction,
) -> Vec<Row> {
    let mut records = Vec::new();
    for stream in &world.streams {
        if selects(&expr.matchers, &stream.labels) {
            records.extend(stream.records.iter().map(|record| (stream, record)));
        }
    }
    records.retain(|(_, record)| start <= record.time && record.time < end);
    records.sort_by_key(|(_, record)| record.time);
    if direction == Direction::Backward {
        records.reverse();
    }
    let mut seen = Seen::new();
    let mut rows = Vec::new();
    for (stream, record) in records {
        let mut state = begin(stream, record);
        let passes = run(&expr.stages, &mut state, &mut seen);
        if !passes {
            continue;
        }
        let [stream, metadata, parsed] = state.shown();
        rows.push(Row {
            time: record.time,
            line: state.line,
            stream,
            metadata,
            parsed,
            error: state.error,
        });
    }
    rows
}

/// Whether `got` is what at most `limit` of all the `expected` lines may be: the first ones
/// by time, any of those with the last time.
///
/// # Errors
/// What is wrong.
pub fn check_rows(expected: &[Row], got: &[Row], limit: usize) -> Result<(), String> {
    let count = expected.len().min(limit);
    if got.len() != count {
        let lacks = expected.iter().find(|row| !got.contains(row));
        let excess = got.iter().find(|row| !expected.contains(row));
        return Err(format!(
            "{} lines instead of {count}; the first that lacks: {lacks:?}; the first too many: {excess:?}",
            got.len()
        ));
    }
    let times = |rows: &[Row]| rows[..count].iter().map(|r| r.time).collect::<Vec<_>>();
    if times(expected) != times(got) {
        return Err(format!(
            "times {:?} instead of {:?}",
            times(got),
            times(expected)
        ));
    }
    let mut left: Vec<&Row> = expected.iter().collect();
    for row in got {
        let Some(at) = left.iter().position(|candidate| *candidate == row) else {
            let near: Vec<_> = left.iter().filter(|r| r.time == row.time).collect();
            return Err(format!(
                "this line is not in the answer: {row:?}; of its time are {near:#?}"
            ));
        };
        left.remove(at);
    }
    Ok(())
}

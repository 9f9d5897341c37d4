//! The language, against written cases.
//!
//! ```text
//! load 1m                         forgets all series, and loads these, a value a minute from 0:
//!   m{a="1"} 1 2x3 0+10x2 _ stale   1, then 2 and 3 more of it, 0 10 20, none, a stale marker
//!   since 60 90 _x3 0               these count since so many seconds before; `_` does not say
//! at 5m <expression>              the answer at a time: series and value, a number or a "text"
//!   {a="1"} 5
//! ordered at 5m <expression>      the same, in this order
//! range 0 5m 1m <expression>      from, to, step; `_` where there is no value
//!   {a="1"} 1 2 _ 4
//! fails at 5m <expression>        an error while it is evaluated, with this in its message
//! fails range 0 5m 1m <expression>
//!   <text>
//! notes at 5m <expression>        the warnings and infos of the answer, all of them
//!   <text>
//! wrong <expression>              no expression; where, and what the message has
//!   1:4 <text>
//! ```
//!
//! A value may be a histogram in double braces, see [`literal`].

mod bounds;
mod coverage;
mod limits;
mod profile;
mod literal;
mod rows;
mod starts;
mod print;

use super::ast::Expr;
use super::source::{Room, Series, Source, Stop, TimeRange};
use super::{
    Ask, Features, ParseError, QueryError, QueryLimits, QueryValue, parse, parse_selector,
};
use crate::Samples;
use rows::{Row, by_time, compare, is_close, labelled, load, number};
use sonde_proto::{Labels, Matcher, SampleValue, UnixNanos};
use std::collections::BTreeMap;
use std::time::Duration;

/// With everything that is an experiment.
fn parsed(text: &str) -> Result<Expr, ParseError> {
    parse(text, &Features::all())
}

fn instant<S: Source>(
    source: &S,
    text: &str,
    time: UnixNanos,
    limits: &QueryLimits,
) -> Result<QueryValue, QueryError> {
    let features = &Features::all();
    let ask = Ask {
        text,
        features,
        limits,
    };
    super::instant(source, &ask, time).map(|answer| answer.value)
}

fn range<S: Source>(
    source: &S,
    text: &str,
    start: UnixNanos,
    end: UnixNanos,
    step: Duration,
    limits: &QueryLimits,
) -> Result<QueryValue, QueryError> {
    let features = &Features::all();
    let ask = Ask {
        text,
        features,
        limits,
    };
    super::range(source, &ask, start, end, step).map(|answer| answer.value)
}

/// Series in memory.
#[derive(Default)]
struct Memory(Vec<(Labels, Samples)>);

struct InMemory(Labels, Samples);

impl Source for Memory {
    type Series = InMemory;

    fn select(
        &self,
        matchers: &[Matcher],
        range: TimeRange,
        room: &mut Room,
    ) -> Result<Vec<InMemory>, Stop> {
        let wanted = |labels: &Labels| matchers.iter().all(|m| m.matches_labels(labels));
        let mut found = Vec::new();
        for (labels, samples) in self.0.iter().filter(|(labels, _)| wanted(labels)) {
            let mut samples = samples.clone();
            samples.clip(range.start, range.end);
            found.push(InMemory(labels.clone(), samples));
        }
        if found.len() > room.series_max {
            return Err(Stop::SeriesMax(room.series_max));
        }
        Ok(found)
    }
}

impl Series for InMemory {
    fn labels(&self) -> Labels {
        self.0.clone()
    }

    fn read(&self, out: &mut Samples) -> Result<(), Stop> {
        out.clone_from(&self.1);
        Ok(())
    }
}

#[test]
fn selectors_and_time() {
    check(include_str!("tests/selectors.test"));
}

#[test]
fn operators() {
    check(include_str!("tests/operators.test"));
}

#[test]
fn aggregations() {
    check(include_str!("tests/aggregations.test"));
}

#[test]
fn functions_over_ranges() {
    check(include_str!("tests/ranges.test"));
}

#[test]
fn functions_of_values() {
    check(include_str!("tests/values.test"));
}

#[test]
fn functions_of_labels_and_vectors() {
    check(include_str!("tests/vectors.test"));
}

#[test]
fn histograms() {
    check(include_str!("tests/histograms.test"));
}

#[test]
fn native_histograms_of_functions() {
    check(include_str!("tests/native_functions.test"));
}

#[test]
fn native_histograms_over_ranges() {
    check(include_str!("tests/native_ranges.test"));
}

#[test]
fn native_histograms_in_operators_and_aggregations() {
    check(include_str!("tests/native_operators.test"));
}

#[test]
fn warnings_and_infos() {
    check(include_str!("tests/notes.test"));
}

#[test]
fn durations_that_are_computed() {
    check(include_str!("tests/durations.test"));
}

#[test]
fn ranges_that_look_beyond_their_edges() {
    check(include_str!("tests/edges.test"));
}

#[test]
fn labels_of_info_metrics() {
    check(include_str!("tests/info.test"));
}

#[test]
fn operators_between_all_kinds_of_operands() {
    check(include_str!("tests/operators_arithmetic.test"));
}

#[test]
fn comparisons_between_all_kinds_of_operands() {
    check(include_str!("tests/operators_comparing.test"));
}

#[test]
fn operators_of_native_histograms() {
    check(include_str!("tests/operators_native.test"));
}

#[test]
fn aggregations_of_native_histograms() {
    check(include_str!("tests/aggregations_native.test"));
}

#[test]
fn functions_over_ranges_of_numbers_and_histograms() {
    check(include_str!("tests/ranges_mixed.test"));
}

#[test]
fn functions_of_values_beside_native_histograms() {
    check(include_str!("tests/values_native.test"));
}

#[test]
fn subqueries() {
    check(include_str!("tests/subqueries.test"));
}

#[test]
fn staleness_and_lookback() {
    check(include_str!("tests/staleness.test"));
}

#[test]
fn names_of_any_text() {
    check(include_str!("tests/utf8.test"));
}

#[test]
fn where_the_name_goes() {
    check(include_str!("tests/names.test"));
}

#[test]
fn trimmed_histograms() {
    check(include_str!("tests/trim.test"));
}

#[test]
fn series_that_are_filled_in() {
    check(include_str!("tests/fill.test"));
}

#[test]
fn counters_that_say_since_when_they_count() {
    check(include_str!("tests/starts.test"));
}

#[test]
fn what_is_wrong_and_where() {
    check(include_str!("tests/errors.test"));
}

/// One block of a file: its first line, and those under it.
struct Block<'a> {
    line: usize,
    head: &'a str,
    body: Vec<&'a str>,
}

fn check(file: &str) {
    let mut memory = Memory::default();
    let mut failed = Vec::new();
    for block in blocks(file) {
        let (word, rest) = block.head.split_once(' ').unwrap();
        let outcome = match word {
            "load" => {
                memory = load(millis(rest), &block.body);
                Ok(())
            }
            "at" => check_at(&memory, rest, &block.body, false),
            "ordered" => check_at(
                &memory,
                rest.strip_prefix("at ").unwrap(),
                &block.body,
                true,
            ),
            "range" => check_range(&memory, rest, &block.body),
            "fails" => check_fails(&memory, rest, &block.body),
            "notes" => check_notes(&memory, rest.strip_prefix("at ").unwrap(), &block.body),
            "wrong" => check_wrong(rest, &block.body),
            other => panic!("line {}: what is {other:?}?", block.line),
        };
        failed.extend(
            outcome
                .err()
                .map(|why| format!("line {}: {}\n    {why}", block.line, block.head)),
        );
    }
    assert!(
        failed.is_empty(),
        "{} cases fail:\n{}",
        failed.len(),
        failed.join("\n")
    );
}

fn blocks(file: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (number, line) in file.lines().enumerate() {
        let text = line.trim();
        if text.is_empty() || text.starts_with("# ") {
            continue;
        }
        if line.starts_with("  ") {
            blocks.last_mut().unwrap().body.push(text);
        } else {
            blocks.push(Block {
                line: number + 1,
                head: text,
                body: Vec::new(),
            });
        }
    }
    blocks
}

/// A duration, or 0.
fn millis(text: &str) -> i64 {
    let expr = parsed(text).unwrap();
    match expr.kind {
        super::ast::ExprKind::Duration(millis) => millis,
        super::ast::ExprKind::Number(seconds) => (seconds * 1e3) as i64,
        _ => panic!("{text} is no duration"),
    }
}

fn at(memory: &Memory, rest: &str) -> Result<QueryValue, QueryError> {
    let (time, query) = rest.split_once(' ').unwrap();
    let time = UnixNanos::from_millis(millis(time));
    instant(memory, query, time, &QueryLimits::default())
}

fn check_at(memory: &Memory, rest: &str, wanted: &[&str], ordered: bool) -> Result<(), String> {
    let found = at(memory, rest).map_err(|e| e.to_string())?;
    let mut found: Vec<Row> = match found {
        QueryValue::Scalar(s) => {
            let same = wanted.len() == 1 && is_close(number(wanted[0]), s.value);
            return same
                .then_some(())
                .ok_or_else(|| format!("gives {}", s.value));
        }
        QueryValue::String { value, .. } => {
            let same = wanted == [format!("{value:?}")];
            return same.then_some(()).ok_or_else(|| format!("gives {value:?}"));
        }
        QueryValue::Vector(all) => all
            .into_iter()
            .map(|s| (s.labels, vec![Some(s.value)]))
            .collect(),
        QueryValue::Matrix(all) => all
            .into_iter()
            .map(|s| {
                let row = by_time(&s).into_values().map(Some).collect();
                (s.labels, row)
            })
            .collect(),
    };
    let mut wanted: Vec<_> = wanted.iter().map(|line| labelled(line)).collect();
    if !ordered {
        found.sort_by(|a, b| a.0.cmp(&b.0));
        wanted.sort_by(|a, b| a.0.cmp(&b.0));
    }
    compare(&found, &wanted)
}

/// From, to, step and expression.
fn over(memory: &Memory, rest: &str) -> Result<QueryValue, QueryError> {
    let words: Vec<&str> = rest.splitn(4, ' ').collect();
    let time = |text: &str| UnixNanos::from_millis(millis(text));
    let step = Duration::from_millis(millis(words[2]) as u64);
    let (start, end) = (time(words[0]), time(words[1]));
    range(memory, words[3], start, end, step, &QueryLimits::default())
}

fn check_range(memory: &Memory, rest: &str, wanted: &[&str]) -> Result<(), String> {
    let words: Vec<&str> = rest.splitn(4, ' ').collect();
    let (start, end, step) = (millis(words[0]), millis(words[1]), millis(words[2]));
    let found = over(memory, rest).map_err(|e| e.to_string())?;
    let QueryValue::Matrix(found) = found else {
        return Err("gives no matrix".into());
    };
    let found: BTreeMap<Labels, Vec<Option<SampleValue>>> = found
        .into_iter()
        .map(|series| {
            let mut row = vec![None; ((end - start) / step) as usize + 1];
            for (at, value) in by_time(&series) {
                row[((at.as_millis() - start) / step) as usize] = Some(value);
            }
            (series.labels, row)
        })
        .collect();
    let wanted: BTreeMap<_, _> = wanted.iter().map(|line| labelled(line)).collect();
    compare(
        &found.into_iter().collect::<Vec<_>>(),
        &wanted.into_iter().collect::<Vec<_>>(),
    )
}

fn check_fails(memory: &Memory, rest: &str, wanted: &[&str]) -> Result<(), String> {
    let found = match rest.strip_prefix("range ") {
        Some(rest) => over(memory, rest),
        None => at(memory, rest.strip_prefix("at ").unwrap()),
    };
    match found {
        Err(error) if error.to_string().contains(wanted[0]) => Ok(()),
        Err(error) => Err(format!("fails otherwise: {error}")),
        Ok(found) => Err(format!("gives {found:?}")),
    }
}

fn check_notes(memory: &Memory, rest: &str, wanted: &[&str]) -> Result<(), String> {
    let (time, text) = rest.split_once(' ').unwrap();
    let ask = Ask {
        text,
        features: &Features::all(),
        limits: &QueryLimits::default(),
    };
    let answer = super::instant(memory, &ask, UnixNanos::from_millis(millis(time)));
    let answer = answer.map_err(|e| e.to_string())?;
    let found = [answer.warnings, answer.infos].concat();
    if found == wanted {
        return Ok(());
    }
    Err(format!("says\n      {}", found.join("\n      ")))
}

fn check_wrong(query: &str, wanted: &[&str]) -> Result<(), String> {
    let error = parsed(query).err().ok_or("is an expression")?;
    let (place, message) = wanted[0].split_once(' ').unwrap_or((wanted[0], ""));
    if place == format!("{}:{}", error.line, error.column) && error.message.contains(message) {
        return Ok(());
    }
    Err(format!(
        "is wrong at {}:{}: {}",
        error.line, error.column, error.message
    ))
}

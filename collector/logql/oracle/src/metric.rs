//! Queries for numbers: windows over samples, one after the other.

use crate::aggregate;
use crate::binary::{self, Refused};
use crate::filters;
use crate::log::selects;
use crate::stages::{Seen, begin, run};
use crate::state::State;
use crate::units;
use crate::{Key, World};
use sonde_logql::ast::{Conversion, Grouping, MetricExpr, RangeAggregation, RangeOp, Unwrap};
use sonde_proto::{MatchOp, Matcher, UnixNanos};
use std::cell::Cell;
use std::collections::BTreeMap;

/// At which times a query is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// The first.
    pub start: UnixNanos,
    /// None is after it.
    pub end: UnixNanos,
    /// From one to the next, in nanoseconds; one time only where it is 0.
    pub step: u64,
}

impl Grid {
    /// The times.
    #[must_use]
    pub fn times(&self) -> Vec<UnixNanos> {
        if self.step == 0 {
            return vec![self.start];
        }
        let mut times = Vec::new();
        let mut at = self.start.0;
        while at <= self.end.0 {
            times.push(UnixNanos(at));
            at += self.step;
        }
        times
    }
}

/// What a parser's error does to a query for numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Errors {
    /// The query fails, as is documented.
    Refuse,
    /// Nothing: as where a query is answered without the label that could not be parsed.
    Ignore,
}

/// Series at a moment; the order matters only where the query sorts.
pub(crate) type Vector = Vec<(Key, f64)>;

/// What an expression is at each time.
#[derive(Clone, Debug)]
pub(crate) enum Values {
    Scalar(f64),
    Vectors(Vec<Vector>),
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Table {
    /// The series at each time.
    pub steps: Vec<(UnixNanos, Vec<(Key, f64)>)>,
    /// The query is only a number.
    pub is_scalar: bool,
    /// The order of series matters.
    pub is_sorted: bool,
    /// Which series are in the answer is not said, as several have the same value; the
    /// values are.
    pub has_ties: bool,
    /// The largest number on the way to the answer: what differs by a billionth of it is the
    /// same.
    pub scale: f64,
}

impl Table {
    /// Whether no time has a series.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.steps.iter().all(|(_, vector)| vector.is_empty())
    }
}

pub(crate) struct Context<'a> {
    pub(crate) world: &'a World,
    pub(crate) times: Vec<UnixNanos>,
    pub(crate) errors: Errors,
    pub(crate) scale: Cell<f64>,
    pub(crate) has_ties: Cell<bool>,
}

impl Context<'_> {
    pub(crate) fn note(&self, value: f64) {
        if value.is_finite() {
            self.scale.set(self.scale.get().max(value.abs()));
        }
    }
}

/// The answer to a query.
///
/// # Errors
/// Why it has none.
pub fn evaluate(
    world: &World,
    expr: &MetricExpr,
    grid: Grid,
    errors: Errors,
) -> Result<Table, Refused> {
    use sonde_logql::ast::VectorOp;
    let context = Context {
        world,
        times: grid.times(),
        errors,
        scale: Cell::new(1.0),
        has_ties: Cell::new(false),
    };
    let values = values(&context, expr)?;
    let is_scalar = matches!(values, Values::Scalar(_));
    let vectors = match values {
        Values::Scalar(n) => vec![vec![(Key::new(), n)]; context.times.len()],
        Values::Vectors(vectors) => vectors,
    };
    let (is_sorted, is_top) = match expr {
        MetricExpr::Aggregate(a) => (
            matches!(a.op, VectorOp::Sort | VectorOp::SortDesc),
            matches!(
                a.op,
                VectorOp::Topk | VectorOp::Bottomk | VectorOp::ApproxTopk
            ),
        ),
        _ => (false, false),
    };
    let has_ties = context.has_ties.get();
    if has_ties && !is_top {
        return Err(Refused::Undefined(
            "which of equal series are among the first k",
        ));
    }
    Ok(Table {
        steps: context.times.iter().copied().zip(vectors).collect(),
        is_scalar,
        is_sorted: is_sorted && grid.step == 0,
        has_ties,
        scale: context.scale.get(),
    })
}

pub(crate) fn values(context: &Context<'_>, expr: &MetricExpr) -> Result<Values, Refused> {
    Ok(match expr {
        MetricExpr::Number(n) => Values::Scalar(*n),
        MetricExpr::Vector(n) => Values::Vectors(vec![vec![(Key::new(), *n)]; context.times.len()]),
        MetricExpr::Range(range) => Values::Vectors(windows(context, range)?),
        MetricExpr::Aggregate(aggregation) => {
            Values::Vectors(aggregate::aggregate(context, aggregation)?)
        }
        MetricExpr::Binary(binary) => binary::binary(context, binary)?,
        MetricExpr::LabelReplace(replace) => {
            Values::Vectors(aggregate::label_replace(context, replace)?)
        }
    })
}

/// The series of an expression, at each time.
pub(crate) fn vectors(context: &Context<'_>, expr: &MetricExpr) -> Result<Vec<Vector>, Refused> {
    match values(context, expr)? {
        Values::Vectors(vectors) => Ok(vectors),
        Values::Scalar(_) => Err(Refused::Undefined("a number where series are wanted")),
    }
}

struct Sample {
    time: u64,
    series: Key,
    value: f64,
    error: String,
}

pub(crate) fn windows(
    context: &Context<'_>,
    range: &RangeAggregation,
) -> Result<Vec<Vector>, Refused> {
    let samples = samples(context, range);
    let mut vectors = Vec::new();
    for time in &context.times {
        let end = i128::from(time.0) - i128::from(range.offset);
        let start = end - i128::from(range.range);
        let mut series: BTreeMap<&Key, Vec<(u64, f64)>> = BTreeMap::new();
        for sample in &samples {
            if i128::from(sample.time) <= start || i128::from(sample.time) > end {
                continue;
            }
            let is_parser = matches!(sample.error.as_str(), "JSONParserErr" | "LogfmtParserErr");
            if !(sample.error.is_empty() || is_parser && context.errors == Errors::Ignore) {
                return Err(Refused::Pipeline(sample.error.clone()));
            }
            series
                .entry(&sample.series)
                .or_default()
                .push((sample.time, sample.value));
        }
        if range.op == RangeOp::Absent {
            let absent = (absent_labels(&range.log.matchers), 1.0);
            vectors.push(if series.is_empty() {
                vec![absent]
            } else {
                Vec::new()
            });
            continue;
        }
        let folded = series
            .into_iter()
            .map(|(key, points)| (key.clone(), fold(range, &points)));
        vectors.push(folded.collect());
    }
    Ok(vectors)
}

/// What the records of a query count, in the order of their times.
fn samples(context: &Context<'_>, range: &RangeAggregation) -> Vec<Sample> {
    let mut samples = Vec::new();
    for stream in &context.world.streams {
        if !selects(&range.log.matchers, &stream.labels) {
            continue;
        }
        for record in &stream.records {
            let mut state = begin(stream, record);
            let passes = run(&range.log.stages, &mut state, &mut Seen::new());
            if !passes {
                continue;
            }
            let value = match (&range.unwrap, range.op) {
                (Some(unwrap), _) => match unwrapped(unwrap, &mut state) {
                    Some(value) => value,
                    None => continue,
                },
                (None, RangeOp::Bytes | RangeOp::BytesRate) => state.line.len() as f64,
                (None, _) => 1.0,
            };
            context.note(value);
            if matches!(range.op, RangeOp::Stddev | RangeOp::Stdvar) {
                context.note(value * value);
            }
            samples.push(Sample {
                time: record.time.0,
                series: series(&state, range),
                value,
                error: state.error,
            });
        }
    }
    samples.sort_by_key(|sample| sample.time);
    samples
}

/// The number of a record; none where it has no such label, or is filtered behind it.
fn unwrapped(unwrap: &Unwrap, state: &mut State) -> Option<f64> {
    let text = state.get(&unwrap.label).unwrap_or("").to_owned();
    if text.is_empty() {
        return None;
    }
    let value = match unwrap.conversion {
        Conversion::None => units::number(&text),
        Conversion::Duration | Conversion::DurationSeconds => {
            units::duration(&text).map(|nanos| nanos / 1e9)
        }
        Conversion::Bytes => units::bytes(&text),
    };
    if value.is_none() {
        state.error = "SampleExtractionErr".into();
    }
    let passes = |filter| filters::labels(filter, state);
    unwrap
        .filters
        .iter()
        .all(passes)
        .then(|| value.unwrap_or(0.0))
}

/// The series a record belongs to: its labels, without the one that was unwrapped.
fn series(state: &State, range: &RangeAggregation) -> Key {
    let mut labels = state.labels();
    labels.retain(|_, value| !value.is_empty());
    let is_by = range.grouping.as_ref().is_some_and(|g| !g.is_without);
    if let (Some(unwrap), false) = (&range.unwrap, is_by) {
        labels.remove(&unwrap.label);
    }
    grouped(&labels, range.grouping.as_ref())
}

/// The labels that a grouping leaves; all where there is none.
pub(crate) fn grouped(labels: &Key, grouping: Option<&Grouping>) -> Key {
    let mut labels = labels.clone();
    if let Some(grouping) = grouping {
        labels.retain(|name, _| grouping.labels.contains(name) != grouping.is_without);
    }
    labels
}

fn absent_labels(matchers: &[Matcher]) -> Key {
    let mut labels = Key::new();
    let mut several = Vec::new();
    for matcher in matchers {
        if matcher.op == MatchOp::Equal && !labels.contains_key(&matcher.name) {
            labels.insert(matcher.name.clone(), matcher.value.clone());
        } else {
            several.push(&matcher.name);
        }
    }
    labels.retain(|name, value| !several.contains(&name) && !value.is_empty());
    labels
}

fn fold(range: &RangeAggregation, points: &[(u64, f64)]) -> f64 {
    let values: Vec<f64> = points.iter().map(|(_, value)| *value).collect();
    let seconds = range.range as f64 / 1e9;
    let sum: f64 = values.iter().sum();
    match range.op {
        RangeOp::Count => values.len() as f64,
        RangeOp::Rate if range.unwrap.is_none() => values.len() as f64 / seconds,
        RangeOp::Rate | RangeOp::BytesRate => sum / seconds,
        RangeOp::RateCounter => counter_rate(points, seconds),
        RangeOp::Bytes | RangeOp::Sum => sum,
        RangeOp::Avg => sum / values.len() as f64,
        RangeOp::Min => values.iter().copied().fold(f64::NAN, f64::min),
        RangeOp::Max => values.iter().copied().fold(f64::NAN, f64::max),
        RangeOp::Stdvar => variance(&values),
        RangeOp::Stddev => variance(&values).sqrt(),
        RangeOp::Quantile => quantile(range.parameter.unwrap_or(f64::NAN), &values),
        RangeOp::First => values[0],
        RangeOp::Last => values[values.len() - 1],
        RangeOp::Absent => 1.0,
    }
}

/// By how much a counter grew a second; where it falls it began again at 0.
///
/// What it grew before the first value is added in Loki's way, which takes the window's
/// length in seconds for microseconds: next to nothing, but for values that lie close.
fn counter_rate(points: &[(u64, f64)], seconds: f64) -> f64 {
    let (Some(first), Some(last)) = (points.first(), points.last()) else {
        return 0.0;
    };
    if points.len() < 2 {
        return 0.0;
    }
    let mut grown = last.1 - first.1;
    let mut before = 0.0;
    for (_, value) in points {
        if *value < before {
            grown += before;
        }
        before = *value;
    }
    let covered = (last.0 - first.0) as f64 / 1000.0;
    let between = covered / (points.len() - 1) as f64;
    let mut ahead = (seconds * 1000.0).trunc() / 1000.0;
    if grown > 0.0 && first.1 >= 0.0 {
        ahead = ahead.min(covered * (first.1 / grown));
    }
    if ahead >= between * 1.1 {
        ahead = between / 2.0;
    }
    grown * ((covered + ahead) / covered) / seconds
}

/// The mean of the squares of what lies between the values and their mean.
pub(crate) fn variance(values: &[f64]) -> f64 {
    let count = values.len() as f64;
    let mean = values.iter().sum::<f64>() / count;
    values.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>() / count
}

/// Between the two nearest values, in proportion.
fn quantile(q: f64, values: &[f64]) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = q * (sorted.len() - 1) as f64;
    let below = sorted[rank.floor() as usize];
    let above = sorted[rank.ceil() as usize];
    below + (above - below) * (rank - rank.floor())
}

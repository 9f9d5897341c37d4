//! PromQL: text → [`ast`] → values.
//!
//! [`lex`] cuts the text into tokens, [`parse()`] makes and checks the tree, [`resolve()`]
//! computes its durations, [`eval`] computes it over a grid of times, one series at a time,
//! against anything that is a [`source`]. [`functions`] holds one family of functions per file.
//! [`format()`] writes a tree as text again, and [`to_json`] as Prometheus' API shows it. What
//! is experimental stands behind [`Features`].
//!
//! Meaning: Prometheus 3. Ranges are open at their start, a value is good for the lookback
//! (5 minutes) unless a stale marker ends it, subqueries are aligned to their step.

mod features;
mod error;
mod number;
mod histogram;
mod sample;
mod rest;
mod thin;
mod lex;
pub mod ast;
mod parse;
mod resolve;
mod format;
mod json;
mod notes;
mod functions;
mod eval;
pub mod source;
mod value;

pub use error::{ParseError, QueryError};
pub use eval::{Clock, Node};
pub use features::Features;
pub use format::{format, pretty};
pub use histogram::{
    Bucket, accumulate as histogram_accumulate, buckets as histogram_buckets,
    text as histogram_text,
};
pub use json::to_json;
pub use number::{label_number, sample_number};
pub use parse::{parse, parse_selector, parse_selectors, selectors};
pub use resolve::resolve;
pub use rest::Rest;
pub use sample::{HistogramSample, STALE_NAN_BITS, Samples, is_stale, stale_nan};
pub use thin::thin;
pub use value::{Answer, Ask, InstantSample, QueryLimits, QueryValue, RangeSeries, Sample};

use ast::{Expr, Type};
use eval::{Engine, Grid, Profile};
use sonde_proto::{SampleValue, UnixNanos};
use source::Source;
use std::time::Duration;

/// A range query answers for at most this many times.
pub const STEPS_MAX: u64 = 11_000;

/// Evaluates an expression at one time.
///
/// # Errors
/// [`QueryError`] when the expression is wrong, or needs more than its limits allow.
pub fn instant<S: Source>(
    source: &S,
    ask: &Ask<'_>,
    time: UnixNanos,
) -> Result<Answer, QueryError> {
    instant_within(source, ask, time, None).map(|(answer, _)| answer)
}

/// The same, and what each part of the expression took.
///
/// # Errors
/// As [`instant`].
pub fn explain_instant<S: Source>(
    source: &S,
    ask: &Ask<'_>,
    time: UnixNanos,
    clock: Clock<'_>,
) -> Result<(Answer, Vec<Node>), QueryError> {
    instant_within(source, ask, time, Some(clock))
}

fn instant_within<S: Source>(
    source: &S,
    ask: &Ask<'_>,
    time: UnixNanos,
    clock: Option<Clock<'_>>,
) -> Result<(Answer, Vec<Node>), QueryError> {
    let mut expr = parse(ask.text, ask.features)?;
    let grid = Grid::single(time.as_millis());
    resolve(&mut expr, ask.text, grid.start, grid.start, 0)?;
    let profile = clock.map(|clock| Profile::new(&expr, clock));
    let engine = Engine::new(source, ask.limits, (grid.start, grid.start), 0)
        .using_starts(ask.features.start_timestamps)
        .measured(profile);
    let value = match expr.returns() {
        Type::Scalar => QueryValue::Scalar(Sample {
            time,
            value: engine.scalar(&expr, &grid)?[0],
        }),
        Type::String => QueryValue::String {
            time,
            value: engine.text(&expr),
        },
        Type::Vector => {
            let mut columns = engine.vector(&expr, &grid)?;
            if !is_ordered(&expr) {
                columns.sort_by(|a, b| a.labels.cmp(&b.labels));
            }
            columns.retain(|column| column.is_present(0));
            let sample = |c: eval::Column| InstantSample {
                time,
                value: match c.histograms.get(0) {
                    Some(histogram) => SampleValue::Histogram(histogram.clone()),
                    None => SampleValue::Float(c.values[0]),
                },
                labels: c.labels,
            };
            QueryValue::Vector(columns.into_iter().map(sample).collect())
        }
        Type::Matrix => QueryValue::Matrix(engine.matrix(&expr, &grid)?),
    };
    Ok(engine.answer(value, ask.text))
}

/// Evaluates an expression at every `step` from `start` to `end`, both included.
///
/// # Errors
/// [`QueryError`] when the expression is wrong, or needs more than its limits allow.
pub fn range<S: Source>(
    source: &S,
    ask: &Ask<'_>,
    start: UnixNanos,
    end: UnixNanos,
    step: Duration,
) -> Result<Answer, QueryError> {
    range_within(source, ask, (start, end), step, None).map(|(answer, _)| answer)
}

/// The same, and what each part of the expression took.
///
/// # Errors
/// As [`range`].
pub fn explain_range<S: Source>(
    source: &S,
    ask: &Ask<'_>,
    (start, end): (UnixNanos, UnixNanos),
    step: Duration,
    clock: Clock<'_>,
) -> Result<(Answer, Vec<Node>), QueryError> {
    range_within(source, ask, (start, end), step, Some(clock))
}

fn range_within<S: Source>(
    source: &S,
    ask: &Ask<'_>,
    (start, end): (UnixNanos, UnixNanos),
    step: Duration,
    clock: Option<Clock<'_>>,
) -> Result<(Answer, Vec<Node>), QueryError> {
    let mut expr = parse(ask.text, ask.features)?;
    let grid = range_grid(start, end, step)?;
    let bounds = (start.as_millis(), end.as_millis());
    resolve(&mut expr, ask.text, bounds.0, bounds.1, grid.step)?;
    let profile = clock.map(|clock| Profile::new(&expr, clock));
    let engine = Engine::new(source, ask.limits, bounds, grid.step)
        .using_starts(ask.features.start_timestamps)
        .measured(profile);
    let columns = match expr.returns() {
        Type::Scalar => {
            let labels = sonde_proto::Labels::empty();
            let values = engine.scalar(&expr, &grid)?;
            vec![eval::Column::of_floats(labels, values)]
        }
        Type::Vector => engine.vector(&expr, &grid)?,
        other => {
            let message = format!(
                "invalid expression type {:?} for range query, must be Scalar or instant Vector",
                other.as_str()
            );
            return Err(QueryError::bad_data(&message));
        }
    };
    let value = QueryValue::Matrix(engine.answered(columns, &grid)?);
    Ok(engine.answer(value, ask.text))
}

fn range_grid(start: UnixNanos, end: UnixNanos, step: Duration) -> Result<Grid, QueryError> {
    let step = i64::try_from(step.as_millis()).unwrap_or(i64::MAX);
    if step == 0 {
        return Err(QueryError::bad_data(
            "zero query resolution step widths are not accepted, try a positive one",
        ));
    }
    let (start, end) = (start.as_millis(), end.as_millis());
    if end < start {
        return Err(QueryError::bad_data(
            "the end of the time range must not be before its start",
        ));
    }
    let steps = (end - start) / step;
    if steps as u64 > STEPS_MAX {
        let message = format!(
            "exceeded maximum resolution of {STEPS_MAX} points per time series: use a larger step"
        );
        return Err(QueryError::bad_data(&message));
    }
    Ok(Grid {
        start,
        step,
        len: steps as usize + 1,
    })
}

/// Whether the expression itself says in which order an answer stands.
fn is_ordered(expr: &Expr) -> bool {
    match &expr.kind {
        ast::ExprKind::Paren(inner) | ast::ExprKind::Plus(inner) => is_ordered(inner),
        ast::ExprKind::Aggregate(a) => {
            use ast::AggregateOp::{BottomK, LimitK, LimitRatio, TopK};
            matches!(a.op, TopK | BottomK | LimitK | LimitRatio)
        }
        ast::ExprKind::Call { function, .. } => function.is_sort(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;

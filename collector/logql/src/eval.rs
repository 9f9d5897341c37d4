//! Metric queries: numbers over time, computed from what a [`Source`] has.
//!
//! ```text
//! scan     what of which records is needed; pipeline, labels that are kept
//! sink     records, times or spans ─▶ series and buckets, one sink a thread
//!   lattice  windows cut into buckets      table  series and their buckets
//!   key      what a series is found by     dense  counts of one series, before its cells
//!   cell     what a bucket keeps           slide  buckets ─▶ one value a window
//! engine   expressions over columns: one value per series and time
//! ```
//!
//! A vector is a list of columns, one value per time of the grid for one series. Whatever is
//! kept is charged to one budget before it is made. Where a sum, a minimum or a maximum over
//! series is asked of an aggregation over a range, the groups are made while records come in,
//! so that the labels that nobody asks for are never looked at.

use crate::ast::{Grouping, MetricExpr, RangeAggregation, VectorOp};
use crate::source::{Scanned, Source};
use crate::value::{Grid, Value};
use ahash::AHashMap;
use engine::{Engine, Operand, Shared};
use limits::Budget;
use sonde_proto::{Deadline, UnixNanos};

mod limits;
mod lattice;
mod cell;
mod table;
mod key;
mod dense;
mod scan;
mod sink;
mod held;
mod slide;
mod counter;
mod engine;
mod column;
mod aggregate;
mod pick;
mod binary;
mod set;
mod replace;
mod answer;
mod plan;
#[cfg(test)]
mod tests;

pub use limits::{EvalError, EvalLimits};
pub use plan::{Plan, Reads, ScanPlan, explain};

/// An answer, and what it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    /// The value.
    pub value: Value,
    /// How all scans together went.
    pub scanned: Scanned,
    /// How often the source was asked.
    pub scans: usize,
}

/// Evaluates an expression at one time.
///
/// # Errors
/// See [`evaluate`].
pub fn instant<S: Source>(
    expr: &MetricExpr,
    time: UnixNanos,
    source: &S,
    limits: &EvalLimits,
    deadline: &Deadline,
) -> Result<Evaluated, EvalError> {
    evaluate(expr, &Grid::instant(time), source, limits, deadline)
}

/// Evaluates an expression at `start`, `start + step`… up to and with `end`.
///
/// # Errors
/// [`EvalError::Query`] where `step` is zero or `end` is before `start`; and see [`evaluate`].
pub fn range<S: Source>(
    expr: &MetricExpr,
    (start, end): (UnixNanos, UnixNanos),
    step_ns: u64,
    source: &S,
    limits: &EvalLimits,
    deadline: &Deadline,
) -> Result<Evaluated, EvalError> {
    let Some(grid) = Grid::range(start, end, step_ns) else {
        return Err(EvalError::Query(
            "a range needs a step above zero and an end that is not before its start".to_owned(),
        ));
    };
    evaluate(expr, &grid, source, limits, deadline)
}

/// Evaluates an expression at every time of a grid.
///
/// # Errors
/// [`EvalError`] says whose fault it is: the query's, the data's, a limit's, or the source's.
pub fn evaluate<S: Source>(
    expr: &MetricExpr,
    grid: &Grid,
    source: &S,
    limits: &EvalLimits,
    deadline: &Deadline,
) -> Result<Evaluated, EvalError> {
    if grid.len() > limits.steps_max {
        return Err(EvalError::TooMuch(format!(
            "the query asks for {} times, more than {}; ask for a longer step or a shorter time",
            grid.len(),
            limits.steps_max
        )));
    }
    let budget = Budget::new(limits, deadline);
    let mut shared: AHashMap<String, Shared> = AHashMap::new();
    each_scan(expr, &mut |range, outer| {
        shared
            .entry(engine::scan_key(range, outer))
            .or_default()
            .uses += 1;
    });
    let mut engine = Engine {
        source,
        grid,
        budget: &budget,
        scanned: Scanned::default(),
        scans: 0,
        shared,
    };
    let value = match engine.eval(expr)? {
        Operand::Number(number) => answer::number(number, grid),
        Operand::Columns(columns) => answer::vector(columns, sorts(expr), grid, &budget)?,
    };
    Ok(Evaluated {
        value,
        scanned: engine.scanned,
        scans: engine.scans,
    })
}

/// Calls `each` with every aggregation over a range and the grouping that is merged into it.
fn each_scan<'q>(
    expr: &'q MetricExpr,
    each: &mut impl FnMut(&'q RangeAggregation, Option<&'q Grouping>),
) {
    match expr {
        MetricExpr::Number(_) | MetricExpr::Vector(_) => {}
        MetricExpr::Range(range) => each(range, None),
        MetricExpr::Aggregate(aggregation) => match engine::merged(aggregation) {
            Some((range, grouping)) => each(range, Some(grouping)),
            None => each_scan(&aggregation.expr, each),
        },
        MetricExpr::Binary(b) => {
            each_scan(&b.left, each);
            each_scan(&b.right, each);
        }
        MetricExpr::LabelReplace(call) => each_scan(&call.expr, each),
    }
}

/// Whether the order of an instant query's series is one of values.
fn sorts(expr: &MetricExpr) -> bool {
    match expr {
        MetricExpr::Number(_) | MetricExpr::Vector(_) | MetricExpr::Range(_) => false,
        MetricExpr::Aggregate(aggregation) => {
            matches!(aggregation.op, VectorOp::Sort | VectorOp::SortDesc)
                || sorts(&aggregation.expr)
        }
        MetricExpr::Binary(b) => sorts(&b.left) || sorts(&b.right),
        MetricExpr::LabelReplace(call) => sorts(&call.expr),
    }
}

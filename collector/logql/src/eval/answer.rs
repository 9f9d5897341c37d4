//! From columns to what was asked for.

use crate::eval::column::{Column, is_absent};
use crate::eval::limits::{Budget, EvalError};
use crate::value::{Grid, Sample, Series, Value};
use ahash::AHashMap;
use sonde_proto::Labels;

/// The value of a number.
pub(crate) fn number(value: f64, grid: &Grid) -> Value {
    if grid.is_instant() {
        return Value::Scalar(value);
    }
    let points = (0..grid.len()).map(|at| (grid.time(at), value)).collect();
    Value::Matrix(vec![Series {
        labels: Labels::empty(),
        points,
    }])
}

/// The value of a vector; in the order that `sort` made, or by labels.
pub(crate) fn vector(
    columns: Vec<Column>,
    is_sorted: bool,
    grid: &Grid,
    budget: &Budget,
) -> Result<Value, EvalError> {
    let mut columns = joined(columns)?;
    if !grid.is_instant() || !is_sorted {
        columns.sort_by(|a, b| a.labels.cmp(&b.labels));
    }
    if grid.is_instant() {
        let sample = |column: Column| {
            let value = column.values.first().copied()?;
            (!is_absent(value)).then_some(Sample {
                labels: column.labels,
                value,
            })
        };
        return Ok(Value::Vector(
            columns.into_iter().filter_map(sample).collect(),
        ));
    }
    let mut all = Vec::with_capacity(columns.len());
    for column in columns {
        let present =
            |(at, value): (usize, &f64)| (!is_absent(*value)).then_some((grid.time(at), *value));
        budget.look()?;
        // A time beside each value.
        budget.keep_results(column.values.len())?;
        let points: Vec<_> = column
            .values
            .iter()
            .enumerate()
            .filter_map(present)
            .collect();
        if !points.is_empty() {
            all.push(Series {
                labels: column.labels,
                points,
            });
        }
    }
    Ok(Value::Matrix(all))
}

/// One column of those with the same labels, which must not have values at the same step.
fn joined(columns: Vec<Column>) -> Result<Vec<Column>, EvalError> {
    let mut index: AHashMap<Labels, usize> = AHashMap::with_capacity(columns.len());
    let mut all: Vec<Column> = Vec::with_capacity(columns.len());
    for column in columns {
        let next = all.len();
        let at = *index.entry(column.labels.clone()).or_insert(next);
        let Some(same) = all.get_mut(at) else {
            all.push(column);
            continue;
        };
        for (value, other) in same.values.iter_mut().zip(column.values) {
            if is_absent(*value) {
                *value = other;
            } else if !is_absent(other) {
                return Err(EvalError::Series(format!(
                    "two series of the result have the same labels {}; add them up with sum by (…), or keep a label that tells them apart",
                    same.labels
                )));
            }
        }
    }
    Ok(all)
}

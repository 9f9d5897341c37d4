//! Aggregations over series: groups of columns become one.

use crate::ast::{Grouping, RangeOp, VectorOp};
use crate::eval::cell::{Cell as _, State};
use crate::eval::column::{ABSENT, Column, is_absent, label_bytes};
use crate::eval::limits::{Budget, Work};
use crate::source::Stop;
use ahash::AHashMap;
use sonde_proto::{Labels, UnixNanos};

/// Columns by group, in the order in which the groups come first.
pub(crate) fn grouped(
    columns: Vec<Column>,
    grouping: Option<&Grouping>,
    budget: &Budget,
) -> Result<Vec<(Labels, Vec<Column>)>, Stop> {
    let mut index: AHashMap<Labels, usize> = AHashMap::new();
    let mut groups: Vec<(Labels, Vec<Column>)> = Vec::new();
    let mut work = Work::default();
    for column in columns {
        work.add(budget, 1 + column.labels.len())?;
        let labels = group_labels(&column.labels, grouping);
        let next = groups.len();
        let at = *index.entry(labels.clone()).or_insert(next);
        if at == next {
            budget.keep_labels(label_bytes(&labels))?;
            groups.push((labels, Vec::new()));
        }
        groups[at].1.push(column);
    }
    Ok(groups)
}

/// The labels that a group has in common by name.
fn group_labels(labels: &Labels, grouping: Option<&Grouping>) -> Labels {
    let Some(grouping) = grouping else {
        return Labels::empty();
    };
    let mut builder = labels.to_builder();
    builder.retain(|name| grouping.labels.iter().any(|l| l == name) != grouping.is_without);
    builder.build()
}

/// One column per group.
pub(crate) fn fold(
    op: VectorOp,
    columns: Vec<Column>,
    grouping: Option<&Grouping>,
    budget: &Budget,
) -> Result<Vec<Column>, Stop> {
    let op = match op {
        VectorOp::Avg => RangeOp::Avg,
        VectorOp::Min => RangeOp::Min,
        VectorOp::Max => RangeOp::Max,
        VectorOp::Count => RangeOp::Count,
        VectorOp::Stddev => RangeOp::Stddev,
        VectorOp::Stdvar => RangeOp::Stdvar,
        // The others pick series and do not come here.
        _ => RangeOp::Sum,
    };
    let mut work = Work::default();
    let mut results = Vec::new();
    let mut states: Vec<State> = Vec::new();
    for (labels, columns) in grouped(columns, grouping, budget)? {
        let steps = columns.first().map_or(0, |column| column.values.len());
        budget.keep_results(steps)?;
        states.clear();
        states.resize(steps, State::Blank);
        for column in columns {
            work.add(budget, steps)?;
            let values = states.iter_mut().zip(&column.values);
            for (state, value) in values.filter(|(_, value)| !is_absent(**value)) {
                state.add(op, UnixNanos(0), *value);
            }
        }
        let value = |state: &State| {
            if state.is_blank() {
                ABSENT
            } else {
                state.value(op, 1.0)
            }
        };
        results.push(Column {
            labels,
            values: states.iter().map(value).collect(),
        });
    }
    Ok(results)
}

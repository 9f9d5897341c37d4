//! Aggregations that pick or order series: `topk`, `bottomk`, `sort`.

use crate::ast::Grouping;
use crate::eval::aggregate::grouped;
use crate::eval::column::{ABSENT, Column, is_absent};
use crate::eval::limits::{Budget, Work};
use crate::source::Stop;
use std::cmp::Ordering;

/// Which values come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Ascending,
    Descending,
}

/// The first `count` values of each group at each step, of the others nothing.
pub(crate) fn pick(
    order: Order,
    count: u64,
    columns: Vec<Column>,
    grouping: Option<&Grouping>,
    budget: &Budget,
) -> Result<Vec<Column>, Stop> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let mut work = Work::default();
    let mut results = Vec::new();
    for (_, mut columns) in grouped(columns, grouping, budget)? {
        columns.sort_by(|a, b| a.labels.cmp(&b.labels));
        let steps = columns.first().map_or(0, |column| column.values.len());
        let mut present: Vec<usize> = Vec::with_capacity(columns.len());
        for step in 0..steps {
            work.add(budget, columns.len())?;
            present.clear();
            present.extend((0..columns.len()).filter(|at| !is_absent(columns[*at].values[step])));
            if present.len() <= count {
                continue;
            }
            // Of equal values, the first by labels wins.
            let rank = |a: &usize, b: &usize| {
                compare(order, columns[*a].values[step], columns[*b].values[step]).then(a.cmp(b))
            };
            present.select_nth_unstable_by(count, rank);
            for loser in present.drain(count..) {
                columns[loser].values[step] = ABSENT;
            }
        }
        columns.retain(|column| !column.is_blank());
        results.append(&mut columns);
    }
    sort(order, &mut results);
    Ok(results)
}

/// Orders the series of an instant query by their values. Over a range there is no order.
pub(crate) fn sort(order: Order, columns: &mut [Column]) {
    if columns.iter().any(|column| column.values.len() != 1) {
        return;
    }
    columns.sort_by(|a, b| {
        compare(order, a.values[0], b.values[0]).then_with(|| a.labels.cmp(&b.labels))
    });
}

/// A NaN comes last in both orders.
fn compare(order: Order, a: f64, b: f64) -> Ordering {
    match a.partial_cmp(&b) {
        Some(ascending) if order == Order::Ascending => ascending,
        Some(ascending) => ascending.reverse(),
        None => a.is_nan().cmp(&b.is_nan()),
    }
}

//! `topk` and `bottomk`: some of a group's series, as they are.

use super::{ABSENT, Column, Engine, Grid, is_absent};
use crate::promql::ast::{Aggregate, AggregateOp};
use crate::promql::source::{Source, Stop};
use std::cmp::Ordering;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn pick(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let wanted = self.param(a, grid)?;
        if let Some(bad) = wanted.iter().find(|k| k.is_nan() || **k >= 9.2e18) {
            return Err(Stop::Expression(format!(
                "scalar value {bad} overflows a whole number"
            )));
        }
        let top = a.op == AggregateOp::TopK;
        let mut results = Vec::new();
        for (_, mut columns) in self.grouped(a, grid)? {
            let mut order: Vec<usize> = Vec::with_capacity(columns.len());
            for (step, k) in wanted.iter().enumerate() {
                self.spend(columns.len() as u64)?;
                order.clear();
                order.extend((0..columns.len()).filter(|n| !is_absent(columns[*n].values[step])));
                order.sort_by(|x, y| rank(columns[*x].values[step], columns[*y].values[step], top));
                for loser in order.iter().skip(k.max(0.0) as usize) {
                    columns[*loser].values[step] = ABSENT;
                }
            }
            columns.retain(|column| !column.values.iter().all(|v| is_absent(*v)));
            results.append(&mut columns);
        }
        if grid.len == 1 {
            results.sort_by(|x, y| rank(x.values[0], y.values[0], top));
        }
        Ok(results)
    }
}

/// The better one first; a NaN is never better.
pub(crate) fn rank(x: f64, y: f64, top: bool) -> Ordering {
    let ascending = x.partial_cmp(&y);
    match ascending {
        Some(order) if top => order.reverse(),
        Some(order) => order,
        None => x.is_nan().cmp(&y.is_nan()),
    }
}

//! `topk`, `bottomk`, `limitk`, `limit_ratio`: some of a group's series, as they are.

use super::aggregate::Groups;
use super::hash::label_hash;
use super::{ABSENT, Column, Engine, Grid, is_absent};
use crate::ast::{Aggregate, AggregateOp};
use crate::notes::Note;
use crate::number::short_number;
use crate::source::{Source, Stop};
use std::cmp::Ordering;

/// The whole numbers from here on are too large.
const WHOLE_MAX: f64 = 9_223_372_036_854_775_807.0;

impl<S: Source> Engine<'_, S> {
    /// The best by value.
    pub(crate) fn pick(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let (wanted, groups) = self.counts_and_groups(a, grid)?;
        let top = a.op == AggregateOp::TopK;
        let mut results = Vec::new();
        // Group by group, in the order of the labels that are seen first.
        for (_, mut columns) in groups {
            self.ignore_histograms(a, &mut columns);
            let mut order: Vec<usize> = Vec::with_capacity(columns.len());
            for (step, k) in wanted.iter().enumerate() {
                self.spend(columns.len() as u64)?;
                order.clear();
                order.extend((0..columns.len()).filter(|n| !is_absent(columns[*n].values[step])));
                order.sort_by(|x, y| rank(columns[*x].values[step], columns[*y].values[step], top));
                for loser in order.iter().skip(*k) {
                    columns[*loser].values[step] = ABSENT;
                }
            }
            columns.retain(|column| !column.is_blank());
            if grid.len == 1 {
                columns.sort_by(|x, y| rank(x.values[0], y.values[0], top));
            }
            results.append(&mut columns);
        }
        Ok(results)
    }

    /// The first by their labels.
    pub(crate) fn limit(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let (wanted, groups) = self.counts_and_groups(a, grid)?;
        let mut results = Vec::new();
        for (_, mut columns) in groups {
            let mut left = wanted.clone();
            for column in &mut columns {
                self.spend(grid.len as u64)?;
                let mut is_over = vec![false; left.len()];
                for (step, left) in left.iter_mut().enumerate() {
                    match left.checked_sub(usize::from(column.is_present(step))) {
                        Some(less) => *left = less,
                        None => is_over[step] = true,
                    }
                }
                column.hide(|step| is_over[step]);
            }
            columns.retain(|column| !column.is_blank());
            results.append(&mut columns);
        }
        Ok(results)
    }

    /// About a part of them, always the same: those with a small hash. A negative ratio asks
    /// for those that the positive one leaves out.
    pub(crate) fn limit_ratio(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let ratios = self.param(a, grid)?;
        if ratios.iter().any(|ratio| ratio.is_nan()) {
            return Err(Stop::Expression("Ratio value is NaN".into()));
        }
        let is_beyond = |ratio: &&f64| !(-1.0..=1.0).contains(*ratio);
        if let (Some(ratio), Some(param)) = (ratios.iter().find(is_beyond), &a.param) {
            let note = Note::Ratio(*ratio, ratio.clamp(-1.0, 1.0));
            self.notes.add(note, param.span);
        }
        let mut results = Vec::new();
        for (_, mut columns) in self.grouped(a, grid)? {
            for column in &mut columns {
                self.spend(grid.len as u64)?;
                let place = label_hash(&column.labels) as f64 / u64::MAX as f64;
                let is_chosen = |ratio: f64| {
                    if ratio >= 0.0 {
                        place < ratio
                    } else {
                        place >= 1.0 + ratio
                    }
                };
                column.hide(|step| !is_chosen(ratios[step].clamp(-1.0, 1.0)));
            }
            columns.retain(|column| !column.is_blank());
            results.append(&mut columns);
        }
        Ok(results)
    }

    /// The argument before the vector as a count, what is below zero as none; and the groups,
    /// whose mistakes come first.
    fn counts_and_groups(&self, a: &Aggregate, grid: &Grid) -> Result<(Vec<usize>, Groups), Stop> {
        let whole = |k: &f64| {
            if k.is_nan() {
                return Err(Stop::Expression("Parameter value is NaN".into()));
            }
            if k.abs() >= WHOLE_MAX {
                let how = if *k > 0.0 { "overflows" } else { "underflows" };
                return Err(Stop::Expression(format!(
                    "Scalar value {} {how} int64",
                    short_number(*k)
                )));
            }
            Ok(k.max(0.0) as usize)
        };
        let counts = self.param(a, grid)?;
        let groups = self.grouped(a, grid)?;
        Ok((counts.iter().map(whole).collect::<Result<_, _>>()?, groups))
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

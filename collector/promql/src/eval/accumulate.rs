//! The running state of one group, for every step.

use super::column::Sparse;
use super::{ABSENT, Column, is_absent};
use crate::ast::AggregateOp;
use crate::functions::Sum;
use crate::histogram::{Total, compact};
use crate::notes::{About, Note};
use sonde_proto::Labels;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What a group came to so far.
pub(crate) struct Accumulator {
    op: AggregateOp,
    counts: Vec<u32>,
    cells: Cells,
    /// Sums of histograms by step.
    totals: BTreeMap<usize, Total>,
}

/// 2^-64: more series than there are cannot add up to too much, and no bit is lost.
const FRACTION: f64 = 5.421_010_862_427_522e-20;

enum Cells {
    /// Nothing but the count matters.
    Count,
    Sum(Vec<Sum>),
    /// The sum, and the sum of small fractions for where it is too large for a number.
    Mean(Vec<(Sum, Sum)>),
    /// The least or the most.
    Edge(Vec<f64>),
    /// Mean and sum of squared distances (Welford).
    Spread(Vec<(f64, f64)>),
}

impl Accumulator {
    pub(crate) fn new(op: AggregateOp, len: usize) -> Self {
        let cells = match op {
            AggregateOp::Sum => Cells::Sum(vec![Sum::default(); len]),
            AggregateOp::Avg => Cells::Mean(vec![Default::default(); len]),
            AggregateOp::Min | AggregateOp::Max => Cells::Edge(vec![f64::NAN; len]),
            AggregateOp::StdDev | AggregateOp::StdVar => Cells::Spread(vec![(0.0, 0.0); len]),
            AggregateOp::Count
            | AggregateOp::Group
            | AggregateOp::TopK
            | AggregateOp::BottomK
            | AggregateOp::Quantile
            | AggregateOp::LimitK
            | AggregateOp::LimitRatio
            | AggregateOp::CountValues => Cells::Count,
        };
        Self {
            op,
            counts: vec![0; len],
            cells,
            totals: BTreeMap::new(),
        }
    }

    /// How many bytes it takes for so many steps.
    pub(crate) fn bytes(op: AggregateOp, len: usize) -> u64 {
        let cell = match op {
            AggregateOp::Sum => size_of::<Sum>(),
            AggregateOp::Avg => size_of::<(Sum, Sum)>(),
            AggregateOp::StdDev | AggregateOp::StdVar => size_of::<(f64, f64)>(),
            // The others end as one number a step, in place of their cells.
            _ => size_of::<f64>(),
        };
        (len as u64).saturating_mul((size_of::<u32>() + cell) as u64)
    }

    /// Adds a series.
    pub(crate) fn add(&mut self, values: &[f64]) {
        let present = values
            .iter()
            .enumerate()
            .filter(|(_, value)| !is_absent(**value));
        let counts = &mut self.counts;
        match &mut self.cells {
            Cells::Count => present.for_each(|(step, _)| counts[step] += 1),
            Cells::Sum(sums) => present.for_each(|(step, value)| {
                counts[step] += 1;
                sums[step].add(*value);
            }),
            Cells::Mean(sums) => present.for_each(|(step, value)| {
                counts[step] += 1;
                sums[step].0.add(*value);
                sums[step].1.add(*value * FRACTION);
            }),
            Cells::Edge(edges) => {
                let is_min = self.op == AggregateOp::Min;
                present.for_each(|(step, value)| {
                    counts[step] += 1;
                    let edge = edges[step];
                    if edge.is_nan() || (if is_min { *value < edge } else { *value > edge }) {
                        edges[step] = *value;
                    }
                });
            }
            Cells::Spread(cells) => present.for_each(|(step, value)| {
                counts[step] += 1;
                let (mean, squares) = &mut cells[step];
                let delta = value - *mean;
                *mean += delta / f64::from(counts[step]);
                *squares += delta * (value - *mean);
            }),
        }
    }

    /// Adds the histograms of a series, and says how many bytes more are kept for them.
    pub(crate) fn add_histograms(&mut self, column: &Column, about: &About<'_>) -> u64 {
        let mut bytes = 0;
        match self.op {
            AggregateOp::Count | AggregateOp::Group => {
                column
                    .histograms
                    .iter()
                    .for_each(|(step, _)| self.counts[step] += 1);
            }
            AggregateOp::Sum | AggregateOp::Avg => {
                for (step, histogram) in column.histograms.iter() {
                    let total = self.totals.entry(step).or_default();
                    let before = total.bytes();
                    if total.add(histogram).is_err() {
                        about.add(Note::MixedSchemas(about.metric));
                    }
                    bytes += total.bytes().saturating_sub(before);
                }
            }
            op => about.add(Note::IgnoredInGroup(op.as_str())),
        }
        bytes
    }

    /// The group as a series.
    pub(crate) fn finish(mut self, labels: Labels, about: &About<'_>) -> Column {
        let mut histograms = Sparse::default();
        for (step, total) in std::mem::take(&mut self.totals) {
            if self.counts[step] > 0 {
                self.counts[step] = 0;
                about.add(Note::MixedGroup);
                continue;
            }
            let note = |note| about.add(note);
            let result = if self.op == AggregateOp::Avg {
                total.mean(note)
            } else {
                total.sum(note)
            };
            if let Ok(mut histogram) = result {
                compact(&mut histogram);
                histograms.push(step, Arc::new(histogram));
            }
        }
        Column {
            labels,
            values: self.floats(),
            histograms,
        }
    }

    fn floats(self) -> Vec<f64> {
        let op = self.op;
        let value = |step: usize, count: u32| match (&self.cells, op) {
            (Cells::Count, AggregateOp::Group) => 1.0,
            (Cells::Count, _) => f64::from(count),
            (Cells::Mean(sums), _) => mean(sums[step], count),
            (Cells::Sum(sums), _) => sums[step].value(),
            (Cells::Edge(edges), _) => edges[step],
            (Cells::Spread(cells), AggregateOp::StdDev) => {
                (cells[step].1 / f64::from(count)).sqrt()
            }
            (Cells::Spread(cells), _) => cells[step].1 / f64::from(count),
        };
        let cell = |(step, count): (usize, &u32)| {
            if *count == 0 {
                ABSENT
            } else {
                value(step, *count)
            }
        };
        self.counts.iter().enumerate().map(cell).collect()
    }
}

fn mean((sum, fractions): (Sum, Sum), count: u32) -> f64 {
    let (sum, count) = (sum.value(), f64::from(count));
    if sum.is_finite() {
        sum / count
    } else {
        fractions.value() / count / FRACTION
    }
}

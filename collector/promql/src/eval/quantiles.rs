//! Classic histograms: buckets that are series, told apart by `le`.

use super::{Column, Engine, Grid, is_absent, without_name};
use crate::ast::Expr;
use crate::functions::histogram::{Bucket, fraction, quantile};
use crate::number::label_number;
use crate::source::{Source, Stop};
use ahash::AHashMap;
use sonde_proto::Labels;
use std::collections::hash_map::Entry;

/// One histogram: its labels without `le`, and its buckets by their bounds.
struct Histogram {
    labels: Labels,
    buckets: Vec<(f64, Column)>,
}

/// Takes a step and the buckets that are there at it.
type Visit<'v> = &'v mut dyn FnMut(usize, &mut Vec<Bucket>) -> Result<(), Stop>;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn histogram_quantile(
        &self,
        args: &[Expr],
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        let q = self.scalar(&args[0], grid)?;
        let mut results = Vec::new();
        for histogram in self.histograms(&args[1], grid)? {
            let mut values = self.blank(grid)?;
            self.each_step(&histogram, grid, &mut |step, buckets| {
                values[step] = quantile(q[step], buckets);
                Ok(())
            })?;
            let labels = without_name(&histogram.labels);
            results.push(Column { labels, values });
        }
        self.merge_same(results)
    }

    pub(crate) fn histogram_fraction(
        &self,
        args: &[Expr],
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        let (lower, upper) = (self.scalar(&args[0], grid)?, self.scalar(&args[1], grid)?);
        let mut results = Vec::new();
        for histogram in self.histograms(&args[2], grid)? {
            let mut values = self.blank(grid)?;
            self.each_step(&histogram, grid, &mut |step, buckets| {
                values[step] = fraction(lower[step], upper[step], buckets);
                Ok(())
            })?;
            let labels = without_name(&histogram.labels);
            results.push(Column { labels, values });
        }
        self.merge_same(results)
    }

    /// Several quantiles at once, each under a label of its own.
    pub(crate) fn histogram_quantiles(
        &self,
        args: &[Expr],
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        let [vector, label, quantiles @ ..] = args else {
            return Err(super::mistyped("instant vector"));
        };
        let label = self.text(label);
        if label.is_empty() {
            return Err(Stop::Expression("invalid label name \"\"".into()));
        }
        let quantiles = quantiles
            .iter()
            .map(|q| self.scalar(q, grid))
            .collect::<Result<Vec<_>, _>>()?;
        let mut results: AHashMap<Labels, Vec<f64>> = AHashMap::new();
        for histogram in self.histograms(vector, grid)? {
            let bare = without_name(&histogram.labels);
            self.each_step(&histogram, grid, &mut |step, buckets| {
                for q in &quantiles {
                    let text = label_number(q[step]);
                    self.work(1 + bare.len() as u64)?;
                    let mut builder = bare.to_builder();
                    builder.set(&label, &text);
                    let values = match results.entry(builder.build()) {
                        Entry::Occupied(values) => values.into_mut(),
                        Entry::Vacant(place) => {
                            self.keep_labels(place.key().len(), label.len() + text.len())?;
                            place.insert(self.blank(grid)?)
                        }
                    };
                    if !is_absent(values[step]) {
                        return Err(Stop::Expression(
                            "vector cannot contain metrics with the same labelset".into(),
                        ));
                    }
                    values[step] = quantile(q[step], buckets);
                }
                Ok(())
            })?;
        }
        let column = |(labels, values)| Column { labels, values };
        Ok(results.into_iter().map(column).collect())
    }

    fn histograms(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Histogram>, Stop> {
        let mut at: AHashMap<Labels, usize> = AHashMap::new();
        let mut found: Vec<Histogram> = Vec::new();
        for column in self.vector(expr, grid)? {
            let Ok(bound) = column.labels.get("le").parse::<f64>() else {
                continue;
            };
            // The name tells histograms apart; it goes only from what is computed.
            let mut builder = column.labels.to_builder();
            builder.remove("le");
            let labels = builder.build();
            self.work(1 + labels.len() as u64)?;
            let index = match at.entry(labels) {
                Entry::Occupied(index) => *index.get(),
                Entry::Vacant(place) => {
                    self.keep_subset(place.key())?;
                    found.push(Histogram {
                        labels: place.key().clone(),
                        buckets: Vec::new(),
                    });
                    *place.insert(found.len() - 1)
                }
            };
            found[index].buckets.push((bound, column));
        }
        for histogram in &mut found {
            histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(found)
    }

    /// Visits the steps at which there are buckets.
    fn each_step(&self, histogram: &Histogram, grid: &Grid, visit: Visit<'_>) -> Result<(), Stop> {
        let columns = &histogram.buckets;
        self.spend((grid.len * columns.len()) as u64)?;
        let mut buckets = Vec::new();
        for step in 0..grid.len {
            self.work(columns.len() as u64)?;
            buckets.clear();
            let present = columns.iter().map(|(bound, c)| (*bound, c.values[step]));
            buckets.extend(present.filter(|(_, count)| !is_absent(*count)));
            if !buckets.is_empty() {
                visit(step, &mut buckets)?;
            }
        }
        Ok(())
    }
}

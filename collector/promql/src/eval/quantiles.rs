//! Quantiles and fractions of histograms: classic ones, whose buckets are series told apart by
//! `le`, and native ones.

use super::column::Sparse;
use super::{Column, Engine, Grid, is_absent, without_name};
use crate::ast::{Expr, Span};
use crate::functions::histogram::{Bucket, fraction, quantile};
use crate::histogram::{self, Nan};
use crate::notes::{About, Note};
use crate::number::label_number;
use crate::source::{Source, Stop};
use ahash::AHashMap;
use sonde_proto::{Histogram as Native, Labels};
use std::collections::hash_map::Entry;

/// The histograms of one set of labels, without `le` where they are classic.
struct Histogram {
    labels: Labels,
    /// The buckets of a classic one by their bounds.
    buckets: Vec<(f64, Column)>,
    native: Sparse,
}

/// What is there at a step.
enum Found<'f> {
    Classic(&'f mut Vec<Bucket>),
    Native(&'f Native),
}

impl Found<'_> {
    /// `at` is the time in milliseconds.
    fn quantile(&mut self, q: f64, about: &About<'_>, at: i64) -> f64 {
        let metric = about.metric;
        match self {
            Self::Classic(buckets) => {
                let (value, forced) = quantile(q, buckets);
                if let Some(forced) = forced {
                    about.add(Note::NotMonotonic { metric, forced, at });
                }
                value
            }
            Self::Native(native) => {
                let (value, nan) = histogram::quantile(native, q);
                match nan {
                    Some(Nan::Result) => about.add(Note::NanResult(metric)),
                    Some(Nan::Skew) => about.add(Note::NanSkew(metric)),
                    None => {}
                }
                value
            }
        }
    }

    fn fraction(&mut self, lower: f64, upper: f64, about: &About<'_>) -> f64 {
        match self {
            Self::Classic(buckets) => fraction(lower, upper, buckets),
            Self::Native(native) => {
                let (value, has_nan) = histogram::fraction(native, lower, upper);
                if has_nan {
                    about.add(Note::NanFraction(about.metric));
                }
                value
            }
        }
    }
}

/// Takes a step and what is there at it.
type Visit<'v> = &'v mut dyn FnMut(usize, &mut Found<'_>) -> Result<(), Stop>;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn histogram_quantile(
        &self,
        args: &[Expr],
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        let q = self.scalar(&args[0], grid)?;
        self.note_quantiles(&q, Some(&args[0]));
        let mut results = Vec::new();
        for histogram in self.histograms(&args[1], grid)? {
            let mut values = self.blank(grid)?;
            let about = self.about(&histogram.labels, args[1].span);
            self.each_step(&histogram, grid, &about, &mut |step, found| {
                values[step] = found.quantile(q[step], &about, grid.time(step));
                Ok(())
            })?;
            results.push(Column::of_floats(without_name(&histogram.labels), values));
        }
        results.retain(|column| !column.is_blank());
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
            let about = self.about(&histogram.labels, args[2].span);
            self.each_step(&histogram, grid, &about, &mut |step, found| {
                values[step] = found.fraction(lower[step], upper[step], &about);
                Ok(())
            })?;
            results.push(Column::of_floats(without_name(&histogram.labels), values));
        }
        results.retain(|column| !column.is_blank());
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
        let params = quantiles;
        let quantiles = params
            .iter()
            .map(|q| self.scalar(q, grid))
            .collect::<Result<Vec<_>, _>>()?;
        for (quantile, param) in quantiles.iter().zip(params) {
            self.note_quantiles(quantile, Some(param));
        }
        let mut results: AHashMap<Labels, Vec<f64>> = AHashMap::new();
        for histogram in self.histograms(vector, grid)? {
            let bare = without_name(&histogram.labels);
            let about = self.about(&histogram.labels, vector.span);
            self.each_step(&histogram, grid, &about, &mut |step, found| {
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
                    values[step] = found.quantile(q[step], &about, grid.time(step));
                }
                Ok(())
            })?;
        }
        let column = |(labels, values)| Column::of_floats(labels, values);
        Ok(results.into_iter().map(column).collect())
    }

    fn histograms(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Histogram>, Stop> {
        let mut at: AHashMap<Labels, usize> = AHashMap::new();
        let mut found: Vec<Histogram> = Vec::new();
        for mut column in self.vector(expr, grid)? {
            let native = std::mem::take(&mut column.histograms);
            if !native.is_empty() {
                let index = self.group(&column.labels, &mut at, &mut found)?;
                found[index].native = native;
            }
            if column.is_blank() {
                continue;
            }
            let le = column.labels.get("le");
            let Ok(bound) = le.parse::<f64>() else {
                self.note_bucket(&column.labels, expr.span);
                continue;
            };
            // The name tells histograms apart; it goes only from what is computed.
            let mut builder = column.labels.to_builder();
            builder.remove("le");
            let index = self.group(&builder.build(), &mut at, &mut found)?;
            found[index].buckets.push((bound, column));
        }
        for histogram in &mut found {
            histogram.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        }
        Ok(found)
    }

    fn note_bucket(&self, labels: &Labels, at: Span) {
        let about = self.about(labels, at);
        about.add(Note::BucketLabel {
            label: labels.get("le"),
            metric: about.metric,
        });
    }

    /// The place of the histograms of some labels.
    fn group(
        &self,
        labels: &Labels,
        at: &mut AHashMap<Labels, usize>,
        found: &mut Vec<Histogram>,
    ) -> Result<usize, Stop> {
        self.work(1 + labels.len() as u64)?;
        if let Some(index) = at.get(labels) {
            return Ok(*index);
        }
        self.keep_subset(labels)?;
        at.insert(labels.clone(), found.len());
        found.push(Histogram {
            labels: labels.clone(),
            buckets: Vec::new(),
            native: Sparse::default(),
        });
        Ok(found.len() - 1)
    }

    /// Visits the steps at which there are buckets or a native histogram; where there are
    /// both, neither counts.
    fn each_step(
        &self,
        histogram: &Histogram,
        grid: &Grid,
        about: &About<'_>,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        let columns = &histogram.buckets;
        self.spend((grid.len * columns.len()) as u64)?;
        let mut buckets = Vec::new();
        for step in 0..grid.len {
            self.work(columns.len() as u64)?;
            buckets.clear();
            let present = columns.iter().map(|(bound, c)| (*bound, c.values[step]));
            buckets.extend(present.filter(|(_, count)| !is_absent(*count)));
            match (histogram.native.get(step), buckets.is_empty()) {
                (None, true) => {}
                (None, false) => visit(step, &mut Found::Classic(&mut buckets))?,
                (Some(native), true) => {
                    self.work(histogram::bytes(native) / 16)?;
                    visit(step, &mut Found::Native(native))?;
                }
                (Some(_), false) => about.add(Note::ClassicAndNative(about.metric)),
            }
        }
        Ok(())
    }
}

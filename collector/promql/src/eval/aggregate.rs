//! Aggregations: groups of series.

use super::accumulate::Accumulator;
use super::{Column, Engine, Grid, is_absent};
use crate::ast::{Aggregate, AggregateOp, Expr};
use crate::functions::over_time::quantile;
use crate::histogram::text as histogram_text;
use crate::notes::Note;
use crate::number::label_number as number;
use crate::source::{Source, Stop};
use ahash::AHashMap;
use sonde_proto::Labels;
use sonde_proto::METRIC_NAME as NAME;
use std::collections::hash_map::Entry;

/// Series by the labels of their group.
pub(crate) type Groups = Vec<(Labels, Vec<Column>)>;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn aggregate(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        match a.op {
            AggregateOp::Sum
            | AggregateOp::Avg
            | AggregateOp::Min
            | AggregateOp::Max
            | AggregateOp::Count
            | AggregateOp::Group
            | AggregateOp::StdDev
            | AggregateOp::StdVar => self.accumulate(a, grid),
            AggregateOp::TopK | AggregateOp::BottomK => self.pick(a, grid),
            AggregateOp::LimitK => self.limit(a, grid),
            AggregateOp::LimitRatio => self.limit_ratio(a, grid),
            AggregateOp::Quantile => self.quantile(a, grid),
            AggregateOp::CountValues => self.count_values(a, grid),
        }
    }

    /// Adds series to their groups as they come; only the groups are kept.
    fn accumulate(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let mut groups: AHashMap<Labels, Accumulator> = AHashMap::new();
        self.stream(&a.expr, grid, &mut |column| {
            let key = self.group_labels(a, &column.labels)?;
            self.work(grid.len as u64)?;
            let native = column.histograms.bytes();
            self.work(native / 16)?;
            if !groups.contains_key(&key) {
                self.spend(grid.len as u64)?;
                self.keep_subset(&key)?;
                self.keep_value_bytes(Accumulator::bytes(a.op, grid.len))?;
                groups.insert(key.clone(), Accumulator::new(a.op, grid.len));
            }
            if let Some(group) = groups.get_mut(&key) {
                group.add(&column.values);
                if native > 0 {
                    let about = self.about(&column.labels, a.expr.span);
                    self.keep_value_bytes(group.add_histograms(&column, &about))?;
                }
            }
            Ok(())
        })?;
        let none = Labels::empty();
        let about = self.about(&none, a.expr.span);
        let mut results: Vec<Column> = groups
            .into_iter()
            .map(|(labels, group)| group.finish(labels, &about))
            .collect();
        results.retain(|column| !column.is_blank());
        Ok(results)
    }

    fn quantile(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let q = self.param(a, grid)?;
        let mut results = Vec::new();
        let mut values = Vec::new();
        self.note_quantiles(&q, a.param.as_ref());
        for (labels, mut columns) in self.grouped(a, grid)? {
            self.ignore_histograms(a, &mut columns);
            if columns.is_empty() {
                continue;
            }
            let mut out = self.blank(grid)?;
            for (step, slot) in out.iter_mut().enumerate() {
                self.work(columns.len() as u64)?;
                values.clear();
                values.extend(
                    columns
                        .iter()
                        .map(|c| c.values[step])
                        .filter(|v| !is_absent(*v)),
                );
                if !values.is_empty() {
                    *slot = quantile(q[step], &mut values);
                }
            }
            results.push(Column::of_floats(labels, out));
        }
        Ok(results)
    }

    fn count_values(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let name = a
            .param
            .as_ref()
            .map(|param| self.text(param))
            .unwrap_or_default();
        if name.is_empty() {
            return Err(Stop::Expression("invalid label name \"\"".into()));
        }
        let mut counts: AHashMap<Labels, Vec<f64>> = AHashMap::new();
        self.stream(&a.expr, grid, &mut |column| {
            let group = self.group_labels(a, &column.labels)?;
            self.work(grid.len as u64)?;
            for step in (0..grid.len).filter(|step| column.is_present(*step)) {
                let text = match column.histograms.get(step) {
                    Some(histogram) => histogram_text(histogram),
                    None => number(column.values[step]),
                };
                self.work(group.len() as u64 + (name.len() + text.len()) as u64)?;
                let mut builder = group.to_builder();
                // It is a label like the others, which may be left out.
                if !(a.without && a.labels.contains(&name)) {
                    builder.set(&name, &text);
                }
                let count = match counts.entry(builder.build()) {
                    Entry::Occupied(count) => count.into_mut(),
                    Entry::Vacant(place) => {
                        self.keep_labels(place.key().len(), name.len() + text.len())?;
                        place.insert(self.blank(grid)?)
                    }
                };
                count[step] = if is_absent(count[step]) {
                    1.0
                } else {
                    count[step] + 1.0
                };
            }
            Ok(())
        })?;
        Ok(counts
            .into_iter()
            .map(|(labels, values)| Column::of_floats(labels, values))
            .collect())
    }

    /// Leaves out the histograms of columns for an aggregation of floats, and says so.
    pub(crate) fn ignore_histograms(&self, a: &Aggregate, columns: &mut Vec<Column>) {
        if columns.iter().all(|column| column.histograms.is_empty()) {
            return;
        }
        let ignored = Note::IgnoredInGroup(a.op.as_str());
        self.notes.add(ignored, a.expr.span);
        drop_histograms(columns);
    }

    /// Says which quantiles are none.
    pub(crate) fn note_quantiles(&self, quantiles: &[f64], expr: Option<&Expr>) {
        let is_wrong = |q: &f64| q.is_nan() || !(0.0..=1.0).contains(q);
        if let (Some(q), Some(expr)) = (quantiles.iter().find(|q| is_wrong(q)), expr) {
            self.notes.add(Note::Quantile(*q), expr.span);
        }
    }

    /// The argument before the vector.
    pub(crate) fn param(&self, a: &Aggregate, grid: &Grid) -> Result<Vec<f64>, Stop> {
        match &a.param {
            Some(param) => self.scalar(param, grid),
            None => Err(super::mistyped("scalar")),
        }
    }

    /// Series by group, both in the order of the series' labels.
    pub(crate) fn grouped(&self, a: &Aggregate, grid: &Grid) -> Result<Groups, Stop> {
        let mut at: AHashMap<Labels, usize> = AHashMap::new();
        let mut groups = Groups::new();
        let mut columns = self.vector(&a.expr, grid)?;
        self.work(columns.len() as u64)?;
        columns.sort_by(|x, y| x.labels.cmp(&y.labels));
        for column in columns {
            let key = self.group_labels(a, &column.labels)?;
            let index = *at.entry(key.clone()).or_insert(groups.len());
            if index == groups.len() {
                self.keep_subset(&key)?;
                groups.push((key, Vec::new()));
            }
            groups[index].1.push(column);
        }
        Ok(groups)
    }

    /// The labels of the group that a series belongs to.
    fn group_labels(&self, a: &Aggregate, labels: &Labels) -> Result<Labels, Stop> {
        self.work(1 + (labels.len() * a.labels.len()) as u64)?;
        Ok(group_labels(a, labels))
    }
}

/// Leaves out the histograms, and columns that have nothing else.
pub(crate) fn drop_histograms(columns: &mut Vec<Column>) {
    columns
        .iter_mut()
        .for_each(|column| column.histograms = Default::default());
    columns.retain(|column| !column.is_blank());
}

fn group_labels(a: &Aggregate, labels: &Labels) -> Labels {
    if !a.without && a.labels.is_empty() {
        return Labels::empty();
    }
    let named = |name: &str| a.labels.iter().any(|l| l == name);
    let mut builder = labels.to_builder();
    builder.retain(|name| {
        if a.without {
            name != NAME && !named(name)
        } else {
            named(name)
        }
    });
    builder.build()
}

//! Evaluation over a grid of times.
//!
//! A vector is a list of [`Column`]s: one value per step for one series, where
//! [`is_absent`] says that there is none. Selectors, functions over ranges and functions of
//! each value work on one series at a time ([`Engine::stream`]), so `sum(rate(x[5m]))` reads
//! each series once and keeps only the sums.

mod budget;
mod grid;
mod window;
mod thinned;
mod stream;
mod names;
mod binary;
mod set;
mod fill;
mod arithmetic;
mod aggregate;
mod accumulate;
mod pick;
mod shape;
mod quantiles;
mod edges;
mod info;
mod hash;
mod column;
mod native;
mod profile;

use super::Samples;
use super::ast::{Edges, Expr, ExprKind, Selector, Span};
use super::functions::math::{larger, smaller};
use super::functions::{Kind, Shape};
use super::notes::{About, Note, Notes};
use super::source::{Room, Series as _, Source, Stop, TimeRange};
use super::value::{Answer, QueryLimits, QueryValue, RangeSeries};
use ahash::AHashMap;
pub(crate) use arithmetic::scalar as arithmetic;
use budget::Budget;
pub(crate) use column::Column;
pub(crate) use grid::Grid;
pub(crate) use profile::Profile;
pub use profile::{Clock, Node};
use sonde_proto::{Labels, UnixNanos};

/// The bits of a stale marker, which no evaluation gives, stand for "no value".
pub(crate) const ABSENT: f64 = f64::from_bits(crate::STALE_NAN_BITS);

/// Whether a step has no value.
pub(crate) fn is_absent(value: f64) -> bool {
    crate::is_stale(value)
}

/// A time and a value, in bytes.
const ANSWERED_BYTES: u64 = size_of::<(UnixNanos, f64)>() as u64;

/// Evaluates expressions against one source, within one budget.
pub(crate) struct Engine<'s, S> {
    source: &'s S,
    room: Room,
    lookback: i64,
    bounds: (i64, i64),
    step: i64,
    budget: Budget,
    notes: Notes,
    profile: Option<Profile<'s>>,
    /// Whether it matters since when samples count.
    starts: bool,
}

/// Where series were looked for, and how much of what is around may have been dropped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Looked {
    range: TimeRange,
    resolution: i64,
}

impl<'s, S: Source> Engine<'s, S> {
    /// `bounds` are the times that `@ start()` and `@ end()` stand for, `step` what `step()`
    /// does.
    pub(crate) fn new(source: &'s S, limits: &QueryLimits, bounds: (i64, i64), step: i64) -> Self {
        Self {
            source,
            room: Room::new(limits),
            lookback: i64::try_from(limits.lookback.as_millis()).unwrap_or(i64::MAX / 4),
            bounds,
            step,
            budget: Budget::new(limits),
            notes: Notes::default(),
            profile: None,
            starts: false,
        }
    }

    /// The same engine, which measures what every part of an expression takes.
    pub(crate) fn measured(mut self, profile: Option<Profile<'s>>) -> Self {
        self.profile = profile;
        self
    }

    /// The same engine, which uses since when samples count, or not.
    pub(crate) fn using_starts(mut self, starts: bool) -> Self {
        self.starts = starts;
        self
    }

    pub(crate) fn uses_starts(&self) -> bool {
        self.starts
    }

    /// Measures a part of an expression; `series` says how many its result has.
    fn measure<T>(
        &self,
        expr: &Expr,
        grid: &Grid,
        work: impl FnOnce() -> Result<T, Stop>,
        series: impl FnOnce(&T) -> usize,
    ) -> Result<T, Stop> {
        let Some(profile) = &self.profile else {
            return work();
        };
        profile.enter(expr.span, grid.len);
        let result = work();
        profile.leave(result.as_ref().map_or(0, series));
        result
    }

    /// The series of a selector, which have samples in a range or around it: as far as samples
    /// may have been dropped.
    pub(crate) fn find(
        &self,
        selector: &Selector,
        range: TimeRange,
    ) -> Result<(Vec<S::Series>, Looked), Stop> {
        let mut resolution = self.source.resolution(range);
        let found = loop {
            let around = TimeRange {
                start: range.start.saturating_sub(resolution),
                end: range.end.saturating_add(resolution),
            };
            let found = self
                .source
                .select(&selector.matchers, around, &mut self.room()?)?;
            // Samples may have been thinned meanwhile.
            let now = self.source.resolution(range);
            if now <= resolution {
                break found;
            }
            resolution = now;
        };
        Ok((found, Looked { range, resolution }))
    }

    /// The samples of a series that was selected.
    pub(crate) fn read(
        &self,
        series: &S::Series,
        looked: Looked,
        out: &mut Samples,
    ) -> Result<(), Stop> {
        series.read(out)?;
        let TimeRange { start, end } = looked.range;
        let mut rests = out.rests.iter();
        if rests.any(|rest| rest.start <= end && rest.end >= start) {
            self.notes
                .add(Note::Thinned(looked.resolution), Span::default());
        }
        if !self.starts {
            out.forget_starts();
        }
        if let Some(profile) = &self.profile {
            profile.read(series.cost(), out.len());
        }
        Ok(())
    }

    /// The values of a scalar expression.
    pub(crate) fn scalar(&self, expr: &Expr, grid: &Grid) -> Result<Vec<f64>, Stop> {
        self.measure(expr, grid, || self.scalar_of(expr, grid), |_| 1)
    }

    fn scalar_of(&self, expr: &Expr, grid: &Grid) -> Result<Vec<f64>, Stop> {
        self.spend(grid.len as u64)?;
        self.keep_values(grid.len)?;
        match &expr.kind {
            ExprKind::Number(n) => Ok(vec![*n; grid.len]),
            ExprKind::Duration(millis) => Ok(vec![*millis as f64 / 1e3; grid.len]),
            ExprKind::Paren(inner) | ExprKind::Plus(inner) => self.scalar(inner, grid),
            ExprKind::Negate(inner) => {
                Ok(self.scalar(inner, grid)?.into_iter().map(|v| -v).collect())
            }
            ExprKind::Binary(b) => {
                let (lhs, rhs) = (self.scalar(&b.lhs, grid)?, self.scalar(&b.rhs, grid)?);
                Ok(lhs
                    .into_iter()
                    .zip(rhs)
                    .map(|(l, r)| arithmetic::scalar(b.op, l, r))
                    .collect())
            }
            ExprKind::Call { function, args } => match function.kind {
                Kind::Shape(shape) => self.scalar_shape(shape, args, grid),
                _ => Err(mistyped("scalar")),
            },
            _ => Err(mistyped("scalar")),
        }
    }

    fn scalar_shape(&self, shape: Shape, args: &[Expr], grid: &Grid) -> Result<Vec<f64>, Stop> {
        let seconds = |millis: i64| Ok(vec![millis as f64 / 1e3; grid.len]);
        match shape {
            Shape::Pi => Ok(vec![std::f64::consts::PI; grid.len]),
            Shape::Time => Ok(grid.times().map(|t| t as f64 / 1e3).collect()),
            Shape::Scalar => self.only_value(&args[0], grid),
            Shape::Start => seconds(self.bounds.0),
            Shape::End => seconds(self.bounds.1),
            Shape::Range => seconds(self.bounds.1.saturating_sub(self.bounds.0)),
            Shape::Step => seconds(self.step),
            Shape::MinOf => self.of_both(args, grid, smaller),
            Shape::MaxOf => self.of_both(args, grid, larger),
            _ => Err(mistyped("scalar")),
        }
    }

    fn of_both(
        &self,
        args: &[Expr],
        grid: &Grid,
        apply: fn(f64, f64) -> f64,
    ) -> Result<Vec<f64>, Stop> {
        let (a, b) = (self.scalar(&args[0], grid)?, self.scalar(&args[1], grid)?);
        Ok(a.into_iter().zip(b).map(|(a, b)| apply(a, b)).collect())
    }

    /// The text of a string expression.
    pub(crate) fn text(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::String(text) => text.clone(),
            ExprKind::Paren(inner) => self.text(inner),
            _ => String::new(),
        }
    }

    /// The columns of a vector expression, no two with the same labels.
    pub(crate) fn vector(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Column>, Stop> {
        self.measure(expr, grid, || self.vector_of(expr, grid), Vec::len)
    }

    fn vector_of(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Column>, Stop> {
        match &expr.kind {
            ExprKind::Paren(inner) | ExprKind::Plus(inner) => self.vector(inner, grid),
            ExprKind::Binary(b) => self.binary(b, grid),
            ExprKind::Aggregate(a) => self.aggregate(a, grid),
            ExprKind::Call { function, args } => match function.kind {
                Kind::Shape(shape) => self.shape(shape, args, grid),
                Kind::Window { .. } | Kind::Math(_) | Kind::Histogram(_) | Kind::Calendar(_) => {
                    self.collect(expr, grid)
                }
            },
            ExprKind::Selector(_) | ExprKind::Negate(_) => self.collect(expr, grid),
            ExprKind::Number(_)
            | ExprKind::Duration(_)
            | ExprKind::String(_)
            | ExprKind::Matrix(..)
            | ExprKind::Subquery(_) => Err(mistyped("instant vector")),
        }
    }

    /// What [`Self::stream`] gives, no two with the same labels.
    fn collect(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let mut columns = Vec::new();
        self.stream_each(expr, grid, &mut |column| {
            self.keep_column(&column)?;
            columns.push(column);
            Ok(())
        })?;
        let given = columns.len();
        let merged = self.merge_same(columns)?;
        if merged.len() < given && is_of_whole_series(expr) {
            return Err(same_labels());
        }
        Ok(merged)
    }

    /// Makes one column of those with equal labels; two values at one step are an error.
    pub(crate) fn merge_same(&self, columns: Vec<Column>) -> Result<Vec<Column>, Stop> {
        let mut at: AHashMap<Labels, usize> = AHashMap::with_capacity(columns.len());
        let mut merged: Vec<Column> = Vec::with_capacity(columns.len());
        for column in columns {
            self.work(1 + column.labels.len() as u64)?;
            let next = merged.len();
            let found = *at.entry(column.labels.clone()).or_insert(next);
            let Some(same) = merged.get_mut(found) else {
                merged.push(column);
                continue;
            };
            self.work(column.values.len() as u64)?;
            same.fill_from(column).map_err(|_| same_labels())?;
        }
        Ok(merged)
    }

    /// A range query's columns as series, without those that have no value.
    pub(crate) fn answered(
        &self,
        columns: Vec<Column>,
        grid: &Grid,
    ) -> Result<Vec<RangeSeries>, Stop> {
        let mut all = Vec::with_capacity(columns.len());
        for column in columns {
            // What a time and a value take more than the value that goes.
            self.keep_values(column.values.len())?;
            self.work(column.values.len() as u64)?;
            let samples: Vec<_> = grid
                .present(&column.values)
                .map(|(time, value)| (UnixNanos::from_millis(time), value))
                .collect();
            let histograms = column.histograms.iter();
            let histograms = histograms
                .map(|(step, h)| (UnixNanos::from_millis(grid.time(step)), h.clone()))
                .collect();
            all.push(RangeSeries {
                labels: column.labels,
                samples,
                histograms,
            });
        }
        all.retain(|series| !series.is_empty());
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }

    /// The value with what was noted on the way to it, and what its parts took, if measured.
    pub(crate) fn answer(self, value: QueryValue, query: &str) -> (Answer, Vec<Node>) {
        let (warnings, infos) = self.notes.finish(query);
        let answer = Answer {
            value,
            warnings,
            infos,
        };
        (
            answer,
            self.profile.map(Profile::finish).unwrap_or_default(),
        )
    }

    /// For notes about an argument and the metric that a series is of.
    pub(crate) fn about<'n>(&'n self, labels: &'n Labels, at: Span) -> About<'n> {
        About {
            notes: &self.notes,
            metric: labels.get(sonde_proto::METRIC_NAME),
            at,
        }
    }

    /// The samples of a range expression at one time.
    pub(crate) fn matrix(&self, expr: &Expr, grid: &Grid) -> Result<Vec<RangeSeries>, Stop> {
        if let ExprKind::Matrix(selector, length) = &expr.bare().kind
            && selector.edges != Edges::Plain
        {
            return self.edged_matrix(selector, length.millis(), grid);
        }
        let mut all = Vec::new();
        self.ranges(expr, grid, &mut |labels, samples, window| {
            let range = window.bounds(grid.start);
            let inside = samples
                .iter()
                .filter(|(time, _)| *time > range.0 && *time <= range.1);
            self.keep_value_bytes(samples.weight() * ANSWERED_BYTES)?;
            let found: Vec<_> = inside
                .map(|(time, value)| (UnixNanos::from_millis(time), value))
                .collect();
            let inside = |time: i64| time > range.0 && time <= range.1;
            let histograms = samples.histograms.iter().filter(|h| inside(h.time));
            let histograms = histograms
                .map(|h| (UnixNanos::from_millis(h.time), h.value.clone()))
                .collect();
            all.push(RangeSeries {
                labels: labels.clone(),
                samples: found,
                histograms,
            });
            Ok(())
        })?;
        all.retain(|series: &RangeSeries| !series.is_empty());
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }
}

/// Two series of one labelset.
fn same_labels() -> Stop {
    Stop::Expression("vector cannot contain metrics with the same labelset".into())
}

/// Whether no two series of its result may have the same labels, even with values at different
/// steps: ranges and negations. Other functions look at one step after the other.
fn is_of_whole_series(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Negate(_) => true,
        ExprKind::Call { function, .. } => matches!(function.kind, Kind::Window { .. }),
        _ => false,
    }
}

/// Cannot happen to a tree from the parser, which checks types.
fn mistyped(wanted: &str) -> Stop {
    Stop::Expression(format!("expected an expression of type {wanted}"))
}

/// The labels without the metric's name.
pub(crate) fn without_name(labels: &Labels) -> Labels {
    if labels.get(sonde_proto::METRIC_NAME).is_empty() {
        return labels.clone();
    }
    let mut builder = labels.to_builder();
    builder.remove(sonde_proto::METRIC_NAME);
    builder.build()
}

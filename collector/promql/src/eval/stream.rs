//! One series at a time.

use super::window::Span;
use super::{ABSENT, Column, Engine, Grid, is_absent, without_name};
use crate::ast::{Edges, Expr, ExprKind, Length, Selector, Subquery, Type};
use crate::functions::{Check, Function, Kind, Window, calendar};
use crate::source::{Series as _, Source, Stop};
use crate::{Samples, is_stale};
use sonde_proto::Labels;

/// Takes columns as they come.
pub(crate) type Sink<'f> = &'f mut dyn FnMut(Column) -> Result<(), Stop>;

/// The step of a subquery that names none, in milliseconds: Prometheus' default interval.
const SUBQUERY_STEP: i64 = 60_000;

impl<S: Source> Engine<'_, S> {
    /// Gives the columns of a vector expression to `sink`, where possible one series at a
    /// time. Several columns may have the same labels.
    pub(crate) fn stream(&self, expr: &Expr, grid: &Grid, sink: Sink<'_>) -> Result<(), Stop> {
        match &expr.kind {
            ExprKind::Paren(inner) | ExprKind::Plus(inner) => self.stream(inner, grid, sink),
            ExprKind::Selector(selector) if selector.edges == Edges::Smoothed => {
                self.select_smoothed(selector, grid, sink)
            }
            ExprKind::Selector(selector) => self.select(selector, grid, |_, value| value, sink),
            ExprKind::Negate(inner) => self.map(inner, grid, |value, _| -value, &[], sink),
            ExprKind::Call { function, args } => match function.kind {
                Kind::Window { apply, keeps_name } => {
                    self.over_ranges(function, args, grid, apply, keeps_name, sink)
                }
                Kind::Math(apply) => self.math(args, grid, apply, sink),
                Kind::Calendar(apply) => self.calendar(function, args, grid, apply, sink),
                Kind::Shape(_) => self.vector(expr, grid)?.into_iter().try_for_each(sink),
            },
            _ => self.vector(expr, grid)?.into_iter().try_for_each(sink),
        }
    }

    /// The newest value of each series at each step.
    pub(crate) fn select(
        &self,
        selector: &Selector,
        grid: &Grid,
        take: fn(i64, f64) -> f64,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let span = Span::new(&selector.when, self.lookback, self.bounds);
        let mut samples = Samples::default();
        let found = self
            .source
            .select(&selector.matchers, span.range(grid), self.series_max)?;
        self.spend_columns(found.len(), grid)?;
        for series in found {
            series.read(&mut samples)?;
            self.spend(samples.len() as u64)?;
            self.work(grid.len as u64)?;
            let mut values = vec![ABSENT; grid.len];
            span.newest(&samples, grid, &mut values, take);
            if !values.iter().all(|value| is_absent(*value)) {
                sink(Column {
                    labels: series.labels(),
                    values,
                })?;
            }
        }
        Ok(())
    }

    fn math(
        &self,
        args: &[Expr],
        grid: &Grid,
        apply: fn(f64, &[f64]) -> f64,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let params = args[1..]
            .iter()
            .map(|arg| self.scalar(arg, grid))
            .collect::<Result<Vec<_>, _>>()?;
        self.map(&args[0], grid, apply, &params, sink)
    }

    /// A function of each value; the metric's name goes.
    fn map(
        &self,
        expr: &Expr,
        grid: &Grid,
        apply: fn(f64, &[f64]) -> f64,
        params: &[Vec<f64>],
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let mut at_step = vec![0.0; params.len()];
        self.stream(expr, grid, &mut |mut column| {
            self.work(grid.len as u64)?;
            for (step, value) in column.values.iter_mut().enumerate() {
                if !is_absent(*value) {
                    at_step
                        .iter_mut()
                        .zip(params)
                        .for_each(|(slot, values)| *slot = values[step]);
                    *value = apply(*value, &at_step);
                }
            }
            column.labels = without_name(&column.labels);
            sink(column)
        })
    }

    fn calendar(
        &self,
        function: &Function,
        args: &[Expr],
        grid: &Grid,
        apply: fn(&calendar::Moment) -> f64,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let part = |seconds: f64| {
            if seconds.is_nan() {
                f64::NAN
            } else {
                apply(&calendar::Moment::at(seconds))
            }
        };
        let Some(arg) = args.first().filter(|_| function.arg_counts().1 > 0) else {
            self.spend(grid.len as u64)?;
            let values = grid.times().map(|time| part(time as f64 / 1e3)).collect();
            return sink(Column {
                labels: Labels::empty(),
                values,
            });
        };
        self.stream(arg, grid, &mut |mut column| {
            self.work(grid.len as u64)?;
            column
                .values
                .iter_mut()
                .filter(|value| !is_absent(**value))
                .for_each(|value| *value = part(*value));
            column.labels = without_name(&column.labels);
            sink(column)
        })
    }

    fn over_ranges(
        &self,
        function: &Function,
        args: &[Expr],
        grid: &Grid,
        apply: fn(&Window<'_>) -> Option<f64>,
        keeps_name: bool,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let scalars = args.iter().filter(|arg| arg.returns() == Type::Scalar);
        let params = scalars
            .map(|arg| self.scalar(arg, grid))
            .collect::<Result<Vec<_>, _>>()?;
        let Some(range) = args.iter().find(|arg| arg.returns() == Type::Matrix) else {
            return Err(super::mistyped("range vector"));
        };
        if let ExprKind::Matrix(selector, _) = &range.bare().kind
            && selector.edges != Edges::Plain
        {
            return self.over_edges(function, range, grid, sink);
        }
        self.ranges(range, grid, &mut |labels, samples, span| {
            self.work(grid.len as u64)?;
            if let Some(check) = function.check.filter(|_| !samples.is_empty()) {
                check_params(check, &params, grid.len)?;
            }
            let mut values = vec![ABSENT; grid.len];
            let work = |looks| self.work(looks);
            span.apply(samples, grid, &params, &mut values, apply, &work)?;
            if values.iter().all(|value| is_absent(*value)) {
                return Ok(());
            }
            let labels = if keeps_name {
                labels.clone()
            } else {
                without_name(labels)
            };
            sink(Column { labels, values })
        })
    }

    /// The samples, without stale markers, of each series of a range expression.
    pub(crate) fn ranges(
        &self,
        expr: &Expr,
        grid: &Grid,
        sink: &mut dyn FnMut(&Labels, &Samples, &Span) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match &expr.bare().kind {
            ExprKind::Matrix(selector, length) => {
                let span = Span::new(&selector.when, length.millis(), self.bounds);
                let mut samples = Samples::default();
                let found =
                    self.source
                        .select(&selector.matchers, span.range(grid), self.series_max)?;
                self.spend_columns(found.len(), grid)?;
                for series in found {
                    series.read(&mut samples)?;
                    self.spend(samples.len() as u64)?;
                    drop_stale(&mut samples);
                    sink(&series.labels(), &samples, &span)?;
                }
                Ok(())
            }
            ExprKind::Subquery(subquery) => self.subquery(subquery, grid, sink),
            _ => Err(super::mistyped("range vector")),
        }
    }

    /// Evaluates the inner expression at whole multiples of the step.
    fn subquery(
        &self,
        subquery: &Subquery,
        grid: &Grid,
        sink: &mut dyn FnMut(&Labels, &Samples, &Span) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let span = Span::new(&subquery.when, subquery.range.millis(), self.bounds);
        let step = subquery.step.as_ref().map_or(SUBQUERY_STEP, Length::millis);
        let range = span.range(grid);
        let start = range.start.saturating_add(step - 1).div_euclid(step) * step;
        if start > range.end {
            return Ok(());
        }
        let len = (range.end - start) / step + 1;
        self.spend(len as u64)?;
        // The samples of one series at a time: time and value.
        self.keep_values(len as usize * 2)?;
        let inner = Grid {
            start,
            step,
            len: len as usize,
        };
        let mut samples = Samples {
            times: Vec::with_capacity(len as usize),
            values: Vec::with_capacity(len as usize),
        };
        let columns = self.vector(&subquery.expr, &inner)?;
        self.spend_columns(columns.len(), grid)?;
        for column in columns {
            self.work(len as u64)?;
            samples.clear();
            inner
                .present(&column.values)
                .for_each(|(time, value)| samples.push(time, value));
            sink(&column.labels, &samples, &span)?;
        }
        Ok(())
    }
}

fn check_params(check: Check, params: &[Vec<f64>], steps: usize) -> Result<(), Stop> {
    let at = |step: usize| params.iter().map(|values| values[step]).collect::<Vec<_>>();
    (0..steps).try_for_each(|step| check(&at(step)).map_err(Stop::Expression))
}

pub(crate) fn drop_stale(samples: &mut Samples) {
    if !samples.values.iter().any(|value| is_stale(*value)) {
        return;
    }
    let kept: Vec<(i64, f64)> = samples
        .iter()
        .filter(|(_, value)| !is_stale(*value))
        .collect();
    samples.clear();
    kept.into_iter()
        .for_each(|(time, value)| samples.push(time, value));
}

//! One series at a time.

use super::column::Sparse;
use super::names::may_collide;
use super::window::{Apply, Span};
use super::{ABSENT, Column, Engine, Grid, is_absent, without_name};
use crate::ast::{Edges, Expr, ExprKind, Length, Selector, Subquery, Type};
use crate::functions::native::Native;
use crate::functions::{Check, Function, Kind, Window, calendar};
use crate::histogram;
use crate::notes::{About, Note};
use crate::source::{Series as _, Source, Stop};
use crate::{Samples, is_stale};
use sonde_proto::{Histogram, Labels, SampleValue};
use std::cell::Cell;
use std::sync::Arc;

/// What a selector gives of each sample.
#[derive(Clone, Copy)]
pub(crate) enum Take {
    /// The number or histogram.
    Value,
    /// What a function makes of its time.
    Time(fn(i64) -> f64),
    /// Since when it counts, in seconds.
    Start,
}

/// Takes columns as they come.
pub(crate) type Sink<'f> = &'f mut dyn FnMut(Column) -> Result<(), Stop>;

/// The step of a subquery that names none, in milliseconds: Prometheus' default interval.
const SUBQUERY_STEP: i64 = 60_000;

impl<S: Source> Engine<'_, S> {
    /// Gives the columns of a vector expression to `sink`, where possible one series at a
    /// time. No two have values with the same labels at one step.
    pub(crate) fn stream(&self, expr: &Expr, grid: &Grid, sink: Sink<'_>) -> Result<(), Stop> {
        let Some(profile) = &self.profile else {
            return self.stream_unlike(expr, grid, sink);
        };
        let handing_on = &mut |column| {
            profile.gave(1);
            profile.outside(|| sink(column))
        };
        let work = || self.stream_unlike(expr, grid, handing_on);
        self.measure(expr, grid, work, |()| 0)
    }

    fn stream_unlike(&self, expr: &Expr, grid: &Grid, sink: Sink<'_>) -> Result<(), Stop> {
        if may_collide(expr) {
            return self.collect(expr, grid)?.into_iter().try_for_each(sink);
        }
        self.stream_each(expr, grid, sink)
    }

    /// The same, but columns may have values with the same labels.
    pub(super) fn stream_each(&self, expr: &Expr, grid: &Grid, sink: Sink<'_>) -> Result<(), Stop> {
        match &expr.kind {
            ExprKind::Paren(inner) | ExprKind::Plus(inner) => self.stream(inner, grid, sink),
            ExprKind::Selector(selector) if selector.edges == Edges::Smoothed => {
                self.select_smoothed(selector, grid, sink)
            }
            ExprKind::Selector(selector) => self.select(selector, grid, Take::Value, sink),
            ExprKind::Negate(inner) => self.negate(inner, grid, sink),
            ExprKind::Call { function, args } => match function.kind {
                Kind::Window {
                    apply,
                    native,
                    keeps_name,
                } => self.over_ranges(function, args, grid, (apply, native), keeps_name, sink),
                Kind::Histogram(apply) => self.of_histograms(args, grid, apply, sink),
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
        take: Take,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let span = Span::new(&selector.when, self.lookback, self.bounds);
        let mut samples = Samples::default();
        let (found, looked) = self.find(selector, span.range(grid))?;
        self.spend_columns(found.len(), grid)?;
        for series in found {
            self.read(&series, looked, &mut samples)?;
            self.spend(samples.weight())?;
            self.work(grid.len as u64)?;
            let mut values = vec![ABSENT; grid.len];
            match take {
                Take::Value => span.newest(&samples, grid, &mut values, |n| samples.values[n]),
                Take::Time(of) => {
                    span.newest(&samples, grid, &mut values, |n| of(samples.times[n]));
                }
                Take::Start => {
                    let start = |n| samples.start(n) as f64 / 1e3;
                    span.newest(&samples, grid, &mut values, start);
                }
            }
            let mut column = Column::of_floats(Labels::empty(), values);
            if !samples.histograms.is_empty() {
                span.newest_histograms(&samples, grid, &mut column, take);
            }
            if !column.is_blank() {
                column.labels = series.labels();
                sink(column)?;
            }
        }
        Ok(())
    }

    /// What each histogram comes to; floats have no part in it.
    fn of_histograms(
        &self,
        args: &[Expr],
        grid: &Grid,
        apply: fn(&Histogram) -> f64,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        self.stream(&args[0], grid, &mut |column| {
            self.work(grid.len as u64)?;
            if column.histograms.is_empty() {
                return Ok(());
            }
            let mut values = vec![ABSENT; grid.len];
            for (step, histogram) in column.histograms.iter() {
                values[step] = apply(histogram);
            }
            sink(Column::of_floats(without_name(&column.labels), values))
        })
    }

    fn negate(&self, expr: &Expr, grid: &Grid, sink: Sink<'_>) -> Result<(), Stop> {
        self.stream(expr, grid, &mut |mut column| {
            self.work(grid.len as u64)?;
            let present = column.values.iter_mut().filter(|value| !is_absent(**value));
            present.for_each(|value| *value = -*value);
            self.fit_value_bytes(column.histograms.bytes_apart())?;
            column.histograms.change(|h| histogram::scale(h, -1.0));
            column.labels = without_name(&column.labels);
            sink(column)
        })
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

    /// A function of each value; the metric's name goes, and what is a histogram.
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
            floats_of(column).map_or(Ok(()), &mut *sink)
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
            return sink(Column::of_floats(Labels::empty(), values));
        };
        self.stream(arg, grid, &mut |mut column| {
            self.work(grid.len as u64)?;
            column
                .values
                .iter_mut()
                .filter(|value| !is_absent(**value))
                .for_each(|value| *value = part(*value));
            floats_of(column).map_or(Ok(()), &mut *sink)
        })
    }

    fn over_ranges(
        &self,
        function: &Function,
        args: &[Expr],
        grid: &Grid,
        (apply, native): (fn(&Window<'_>) -> Option<f64>, Native),
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
            let mut histograms = Sparse::default();
            let about = self.about(labels, range.span);
            note_arguments(function, samples, &params, args, &about);
            let computed = (apply, function.between);
            if samples.histograms.is_empty() {
                span.apply(samples, grid, &params, &mut values, computed, &work)?;
            } else {
                let made = Cell::new(0);
                let computed = |w: &Window<'_>| {
                    let value = with_histograms(w, apply, native, &about);
                    if let Some(SampleValue::Histogram(histogram)) = &value {
                        made.set(made.get() + histogram::bytes(histogram));
                        self.fit_value_bytes(made.get())?;
                    }
                    Ok(value)
                };
                let computed: (Apply<'_>, _) = (&computed, function.between);
                histograms =
                    span.apply_native(samples, grid, &params, &mut values, computed, &work)?;
            }
            if histograms.is_empty() && values.iter().all(|value| is_absent(*value)) {
                return Ok(());
            }
            let labels = if keeps_name {
                labels.clone()
            } else {
                without_name(labels)
            };
            sink(Column {
                labels,
                values,
                histograms,
            })
        })
    }

    /// The samples, without stale markers, of each series of a range expression.
    pub(crate) fn ranges(
        &self,
        expr: &Expr,
        grid: &Grid,
        sink: &mut dyn FnMut(&Labels, &Samples, &Span) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let Some(profile) = &self.profile else {
            return self.ranges_of(expr, grid, sink);
        };
        let handing_on = &mut |labels: &Labels, samples: &Samples, span: &Span| {
            profile.gave(1);
            profile.outside(|| sink(labels, samples, span))
        };
        let work = || self.ranges_of(expr, grid, handing_on);
        self.measure(expr, grid, work, |()| 0)
    }

    fn ranges_of(
        &self,
        expr: &Expr,
        grid: &Grid,
        sink: &mut dyn FnMut(&Labels, &Samples, &Span) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        match &expr.bare().kind {
            ExprKind::Matrix(selector, length) => {
                let span = Span::new(&selector.when, length.millis(), self.bounds);
                let mut samples = Samples::default();
                let (found, looked) = self.find(selector, span.range(grid))?;
                self.spend_columns(found.len(), grid)?;
                for series in found {
                    self.read(&series, looked, &mut samples)?;
                    self.spend(samples.weight())?;
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
        // Since when values count does not come through a subquery.
        let mut samples = Samples::with_capacity(len as usize);
        let columns = self.vector(&subquery.expr, &inner)?;
        self.spend_columns(columns.len(), grid)?;
        for column in columns {
            self.work(len as u64)?;
            samples.clear();
            inner
                .present(&column.values)
                .for_each(|(time, value)| samples.push(time, value));
            for (step, histogram) in column.histograms.iter() {
                samples.push_histogram(inner.time(step), Arc::clone(histogram));
            }
            sink(&column.labels, &samples, &span)?;
        }
        Ok(())
    }
}

/// The numbers of a column, without the metric's name; `None` where there are only
/// histograms.
fn floats_of(column: Column) -> Option<Column> {
    let had_histograms = !column.histograms.is_empty();
    let floats = Column::of_floats(without_name(&column.labels), column.values);
    (!had_histograms || !floats.is_blank()).then_some(floats)
}

/// A range with histograms, alone or beside floats.
fn with_histograms(
    w: &Window<'_>,
    apply: fn(&Window<'_>) -> Option<f64>,
    native: Native,
    about: &About<'_>,
) -> Option<SampleValue> {
    if w.histograms.is_empty() {
        return apply(w).map(SampleValue::Float);
    }
    match native {
        Native::Computed(computed) => computed(w, about),
        Native::Ignored if w.values.is_empty() => None,
        Native::Ignored => {
            about.add(Note::IgnoredInRange(about.metric));
            apply(w).map(SampleValue::Float)
        }
    }
}

/// What can be said of a function before any range is looked at.
fn note_arguments(
    function: &Function,
    samples: &Samples,
    params: &[Vec<f64>],
    args: &[Expr],
    about: &About<'_>,
) {
    const COUNTERS: [&str; 4] = ["_total", "_sum", "_count", "_bucket"];
    match function.name {
        "rate" | "increase" => {
            let is_named =
                about.metric.is_empty() || COUNTERS.iter().any(|end| about.metric.ends_with(end));
            if !is_named && !samples.times.is_empty() {
                about.add(Note::MaybeNoCounter(about.metric));
            }
        }
        "quantile_over_time" if !samples.times.is_empty() => {
            let is_wrong = |q: &&f64| q.is_nan() || !(0.0..=1.0).contains(*q);
            if let Some(q) = params.iter().flatten().find(is_wrong) {
                about.notes.add(Note::Quantile(*q), args[0].span);
            }
        }
        _ => {}
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
    samples.retain_from(0, |_, value| !is_stale(value));
}

//! Functions over the vector as a whole.

use super::aggregate::drop_histograms;
use super::pick::rank;
use super::stream::Take;
use super::window::{Apply, Floats};
use super::{ABSENT, Column, Engine, Grid, is_absent, without_name};
use crate::ast::{Expr, ExprKind, Selector};
use crate::functions::labels::{Replace, check_name, join};
use crate::functions::math::{larger, smaller};
use crate::functions::{Between, Shape, Window, natural};
use crate::source::{Source, Stop};
use ahash::AHashSet;
use sonde_proto::{Labels, MatchOp, Matcher, SampleValue};

impl<S: Source> Engine<'_, S> {
    pub(crate) fn shape(
        &self,
        shape: Shape,
        args: &[Expr],
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        match shape {
            Shape::Absent => self.absent(&args[0], grid),
            Shape::AbsentOverTime => self.absent_over_time(&args[0], grid),
            Shape::Clamp => self.clamp(args, grid),
            Shape::HistogramQuantile => self.histogram_quantile(args, grid),
            Shape::HistogramQuantiles => self.histogram_quantiles(args, grid),
            Shape::HistogramFraction => self.histogram_fraction(args, grid),
            Shape::Info => self.info(args, grid),
            Shape::LabelJoin => self.label_join(args, grid),
            Shape::LabelReplace => self.label_replace(args, grid),
            Shape::Sort => self.sorted(&args[0], grid, false),
            Shape::SortDesc => self.sorted(&args[0], grid, true),
            Shape::SortByLabel => self.sorted_by_label(args, grid, false),
            Shape::SortByLabelDesc => self.sorted_by_label(args, grid, true),
            Shape::StartTimestamp => self.start_timestamp(&args[0], grid),
            Shape::Timestamp => self.timestamp(&args[0], grid),
            Shape::Vector => {
                let values = self.scalar(&args[0], grid)?;
                Ok(vec![Column::of_floats(Labels::empty(), values)])
            }
            Shape::End
            | Shape::MaxOf
            | Shape::MinOf
            | Shape::Pi
            | Shape::Range
            | Shape::Scalar
            | Shape::Start
            | Shape::Step
            | Shape::Time => Err(super::mistyped("instant vector")),
        }
    }

    /// `scalar()`: the value where there is exactly one.
    pub(crate) fn only_value(&self, expr: &Expr, grid: &Grid) -> Result<Vec<f64>, Stop> {
        self.keep_value_bytes((grid.len as u64).saturating_mul(4))?;
        let mut counts = vec![0u32; grid.len];
        let mut values = vec![f64::NAN; grid.len];
        self.stream(expr, grid, &mut |column| {
            self.work(grid.len as u64)?;
            for (step, value) in column
                .values
                .iter()
                .enumerate()
                .filter(|(_, v)| !is_absent(**v))
            {
                counts[step] += 1;
                values[step] = if counts[step] == 1 { *value } else { f64::NAN };
            }
            Ok(())
        })?;
        Ok(values)
    }

    fn absent(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Column>, Stop> {
        let mut values = self.filled(grid, 1.0)?;
        self.stream(expr, grid, &mut |column| {
            self.work(grid.len as u64)?;
            column.each_present(|step| values[step] = ABSENT);
            Ok(())
        })?;
        Ok(unless_blank(absent_labels(expr), values))
    }

    fn absent_over_time(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Column>, Stop> {
        self.refuse_edges("absent_over_time", expr)?;
        let mut values = self.filled(grid, 1.0)?;
        let mut present = self.blank(grid)?;
        self.ranges(expr, grid, &mut |_, samples, span| {
            self.work(grid.len as u64)?;
            present.fill(ABSENT);
            let work = |looks| self.work(looks);
            if samples.histograms.is_empty() {
                let here: Floats = (|_| Some(1.0), Between::Nothing);
                span.apply(samples, grid, &[], &mut present, here, &work)?;
            } else {
                let here = |_: &Window<'_>| Ok(Some(SampleValue::Float(1.0)));
                let here: (Apply<'_>, _) = (&here, Between::Nothing);
                span.apply_native(samples, grid, &[], &mut present, here, &work)?;
            }
            values
                .iter_mut()
                .zip(&present)
                .filter(|(_, p)| !is_absent(**p))
                .for_each(|(v, _)| *v = ABSENT);
            Ok(())
        })?;
        Ok(unless_blank(absent_labels(expr), values))
    }

    fn clamp(&self, args: &[Expr], grid: &Grid) -> Result<Vec<Column>, Stop> {
        let (least, most) = (self.scalar(&args[1], grid)?, self.scalar(&args[2], grid)?);
        let mut columns = self.vector(&args[0], grid)?;
        drop_histograms(&mut columns);
        for column in &mut columns {
            self.work(grid.len as u64)?;
            column.labels = without_name(&column.labels);
            for (step, value) in column
                .values
                .iter_mut()
                .enumerate()
                .filter(|(_, v)| !is_absent(**v))
            {
                let empty = most[step] < least[step];
                *value = if empty {
                    ABSENT
                } else {
                    larger(least[step], smaller(most[step], *value))
                };
            }
        }
        columns.retain(|column| !column.is_blank());
        self.merge_same(columns)
    }

    fn label_replace(&self, args: &[Expr], grid: &Grid) -> Result<Vec<Column>, Stop> {
        let text = |n: usize| self.text(&args[n]);
        let replace = Replace::new([text(1), text(2), text(3), text(4)])?;
        self.relabelled(&args[0], grid, &replace.target, |labels| {
            self.work(labels.get(&replace.source).len() as u64)?;
            replace.value(labels)
        })
    }

    fn label_join(&self, args: &[Expr], grid: &Grid) -> Result<Vec<Column>, Stop> {
        let texts: Vec<String> = args[1..].iter().map(|arg| self.text(arg)).collect();
        let [target, separator, sources @ ..] = texts.as_slice() else {
            return Err(super::mistyped("string"));
        };
        check_name(target, "destination", "label_join")?;
        for source in sources {
            check_name(source, "source", "label_join")?;
        }
        self.relabelled(&args[0], grid, target, |labels| {
            self.work(sources.len() as u64)?;
            join(labels, target, separator, sources).map(Some)
        })
    }

    fn relabelled(
        &self,
        expr: &Expr,
        grid: &Grid,
        target: &str,
        value: impl Fn(&Labels) -> Result<Option<String>, Stop>,
    ) -> Result<Vec<Column>, Stop> {
        let mut columns = self.vector(expr, grid)?;
        for column in &mut columns {
            // A pattern may take long on one value.
            self.look()?;
            let Some(value) = value(&column.labels)? else {
                continue;
            };
            self.keep_labels(column.labels.len() + 1, target.len() + value.len())?;
            let mut builder = column.labels.to_builder();
            builder.set(target, &value);
            column.labels = builder.build();
        }
        self.merge_same(columns)
    }

    /// By value; only an answer at one time has an order.
    fn sorted(&self, expr: &Expr, grid: &Grid, descending: bool) -> Result<Vec<Column>, Stop> {
        let mut columns = self.vector(expr, grid)?;
        drop_histograms(&mut columns);
        if grid.len == 1 {
            columns.sort_by(|x, y| rank(x.values[0], y.values[0], descending));
        }
        Ok(columns)
    }

    fn sorted_by_label(
        &self,
        args: &[Expr],
        grid: &Grid,
        descending: bool,
    ) -> Result<Vec<Column>, Stop> {
        let mut columns = self.vector(&args[0], grid)?;
        let mut known: AHashSet<String> = AHashSet::new();
        for column in &columns {
            self.work(1 + column.labels.len() as u64)?;
            for (name, _) in column.labels.iter() {
                if !known.contains(name) {
                    known.insert(name.to_owned());
                }
            }
        }
        // A name that no series has, or that was there before, decides nothing.
        let names = args[1..].iter().map(|arg| self.text(arg));
        let names: Vec<String> = names.filter(|name| known.remove(name)).collect();
        self.work((columns.len() as u64).saturating_mul(1 + names.len() as u64))?;
        columns.sort_by(|x, y| {
            let by_names = names
                .iter()
                .map(|n| natural::compare(x.labels.get(n), y.labels.get(n)))
                .find(|o| o.is_ne());
            let order = by_names.unwrap_or_else(|| x.labels.cmp(&y.labels));
            if descending { order.reverse() } else { order }
        });
        Ok(columns)
    }

    /// The time of a selector's samples; of anything else, the time of evaluation.
    fn timestamp(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Column>, Stop> {
        if let ExprKind::Selector(selector) = &expr.bare().kind {
            return self.taken(selector, grid, Take::Time(|time| time as f64 / 1e3));
        }
        let mut columns = self.vector(expr, grid)?;
        for column in &mut columns {
            self.work(grid.len as u64)?;
            let mut values = vec![ABSENT; grid.len];
            column.each_present(|step| values[step] = grid.time(step) as f64 / 1e3);
            *column = Column::of_floats(without_name(&column.labels), values);
        }
        self.merge_same(columns)
    }

    /// Since when a selector's samples count, 0 where they do not say it; of anything else, and
    /// where nobody asked for start timestamps, nothing.
    fn start_timestamp(&self, expr: &Expr, grid: &Grid) -> Result<Vec<Column>, Stop> {
        match &expr.bare().kind {
            ExprKind::Selector(selector) if self.uses_starts() => {
                self.taken(selector, grid, Take::Start)
            }
            _ => self.vector(expr, grid).map(|_| Vec::new()),
        }
    }

    /// What is told of a selector's samples instead of their values.
    fn taken(&self, selector: &Selector, grid: &Grid, take: Take) -> Result<Vec<Column>, Stop> {
        let mut columns = Vec::new();
        self.select(selector, grid, take, &mut |mut column| {
            column.labels = without_name(&column.labels);
            self.keep_column(&column)?;
            columns.push(column);
            Ok(())
        })?;
        self.merge_same(columns)
    }
}

fn unless_blank(labels: Labels, values: Vec<f64>) -> Vec<Column> {
    let blank = values.iter().all(|v| is_absent(*v));
    if blank {
        Vec::new()
    } else {
        vec![Column::of_floats(labels, values)]
    }
}

/// What is known of the labels of a series that is not there: those a selector fixes.
fn absent_labels(expr: &Expr) -> Labels {
    let (ExprKind::Selector(selector) | ExprKind::Matrix(selector, _)) = &expr.bare().kind else {
        return Labels::empty();
    };
    let is_name = |m: &&Matcher| m.name == sonde_proto::METRIC_NAME;
    let matchers: Vec<&Matcher> = selector.matchers.iter().filter(|m| !is_name(m)).collect();
    let fixed = |m: &&&Matcher| {
        m.op == MatchOp::Equal && matchers.iter().filter(|o| o.name == m.name).count() == 1
    };
    matchers
        .iter()
        .filter(fixed)
        .map(|m| (m.name.as_str(), m.value.as_str()))
        .collect()
}

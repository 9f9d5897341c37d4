//! `anchored` and `smoothed`: ranges that look beyond their edges, so that what is computed
//! of them does not depend on where samples happen to lie.
//!
//! ```text
//!            start of the range                     end of the range
//!   ·  ·  · a   |  b   ·   ·   ·   ·   ·   ·   ·   y   |  z
//!           └───┴──┘                               └───┴──┘
//! anchored: a counts as if it were at the start; y at the end
//! smoothed: the line between a and b at the start, the one between y and z at the end
//! ```
//!
//! How far is looked beyond an edge is the lookback. Histograms have no part in this.

use super::stream::{Sink, drop_stale};
use super::thinned::Thinned;
use super::window::Span;
use super::{ABSENT, Column, Engine, Grid, is_absent, without_name};
use crate::ast::{Edges, Expr, ExprKind, Selector};
use crate::functions::{Function, on_line as between};
use crate::rest::Rest;
use crate::sample::Samples;
use crate::source::{Series as _, Source, Stop, TimeRange};
use crate::value::RangeSeries;
use sonde_proto::{Labels, UnixNanos};

/// What can be computed of such a range.
const ANCHORED: [&str; 5] = ["changes", "delta", "increase", "rate", "resets"];
const SMOOTHED: [&str; 3] = ["delta", "increase", "rate"];

impl<S: Source> Engine<'_, S> {
    /// Refuses a range with such edges in a function that makes nothing of them.
    pub(crate) fn refuse_edges(&self, function: &str, range: &Expr) -> Result<(), Stop> {
        let ExprKind::Matrix(selector, _) = &range.bare().kind else {
            return Ok(());
        };
        let (word, allowed) = match selector.edges {
            Edges::Plain => return Ok(()),
            Edges::Anchored => ("anchored", &ANCHORED[..]),
            Edges::Smoothed => ("smoothed", &SMOOTHED[..]),
        };
        if allowed.contains(&function) {
            return Ok(());
        }
        Err(Stop::Expression(format!(
            "{word} modifier can only be used with: {} - not with {function}",
            allowed.join(", ")
        )))
    }

    /// A function of such ranges.
    pub(crate) fn over_edges(
        &self,
        function: &Function,
        range: &Expr,
        grid: &Grid,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        self.refuse_edges(function.name, range)?;
        let ExprKind::Matrix(selector, length) = &range.bare().kind else {
            return Err(super::mistyped("range vector"));
        };
        let span = Span::new(&selector.when, length.millis(), self.bounds);
        self.edged(selector, &span, grid, &mut |labels, samples| {
            let mut values = vec![ABSENT; grid.len];
            let thinned = Thinned::of(samples);
            for (step, slot) in values.iter_mut().enumerate() {
                let bounds = span.bounds(grid.time(step));
                let edged = self.edged_at(samples, &thinned, selector.edges, bounds);
                self.work(1 + edged.times.len() as u64)?;
                *slot = edged.computed(function.name).unwrap_or(ABSENT);
            }
            if values.iter().all(|value| is_absent(*value)) {
                return Ok(());
            }
            let labels = without_name(&labels);
            sink(Column::of_floats(labels, values))
        })
    }

    /// The samples of such ranges themselves, with one at each edge.
    pub(crate) fn edged_matrix(
        &self,
        selector: &Selector,
        length: i64,
        grid: &Grid,
    ) -> Result<Vec<RangeSeries>, Stop> {
        let span = Span::new(&selector.when, length, self.bounds);
        let mut all = Vec::new();
        self.edged(selector, &span, grid, &mut |labels, samples| {
            self.keep_values(2 * samples.len() + 4)?;
            let thinned = Thinned::of(samples);
            let bounds = span.bounds(grid.start);
            let edged = self.edged_at(samples, &thinned, selector.edges, bounds);
            let found = edged.extended();
            let samples: Vec<_> = found
                .into_iter()
                .map(|(time, value)| (UnixNanos::from_millis(time), value))
                .collect();
            if !samples.is_empty() {
                all.push(RangeSeries {
                    labels,
                    samples,
                    histograms: Vec::new(),
                });
            }
            Ok(())
        })?;
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }

    /// The values on the line between the samples around each step; where none comes after,
    /// the one before.
    pub(crate) fn select_smoothed(
        &self,
        selector: &Selector,
        grid: &Grid,
        sink: Sink<'_>,
    ) -> Result<(), Stop> {
        let span = Span::new(&selector.when, 0, self.bounds);
        self.edged(selector, &span, grid, &mut |labels, samples| {
            let mut values = vec![ABSENT; grid.len];
            let thinned = Thinned::of(samples);
            for (step, slot) in values.iter_mut().enumerate() {
                let (_, at) = span.bounds(grid.time(step));
                *slot = self.smoothed_at(samples, &thinned, at).unwrap_or(ABSENT);
            }
            if values.iter().all(|value| is_absent(*value)) {
                return Ok(());
            }
            sink(Column::of_floats(labels, values))
        })
    }

    fn smoothed_at(&self, samples: &Samples, thinned: &Thinned<'_>, at: i64) -> Option<f64> {
        let next = samples.times.partition_point(|time| *time < at);
        let point = |n: usize| (samples.times[n], samples.values[n]);
        let lookback = self.lookback.saturating_add(thinned.length_at(at));
        let after = (next < samples.times.len())
            .then(|| point(next))
            .filter(|(time, _)| *time <= at.saturating_add(lookback));
        if let Some((_, value)) = after.filter(|(time, _)| *time == at) {
            return Some(value);
        }
        let before = next.checked_sub(1).map(point);
        let before = before.filter(|(time, _)| *time > at.saturating_sub(lookback))?;
        Some(after.map_or(before.1, |after| between(before, after, at)))
    }

    /// The samples, without stale markers, that any step may need of each series.
    fn edged(
        &self,
        selector: &Selector,
        span: &Span,
        grid: &Grid,
        visit: &mut dyn FnMut(Labels, &Samples) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let inside = span.range(grid);
        let beyond = match selector.edges {
            Edges::Smoothed => self.lookback,
            Edges::Plain | Edges::Anchored => 0,
        };
        let range = TimeRange {
            start: inside.start.saturating_sub(self.lookback),
            end: inside.end.saturating_add(beyond),
        };
        let (found, looked) = self.find(selector, range)?;
        self.spend_columns(found.len(), grid)?;
        let mut samples = Samples::default();
        for series in found {
            self.read(&series, looked, &mut samples)?;
            self.spend(samples.weight())?;
            self.work(grid.len as u64)?;
            drop_stale(&mut samples);
            visit(series.labels(), &samples)?;
        }
        Ok(())
    }

    /// The samples of one range and of what lies beyond its edges.
    fn edged_at<'s>(
        &self,
        samples: &'s Samples,
        thinned: &Thinned<'_>,
        edges: Edges,
        (start, end): (i64, i64),
    ) -> Edged<'s> {
        let smoothed = edges == Edges::Smoothed;
        let reach = |at: i64| self.lookback.saturating_add(thinned.length_at(at));
        let beyond = if smoothed { reach(end) } else { 0 };
        let (least, most) = (
            start.saturating_sub(reach(start)),
            end.saturating_add(beyond),
        );
        let to = samples.times.partition_point(|time| *time <= most);
        let from = samples.times[..to].partition_point(|time| *time <= least);
        Edged {
            times: &samples.times[from..to],
            values: &samples.values[from..to],
            start,
            end,
            smoothed,
            dropped: thinned.dropped(start, end),
        }
    }
}

/// A range and what lies beyond its edges.
struct Edged<'s> {
    times: &'s [i64],
    values: &'s [f64],
    start: i64,
    end: i64,
    smoothed: bool,
    dropped: Rest,
}

impl Edged<'_> {
    fn computed(&self, function: &str) -> Option<f64> {
        let seconds = (self.end - self.start) as f64 / 1e3;
        match function {
            "rate" => self.change(true).map(|change| change / seconds),
            "increase" => self.change(true),
            "delta" => self.change(false),
            "changes" => {
                let differ = |a: f64, b: f64| a != b && !(a.is_nan() && b.is_nan());
                Some((self.pairs(differ)? + self.dropped.changes).round())
            }
            "resets" => {
                let fell = self.pairs(|before, now| now < before)?;
                Some((fell + self.dropped.resets).round())
            }
            _ => None,
        }
    }

    /// The samples that count at the start and at the end, unless all lie before the range.
    fn ends(&self) -> Option<(usize, usize)> {
        let final_one = self.times.len().checked_sub(1)?;
        let before = &self.times[..final_one];
        let first = before.partition_point(|time| *time <= self.start);
        let first = first.saturating_sub(1);
        let last = if self.smoothed {
            before.partition_point(|time| *time < self.end)
        } else {
            final_one
        };
        (self.times[last] > self.start).then_some((first, last))
    }

    fn point(&self, n: usize) -> (i64, f64) {
        (self.times[n], self.values[n])
    }

    fn left(&self, first: usize, is_counter: bool) -> f64 {
        if !self.smoothed || self.times[first] >= self.start || first + 1 >= self.times.len() {
            return self.values[first];
        }
        let (mut before, after) = (self.point(first), self.point(first + 1));
        if is_counter && after.1 < before.1 {
            before.1 = 0.0;
        }
        between(before, after, self.start)
    }

    fn right(&self, last: usize, is_counter: bool) -> f64 {
        if !self.smoothed || last == 0 || self.times[last] <= self.end {
            return self.values[last];
        }
        let (before, mut after) = (self.point(last - 1), self.point(last));
        if is_counter && after.1 < before.1 {
            after.1 += before.1;
        }
        between(before, after, self.end)
    }

    /// The samples between the edges.
    fn inside(&self, first: usize, last: usize) -> std::ops::Range<usize> {
        let from = first + usize::from(self.times[first] <= self.start);
        let to = last + usize::from(self.times[last] < self.end);
        from..to.max(from)
    }

    fn change(&self, is_counter: bool) -> Option<f64> {
        let (first, last) = self.ends()?;
        let (left, right) = (self.left(first, is_counter), self.right(last, is_counter));
        let mut change = right - left;
        if is_counter {
            change += self.dropped.lost;
            let mut before = left;
            let inside = &self.values[self.inside(first, last)];
            for value in inside.iter().chain([&right]) {
                if *value < before {
                    change += before;
                }
                before = *value;
            }
        }
        Some(change)
    }

    fn pairs(&self, counts: fn(f64, f64) -> bool) -> Option<f64> {
        let (first, last) = self.ends()?;
        let pairs = self.values[first..=last].windows(2);
        Some(pairs.filter(|pair| counts(pair[0], pair[1])).count() as f64)
    }

    fn extended(&self) -> Vec<(i64, f64)> {
        let Some((first, last)) = self.ends() else {
            return Vec::new();
        };
        let inside = self.inside(first, last).map(|n| self.point(n));
        let start = (self.start, self.left(first, false));
        let end = (self.end, self.right(last, false));
        [start].into_iter().chain(inside).chain([end]).collect()
    }
}

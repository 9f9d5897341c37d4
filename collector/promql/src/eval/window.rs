//! Which samples count at a step.

use super::column::Sparse;
use super::stream::Take;
use super::thinned::{InRange, Thinned};
use super::{ABSENT, Column, Grid};
use crate::ast::{At, Length, When};
use crate::functions::{Between, Window};
use crate::rest::Rest;
use crate::source::{Stop, TimeRange};
use crate::{Samples, histogram, is_stale};
use sonde_proto::SampleValue;
use std::ops::Range;

/// How many samples are looked at before `work` is told.
const LOOKS_AT_ONCE: u64 = 4096;

/// The stretch of time that a selector looks at: `(reference − length, reference]`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Span {
    /// The time that stands for every step, if `@` fixes it.
    fixed: Option<i64>,
    offset: i64,
    length: i64,
}

/// Computes a range of a series with histograms.
pub(crate) type Apply<'a> = &'a dyn Fn(&Window<'_>) -> Result<Option<SampleValue>, Stop>;

/// Computes a range of floats, with what counts between samples where some were dropped.
pub(crate) type Floats = (fn(&Window<'_>) -> Option<f64>, Between);

impl Span {
    pub(crate) fn new(when: &When, length: i64, bounds: (i64, i64)) -> Self {
        let fixed = when.at.map(|at| match at {
            At::Time(time) => time,
            At::Start => bounds.0,
            At::End => bounds.1,
        });
        Self {
            fixed,
            offset: when.offset.as_ref().map_or(0, Length::millis),
            length,
        }
    }

    /// Whether every step looks at the same stretch.
    pub(crate) fn is_fixed(&self) -> bool {
        self.fixed.is_some()
    }

    /// Start (not included) and end of the stretch at a time.
    pub(crate) fn bounds(&self, time: i64) -> (i64, i64) {
        let end = self.fixed.unwrap_or(time).saturating_sub(self.offset);
        (end.saturating_sub(self.length), end)
    }

    /// Everything that any step looks at.
    pub(crate) fn range(&self, grid: &Grid) -> TimeRange {
        let (first, last) = (self.bounds(grid.start), self.bounds(grid.end()));
        TimeRange {
            start: first.0.saturating_add(1),
            end: last.1,
        }
    }

    /// The steps that must be computed; a fixed stretch needs only one.
    pub(crate) fn steps(&self, grid: &Grid) -> usize {
        if self.is_fixed() {
            grid.len.min(1)
        } else {
            grid.len
        }
    }

    /// The newest sample of each stretch, unless a stale marker came after it. `take` makes
    /// the value of the one at a place.
    pub(crate) fn newest(
        &self,
        samples: &Samples,
        grid: &Grid,
        out: &mut [f64],
        take: impl Fn(usize) -> f64,
    ) {
        let mut after = 0;
        let thinned = Thinned::of(samples);
        for (step, slot) in out.iter_mut().enumerate().take(self.steps(grid)) {
            let (start, end) = self.bounds(grid.time(step));
            after += samples.times[after..].partition_point_near(end);
            let Some(last) = after.checked_sub(1) else {
                continue;
            };
            let newest = samples.times[last];
            let is_good = newest > start || thinned.spans(newest, end);
            if is_good && !is_stale(samples.values[last]) {
                *slot = take(last);
            }
        }
        self.spread(out);
    }

    /// A function of the samples of each stretch; `samples` are without stale markers, and
    /// `work` is told every so many samples that were looked at.
    pub(crate) fn apply(
        &self,
        samples: &Samples,
        grid: &Grid,
        params: &[Vec<f64>],
        out: &mut [f64],
        (apply, between): Floats,
        work: &dyn Fn(u64) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
        let thinned = (!samples.rests.is_empty()).then(|| Thinned::of(samples));
        let mut found = InRange::default();
        let (mut from, mut to, mut looks) = (0, 0, 0);
        let falls = samples.values.windows(2).any(|pair| pair[1] < pair[0]);
        let mut at_step = vec![0.0; params.len()];
        // Arguments may differ by step where the stretch does not.
        let steps = if params.is_empty() {
            self.steps(grid)
        } else {
            grid.len
        };
        for step in 0..steps {
            let (start, end) = self.bounds(grid.time(step));
            from += samples.times[from..].partition_point_near(start);
            to += samples.times[to..].partition_point_near(end);
            let (mut times, mut values) = (&samples.times[from..to], &samples.values[from..to]);
            let mut starts = starts_within(samples, from..to);
            let mut dropped = Rest::default();
            if let Some(thinned) = &thinned {
                dropped = thinned.dropped(start, end);
                found.clear(dropped);
                thinned.floats(samples, from..to, (start, end), between, &mut found);
                (times, values, starts) = (&found.times, &found.values, &found.starts);
                dropped = found.dropped;
            }
            if times.is_empty() {
                continue;
            }
            looks += times.len() as u64;
            if looks >= LOOKS_AT_ONCE {
                work(std::mem::take(&mut looks))?;
            }
            at_step
                .iter_mut()
                .zip(params)
                .for_each(|(slot, values)| *slot = values[step]);
            let window = Window {
                times,
                values,
                starts,
                histograms: &[],
                falls,
                start,
                end,
                now: grid.time(step),
                params: &at_step,
                dropped,
            };
            out[step] = apply(&window).unwrap_or(ABSENT);
        }
        if params.is_empty() {
            self.spread(out);
        }
        work(looks)
    }

    /// Puts the histograms in their places in a column that has the newest floats: each where
    /// it is newer than any float or marker.
    pub(crate) fn newest_histograms(
        &self,
        samples: &Samples,
        grid: &Grid,
        column: &mut Column,
        take: Take,
    ) {
        let (mut floats, mut histograms) = (0, 0);
        let thinned = Thinned::of(samples);
        for step in 0..grid.len {
            let (start, end) = self.bounds(grid.time(step));
            floats += samples.times[floats..].partition_point(|time| *time <= end);
            let later = &samples.histograms[histograms..];
            histograms += later.partition_point(|sample| sample.time <= end);
            let Some(newest) = histograms.checked_sub(1).map(|n| &samples.histograms[n]) else {
                continue;
            };
            let after = floats.checked_sub(1).map(|n| samples.times[n]);
            let is_good = newest.time > start || thinned.spans(newest.time, end);
            if !is_good || after.is_some_and(|time| time > newest.time) {
                continue;
            }
            match take {
                Take::Value => {
                    column.values[step] = ABSENT;
                    column.histograms.push(step, newest.value.clone());
                }
                Take::Time(of) => column.values[step] = of(newest.time),
                Take::Start => column.values[step] = newest.start as f64 / 1e3,
            }
        }
    }

    /// As [`Self::apply`], of a series with histograms; `apply` gets no empty range.
    pub(crate) fn apply_native(
        &self,
        samples: &Samples,
        grid: &Grid,
        params: &[Vec<f64>],
        out: &mut [f64],
        (apply, between): (Apply<'_>, Between),
        work: &dyn Fn(u64) -> Result<(), Stop>,
    ) -> Result<Sparse, Stop> {
        let mut found = Sparse::default();
        let thinned = Thinned::of(samples);
        let mut inside = InRange::default();
        let falls = samples.values.windows(2).any(|pair| pair[1] < pair[0]);
        for step in 0..grid.len {
            let (start, end) = self.bounds(grid.time(step));
            let floats = within(&samples.times, start, end, |time| *time);
            let histograms = within(&samples.histograms, start, end, |sample| sample.time);
            let (mut times, mut values) = (
                &samples.times[floats.clone()],
                &samples.values[floats.clone()],
            );
            let mut of_range = &samples.histograms[histograms.clone()];
            let mut starts = starts_within(samples, floats.clone());
            let mut dropped = Rest::default();
            if !samples.rests.is_empty() {
                inside.clear(thinned.dropped(start, end));
                thinned.floats(samples, floats, (start, end), between, &mut inside);
                thinned.histograms(samples, histograms, (start, end), between, &mut inside);
                (times, values, starts) = (&inside.times, &inside.values, &inside.starts);
                (of_range, dropped) = (&inside.histograms, inside.dropped);
            }
            if times.is_empty() && of_range.is_empty() {
                continue;
            }
            let histograms = of_range;
            let looks = histograms.iter().map(|h| histogram::bytes(&h.value) / 16);
            work(times.len() as u64 + looks.sum::<u64>())?;
            let at_step: Vec<f64> = params.iter().map(|values| values[step]).collect();
            let window = Window {
                times,
                values,
                starts,
                histograms,
                falls,
                start,
                end,
                now: grid.time(step),
                params: &at_step,
                dropped,
            };
            match apply(&window)? {
                Some(SampleValue::Float(value)) => out[step] = value,
                Some(SampleValue::Histogram(histogram)) => found.push(step, histogram),
                None => {}
            }
        }
        Ok(found)
    }

    /// Repeats the one step of a fixed stretch.
    fn spread(&self, out: &mut [f64]) {
        if let (true, Some(first)) = (self.is_fixed(), out.first().copied()) {
            out.fill(first);
        }
    }
}

/// Since when the values at some places count, as far as that is said.
fn starts_within(samples: &Samples, places: Range<usize>) -> &[i64] {
    let starts = samples.starts();
    let to = places.end.min(starts.len());
    &starts[places.start.min(to)..to]
}

/// Which of them lie after `start` and not after `end`.
fn within<T>(all: &[T], start: i64, end: i64, time: fn(&T) -> i64) -> Range<usize> {
    let to = all.partition_point(|one| time(one) <= end);
    let from = all[..to].partition_point(|one| time(one) <= start);
    from..to
}

/// How many times are at or before `end`: usually few, so they are counted one by one.
trait Near {
    fn partition_point_near(&self, end: i64) -> usize;
}

impl Near for [i64] {
    fn partition_point_near(&self, end: i64) -> usize {
        const NEAR: usize = 32;
        let counted = self
            .iter()
            .take(NEAR)
            .take_while(|time| **time <= end)
            .count();
        if counted < NEAR {
            counted
        } else {
            NEAR + self[NEAR..].partition_point(|time| *time <= end)
        }
    }
}

//! Which samples count at a step.

use super::{ABSENT, Grid};
use crate::ast::{At, Length, When};
use crate::functions::Window;
use crate::source::{Stop, TimeRange};
use crate::{Samples, is_stale};

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
    /// the value from time and value.
    pub(crate) fn newest(
        &self,
        samples: &Samples,
        grid: &Grid,
        out: &mut [f64],
        take: fn(i64, f64) -> f64,
    ) {
        let mut after = 0;
        for (step, slot) in out.iter_mut().enumerate().take(self.steps(grid)) {
            let (start, end) = self.bounds(grid.time(step));
            after += samples.times[after..].partition_point_near(end);
            let Some(last) = after.checked_sub(1) else {
                continue;
            };
            if samples.times[last] > start && !is_stale(samples.values[last]) {
                *slot = take(samples.times[last], samples.values[last]);
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
        apply: fn(&Window<'_>) -> Option<f64>,
        work: &dyn Fn(u64) -> Result<(), Stop>,
    ) -> Result<(), Stop> {
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
            if from >= to {
                continue;
            }
            looks += (to - from) as u64;
            if looks >= LOOKS_AT_ONCE {
                work(std::mem::take(&mut looks))?;
            }
            at_step
                .iter_mut()
                .zip(params)
                .for_each(|(slot, values)| *slot = values[step]);
            let (times, values) = (&samples.times[from..to], &samples.values[from..to]);
            let window = Window {
                times,
                values,
                falls,
                start,
                end,
                now: grid.time(step),
                params: &at_step,
            };
            out[step] = apply(&window).unwrap_or(ABSENT);
        }
        if params.is_empty() {
            self.spread(out);
        }
        work(looks)
    }

    /// Repeats the one step of a fixed stretch.
    fn spread(&self, out: &mut [f64]) {
        if let (true, Some(first)) = (self.is_fixed(), out.first().copied()) {
            out.fill(first);
        }
    }
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

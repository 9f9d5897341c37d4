//! Ranges over samples of which some were dropped.
//!
//! What is known of the dropped ones counts by the share of their interval that lies in the
//! range: a range of whole intervals is answered as if nothing were gone, another one as if the
//! dropped samples had been spread evenly.
//!
//! ```text
//!          p │   ·   ·   q        p, q kept; · dropped; │ where a range begins or ends
//!            v                    v on the line from p to q: what a counter or a slope counts from
//! ```

use crate::functions::Between;
use crate::histogram;
use crate::rest::Rest;
use crate::sample::{HistogramSample, Samples};
use sonde_proto::{Histogram, ResetHint};
use std::ops::Range;
use std::sync::Arc;

/// The rests of a series.
#[derive(Clone, Copy)]
pub(super) struct Thinned<'s> {
    rests: &'s [Rest],
    /// The longest of them.
    widest: i64,
}

/// The samples of one range, to be filled for each.
#[derive(Default)]
pub(super) struct InRange {
    pub(super) times: Vec<i64>,
    pub(super) values: Vec<f64>,
    /// Since when each value counts; what lies on a line does not say it.
    pub(super) starts: Vec<i64>,
    pub(super) histograms: Vec<HistogramSample>,
    /// What was dropped of it.
    pub(super) dropped: Rest,
}

impl<'s> Thinned<'s> {
    pub(super) fn of(samples: &'s Samples) -> Self {
        let lengths = samples
            .rests
            .iter()
            .map(|rest| rest.end.saturating_sub(rest.start));
        Self {
            rests: &samples.rests,
            widest: lengths.max().unwrap_or_default(),
        }
    }

    /// Whether a series that has a sample at `newest` and no later one up to `time` lived on
    /// until then.
    pub(super) fn spans(&self, newest: i64, time: i64) -> bool {
        self.at(time).any(|rest| rest.start <= newest)
    }

    /// How long what was dropped around a time is at most.
    pub(super) fn length_at(&self, time: i64) -> i64 {
        let lengths = self
            .at(time)
            .map(|rest| rest.end.saturating_sub(rest.start));
        lengths.max().unwrap_or_default()
    }

    /// The rests that begin before or at a time and do not end before it.
    fn at(&self, time: i64) -> impl Iterator<Item = &'s Rest> {
        let from = self.rests.partition_point(|rest| rest.end < time);
        let latest = time.saturating_add(self.widest);
        let near = self.rests[from..].iter();
        let near = near.take_while(move |rest| rest.end <= latest);
        near.filter(move |rest| rest.start <= time)
    }

    /// What was dropped between two times.
    pub(super) fn dropped(&self, start: i64, end: i64) -> Rest {
        let from = self.rests.partition_point(|rest| rest.end <= start);
        let latest = end.saturating_add(self.widest);
        let near = self.rests[from..].iter();
        let near = near.take_while(|rest| rest.end <= latest);
        let mut dropped = Rest::default();
        for rest in near.filter(|rest| rest.start < end || rest.end <= end) {
            let inside = (end.min(rest.end) - start.max(rest.start)) as f64;
            let length = (rest.end - rest.start) as f64;
            // One without a length lies in the range, as its time does.
            let share = if length > 0.0 { inside / length } else { 1.0 };
            dropped.add(rest, share.clamp(0.0, 1.0));
        }
        dropped
    }

    /// Whether two samples that follow one another were not neighbours when they were written.
    fn parts(&self, before: i64, after: i64) -> bool {
        self.at(after).any(|rest| rest.start <= before)
    }

    /// The floats of a range, of which `inside` are those that were kept.
    pub(super) fn floats(
        &self,
        samples: &Samples,
        inside: Range<usize>,
        (start, end): (i64, i64),
        between: Between,
        found: &mut InRange,
    ) {
        let point = |at: usize| Some((*samples.times.get(at)?, *samples.values.get(at)?));
        let around = |next: usize| {
            let (before, after) = (point(next.checked_sub(1)?)?, point(next)?);
            self.parts(before.0, after.0).then_some((before, after))
        };
        let is_slope = between != Between::Nothing;
        let first = around(inside.start).filter(|_| is_slope);
        if let Some((before, after)) = first {
            found.push(start, between.left(before, after, start), 0);
        }
        for at in inside.clone() {
            found.push(samples.times[at], samples.values[at], samples.start(at));
        }
        let last = around(inside.end).filter(|((time, _), _)| is_slope && *time < end);
        if let Some((before, after)) = last {
            // Where both ends of the range lie between the same two samples, the line goes on.
            let from = first
                .zip(found.values.first())
                .filter(|_| inside.is_empty());
            let before = from.map_or(before, |(_, value)| (start, *value));
            found.push(end, between.right(before, after, end), 0);
        }
        if let Some(before) = inside.start.checked_sub(1).and_then(point)
            && found.times.is_empty()
            && self.spans(before.0, end)
        {
            found.push(before.0, before.1, 0);
            found.borrow(before.1);
        }
    }

    /// The histograms of a range, the same way.
    pub(super) fn histograms(
        &self,
        samples: &Samples,
        inside: Range<usize>,
        (start, end): (i64, i64),
        between: Between,
        found: &mut InRange,
    ) {
        let all = &samples.histograms;
        let around = |next: usize| {
            let (before, after) = (all.get(next.checked_sub(1)?)?, all.get(next)?);
            self.parts(before.time, after.time)
                .then_some((before, after))
        };
        let is_slope = between != Between::Nothing;
        let first = around(inside.start).filter(|_| is_slope);
        let first = first.and_then(|(before, after)| line(before, after, start));
        let has_first = first.is_some();
        found.histograms.extend(first);
        found.histograms.extend_from_slice(&all[inside.clone()]);
        if has_first && let Some(next) = found.histograms.get_mut(1) {
            // A sum of products may be greater than what it lies before by the last bit.
            Arc::make_mut(&mut next.value).hint = ResetHint::NotReset;
        }
        let last = around(inside.end).filter(|(before, _)| is_slope && before.time < end);
        let last = last.and_then(|(before, after)| line(before, after, end));
        found.histograms.extend(last);
        if let Some(before) = inside.start.checked_sub(1).and_then(|at| all.get(at))
            && found.histograms.is_empty()
            && self.spans(before.time, end)
        {
            found.histograms.push(before.clone());
            found.borrow(0.0);
        }
    }
}

impl InRange {
    /// Of the next range this is known to be dropped.
    pub(super) fn clear(&mut self, dropped: Rest) {
        self.times.clear();
        self.values.clear();
        self.starts.clear();
        self.histograms.clear();
        self.dropped = dropped;
    }

    fn push(&mut self, time: i64, value: f64, start: i64) {
        self.times.push(time);
        self.values.push(value);
        self.starts.push(start);
    }

    /// The newest sample before the range stands for the dropped ones, and is none of them.
    fn borrow(&mut self, value: f64) {
        self.dropped.count -= 1.0;
        self.dropped.sum -= value;
    }
}

/// What a histogram had grown to on the way to another one, unless that began anew.
fn line(before: &HistogramSample, after: &HistogramSample, at: i64) -> Option<HistogramSample> {
    if histogram::is_reset(&before.value, &after.value) {
        return None;
    }
    let mut value = Histogram::clone(&after.value);
    histogram::subtract(&mut value, &before.value).ok()?;
    let passed = (at - before.time) as f64 / (after.time - before.time) as f64;
    histogram::scale(&mut value, passed);
    histogram::add(&mut value, &before.value).ok()?;
    value.hint = ResetHint::NotReset;
    let value = Arc::new(value);
    Some(HistogramSample {
        time: at,
        value,
        start: 0,
    })
}

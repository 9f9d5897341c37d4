//! Which samples of an interval may go without answers changing.
//!
//! An interval is `(n × resolution, (n + 1) × resolution]`, as ranges are. Of the samples of a
//! series in it these stay: the first and the last, the least and the greatest; of histograms
//! instead of the latter both sides of each reset and of each change of buckets. What the others
//! come to is a [`Rest`]. Markers that a series ended stay; across one, and across a gap in
//! which the series had no value, nothing is taken together.
//!
//! Thinning what is thin already changes nothing, and thinning by a coarser resolution gives
//! what it would have given at once, but for the rounding of sums.

use crate::functions::Sum;
use crate::functions::counters::{changes_in, lost_between, resets_in};
use crate::histogram;
use crate::rest::Rest;
use crate::sample::{HistogramSample, Samples, is_stale};
use sonde_proto::ResetHint;

/// Without a sample for so long a series has no value: the lookback, in milliseconds.
const GAP_MAX: i64 = 300_000;
/// Fewer are not worth a rest.
const DROPPED_MIN: usize = 3;
/// So many rests are looked at to see whether one spans a gap. They rarely overlap.
const NEAR: usize = 8;

/// Drops samples, which are in the order of time, where what they tell can be told by a rest.
/// A series with floats and histograms stays as it is.
pub fn thin(samples: &mut Samples, resolution: i64) {
    let has_floats = samples.values.iter().any(|value| !is_stale(*value));
    if resolution <= 0 || (has_floats && !samples.histograms.is_empty()) {
        return;
    }
    // What is coarse does not know since when each sample counts.
    samples.forget_starts();
    samples.rests.sort_by_key(|rest| (rest.end, rest.start));
    if samples.histograms.is_empty() {
        thin_floats(samples, resolution);
    } else {
        thin_histograms(samples, resolution);
    }
    samples.rests.sort_by_key(|rest| (rest.end, rest.start));
}

fn thin_floats(samples: &mut Samples, resolution: i64) {
    let (times, values) = (
        std::mem::take(&mut samples.times),
        std::mem::take(&mut samples.values),
    );
    let mut old = Rests::of(std::mem::take(&mut samples.rests));
    let mut from = 0;
    while from < times.len() {
        let ends = |at: usize| {
            is_stale(values[at - 1])
                || is_stale(values[at])
                || old.parts(times[at - 1], times[at], resolution)
        };
        let to = (from + 1..times.len())
            .find(|at| ends(*at))
            .unwrap_or(times.len());
        let run = &values[from..to];
        let (first, last) = (times[from], times[to - 1]);
        let own = old.within(first, last, &mut samples.rests);
        let kept = kept_floats(run);
        if !is_worth(run.len(), kept.len(), own.len()) {
            samples.times.extend_from_slice(&times[from..to]);
            samples.values.extend_from_slice(run);
            samples.rests.extend_from_slice(own);
        } else {
            let kept_values: Vec<f64> = kept.iter().map(|at| run[*at]).collect();
            samples.times.extend(kept.iter().map(|at| times[from + at]));
            samples.values.extend_from_slice(&kept_values);
            samples
                .rests
                .push(rest_of_floats((first, last), run, &kept, &kept_values, own));
        }
        from = to;
    }
    samples.rests.extend_from_slice(old.left());
}

/// Rests that end at a single sample stay what they are: what they tell of lies before it.
fn is_worth(all: usize, kept: usize, rests: usize) -> bool {
    all - kept >= DROPPED_MIN || (rests > 1 && all > 1)
}

/// The first and the last, the least and the greatest, each once; the latest of those alike.
fn kept_floats(run: &[f64]) -> Vec<usize> {
    let last = run.len() - 1;
    let best = |is_better: fn(f64, f64) -> bool| {
        let numbers = (0..run.len()).filter(|at| !run[*at].is_nan());
        numbers.reduce(|best, at| {
            if is_better(run[best], run[at]) {
                best
            } else {
                at
            }
        })
    };
    let mut kept = vec![0, last];
    for extreme in [best(|a, b| a < b), best(|a, b| a > b)]
        .into_iter()
        .flatten()
    {
        let is_known = |at: usize| run[at] == run[extreme];
        if !is_known(0) && !is_known(last) {
            kept.push(extreme);
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

fn rest_of_floats(
    (start, end): (i64, i64),
    run: &[f64],
    kept: &[usize],
    kept_values: &[f64],
    own: &[Rest],
) -> Rest {
    let mut sum = Sum::default();
    let mut next = kept.iter().copied().peekable();
    for (at, value) in run.iter().enumerate() {
        if next.next_if_eq(&at).is_none() {
            sum.add(*value);
        }
    }
    let mut rest = Rest {
        start,
        end,
        count: (run.len() - kept.len()) as f64,
        sum: if run.len() > kept.len() {
            sum.value()
        } else {
            0.0
        },
        lost: lost_between(run) - lost_between(kept_values),
        resets: resets_in(run) - resets_in(kept_values),
        changes: changes_in(run) - changes_in(kept_values),
        of_histograms: false,
    };
    own.iter().for_each(|one| rest.add(one, 1.0));
    rest
}

fn thin_histograms(samples: &mut Samples, resolution: i64) {
    let all = std::mem::take(&mut samples.histograms);
    let mut old = Rests::of(std::mem::take(&mut samples.rests));
    // All floats are markers of an end.
    let markers = |time: i64| samples.times.partition_point(|at| *at < time);
    let mut rests = Vec::new();
    let mut from = 0;
    while from < all.len() {
        let ends = |at: usize| {
            let (before, now) = (all[at - 1].time, all[at].time);
            markers(before) != markers(now) || old.parts(before, now, resolution)
        };
        let to = (from + 1..all.len())
            .find(|at| ends(*at))
            .unwrap_or(all.len());
        let run = &all[from..to];
        let (first, last) = (run[0].time, run[run.len() - 1].time);
        let own = old.within(first, last, &mut rests);
        let kept = kept_histograms(run);
        if !is_worth(run.len(), kept.len(), own.len()) {
            samples.histograms.extend_from_slice(run);
            rests.extend_from_slice(own);
        } else {
            let mut rest = Rest {
                start: first,
                end: last,
                count: (run.len() - kept.len()) as f64,
                of_histograms: true,
                ..Rest::default()
            };
            own.iter().for_each(|one| rest.add(one, 1.0));
            rests.push(rest);
            samples
                .histograms
                .extend(kept.into_iter().map(|at| run[at].clone()));
        }
        from = to;
    }
    rests.extend_from_slice(old.left());
    samples.rests = rests;
}

/// The first and the last, both sides of what is more than growth, and gauges.
fn kept_histograms(run: &[HistogramSample]) -> Vec<usize> {
    let mut kept = vec![0, run.len() - 1];
    for (at, sample) in run.iter().enumerate() {
        if sample.value.hint == ResetHint::Gauge {
            kept.push(at);
        }
    }
    for (at, pair) in run.windows(2).enumerate() {
        let (before, now) = (&*pair[0].value, &*pair[1].value);
        let is_alike = before.schema == now.schema
            && before.bounds == now.bounds
            && before.zero_threshold == now.zero_threshold;
        if !is_alike || histogram::is_reset(before, now) {
            kept.extend([at, at + 1]);
        }
    }
    kept.sort_unstable();
    kept.dedup();
    kept
}

/// The rests that there were, by their ends.
struct Rests {
    all: Vec<Rest>,
    next: usize,
}

impl Rests {
    fn of(all: Vec<Rest>) -> Self {
        Self { all, next: 0 }
    }

    /// Whether two samples that follow one another are not to be taken together.
    fn parts(&self, before: i64, now: i64, resolution: i64) -> bool {
        // The end of an interval belongs to it.
        let interval = |time: i64| time.saturating_sub(1).div_euclid(resolution);
        if interval(before) != interval(now) {
            return true;
        }
        let near = self.all.partition_point(|rest| rest.end < now);
        let mut near = self.all[near..].iter().take(NEAR);
        now.saturating_sub(before) > GAP_MAX && !near.any(|rest| rest.start <= before)
    }

    /// The rests that end in a run; what ends before it is handed on as it is.
    fn within(&mut self, first: i64, last: i64, unchanged: &mut Vec<Rest>) -> &[Rest] {
        let from = self.next + self.all[self.next..].partition_point(|rest| rest.end < first);
        let to = from + self.all[from..].partition_point(|rest| rest.end <= last);
        unchanged.extend_from_slice(&self.all[self.next..from]);
        self.next = to;
        &self.all[from..to]
    }

    fn left(&self) -> &[Rest] {
        &self.all[self.next..]
    }
}

#[cfg(test)]
mod tests;

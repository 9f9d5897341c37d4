//! What happened to a counter or gauge over a range: rates, differences, changes.

use super::native::{self, Native};
use super::{Between, Function, Window, window_of_both};

pub(crate) const TABLE: &[Function] = &[
    counter("rate", rate, native::RATE),
    counter("increase", increase, native::INCREASE),
    line("delta", delta, native::DELTA),
    counter("irate", irate, native::IRATE),
    line("idelta", idelta, native::IDELTA),
    window_of_both("changes", changes, native::CHANGES),
    window_of_both("resets", resets, native::RESETS),
];

const fn counter(
    name: &'static str,
    apply: fn(&Window<'_>) -> Option<f64>,
    native: Native,
) -> Function {
    Function {
        between: Between::Counter,
        ..window_of_both(name, apply, native)
    }
}

pub(super) const fn line(
    name: &'static str,
    apply: fn(&Window<'_>) -> Option<f64>,
    native: Native,
) -> Function {
    Function {
        between: Between::Line,
        ..window_of_both(name, apply, native)
    }
}

fn rate(w: &Window<'_>) -> Option<f64> {
    extrapolated(w, true).map(|increase| increase / (w.end - w.start) as f64 * 1e3)
}

fn increase(w: &Window<'_>) -> Option<f64> {
    extrapolated(w, true)
}

fn delta(w: &Window<'_>) -> Option<f64> {
    extrapolated(w, false)
}

/// The change over the samples, stretched to the edges of the range where the series seems
/// to go on: by half a sampling interval at most where it seems to begin or end, and never
/// to before a counter was zero.
fn extrapolated(w: &Window<'_>, is_counter: bool) -> Option<f64> {
    let (first, last) = (*w.values.first()?, *w.values.last()?);
    let (first_time, last_time) = (*w.times.first()?, *w.times.last()?);
    if w.values.len() < 2 {
        return None;
    }
    let mut change = last - first;
    if is_counter && w.falls {
        change += lost_in_resets(w.values);
    }
    if is_counter {
        change += w.dropped.lost;
    }
    let counted = is_counter.then_some((first, change));
    let samples = w.values.len() as f64 + w.dropped.count;
    Some(change * stretch(w, (first_time, last_time), samples, counted))
}

/// How much more than what is between the first and the last of its samples a range is taken
/// to have changed. A counter may say what it began with and how much it changed.
pub(super) fn stretch(
    w: &Window<'_>,
    (first_time, last_time): (i64, i64),
    samples: f64,
    counter: Option<(f64, f64)>,
) -> f64 {
    // Milliseconds: only their ratio counts.
    let length = |from: i64, to: i64| (to - from) as f64;
    let sampled = length(first_time, last_time);
    let apart = sampled / (samples - 1.0);
    let near = |gap: f64| if gap >= apart * 1.1 { apart / 2.0 } else { gap };
    let mut before = near(length(w.start, first_time));
    if let Some((first, change)) = counter
        && change > 0.0
        && first >= 0.0
    {
        before = before.min(sampled * (first / change));
    }
    let after = near(length(last_time, w.end));
    (sampled + before + after) / sampled
}

/// What a counter had counted before each reset.
pub(crate) fn lost_in_resets(values: &[f64]) -> f64 {
    let mut lost = 0.0;
    let mut previous = f64::NEG_INFINITY;
    for value in values {
        if *value < previous {
            lost += previous;
        }
        previous = *value;
    }
    lost
}

/// The last two samples.
fn last_two(w: &Window<'_>) -> Option<((i64, f64), (i64, f64))> {
    let [.., before_time, time] = w.times else {
        return None;
    };
    let [.., before, value] = w.values else {
        return None;
    };
    Some(((*before_time, *before), (*time, *value)))
}

fn irate(w: &Window<'_>) -> Option<f64> {
    let ((before_time, before), (time, value)) = last_two(w)?;
    let change = if value < before {
        value
    } else {
        value - before
    };
    (time > before_time).then(|| change / ((time - before_time) as f64 / 1e3))
}

fn idelta(w: &Window<'_>) -> Option<f64> {
    let ((_, before), (_, value)) = last_two(w)?;
    Some(value - before)
}

fn changes(w: &Window<'_>) -> Option<f64> {
    Some((changes_in(w.values) + w.dropped.changes).round())
}

/// How often a value was another than the one before.
pub(crate) fn changes_in(values: &[f64]) -> f64 {
    let differ = |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
    values.windows(2).filter(differ).count() as f64
}

fn resets(w: &Window<'_>) -> Option<f64> {
    let resets = if w.falls { resets_in(w.values) } else { 0.0 };
    Some((resets + w.dropped.resets).round())
}

/// How often a value was less than the one before.
pub(crate) fn resets_in(values: &[f64]) -> f64 {
    values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64
}

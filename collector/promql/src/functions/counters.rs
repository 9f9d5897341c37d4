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
    let samples = w.values.len();
    let zero = w.zero(w.counted(0)).filter(|_| is_counter);
    if samples < 2 && zero.is_none() {
        return None;
    }
    let mut change = last - first;
    if is_counter && (w.falls || !w.starts.is_empty()) {
        change += lost_in_resets(w);
    }
    if is_counter {
        change += w.dropped.lost;
    }
    let begin = match zero {
        Some(zero) => {
            change += first;
            Begin::Zero(zero)
        }
        None if is_counter => Begin::Counter(first, change),
        None => Begin::Gauge,
    };
    let samples = samples as f64 + w.dropped.count;
    Some(change * stretch(w, (first_time, last_time), samples, begin))
}

/// What is known of the time before the first sample of a range.
#[derive(Clone, Copy, Debug)]
pub(super) enum Begin {
    Gauge,
    /// What it began with and how much it changed.
    Counter(f64, f64),
    /// The counter was zero then.
    Zero(i64),
}

/// How much more than what is between the first and the last of its samples, or when it was
/// zero, a range is taken to have changed.
pub(super) fn stretch(
    w: &Window<'_>,
    (first_time, last_time): (i64, i64),
    samples: f64,
    begin: Begin,
) -> f64 {
    // Milliseconds: only their ratio counts.
    let length = |from: i64, to: i64| (to - from) as f64;
    let mut sampled = length(first_time, last_time);
    let apart = if samples > 1.0 {
        sampled / (samples - 1.0)
    } else {
        0.0
    };
    let near = |gap: f64| if gap >= apart * 1.1 { apart / 2.0 } else { gap };
    let mut before = near(length(w.start, first_time));
    match begin {
        Begin::Counter(first, change) if change > 0.0 && first >= 0.0 => {
            before = before.min(sampled * (first / change));
        }
        Begin::Zero(zero) => (sampled, before) = (length(zero, last_time), 0.0),
        Begin::Counter(..) | Begin::Gauge => {}
    }
    let after = near(length(last_time, w.end));
    (sampled + before + after) / sampled
}

/// What a counter had counted before each reset.
fn lost_in_resets(w: &Window<'_>) -> f64 {
    let resets = (1..w.values.len()).filter(|at| w.is_reset(*at));
    resets.fold(0.0, |lost, at| lost + w.values[at - 1])
}

/// The same, of values alone.
pub(crate) fn lost_between(values: &[f64]) -> f64 {
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
    let change = if w.is_reset(w.values.len() - 1) {
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
    let seen = || (1..w.values.len()).filter(|at| w.is_reset(*at)).count();
    let may_be = w.falls || !w.starts.is_empty();
    let seen = if may_be { seen() as f64 } else { 0.0 };
    Some((seen + w.dropped.resets).round())
}

/// How often a value was less than the one before.
pub(crate) fn resets_in(values: &[f64]) -> f64 {
    values.windows(2).filter(|pair| pair[1] < pair[0]).count() as f64
}

//! What happened to a counter or gauge over a range: rates, differences, changes.

use super::{Function, Window, native, window_of_both};

pub(crate) const TABLE: &[Function] = &[
    window_of_both("rate", rate, native::RATE),
    window_of_both("increase", increase, native::INCREASE),
    window_of_both("delta", delta, native::DELTA),
    window_of_both("irate", irate, native::IRATE),
    window_of_both("idelta", idelta, native::IDELTA),
    window_of_both("changes", changes, native::CHANGES),
    window_of_both("resets", resets, native::RESETS),
];

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
    let counted = is_counter.then_some((first, change));
    Some(change * stretch(w, (first_time, last_time), w.values.len(), counted))
}

/// How much more than what is between the first and the last of its samples a range is taken
/// to have changed. A counter may say what it began with and how much it changed.
pub(super) fn stretch(
    w: &Window<'_>,
    (first_time, last_time): (i64, i64),
    samples: usize,
    counter: Option<(f64, f64)>,
) -> f64 {
    // Milliseconds: only their ratio counts.
    let length = |from: i64, to: i64| (to - from) as f64;
    let sampled = length(first_time, last_time);
    let apart = sampled / (samples - 1) as f64;
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
fn lost_in_resets(values: &[f64]) -> f64 {
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
    let differ = |pair: &&[f64]| pair[0] != pair[1] && !(pair[0].is_nan() && pair[1].is_nan());
    Some(w.values.windows(2).filter(differ).count() as f64)
}

fn resets(w: &Window<'_>) -> Option<f64> {
    let resets = || w.values.windows(2).filter(|pair| pair[1] < pair[0]).count();
    Some(if w.falls { resets() as f64 } else { 0.0 })
}

//! What happened to a counter or gauge over a range: rates, differences, changes.

use super::{Function, Window, window};

pub(crate) const TABLE: &[Function] = &[
    window("rate", rate),
    window("increase", increase),
    window("delta", delta),
    window("irate", irate),
    window("idelta", idelta),
    window("changes", changes),
    window("resets", resets),
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
    // Milliseconds: only their ratio counts.
    let length = |from: i64, to: i64| (to - from) as f64;
    let sampled = length(first_time, last_time);
    let apart = sampled / (w.values.len() - 1) as f64;
    let near = |gap: f64| if gap >= apart * 1.1 { apart / 2.0 } else { gap };
    let mut before = near(length(w.start, first_time));
    if is_counter && change > 0.0 && first >= 0.0 {
        before = before.min(sampled * (first / change));
    }
    let after = near(length(last_time, w.end));
    Some(change * ((sampled + before + after) / sampled))
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

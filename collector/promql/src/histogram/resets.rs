//! Whether a counter began anew between two samples.

use super::layout::{common_bounds, outside, rebound, reduce, widened_zero};
use super::{is_custom, side};
use sonde_proto::{Buckets, Histogram, ResetHint};

/// Whether `now` cannot be what `before` grew to: something fell, a bucket is gone, or the
/// buckets are finer than they were.
pub(crate) fn is_reset(before: &Histogram, now: &Histogram) -> bool {
    match now.hint {
        ResetHint::Reset => return true,
        ResetHint::NotReset => return false,
        ResetHint::Unknown | ResetHint::Gauge => {}
    }
    let is_gauge = |h: &Histogram| h.hint == ResetHint::Gauge;
    if is_gauge(before) != is_gauge(now)
        || now.count < before.count
        || is_custom(now) != is_custom(before)
    {
        return true;
    }
    if is_custom(now) {
        return custom_fell(before, now);
    }
    if now.schema > before.schema || now.zero_threshold < before.zero_threshold {
        return true;
    }
    let (zero_count, threshold) = widened_zero(before, now.zero_threshold);
    if threshold != now.zero_threshold || now.zero_count < zero_count {
        return true;
    }
    let mut before = Histogram {
        positive: outside(&before.positive, before.schema, threshold),
        negative: outside(&before.negative, before.schema, threshold),
        ..before.clone()
    };
    reduce(&mut before, now.schema);
    fell(&before.positive, &now.positive) || fell(&before.negative, &now.negative)
}

fn custom_fell(before: &Histogram, now: &Histogram) -> bool {
    if before.bounds == now.bounds {
        return fell(&before.positive, &now.positive);
    }
    let common = common_bounds(&before.bounds, &now.bounds);
    let (mut before, mut now) = (before.clone(), now.clone());
    rebound(&mut before, &common);
    rebound(&mut now, &common);
    fell(&before.positive, &now.positive)
}

/// Whether any bucket holds less than before.
fn fell(before: &Buckets, now: &Buckets) -> bool {
    let mut now = side::entries(now).peekable();
    side::entries(before).any(|(index, count)| {
        while now.next_if(|(at, _)| *at < index).is_some() {}
        let held = now.next_if(|(at, _)| *at == index);
        count > held.map_or(0.0, |(_, held)| held)
    })
}

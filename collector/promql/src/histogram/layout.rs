//! The same observations in other buckets: fewer of them, a wider zero bucket, other bounds.

use super::{buckets::bound, side};
use sonde_proto::{Buckets, Histogram};
use std::sync::Arc;

/// Leaves out buckets without observations.
pub(crate) fn compact(h: &mut Histogram) {
    for side in [&mut h.positive, &mut h.negative] {
        let is_empty = side.counts.contains(&0.0) || side.spans.iter().any(|s| s.length == 0);
        if is_empty {
            *side = side::collect(side::entries(side));
        }
    }
}

/// To a coarser schema; each step joins two buckets.
pub(crate) fn reduce(h: &mut Histogram, schema: i8) {
    if super::is_custom(h) || schema >= h.schema {
        return;
    }
    let steps = h.schema - schema;
    let coarser = |index: i64| ((index - 1) >> steps) + 1;
    h.positive = side::regroup(&h.positive, coarser);
    h.negative = side::regroup(&h.negative, coarser);
    h.schema = schema;
}

/// What the zero bucket holds, and how wide it is, when it must be at least so wide: where
/// that ends within a bucket with observations, it takes in all of it.
pub(super) fn widened_zero(h: &Histogram, threshold: f64) -> (f64, f64) {
    let mut threshold = threshold;
    loop {
        let mut count = h.zero_count;
        let mut widest = threshold;
        for side in [&h.positive, &h.negative] {
            for (index, held) in side::entries(side) {
                if bound(h.schema, index - 1) >= threshold {
                    break;
                }
                count += held;
                let upper = bound(h.schema, index);
                if held != 0.0 && upper > widest {
                    widest = upper;
                }
            }
        }
        // The other side may have a bucket that the wider one ends in.
        if widest <= threshold {
            return (count, threshold);
        }
        threshold = widest;
    }
}

/// Makes the zero bucket so wide that it ends between two buckets.
pub(super) fn widen_zero(h: &mut Histogram, threshold: f64) {
    let (count, threshold) = widened_zero(h, threshold);
    (h.zero_count, h.zero_threshold) = (count, threshold);
    h.positive = outside(&h.positive, h.schema, threshold);
    h.negative = outside(&h.negative, h.schema, threshold);
}

/// The buckets that begin at or beyond a threshold.
pub(super) fn outside(buckets: &Buckets, schema: i8, threshold: f64) -> Buckets {
    let begins = |index: i64| bound(schema, index - 1);
    side::collect(side::entries(buckets).filter(|(index, _)| begins(*index) >= threshold))
}

/// The bounds that both have.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Arc<[f64]> {
    let is_in_b = |bound: &f64| {
        let at = b.partition_point(|other| other < bound);
        b.get(at) == Some(bound)
    };
    a.iter().copied().filter(is_in_b).collect()
}

/// Gives a custom histogram bounds that are some of its own.
pub(super) fn rebound(h: &mut Histogram, bounds: &Arc<[f64]>) {
    let new = |index: i64| {
        let upper = usize::try_from(index).ok().and_then(|i| h.bounds.get(i));
        upper.map_or(bounds.len(), |upper| {
            bounds.partition_point(|bound| bound < upper)
        }) as i64
    };
    h.positive = side::regroup(&h.positive, new);
    h.bounds = Arc::clone(bounds);
}

//! What can be said of the observations: quantiles, fractions, how far they spread.
//!
//! Within a bucket, observations are taken to lie evenly on a logarithmic scale; in the zero
//! bucket and in custom buckets on a linear one. A zero bucket is taken to hold nothing below
//! zero where there are only buckets above, and the other way round. The first custom bucket
//! begins at zero where it ends above zero; else all of it lies at its end. Observations that
//! are no number are counted and lie in no bucket.

use super::buckets::{Bucket, buckets};
use super::is_custom;
use sonde_proto::Histogram;

/// What observations that are no number do to a quantile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Nan {
    /// The quantile lies among them.
    Result,
    /// They count as larger than all others.
    Skew,
}

/// The `q`-quantile.
pub(crate) fn quantile(h: &Histogram, q: f64) -> (f64, Option<Nan>) {
    if q < 0.0 {
        return (f64::NEG_INFINITY, None);
    }
    if q > 1.0 {
        return (f64::INFINITY, None);
    }
    if h.count == 0.0 || q.is_nan() {
        return (f64::NAN, None);
    }
    let buckets = known_buckets(h);
    // From the nearer end, so that rounding is small.
    let from_below = h.sum.is_nan() || q < 0.5;
    let rank = if from_below { q } else { 1.0 - q } * h.count;
    let found = if from_below {
        reach(buckets.iter(), rank)
    } else {
        reach(buckets.iter().rev(), rank)
    };
    let Some((bucket, passed)) = found else {
        return (f64::NAN, None);
    };
    let reached = passed.min(h.count);
    if reached < rank {
        return if h.sum.is_nan() {
            (f64::NAN, Some(Nan::Result))
        } else {
            (bucket.upper, None)
        };
    }
    let in_buckets: f64 = buckets.iter().map(|b| b.count).sum();
    let skewed = (h.sum.is_nan() && in_buckets < h.count).then_some(Nan::Skew);
    let into = if from_below {
        rank - (reached - bucket.count)
    } else {
        reached - rank
    };
    (value_at(h, bucket, into / bucket.count), skewed)
}

/// The bucket in which so many observations are reached, and how many there are up to its
/// end. Where there are fewer, the last one.
fn reach<'b>(buckets: impl Iterator<Item = &'b Bucket>, rank: f64) -> Option<(&'b Bucket, f64)> {
    let mut passed = 0.0;
    let mut last = None;
    for bucket in buckets {
        passed += bucket.count;
        last = Some((bucket, passed));
        if passed >= rank {
            break;
        }
    }
    last
}

/// The value a part into a bucket.
fn value_at(h: &Histogram, bucket: &Bucket, part: f64) -> f64 {
    if bucket.lower == f64::NEG_INFINITY {
        return bucket.upper;
    }
    if bucket.upper == f64::INFINITY {
        return bucket.lower;
    }
    if is_linear(h, bucket) {
        return bucket.lower + (bucket.upper - bucket.lower) * part;
    }
    let (lower, upper) = (bucket.lower.abs().log2(), bucket.upper.abs().log2());
    if bucket.lower > 0.0 {
        (lower + (upper - lower) * part).exp2()
    } else {
        -(upper + (lower - upper) * (1.0 - part)).exp2()
    }
}

fn is_linear(h: &Histogram, bucket: &Bucket) -> bool {
    is_custom(h) || bucket.touches_zero()
}

/// The buckets with observations, as far as they are known to reach.
fn known_buckets(h: &Histogram) -> Vec<Bucket> {
    let mut all = buckets(h);
    let (negative, positive) = (!h.negative.counts.is_empty(), !h.positive.counts.is_empty());
    for bucket in &mut all {
        if is_custom(h) {
            if bucket.lower == f64::NEG_INFINITY && bucket.upper > 0.0 {
                bucket.lower = 0.0;
            }
        } else if bucket.touches_zero() {
            match (negative, positive) {
                (false, true) => bucket.lower = 0.0,
                (true, false) => bucket.upper = 0.0,
                _ => {}
            }
        }
    }
    all
}

/// The part of the observations between two values, and whether some that are no number lie
/// outside of any two.
pub(crate) fn fraction(h: &Histogram, lower: f64, upper: f64) -> (f64, bool) {
    if h.count == 0.0 || lower.is_nan() || upper.is_nan() {
        return (f64::NAN, false);
    }
    let buckets = known_buckets(h);
    let in_buckets: f64 = buckets.iter().map(|b| b.count).sum();
    let has_nan = h.sum.is_nan() && in_buckets < h.count;
    if lower >= upper {
        return (0.0, has_nan);
    }
    let most = if h.sum.is_nan() { in_buckets } else { h.count };
    let rank = |value: f64| rank(h, &buckets, value).unwrap_or(most).min(most);
    ((rank(upper) - rank(lower)) / h.count, has_nan)
}

/// How many observations lie below a value; `None` where it is beyond all buckets.
fn rank(h: &Histogram, buckets: &[Bucket], value: f64) -> Option<f64> {
    let mut passed = 0.0;
    for bucket in buckets {
        if bucket.lower >= value {
            return Some(passed);
        }
        if bucket.upper > value {
            return Some(passed + bucket.count * part_below(h, bucket, value));
        }
        passed += bucket.count;
    }
    None
}

/// The part of a bucket below a value in it.
pub(super) fn part_below(h: &Histogram, bucket: &Bucket, value: f64) -> f64 {
    if bucket.lower == f64::NEG_INFINITY {
        return 1.0;
    }
    if is_linear(h, bucket) {
        return (value - bucket.lower) / (bucket.upper - bucket.lower);
    }
    let [lower, upper, value_log] = [bucket.lower, bucket.upper, value].map(|v| v.abs().log2());
    if value > 0.0 {
        (value_log - lower) / (upper - lower)
    } else {
        1.0 - (value_log - upper) / (lower - upper)
    }
}

/// The population's variance, with every observation in the middle of its bucket: the
/// arithmetic one of custom buckets, the geometric one of others, and 0 of the zero bucket.
pub(crate) fn variance(h: &Histogram) -> f64 {
    let mean = h.sum / h.count;
    let middle = |bucket: &Bucket| {
        if is_custom(h) {
            f64::midpoint(bucket.lower, bucket.upper)
        } else if bucket.touches_zero() {
            0.0
        } else {
            (bucket.lower * bucket.upper).sqrt().copysign(bucket.upper)
        }
    };
    let squares = |bucket: &Bucket| bucket.count * (middle(bucket) - mean).powi(2);
    buckets(h).iter().map(squares).sum::<f64>() / h.count
}

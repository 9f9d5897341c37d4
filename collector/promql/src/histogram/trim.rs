//! `</` and `>/`: without the observations above or below a value.
//!
//! Of a bucket that the value lies in, as much is kept as quantiles say lies on that side of
//! it. What an open bucket holds is taken to lie at its one end. Where anything went, the sum
//! is that of what is left, with every observation in the middle of what is kept of its bucket.

use super::buckets::{Bucket, bound};
use super::estimate::part_below;
use super::{compact, is_custom};
use sonde_proto::Histogram;

/// Which observations stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    Below,
    Above,
}

/// Removes the observations on the other side of a value.
pub(crate) fn trim(h: &mut Histogram, keep: Keep, at: f64) {
    let cut = Cut { keep, at };
    let mut left = Left::default();
    let whole = h.clone();
    if is_custom(h) {
        let indexes = whole.positive.indexes();
        for (index, count) in indexes.zip(&mut h.positive.counts) {
            left.take(&whole, custom(&whole, index, *count), cut, count);
        }
    } else {
        let indexes = whole.negative.indexes();
        for (index, count) in indexes.zip(&mut h.negative.counts) {
            let above = exponential(&whole, index, *count);
            let bucket = Bucket {
                lower: -above.upper,
                upper: -above.lower,
                ..above
            };
            left.take(&whole, bucket, cut, count);
        }
        left.take(&whole, zero(&whole), cut, &mut h.zero_count);
        let indexes = whole.positive.indexes();
        for (index, count) in indexes.zip(&mut h.positive.counts) {
            left.take(&whole, exponential(&whole, index, *count), cut, count);
        }
    }
    if left.is_less {
        (h.count, h.sum) = (left.count, left.sum);
        compact(h);
    }
}

#[derive(Clone, Copy)]
struct Cut {
    keep: Keep,
    at: f64,
}

/// What is left of all buckets so far.
#[derive(Default)]
struct Left {
    count: f64,
    sum: f64,
    is_less: bool,
}

impl Left {
    fn take(&mut self, h: &Histogram, bucket: Bucket, cut: Cut, count: &mut f64) {
        if bucket.count == 0.0 {
            return;
        }
        let (part, lower, upper) = kept(h, &bucket, cut);
        *count = bucket.count * part;
        self.is_less |= part < 1.0;
        if *count != 0.0 {
            self.count += *count;
            self.sum += *count * middle(h, lower, upper);
        }
    }
}

/// The part of a bucket that is kept, and from where to where it reaches.
fn kept(h: &Histogram, bucket: &Bucket, cut: Cut) -> (f64, f64, f64) {
    let &Bucket { lower, upper, .. } = bucket;
    let (all, none) = ((1.0, lower, upper), (0.0, lower, upper));
    let is_open = lower == f64::NEG_INFINITY || upper == f64::INFINITY;
    let end = if lower == f64::NEG_INFINITY {
        upper
    } else {
        lower
    };
    let at = cut.at;
    match cut.keep {
        Keep::Below if upper <= at || (is_open && end <= at) => all,
        Keep::Below if lower < at && !is_open => (part_below(h, bucket, at), lower, at),
        Keep::Above if lower >= at || (is_open && end >= at) => all,
        Keep::Above if upper > at && !is_open => (1.0 - part_below(h, bucket, at), at, upper),
        _ => none,
    }
}

/// Where observations between two values are taken to lie.
fn middle(h: &Histogram, lower: f64, upper: f64) -> f64 {
    if lower == f64::NEG_INFINITY {
        upper
    } else if upper == f64::INFINITY {
        lower
    } else if is_custom(h) || (lower <= 0.0 && upper >= 0.0) {
        f64::midpoint(lower, upper)
    } else {
        (lower * upper).sqrt().copysign(upper)
    }
}

fn exponential(h: &Histogram, index: i64, count: f64) -> Bucket {
    Bucket {
        lower: bound(h.schema, index - 1).max(h.zero_threshold),
        upper: bound(h.schema, index),
        has_lower: false,
        has_upper: true,
        count,
    }
}

/// As far as it is known to reach: not below zero where there are only buckets above.
fn zero(h: &Histogram) -> Bucket {
    let (negative, positive) = (!h.negative.counts.is_empty(), !h.positive.counts.is_empty());
    Bucket {
        lower: if positive && !negative {
            0.0
        } else {
            -h.zero_threshold
        },
        upper: if negative && !positive {
            0.0
        } else {
            h.zero_threshold
        },
        has_lower: true,
        has_upper: true,
        count: h.zero_count,
    }
}

/// The first one begins at zero where it ends above.
fn custom(h: &Histogram, index: i64, count: f64) -> Bucket {
    let bound = |index: i64| {
        let at = usize::try_from(index).ok();
        at.map(|at| h.bounds.get(at).copied().unwrap_or(f64::INFINITY))
    };
    let upper = bound(index).unwrap_or(f64::INFINITY);
    let first = if upper > 0.0 && upper.is_finite() {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    Bucket {
        lower: bound(index - 1).unwrap_or(first),
        upper,
        has_lower: index == 0,
        has_upper: true,
        count,
    }
}

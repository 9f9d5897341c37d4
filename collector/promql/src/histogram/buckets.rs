//! Where buckets begin and end.

use super::{is_custom, side};
use sonde_proto::Histogram;

/// The exponent above which a number is too large: the bucket that would end there holds
/// the largest numbers there are.
const EXPONENT_MAX: i64 = 1024;

/// A bucket.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    /// Where it begins.
    pub lower: f64,
    /// Where it ends.
    pub upper: f64,
    /// Whether `lower` is in it.
    pub has_lower: bool,
    /// Whether `upper` is in it.
    pub has_upper: bool,
    /// How many observations are in it.
    pub count: f64,
}

impl Bucket {
    /// The number by which Prometheus' API says which bounds are in a bucket.
    #[must_use]
    pub fn rule(&self) -> u8 {
        match (self.has_lower, self.has_upper) {
            (false, true) => 0,
            (true, false) => 1,
            (false, false) => 2,
            (true, true) => 3,
        }
    }

    /// Whether zero is in it or at its edge.
    pub(super) fn touches_zero(&self) -> bool {
        self.lower <= 0.0 && self.upper >= 0.0
    }
}

/// The end of an exponential bucket above zero.
pub(super) fn bound(schema: i8, index: i64) -> f64 {
    let (whole, part) = if schema > 0 {
        let mask = (1_i64 << schema) - 1;
        let part = (index & mask) as f64 / (mask + 1) as f64;
        (index >> schema, part)
    } else {
        (index << -schema, 0.0)
    };
    if whole == EXPONENT_MAX && part == 0.0 {
        return f64::MAX;
    }
    part.exp2() * (whole as f64).exp2()
}

/// All buckets with observations, lowest first.
#[must_use]
pub fn buckets(histogram: &Histogram) -> Vec<Bucket> {
    let mut all = all_buckets(histogram);
    all.retain(|bucket| bucket.count != 0.0);
    all
}

fn all_buckets(h: &Histogram) -> Vec<Bucket> {
    if is_custom(h) {
        return side::entries(&h.positive)
            .map(|(index, count)| custom(&h.bounds, index, count))
            .collect();
    }
    let room = h.negative.counts.len() + h.positive.counts.len() + 1;
    let mut all = Vec::with_capacity(room);
    let of_side = |(index, count): (i64, f64)| Bucket {
        lower: bound(h.schema, index - 1).max(h.zero_threshold),
        upper: bound(h.schema, index),
        has_lower: false,
        has_upper: true,
        count,
    };
    all.extend(side::entries(&h.negative).map(of_side).map(mirrored));
    all.reverse();
    all.push(zero(h));
    all.extend(side::entries(&h.positive).map(of_side));
    all
}

fn mirrored(bucket: Bucket) -> Bucket {
    Bucket {
        lower: -bucket.upper,
        upper: -bucket.lower,
        has_lower: bucket.has_upper,
        has_upper: bucket.has_lower,
        count: bucket.count,
    }
}

fn zero(h: &Histogram) -> Bucket {
    Bucket {
        lower: -h.zero_threshold,
        upper: h.zero_threshold,
        has_lower: true,
        has_upper: true,
        count: h.zero_count,
    }
}

fn custom(bounds: &[f64], index: i64, count: f64) -> Bucket {
    let bound = |index: i64| {
        usize::try_from(index).map_or(f64::NEG_INFINITY, |index| {
            bounds.get(index).copied().unwrap_or(f64::INFINITY)
        })
    };
    Bucket {
        lower: bound(index - 1),
        upper: bound(index),
        has_lower: index == 0,
        has_upper: true,
        count,
    }
}

//! Quantiles of classic histograms.

use super::{Function, Shape, shaped};
use crate::promql::ast::Type;

pub(crate) const TABLE: &[Function] = &[shaped(
    "histogram_quantile",
    Type::Vector,
    &[Type::Scalar, Type::Vector],
    Shape::HistogramQuantile,
)];

/// Differences this small, relative to the counts, are rounding and not observations.
const ROUNDING: f64 = 1e-12;

/// An upper bound and how many observations are at or below it.
pub(crate) type Bucket = (f64, f64);

/// The `q`-quantile of buckets sorted by their bounds, assuming that observations are spread
/// evenly within a bucket.
pub(crate) fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if buckets
        .last()
        .is_none_or(|(bound, _)| *bound != f64::INFINITY)
    {
        return f64::NAN;
    }
    merge_equal_bounds(buckets);
    make_monotonic(buckets);
    let last = buckets.len() - 1;
    let observations = buckets[last].1;
    if last == 0 || observations == 0.0 || observations.is_nan() {
        return f64::NAN;
    }
    let rank = q * observations;
    let at = buckets[..last]
        .iter()
        .position(|(_, count)| *count >= rank)
        .unwrap_or(last);
    let (bound, count) = buckets[at];
    match at {
        _ if at == last => buckets[last - 1].0,
        0 if bound <= 0.0 => bound,
        0 => bound * (rank / count),
        _ => {
            let (below, before) = buckets[at - 1];
            below + (bound - below) * ((rank - before) / (count - before))
        }
    }
}

fn merge_equal_bounds(buckets: &mut Vec<Bucket>) {
    buckets.dedup_by(|later, earlier| {
        let same = later.0 == earlier.0;
        if same {
            earlier.1 += later.1;
        }
        same
    });
}

/// Counts may fall between bounds where series were scraped or rated apart.
fn make_monotonic(buckets: &mut [Bucket]) {
    let mut before = buckets.first().map_or(0.0, |(_, count)| *count);
    for (_, count) in buckets.iter_mut().skip(1) {
        let close = (*count - before).abs() <= ROUNDING * (count.abs() + before.abs());
        if close || *count < before {
            *count = before;
        }
        before = *count;
    }
}

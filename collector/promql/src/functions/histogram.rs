//! Quantiles and fractions of classic histograms.

use super::{Function, Kind, PLAIN, Shape, shaped};
use crate::ast::Type;
use crate::histogram::variance;
use sonde_proto::Histogram;

pub(crate) const TABLE: &[Function] = &[
    shaped(
        "histogram_quantile",
        Type::Vector,
        &[Type::Scalar, Type::Vector],
        Shape::HistogramQuantile,
    ),
    Function {
        repeats: 9,
        experimental: true,
        ..shaped(
            "histogram_quantiles",
            Type::Vector,
            &[Type::Vector, Type::String, Type::Scalar],
            Shape::HistogramQuantiles,
        )
    },
    shaped(
        "histogram_fraction",
        Type::Vector,
        &[Type::Scalar, Type::Scalar, Type::Vector],
        Shape::HistogramFraction,
    ),
    of_histograms("histogram_avg", |h| h.sum / h.count),
    of_histograms("histogram_count", |h| h.count),
    of_histograms("histogram_sum", |h| h.sum),
    of_histograms("histogram_stddev", |h| variance(h).sqrt()),
    of_histograms("histogram_stdvar", variance),
];

/// Of each native histogram; floats have no part in it.
const fn of_histograms(name: &'static str, apply: fn(&Histogram) -> f64) -> Function {
    Function {
        name,
        args: &[Type::Vector],
        kind: Kind::Histogram(apply),
        ..PLAIN
    }
}

/// Differences this small, relative to the counts, are rounding and not observations.
const ROUNDING: f64 = 1e-12;

/// An upper bound and how many observations are at or below it.
pub(crate) type Bucket = (f64, f64);

/// The `q`-quantile of buckets sorted by their bounds, assuming that observations are spread
/// evenly within a bucket.
/// Says too whether the counts had to be made rise with the bounds.
pub(crate) fn quantile(q: f64, buckets: &mut Vec<Bucket>) -> (f64, Option<Forced>) {
    let mut forced = None;
    let value = fixed_quantile(q, buckets, &mut forced);
    (value, forced)
}

/// What had to be changed so that counts rise with the bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Forced {
    /// The lowest bound of a bucket that was changed,
    pub(crate) from: f64,
    /// and the highest.
    pub(crate) to: f64,
    /// How much was missing at most.
    pub(crate) most: f64,
}

impl Forced {
    /// Both together.
    pub(crate) fn and(self, other: Self) -> Self {
        Self {
            from: self.from.min(other.from),
            to: self.to.max(other.to),
            most: self.most.max(other.most),
        }
    }
}

fn fixed_quantile(q: f64, buckets: &mut Vec<Bucket>, forced: &mut Option<Forced>) -> f64 {
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
    *forced = make_monotonic(buckets);
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

/// The part of the observations that lie between two bounds, with the same assumption.
pub(crate) fn fraction(lower: f64, upper: f64, buckets: &mut Vec<Bucket>) -> f64 {
    let is_whole = buckets
        .last()
        .is_some_and(|(bound, _)| *bound == f64::INFINITY);
    if !is_whole || lower.is_nan() || upper.is_nan() {
        return f64::NAN;
    }
    merge_equal_bounds(buckets);
    let observations = buckets[buckets.len() - 1].1;
    if observations == 0.0 || observations.is_nan() {
        return f64::NAN;
    }
    if lower >= upper {
        return 0.0;
    }
    let at = |value: f64| rank(value, buckets).min(observations);
    (at(upper) - at(lower)) / observations
}

/// How many observations are at or below a value. The lowest bucket begins at 0 where it ends
/// above; where it does not, nothing is known of where in it an observation lies, and all of
/// them count.
fn rank(value: f64, buckets: &[Bucket]) -> f64 {
    let begin = if buckets[0].0 > 0.0 {
        0.0
    } else {
        f64::NEG_INFINITY
    };
    let (mut below, mut before) = (begin, 0.0);
    for (bound, count) in buckets {
        if below >= value {
            return before;
        }
        if *bound > value {
            return if below == f64::NEG_INFINITY {
                *count
            } else {
                before + (count - before) * (value - below) / (bound - below)
            };
        }
        (below, before) = (*bound, *count);
    }
    before
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

/// Counts may fall between bounds where series were scraped or rated apart. Says whether
/// any did by more than rounding.
fn make_monotonic(buckets: &mut [Bucket]) -> Option<Forced> {
    let mut forced: Option<Forced> = None;
    let mut before = buckets.first().map_or(0.0, |(_, count)| *count);
    for (bound, count) in buckets.iter_mut().skip(1) {
        let close = (*count - before).abs() <= ROUNDING * (count.abs() + before.abs());
        if close || *count < before {
            if !close {
                let here = Forced {
                    from: *bound,
                    to: *bound,
                    most: before - *count,
                };
                forced = Some(forced.map_or(here, |forced| forced.and(here)));
            }
            *count = before;
        }
        before = *count;
    }
    forced
}

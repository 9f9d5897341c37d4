//! Sums and differences of histograms, and histograms times a number.

use super::layout::{common_bounds, rebound, reduce, widen_zero};
use super::{is_custom, side};
use sonde_proto::{Histogram, ResetHint};
use std::borrow::Cow;

/// One histogram is exponential and the other custom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unlike;

/// What is worth knowing of a sum or difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Combined {
    /// Custom bounds were not the same: those in common are left.
    pub(crate) other_bounds: bool,
    /// One was said to come after a reset, the other not.
    pub(crate) hints_collide: bool,
}

/// Adds a histogram to another.
pub(crate) fn add(to: &mut Histogram, other: &Histogram) -> Result<Combined, Unlike> {
    combine(to, other, 1.0)
}

/// Subtracts a histogram from another.
pub(crate) fn subtract(from: &mut Histogram, other: &Histogram) -> Result<Combined, Unlike> {
    combine(from, other, -1.0)
}

fn combine(to: &mut Histogram, other: &Histogram, sign: f64) -> Result<Combined, Unlike> {
    let mut other = Cow::Borrowed(other);
    let other_bounds = align(to, &mut other)?;
    to.zero_count += sign * other.zero_count;
    to.count += sign * other.count;
    to.sum += sign * other.sum;
    side::merge(&mut to.positive, &other.positive, sign);
    side::merge(&mut to.negative, &other.negative, sign);
    Ok(Combined {
        other_bounds,
        hints_collide: join_hints(to, other.hint),
    })
}

/// Gives both the buckets that both can have. Says whether custom bounds were not the same.
pub(super) fn align(to: &mut Histogram, other: &mut Cow<'_, Histogram>) -> Result<bool, Unlike> {
    if is_custom(to) != is_custom(other) {
        return Err(Unlike);
    }
    let other_bounds = to.bounds != other.bounds;
    if other_bounds {
        let common = common_bounds(&to.bounds, &other.bounds);
        rebound(to, &common);
        rebound(other.to_mut(), &common);
    }
    same_zero(to, other);
    if other.schema > to.schema {
        reduce(other.to_mut(), to.schema);
    }
    reduce(to, other.schema);
    Ok(other_bounds)
}

/// Widens the narrower zero bucket until both are the same.
fn same_zero(to: &mut Histogram, other: &mut Cow<'_, Histogram>) {
    while to.zero_threshold < other.zero_threshold || other.zero_threshold < to.zero_threshold {
        if to.zero_threshold < other.zero_threshold {
            widen_zero(to, other.zero_threshold);
        } else {
            widen_zero(other.to_mut(), to.zero_threshold);
        }
    }
}

/// A gauge stays one; what is unknown of one is unknown of both. Says whether the hints
/// contradict each other.
pub(super) fn join_hints(to: &mut Histogram, other: ResetHint) -> bool {
    use ResetHint::{Gauge, Unknown};
    let (joined, collide) = match (to.hint, other) {
        (a, b) if a == b => (a, false),
        (Gauge, _) | (_, Gauge) => (Gauge, false),
        (Unknown, _) | (_, Unknown) => (Unknown, false),
        _ => (Unknown, true),
    };
    to.hint = joined;
    collide
}

/// All counts and the sum times a number. Less than nothing of something is no counter.
pub(crate) fn scale(h: &mut Histogram, by: f64) {
    each(h, |value| *value *= by);
    if by < 0.0 {
        h.hint = ResetHint::Gauge;
    }
}

/// All counts and the sum divided by a number; nothing is left of the buckets where it is 0.
pub(crate) fn divide(h: &mut Histogram, by: f64) {
    each(h, |value| *value /= by);
    if by == 0.0 {
        h.positive = Default::default();
        h.negative = Default::default();
    }
    if by < 0.0 {
        h.hint = ResetHint::Gauge;
    }
}

fn each(h: &mut Histogram, change: impl Fn(&mut f64)) {
    [&mut h.zero_count, &mut h.count, &mut h.sum]
        .into_iter()
        .for_each(&change);
    h.positive.counts.iter_mut().for_each(&change);
    h.negative.counts.iter_mut().for_each(&change);
}

/// Whether both hold the same; not whether both come from a counter, or how empty buckets
/// are written down. A sum that is no number equals another.
pub(crate) fn equal(a: &Histogram, b: &Histogram) -> bool {
    let same = |x: f64, y: f64| x == y || (x.is_nan() && y.is_nan());
    let sides = [(&a.positive, &b.positive), (&a.negative, &b.negative)];
    let held = |side| side::entries(side).filter(|(_, count): &(i64, f64)| *count != 0.0);
    a.schema == b.schema
        && a.bounds == b.bounds
        && same(a.count, b.count)
        && same(a.sum, b.sum)
        && a.zero_threshold == b.zero_threshold
        && same(a.zero_count, b.zero_count)
        && sides.into_iter().all(|(a, b)| held(a).eq(held(b)))
}

//! Functions that need all values of a window: `rate_counter` and `quantile_over_time`.

use sonde_proto::UnixNanos;

/// By how much a counter grew per second: each fall counts as a start from zero. The increase
/// is stretched to the window as Prometheus does it, except for the times' units, which are
/// those of Loki's `extrapolatedRate`: it reads nanoseconds as milliseconds, so that almost
/// nothing is stretched, and dashboards expect the numbers that come of it.
pub(crate) fn rate(values: &[(UnixNanos, f64)], range: i64, seconds: f64) -> f64 {
    let [(first_time, first), .., (last_time, last)] = values else {
        return 0.0;
    };
    let mut increase = last - first;
    let mut before = 0.0;
    for (_, value) in values {
        if *value < before {
            increase += before;
        }
        before = *value;
    }
    let sampled = (last_time.0 - first_time.0) as f64 / 1e3;
    let between = sampled / (values.len() - 1) as f64;
    let mut to_start = (range / 1_000_000) as f64 / 1e3;
    if increase > 0.0 && *first >= 0.0 {
        // A counter was never below zero.
        to_start = to_start.min(sampled * (first / increase));
    }
    let threshold = between * 1.1;
    let ahead = if to_start < threshold {
        to_start
    } else {
        between / 2.0
    };
    // The last value is taken for the end of the window.
    let behind = if 0.0 < threshold { 0.0 } else { between / 2.0 };
    increase * ((sampled + ahead + behind) / sampled) / seconds
}

/// The quantile, between two values in proportion; a NaN is the least value.
pub(crate) fn quantile(q: f64, values: &mut [(UnixNanos, f64)]) -> f64 {
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    let order = |a: f64, b: f64| {
        a.partial_cmp(&b)
            .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    };
    let rank = q * (values.len() - 1) as f64;
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and the number of values"
    )]
    let at = rank.floor() as usize;
    let weight = rank - rank.floor();
    let (_, lower, rest) = values.select_nth_unstable_by(at, |a, b| order(a.1, b.1));
    let lower = lower.1;
    let upper = rest
        .iter()
        .map(|(_, value)| *value)
        .min_by(|a, b| order(*a, *b))
        .unwrap_or(lower);
    lower * (1.0 - weight) + upper * weight
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(values: &[f64]) -> Vec<(UnixNanos, f64)> {
        let timed = |(at, value): (usize, &f64)| (UnixNanos::from_secs(10 * at as u64), *value);
        values.iter().enumerate().map(timed).collect()
    }

    #[test]
    fn a_quantile_lies_between_values() {
        let check = |q, values: &[f64], expected: f64| {
            assert_eq!(quantile(q, &mut at(values)), expected, "{q} {values:?}");
        };
        check(0.5, &[3.0, 1.0, 2.0], 2.0);
        check(0.5, &[4.0, 1.0, 3.0, 2.0], 2.5);
        check(0.0, &[4.0, 1.0], 1.0);
        check(1.0, &[4.0, 1.0], 4.0);
        check(-1.0, &[4.0], f64::NEG_INFINITY);
        check(1.5, &[4.0], f64::INFINITY);
        check(1.0, &[f64::NAN, 7.0, 1.0], 7.0);
        assert!(quantile(0.0, &mut at(&[7.0, f64::NAN])).is_nan());
    }

    #[test]
    fn a_counter_that_falls_starts_again() {
        let range = 60_000_000_000;
        let check = |values: &[f64], expected: f64| {
            let found = rate(&at(values), range, 60.0);
            assert!((found - expected).abs() < 1e-5, "{values:?} {found}");
        };
        check(&[5.0], 0.0);
        check(&[10.0, 40.0, 70.0], 1.0);
        check(&[10.0, 40.0, 0.0, 30.0], 1.0);
    }
}

//! `…_over_time`: one number for the values of a range.

use super::native::{self, Native};
use super::{Function, Kind, PLAIN, Sum, Window, window, window_of_both};
use crate::ast::Type;

pub(crate) const TABLE: &[Function] = &[
    window_of_both("avg_over_time", |w| Some(mean_of_all(w)), native::AVG),
    window("min_over_time", |w| Some(least(w.values))),
    window("max_over_time", |w| Some(most(w.values))),
    window_of_both(
        "sum_over_time",
        |w| Some(sum(w.values) + w.dropped.sum),
        native::SUM,
    ),
    window_of_both(
        "count_over_time",
        |w| Some((w.values.len() as f64 + w.dropped.count).round()),
        native::COUNT,
    ),
    window_of_both("present_over_time", |_| Some(1.0), native::PRESENT),
    window("stddev_over_time", |w| Some(variance(w.values).sqrt())),
    window("stdvar_over_time", |w| Some(variance(w.values))),
    experimental("mad_over_time", |w| Some(median_deviation(w.values))),
    experimental("ts_of_min_over_time", |w| time_of(w, |v, least| v <= least)),
    experimental("ts_of_max_over_time", |w| time_of(w, |v, most| v >= most)),
    Function {
        experimental: true,
        ..window_of_both(
            "ts_of_first_over_time",
            |w| seconds(w.times.first()),
            native::TIME_OF_FIRST,
        )
    },
    Function {
        experimental: true,
        ..window_of_both(
            "ts_of_last_over_time",
            |w| seconds(w.times.last()),
            native::TIME_OF_LAST,
        )
    },
    named("last_over_time", |w| w.values.last().copied(), native::LAST),
    named(
        "first_over_time",
        |w| w.values.first().copied(),
        native::FIRST,
    ),
    Function {
        name: "quantile_over_time",
        args: &[Type::Scalar, Type::Matrix],
        kind: Kind::Window {
            apply: |w| Some(quantile(w.param(0, f64::NAN), &mut w.values.to_vec())),
            native: Native::Ignored,
            keeps_name: false,
        },
        ..PLAIN
    },
];

const fn experimental(name: &'static str, apply: fn(&Window<'_>) -> Option<f64>) -> Function {
    Function {
        experimental: true,
        ..window(name, apply)
    }
}

/// A function that gives a sample as it is keeps the metric's name.
const fn named(
    name: &'static str,
    apply: fn(&Window<'_>) -> Option<f64>,
    native: Native,
) -> Function {
    Function {
        kind: Kind::Window {
            apply,
            native,
            keeps_name: true,
        },
        ..window(name, apply)
    }
}

fn sum(values: &[f64]) -> f64 {
    let mut sum = Sum::default();
    values.iter().for_each(|value| sum.add(*value));
    sum.value()
}

/// The mean of the samples of a range, and of what was dropped of it.
fn mean_of_all(w: &Window<'_>) -> f64 {
    if w.dropped.count == 0.0 {
        return mean(w.values);
    }
    (sum(w.values) + w.dropped.sum) / (w.values.len() as f64 + w.dropped.count)
}

/// The mean, also of values whose sum is too large for a number.
pub(crate) fn mean(values: &[f64]) -> f64 {
    let mean = sum(values) / values.len() as f64;
    if mean.is_infinite() && values.iter().all(|v| v.is_finite()) {
        return sum(&values
            .iter()
            .map(|v| v / values.len() as f64)
            .collect::<Vec<_>>());
    }
    mean
}

fn seconds(millis: Option<&i64>) -> Option<f64> {
    millis.map(|millis| *millis as f64 / 1e3)
}

/// When the best value was there, the last time; a NaN loses against any number.
fn time_of(w: &Window<'_>, is_as_good: fn(f64, f64) -> bool) -> Option<f64> {
    let mut best: Option<(i64, f64)> = None;
    for (time, value) in w.times.iter().zip(w.values) {
        if best.is_none_or(|(_, best)| best.is_nan() || is_as_good(*value, best)) {
            best = Some((*time, *value));
        }
    }
    seconds(best.map(|(time, _)| time).as_ref())
}

/// A NaN loses against any number.
fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::NAN, |least, v| {
        if v < least || least.is_nan() {
            v
        } else {
            least
        }
    })
}

fn most(values: &[f64]) -> f64 {
    values.iter().copied().fold(
        f64::NAN,
        |most, v| if v > most || most.is_nan() { v } else { most },
    )
}

/// The population's variance (Welford).
fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    for (n, value) in values.iter().enumerate() {
        let delta = value - mean.value();
        mean.add(delta / (n + 1) as f64);
        squares.add(delta * (value - mean.value()));
    }
    squares.value() / values.len() as f64
}

fn median_deviation(values: &[f64]) -> f64 {
    let median = quantile(0.5, &mut values.to_vec());
    quantile(
        0.5,
        &mut values
            .iter()
            .map(|v| (v - median).abs())
            .collect::<Vec<_>>(),
    )
}

/// The `q`-quantile, between neighbours by their distance. Sorts the values.
pub(crate) fn quantile(q: f64, values: &mut [f64]) -> f64 {
    if values.is_empty() || q.is_nan() {
        return f64::NAN;
    }
    if q < 0.0 {
        return f64::NEG_INFINITY;
    }
    if q > 1.0 {
        return f64::INFINITY;
    }
    // NaN sorts first, as in Prometheus.
    values.sort_by(|a, b| {
        a.partial_cmp(b)
            .unwrap_or_else(|| b.is_nan().cmp(&a.is_nan()))
    });
    let rank = q * (values.len() - 1) as f64;
    let lower = rank.floor().max(0.0) as usize;
    let upper = (lower + 1).min(values.len() - 1);
    let weight = rank - rank.floor();
    values[lower] * (1.0 - weight) + values[upper] * weight
}

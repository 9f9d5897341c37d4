//! Straight lines through the samples of a range, and smoothing.

use super::native::Native;
use super::{Between, Function, Kind, PLAIN, Sum, Window, counters};
use crate::ast::Type;

pub(crate) const TABLE: &[Function] = &[
    counters::line("deriv", slope, Native::Ignored),
    Function {
        name: "predict_linear",
        between: Between::Line,
        args: &[Type::Matrix, Type::Scalar],
        kind: Kind::Window {
            apply: predict,
            native: Native::Ignored,
            keeps_name: false,
        },
        ..PLAIN
    },
    Function {
        name: "double_exponential_smoothing",
        between: Between::Line,
        args: &[Type::Matrix, Type::Scalar, Type::Scalar],
        experimental: true,
        check: Some(check_factors),
        kind: Kind::Window {
            apply: smooth,
            native: Native::Ignored,
            keeps_name: false,
        },
        ..PLAIN
    },
];

fn slope(w: &Window<'_>) -> Option<f64> {
    line(w, w.times.first().copied()?).map(|(slope, _)| slope)
}

/// Where the line will be some seconds after the time of evaluation.
fn predict(w: &Window<'_>) -> Option<f64> {
    let (slope, now) = line(w, w.now)?;
    Some(slope * w.param(0, 0.0) + now)
}

/// Slope per second, and value at a time, of the line with the least squares.
fn line(w: &Window<'_>, origin: i64) -> Option<(f64, f64)> {
    let first = *w.values.first()?;
    if w.values.len() < 2 {
        return None;
    }
    if w.values.iter().all(|v| *v == first) {
        return Some(if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        });
    }
    let [mut sum_x, mut sum_y, mut sum_xy, mut sum_xx] = [Sum::default(); 4];
    for (time, value) in w.times.iter().zip(w.values) {
        let x = (time - origin) as f64 / 1e3;
        sum_x.add(x);
        sum_y.add(*value);
        sum_xy.add(x * value);
        sum_xx.add(x * x);
    }
    let n = w.values.len() as f64;
    let (x, y) = (sum_x.value(), sum_y.value());
    let covariance = sum_xy.value() - x * y / n;
    let variance = sum_xx.value() - x * x / n;
    let slope = covariance / variance;
    Some((slope, y / n - slope * x / n))
}

/// Both factors lie between 0 and 1 and are neither.
fn check_factors(factors: &[f64]) -> Result<(), String> {
    let names = [("smoothing", "sf"), ("trend", "tf")];
    for (factor, (name, short)) in factors.iter().zip(names) {
        if *factor <= 0.0 || *factor >= 1.0 {
            return Err(format!(
                "invalid {name} factor. Expected: 0 < {short} < 1, got: {factor:.6}"
            ));
        }
    }
    Ok(())
}

/// Level and trend, each smoothed by a factor between 0 and 1.
fn smooth(w: &Window<'_>) -> Option<f64> {
    let (level_factor, trend_factor) = (w.param(0, f64::NAN), w.param(1, f64::NAN));
    let [first, second, ..] = w.values else {
        return None;
    };
    let (mut before, mut level, mut trend) = (*first, *first, second - first);
    for (n, value) in w.values.iter().enumerate().skip(1) {
        if n > 1 {
            trend = trend_factor * (level - before) + (1.0 - trend_factor) * trend;
        }
        let next = level_factor * value + (1.0 - level_factor) * (level + trend);
        (before, level) = (level, next);
    }
    Some(level)
}

//! Functions of each value.

use super::{Function, Kind, Shape, math, shaped};
use crate::ast::Type;

pub(crate) const TABLE: &[Function] = &[
    math("abs", |v, _| v.abs()),
    math("ceil", |v, _| v.ceil()),
    math("floor", |v, _| v.floor()),
    math("exp", |v, _| v.exp()),
    math("ln", |v, _| v.ln()),
    math("log2", |v, _| v.log2()),
    math("log10", |v, _| v.log10()),
    math("sqrt", |v, _| v.sqrt()),
    math("sgn", |v, _| {
        if v > 0.0 {
            1.0
        } else if v < 0.0 {
            -1.0
        } else {
            v
        }
    }),
    math("sin", |v, _| v.sin()),
    math("cos", |v, _| v.cos()),
    math("tan", |v, _| v.tan()),
    math("asin", |v, _| v.asin()),
    math("acos", |v, _| v.acos()),
    math("atan", |v, _| v.atan()),
    math("sinh", |v, _| v.sinh()),
    math("cosh", |v, _| v.cosh()),
    math("tanh", |v, _| v.tanh()),
    math("asinh", |v, _| v.asinh()),
    math("acosh", |v, _| v.acosh()),
    math("atanh", |v, _| v.atanh()),
    math("deg", |v, _| v * 180.0 / std::f64::consts::PI),
    math("rad", |v, _| v * std::f64::consts::PI / 180.0),
    with_scalar("clamp_min", 0, |v, p| {
        larger(p.first().copied().unwrap_or(f64::NAN), v)
    }),
    with_scalar("clamp_max", 0, |v, p| {
        smaller(p.first().copied().unwrap_or(f64::NAN), v)
    }),
    with_scalar("round", 1, |v, p| {
        round(v, p.first().copied().unwrap_or(1.0))
    }),
    shaped(
        "clamp",
        Type::Vector,
        &[Type::Vector, Type::Scalar, Type::Scalar],
        Shape::Clamp,
    ),
    shaped("pi", Type::Scalar, &[], Shape::Pi),
];

const fn with_scalar(
    name: &'static str,
    optional: usize,
    apply: fn(f64, &[f64]) -> f64,
) -> Function {
    Function {
        args: &[Type::Vector, Type::Scalar],
        optional,
        kind: Kind::Math(apply),
        ..math(name, apply)
    }
}

/// The larger of two; NaN if either is.
pub(crate) fn larger(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.max(b)
    }
}

/// The smaller of two; NaN if either is.
pub(crate) fn smaller(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() {
        f64::NAN
    } else {
        a.min(b)
    }
}

/// To the nearest multiple; halves go up. Dividing by the inverse is more exact for decimals.
fn round(value: f64, nearest: f64) -> f64 {
    let inverse = 1.0 / nearest;
    (value * inverse + 0.5).floor() / inverse
}

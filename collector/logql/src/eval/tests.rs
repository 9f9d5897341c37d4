//! The engine against plain loops, and by example.

mod naive;
mod windows;
mod vectors;
mod limits;
mod plans;

use crate::ast::{Expr, MetricExpr};
use crate::eval::{EvalError, EvalLimits, Evaluated, evaluate};
use crate::testing::{VecSource, World};
use crate::value::{Grid, Value};
use sonde_proto::UnixNanos;

fn parsed(text: &str) -> MetricExpr {
    match crate::parse(text) {
        Ok(Expr::Metric(expr)) => expr,
        other => panic!("{text}: {other:?}"),
    }
}

fn seconds(start: u64, end: u64, step: u64) -> Grid {
    let (start, end) = (UnixNanos::from_secs(start), UnixNanos::from_secs(end));
    Grid::range(start, end, step * 1_000_000_000).expect("a grid")
}

fn at(time: u64) -> Grid {
    Grid::instant(UnixNanos::from_secs(time))
}

fn ask(world: &World, text: &str, grid: &Grid) -> Result<Evaluated, EvalError> {
    let source = VecSource::ordered(world);
    evaluate(
        &parsed(text),
        grid,
        &source,
        &EvalLimits::default(),
        &sonde_proto::Deadline::never(),
    )
}

/// A value as text, one series a line.
fn shown(value: &Value) -> String {
    let number = |value: &f64| format!("{value}");
    match value {
        Value::Scalar(value) => number(value),
        Value::Vector(samples) => {
            let line = |s: &crate::value::Sample| format!("{} {}", s.labels, number(&s.value));
            samples.iter().map(line).collect::<Vec<_>>().join("\n")
        }
        Value::Matrix(series) => {
            let line = |s: &crate::value::Series| {
                let point =
                    |(t, v): &(UnixNanos, f64)| format!("{}@{}", number(v), t.0 / 1_000_000_000);
                let points: Vec<_> = s.points.iter().map(point).collect();
                format!("{} {}", s.labels, points.join(" "))
            };
            series.iter().map(line).collect::<Vec<_>>().join("\n")
        }
    }
}

/// Asks and compares; `expected` is one series a line.
fn check(world: &World, text: &str, grid: &Grid, expected: &str) {
    let answer = ask(world, text, grid).unwrap_or_else(|error| panic!("{text}: {error}"));
    let expected: Vec<&str> = expected.lines().map(str::trim).collect();
    assert_eq!(shown(&answer.value), expected.join("\n"), "{text}");
}

fn check_error(world: &World, text: &str, grid: &Grid, expected: &str) {
    let error = ask(world, text, grid).expect_err(text).to_string();
    assert!(error.contains(expected), "{text}: {error}");
}

//! Queries for numbers.

use crate::source::Scattered;
use crate::{Outcome, ask, case, cases, parsed};
use sonde_logql::ast::Expr;
use sonde_logql::eval::{EvalError, EvalLimits, evaluate};
use sonde_logql::{Grid, Value};
use sonde_logql_oracle::{Errors, Key, Refused, Table, World, query, text};
use sonde_proto::{Deadline, Labels, UnixNanos};
use std::collections::BTreeMap;

#[test]
fn numbers_are_those_of_the_oracle() {
    ask(cases(3000), |seed| {
        let (world, mut rng) = case(seed);
        let grid = query::grid(&mut rng, &world);
        let expr = query::metric(&mut rng, &world, grid.step == 0);
        let query = text::metric(&mut rng, &expr);
        let shown = format!(
            "{query}\nfrom {} to {} by {}",
            grid.start.0, grid.end.0, grid.step
        );
        let expected = |errors| sonde_logql_oracle::evaluate(&world, &expr, grid, errors);
        let got = answer(&world, &query, grid, seed);
        let outcome = match (expected(Errors::Refuse), got) {
            (Err(Refused::Undefined(_)), _) => Outcome::Undefined,
            (_, Err(Failure::Text(how))) => Outcome::Differs(how),
            (Err(_), Err(Failure::Eval(EvalError::Pipeline(_) | EvalError::Series(_)))) => {
                Outcome::Refused
            }
            (Err(Refused::Pipeline(error)), Ok(got)) => match expected(Errors::Ignore) {
                Ok(expected) => match compare(&expected, &got) {
                    Ok(()) => Outcome::Lenient,
                    Err(how) => Outcome::Differs(format!("not refused for {error}, and {how}")),
                },
                Err(refused) => Outcome::Differs(format!("not refused for {error}: {refused:?}")),
            },
            (Err(refused), Ok(_)) => Outcome::Differs(format!("not refused: {refused:?}")),
            (_, Err(Failure::Eval(error))) => Outcome::Differs(format!("refused: {error}")),
            (Ok(expected), Ok(got)) => match compare(&expected, &got) {
                Err(how) => Outcome::Differs(how),
                Ok(()) if expected.is_empty() => Outcome::Empty,
                Ok(()) => Outcome::Same,
            },
        };
        (shown, outcome)
    });
}

#[test]
fn a_wrong_number_is_noticed() {
    let at = UnixNanos(1);
    let key = Key::from([("a".to_owned(), "1".to_owned())]);
    let expected = Table {
        steps: vec![(at, vec![(key, 2.0)])],
        is_scalar: false,
        is_sorted: false,
        has_ties: false,
        scale: 2.0,
    };
    let series = |name: &str, value| {
        let labels: Labels = [(name, "1")].into_iter().collect();
        let points = vec![(at, value)];
        Value::Matrix(vec![sonde_logql::Series { labels, points }])
    };
    assert_eq!(compare(&expected, &series("a", 2.0 + 1e-12)), Ok(()));
    assert!(compare(&expected, &series("a", 2.0 + 1e-6)).is_err());
    assert!(compare(&expected, &series("b", 2.0)).is_err());
    assert!(compare(&expected, &Value::Matrix(Vec::new())).is_err());
}

enum Failure {
    Text(String),
    Eval(EvalError),
}

fn answer(
    world: &World,
    text: &str,
    grid: sonde_logql_oracle::Grid,
    seed: u64,
) -> Result<Value, Failure> {
    let Expr::Metric(expr) = parsed(text, seed).map_err(Failure::Text)? else {
        return Err(Failure::Text("parsed as a log query".into()));
    };
    let times = if grid.step == 0 {
        Grid::instant(grid.start)
    } else {
        Grid::range(grid.start, grid.end, grid.step).expect("a grid of the generator")
    };
    let source = Scattered::new(world, seed);
    match evaluate(
        &expr,
        &times,
        &source,
        &EvalLimits::default(),
        &Deadline::never(),
    ) {
        Ok(evaluated) => Ok(evaluated.value),
        Err(error) => Err(Failure::Eval(error)),
    }
}

fn key(labels: &Labels) -> Key {
    labels
        .iter()
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect()
}

/// Whether a value is the oracle's table.
fn compare(expected: &Table, got: &Value) -> Result<(), String> {
    let mut steps: BTreeMap<UnixNanos, Vec<(Key, f64)>> = expected
        .steps
        .iter()
        .map(|(time, _)| (*time, Vec::new()))
        .collect();
    match got {
        Value::Scalar(n) => {
            let first = expected.steps[0].0;
            if !expected.is_scalar {
                return Err("a number instead of series".into());
            }
            steps.entry(first).or_default().push((Key::new(), *n));
        }
        Value::Vector(samples) => {
            let first = expected.steps[0].0;
            let all = samples.iter().map(|s| (key(&s.labels), s.value));
            steps.entry(first).or_default().extend(all);
        }
        Value::Matrix(series) => {
            if !series.is_sorted_by(|a, b| key(&a.labels) < key(&b.labels)) {
                return Err(
                    "series are not in the order of their labels, or one comes twice".into(),
                );
            }
            for one in series {
                if one.points.is_empty() || !one.points.is_sorted_by(|a, b| a.0 < b.0) {
                    return Err(format!("points of {} are none or not in order", one.labels));
                }
                for (time, value) in &one.points {
                    let Some(step) = steps.get_mut(time) else {
                        return Err(format!(
                            "a point at {}, which is no time of the grid",
                            time.0
                        ));
                    };
                    step.push((key(&one.labels), *value));
                }
            }
        }
    }
    for (time, vector) in &expected.steps {
        let got = &steps[time];
        at_one_time(expected, vector, got).map_err(|how| {
            format!(
                "at {}: {how}\nexpected {vector:?}\ngot      {got:?}",
                time.0
            )
        })?;
    }
    Ok(())
}

fn at_one_time(table: &Table, expected: &[(Key, f64)], got: &[(Key, f64)]) -> Result<(), String> {
    if expected.len() != got.len() {
        return Err(format!(
            "{} series instead of {}",
            got.len(),
            expected.len()
        ));
    }
    let is_close = |a: f64, b: f64| {
        let near = (a - b).abs() <= 1e-9 * a.abs().max(b.abs()) + 1e-12 * table.scale;
        a == b || a.is_nan() && b.is_nan() || near
    };
    if table.is_sorted {
        let pairs = expected.iter().zip(got);
        for ((_, expected), (_, got)) in pairs {
            if !is_close(*expected, *got) {
                return Err(format!("{got} stands where {expected} should"));
            }
        }
    }
    let mut left = expected.to_vec();
    for (key, value) in got {
        let same = |(other, expected): &(Key, f64)| {
            (table.has_ties || other == key) && is_close(*expected, *value)
        };
        let Some(at) = left.iter().position(same) else {
            return Err(format!("{key:?} has {value}"));
        };
        left.remove(at);
    }
    Ok(())
}

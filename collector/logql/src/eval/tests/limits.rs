//! What is too much is refused, with what to ask instead.

use super::{at, parsed, seconds};
use crate::eval::{EvalError, EvalLimits, evaluate};
use crate::testing::{VecSource, World};
use crate::value::Grid;
use sonde_proto::Deadline;
use std::time::Duration;

fn world() -> World {
    let mut world = World::with_streams(&[&[("app", "a")]]);
    for second in 0..200 {
        let id = second.to_string();
        world.push(0, second, "line", &[("id", &id), ("v", "1")]);
    }
    world
}

fn error(limits: &EvalLimits, query: &str, grid: &Grid) -> EvalError {
    let world = world();
    let source = VecSource {
        world: &world,
        seed: 1,
        sinks: 2,
        is_ordered: false,
    };
    evaluate(
        &parsed(query),
        grid,
        &source,
        limits,
        &sonde_proto::Deadline::never(),
    )
    .expect_err(query)
}

#[test]
fn each_limit_says_what_to_ask_instead() {
    let check = |limits: &EvalLimits, query: &str, expected: &str| {
        let error = error(limits, query, &seconds(0, 200, 1));
        assert!(matches!(error, EvalError::TooMuch(_)), "{query}: {error:?}");
        let message = error.to_string();
        assert!(
            message.contains(expected) && message.contains(';'),
            "{query}: {message}"
        );
    };
    let all = EvalLimits::default();
    let count = "count_over_time({}[1m])";
    check(
        &EvalLimits {
            series_max: 10,
            ..all.clone()
        },
        count,
        "more than 10 series",
    );
    check(
        &EvalLimits {
            steps_max: 100,
            ..all.clone()
        },
        count,
        "201 times, more than 100",
    );
    check(
        &EvalLimits {
            state_bytes_max: 10_000,
            ..all.clone()
        },
        count,
        "for its counts",
    );
    check(
        &EvalLimits {
            label_bytes_max: 1000,
            ..all.clone()
        },
        count,
        "bytes of labels",
    );
    check(
        &EvalLimits {
            result_bytes_max: 10_000,
            ..all.clone()
        },
        count,
        "results need more",
    );
    let quantile = "quantile_over_time(0.5, {} | unwrap v [1m]) by (app)";
    check(
        &EvalLimits {
            values_max: 50,
            ..all.clone()
        },
        quantile,
        "more than 50 single values",
    );
    let counter = "rate_counter({} | unwrap v [1m])";
    check(
        &EvalLimits {
            values_max: 50,
            ..all.clone()
        },
        counter,
        "more than 50 single values",
    );
    let distinct = "count_over_time({} | distinct id [1m])";
    check(
        &EvalLimits {
            state_bytes_max: 10_000,
            ..all.clone()
        },
        distinct,
        "in order",
    );
    let replace = format!(
        "label_replace(sum(count_over_time({{}}[1m])), \"a\", \"{}\", \"\", \"\")",
        "x".repeat(100_000)
    );
    check(&all, &replace, "a shorter replacement");
    let pairs = "sum(count_over_time({}[1m])) or sum(count_over_time({}[2m])) or vector(1)";
    check(
        &EvalLimits {
            result_bytes_max: 4000,
            ..all
        },
        pairs,
        "results need more",
    );
}

#[test]
fn few_groups_of_many_series_fit() {
    let limits = EvalLimits {
        series_max: 1,
        ..EvalLimits::default()
    };
    let world = world();
    let source = VecSource {
        world: &world,
        seed: 1,
        sinks: 2,
        is_ordered: false,
    };
    let query = parsed("sum by (app) (count_over_time({}[10s]))");
    assert!(
        evaluate(
            &query,
            &at(100),
            &source,
            &limits,
            &sonde_proto::Deadline::never()
        )
        .is_ok()
    );
}

#[test]
fn after_its_deadline_a_query_ends() {
    let world = world();
    let source = VecSource::ordered(&world);
    let limits = EvalLimits::default();
    let run = |deadline: Deadline| {
        let query = parsed("count_over_time({}[1m])");
        evaluate(&query, &seconds(0, 200, 1), &source, &limits, &deadline).map(|_| ())
    };
    let within = |seconds| Deadline::within(Duration::from_secs(seconds));
    assert_eq!(run(within(0)), Err(EvalError::Deadline));
    assert_eq!(run(within(600)), Ok(()));
    let asked = within(600);
    drop(asked.give_up_on_drop());
    assert_eq!(run(asked), Err(EvalError::Deadline));
}

#[test]
fn a_pipeline_that_is_slow_for_each_record_ends_with_the_deadline_too() {
    // So few records that nothing else looks at the clock before the end.
    let pipeline = (0..10)
        .map(|n| format!("| line_format \"{n}\""))
        .collect::<String>();
    let query = parsed(&format!("count_over_time({{}} {pipeline} [1m])"));
    let world = world();
    let source = VecSource::ordered(&world);
    let limits = EvalLimits::default();
    let given_up = Deadline::never();
    drop(given_up.give_up_on_drop());
    let grid = seconds(0, 200, 1);
    let ended = evaluate(&query, &grid, &source, &limits, &given_up);
    assert_eq!(ended.map(|_| ()), Err(EvalError::Deadline));
}

#[test]
fn strange_times_and_ranges_are_refused_or_answered() {
    let world = world();
    let source = VecSource::ordered(&world);
    let limits = EvalLimits::default();
    for time in [0, 1, 9_223_372_036, 18_446_744_073] {
        for query in [
            "count_over_time({}[1ns])",
            "count_over_time({}[100y])",
            "count_over_time({}[290y] offset 290y)",
            "count_over_time({}[1m] offset -290y)",
            "rate({}[5m]) > 0 or absent_over_time({}[1s])",
        ] {
            let answer = evaluate(
                &parsed(query),
                &at(time),
                &source,
                &limits,
                &sonde_proto::Deadline::never(),
            );
            assert!(answer.is_ok(), "{query} {time} {answer:?}");
        }
    }
}

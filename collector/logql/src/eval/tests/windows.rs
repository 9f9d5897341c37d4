//! Aggregations over ranges.

use super::{at, check, check_error, naive, seconds};
use crate::ast::{
    Conversion, Grouping, LabelFilter, LineFilter, LineOp, LineText, LogExpr, MetricExpr,
    RangeAggregation, RangeOp, Stage, Unwrap, VectorAggregation, VectorOp,
};
use crate::eval::{EvalLimits, evaluate};
use crate::testing::{Entry, Stream, VecSource, World};
use crate::value::{Grid, Value};
use proptest::prelude::*;
use sonde_proto::{Deadline, Labels, MatchOp, Matcher, UnixNanos};
use std::collections::BTreeMap;

const NAMES: [&str; 4] = ["app", "level", "host", "trace"];

fn streams() -> impl Strategy<Value = Vec<Stream>> {
    let label = (0..3usize, 0..3u8);
    let stream = (
        prop::collection::vec(label.clone(), 0..3),
        prop::collection::vec(label, 0..2),
    );
    let made = stream.prop_map(|(labels, metadata)| Stream {
        labels: labels
            .iter()
            .map(|(n, v)| (NAMES[*n], v.to_string()))
            .collect(),
        metadata: metadata
            .iter()
            .map(|(n, v)| (NAMES[n + 1].to_owned(), v.to_string()))
            .collect(),
    });
    prop::collection::vec(made, 1..5)
}

fn worlds() -> impl Strategy<Value = World> {
    streams().prop_flat_map(|streams| {
        let count = streams.len();
        let entry = (
            0..count,
            0u64..400,
            "[ab]{0,4}",
            prop::collection::vec((0..4usize, 0..3u8), 0..3),
            prop::option::of(-20i32..20),
        );
        let made = entry.prop_map(|(stream, time, line, metadata, value)| {
            let metadata = metadata
                .iter()
                .map(|(n, v)| (NAMES[*n].to_owned(), v.to_string()));
            let value = value.map(|v| ("v".to_owned(), (f64::from(v) / 4.0).to_string()));
            Entry {
                stream,
                time: UnixNanos(time),
                line,
                metadata: metadata.chain(value).collect(),
            }
        });
        (Just(streams), prop::collection::vec(made, 0..60))
            .prop_map(|(streams, entries)| World { streams, entries })
    })
}

fn groupings() -> impl Strategy<Value = Option<Grouping>> {
    let names = prop::sample::subsequence(&NAMES[..], 0..4);
    prop::option::of(
        (any::<bool>(), names).prop_map(|(is_without, labels)| Grouping {
            is_without,
            labels: labels.into_iter().map(str::to_owned).collect(),
        }),
    )
}

const OPS: [RangeOp; 14] = [
    RangeOp::Count,
    RangeOp::Rate,
    RangeOp::Bytes,
    RangeOp::BytesRate,
    RangeOp::Avg,
    RangeOp::Sum,
    RangeOp::Min,
    RangeOp::Max,
    RangeOp::Stddev,
    RangeOp::Stdvar,
    RangeOp::Quantile,
    RangeOp::First,
    RangeOp::Last,
    RangeOp::RateCounter,
];

fn aggregations() -> impl Strategy<Value = RangeAggregation> {
    let op = prop::sample::select(&OPS[..]);
    (
        op,
        any::<bool>(),
        groupings(),
        1i64..250,
        -60i64..60,
        any::<(bool, bool, bool, bool)>(),
    )
        .prop_map(
            |(op, unwraps, grouping, range, offset, (selects, filters, formats, narrows))| {
                let counts = matches!(op, RangeOp::Count | RangeOp::Bytes | RangeOp::BytesRate);
                let unwraps = !counts && (unwraps || op != RangeOp::Rate);
                let line = |op, text: &str| {
                    let alternatives = vec![LineText {
                        text: text.to_owned(),
                        is_ip: false,
                    }];
                    Stage::Line(LineFilter { op, alternatives })
                };
                let matcher = Matcher::new("app", MatchOp::NotEqual, "1").unwrap();
                let mut stages = Vec::new();
                if filters {
                    stages.push(line(LineOp::Contains, "a"));
                }
                if narrows {
                    let level = Matcher::new("level", MatchOp::Equal, "1").unwrap();
                    stages.push(Stage::Label(LabelFilter::Text(level)));
                }
                if formats {
                    stages.push(Stage::Decolorize);
                    stages.push(line(LineOp::NotContains, "bb"));
                }
                RangeAggregation {
                    op,
                    parameter: (op == RangeOp::Quantile).then_some(0.7),
                    log: LogExpr {
                        matchers: selects.then_some(matcher).into_iter().collect(),
                        stages,
                    },
                    unwrap: unwraps.then(|| Unwrap {
                        label: "v".to_owned(),
                        conversion: Conversion::None,
                        filters: Vec::new(),
                    }),
                    range,
                    offset,
                    grouping,
                }
            },
        )
}

fn grids() -> impl Strategy<Value = Grid> {
    prop_oneof![
        (0u64..450).prop_map(|time| Grid::instant(UnixNanos(time))),
        (0u64..300, 0u64..300, 1u64..90).prop_map(|(start, length, step)| {
            Grid::range(UnixNanos(start), UnixNanos(start + length), step).unwrap()
        }),
    ]
}

fn points(value: &Value, grid: &Grid) -> naive::Points {
    let mut points = BTreeMap::new();
    match value {
        Value::Vector(samples) => {
            for sample in samples {
                points.insert((sample.labels.clone(), 0), sample.value);
            }
        }
        Value::Matrix(all) => {
            for series in all {
                for (time, value) in &series.points {
                    let at = (time.0 - grid.start().0) / grid.step();
                    points.insert((series.labels.clone(), at as usize), *value);
                }
            }
        }
        Value::Scalar(_) => panic!("a number"),
    }
    points
}

fn assert_close(found: &naive::Points, expected: &naive::Points) {
    let keys = |points: &naive::Points| points.keys().cloned().collect::<Vec<_>>();
    assert_eq!(keys(found), keys(expected));
    for (key, expected) in expected {
        let found = found[key];
        let is_close = (found - expected).abs() <= 1e-9 * expected.abs().max(1e-3);
        assert!(
            is_close
                || found.to_bits() == expected.to_bits()
                || (found.is_nan() && expected.is_nan()),
            "{key:?}: {found} instead of {expected}"
        );
    }
}

/// Whether the result depends on which of two records of one time comes first.
fn depends_on_ties(range: &RangeAggregation) -> bool {
    matches!(
        range.op,
        RangeOp::First | RangeOp::Last | RangeOp::RateCounter
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 800, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_window_is_what_its_records_give(
        mut world in worlds(),
        range in aggregations(),
        grid in grids(),
        seed in any::<u64>(),
        sinks in 1usize..4,
    ) {
        if depends_on_ties(&range) {
            world.entries.sort_by_key(|entry| entry.time);
            world.entries.dedup_by_key(|entry| entry.time);
        }
        let expected = naive::evaluate(&world, &range, &grid);
        let source = VecSource { world: &world, seed, sinks, is_ordered: false };
        let expr = MetricExpr::Range(Box::new(range));
        let answer = evaluate(&expr, &grid, &source, &EvalLimits::default(), &Deadline::never()).unwrap();
        assert_close(&points(&answer.value, &grid), &expected);
        prop_assert_eq!(answer.scans, 1);
    }

    #[test]
    fn sums_made_while_records_come_in_are_the_sums_of_what_came(
        world in worlds(),
        mut range in aggregations(),
        grouping in groupings(),
        grid in grids(),
        seed in any::<u64>(),
        sinks in 1usize..4,
    ) {
        range.grouping = None;
        let op = match range.op {
            RangeOp::Min => VectorOp::Min,
            RangeOp::Max => VectorOp::Max,
            RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum => VectorOp::Sum,
            _ => return Ok(()),
        };
        let mut expected = naive::Points::new();
        for ((labels, window), value) in naive::evaluate(&world, &range, &grid) {
            let labels: Labels = labels.iter().filter(|(name, _)| match &grouping {
                None => false,
                Some(grouping) => grouping.labels.iter().any(|l| l == name) != grouping.is_without,
            }).collect();
            let group = expected.entry((labels, window));
            group.and_modify(|kept| *kept = match op {
                VectorOp::Min => value.min(*kept),
                VectorOp::Max => value.max(*kept),
                _ => *kept + value,
            }).or_insert(value);
        }
        let source = VecSource { world: &world, seed, sinks, is_ordered: false };
        let expr = MetricExpr::Aggregate(Box::new(VectorAggregation {
            op,
            parameter: None,
            grouping,
            expr: MetricExpr::Range(Box::new(range)),
        }));
        let answer = evaluate(&expr, &grid, &source, &EvalLimits::default(), &Deadline::never()).unwrap();
        assert_close(&points(&answer.value, &grid), &expected);
    }
}

fn world() -> World {
    let mut world = World::with_streams(&[
        &[("app", "web"), ("level", "error")],
        &[("app", "web"), ("level", "info")],
        &[("app", "db")],
    ]);
    for second in [10, 20, 30, 40] {
        world.push(0, second, "boom", &[]);
    }
    world.push(1, 25, "fine", &[("v", "2")]);
    world.push(1, 35, "fine", &[("v", "6")]);
    world.push(2, 40, "slow", &[("level", "warn"), ("v", "1.5")]);
    world
}

#[test]
fn a_window_leaves_out_its_start_and_has_its_end() {
    let query = r#"count_over_time({app="web",level="error"}[10s])"#;
    check(&world(), query, &at(40), r#"{app="web", level="error"} 1"#);
    check(&world(), query, &at(45), r#"{app="web", level="error"} 1"#);
    check(&world(), query, &at(50), "");
    check(&world(), query, &at(9), "");
    let grid = seconds(10, 60, 15);
    check(
        &world(),
        query,
        &grid,
        r#"{app="web", level="error"} 1@10 1@25 1@40"#,
    );
}

#[test]
fn labels_of_streams_and_metadata_tell_series_apart() {
    let world = world();
    check(
        &world,
        "count_over_time({}[1m])",
        &at(40),
        r#"{app="db", level="warn", v="1.5"} 1
           {app="web", level="error"} 4
           {app="web", level="info", v="2"} 1
           {app="web", level="info", v="6"} 1"#,
    );
    check(
        &world,
        "sum by (level) (count_over_time({}[1m]))",
        &at(40),
        r#"{level="error"} 4
           {level="info"} 2
           {level="warn"} 1"#,
    );
    check(&world, "sum(rate({}[10s]))", &at(40), "{} 0.3");
}

#[test]
fn numbers_of_lines() {
    let world = world();
    let check = |query: &str, expected: &str| check(&world, query, &at(40), expected);
    check(
        "sum by (app) (sum_over_time({} | unwrap v [1m]))",
        "{app=\"db\"} 1.5\n{app=\"web\"} 8",
    );
    check(
        "avg_over_time({app=\"web\"} | unwrap v [1m])",
        "{app=\"web\", level=\"info\"} 4",
    );
    check("quantile_over_time(0.5, {} | unwrap v [1m]) by ()", "{} 2");
    check("last_over_time({} | unwrap v [1m] offset 5s) by ()", "{} 6");
}

#[test]
fn absence_is_told_by_the_labels_that_were_demanded() {
    let world = world();
    let query = r#"absent_over_time({app="web",level=~"err.*",host="a",host="b"}[10s])"#;
    check(&world, query, &at(30), r#"{app="web"} 1"#);
    let query = r#"absent_over_time({app="web"}[10s])"#;
    check(&world, query, &at(30), "");
    check(
        &world,
        query,
        &seconds(0, 60, 15),
        r#"{app="web"} 1@0 1@60"#,
    );
    check(
        &world,
        "absent_over_time({app=\"no\"}[1m])",
        &at(30),
        r#"{app="no"} 1"#,
    );
}

#[test]
fn mistakes_of_stages_fail_the_query_unless_it_looks_at_them() {
    let mut world = world();
    world.push(2, 41, "odd", &[("v", "much")]);
    check_error(
        &world,
        "sum_over_time({} | unwrap v [1m])",
        &at(45),
        "pipeline error: SampleExtractionErr",
    );
    let query = r#"max_over_time({app="db"} | unwrap v | __error__="" [1m]) by (app)"#;
    check(&world, query, &at(45), r#"{app="db"} 1.5"#);
    // A mistake outside of all windows is nobody's.
    check(
        &world,
        "avg_over_time({app=\"db\"} | unwrap v [5s]) by (app)",
        &at(40),
        r#"{app="db"} 1.5"#,
    );
}

#[test]
fn the_first_of_each_value_is_told_by_time_whoever_finds_it() {
    let mut world = World::with_streams(&[&[("app", "a")], &[("app", "b")]]);
    // The first `w` is between two windows: it counts nowhere, and neither does the other.
    for (stream, second, user) in [
        (0, 12, "x"),
        (1, 11, "x"),
        (0, 31, "y"),
        (1, 32, "y"),
        (0, 25, "z"),
        (1, 23, "w"),
        (0, 17, "w"),
    ] {
        world.push(stream, second, "line", &[("user", user)]);
    }
    let expr = super::parsed("sum by (app) (count_over_time({} | distinct user [5s]))");
    for seed in 0..20 {
        let source = VecSource {
            world: &world,
            seed,
            sinks: 3,
            is_ordered: false,
        };
        let answer = evaluate(
            &expr,
            &seconds(15, 35, 10),
            &source,
            &EvalLimits::default(),
            &Deadline::never(),
        );
        let shown = super::shown(&answer.unwrap().value);
        assert_eq!(shown, "{app=\"a\"} 1@25 1@35\n{app=\"b\"} 1@15");
    }
}

#[test]
fn lines_that_no_parser_can_read_count_where_the_query_looks_at_mistakes() {
    let mut world = World::with_streams(&[&[("app", "a")]]);
    for line in [r#"{"status":200}"#, r#"{"status":500}"#, "plain", "text"] {
        world.push(0, 10, line, &[]);
    }
    let check = |query: &str, expected: &str| check(&world, query, &at(10), expected);
    check_error(
        &world,
        "count_over_time({} | json [1m])",
        &at(10),
        "JSONParserErr",
    );
    check_error(
        &world,
        "sum by (status) (count_over_time({} | json [1m]))",
        &at(10),
        "__error__=\"\"",
    );
    check("sum(count_over_time({} | json [1m]))", "{} 4");
    check(
        r#"sum by (status) (count_over_time({} | json | __error__="" [1m]))"#,
        "{status=\"200\"} 1\n{status=\"500\"} 1",
    );
    check(
        "sum by (__error__) (count_over_time({} | json [1m]))",
        "{} 2\n{__error__=\"JSONParserErr\"} 2",
    );
    check(
        r#"sum(count_over_time({} | json | __error__!="" [1m]))"#,
        "{} 2",
    );
    // Without names to tell them apart by, they do not.
    check_error(
        &world,
        r#"count_over_time({} | json | __error__!="" [1m])"#,
        &at(10),
        "JSONParserErr",
    );
}

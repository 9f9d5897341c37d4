//! Operators over vectors.

use super::{ask, at, check, check_error, seconds};
use crate::testing::World;

/// How many records each of some streams has, at 10 s.
fn counts(streams: &[(&[(&str, &str)], usize)]) -> World {
    let labels: Vec<&[(&str, &str)]> = streams.iter().map(|(labels, _)| *labels).collect();
    let mut world = World::with_streams(&labels);
    for (stream, (_, count)) in streams.iter().enumerate() {
        for _ in 0..*count {
            world.push(stream, 10, "x", &[]);
        }
    }
    world
}

fn services() -> World {
    counts(&[
        (&[("job", "hit"), ("app", "a"), ("pod", "1")], 1),
        (&[("job", "hit"), ("app", "a"), ("pod", "2")], 3),
        (&[("job", "hit"), ("app", "b"), ("pod", "3")], 5),
        (&[("job", "all"), ("app", "a")], 8),
        (&[("job", "all"), ("app", "b")], 10),
        (&[("job", "all"), ("app", "c")], 2),
    ])
}

const HIT: &str = r#"sum by (app, pod) (count_over_time({job="hit"}[1m]))"#;
const BY_APP: &str = r#"sum by (app) (count_over_time({job="hit"}[1m]))"#;
const ALL: &str = r#"sum by (app) (count_over_time({job="all"}[1m]))"#;

#[test]
fn numbers_stand_for_themselves() {
    let world = World::default();
    check(&world, "vector(1)+vector(1)", &at(10), "{} 2");
    check(&world, "vector(7)", &seconds(0, 20, 10), "{} 7@0 7@10 7@20");
    check(&world, "1 + 1", &at(10), "2");
    check(&world, "2 ^ 3", &seconds(0, 10, 10), "{} 8@0 8@10");
    check(&world, "1 > bool 2", &at(10), "0");
    check(&world, "vector(1) / 0", &at(10), "{} NaN");
    check(&world, "vector(7) % 4", &at(10), "{} 3");
    check(&world, "vector(3) or vector(4)", &at(10), "{} 3");
    check(&world, "vector(3) unless vector(4)", &at(10), "");
    check(&world, "2 - vector(3)", &at(10), "{} -1");
}

#[test]
fn an_absent_side_gives_nothing_or_the_other() {
    let world = services();
    let none = r#"sum(count_over_time({job="none"}[1m]))"#;
    check(&world, &format!("{none} + vector(1)"), &at(10), "");
    check(&world, &format!("{none} or vector(0)"), &at(10), "{} 0");
}

#[test]
fn groups() {
    let world = services();
    let check = |query: &str, expected: &str| check(&world, query, &at(10), expected);
    let over = |op: &str| format!("{op} by (app) ({HIT})");
    check(&over("sum"), "{app=\"a\"} 4\n{app=\"b\"} 5");
    check(&over("avg"), "{app=\"a\"} 2\n{app=\"b\"} 5");
    check(&over("min"), "{app=\"a\"} 1\n{app=\"b\"} 5");
    check(&over("max"), "{app=\"a\"} 3\n{app=\"b\"} 5");
    check(&over("count"), "{app=\"a\"} 2\n{app=\"b\"} 1");
    check(&over("stdvar"), "{app=\"a\"} 1\n{app=\"b\"} 0");
    check(&over("stddev"), "{app=\"a\"} 1\n{app=\"b\"} 0");
    check(&format!("max without (app, pod) ({HIT})"), "{} 5");
    check(&format!("count({HIT})"), "{} 3");
}

#[test]
fn the_first_ones_are_told_by_labels_and_sorted_ones_by_value() {
    let world = services();
    let check = |query: &str, expected: &str| check(&world, query, &at(10), expected);
    check(&format!("topk(2, {ALL})"), "{app=\"a\"} 8\n{app=\"b\"} 10");
    check(&format!("approx_topk(1, {ALL})"), "{app=\"b\"} 10");
    check(
        &format!("bottomk(2, {ALL})"),
        "{app=\"a\"} 8\n{app=\"c\"} 2",
    );
    check(
        &format!("topk by (app) (1, {HIT})"),
        "{app=\"a\", pod=\"2\"} 3\n{app=\"b\", pod=\"3\"} 5",
    );
    check(
        &format!("sort({ALL})"),
        "{app=\"c\"} 2\n{app=\"a\"} 8\n{app=\"b\"} 10",
    );
    check(
        &format!("sort_desc({ALL}) > 5"),
        "{app=\"b\"} 10\n{app=\"a\"} 8",
    );
    check(
        &format!("sort_desc(topk(2, {ALL}))"),
        "{app=\"b\"} 10\n{app=\"a\"} 8",
    );
}

#[test]
fn each_step_picks_its_own() {
    let mut world = counts(&[(&[("a", "1")], 2), (&[("a", "2")], 1)]);
    for _ in 0..3 {
        world.push(1, 20, "x", &[]);
    }
    world.push(0, 20, "x", &[]);
    check(
        &world,
        "topk(1, count_over_time({}[10s]))",
        &seconds(10, 20, 10),
        "{a=\"1\"} 2@10\n{a=\"2\"} 3@20",
    );
}

#[test]
fn comparisons_keep_or_say() {
    let world = services();
    let check = |query: &str, expected: &str| check(&world, query, &at(10), expected);
    check(&format!("{ALL} > 5"), "{app=\"a\"} 8\n{app=\"b\"} 10");
    check(&format!("5 < {ALL}"), "{app=\"a\"} 8\n{app=\"b\"} 10");
    check(
        &format!("{ALL} > bool 8"),
        "{app=\"a\"} 0\n{app=\"b\"} 1\n{app=\"c\"} 0",
    );
    check(&format!("{ALL} == 2"), "{app=\"c\"} 2");
    check(
        &format!("{ALL} > {BY_APP}"),
        "{app=\"a\"} 8\n{app=\"b\"} 10",
    );
    check(
        &format!("{BY_APP} >= bool {ALL}"),
        "{app=\"a\"} 0\n{app=\"b\"} 0",
    );
}

#[test]
fn series_belong_together_by_their_labels() {
    let world = services();
    let check = |query: &str, expected: &str| check(&world, query, &at(10), expected);
    check(
        &format!("{BY_APP} / {ALL}"),
        "{app=\"a\"} 0.5\n{app=\"b\"} 0.5",
    );
    check(
        &format!("{HIT} / on (app) group_left () {ALL}"),
        "{app=\"a\", pod=\"1\"} 0.125\n{app=\"a\", pod=\"2\"} 0.375\n{app=\"b\", pod=\"3\"} 0.5",
    );
    check(
        &format!("{ALL} - ignoring (pod) group_right () {HIT}"),
        "{app=\"a\", pod=\"1\"} 7\n{app=\"a\", pod=\"2\"} 5\n{app=\"b\", pod=\"3\"} 5",
    );
    check(
        r#"sum by (app) (count_over_time({job="all"}[1m])) * on (app) group_left (pod) topk(1, sum by (app, pod) (count_over_time({job="hit"}[1m])))"#,
        "{app=\"b\", pod=\"3\"} 50",
    );
    check(
        &format!("{BY_APP} and {ALL}"),
        "{app=\"a\"} 4\n{app=\"b\"} 5",
    );
    check(&format!("{ALL} unless {BY_APP}"), "{app=\"c\"} 2");
    check(
        &format!("{HIT} and on (app) ({ALL} > 9)"),
        "{app=\"b\", pod=\"3\"} 5",
    );
    check(
        &format!("{BY_APP} or {ALL}"),
        "{app=\"a\"} 4\n{app=\"b\"} 5\n{app=\"c\"} 2",
    );
}

#[test]
fn what_does_not_belong_together_is_said() {
    let world = services();
    let check = |query: &str, expected: &str| check_error(&world, query, &at(10), expected);
    check(&format!("{HIT} / on (app) {ALL}"), "say group_left");
    check(
        &format!("{ALL} / on (app) {HIT}"),
        "many-to-many matching is not allowed",
    );
    check(
        &format!("{HIT} + on (app) group_left () {HIT}"),
        "many-to-many",
    );
    check(
        &format!("label_replace({HIT}, \"pod\", \"\", \"\", \"\")"),
        "same labels",
    );
    check(
        &format!(
            "{HIT} + on (app) group_left (pod) label_replace({ALL}, \"pod\", \"9\", \"\", \"\")"
        ),
        "must keep them apart",
    );
}

#[test]
fn labels_are_made_of_labels() {
    let world = services();
    let check = |query: &str, expected: &str| check(&world, query, &at(10), expected);
    check(
        &format!("label_replace({BY_APP}, \"name\", \"<$1>\", \"app\", \"(a|c)\")"),
        "{app=\"a\", name=\"<a>\"} 4\n{app=\"b\"} 5",
    );
    check(
        &format!("sum by (pod) (label_replace({HIT}, \"pod\", \"p\", \"pod\", \".*\"))"),
        "{pod=\"p\"} 9",
    );
    check(
        &format!("label_replace({BY_APP}, \"app\", \"${{x}}y\", \"app\", \"(?P<x>a)\")"),
        "{app=\"ay\"} 4\n{app=\"b\"} 5",
    );
}

#[test]
fn one_scan_answers_all_that_ask_the_same() {
    let world = services();
    let scans = |query: &str| ask(&world, query, &at(10)).unwrap().scans;
    assert_eq!(scans(&format!("{ALL} / {ALL}")), 1);
    assert_eq!(scans(&format!("{ALL} / {BY_APP}")), 2);
    assert_eq!(scans(&format!("max({ALL}) - min({ALL}) + vector(1)")), 1);
    check(
        &world,
        &format!("{ALL} / {ALL}"),
        &at(10),
        "{app=\"a\"} 1\n{app=\"b\"} 1\n{app=\"c\"} 1",
    );
}

//! What each part of an expression took.

use super::rows::load;
use super::*;
use crate::{Node, explain_instant, explain_range};
use std::cell::Cell;

/// A clock that goes on by a millisecond whenever it is looked at.
fn ticking() -> (Cell<u64>, impl Fn(&Cell<u64>) -> Duration) {
    let look = |ticks: &Cell<u64>| {
        ticks.set(ticks.get() + 1);
        Duration::from_millis(ticks.get())
    };
    (Cell::new(0), look)
}

fn memory() -> Memory {
    load(
        60_000,
        &[
            "m{k=\"1\"} 0+1x10",
            "m{k=\"2\"} 0+2x10",
            "n{k=\"1\"} 5x10",
            "other 1x10",
        ],
    )
}

fn explained(text: &str, steps: u64) -> Vec<Node> {
    let (memory, (ticks, look)) = (memory(), ticking());
    let clock = || look(&ticks);
    let ask = Ask {
        text,
        features: &Features::all(),
        limits: &QueryLimits::default(),
    };
    let (start, end) = (
        UnixNanos::from_secs(300),
        UnixNanos::from_secs(240 + 60 * steps),
    );
    let (answer, nodes) = if steps == 1 {
        explain_instant(&memory, &ask, start, &clock).unwrap()
    } else {
        let step = Duration::from_secs(60);
        explain_range(&memory, &ask, (start, end), step, &clock).unwrap()
    };
    // Measuring changes nothing, and no time is lost or counted twice.
    let plain = if steps == 1 {
        crate::instant(&memory, &ask, start).unwrap()
    } else {
        crate::range(&memory, &ask, start, end, Duration::from_secs(60)).unwrap()
    };
    assert_eq!(answer, plain, "{text}");
    let total: Duration = nodes.iter().map(|node| node.time).sum();
    assert_eq!(total, Duration::from_millis(ticks.get() - 1), "{text}");
    nodes
}

/// Text, depth, series given, series read, samples.
fn shown(nodes: &[Node]) -> Vec<(&str, usize, u64, u64, u64)> {
    let one = |n: &Node| (n.depth, n.series, n.series_read, n.samples);
    let all = nodes.iter().map(|n| (n.text.as_str(), one(n)));
    all.map(|(text, (depth, given, read, samples))| (text, depth, given, read, samples))
        .collect()
}

#[test]
fn series_and_samples_count_where_they_are_read_and_given() {
    assert_eq!(
        shown(&explained("sum(rate(m[2m])) + on () n", 1)),
        [
            ("sum(rate(m[2m])) + on () n", 0, 1, 0, 0),
            ("sum(rate(m[2m]))", 1, 1, 0, 0),
            ("rate(m[2m])", 2, 2, 0, 0),
            ("m[2m]", 3, 2, 2, 4),
            ("n", 1, 1, 1, 5),
        ]
    );
}

#[test]
fn a_range_of_steps_reads_each_series_once() {
    let nodes = explained("max by (k) ((m > 3))", 3);
    assert_eq!(
        shown(&nodes),
        [
            ("max by (k) ((m > 3))", 0, 2, 0, 0),
            ("m > 3", 1, 2, 0, 0),
            ("m", 2, 2, 2, 14),
        ]
    );
    assert!(nodes.iter().all(|node| node.steps == 3));
}

#[test]
fn what_is_inside_a_subquery_has_its_steps() {
    let nodes = explained("max_over_time(abs(m)[3m:30s])", 1);
    assert_eq!(
        shown(&nodes),
        [
            ("max_over_time(abs(m)[3m:30s])", 0, 2, 0, 0),
            ("abs(m)[3m:30s]", 1, 2, 0, 0),
            ("abs(m)", 2, 2, 0, 0),
            ("m", 3, 2, 2, 12),
        ]
    );
    let steps: Vec<u64> = nodes.iter().map(|node| node.steps).collect();
    assert_eq!(steps, [1, 1, 6, 6]);
}

#[test]
fn nothing_is_lost_where_names_may_collide_or_the_expression_is_a_range() {
    assert_eq!(
        shown(&explained("count(abs({k=\"2\"}))", 1)),
        [
            ("count(abs({k=\"2\"}))", 0, 1, 0, 0),
            ("abs({k=\"2\"})", 1, 1, 0, 0),
            ("{k=\"2\"}", 2, 1, 1, 5),
        ]
    );
    assert_eq!(
        shown(&explained("m{k=\"1\"}[2m]", 1)),
        [("m{k=\"1\"}[2m]", 0, 1, 1, 2)]
    );
    assert!(explained("1 + 2", 1).len() == 1);
}

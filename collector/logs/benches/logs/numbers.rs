//! Queries for numbers, and for lines with stages, over everything that is stored.

use crate::measure::{Figures, median, seconds};
use sonde_logql::LogQuery;
use sonde_logql::ast::Expr;
use sonde_logql::eval::{self, EvalLimits};
use sonde_logs::{Direction, LogStore, Search};
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::hint::black_box;
use std::time::Duration;

const MINUTE: u64 = 60_000_000_000;

/// Name, query, budget in milliseconds at 10,000,000 records.
const METRICS: [(&str, &str, &str); 10] = [
    (
        "histogram by minute and level",
        "sum by (level)(count_over_time({}[1m]))",
        "≤ 100",
    ),
    (
        "the same of bytes",
        "sum by (level)(bytes_over_time({}[1m]))",
        "",
    ),
    (
        "histogram of a common word",
        "sum by (service_name)(count_over_time({} |= \"timeout\" [5m]))",
        "≤ 1200",
    ),
    (
        "histogram of a common word by minute",
        "sum(count_over_time({} |= \"timeout\" [1m]))",
        "≤ 100",
    ),
    (
        "histogram of a pattern's matches by minute",
        "sum(count_over_time({} |~ \"time(out|d)\" [1m]))",
        "",
    ),
    (
        "histogram of a rare word",
        "sum by (service_name)(count_over_time({} |= \"deadlock\" [5m]))",
        "",
    ),
    (
        "histogram by a label that nothing has",
        "sum by (service)(count_over_time({}[5m]))",
        "",
    ),
    (
        "histogram by an attribute",
        "sum by (http_route)(count_over_time({}[5m]))",
        "",
    ),
    (
        "histogram of one attribute's value",
        "sum(count_over_time({} | http_route=\"/api/v2/carts\" [5m]))",
        "",
    ),
    (
        "rate of one service",
        "sum by (k8s_pod_name)(rate({service_name=\"service-3\"}[5m]))",
        "",
    ),
];

/// How many lines have a common word, of all.
const COUNT: &str = "sum(count_over_time({} |= \"timeout\" [365d]))";

/// Name, query.
const LINES: [(&str, &str); 4] = [
    (
        "newest 100 by detected level",
        "{} | detected_level=\"error\"",
    ),
    (
        "newest 100 by an attribute",
        "{} | http_route=\"/api/v2/carts\"",
    ),
    (
        "newest 100 of JSON with many retries",
        "{} | json | retries >= 3",
    ),
    (
        "newest 100 reformatted",
        "{} | line_format \"{{.level}} {{__line__}}\"",
    ),
];

/// What the names of the questions have that alone are wanted.
pub(crate) fn only() -> Option<String> {
    std::env::var("SONDE_BENCH_ONLY").ok()
}

fn period(store: &LogStore) -> (UnixNanos, UnixNanos) {
    let stats = store.stats();
    let end = UnixNanos(stats.newest.unwrap_or_default().0 + MINUTE);
    (stats.oldest.unwrap_or_default(), end)
}

/// How soon those with `only` in their names have an answer, in milliseconds.
pub(crate) fn ask_some(store: &LogStore, only: &str, figures: &mut Figures) {
    let (tenant, (start, end)) = (Tenant::default(), period(store));
    for (name, query, budget) in METRICS {
        if !name.contains(only) {
            continue;
        }
        let Ok(Expr::Metric(expr)) = sonde_logql::parse(query) else {
            panic!("{query} is a query for numbers");
        };
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                seconds(|| {
                    let source = store.source(&tenant, &Deadline::never());
                    let limits = EvalLimits::default();
                    let value = eval::range(
                        &expr,
                        (start, end),
                        MINUTE,
                        &source,
                        &limits,
                        &Deadline::never(),
                    );
                    let value = value.expect("the bench's queries are within all limits");
                    assert_eq!(value.scanned.cut, None);
                    black_box(value);
                }) * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        figures.add(format!("{name}: p50, ms"), median(&times), budget);
    }
}

/// How soon they have an answer, in milliseconds.
pub(crate) fn ask(store: &LogStore, figures: &mut Figures) {
    let (tenant, (start, end)) = (Tenant::default(), period(store));
    ask_some(store, "", figures);
    let Ok(Expr::Metric(expr)) = sonde_logql::parse(COUNT) else {
        panic!("{COUNT} is a query for numbers");
    };
    let count = || {
        let source = store.source(&tenant, &Deadline::never());
        let value = eval::instant(
            &expr,
            end,
            &source,
            &EvalLimits::default(),
            &Deadline::never(),
        );
        black_box(value.expect("the bench's queries are within all limits"));
    };
    let mut times: Vec<f64> = (0..5).map(|_| seconds(count) * 1e3).collect();
    times.sort_by(f64::total_cmp);
    figures.add(
        "count of a common word over everything: p50, ms",
        median(&times),
        "",
    );
    let minute = Duration::from_nanos(MINUTE);
    let patterns = || {
        let found = store.patterns(&tenant, &[], (start, end), minute, &Deadline::never());
        assert!(!found.patterns.is_empty());
    };
    let mut times: Vec<f64> = (0..3).map(|_| seconds(patterns) * 1e3).collect();
    times.sort_by(f64::total_cmp);
    figures.add(
        "patterns of all lines by minute: p50, ms",
        median(&times),
        "",
    );
    for (name, query) in LINES {
        let search = Search {
            query: LogQuery::parse(query).expect("the bench's queries are queries"),
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            limit: 100,
            direction: Direction::Backward,
            interval: Duration::ZERO,
            deadline: Deadline::never(),
        };
        let mut times: Vec<f64> = (0..5)
            .map(|_| {
                seconds(|| {
                    let found = store.search(&tenant, &search);
                    assert!(found.is_ok_and(|found| found.records.len() == 100));
                }) * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        figures.add(format!("{name}: p50, ms"), median(&times), "");
    }
    let mut times: Vec<f64> = (0..5)
        .map(|_| {
            seconds(|| {
                let found = store.streams(&tenant, &[], (start, end), None, &Deadline::never());
                assert!(found.is_ok_and(|found| !found.streams.is_empty()));
            }) * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    figures.add("all streams with their bytes: p50, ms", median(&times), "");
}

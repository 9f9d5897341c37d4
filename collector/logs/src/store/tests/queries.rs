//! Queries with stages, and for numbers, over several segments of many blocks and a tail.

use super::*;
use crate::testing::search as all;
use crate::{Direction, LogRecord, Search, SearchError};
use sonde_logql::ast::Expr;
use sonde_logql::eval::{self, EvalLimits};
use sonde_logql::{LogQuery, Value};
use std::time::Duration;

const RECORDS: u64 = 12_000;
const SECOND: u64 = 1_000_000_000;

/// Records of two services, a second apart, three of every instant; in segments and a tail.
fn filled(dir: &std::path::Path) -> LogStore {
    let store = open(dir, &quiet());
    for part in 0..6 {
        let from = part * RECORDS / 6;
        let records = (from..from + RECORDS / 6).map(|n| {
            let mut record = record(
                (1 + n / 3) * SECOND,
                &format!("user={} {}", n % 7000, "x".repeat(100)),
            );
            record.severity_number = if n % 10 == 0 { 17 } else { 9 };
            record.attributes = vec![otlp::kv("http.route", format!("/r{}", n % 4))];
            (n % 2, record)
        });
        let (even, odd): (Vec<_>, Vec<_>) = records.partition(|(service, _)| *service == 0);
        let only = |all: Vec<(u64, _)>| all.into_iter().map(|(_, record)| record).collect();
        apply(&store, 2 * part, "even", only(even));
        apply(&store, 2 * part + 1, "odd", only(odd));
        if part < 5 {
            store.seal(NOW).unwrap();
        }
    }
    store
}

fn find(store: &LogStore, query: &str, limit: usize, direction: Direction) -> Vec<LogRecord> {
    let search = Search {
        limit,
        direction,
        ..all(query)
    };
    let found = store.search(&Tenant::default(), &search).unwrap();
    assert_eq!(found.cut, None, "{query}");
    found.records
}

#[test]
fn stages_decide_before_a_record_counts() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let check = |query: &str, wanted: &dyn Fn(u64) -> bool| {
        for (direction, limit) in [(Direction::Backward, 100), (Direction::Forward, 700)] {
            let found = find(&store, query, limit, direction);
            let mut expected: Vec<u64> = (0..RECORDS).filter(|n| wanted(*n)).collect();
            if direction == Direction::Backward {
                expected.reverse();
            }
            let times = expected.iter().take(limit).map(|n| (1 + n / 3) * SECOND);
            let found: Vec<u64> = found.iter().map(|record| record.time.0).collect();
            assert_eq!(found, times.collect::<Vec<_>>(), "{query}");
        }
    };
    check("{}", &|_| true);
    check("{} | http_route=\"/r3\"", &|n| n % 4 == 3);
    check("{} | detected_level=\"error\" | http_route=\"/r0\"", &|n| {
        n % 20 == 0
    });
    check("{service_name=\"odd\"} | logfmt | user < 10", &|n| {
        n % 2 == 1 && n % 7000 < 10
    });
    check("{} |= \"user=17\" | logfmt | user = \"17\"", &|n| {
        n % 7000 == 17
    });
}

#[test]
fn what_needs_an_order_goes_on_beyond_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    for direction in [Direction::Backward, Direction::Forward] {
        // Each user once: more than one page of records has to be looked through.
        let found = find(&store, "{} | logfmt | distinct user", 5000, direction);
        let texts: std::collections::BTreeSet<_> = found.iter().map(|r| &r.body).collect();
        assert_eq!((found.len(), texts.len()), (5000, 5000));
        let routes = find(&store, "{} | distinct http_route", 10, direction);
        assert_eq!(routes.len(), 4);
    }
    let search = Search {
        interval: Duration::from_secs(1000),
        limit: 100,
        ..all("{}")
    };
    let found = store.search(&Tenant::default(), &search).unwrap();
    let times: Vec<u64> = found.records.iter().map(|r| r.time.0 / SECOND).collect();
    assert_eq!(times, [4000, 3000, 2000, 1000]);
    assert_eq!(found.cut, None);
}

#[test]
fn an_answer_shows_what_stages_made_and_how_it_was_found() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let query = "{} |= \"user=6999 \" | logfmt | line_format \"<{{.user}}>\"";
    let found = store.search(&Tenant::default(), &all(query)).unwrap();
    assert_eq!(found.records.len(), 1);
    let shown = serde_json::to_value(&found.records[0]).unwrap();
    assert_eq!(shown["line"], "<6999>");
    assert_eq!(shown["parsed"], serde_json::json!({"user": "6999"}));
    assert!(shown["body"].as_str().unwrap().starts_with("user=6999 xxx"));
    assert_eq!(found.terms, ["6999", "user"]);
    assert!(found.blocks_visited >= 1 && found.blocks_visited <= found.blocks_candidates);
    assert!(found.blocks_candidates < 5, "{}", found.blocks_candidates);
    let plain = find(&store, "{}", 1, Direction::Backward);
    let shown = serde_json::to_value(&plain[0]).unwrap();
    assert!(shown.get("line").is_none() && shown.get("parsed").is_none());
    assert!(plain[0].line.as_ref().unwrap().labels.len() >= 4);
}

fn numbers(store: &LogStore, query: &str) -> Vec<(String, Vec<(u64, f64)>)> {
    let Expr::Metric(expr) = sonde_logql::parse(query).unwrap() else {
        panic!("{query} is a query for numbers");
    };
    let source = store.source(&Tenant::default(), &sonde_proto::Deadline::never());
    let times = (UnixNanos(1000 * SECOND), UnixNanos(4000 * SECOND));
    let limits = EvalLimits::default();
    let step = 1000 * SECOND;
    let value = eval::range(
        &expr,
        times,
        step,
        &source,
        &limits,
        &sonde_proto::Deadline::never(),
    )
    .unwrap();
    let Value::Matrix(series) = value.value else {
        panic!("{query} has series");
    };
    let points = |points: &[(UnixNanos, f64)]| {
        let points = points.iter();
        points
            .map(|(time, value)| (time.0 / SECOND, *value))
            .collect()
    };
    let series = series.iter();
    series
        .map(|s| (s.labels.to_string(), points(&s.points)))
        .collect()
}

#[test]
fn numbers_are_counted_from_directories_times_lines_and_attributes() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    // A window of 1,000 seconds before each time has 3,000 records.
    let check = |query: &str, expected: &[(&str, f64)]| {
        let found = numbers(&store, query);
        let shown: Vec<_> = found.iter().map(|(l, p)| (l.as_str(), p[0].1)).collect();
        assert_eq!(shown, expected, "{query}");
        assert!(found.iter().all(|(_, points)| points.len() == 4), "{query}");
    };
    check("sum(count_over_time({}[1000s]))", &[("{}", 3000.0)]);
    check(
        "sum by (level)(count_over_time({}[1000s]))",
        &[(r#"{level="error"}"#, 300.0), (r#"{level="info"}"#, 2700.0)],
    );
    check(
        "sum by (none)(count_over_time({}[1000s]))",
        &[("{}", 3000.0)],
    );
    check(
        "sum by (http_route)(count_over_time({service_name=\"odd\"}[1000s]))",
        &[
            (r#"{http_route="/r1"}"#, 750.0),
            (r#"{http_route="/r3"}"#, 750.0),
        ],
    );
    check(
        "sum(count_over_time({} |= \"xx\" | http_route=\"/r2\" [1000s]))",
        &[("{}", 750.0)],
    );
    check(
        "sum(count_over_time({} |= \"user=\" != \"absent\" [1000s]))",
        &[("{}", 3000.0)],
    );
}

#[test]
fn lines_that_have_texts_or_lack_them_are_counted_as_a_scan_counts_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let line = |n: u64| format!("user={} {}", n % 7000, "x".repeat(100));
    let check = |filters: &str, is_kept: &dyn Fn(&str) -> bool| {
        for (of_line, range) in [("count", 1000), ("count", 730), ("bytes", 730)] {
            let query =
                format!("sum by (service_name)({of_line}_over_time({{}} {filters} [{range}s]))");
            let value = |line: &str| if of_line == "count" { 1 } else { line.len() };
            let at = |service: u64, time: u64| {
                let lines = (0..RECORDS).filter(|n| n % 2 == service);
                let lines = lines.filter(|n| (time - range + 1..=time).contains(&(1 + n / 3)));
                let kept = lines.map(line).filter(|line| is_kept(line));
                (time, kept.map(|line| value(&line)).sum::<usize>() as f64)
            };
            let times = || (1000..=4000).step_by(1000);
            let of = |service| times().map(move |time| at(service, time));
            let expected = [
                ("even", of(0).collect::<Vec<_>>()),
                ("odd", of(1).collect()),
            ];
            let expected = expected.map(|(service, mut points)| {
                points.retain(|(_, value)| *value > 0.0);
                (format!("{{service_name=\"{service}\"}}"), points)
            });
            let mut found = numbers(&store, &query);
            found.sort_by(|a, b| a.0.cmp(&b.0));
            let expected = expected
                .into_iter()
                .filter(|(_, points)| !points.is_empty());
            assert_eq!(found, expected.collect::<Vec<_>>(), "{query}");
        }
    };
    check("|= \"user=17\"", &|line| line.contains("user=17"));
    check("!= \"7\"", &|line| !line.contains('7'));
    check("|= \"3\" != \"33\" |= \"5\"", &|line| {
        line.contains('3') && !line.contains("33") && line.contains('5')
    });
    check("!= \"user\"", &|_| false);
    check("|= \"r=12\" |~ \"[05] x\"", &|line| {
        line.contains("r=12") && (line.contains("0 x") || line.contains("5 x"))
    });
}

#[test]
fn streams_have_their_volumes_without_a_body_being_read() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let tenant = Tenant::default();
    let period = (UnixNanos(1001 * SECOND), UnixNanos(3001 * SECOND));
    let count = |part| {
        store
            .streams(&tenant, &[], period, part, &sonde_proto::Deadline::never())
            .unwrap()
    };
    let found = count(None);
    let entries: u64 = found.streams.iter().map(|s| s.entries).sum();
    assert_eq!((found.streams.len(), entries), (3, 6000));
    let bytes: u64 = (3000..9000)
        .map(|n: u64| 106 + (n % 7000).to_string().len() as u64)
        .sum();
    assert_eq!(found.streams.iter().map(|s| s.bytes).sum::<u64>(), bytes);
    assert!(
        found.reading.bytes_read < bytes / 2,
        "{}",
        found.reading.bytes_read
    );
    let parts = count(Some(Duration::from_secs(1000)));
    for stream in &parts.streams {
        assert_eq!(stream.parts.len(), 2);
        assert_eq!(stream.parts.values().sum::<u64>(), stream.bytes);
    }
    assert_eq!(
        found.label_names().into_iter().collect::<Vec<_>>(),
        ["level", "service_name"]
    );
    let services = found.label_values("service_name");
    assert_eq!(services.into_iter().collect::<Vec<_>>(), ["even", "odd"]);
    let late = store.streams(
        &tenant,
        &[],
        period,
        None,
        &Deadline::within(Duration::ZERO),
    );
    assert_eq!(late.unwrap_err(), SearchError::Deadline);
}

#[test]
fn a_query_for_numbers_that_reads_too_much_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        scan_bytes_max: 10_000,
        ..quiet()
    };
    drop(filled(dir.path()));
    let store = open(dir.path(), &config);
    let query = "sum(count_over_time({} |~ \"user=.*x\" [1000s]))";
    let Expr::Metric(expr) = sonde_logql::parse(query).unwrap() else {
        panic!("a query for numbers");
    };
    let source = store.source(&Tenant::default(), &sonde_proto::Deadline::never());
    let limits = EvalLimits::default();
    let at = UnixNanos(3000 * SECOND);
    let value =
        eval::instant(&expr, at, &source, &limits, &sonde_proto::Deadline::never()).unwrap();
    assert!(value.scanned.cut.unwrap().contains("10000 bytes"));
    let late = store.source(&Tenant::default(), &Deadline::within(Duration::ZERO));
    assert!(eval::instant(&expr, at, &late, &limits, &sonde_proto::Deadline::never()).is_err());
    assert!(LogQuery::parse(query).is_err());
}

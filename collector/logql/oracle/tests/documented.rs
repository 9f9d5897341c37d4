//! The oracle against what LogQL's documentation says of small cases: it is the judge of
//! others, so it is judged by hand.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use sonde_logql::ast::{
    Extraction, LabelFilter, LabelSelector, LineFilter, LineOp, LineText, LogExpr, MetricExpr,
    RangeAggregation, RangeOp, Stage,
};
use sonde_logql_oracle::{
    Direction, Errors, Grid, Key, Record, Refused, Stream, World, evaluate, rows,
};
use sonde_proto::{Labels, MatchOp, Matcher, UnixNanos};

const SECOND: u64 = 1_000_000_000;

fn world(lines: &[&str]) -> World {
    let labels: Labels = [("app", "api")].into_iter().collect();
    let records = lines.iter().enumerate().map(|(at, line)| Record {
        time: UnixNanos(at as u64 * SECOND),
        line: line.as_bytes().to_vec(),
        metadata: vec![("trace_id".into(), "abc".into())],
    });
    let stream = Stream {
        labels,
        metadata: Vec::new(),
        records: records.collect(),
    };
    World {
        streams: vec![stream],
        ..World::default()
    }
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).unwrap()
}

fn all(stages: Vec<Stage>) -> LogExpr {
    LogExpr {
        matchers: vec![matcher("app", MatchOp::Equal, "api")],
        stages,
    }
}

/// Checks the parsed labels and the error of one line after some stages.
fn check(stages: Vec<Stage>, line: &str, parsed: &[(&str, &str)], error: &str) {
    let end = UnixNanos(u64::MAX);
    let rows = rows(
        &world(&[line]),
        &all(stages),
        UnixNanos(0),
        end,
        Direction::Forward,
    );
    let parsed: Key = parsed
        .iter()
        .map(|(n, v)| ((*n).into(), (*v).into()))
        .collect();
    assert_eq!(
        (&rows[0].parsed, rows[0].error.as_str()),
        (&parsed, error),
        "{line}"
    );
}

fn logfmt(strict: bool, keep_empty: bool) -> Vec<Stage> {
    vec![Stage::Logfmt {
        strict,
        keep_empty,
        extractions: Vec::new(),
    }]
}

#[test]
fn json_is_flattened_without_lists() {
    let line = r#"{"a.b":{"c":"d"},"e":401,"list":[1],"none":null,"app":"x","trace_id":"t"}"#;
    let labels = [
        ("a_b_c", "d"),
        ("app_extracted", "x"),
        ("e", "401"),
        ("trace_id_extracted", "t"),
    ];
    check(vec![Stage::Json(Vec::new())], line, &labels, "");
    check(
        vec![Stage::Json(Vec::new())],
        "INFO GET /",
        &[],
        "JSONParserErr",
    );
    check(
        vec![Stage::Json(Vec::new())],
        r#"{"a":"1","b":"#,
        &[("a", "1")],
        "JSONParserErr",
    );
    check(
        vec![Stage::Json(Vec::new())],
        r#"{"a":"1","a":"2"}"#,
        &[("a", "1")],
        "",
    );
}

#[test]
fn json_paths_lead_into_objects_and_lists() {
    let line =
        r#"{"servers":["129.0.1.1","10.2.1.3"],"request":{"headers":{"User-Agent":"curl"}}}"#;
    let paths = [
        ("first", "servers[0]", "129.0.1.1"),
        ("ua", "request.headers[\"User-Agent\"]", "curl"),
        ("servers", "servers", r#"["129.0.1.1","10.2.1.3"]"#),
        ("headers", "request.headers", r#"{"User-Agent":"curl"}"#),
    ];
    let extractions = paths.map(|(label, path, _)| Extraction {
        label: label.into(),
        path: path.into(),
    });
    let labels = paths.map(|(label, _, value)| (label, value));
    check(vec![Stage::Json(extractions.to_vec())], line, &labels, "");
}

#[test]
fn malformed_pairs_are_skipped_or_end_a_strict_line() {
    let line = r#"at=info =value foo=bar=buzz fo"o=bar msg="a \"b\"" alone empty= last=1"#;
    let loose = [("at", "info"), ("last", "1"), ("msg", "a \"b\"")];
    check(logfmt(false, false), line, &loose, "");
    check(
        logfmt(true, false),
        line,
        &[("at", "info")],
        "LogfmtParserErr",
    );
    check(
        logfmt(true, false),
        "a=1 b=2",
        &[("a", "1"), ("b", "2")],
        "",
    );
}

#[test]
fn a_pattern_captures_up_to_the_next_text() {
    let line = "0.191.12.2 - - [10/Jun/2021] \"GET /api HTTP/1.1\" 200 2 \"-\" \"Go\"";
    let pattern = "<ip> - - <_> \"<method> <uri> <_>\" <status> <size> <_> \"<agent>\"";
    let labels = [
        ("agent", "Go"),
        ("ip", "0.191.12.2"),
        ("method", "GET"),
        ("size", "2"),
        ("status", "200"),
        ("uri", "/api"),
    ];
    check(vec![Stage::Pattern(pattern.into())], line, &labels, "");
    check(vec![Stage::Pattern("x<a>".into())], "yx1", &[], "");
    check(
        vec![Stage::Pattern("<a> <b>;<c>".into())],
        "1 2",
        &[("a", "1"), ("b", "2")],
        "",
    );
}

#[test]
fn unpack_puts_the_packed_line_back() {
    let line = r#"{"pod":"pod-3223f","app":"x","n":1,"_entry":"original log message"}"#;
    let labels = [("app_extracted", "x"), ("pod", "pod-3223f")];
    check(vec![Stage::Unpack], line, &labels, "");
    check(vec![Stage::Unpack], r#"{"pod":"p"}"#, &[], "");
}

#[test]
fn what_is_no_number_passes_with_an_error_and_what_is_missing_does_not() {
    let number = |name: &str| {
        Stage::Label(LabelFilter::Number(sonde_logql::ast::Comparison {
            name: name.into(),
            op: sonde_logql::ast::CompareOp::Greater,
            value: 400.0,
        }))
    };
    let json = || Stage::Json(Vec::new());
    check(
        vec![json(), number("s")],
        r#"{"s":"401"}"#,
        &[("s", "401")],
        "",
    );
    check(
        vec![json(), number("s")],
        r#"{"s":"x"}"#,
        &[("s", "x")],
        "LabelFilterErr",
    );
    let none = rows(
        &world(&[r#"{"s":"1"}"#, "{}"]),
        &all(vec![json(), number("s")]),
        UnixNanos(0),
        UnixNanos(u64::MAX),
        Direction::Forward,
    );
    assert!(none.is_empty());
}

#[test]
fn drop_and_keep_choose_labels_and_keep_leaves_the_error() {
    let line = r#"{"level":"info","method":"GET","path":"/"}"#;
    let json = || Stage::Json(Vec::new());
    let selectors = || {
        vec![
            LabelSelector::Name("level".into()),
            LabelSelector::Matching(matcher("method", MatchOp::Equal, "GET")),
        ]
    };
    check(
        vec![json(), Stage::Drop(selectors())],
        line,
        &[("path", "/")],
        "",
    );
    let kept = [("level", "info"), ("method", "GET")];
    check(vec![json(), Stage::Keep(selectors())], line, &kept, "");
    check(
        vec![json(), Stage::Keep(selectors())],
        "text",
        &[],
        "JSONParserErr",
    );
}

#[test]
fn line_patterns_are_whole_lines_whose_gaps_are_not_empty() {
    let passes = |pattern: &str, line: &str| {
        let text = LineText {
            text: pattern.into(),
            is_ip: false,
        };
        let filter = LineFilter {
            op: LineOp::Pattern,
            alternatives: vec![text],
        };
        let stages = vec![Stage::Line(filter)];
        let end = UnixNanos(u64::MAX);
        !rows(
            &world(&[line]),
            &all(stages),
            UnixNanos(0),
            end,
            Direction::Forward,
        )
        .is_empty()
    };
    assert!(passes("<_> baz", "foo bar baz"));
    assert!(passes("foo <_>", "foo bar baz"));
    assert!(!passes("<_> bar", "foo bar baz"));
    assert!(!passes("<_> bar <_>", " bar "));
    assert!(passes("<_>bar<_>", " bar "));
}

#[test]
fn windows_are_open_at_their_start_and_closed_at_their_end() {
    let count = |at: u64, stages| {
        let range = RangeAggregation {
            op: RangeOp::Count,
            parameter: None,
            log: all(stages),
            unwrap: None,
            range: 2 * SECOND as i64,
            offset: 0,
            grouping: None,
        };
        let grid = Grid {
            start: UnixNanos(at * SECOND),
            end: UnixNanos(at * SECOND),
            step: 0,
        };
        let expr = MetricExpr::Range(Box::new(range));
        let table = evaluate(&world(&["a", "b", "c", "d"]), &expr, grid, Errors::Refuse)?;
        Ok(table.steps[0]
            .1
            .iter()
            .map(|(_, count)| *count)
            .sum::<f64>())
    };
    assert_eq!(count(0, Vec::new()), Ok(1.0));
    assert_eq!(count(3, Vec::new()), Ok(2.0));
    assert_eq!(count(4, Vec::new()), Ok(1.0));
    assert_eq!(count(5, Vec::new()), Ok(0.0));
    let json = vec![Stage::Json(Vec::new())];
    assert_eq!(
        count(3, json),
        Err(Refused::Pipeline("JSONParserErr".into()))
    );
}

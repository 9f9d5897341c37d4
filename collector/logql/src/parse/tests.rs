//! Queries read, refused and bounded.

mod bounds;
mod fuzz;

use super::*;
use crate::ast::{MetricExpr, RangeOp, Stage, VectorOp};

const LINES: &str = include_str!("tests/lines.test");
const NUMBERS: &str = include_str!("tests/numbers.test");
const REFUSED: &str = include_str!("tests/refused.test");

/// The queries of a file, each with what is expected of it.
fn cases(file: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = file.lines().zip(file.lines().skip(1));
    lines.filter_map(|(query, expected)| Some((query, expected.strip_prefix("  ")?)))
}

/// The queries that are read, as they stand in the files.
pub(crate) fn accepted() -> Vec<&'static str> {
    cases(LINES).chain(cases(NUMBERS)).map(|(q, _)| q).collect()
}

#[test]
fn what_is_read_is_written_shortly_and_reads_back() {
    let mut count = 0;
    for (query, expected) in cases(LINES).chain(cases(NUMBERS)) {
        let expected = if expected == "=" { query } else { expected };
        let written = parse(query)
            .unwrap_or_else(|error| panic!("{query}\n{error}"))
            .to_string();
        assert_eq!(written, expected, "{query}");
        assert_eq!(parse(&written).unwrap().to_string(), written, "{query}");
        count += 1;
    }
    assert!(count >= 200, "{count}");
}

#[test]
fn what_is_no_query_is_refused_at_its_place() {
    let mut count = 0;
    let mut wrong = String::new();
    for (query, expected) in cases(REFUSED) {
        count += 1;
        let shown = match parse(query) {
            Err(error) => format!("{}:{} {}", error.line, error.column, error.message),
            Ok(read) => format!("read as {read}"),
        };
        let (place, part) = expected.split_once(' ').unwrap();
        let rest = shown.strip_prefix(place);
        if !rest.is_some_and(|rest| rest.starts_with(' ') && rest.contains(part)) {
            wrong.push_str(&format!("{query}\n  {shown}\n  {expected}\n"));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
    assert!(count >= 150, "{count}");
}

#[test]
fn every_error_says_what_would_be_right() {
    for (query, _) in cases(REFUSED) {
        let error = parse(query).unwrap_err();
        check_words(query, &error);
    }
}

/// A message says what was expected there, or has a remedy behind a semicolon.
pub(super) fn check_words(query: &str, error: &ParseError) {
    let message = &error.message;
    let remedy = message.split_once("; ").map(|(_, remedy)| remedy);
    let is_expected = message.starts_with("expected ") && message.contains(", found ");
    let has_remedy = remedy.is_some_and(|remedy| remedy.split_whitespace().count() >= 2);
    assert!(is_expected || has_remedy, "{query}\n{message}");
    assert!(!message.contains('\n'), "{query}\n{message}");
    assert!(message.chars().count() < 400, "{query}\n{message}");
    assert!(error.line >= 1 && error.column >= 1);
    assert!(error.offset <= query.len() && query.is_char_boundary(error.offset));
}

#[test]
fn a_place_in_a_later_line_is_shown_there() {
    let query = "sum by (level) (\n  # all of it\n  count_over_time({a=\"b\"}\n    | json\n    | bad [5m])\n)";
    let error = parse(query).unwrap_err();
    assert_eq!((error.line, error.column), (5, 7), "{error}");
    assert!(
        error.to_string().contains("\n      | bad [5m])\n        ^"),
        "{error}"
    );
}

#[test]
fn each_range_function_takes_what_lokis_takes() {
    // Whether it takes lines, numbers, and a grouping of numbers.
    let check = |op: RangeOp, lines: bool, numbers: bool, grouping: bool| {
        let parameter = if op == RangeOp::Quantile { "0.5, " } else { "" };
        let name = op.as_str();
        let reads = |rest: &str| parse(&format!("{name}({parameter}{rest}")).is_ok();
        assert_eq!(reads("{a=\"b\"}[5m])"), lines, "{name}");
        assert_eq!(reads("{a=\"b\"} | unwrap c [5m])"), numbers, "{name}");
        assert_eq!(
            reads("{a=\"b\"} | unwrap c [5m]) by (d)"),
            grouping,
            "{name}"
        );
        assert_eq!(
            reads("{a=\"b\"} | unwrap c [5m]) without (d)"),
            grouping,
            "{name}"
        );
        assert!(!reads("{a=\"b\"}[5m]) by (d)"), "{name}");
    };
    check(RangeOp::Count, true, false, false);
    check(RangeOp::Rate, true, true, false);
    check(RangeOp::RateCounter, false, true, false);
    check(RangeOp::Bytes, true, false, false);
    check(RangeOp::BytesRate, true, false, false);
    check(RangeOp::Avg, false, true, true);
    check(RangeOp::Sum, false, true, false);
    check(RangeOp::Min, false, true, true);
    check(RangeOp::Max, false, true, true);
    check(RangeOp::Stddev, false, true, true);
    check(RangeOp::Stdvar, false, true, true);
    check(RangeOp::Quantile, false, true, true);
    check(RangeOp::First, false, true, true);
    check(RangeOp::Last, false, true, true);
    check(RangeOp::Absent, true, true, false);
}

#[test]
fn each_aggregation_takes_what_lokis_takes() {
    for op in VectorOp::ALL {
        let name = op.as_str();
        let (takes_number, takes_grouping) = match op {
            VectorOp::Topk | VectorOp::Bottomk => (true, true),
            VectorOp::ApproxTopk => (true, false),
            VectorOp::Sort | VectorOp::SortDesc => (false, false),
            _ => (false, true),
        };
        let reads = |text: String| parse(&text).is_ok();
        assert_eq!(reads(format!("{name}(vector(1))")), !takes_number, "{name}");
        assert_eq!(
            reads(format!("{name}(3, vector(1))")),
            takes_number,
            "{name}"
        );
        let number = if takes_number { "3, " } else { "" };
        let before = format!("{name} by (a) ({number}vector(1))");
        let behind = format!("{name}({number}vector(1)) without (a)");
        assert_eq!(reads(before), takes_grouping, "{name}");
        assert_eq!(reads(behind), takes_grouping, "{name}");
    }
}

#[test]
fn numbers_keep_their_units() {
    let filter = |text: &str| match parse(text).unwrap() {
        Expr::Log(log) => match &log.stages[0] {
            Stage::Label(filter) => format!("{filter:?}"),
            other => panic!("{other:?}"),
        },
        Expr::Metric(metric) => panic!("{metric}"),
    };
    assert!(filter("| a > 5").starts_with("Number"));
    assert!(filter("| a > 5m").starts_with("Duration"));
    assert!(filter("| a > 5M").starts_with("Bytes"));
    assert!(filter("| a > 250ms").contains("250000000.0"));
    assert!(filter("| a > 20KB").contains("20000.0"));
    let Expr::Metric(MetricExpr::Range(range)) =
        parse("rate({a=\"b\"}[1h30m] offset -1.5s)").unwrap()
    else {
        panic!("no range")
    };
    assert_eq!(range.range, 5_400_000_000_000);
    assert_eq!(range.offset, -1_500_000_000);
}

#[test]
fn a_narrow_query_must_choose_streams() {
    let check = |query: &str, column: Option<usize>| {
        assert!(parse(query).is_ok(), "{query}");
        match (parse_narrow(query), column) {
            (Ok(_), None) => {}
            (Err(error), Some(column)) => {
                assert_eq!(error.column, column, "{query}: {error}");
                check_words(query, &error);
            }
            (Ok(_), Some(_)) => panic!("{query} was read"),
            (Err(error), None) => panic!("{query}\n{error}"),
        }
    };
    check("{a=\"b\"}", None);
    check("{a=~\".+\"}", None);
    check("{a!=\"\"}", None);
    check("{a!=\"c\", b=\"d\"}", None);
    check("vector(1)", None);
    check("1 + 1", None);
    check("", Some(1));
    check("{}", Some(1));
    check(" |= \"a\"", Some(2));
    check("{a=\"\"}", Some(1));
    check("{a!=\"b\"}", Some(1));
    check("{a=~\".*\"}", Some(1));
    check("{a!~\".+\"}", Some(1));
    check("sum(rate({}[5m])) + vector(1)", Some(10));
    check("rate({a=\"b\"}[5m]) / rate({a!=\"b\"}[5m])", Some(26));
}

#[test]
fn a_selector_alone_has_no_stages() {
    let names = |text: &str| -> Vec<String> {
        let matchers = parse_selector(text).unwrap();
        matchers.into_iter().map(|matcher| matcher.name).collect()
    };
    assert_eq!(names("{a=\"b\", c!~\"d\"}"), ["a", "c"]);
    assert!(names("").is_empty());
    assert!(names("{}").is_empty());
    for text in [
        "{a=\"b\"} |= \"c\"",
        "a",
        "rate({a=\"b\"}[5m])",
        "({a=\"b\"})",
        "{a=\"b\"",
    ] {
        check_words(text, &parse_selector(text).unwrap_err());
    }
}

#[test]
fn an_empty_text_asks_for_everything() {
    for text in ["", "  ", "# nothing\n"] {
        assert_eq!(parse(text).unwrap().to_string(), "{}");
    }
}

#[test]
fn a_stage_that_cannot_be_compiled_is_found_in_the_text() {
    let check = |query: &str, column: usize| {
        let error = match parse(query).unwrap() {
            Expr::Log(log) => Pipeline::compile(&log.stages, &PipelineLimits::default()),
            Expr::Metric(MetricExpr::Range(range)) => {
                Pipeline::compile(&range.log.stages, &PipelineLimits::default())
            }
            Expr::Metric(other) => panic!("{other}"),
        };
        let error = error
            .err()
            .unwrap_or_else(|| CompileError::new("", "elsewhere"));
        let found = locate(query, &error);
        assert_eq!(found.column, column, "{query}\n{found}");
    };
    check("{a=\"b\"} |= \"c\" |~ \"(\"", 19);
    check("{a=\"b\"} |= ip(\"x\")", 15);
    check("{a=\"b\"} | json | regexp \"(\"", 25);
    check("rate({a=\"b\"} |~ \"d\" !~ \"(\" [5m])", 24);
    check("sum_over_time({a=\"b\"} | unwrap c | d=ip(\"x\") [5m])", 41);
    // A query that compiles has no such place.
    check("{a=\"b\"} | json", 1);
}

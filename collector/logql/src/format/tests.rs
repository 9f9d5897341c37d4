//! Queries written and read back.

mod trees;

use super::pretty;
use crate::ast::{Expr, LabelFilter, LineOp, Stage};
use crate::parse::parse;
use proptest::prelude::*;

const PRETTY: &str = include_str!("tests/pretty.test");

/// One query and its lines, blank lines between them.
#[test]
fn long_queries_are_opened_over_several_lines() {
    let mut count = 0;
    let cases = PRETTY.split("\n\n").filter(|case| !case.is_empty());
    for case in cases.filter(|case| !case.starts_with('#')) {
        let (query, expected) = case.trim_end().split_once('\n').unwrap();
        let read = parse(query).unwrap_or_else(|error| panic!("{query}\n{error}"));
        let written = pretty(&read);
        assert_eq!(written, expected, "\n{written}\n");
        let again = parse(&written).unwrap();
        assert_eq!(again.to_string(), read.to_string());
        assert_eq!(pretty(&again), written);
        count += 1;
    }
    assert!(count >= 10, "{count}");
}

/// Filters joined by the same word, joined from left to right: how they are nested is not
/// written, because it makes no difference.
fn normal(filter: LabelFilter) -> LabelFilter {
    fn flat(filter: LabelFilter, is_or: bool, out: &mut Vec<LabelFilter>) {
        match filter {
            LabelFilter::Or(a, b) if is_or => {
                flat(*a, is_or, out);
                flat(*b, is_or, out);
            }
            LabelFilter::And(a, b) if !is_or => {
                flat(*a, is_or, out);
                flat(*b, is_or, out);
            }
            other => out.push(normal(other)),
        }
    }
    let is_or = match filter {
        LabelFilter::Or(..) => true,
        LabelFilter::And(..) => false,
        other => return other,
    };
    let mut all = Vec::new();
    flat(filter, is_or, &mut all);
    let join = if is_or {
        LabelFilter::Or
    } else {
        LabelFilter::And
    };
    all.into_iter()
        .reduce(|a, b| join(Box::new(a), Box::new(b)))
        .unwrap()
}

/// The tree without what writing may change: filters that every line satisfies, and nesting of
/// filters that makes no difference.
fn shape(mut expr: Expr) -> String {
    trees::each_pipeline(&mut expr, &mut |stages| {
        stages.retain(|stage| {
            !matches!(stage, Stage::Line(filter)
                if filter.op == LineOp::Contains && filter.alternatives[0].text.is_empty())
        });
    });
    trees::each_filter(&mut expr, &mut |filter| {
        let taken = std::mem::replace(filter, trees::any_filter());
        *filter = normal(taken);
    });
    format!("{expr:?}")
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn what_is_written_reads_back(expr in trees::expr()) {
        let written = expr.to_string();
        prop_assert!(!written.contains('\n'), "{}", written);
        let again = parse(&written);
        prop_assert!(again.is_ok(), "{}\n{}", written, again.unwrap_err());
        let again = again.unwrap();
        prop_assert_eq!(again.to_string(), written.as_str());
        let opened = pretty(&expr);
        let reread = parse(&opened);
        prop_assert!(reread.is_ok(), "{}\n{}", opened, reread.unwrap_err());
        prop_assert_eq!(reread.unwrap().to_string(), written.as_str(), "{}", opened);
        prop_assert_eq!(shape(again), shape(expr), "{}", written);
    }

    #[test]
    fn no_parenthesis_is_needless(expr in trees::expr()) {
        let written = expr.to_string();
        for (open, close) in pairs(&written) {
            let mut without = written.clone();
            without.replace_range(close..=close, " ");
            without.replace_range(open..=open, " ");
            let same = parse(&without).is_ok_and(|read| read.to_string() == written);
            prop_assert!(!same, "{}\n{}", written, without);
        }
    }
}

/// Where parentheses open and close, outside of strings.
fn pairs(text: &str) -> Vec<(usize, usize)> {
    let (mut open, mut found) = (Vec::new(), Vec::new());
    let (mut is_inside, mut is_escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = is_inside,
            '"' => is_inside = !is_inside,
            '(' if !is_inside => open.push(at),
            ')' if !is_inside => found.extend(open.pop().map(|from| (from, at))),
            _ => {}
        }
    }
    found
}

#[test]
fn the_trees_have_what_is_hard_to_write() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let strategy = trees::expr();
    let written: Vec<String> = (0..3000)
        .map(|_| {
            strategy
                .new_tree(&mut runner)
                .unwrap()
                .current()
                .to_string()
        })
        .collect();
    let parts = [
        " group_left ",
        " group_right (",
        " offset -",
        " bool on (",
        " ignoring () group",
        "| (json!",
        " |= \"\" !",
        " and (",
        ") and ",
        ") ^ ",
        " ^ (",
        " - (",
        ") * (",
        "| unwrap duration(",
        "| unwrap bytes |",
        " or ip(",
        "--strict --keep-empty",
        " without ()",
        "quantile_over_time(-",
        "KiB",
        "us",
        "and and",
        "\\u2028",
        "vector(NaN)",
    ];
    let is_there = |part: &str| written.iter().any(|text| text.contains(part));
    let missing: Vec<_> = parts.into_iter().filter(|part| !is_there(part)).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

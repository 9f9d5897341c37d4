//! What is written of a tree, and that it reads back as the same.

use super::*;
use crate::{format, pretty, to_json};
use proptest::prelude::*;

fn check_line(text: &str, written: &str) {
    let tree = parsed(text).unwrap();
    assert_eq!(format(&tree), written, "{text}");
    assert_eq!(parsed(written).unwrap(), tree, "{text}");
}

#[test]
fn a_line_is_written_as_prometheus_writes_it() {
    let same = |text: &str| check_line(text, text);
    same("m");
    same("-m + +n");
    same("1 + 0.5 - +Inf * -Inf");
    assert_eq!(format(&parsed("nan").unwrap()), "NaN");
    check_line(
        "1e3 + 0x1f + 017 + 1_000 + 1e-7",
        "1000 + 31 + 15 + 1000 + 0.0000001",
    );
    check_line(
        "36h + 5400s + 14d + 1y + 0s",
        "1d12h + 1h30m + 2w + 1y + 0s",
    );
    check_line("'a\\'b' ", r#""a'b""#);
    same(r#""\a\x00\u00a0é\U000e0001\\\"""#);
    check_line("m{ b = 'x', a!~`\\d`, }", r#"m{a!~"\\d",b="x"}"#);
    check_line("{__name__='m'}", r#"{__name__="m"}"#);
    check_line(
        r#"{"a metric", "b c"="d"}"#,
        r#"{"b c"="d",__name__="a metric"}"#,
    );
    check_line("m{}", "m");
    same(r#"m{__name__!=""}"#.trim_start_matches('m'));
    same("m[5m] @ 1.500 offset 1m");
    check_line("m offset 5m @ -1", "m @ -1.000 offset 5m");
    check_line("m offset 0", "m");
    same("m @ start() offset -1h30m");
    same("m[1h:] @ end()");
    same("(m + n)[1h:5m] offset 5m");
    same("m[2 * (step() + 1m) ^ 2] offset -max_of(step(), 5m)");
    check_line("m[(5m)] offset (-5m)", "m[5m] offset (-5m)");
    check_line("m[-(-2) ^ 2 + 9]", "m[-(-2) ^ 2 + 9]");
    check_line("m[min(1, MAX(2, 3))]", "m[min_of(1, max_of(2, 3))]");
    same("m[5m] anchored @ 1.000 offset 5m");
    check_line("m smoothed offset 5m @ 1", "m @ 1.000 smoothed offset 5m");
    check_line("SUM(m) BY (a,)", "sum by (a) (m)");
    check_line("sum by () (m)", "sum(m)");
    same("sum without () (m)");
    same(r#"topk by (a, "b.c", "inf") (3, m)"#);
    same("limitk(2, m) + limit_ratio(-0.5, m)");
    check_line("a * on(x) group_left b", "a * on (x) group_left () b");
    same("a > bool ignoring () group_right (y) b");
    same("a and on () b or c unless d");
    same("a ^ b ^ c atan2 (d % e)");
    same("round(m, 0.5) + time() + start()");
    same(r#"info(rate(m[5m]), {a="b"})"#);
    same(r#"info(m, {})"#);
}

#[test]
fn what_is_long_is_broken() {
    let check = |text: &str, written: &str| {
        let tree = parsed(text).unwrap();
        assert_eq!(pretty(&tree), written, "{text}");
        assert_eq!(parsed(written).unwrap(), tree, "{text}");
    };
    let long = "a".repeat(50);
    check("sum( m )", "sum(m)");
    check(
        &format!("sum by (x) (rate({long}[5m])) / on (x) -({long} + {long})"),
        &format!(
            "  sum by (x) (rate({long}[5m]))\n/ on (x)\n  -(\n      {long}\n    +\n      {long}\n  )"
        ),
    );
    check(
        &format!("max_over_time(topk(1, {long} or {long})[5m:1m])"),
        &format!(
            "max_over_time(\n  topk(\n    1,\n      {long}\n    or\n      {long}\n  )[5m:1m]\n)"
        ),
    );
}

#[test]
fn a_tree_is_shown_as_json() {
    let check = |text: &str, json: &str| {
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(to_json(&parsed(text).unwrap()), json, "{text}");
    };
    check(
        "-m{a=~\"b\"} offset 5m",
        r#"{"type": "unaryExpr", "op": "-", "expr": {
            "type": "vectorSelector", "name": "m", "offset": 300000, "timestamp": null,
            "startOrEnd": null, "anchored": false, "smoothed": false, "matchers": [
                {"name": "a", "type": "=~", "value": "b"},
                {"name": "__name__", "type": "=", "value": "m"}]}}"#,
    );
    check(
        "rate({a=\"b\"}[5m] @ end()) > bool (1)",
        r#"{"type": "binaryExpr", "op": ">", "bool": true, "matching": null,
            "lhs": {"type": "call", "func": {"name": "rate", "argTypes": ["matrix"],
                "variadic": 0, "returnType": "vector"}, "args": [{
                "type": "matrixSelector", "name": "", "range": 300000, "offset": 0,
                "timestamp": null, "startOrEnd": "end", "anchored": false, "smoothed": false,
                "matchers": [{"name": "a", "type": "=", "value": "b"}]}]},
            "rhs": {"type": "parenExpr", "expr": {"type": "numberLiteral", "val": "1"}}}"#,
    );
    check(
        "max_over_time((vector(1))[5m:step()] @ 1.5)",
        r#"{"type": "call", "func": {"name": "max_over_time", "argTypes": ["matrix"],
            "variadic": 0, "returnType": "vector"}, "args": [{
            "type": "subquery", "range": 300000, "step": 0, "stepExpr": "step()", "offset": 0,
            "timestamp": 1500, "startOrEnd": null, "expr": {"type": "parenExpr", "expr": {
                "type": "call", "func": {"name": "vector", "argTypes": ["scalar"],
                "variadic": 0, "returnType": "vector"}, "args": [
                    {"type": "numberLiteral", "val": "1"}]}}}]}"#,
    );
    check(
        "a * on (x) group_left (y) limitk by (z) (1, b)",
        r#"{"type": "binaryExpr", "op": "*", "bool": false, "matching": {
            "card": "many-to-one", "labels": ["x"], "on": true, "include": ["y"]},
            "lhs": {"type": "vectorSelector", "name": "a", "offset": 0, "timestamp": null,
                "startOrEnd": null, "anchored": false, "smoothed": false,
                "matchers": [{"name": "__name__", "type": "=", "value": "a"}]},
            "rhs": {"type": "aggregation", "op": "limitk", "grouping": ["z"],
                "without": false, "param": {"type": "numberLiteral", "val": "1"},
                "expr": {"type": "vectorSelector", "name": "b", "offset": 0,
                "timestamp": null, "startOrEnd": null, "anchored": false, "smoothed": false,
                "matchers": [{"name": "__name__", "type": "=", "value": "b"}]}}}"#,
    );
    let described = |text: &str| to_json(&parsed(text).unwrap())["func"]["variadic"].clone();
    assert_eq!(described("round(m)"), 1);
    assert_eq!(described("label_join(m, \"a\", \"b\")"), -1);
    assert_eq!(described("histogram_quantiles(m, \"q\", 0.5)"), 9);
}

/// Names of metrics, labels and anything else.
fn name() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]{1,3}",
        "(?:on|by|bool|offset|inf|sum|step|anchored|a.b|é|\"|1)",
        any::<String>(),
    ]
}

fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<f64>().prop_map(|n| crate::label_number(n.abs())),
        (0i64..1_000_000_000_000).prop_map(|millis| format!("{millis}ms")),
        (0u32..100).prop_map(|n| n.to_string()),
    ]
    .prop_filter("NaN is not itself", |text| text != "NaN")
}

fn duration() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        (1i64..1_000_000_000_000).prop_map(|millis| format!("{millis}ms")),
        (1u32..100).prop_map(|n| n.to_string()),
        Just("step()".to_owned()),
        Just("range()".to_owned()),
    ];
    leaf.prop_recursive(3, 8, 2, |inner| {
        let op = prop::sample::select(vec!["+", "-", "*", "/", "%", "^"]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            inner.clone().prop_map(|a| format!("(-{a})")),
            inner.clone().prop_map(|a| format!("({a})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("max_of({a}, {b})")),
        ]
    })
}

fn modifiers() -> impl Strategy<Value = String> {
    let at = prop_oneof![
        Just(String::new()),
        Just(" @ start()".into()),
        (-1_000_000i64..1_000_000).prop_map(|n| format!(" @ {}", n as f64 / 1e3)),
    ];
    let edges = prop::sample::select(vec!["", " anchored", " smoothed"]);
    let offset = prop_oneof![
        Just(String::new()),
        duration().prop_map(|d| format!(" offset ({d})")),
        (-1000i64..1000).prop_map(|n| format!(" offset {n}")),
    ];
    (at, edges, offset).prop_map(|(at, edges, offset)| format!("{offset}{edges}{at}"))
}

fn selector() -> impl Strategy<Value = String> {
    let op = prop::sample::select(vec!["=", "!=", "=~", "!~"]);
    let value = prop_oneof!["[a-z.*]{0,3}", Just("\u{200b}\n\"".to_owned())];
    let matcher = (name(), op, value).prop_map(|(name, op, value)| {
        let value = value.trim_start_matches('*').replace("**", "");
        format!(
            "{}{op}{}",
            sonde_lex::quoted(&name),
            sonde_lex::quoted(&value)
        )
    });
    let matchers = prop::collection::vec(matcher, 0..3).prop_map(|all| all.join(","));
    ("[a-z:_]{1,4}x", matchers, modifiers())
        .prop_map(|(name, matchers, rest)| format!("{name}{{{matchers}}}{rest}"))
}

/// Texts of expressions that are vectors or numbers, most of them right.
fn expression() -> impl Strategy<Value = String> {
    let range = (selector(), duration()).prop_map(|(s, d)| {
        let (name, rest) = s.split_once('}').unwrap_or((&s, ""));
        format!("rate({name}}}[{d}]{rest})")
    });
    let leaf = prop_oneof![selector(), number(), range];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let op = prop::sample::select(vec![
            "+", "-", "*", "/", "%", "^", "==", "> bool", "and", "or", "unless", "atan2",
        ]);
        let labels = prop::collection::vec(name().prop_map(|n| sonde_lex::quoted(&n)), 0..3)
            .prop_map(|all| all.join(","))
            .boxed();
        let matching = (labels.clone(), prop::sample::select(vec!["on", "ignoring"]))
            .prop_map(|(labels, word)| format!("{word} ({labels})"));
        let aggregation = prop::sample::select(vec!["sum", "limitk", "count_values", "quantile"]);
        prop_oneof![
            (inner.clone(), op.clone(), inner.clone())
                .prop_map(|(a, op, b)| format!("{a} {op} {b}")),
            (inner.clone(), op, matching, inner.clone())
                .prop_map(|(a, op, on, b)| format!("({a}) {op} {on} ({b})")),
            inner.clone().prop_map(|a| format!("-{a}")),
            inner.clone().prop_map(|a| format!("+({a})")),
            inner.clone().prop_map(|a| format!("abs({a})")),
            (inner.clone(), duration(), duration())
                .prop_map(|(a, d, s)| format!("max_over_time(({a})[{d}:{s}])")),
            (aggregation, labels, inner).prop_map(|(op, labels, a)| match op {
                "sum" => format!("sum without ({labels}) ({a})"),
                "count_values" => format!("count_values by ({labels}) (\"x\", {a})"),
                op => format!("{op}(1, {a}) by ({labels})"),
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(text in expression()) {
        if let Ok(tree) = parsed(&text) {
            prop_assert!(tree.span.end as usize <= text.len());
            for written in [format(&tree), pretty(&tree)] {
                let again = parsed(&written);
                prop_assert!(again.is_ok(), "{}\n{}\n{:?}", text, written, again);
                prop_assert_eq!(&again.unwrap(), &tree, "{}\n{}", text, written);
            }
            let _ = to_json(&tree);
        }
    }
}

/// The generator above is of use only if most of what it makes is right.
#[test]
fn most_generated_expressions_are_right() {
    use proptest::strategy::ValueTree as _;
    use proptest::test_runner::{Config, TestRunner};
    let mut runner = TestRunner::new_with_rng(
        Config::default(),
        proptest::test_runner::TestRng::deterministic_rng(
            proptest::test_runner::RngAlgorithm::ChaCha,
        ),
    );
    let right = (0..1000)
        .filter(|_| {
            let text = expression().new_tree(&mut runner).unwrap().current();
            parsed(&text).is_ok()
        })
        .count();
    assert!(right > 400, "{right} of 1000");
}

#[test]
fn every_node_knows_its_place() {
    let text = " sum by (a) (rate(m{b=\"c\"}[5m] offset 1m)) / -( n ) ";
    let tree = parsed(text).unwrap();
    let at = |expr: &Expr| text[expr.span.start as usize..expr.span.end as usize].to_owned();
    assert_eq!(at(&tree), text.trim());
    let crate::ast::ExprKind::Binary(binary) = &tree.kind else {
        panic!("{tree:?}");
    };
    assert_eq!(at(&binary.rhs), "-( n )");
    assert!(at(&binary.lhs).starts_with("sum by") && at(&binary.lhs).ends_with("1m))"));
    let crate::ast::ExprKind::Aggregate(sum) = &binary.lhs.kind else {
        panic!("{binary:?}");
    };
    let crate::ast::ExprKind::Call { args, .. } = &sum.expr.kind else {
        panic!("{sum:?}");
    };
    assert_eq!(at(&args[0]), "m{b=\"c\"}[5m] offset 1m");
}

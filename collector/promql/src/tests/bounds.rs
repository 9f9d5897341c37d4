//! Texts of any kind and length, and where errors are.

use super::*;
use crate::{parse_selectors, selectors};
use proptest::prelude::*;

#[test]
fn the_selectors_of_a_query_are_all_of_them_in_their_order() {
    let found = |query: &str| -> Vec<String> {
        let all = selectors(query, &Features::all()).unwrap();
        let text = |m: &Matcher| format!("{}{}{}", m.name, m.op.as_str(), m.value);
        all.iter()
            .map(|s| s.iter().map(text).collect::<Vec<_>>().join(","))
            .collect()
    };
    let query = r#"-topk(scalar(a), sum by (x) (rate(b{c=~"d"}[5m]))) / on (x) (e offset 1m or max_over_time((f > 1)[5m:1m])) + clamp(g, scalar(h), 1)"#;
    let names = ["a", "b", "e", "f", "g", "h"].map(|n| format!("__name__={n}"));
    let mut wanted = names.to_vec();
    wanted[1].push_str(",c=~d");
    assert_eq!(found(query), wanted);
    assert_eq!(found(r#"{j!="x", k="y"}"#), ["j!=x,k=y"]);
    assert!(found("1 + time()").is_empty());
    assert!(found("\"a\"").is_empty());
    assert_eq!(
        selectors("a +", &Features::default()).unwrap_err().column,
        4
    );
}

#[test]
fn a_selector_is_a_selector_and_nothing_else() {
    assert_eq!(parse_selector("m{a=\"1\"}").unwrap().len(), 2);
    for text in [
        "m[5m]",
        "m offset 5m",
        "m @ 0",
        "sum(m)",
        "(m)",
        "1",
        "m +",
        "",
    ] {
        assert!(parse_selector(text).is_err(), "{text}");
    }
}

#[test]
fn the_regular_expressions_of_an_expression_have_one_budget() {
    let all = |pattern: &str, selectors: usize, each: usize| {
        let matchers = vec![format!("a=~\"{pattern}\""); each].join(",");
        vec![format!("{{{matchers}}}"); selectors]
    };
    let fits = |selectors: Vec<String>| {
        let query = parsed(&selectors.join("+"));
        let together = parse_selectors(selectors.iter().map(String::as_str));
        assert_eq!(query.is_ok(), together.is_ok());
        together.is_ok()
    };
    assert!(fits(all("x", 10, 100)));
    assert!(!fits(all("x", 11, 91)));
    assert!(fits(all("[a-z]{9000}", 8, 4)));
    assert!(!fits(all("[a-z]{9000}", 8, 5)));
    let error = parsed(&all("x", 11, 91).join("+")).unwrap_err();
    assert!(error.message.contains("may be 1000"), "{}", error.message);
}

#[test]
fn selectors_that_are_asked_for_together_are_bounded() {
    let of = |count: usize| parse_selectors(std::iter::repeat_n("a", count));
    assert_eq!(of(1000).unwrap().len(), 1000);
    assert!(of(1001).is_err());
    assert!(parse_selectors(["a", "a +"]).is_err());
}

#[test]
fn an_error_names_its_line_and_shows_it_with_a_caret() {
    let error = parsed("sum(\n\tm{a=\"1\",\n  b=}\n)").unwrap_err();
    assert_eq!((error.line, error.column, error.offset), (3, 5, 19));
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(
        lines[0],
        "3:5: unexpected \"}\" in label matching, expected string"
    );
    assert_eq!(&lines[1..], ["    b=}", "      ^"]);
}

#[test]
fn a_long_line_is_shown_around_the_error() {
    let error = parsed(&format!("{} & b", "a + ".repeat(20) + &"a".repeat(400))).unwrap_err();
    let text = error.to_string();
    assert!(text.lines().all(|line| line.len() < 140), "{text}");
    let caret = text.lines().last().unwrap().find('^').unwrap();
    assert_eq!(text.lines().nth(1).unwrap().as_bytes()[caret], b'&');
}

#[test]
fn an_expression_too_deep_or_too_long_is_refused() {
    for (open, inner, close) in [
        ("(", "1", ")"),
        ("-", "1", ""),
        ("sum(", "m", ")"),
        ("", "1", " + 1"),
        ("1 ^ ", "1", ""),
        ("m unless ", "m", ""),
    ] {
        let text = |n: usize| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
        assert!(parsed(&text(40)).is_ok(), "{open}");
        for many in [200, 60_000 / (open.len() + close.len())] {
            let error = parsed(&text(many)).unwrap_err();
            assert!(error.message.contains("deep"), "{open} {}", error.message);
        }
    }
    for (before, open, inner, close, after) in [
        ("m[", "(", "1", ")", "]"),
        ("m[", "-", "1", "", "]"),
        ("m[", "", "1", " + 1", "]"),
        ("m[", "1 ^ ", "1", "", "]"),
        ("m offset ", "(", "1", ")", ""),
        ("m[5m:", "max_of(1, ", "1", ")", "]"),
    ] {
        let text = |n: usize| {
            let (open, close) = (open.repeat(n), close.repeat(n));
            format!("{before}{open}{inner}{close}{after}")
        };
        assert!(parsed(&text(38)).is_ok(), "{before}{open}");
        for many in [200, 5000] {
            let error = parsed(&text(many)).unwrap_err();
            assert!(error.message.contains("deep"), "{open} {}", error.message);
        }
    }
    let error = parsed(&" ".repeat(70_000)).unwrap_err();
    assert!(error.message.contains("longer"));
    let many: Vec<String> = (0..300).map(|n| format!("l{n}=\"x\"")).collect();
    let error = parsed(&format!("{{{}}}", many.join(","))).unwrap_err();
    assert!(error.message.contains("matchers"));
}

#[test]
fn what_is_an_experiment_must_be_enabled() {
    let check = |text: &str, message: &str| {
        assert!(parsed(text).is_ok(), "{text}");
        let error = parse(text, &Features::default()).unwrap_err();
        assert_eq!(error.message, message, "{text}");
    };
    for name in [
        "info(m)",
        "mad_over_time(m[5m])",
        "sort_by_label(m, \"a\")",
        "start()",
        "min_of(1, 2)",
        "histogram_quantiles(m, \"q\", 0.5)",
        "double_exponential_smoothing(m[5m], 0.5, 0.5)",
    ] {
        let (function, _) = name.split_once('(').unwrap();
        check(name, &format!("function {function:?} is not enabled"));
    }
    for name in ["limitk", "limit_ratio"] {
        let message = format!(
            "{name}() is experimental and must be enabled with --enable-feature=promql-experimental-functions"
        );
        check(&format!("{name}(1, m)"), &message);
    }
    for text in [
        "m[2 * 5m]",
        "m[step()]",
        "m offset (5m)",
        "m[5m:max_of(1, 2)]",
    ] {
        check(text, "experimental duration expression is not enabled");
    }
    check(
        "m smoothed",
        "smoothed modifier is experimental and not enabled",
    );
    check(
        "rate(m[5m] anchored)",
        "anchored modifier is experimental and not enabled",
    );
    for text in ["limitk", "anchored", "step + range"] {
        assert!(parse(text, &Features::default()).is_ok(), "{text}");
    }
}

/// Words of the language, in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "m",
        "sum",
        "by",
        "without",
        "(",
        ")",
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "5m",
        "1h30m",
        "offset",
        "@",
        "start",
        "end",
        "()",
        "and",
        "or",
        "unless",
        "on",
        "ignoring",
        "group_left",
        "bool",
        "+",
        "-",
        "*",
        "/",
        "%",
        "^",
        "==",
        "!=",
        "<",
        ">=",
        "=",
        "=~",
        "!~",
        "\"a\"",
        "'b'",
        "`c`",
        "1",
        "0x1f",
        "1e9",
        ".5",
        "Inf",
        "NaN",
        "rate",
        "abs",
        "topk",
        "label_replace",
        "a:b",
        "#",
        "\n",
        "é",
        "\\",
        "{a=\"b\"}",
        "m[5m]",
        "m[5m:1m]",
        "histogram_quantile",
        "9223372036854775807",
        "1e308",
        "-",
        "285000y",
        "absent",
        "sort_by_label",
        "__name__",
        "step()",
        "range()",
        "min_of",
        "anchored",
        "smoothed",
        "limitk",
        "limit_ratio",
        "info",
        "start()",
        "\"a.b\"",
        "017",
        "m[2 * 5m]",
        "0.5",
    ]);
    prop::collection::vec(word, 0..20).prop_map(|words| words.join(" "))
}

fn memory() -> Memory {
    load(
        60_000,
        &["m{a=\"b\"} 1+1x9", "m 5 _ stale NaN 7x5", "a:b Inf -Inf 0"],
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn any_text_is_an_expression_or_an_error_inside_of_it(text in ".{0,80}") {
        if let Err(error) = parsed(&text) {
            prop_assert!(error.offset <= text.len() && text.is_char_boundary(error.offset));
            let _ = error.to_string();
        }
    }

    #[test]
    fn any_words_are_evaluated_or_refused(text in words(), time in prop_oneof![Just(0u64), 0u64..1_000_000_000_000, Just(u64::MAX)]) {
        let memory = memory();
        let limits = QueryLimits { samples_max: 100_000, ..QueryLimits::default() };
        let time = UnixNanos(time);
        let _ = instant(&memory, &text, time, &limits);
        let end = time.plus(Duration::from_secs(600));
        let _ = range(&memory, &text, time, end, Duration::from_secs(60), &limits);
        let _ = range(&memory, &text, UnixNanos(0), UnixNanos(u64::MAX), Duration::from_secs(10_000_000), &limits);
    }
}

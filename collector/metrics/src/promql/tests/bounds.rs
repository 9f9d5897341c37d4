//! Texts of any kind and length, and where errors are.

use super::super::{parse, selectors};
use super::*;
use proptest::prelude::*;

#[test]
fn the_selectors_of_a_query_are_all_of_them_in_their_order() {
    let found = |query: &str| -> Vec<String> {
        let all = selectors(query).unwrap();
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
    assert_eq!(selectors("a +").unwrap_err().column, 4);
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
fn an_error_names_its_line_and_shows_it_with_a_caret() {
    let error = parse("sum(\n\tm{a=\"1\",\n  b=}\n)").unwrap_err();
    assert_eq!((error.line, error.column, error.offset), (3, 5, 19));
    let text = error.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("3:5: unexpected \"}\""), "{text}");
    assert_eq!(&lines[1..], ["    b=}", "      ^"]);
}

#[test]
fn a_long_line_is_shown_around_the_error() {
    let error = parse(&format!("{} & b", "a + ".repeat(20) + &"a".repeat(400))).unwrap_err();
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
        assert!(parse(&text(40)).is_ok(), "{open}");
        for many in [200, 60_000 / (open.len() + close.len())] {
            let error = parse(&text(many)).unwrap_err();
            assert!(error.message.contains("deep"), "{open} {}", error.message);
        }
    }
    let error = parse(&" ".repeat(70_000)).unwrap_err();
    assert!(error.message.contains("longer"));
    let many: Vec<String> = (0..300).map(|n| format!("l{n}=\"x\"")).collect();
    let error = parse(&format!("{{{}}}", many.join(","))).unwrap_err();
    assert!(error.message.contains("matchers"));
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
        if let Err(error) = parse(&text) {
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

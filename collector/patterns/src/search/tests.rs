//! Needles of all kinds beside a plain scan: not one difference.

use super::*;
use crate::column::Column;
use crate::testing::{Segment, groups, names, prose, rng};
use ::regex::bytes::Regex;
use proptest::prelude::*;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

fn check(segment: &Segment, groups: &[Vec<Vec<u8>>], text: &[u8]) {
    let needle = Needle::new(&segment.dictionary, text);
    for (at, bodies) in groups.iter().enumerate() {
        let block = segment.block(at);
        let mut rows = RowSet::default();
        block.rows_containing(&needle, &mut rows).unwrap();
        let expected: Vec<usize> = (0..bodies.len())
            .filter(|row| needle.finder().find(&bodies[*row]).is_some())
            .collect();
        let found: Vec<usize> = rows.iter().collect();
        let shown = String::from_utf8_lossy(text);
        assert_eq!(found, expected, "rows of block {at} containing {shown:?}");
        assert_eq!(block.count_containing(&needle).unwrap(), expected.len());
    }
}

#[test]
fn chosen_needles() {
    let groups = groups(1, 3, 600);
    let segment = Segment::of(&groups);
    for needle in [
        "",
        "timeout",
        "\"level\":\"ERROR\"",
        "\"level\":\"E",
        "evel\":\"ERROR\",\"msg\":\"order ",
        "upstream call after",
        "call after 1",
        "404",
        "4",
        "04",
        "00",
        "x404y",
        "dead",
        "deadl",
        "HTTP/1.1\" 500",
        "items HTTP/1.1\" 404 1",
        "10.0.1",
        "10.0.12.",
        " - - [12/Nov/2026:10:0",
        "rid=0",
        "rid=",
        "=",
        "\"\"",
        "\",\"",
        "\"user_id\":1",
        ":true,",
        "null]",
        "say \\\"",
        "\\\"timeout\\\"",
        "größe",
        "gr\u{f6}",
        "checkpoint complete",
        "user=1",
        "\u{e}",
        "took \u{f}",
        "\u{10}",
        "\n",
        "\u{1b}[31m7",
        "7 long 7 long",
        "ms: timeout (attempt 2)",
        "thread-1",
        "v2/carts/2",
        "no such text anywhere",
        "}",
        "{\"",
        "\"}",
        "T10:00:01Z",
        "2026-11-12 10:00:0",
    ] {
        check(&segment, &groups, needle.as_bytes());
    }
    check(&segment, &groups, &"7 ".repeat(40_000).into_bytes());
    check(&segment, &groups, &[0xc3]);
}

#[test]
fn random_pieces_of_bodies_changed_and_unchanged() {
    let mut differ = rng(2);
    for seed in 0..6 {
        let groups = groups(seed + 20, 3, 300);
        let segment = Segment::of(&groups);
        for round in 0..250 {
            let bodies = &groups[differ.random_range(0..groups.len())];
            let body = &bodies[differ.random_range(0..bodies.len())];
            if body.is_empty() {
                continue;
            }
            let from = differ.random_range(0..body.len());
            let length = differ.random_range(1..=44.min(body.len() - from));
            let mut needle = body[from..from + length].to_vec();
            if round % 3 == 0 {
                let at = differ.random_range(0..needle.len());
                needle[at] = b"019afz .:\"="[differ.random_range(0..11)];
            }
            check(&segment, &groups, &needle);
        }
    }
}

/// Few different bytes, so that needles lie over boundaries in every way there is.
fn body() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        "[a1 .]{0,14}",
        "(a|1|11|1a|é|1é)( |=|\\.|: )(a|1|b2)( |=|\\.)?(a|1|22)?",
        "1\\.1\\.[12]{1,2}\\.1[ .]?[1a]?",
        "\\{\"[ab]\":(\"[a1\\\\ ]{0,3}\"|1|1\\.1|true|null|\\[1,\"a\"\\]),\"[ab1]\": ?\"?[a1]{0,3}\"?\\}?",
        "a b [a1. ]{0,8}",
    ]
    .prop_map(String::into_bytes)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn small_alphabets_hide_no_difference(
        bodies in prop::collection::vec(body(), 1..60),
        needles in prop::collection::vec("[a1 .\":,é=\\\\]{1,5}|(a|1)( |=|\\.)(1|a)?|\"a\":\"?[a1]{0,2}\"?", 1..30),
        cuts in prop::collection::vec((0_usize..60, 0_usize..20, 1_usize..12), 1..30),
    ) {
        // Three times the same, so that all templates are in and there are columns to search.
        let groups = vec![bodies.clone(), bodies.iter().rev().cloned().collect(), bodies.clone()];
        let segment = Segment::of(&groups);
        for needle in &needles {
            check(&segment, &groups, needle.as_bytes());
        }
        for (row, from, length) in cuts {
            let body = &bodies[row % bodies.len()];
            let from = from.min(body.len());
            check(&segment, &groups, &body[from..body.len().min(from + length)]);
        }
    }

    #[test]
    fn digits_are_found_in_numbers(
        numbers in prop::collection::vec(prop_oneof![0_u64..200, any::<u32>().prop_map(u64::from), 0..=9_999_999_999_999_999_u64], 70..150),
        padded in any::<bool>(),
        needle in "[0-9]{1,10}|0{1,3}",
    ) {
        let text = |n: &u64| if padded { format!("n={n:016}") } else { format!("n={n}") };
        let bodies: Vec<Vec<u8>> = numbers.iter().map(|n| text(n).into_bytes()).collect();
        let groups = [bodies.clone(), bodies];
        let segment = Segment::of(&groups);
        check(&segment, &groups, needle.as_bytes());
        check(&segment, &groups, format!("={needle}").as_bytes());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn identifiers_of_hexadecimal_digits_are_found_whole_and_in_part(
        // Few different digits, so that what is looked for also lies over two values.
        values in prop::collection::vec("[0a]{12}|[0-9a-f]{12}|(0a){6}|(a0){6}", 70..150),
        digits in 1_usize..=12,
        from in 0_usize..150,
        changed in prop::option::of((0_usize..12, prop::sample::select(&b"0af9Ag"[..]))),
    ) {
        let values: Vec<&str> = values.iter().map(|value| &value[..digits]).collect();
        let bodies: Vec<Vec<u8>> = values.iter().map(|v| format!("rid={v} ok").into_bytes()).collect();
        let groups = [bodies.clone(), bodies];
        let segment = Segment::of(&groups);
        let all = values.concat();
        for at in [from % values.len() * digits, from % (all.len() - digits + 1)] {
            let mut needle = all.as_bytes()[at..at + digits].to_vec();
            if let Some((at, digit)) = changed {
                needle[at % digits] = digit;
            }
            check(&segment, &groups, &needle);
            check(&segment, &groups, &needle[1..]);
            check(&segment, &groups, &[b"rid=", &needle[..], b" "].concat());
            check(&segment, &groups, &[b"=", &needle[..]].concat());
        }
    }
}

#[test]
fn a_template_with_too_many_alignments_is_looked_at() {
    let bodies: Vec<Vec<u8>> = (0..40)
        .map(|n| format!("{{\"l\":[{}]}}", "\"a\",".repeat(150 + n % 2)).into_bytes())
        .collect();
    let groups = [bodies.clone(), bodies];
    let segment = Segment::of(&groups);
    for needle in ["a\",\"a", "\",\"a\",\"", "\"a\",\"b", "[\"a\",\"a"] {
        check(&segment, &groups, needle.as_bytes());
    }
    let needle = Needle::new(&segment.dictionary, b"a\",\"a");
    let looked = |used: &crate::TemplateRows| {
        matches!(
            needle.state(&segment.dictionary, used.template),
            Ok(needle::State::Look)
        )
    };
    assert!(segment.block(1).templates().iter().any(looked));
}

/// A line of a stack of calls: few names in many orders.
fn call(rng: &mut ChaCha8Rng) -> Vec<u8> {
    let mut name = |names: &[&str]| names[rng.random_range(0..names.len())].to_owned();
    let of = name(&["Payment", "Checkout", "Inventory", "Customer", "Session"]);
    let what = name(&["Gateway", "Controller", "Service", "Repository", "Cache"]);
    let method = name(&["charge", "submit", "find", "load", "apply"]);
    let why = name(&["timeout after waiting", "connection reset by peer"]);
    let line = rng.random_range(20..400);
    format!("{why} at com.example.shop.{of}{what}.{method}({of}{what}.java:{line})").into()
}

#[test]
fn words_that_columns_know_they_have_not_are_where_a_scan_finds_them() {
    let mut differ = rng(60);
    let groups: Vec<Vec<Vec<u8>>> = (0..3)
        .map(|_| (0..1200).map(|_| call(&mut differ)).collect())
        .collect();
    let segment = Segment::of(&groups);
    let block = segment.block(2);
    let denies = |column: &Column<'_>| column.longest >= 3 && !column.may_contain(0, b"qzq");
    assert!(block.columns.iter().any(denies), "no column has grams");
    for text in [
        "timeout",
        "time",
        "out",
        "Timeout",
        "shop.Pay",
        "yGateway.find(",
        "17)",
        "a:2",
    ] {
        check(&segment, &groups, text.as_bytes());
    }
    for _ in 0..100 {
        let bodies = &groups[differ.random_range(0..groups.len())];
        let body = &bodies[differ.random_range(0..bodies.len())];
        let from = differ.random_range(0..body.len());
        let length = differ.random_range(1..=20.min(body.len() - from));
        check(&segment, &groups, &body[from..from + length]);
    }
}

#[test]
fn lines_that_are_cut_at_fields_or_after_their_head() {
    type Line = fn(&mut ChaCha8Rng) -> Vec<u8>;
    let kinds: [(Line, &str); 2] = [
        (names, "status installed <_> <_>"),
        (prose, "task-<_>: <_>"),
    ];
    for (line, pattern) in kinds {
        let mut differ = rng(50);
        let groups: Vec<Vec<Vec<u8>>> = (0..6)
            .map(|_| (0..400).map(|_| line(&mut differ)).collect())
            .collect();
        let segment = Segment::of(&groups);
        let shown: Vec<String> = (0..segment.dictionary.templates() as u32)
            .map(|template| segment.dictionary.pattern(template))
            .collect();
        assert!(
            shown.iter().any(|text| text.ends_with(pattern)),
            "{shown:?}"
        );
        for round in 0..150 {
            let bodies = &groups[differ.random_range(0..groups.len())];
            let body = &bodies[differ.random_range(0..bodies.len())];
            let from = differ.random_range(0..body.len());
            let length = differ.random_range(1..=30.min(body.len() - from));
            let mut needle = body[from..from + length].to_vec();
            if round % 3 == 0 {
                let at = differ.random_range(0..needle.len());
                needle[at] = b"019af -.:"[differ.random_range(0..9)];
            }
            check(&segment, &groups, &needle);
        }
    }
}

#[test]
fn regular_expressions_keep_the_rows_that_match() {
    let groups = groups(30, 2, 500);
    let segment = Segment::of(&groups);
    for pattern in [
        "^10\\.",
        "complete$",
        "(?i)TIMEOUT",
        "user_id\":[0-9]{3},",
        "^$",
        "attempt [12]",
        "(?-u:\\xc3)",
    ] {
        let regex = Regex::new(pattern).unwrap();
        for (at, bodies) in groups.iter().enumerate() {
            let block = segment.block(at);
            let mut among = RowSet::all(bodies.len());
            let mut rng = rng(31);
            (0..100).for_each(|_| among.remove(rng.random_range(0..bodies.len())));
            let expected: Vec<usize> = among
                .iter()
                .filter(|r| regex.is_match(&bodies[*r]))
                .collect();
            block.retain_matching(&regex, &mut among).unwrap();
            assert_eq!(
                among.iter().collect::<Vec<_>>(),
                expected,
                "rows matching {pattern}"
            );
        }
    }
}

#[test]
fn a_needle_of_another_dictionary_is_refused() {
    let groups = groups(40, 1, 500);
    let segment = Segment::of(&groups);
    let needle = Needle::new(&Segment::of(&[]).dictionary, b"timeout");
    assert!(segment.block(0).count_containing(&needle).is_err());
}

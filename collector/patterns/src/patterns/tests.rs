//! Patterns people would expect, the same for a body wherever it lies, and within bounds.

use super::clusters::REMEMBERED_MAX;
use super::*;
use crate::testing::{Segment, groups, line, names, prose, rng};
use proptest::prelude::*;

#[test]
fn variables_are_shown_as_in_other_systems() {
    let check = |body: &str, expected: &str| assert_eq!(pattern_of(body.as_bytes()), expected);
    check("user=42 took 17 ms", "user=<_> took <_> ms");
    check("", "");
    check(
        r#"{"level":"info","msg" : "order 7 placed","n":3}"#,
        "<_>order <_> placed<_>",
    );
    check(r#"{"msg":"a","message":"b"}"#, "<_>a<_>");
    check(r#"at {"msg":"a7"}"#, r#"at {"msg":"<_>"}"#);
    check(r#"{"xmsg":"a"}"#, r#"{"xmsg":"<_>"}"#);
    assert_eq!(pattern_of(b"a \xff 7"), "a \u{fffd} <_>");
}

/// Holds the patterns of all rows and of every third against those of the bodies; how many bytes
/// were looked at, of all.
fn check_rows(segment: &Segment, groups: &[Vec<Vec<u8>>]) -> (usize, usize) {
    let (mut looked, mut all) = (0, 0);
    for (at, bodies) in groups.iter().enumerate() {
        let block = segment.block(at);
        for step in [1, 3] {
            let rows: Vec<usize> = (0..bodies.len()).step_by(step).collect();
            let patterns = block.patterns(&rows).unwrap();
            assert_eq!(patterns.of_rows.len(), rows.len());
            for (row, text) in rows.iter().zip(&patterns.of_rows) {
                let found = &patterns.texts[*text as usize];
                assert_eq!(found, &pattern_of(&bodies[*row]), "row {row}");
            }
            let mut texts = patterns.texts.clone();
            texts.sort();
            texts.dedup();
            assert_eq!(texts.len(), patterns.texts.len());
            looked += patterns.body_bytes;
            let bytes = rows.iter().map(|row| bodies[*row].len());
            all += bytes.sum::<usize>();
        }
    }
    (looked, all)
}

#[test]
fn a_row_has_the_pattern_of_its_body() {
    for seed in 0..4 {
        let groups = groups(seed + 60, 3, 400);
        let (looked, all) = check_rows(&Segment::of(&groups), &groups);
        assert!(looked * 20 < all, "{looked} of {all} bytes");
    }
}

#[test]
fn a_row_has_the_pattern_of_its_body_where_it_is_cut_coarsely() {
    for (seed, line) in [(1, names as fn(&mut _) -> _), (2, prose)] {
        let mut rng = rng(seed);
        let mut group = || (0..800).map(|_| line(&mut rng)).collect();
        let groups: Vec<Vec<Vec<u8>>> = (0..6).map(|_| group()).collect();
        let (looked, all) = check_rows(&Segment::of(&groups), &groups);
        assert!(looked * 3 > all, "{looked} of {all} bytes");
    }
}

#[test]
fn a_row_that_is_not_there_or_out_of_order_is_an_error() {
    let groups = groups(80, 1, 100);
    let segment = Segment::of(&groups);
    let block = segment.block(0);
    assert_eq!(block.patterns(&[]).unwrap(), RowPatterns::default());
    assert!(block.patterns(&[99]).is_ok());
    assert!(block.patterns(&[100]).is_err());
    assert!(block.patterns(&[5, 3]).is_err());
}

#[test]
fn equal_patterns_of_different_cuts_have_one_number() {
    let mut texts = PatternTexts::default();
    let bodies: [&[u8]; 6] = [
        b"a 1 b",
        b"a <_> b",
        br#"{"msg":"a 7","n":1}"#,
        br#"{"x":2,"msg":"a 8"}"#,
        b"<_>a <_><_>",
        b"a \x0e c",
    ];
    let numbers = bodies.map(|body| texts.of(body));
    assert_eq!(numbers, [0, 0, 1, 1, 1, 2]);
    for (body, number) in bodies.iter().zip(numbers) {
        assert_eq!(texts.texts()[number as usize], pattern_of(body));
    }
}

#[test]
fn lines_that_are_nearly_alike_are_one_pattern() {
    let mut clusters = Clusters::new(ClusterLimits::default());
    for (user, minute) in [("bob", 0), ("eve", 0), ("joe", 1)] {
        let line = format!("user {user} logged in from 10.0.0.{minute} with success");
        clusters.add_line(line.as_bytes(), minute);
    }
    clusters.add_template("user <_> logged out", 5, 10);
    clusters.add_template("<_>:<_>:<_> status done <_>:<_>", 5, 20);
    clusters.add_template("<_>:<_>:<_> removed it <_>:<_>", 5, 30);
    clusters.add_template("set up a (<_>)  done now", 8, 2);
    clusters.add_template("set up b (<_>) done now", 8, 2);
    clusters.add_template("set up b: <_>, done now", 8, 3);
    for order in ["a", "b", "c", "d"] {
        clusters.add_template(&format!("order of {order}"), 6, 5);
    }
    clusters.add_template("started", 7, 1);
    clusters.add_template("stopped", 7, 1);
    let patterns = clusters.finish();
    let shown: Vec<_> = patterns
        .iter()
        .map(|p| (p.text.as_str(), p.count))
        .collect();
    assert_eq!(
        shown,
        [
            ("<_>:<_>:<_> removed it <_>:<_>", 30),
            ("<_>:<_>:<_> status done <_>:<_>", 20),
            ("order of <_>", 20),
            ("user <_> logged out", 10),
            ("set up <_> (<_>)  done now", 4),
            ("user <_> logged in from <_> with success", 3),
            ("set up b: <_>, done now", 3),
            ("started", 1),
            ("stopped", 1),
        ]
    );
    assert_eq!(patterns[5].samples, [(0, 2), (1, 1)]);
}

#[test]
fn no_line_is_lost_from_the_count() {
    let limits = ClusterLimits {
        patterns_max: 5,
        words_max: 7,
        buckets_max: 3,
    };
    let mut clusters = Clusters::new(limits);
    let mut rng = rng(70);
    for n in 0..5000 {
        clusters.add_line(&line(&mut rng), n % 10);
        assert!(clusters.clusters.len() <= 10);
    }
    let forgotten = clusters.forgotten();
    let held: u64 = clusters.clusters.iter().map(|c| c.count).sum();
    assert_eq!(held + forgotten, 5000);
    let patterns = clusters.finish();
    assert!(patterns.len() == 5 && patterns.is_sorted_by(|a, b| a.count >= b.count));
    for pattern in patterns {
        assert!(pattern.samples.len() <= 3);
        assert_eq!(
            pattern.samples.iter().map(|s| s.1).sum::<u64>(),
            pattern.count
        );
    }
}

#[test]
fn without_structure_memory_stays_within_bounds() {
    let mut clusters = Clusters::new(ClusterLimits::default());
    for n in 0..30_000_u32 {
        let word: String = n.to_string().bytes().map(|b| (b + 49) as char).collect();
        clusters.add_template(&format!("{word} {}", "x ".repeat(n as usize % 300)), 0, 1);
        assert!(clusters.clusters.len() <= 600 && clusters.remembered.len() <= REMEMBERED_MAX);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// A template that is as fine as a pattern says the same as every body with it.
    #[test]
    fn what_the_finest_templates_say_is_what_bodies_say(
        body in prop_oneof![
            "[a1_é .:{}\"\\\\,-]{0,60}",
            "\\{[a1 :\",\\\\]{0,40}",
            "\\{\"(msg|a)\": ?\"?[a1 ]{0,9}[\"}]{0,2}",
        ],
    ) {
        let mut splitter = Splitter::default();
        for cut in [Cut::Whole, Cut::Fields, Cut::Head] {
            if splitter.split(body.as_bytes(), cut) && is_finest(&splitter.template) {
                let template = splitter.template.clone();
                let variables = splitter.variables.clone();
                prop_assert!(splitter.split(body.as_bytes(), Cut::Whole));
                prop_assert_eq!(&splitter.template, &template, "{:?} of {}", cut, &body);
                prop_assert_eq!(&splitter.variables, &variables);
            }
        }
    }

    #[test]
    fn a_pattern_alone_stays_what_it_is(pattern in "(\\PC|<_> | |a){0,60}") {
        let mut clusters = Clusters::new(ClusterLimits::default());
        clusters.add_template(&pattern, 0, 2);
        prop_assert_eq!(&clusters.finish()[0].text, &pattern);
    }
}

//! Patterns people would expect, the same for a body wherever it lies, and within bounds.

use super::clusters::REMEMBERED_MAX;
use super::*;
use crate::testing::{Segment, groups, line, rng};
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

#[test]
fn a_row_has_the_pattern_of_its_body() {
    for seed in 0..4 {
        let groups = groups(seed + 60, 3, 400);
        let segment = Segment::of(&groups);
        for (at, bodies) in groups.iter().enumerate() {
            let patterns = segment.block(at).patterns().unwrap();
            for (row, body) in bodies.iter().enumerate() {
                let found = &patterns.texts[patterns.of_rows[row] as usize];
                assert_eq!(found, &pattern_of(body), "row {row}");
            }
            let mut texts = patterns.texts.clone();
            texts.sort();
            texts.dedup();
            assert_eq!(texts.len(), patterns.texts.len());
        }
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

    #[test]
    fn a_pattern_alone_stays_what_it_is(pattern in "(\\PC|<_> | |a){0,60}") {
        let mut clusters = Clusters::new(ClusterLimits::default());
        clusters.add_template(&pattern, 0, 2);
        prop_assert_eq!(&clusters.finish()[0].text, &pattern);
    }
}

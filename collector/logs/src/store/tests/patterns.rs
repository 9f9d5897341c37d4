//! Patterns of lines, wherever these lie and however they are encoded.

use super::*;
use crate::{BodyEncoding, LinePatterns, NewDelete};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logql::LogQuery;
use std::time::Duration;

const STEP: Duration = Duration::from_secs(10);

fn seconds(n: u64) -> u64 {
    n * 1_000_000_000
}

fn config(bodies: BodyEncoding) -> Config {
    Config {
        bodies,
        delete_cancel_seconds: 0,
        ..quiet()
    }
}

/// Lines of two services over 60 seconds, some in segments and some not.
fn fill(store: &LogStore) {
    for n in 0..60_u64 {
        let web = [
            format!("GET /items/{n} took {}ms", n * 7 % 90),
            format!(
                r#"{{"level":"info","msg":"order {n} placed","user_id":{}}}"#,
                n % 5
            ),
        ];
        let web = web
            .iter()
            .map(|text| record(seconds(n) + 1, text))
            .collect();
        apply(store, n * 2, "web", web);
        let late = format!("worker {n} stopped");
        apply(
            store,
            n * 2 + 1,
            "worker",
            vec![record(seconds(n) + 1, &late)],
        );
        if n == 20 || n == 40 {
            store.seal(NOW).unwrap();
        }
    }
}

fn ask(store: &LogStore, query: &str, period: (u64, u64)) -> LinePatterns {
    let query = LogQuery::parse(query).unwrap();
    let period = (UnixNanos(seconds(period.0)), UnixNanos(seconds(period.1)));
    let tenant = Tenant::default();
    store.patterns(
        &tenant,
        query.matchers(),
        period,
        STEP,
        &sonde_proto::Deadline::never(),
    )
}

/// The texts with their counts by step.
fn found(store: &LogStore, query: &str, period: (u64, u64)) -> Vec<(String, Vec<(i64, u64)>)> {
    let answer = ask(store, query, period);
    assert_eq!(answer.reading.cut, None);
    let patterns = answer.patterns.into_iter();
    let mut found: Vec<_> = patterns.map(|p| (p.text, p.samples)).collect();
    found.sort();
    found
}

fn every_step(lines: u64) -> Vec<(i64, u64)> {
    (0..6).map(|n| (n * 10, lines)).collect()
}

#[test]
fn lines_of_segments_and_of_the_tail_are_counted_by_pattern_and_step() {
    let expected = [
        ("<_>order <_> placed<_>", every_step(10)),
        ("GET /items/<_> took <_>", every_step(10)),
        ("worker <_> stopped", every_step(10)),
    ];
    let expected = expected.map(|(text, samples)| (text.to_owned(), samples));
    for bodies in [BodyEncoding::Plain, BodyEncoding::Templated] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path(), &config(bodies));
        fill(&store);
        assert_eq!(found(&store, r#"{service_name=~".+"}"#, (0, 60)), expected);
        let of_worker = found(&store, r#"{service_name="worker"}"#, (15, 30));
        let (text, samples) = &expected[2];
        assert_eq!(of_worker, [(text.clone(), vec![(10, 5), (20, 10)])]);
        store.seal(NOW).unwrap();
        store.merge_all().unwrap();
        assert_eq!(found(&store, r#"{service_name=~".+"}"#, (0, 60)), expected);
        assert!(found(&store, r#"{service_name="other"}"#, (0, 60)).is_empty());
        assert!(found(&store, r#"{service_name="web"}"#, (50, 50)).is_empty());
        let delete = NewDelete {
            query: LogQuery::parse(r#"{service_name="web"} |= "GET""#).unwrap(),
            start: UnixNanos(0),
            end: UnixNanos(seconds(30)),
            created_at: NOW,
        };
        store.delete(&Tenant::default(), delete).unwrap();
        let left = found(&store, r#"{service_name="web"}"#, (0, 60));
        assert_eq!(left[0], expected[0]);
        assert_eq!(left[1].1, every_step(10)[3..], "{samples:?}");
    }
}

#[test]
fn without_time_it_is_said_that_lines_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &config(BodyEncoding::Templated));
    fill(&store);
    let (tenant, past) = (Tenant::default(), Deadline::within(Duration::ZERO));
    let all = (UnixNanos(0), UnixNanos(u64::MAX));
    let answer = store.patterns(&tenant, &[], all, STEP, &past);
    assert!(answer.patterns.is_empty());
    assert!(
        answer
            .reading
            .cut
            .unwrap()
            .contains("no time for all lines")
    );
}

/// A name of letters that hardly comes twice.
fn name(rng: &mut ChaCha8Rng) -> String {
    let letters = rng.random_range(4..9);
    (0..letters).map(|_| rng.random_range('a'..='z')).collect()
}

/// What a build says.
fn build(rng: &mut ChaCha8Rng) -> String {
    let (name, minor, id) = (name(rng), rng.random_range(0..40), rng.random::<u64>());
    match rng.random_range(0..5) {
        0 => format!("   Compiling {name} v1.{minor}.0"),
        1 => format!("       Fresh {name} v0.{minor}.1 (/src/{name})"),
        2 => format!(
            "     Running `/usr/bin/rustc --crate-name {name} --edition=2021 src/lib.rs -C metadata={id:016x} --cap-lints allow`"
        ),
        3 => format!("warning: unused variable: `{name}` in src/{name}/mod.rs:{minor}"),
        _ => format!("{id:>5} DEBUG resolver: activating {name} v1.{minor}.0 for {name}-sys"),
    }
}

/// What an installer says.
fn packages(rng: &mut ChaCha8Rng) -> String {
    let (name, other, second) = (name(rng), name(rng), rng.random_range(10..60));
    let what = ["status installed", "status half-configured", "configure"][rng.random_range(0..3)];
    format!("2026-06-24 14:36:{second} {what} lib{name}-{other}:all 1.{second}+ds")
}

/// What a program says of itself, in words of its own.
fn program(rng: &mut ChaCha8Rng) -> String {
    let (level, ms) = (
        ["INFO", "DEBUG"][rng.random_range(0..2)],
        rng.random_range(0..999),
    );
    let words: Vec<_> = (0..rng.random_range(0..4)).map(|_| name(rng)).collect();
    let words = words.join(" ");
    match rng.random_range(0..3) {
        0 => format!("12:00:{ms:03} {level} conn{{id={ms}}}: received, frame=Data stream={ms}"),
        1 => format!("12:00:{ms:03} {level} store: sealed {ms} records of {words}"),
        _ => format!("12:00:{ms:03} {level} pool-{ms}: {words} in {ms} ms"),
    }
}

/// JSON with a message, of which some is cut off.
fn json(rng: &mut ChaCha8Rng) -> String {
    let (name, n) = (name(rng), rng.random_range(0..5000));
    let line = format!(
        r#"{{"level":"info","msg":"order {n} of customer placed","who":"{name}","n":{n}}}"#
    );
    line[..line.len() - usize::from(n % 7 == 0)].to_owned()
}

#[test]
fn lines_have_the_same_patterns_however_they_are_encoded_and_cut() {
    type Line = fn(&mut ChaCha8Rng) -> String;
    let corpora = [
        ("build", build as Line),
        ("packages", packages),
        ("program", program),
        ("json", json),
    ];
    for (service, line) in corpora {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let lines: Vec<(u64, String)> = (0..6000_u64)
            .map(|n| (n * 10_000_000 + 1, line(&mut rng)))
            .collect();
        let mut expected = std::collections::BTreeMap::<i64, u64>::new();
        for (time, _) in &lines {
            let step = time / seconds(10) * 10;
            *expected.entry(step as i64).or_default() += 1;
        }
        let answers = [BodyEncoding::Plain, BodyEncoding::Templated].map(|bodies| {
            let dir = tempfile::tempdir().unwrap();
            let store = open(dir.path(), &config(bodies));
            for (n, chunk) in lines.chunks(1500).enumerate() {
                let records = chunk.iter().map(|(time, text)| record(*time, text));
                apply(&store, n as u64, service, records.collect());
                store.seal(NOW).unwrap();
            }
            found(&store, &format!(r#"{{service_name="{service}"}}"#), (0, 60))
        });
        let [plain, templated] = answers;
        assert_eq!(plain, templated, "{service}");
        let mut counted = std::collections::BTreeMap::<i64, u64>::new();
        for (step, lines) in templated.iter().flat_map(|(_, samples)| samples) {
            *counted.entry(*step).or_default() += lines;
        }
        assert_eq!(counted, expected, "{service}");
    }
}

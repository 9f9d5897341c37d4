//! Merging changes no answer, whether blocks are moved or records are written anew, and
//! joined segments are swept and moved aside as others are.

use super::*;
use crate::{BodyEncoding, DeleteStatus, Direction, NewDelete};
use proptest::prelude::*;
use sonde_logql::LogQuery;
use sonde_logql::ast::Expr;
use sonde_logql::eval::{self, EvalLimits};
use sonde_patterns::Pattern;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SECOND: u64 = 1_000_000_000;
const SERVICES: [&str; 4] = ["checkout", "pay", "web", "worker"];
const TRACES: u8 = 12;

fn config(bodies: BodyEncoding) -> Config {
    Config {
        bodies,
        merge_factor: 2,
        delete_cancel_seconds: 0,
        ..quiet()
    }
}

/// The records of the `n`th entry, of one of the services.
fn records(seed: u64, n: u64) -> (&'static str, Vec<logs::LogRecord>) {
    let hash = |n: u64| (n ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
    let service = SERVICES[hash(n) as usize % SERVICES.len()];
    let one = |at: u64| {
        let (id, user) = (hash(n << 8 | at), hash(at) % 9);
        let body = match id % 4 {
            0 => format!("request {id:08x} of user-{user} timed out"),
            1 => format!(r#"{{"msg":"order placed","user":{user},"id":"{id:08x}"}}"#),
            2 => format!("GET /items/{user} took {}ms", id % 900),
            _ => "deadlock detected ".repeat(1 + user as usize),
        };
        let mut record = record((1 + id % 600) * SECOND, &body);
        record.severity_number = [9, 13, 17][id as usize % 3];
        record.trace_id = vec![1 + id as u8 % TRACES; 16];
        record.attributes = vec![
            otlp::kv("http.route", format!("/r{}", user % 3)),
            otlp::kv("request.id", format!("req-{id:08x}")),
        ];
        record
    };
    (service, (0..1 + hash(n) % 30).map(one).collect())
}

/// A store with segments of so many entries each.
fn filled(dir: &Path, seed: u64, seals: &[u64]) -> LogStore {
    let mut position = 0;
    for (n, entries) in seals.iter().enumerate() {
        let encodings = [BodyEncoding::Templated, BodyEncoding::Plain];
        let store = open(dir, &config(encodings[(seed as usize + n) / 2 % 2]));
        for _ in 0..*entries {
            let (service, records) = records(seed, position);
            apply(&store, position, service, records);
            position += 1;
        }
        store.seal(NOW).unwrap();
    }
    open(dir, &config(BodyEncoding::Templated))
}

/// What the store says to all that it can be asked.
fn answers(store: &LogStore, seed: u64) -> Vec<String> {
    let tenant = Tenant::default();
    let mut answers = Vec::new();
    for query in [
        "{}",
        "{service_name=\"pay\"}",
        "{} |= `timed out`",
        "{} |= `user-3`",
        "{} |~ `items/[0-4] took`",
        "{level=\"error\"} |= `order` | json | user = 4",
        "{} | http_route=`/r1`",
        "{} |= `absent`",
    ] {
        for (direction, limit) in [(Direction::Backward, 5000), (Direction::Forward, 7)] {
            let asked = Search {
                direction,
                limit,
                ..search(query)
            };
            let found = store.search(&tenant, &asked).unwrap();
            assert_eq!(found.cut, None);
            answers.push(format!("{query} {direction:?}: {:?}", found.records));
        }
    }
    for query in [
        "sum by (level)(count_over_time({}[60s]))",
        "sum by (http_route)(count_over_time({} |= `took` [60s]))",
        "sum(bytes_over_time({service_name!=\"web\"}[60s]))",
    ] {
        let Expr::Metric(expr) = sonde_logql::parse(query).unwrap() else {
            panic!("{query} is a query for numbers");
        };
        let source = store.source(&tenant, &sonde_proto::Deadline::never());
        let times = (UnixNanos(60 * SECOND), UnixNanos(600 * SECOND));
        let limits = EvalLimits::default();
        let value = eval::range(
            &expr,
            times,
            60 * SECOND,
            &source,
            &limits,
            &sonde_proto::Deadline::never(),
        )
        .unwrap();
        answers.push(format!("{query}: {:?}", value.value));
    }
    for trace in 1..=TRACES {
        let trace = TraceId::from_slice(&[trace; 16]).unwrap();
        let found = store
            .by_trace(&tenant, &trace, 5000, &sonde_proto::Deadline::never())
            .unwrap();
        answers.push(format!("{trace:?}: {:?}", found.records));
    }
    for entry in 0..store.applied_to().0.min(3) {
        for record in records(seed, entry).1 {
            let id = record.attributes[1].value.clone().unwrap().value.unwrap();
            let common::any_value::Value::StringValue(id) = id else {
                panic!("the test's own attribute");
            };
            for id in [id.as_str(), &id[4..]] {
                let found = store
                    .by_id(&tenant, id, 100, &sonde_proto::Deadline::never())
                    .unwrap();
                assert!(!found.records.is_empty(), "{id}");
                answers.push(format!("{id}: {:?}", found.records));
            }
        }
    }
    let period = (UnixNanos(100 * SECOND), UnixNanos(400 * SECOND));
    let step = Duration::from_secs(60);
    let patterns = store.patterns(&tenant, &[], period, step, &sonde_proto::Deadline::never());
    answers.push(format!("{:?}", lines_by_step(&patterns.patterns)));
    let volumes = store.streams(
        &tenant,
        &[],
        period,
        Some(step),
        &sonde_proto::Deadline::never(),
    );
    answers.push(format!("{:?}", volumes.unwrap().streams));
    let usage = store.usage_of(&tenant, 50);
    let times = (usage.oldest, usage.newest, usage.streams);
    let all = (usage.records, usage.line_bytes, usage.largest);
    answers.push(format!("{times:?} {all:?}"));
    answers.push(format!("{:?}", store.services(&tenant)));
    answers
}

/// How many lines have a pattern, in each step. Which lines look alike depends on what else is
/// in their block, so blocks that are written anew may name other patterns.
fn lines_by_step(patterns: &[Pattern]) -> BTreeMap<i64, u64> {
    let mut lines = BTreeMap::new();
    for (second, count) in patterns.iter().flat_map(|p| &p.samples) {
        *lines.entry(*second).or_default() += count;
    }
    lines
}

fn merge(store: &LogStore, joins: bool) {
    store.common.join_all(joins);
    store.merge_all().unwrap();
}

/// Has all segments, `count` of about one size, joined to one.
fn join(dir: &Path, seed: u64, count: usize) -> LogStore {
    drop(filled(dir, seed, &vec![4; count]));
    let store = open(dir, &at_once(count));
    merge(&store, true);
    assert_eq!(parts(&store), [count as u32]);
    store
}

/// Segments are merged when there are so many.
fn at_once(segments: usize) -> Config {
    Config {
        merge_factor: segments as u64,
        ..config(BodyEncoding::Templated)
    }
}

/// Has everything deleted that has `text`, and waits for it.
fn delete(store: &LogStore, text: &str) {
    let new = NewDelete {
        query: LogQuery::parse(&format!("{{}} |= `{text}`")).unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        created_at: NOW,
    };
    store.delete(&Tenant::default(), new).unwrap();
    for seconds in 1..4 {
        let now = NOW.plus(Duration::from_secs(seconds));
        store.maintain(now).unwrap();
        store.merge_all().unwrap();
    }
    let deletes = store.deletes(&Tenant::default());
    assert!(deletes.iter().all(|d| d.status == DeleteStatus::Processed));
}

/// How many parts each segment has.
fn parts(store: &LogStore) -> Vec<u32> {
    let snapshot = store.snapshot(&Tenant::default());
    let segments = snapshot.segments.iter();
    segments
        .map(|s| s.open().unwrap().parts().unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn answers_are_the_same_before_and_after_every_merge(
        seed: u64,
        rounds in prop::collection::vec((prop::collection::vec(1_u64..6, 1..4), any::<bool>()), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut seals = Vec::new();
        for (more, joins) in rounds {
            let sealed = seals.len();
            seals.extend(more);
            let fresh = tempfile::tempdir().unwrap();
            let expected = answers(&filled(fresh.path(), seed, &seals), seed);
            let store = open(dir.path(), &config(BodyEncoding::Templated));
            for entries in &seals[sealed..] {
                let from = store.applied_to().0;
                for position in from..from + entries {
                    let (service, records) = records(seed, position);
                    apply(&store, position, service, records);
                }
                store.seal(NOW).unwrap();
            }
            let before = answers(&store, seed);
            prop_assert!(before == expected);
            merge(&store, joins);
            let after = answers(&store, seed);
            let different = before.iter().zip(&after).find(|(before, after)| before != after);
            prop_assert_eq!(different, None, "joins: {}", joins);
            drop(store);
            let store = open(dir.path(), &Config { verify_at_open: true, ..config(BodyEncoding::Plain) });
            prop_assert_eq!(store.stats().quarantined, 0);
            prop_assert!(answers(&store, seed) == after);
        }
    }
}

#[test]
fn what_a_segment_has_of_records_stays_right_when_it_is_joined() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 1, &[4; 4]);
    let sums = |store: &LogStore| {
        let writer = store.writer.lock();
        let segments = writer.manifest.segments.iter();
        segments.fold((0, 0, 0), |(raw, records, last), s| {
            let raw_bytes = s.extra["raw_bytes"].as_u64().unwrap();
            (
                raw + raw_bytes,
                records + s.records,
                last.max(s.positions.1.0),
            )
        })
    };
    let before = sums(&store);
    drop(store);
    let store = open(dir.path(), &at_once(4));
    merge(&store, true);
    assert_eq!(parts(&store), [4]);
    assert_eq!(sums(&store), before);
}

#[test]
fn parts_stay_parts_until_their_records_are_written_anew() {
    let dir = tempfile::tempdir().unwrap();
    let store = join(dir.path(), 1, 3);
    for position in 12..28 {
        let (service, records) = records(1, position);
        apply(&store, position, service, records);
        if position % 8 == 3 {
            store.seal(NOW).unwrap();
        }
    }
    merge(&store, true);
    assert_eq!(parts(&store), [5]);
    let before = answers(&store, 1);
    drop(store);
    let store = open(dir.path(), &at_once(4));
    for position in 28..73 {
        let (service, records) = records(1, position);
        apply(&store, position, service, records);
        if position % 15 == 12 {
            store.seal(NOW).unwrap();
        }
    }
    merge(&store, false);
    assert_eq!(parts(&store), [1]);
    assert!(answers(&store, 1) != before, "there are more records");
}

#[test]
fn many_parts_are_written_anew_as_fewer() {
    let dir = tempfile::tempdir().unwrap();
    let store = join(dir.path(), 2, 40);
    let mut rest = bodies_of_all(&store);
    delete(&store, "deadlock");
    assert_eq!(parts(&store), [2]);
    rest.retain(|body| !body.contains("deadlock"));
    assert_eq!(bodies_of_all(&store), rest);
}

fn bodies_of_all(store: &LogStore) -> Vec<String> {
    let all = Search {
        limit: 5000,
        ..search("{}")
    };
    let found = store.search(&Tenant::default(), &all).unwrap();
    assert_eq!(found.cut, None);
    found.records.into_iter().map(|r| r.body).collect()
}

#[test]
fn what_is_deleted_of_a_joined_segment_goes_and_the_rest_stays() {
    let dir = tempfile::tempdir().unwrap();
    let store = join(dir.path(), 3, 3);
    let mut rest = bodies_of_all(&store);
    let all = rest.len();
    rest.retain(|body| !body.contains("deadlock"));
    assert!(rest.len() < all);
    delete(&store, "deadlock");
    assert_eq!(bodies_of_all(&store), rest);
    assert_eq!(store.stats().records, rest.len() as u64);
    assert_eq!(parts(&store), [1], "it was written anew");
    delete(&store, "absent");
    assert_eq!(bodies_of_all(&store), rest);
}

fn blocks_of(dir: &Path) -> Vec<PathBuf> {
    let segments = std::fs::read_dir(dir.join("segments/default")).unwrap();
    let mut files: Vec<_> = segments.map(|s| s.unwrap().path().join("blocks")).collect();
    files.sort();
    files
}

fn flip(file: &Path, share: usize) {
    let mut bytes = std::fs::read(file).unwrap();
    let at = bytes.len() * share / 8;
    bytes[at] ^= 0x40;
    std::fs::write(file, bytes).unwrap();
}

#[test]
fn a_damaged_segment_is_moved_aside_alone_instead_of_being_joined() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path(), 4, &[3; 4]);
    let kept = store.stats().records - records_of(4, 3..6);
    drop(store);
    flip(&blocks_of(dir.path())[1], 5);
    let store = open(dir.path(), &at_once(3));
    merge(&store, true);
    assert_eq!(store.stats().quarantined, 1);
    assert_eq!(store.stats().records, kept);
    assert_eq!(parts(&store), [3]);
    assert_eq!(bodies(&store, "{}").len() as u64, kept);
}

fn records_of(seed: u64, entries: std::ops::Range<u64>) -> u64 {
    entries.map(|n| records(seed, n).1.len() as u64).sum()
}

#[test]
fn damage_in_a_part_is_met_by_the_query_that_reads_it() {
    for share in [0, 3, 7] {
        let dir = tempfile::tempdir().unwrap();
        drop(join(dir.path(), 5, 4));
        flip(&blocks_of(dir.path())[0], share);
        let store = open(dir.path(), &config(BodyEncoding::Templated));
        let (service, records) = records(5, 16);
        let later = records.len();
        apply(&store, 16, service, records);
        store.seal(NOW).unwrap();
        let answer = store.search(&Tenant::default(), &search("{} != `absent`"));
        let cut = answer.unwrap().cut.unwrap();
        assert!(cut.contains("is damaged and was left out: "), "{cut}");
        store.maintain(NOW).unwrap();
        assert_eq!(store.stats().quarantined, 1);
        assert_eq!(bodies(&store, "{}").len(), later);
    }
}

#[test]
fn a_merge_that_fails_lets_others_have_their_turn_and_is_tried_again_later() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &at_once(3));
    let tenants = ["broken", "sound"].map(|name| Tenant::new(name).unwrap());
    for n in 0..6_u64 {
        let request = request("a", vec![record(n + 1, &format!("line {n}"))]);
        let entry = entry(&tenants[n as usize % 2], &request);
        store.apply(&[(Position(n), entry)]);
        if n % 2 == 1 {
            store.seal(NOW).unwrap();
        }
    }
    let count = |tenant: &Tenant| {
        let found = store.search(tenant, &search("{}")).unwrap();
        assert_eq!(found.cut, None);
        found.records.len()
    };
    // Its segments stay open, and nothing can be written beside them.
    assert_eq!(tenants.each_ref().map(count), [3, 3]);
    let (place, away) = (dir.path().join("segments/broken"), dir.path().join("away"));
    std::fs::rename(&place, &away).unwrap();
    std::fs::write(&place, "in the way").unwrap();
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 3 + 1);
    std::fs::remove_file(&place).unwrap();
    std::fs::rename(&away, &place).unwrap();
    let later = |seconds| NOW.plus(Duration::from_secs(seconds));
    store.maintain(later(599)).unwrap();
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 3 + 1, "not yet");
    store.maintain(later(600)).unwrap();
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 1 + 1);
    assert_eq!(tenants.each_ref().map(count), [3, 3]);
    assert!(store.stats().troubles.is_empty());
}

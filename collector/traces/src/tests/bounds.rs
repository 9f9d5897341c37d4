//! What one sender could make large: resources, single traces, hashes, failed seals.

use super::model::{entry, lookup, open, payload, tenant, trace_id};
use crate::raw::{collapse, encode, split};
use crate::{Config, Field, Search, TagSearch, TraceQuery};
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, TracesData};
use prost::Message as _;
use sonde_proto::{Deadline, Entry, Position, Signal, Tenant, UnixNanos, otlp};
use std::fs;
use std::time::Duration;

fn span(trace: u64, number: u64) -> Span {
    Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        name: format!("span {number}"),
        start_time_unix_nano: number,
        end_time_unix_nano: number + 10,
        ..Span::default()
    }
}

fn found(store: &crate::TraceStore, query: &str) -> usize {
    let search = Search {
        query: TraceQuery::parse(query).unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 1000,
        spans_per_set: 3,
        deadline: Deadline::never(),
    };
    let answer = store.search(&tenant(), &search).unwrap();
    assert_eq!(answer.cut, None);
    answer.traces.len()
}

#[test]
fn a_resource_of_10_000_attributes_is_found_by_each_and_not_copied_to_every_trace() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let spans = (0..40).map(|n| span(n, n + 1)).collect();
    let mut wide = payload("wide", spans);
    let resource = wide.resource_spans[0].resource.as_mut().unwrap();
    resource
        .attributes
        .extend((0..10_000).map(|n| otlp::kv(&format!("key.{n}"), format!("value {n}"))));
    resource.attributes.push(otlp::kv("request.id", "req-last"));
    store.apply(&[
        entry(0, &wide),
        entry(1, &payload("narrow", vec![span(5_000, 1)])),
    ]);
    assert!(store.stats().tail_bytes < 1 << 20, "{:?}", store.stats());
    for _ in 0..2 {
        for query in [
            "{ .key.0 = \"value 0\" }",
            "{ .key.9999 = \"value 9999\" }",
            "{ resource.service.name = \"wide\" }",
        ] {
            assert_eq!(found(&store, query), 40, "{query}");
        }
        assert_eq!(found(&store, "{ .key.9999 = \"value 1\" }"), 0);
        assert_eq!(found(&store, "{ resource.service.name = \"narrow\" }"), 1);
        assert_eq!(lookup(&store, "req-last", 5).len(), 5);
        store.seal(UnixNanos(0)).unwrap();
    }
}

#[test]
fn a_trace_of_too_many_bytes_is_cut_visibly() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        trace_spans_max: 1_000,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let large = |number| Span {
        attributes: vec![otlp::kv("large", "x".repeat(1 << 20))],
        ..span(1, number)
    };
    for n in 0..3 {
        let spans = (0..4).map(|m| large(4 * n + m + 1)).collect();
        store.apply(&[entry(n, &payload("a", spans))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    let trace = store.trace(&tenant(), &trace_id(1)).unwrap().unwrap();
    assert!(
        (1..12).contains(&trace.spans.len()),
        "{}",
        trace.spans.len()
    );
    assert!(trace.cut.unwrap().contains("12 spans"));
}

#[test]
fn spans_that_share_a_large_resource_are_shown_within_bytes() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let mut wide = payload("a", (0..2_000).map(|n| span(1, n + 1)).collect());
    let resource = wide.resource_spans[0].resource.as_mut().unwrap();
    resource
        .attributes
        .push(otlp::kv("large", "x".repeat(1 << 20)));
    store.apply(&[entry(0, &wide)]);
    let trace = store.trace(&tenant(), &trace_id(1)).unwrap().unwrap();
    assert!((100..1_000).contains(&trace.spans.len()));
    assert!(trace.cut.unwrap().contains("2000 spans"));
}

/// Shown with each span, its resource would be a hundred megabytes; judged, it is there once.
#[test]
fn a_trace_is_judged_by_all_of_its_spans_however_large_the_resource_they_share() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        trace_spans_max: 1_000,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let mut wide = payload("a", (0..500).map(|n| span(1, n + 1)).collect());
    let resource = wide.resource_spans[0].resource.as_mut().unwrap();
    let large = otlp::kv("large", "x".repeat(200_000));
    resource.attributes.push(large);
    store.apply(&[entry(0, &wide)]);
    let query = TraceQuery::parse("{ } | count() = 500").unwrap();
    for _ in 0..2 {
        let (sets, cut) = store
            .matched(&tenant(), &trace_id(1), &query, 1_000, &Deadline::never())
            .unwrap()
            .unwrap();
        assert_eq!((sets.len(), cut), (1, None));
        let shown = store.trace(&tenant(), &trace_id(1)).unwrap().unwrap();
        assert!(shown.spans.len() < 50 && shown.cut.is_some());
        store.seal(UnixNanos(0)).unwrap();
    }
}

#[test]
fn what_is_left_out_of_a_very_many_parted_trace_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let spans = (0..5_000).map(|n| span(1, n + 1)).collect();
    store.apply(&[entry(0, &payload("a", spans))]);
    let matched = |query: &str, deadline: &Deadline| {
        let query = TraceQuery::parse(query).unwrap();
        let found = store.matched(&tenant(), &trace_id(1), &query, 10_000, deadline);
        let (sets, cut) = found.unwrap().unwrap();
        (sets.len(), cut.unwrap_or_default())
    };
    let never = Deadline::never();
    let (sets, cut) = matched("{ } | by(span:id) | count() > 0", &never);
    assert!(sets == 100 && cut.contains("by(...)"), "{cut}");
    let some = "{ name =~ \"span [0-9]{1,3}\" } | by(span:id)";
    let (sets, cut) = matched(some, &never);
    assert!(sets == 100 && cut.contains("first 100 span sets"), "{cut}");
    let late = Deadline::within(Duration::ZERO);
    let (sets, cut) = matched("{ name != nil }", &late);
    assert!(sets == 0 && cut.contains("time ran out"), "{cut}");
    let search = TagSearch {
        query: "{ } | by(span:id)".to_owned(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 10_000,
        deadline: never,
    };
    let names = store.tags(&tenant(), None, &search).unwrap();
    assert!(names.cut.unwrap().contains("by(...)"));
    let kind = Field::parse_tag("span:id").unwrap();
    let values = store.tag_values(&tenant(), &kind, &search).unwrap();
    assert_eq!(values.values.len(), 4_000);
    assert!(values.cut.unwrap().contains("by(...)"));
}

#[test]
fn a_trace_too_large_to_be_put_together_is_merged_in_parts() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 2,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let large = |number: u64| Span {
        attributes: vec![otlp::kv("large", "x".repeat(1 << 20))],
        ..span(1, number)
    };
    // Both have span 1; in between lies more than is put together at a time.
    for n in 0..2 {
        let spans: Vec<Span> = (0..20).map(|m| large(n * 19 + m + 1)).collect();
        store.apply(&[entry(n, &payload("a", spans))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    store.merge_all().unwrap();
    assert_eq!(store.stats().segments, 1);
    let trace = store.trace(&tenant(), &trace_id(1)).unwrap().unwrap();
    assert_eq!((trace.spans.len(), trace.cut), (39, None));
}

/// A resource of two words that hashes as the one of `other`: the second word is what
/// brings the two states together again.
fn colliding(first: [u8; 8], other: [[u8; 8]; 2]) -> Vec<u8> {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |word: [u8; 8]| {
        let hash = MULTIPLIER ^ 16 ^ u64::from_le_bytes(word);
        let product = u128::from(hash).wrapping_mul(u128::from(MULTIPLIER) << 32 | 0x85eb_ca6b);
        (product as u64) ^ ((product >> 64) as u64)
    };
    let second = u64::from_le_bytes(other[1]) ^ mix(first) ^ mix(other[0]);
    [first, second.to_le_bytes()].concat()
}

#[test]
fn spans_stay_with_their_resource_also_where_hashes_collide() {
    // A field of 14 bytes that OTLP does not have.
    let other = [*b"\x7a\x0eresour", *b"ce numb1"];
    let resources = [other.concat(), colliding(*b"\x7a\x0eRESOUR", other)];
    assert_eq!(
        sonde_segment::blocks::hash64(&resources[0]),
        sonde_segment::blocks::hash64(&resources[1])
    );
    let of = |resource: &[u8], number| {
        let spans = TracesData {
            resource_spans: vec![ResourceSpans {
                scope_spans: vec![ScopeSpans {
                    spans: vec![span(1, number)],
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }],
        };
        // The resource goes in front of the scopes, within the one `resource_spans`.
        let spans = spans.encode_to_vec();
        let inner = &spans[2..];
        let length = u8::try_from(resource.len() + inner.len()).unwrap();
        [&[0x0a, length][..], resource, inner].concat()
    };
    let mut raw = Vec::new();
    for (number, resource) in (1..).zip(&resources) {
        split(
            &of(resource, number).into(),
            |_, span| raw.push(span),
            |_| {},
        )
        .unwrap();
    }
    collapse(&mut raw);
    let mut after = Vec::new();
    let value = encode(&mut raw).into();
    split(&value, |_, span| after.push(span), |_| {}).unwrap();
    let mut pairs: Vec<_> = after
        .iter()
        .map(|span| (span.start.0, span.context.resource.bytes.to_vec()))
        .collect();
    pairs.sort_unstable();
    let [first, second] = resources;
    assert_eq!(pairs, [(1, first), (2, second)]);
}

#[test]
fn a_seal_that_fails_leaves_nothing_behind() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let tenants = [tenant(), Tenant::new("team-b").unwrap()];
    for (n, tenant) in (0..).zip(&tenants) {
        let entry = Entry::otlp(
            tenant.clone(),
            Signal::Spans,
            UnixNanos(0),
            payload("a", vec![span(n, 1)]).encode_to_vec().into(),
        );
        store.apply(&[(Position(n), entry)]);
    }
    let blocked = |team: &str| dir.path().join("segments").join(team);
    for (blocker, other) in [("team-a", "team-b"), ("team-b", "team-a")] {
        fs::write(blocked(blocker), b"").unwrap();
        store.seal(UnixNanos(0)).unwrap_err();
        let left = fs::read_dir(blocked(other)).map_or(0, Iterator::count);
        assert_eq!(left, 0, "{other}");
        fs::remove_file(blocked(blocker)).unwrap();
        if let Err(error) = fs::remove_dir(blocked(other)) {
            assert_eq!(error.kind(), std::io::ErrorKind::NotFound);
        }
    }
    assert_eq!(store.seal(UnixNanos(0)).unwrap(), Position(2));
    assert_eq!(store.stats().records, 2);
}

/// Parents that go round in a circle, parents that never came, a clock hours off, a span of a
/// day ago, one of 4 MiB and one of 10,000 attributes: all are stored, found and summarised.
#[test]
fn what_senders_do_is_stored_found_and_summarised() {
    const HOUR: u64 = 3_600_000_000_000;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let now = 100 * HOUR;
    let child = |number: u64, parent: u64, start: u64| Span {
        parent_span_id: parent.to_be_bytes().to_vec(),
        start_time_unix_nano: start,
        end_time_unix_nano: start + 10,
        ..span(1, number)
    };
    let large = Span {
        attributes: vec![otlp::kv("large", "x".repeat(4 << 20))],
        ..child(6, 5, now)
    };
    let wide = Span {
        attributes: (0..10_000)
            .map(|n| otlp::kv(&format!("key.{n}"), format!("value {n}")))
            .collect(),
        ..child(7, 5, now)
    };
    let skewed = child(8, 5, now + 5 * HOUR);
    let spans = [
        vec![child(1, 2, now), child(2, 1, now), child(3, 3, now)],
        vec![child(4, 99, now), large, wide],
        vec![skewed, child(9, 5, now - 24 * HOUR)],
    ];
    for (position, spans) in (0..).zip(spans) {
        store.apply(&[entry(position, &payload("a", spans))]);
        store.seal(UnixNanos(0)).unwrap();
    }
    for is_merged in [false, true] {
        if is_merged {
            store.merge_all().unwrap();
        }
        let trace = store.trace(&tenant(), &trace_id(1)).unwrap().unwrap();
        assert_eq!((trace.spans.len(), trace.cut), (8, None));
        for query in [
            "{ span.key.9999 = `value 9999` }",
            "{ name = `span 6` }",
            "{ name = `span 3` && duration = 10ns }",
            "{ name = `span 9` }",
        ] {
            assert_eq!(found(&store, query), 1, "{query}");
        }
    }
}

#[test]
fn names_are_counted_as_memory_and_long_ones_are_found_but_not_listed() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let (long, short) = ("l".repeat(2_000), "s".repeat(900));
    let spans = |first: u64| (first..first + 1_000).map(|n| span(n, n + 1)).collect();
    store.apply(&[entry(0, &payload(&long, spans(0)))]);
    let before = store.stats().tail_bytes;
    store.apply(&[entry(1, &payload(&short, spans(1_000)))]);
    let more = store.stats().tail_bytes - before;
    assert!(before < 1 << 20, "{before}");
    assert!(more > 900 * 1_000, "{more}");
    for _ in 0..2 {
        assert_eq!(store.services(&tenant()), [short.as_str()]);
        assert_eq!(store.operations(&tenant(), &short).len(), 1_000);
        let of = |service| format!("{{ resource.service.name = `{service}` }}");
        assert_eq!(found(&store, &of(&long)), 1_000);
        store.seal(UnixNanos(0)).unwrap();
    }
}

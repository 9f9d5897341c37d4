//! Looking up what a large trace says late, what many segments let go, and when to stop.

use crate::tests::model::{entry, lookup, open, payload, tenant, trace_id};
use crate::{Config, TraceStore};
use opentelemetry_proto::tonic::trace::v1::Span;
use sonde_proto::{Deadline, TraceId, UnixNanos, otlp};
use std::collections::BTreeSet;

fn span(trace: u64, number: u64, start: UnixNanos) -> Span {
    Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        start_time_unix_nano: start.0,
        end_time_unix_nano: start.0,
        ..Span::default()
    }
}

fn with_id(span: Span, id: &str) -> Span {
    Span {
        attributes: vec![otlp::kv("request.id", id)],
        ..span
    }
}

#[test]
fn the_ids_of_the_last_span_of_a_large_trace_are_found() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        trace_spans_max: 10,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let mut spans: Vec<Span> = (0..100).map(|n| span(1, n, UnixNanos(n))).collect();
    spans[99] = with_id(spans[99].clone(), "req-late");
    store.apply(&[entry(0, &payload("a", spans))]);
    for _ in 0..2 {
        assert_eq!(lookup(&store, "req-late", 10), [trace_id(1)]);
        assert_eq!(lookup(&store, &format!("{:016x}", 100), 10), [trace_id(1)]);
        assert_eq!(lookup(&store, &format!("{:016x}", 101), 10), []);
        store.seal(UnixNanos(0)).unwrap();
    }
}

#[test]
fn an_id_is_found_in_a_header_whichever_way_its_name_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let headers = [
        "http.request.header.x-request-id",
        "http.request.header.x_request_id",
    ];
    for (number, header) in (0..).zip(headers) {
        let id = otlp::kv(header, format!("[\"req-{number}\"]"));
        let spans = vec![Span {
            attributes: vec![id],
            ..span(number, 0, UnixNanos(number))
        }];
        store.apply(&[entry(number, &payload("a", spans))]);
    }
    for number in 0..2 {
        let found = lookup(&store, &format!("req-{number}"), 10);
        assert_eq!(found, [trace_id(number)]);
    }
}

/// A filter of a segment says of one in 256 traces wrongly that it has them.
#[test]
fn what_carried_an_id_is_found_whatever_is_kept_besides() {
    const TRACES: u64 = 600;
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        retention_seconds: 100,
        request_id_retention_seconds: 10_000,
        merge_fan_in: 1_000,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let send = |store: &TraceStore, second: u64, spans: Vec<Span>| {
        store.apply(&[entry(second, &payload("a", spans))]);
        store.seal(UnixNanos(0)).unwrap();
    };
    let at = UnixNanos::from_secs;
    let carriers = (0..TRACES).map(|n| with_id(span(n, n, at(1)), "req-1"));
    send(&store, 1, carriers.collect());
    // Another part of the first trace, which does not carry it, is kept.
    send(&store, 1_000, vec![span(0, TRACES, at(1_000))]);
    for n in 1..20 {
        send(
            &store,
            1_000 + n,
            vec![span(TRACES + n, TRACES + n, at(1_000))],
        );
    }
    store.settle(at(1_020)).unwrap();
    assert_eq!(store.stats().segments, 20);
    let found: BTreeSet<TraceId> = lookup(&store, "req-1", 1_000).into_iter().collect();
    assert_eq!(found, (0..TRACES).map(trace_id).collect());
}

#[test]
fn a_lookup_ends_at_its_deadline_and_at_its_budget_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        search_bytes_max: 1_000,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let spans = (0..100).map(|n| with_id(span(n, n, UnixNanos(n)), "req-1"));
    store.apply(&[entry(0, &payload("a", spans.collect()))]);
    for _ in 0..2 {
        let look = |deadline| store.lookup(&tenant(), "req-1", 1_000, &deadline).unwrap();
        let found = look(Deadline::never());
        assert!((2..50).contains(&found.trace_ids.len()), "{found:?}");
        assert!(found.cut.unwrap().contains("others may carry it"));
        let late = Deadline::never();
        drop(late.give_up_on_drop());
        let found = look(late);
        assert_eq!(found.trace_ids, []);
        assert!(found.cut.unwrap().contains("after 0 traces"));
        assert_eq!(lookup(&store, "req-1", 2), [trace_id(99), trace_id(98)]);
        store.seal(UnixNanos(0)).unwrap();
    }
}

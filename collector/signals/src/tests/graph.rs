//! The service graph: two sides make one request.

use super::model::{collect, entry, failed, signals, span, value, with};
use crate::graph::{CLIENT_SECONDS, FAILED, REQUESTS, SERVER_SECONDS};
use crate::{Config, OVERFLOW};
use sonde_proto::UnixNanos;
use sonde_proto::otlp::trace::{Span, span::Link};

/// The requests counted after all time to wait is over.
fn requests(spans: &[(&str, Span)]) -> Vec<(String, u64)> {
    let mut signals = signals(&Config::default());
    for (n, one) in (0..).zip(spans) {
        signals.apply(&[entry(n, 0, std::slice::from_ref(one))]);
    }
    let found = collect(&mut signals, 120);
    found
        .into_iter()
        .filter(|((metric, _), _)| metric == REQUESTS)
        .map(|((_, labels), (n, _))| (labels, n))
        .collect()
}

fn check(spans: &[(&str, Span)], expected: &[(&str, u64)]) {
    let expected: Vec<_> = expected
        .iter()
        .map(|(labels, n)| ((*labels).to_owned(), *n))
        .collect();
    assert_eq!(requests(spans), expected);
    let reversed: Vec<_> = spans.iter().rev().cloned().collect();
    assert_eq!(
        requests(&reversed),
        expected,
        "in the other order of arrival"
    );
}

#[test]
fn a_client_and_the_server_below_it_are_one_request() {
    check(
        &[("web", span(3, 1, 10, 0)), ("pay", span(2, 1, 11, 10))],
        &[("client=web server=pay", 1)],
    );
    check(
        &[("web", span(3, 1, 10, 0)), ("pay", span(2, 2, 11, 10))],
        &[],
    );
}

#[test]
fn a_producer_and_its_consumers_are_messages_by_parent_or_by_link() {
    let mut linked = span(5, 2, 30, 0);
    let (trace_id, span_id) = (span(4, 1, 10, 0).trace_id, span(4, 1, 10, 0).span_id);
    linked.links = vec![Link {
        trace_id,
        span_id,
        ..Link::default()
    }];
    let edge =
        |service: &str| format!("client=web server={service} connection_type=messaging_system");
    check(
        &[
            ("web", span(4, 1, 10, 0)),
            ("mail", span(5, 1, 20, 10)),
            ("bill", linked),
        ],
        &[(&edge("bill"), 1), (&edge("mail"), 1)],
    );
}

#[test]
fn databases_users_and_named_peers_are_virtual_nodes() {
    let database = with(
        span(3, 1, 10, 0),
        &[("db.system", "postgresql"), ("db.name", "orders")],
    );
    check(
        &[("web", database)],
        &[("client=web server=orders connection_type=database", 1)],
    );
    check(
        &[("web", span(2, 1, 10, 0))],
        &[("client=user server=web connection_type=virtual_node", 1)],
    );
    let outside = with(span(3, 1, 10, 0), &[("server.address", "api.example.com")]);
    check(
        &[("web", outside.clone())],
        &[(
            "client=web server=api.example.com connection_type=virtual_node",
            1,
        )],
    );
    for key in ["service.peer.name", "peer.service"] {
        let named = with(
            span(3, 1, 10, 0),
            &[("server.address", "10.0.0.7"), (key, "tokens")],
        );
        check(
            &[("web", named)],
            &[("client=web server=tokens connection_type=virtual_node", 1)],
        );
    }
    check(
        &[("web", outside), ("api", span(2, 1, 11, 10))],
        &[("client=web server=api", 1)],
    );
}

#[test]
fn a_failure_on_either_side_is_a_failed_request_and_both_sides_are_timed() {
    let mut signals = signals(&Config::default());
    signals.apply(&[entry(
        0,
        0,
        &[
            ("web", failed(span(3, 1, 10, 0))),
            ("pay", span(2, 1, 11, 10)),
        ],
    )]);
    signals.apply(&[entry(
        1,
        0,
        &[("web", span(3, 2, 10, 0)), ("pay", span(2, 2, 11, 10))],
    )]);
    let found = collect(&mut signals, 1);
    for (metric, expected) in [
        (REQUESTS, 2),
        (FAILED, 1),
        (SERVER_SECONDS, 2),
        (CLIENT_SECONDS, 2),
    ] {
        assert_eq!(
            value(&found, metric, "client=web server=pay"),
            Some(expected),
            "{metric}"
        );
    }
}

#[test]
fn a_side_waits_only_its_time_and_only_where_there_is_room() {
    let config = Config {
        pending_wait_ms: 10_000,
        pending_max: 2,
        ..Config::default()
    };
    let mut late = signals(&config);
    late.apply(&[
        entry(0, 0, &[("web", span(3, 1, 10, 0))]),
        entry(1, 10, &[("pay", span(2, 1, 11, 10))]),
    ]);
    assert!(
        collect(&mut late, 100)
            .keys()
            .all(|(metric, _)| metric != REQUESTS)
    );

    let mut full = signals(&config);
    let clients: Vec<_> = (1..5).map(|trace| ("web", span(3, trace, 10, 0))).collect();
    let servers: Vec<_> = (1..5)
        .map(|trace| ("pay", span(2, trace, 11, 10)))
        .collect();
    full.apply(&[entry(0, 0, &clients), entry(1, 0, &servers)]);
    assert_eq!(
        value(&collect(&mut full, 1), REQUESTS, "client=web server=pay"),
        Some(2)
    );
}

#[test]
fn a_span_that_is_sent_again_and_again_is_compared_with_few() {
    let mut signals = signals(&Config::default());
    let clients = vec![("web", span(3, 1, 10, 0)); 5_000];
    let servers = vec![("pay", span(2, 1, 11, 10)); 5_000];
    signals.apply(&[entry(0, 0, &clients), entry(1, 0, &servers)]);
    let counted = value(&collect(&mut signals, 1), REQUESTS, "client=web server=pay");
    assert!(counted.is_some_and(|n| n <= 64 * 5_000), "{counted:?}");
}

#[test]
fn sides_that_found_each_other_leave_no_more_deadlines_than_may_wait() {
    let bounds = crate::histogram::Shape {
        bounds: crate::histogram::Bounds::new(&[0.1]),
        native: false,
    };
    let limits = crate::graph::Limits {
        edges_max: 10,
        pending_max: 100,
        wait: std::time::Duration::from_secs(10),
        stale: std::time::Duration::from_secs(900),
        name_bytes_max: 100,
    };
    let mut graph = crate::graph::Graph::default();
    let mut dropped = 0;
    for trace in 1..5_000 {
        // The answer arrives first and leaves with its asker, which goes on waiting.
        for (service, wire) in [
            ("pay", span(2, trace, 11, 10)),
            ("web", span(3, trace, 10, 0)),
        ] {
            let (_, entry) = entry(0, 0, &[(service, wire)]);
            let resources = sonde_proto::walk::spans(&entry.payload).unwrap();
            let side = crate::span::Span::of(resources[0].spans[0], service).unwrap();
            dropped += graph.add(&side, &bounds, limits, UnixNanos(0)).dropped;
            assert!(graph.deadlines() <= 200);
        }
    }
    assert_eq!(dropped, 0, "those that found each other make room");
    let lost = graph.expire(&bounds, limits, UnixNanos::from_secs(11));
    assert_eq!((lost.expired, graph.deadlines()), (0, 0));
}

#[test]
fn edges_beyond_the_limit_count_as_overflow() {
    let mut signals = signals(&Config {
        edges_max: 2,
        ..Config::default()
    });
    for n in 0..10_u64 {
        signals.apply(&[entry(n, 0, &[(&format!("s{n}"), span(2, n + 1, 1, 0))])]);
    }
    let found = collect(&mut signals, 1);
    let labels = format!("client={OVERFLOW} server={OVERFLOW} connection_type=virtual_node");
    assert_eq!(value(&found, REQUESTS, &labels), Some(8));
    assert_eq!(
        found
            .keys()
            .filter(|(metric, _)| metric == REQUESTS)
            .count(),
        3
    );
}

#[test]
fn sides_that_wait_survive_a_restart() {
    let config = Config::default();
    let mut first = signals(&config);
    first.apply(&[entry(0, 0, &[("web", span(3, 1, 10, 0))])]);
    let mut second = crate::SpanSignals::restore(
        &config,
        &mut prometheus_client::registry::Registry::default(),
        &first.snapshot(),
        UnixNanos(0),
    )
    .unwrap();
    second.apply(&[entry(1, 5, &[("pay", span(2, 1, 11, 10))])]);
    assert_eq!(
        value(&collect(&mut second, 6), REQUESTS, "client=web server=pay"),
        Some(1)
    );
}

#[test]
fn an_edge_weighs_what_its_rarer_side_weighs() {
    let sampled = |mut span: Span, state: &str| {
        span.trace_state = state.to_owned();
        span
    };
    check(
        &[
            ("web", sampled(span(3, 1, 10, 0), "ot=th:8")),
            ("pay", sampled(failed(span(2, 1, 11, 10)), "ot=th:c")),
        ],
        &[("client=web server=pay", 4)],
    );
}

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
fn sides_are_said_to_wait_until_their_other_sides_come() {
    let mut registry = prometheus_client::registry::Registry::default();
    let mut signals = crate::SpanSignals::new(&Config::default(), &mut registry, UnixNanos(0));
    let clients = [1, 2].map(|trace| ("web", span(3, trace, 10, 0)));
    let servers = [1, 2].map(|trace| ("pay", span(2, trace, 11, 10)));
    let sides = [&clients[..], &servers[..1], &servers[1..]];
    for (position, (sides, waiting)) in (0..).zip(sides.into_iter().zip([2, 1, 0])) {
        signals.apply(&[entry(position, position, sides)]);
        collect(&mut signals, position);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        let line = format!("sonde_signals_edges_waiting {waiting}");
        assert!(text.lines().any(|found| found == line), "{line}:\n{text}");
    }
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
            let (span, service) = (*resources[0].spans().next().unwrap(), service.into());
            let side = crate::span::Span::of(span, &service).unwrap();
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

/// A snapshot of before edges said when an example of theirs was told last, and graphs how many
/// of the sides that wait had found one.
const BEFORE: &str = r#"{"applied_to":2,"clock":1000000000,"latency_bounds":[0.002,0.004,0.008,0.016,0.032,0.064,0.128,0.256,0.512,1.024,2.048,4.096,8.192,16.384],"graph_bounds":[0.1,0.2,0.4,0.8,1.6,3.2,6.4,12.8],"red_from":0,"graph_from":0,"tenants":{"default":{"red":{"services":{"pay":{"op":[{"kind":"Server","status":"Error","life":{"start":0,"last":0,"told":false},"latency":{"counts":[0,0,0,0,1,0,0,0,0,0,0,0,0,0,0],"sum_nanos":30000000},"example":{"trace_id":"09090909090909090000000000000001","span_id":"000000000000000b","time":30001000,"nanos":30000000}}]}},"series":1},"graph":{"edges":[[{"client":"web","server":"pay","connection":"Direct"},{"life":{"start":0,"last":0,"told":false},"requests":1,"failed":1,"server":{"counts":[1,0,0,0,0,0,0,0,0],"sum_nanos":30000000},"client":{"counts":[1,0,0,0,0,0,0,0,0],"sum_nanos":30000000},"example":{"trace_id":"09090909090909090000000000000001","span_id":"000000000000000b","time":30001000,"nanos":30000000}}]],"pending":[[["09090909090909090000000000000001","000000000000000c"],[{"kind":"Client","service":"web","peer":null,"failed":false,"matched":false,"weight":1,"example":{"trace_id":"09090909090909090000000000000001","span_id":"000000000000000c","time":30001000,"nanos":30000000}}]],[["09090909090909090000000000000001","000000000000000a"],[{"kind":"Client","service":"web","peer":null,"failed":false,"matched":true,"weight":1,"example":{"trace_id":"09090909090909090000000000000001","span_id":"000000000000000a","time":30001000,"nanos":30000000}}]]],"expiry":[[10000000000,["09090909090909090000000000000001","000000000000000a"]],[11000000000,["09090909090909090000000000000001","000000000000000c"]]],"waiting":2},"repeats":[[0,{"first":10,"bytes":180,"crc":2609554247}],[1000000000,{"first":12,"bytes":83,"crc":3908999486}]],"watched":{"services":{},"changes":[],"looked":0}}}}"#;

#[test]
fn a_snapshot_of_before_is_read_and_goes_on_as_the_one_that_was_not_restarted() {
    let journal = [
        entry(
            0,
            0,
            &[
                ("web", span(3, 1, 10, 0)),
                ("pay", failed(span(2, 1, 11, 10))),
            ],
        ),
        entry(1, 1, &[("web", span(3, 1, 12, 0))]),
        // The second of these came before: it is not counted again.
        entry(2, 2, &[("pay", span(2, 1, 13, 12))]),
        entry(3, 3, &[("web", span(3, 1, 12, 0))]),
        entry(4, 4, &[("cart", span(5, 1, 14, 10))]),
    ];
    let config = Config::default();
    let mut whole = signals(&config);
    whole.apply(&journal);
    let crc = crc32c::crc32c(BEFORE.as_bytes());
    let snapshot = format!("sonde-signals 1 {crc:08x}\n{BEFORE}");
    let mut registry = prometheus_client::registry::Registry::default();
    let restored =
        crate::SpanSignals::restore(&config, &mut registry, snapshot.as_bytes(), UnixNanos(0));
    let mut restored = restored.unwrap();
    restored.apply(&journal);
    for now in [5, 30, 400] {
        let expected = collect(&mut whole, now);
        let pay = value(&expected, REQUESTS, "client=web server=pay");
        assert!(now > 5 || pay == Some(2), "{pay:?}");
        assert_eq!(collect(&mut restored, now), expected, "{now}");
    }
}

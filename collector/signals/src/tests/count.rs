//! RED: every call counts once, whatever happens in between.

use super::model::{Found, collect, entry, failed, signals, span, value};
use crate::{Config, OVERFLOW, SpanSignals, red};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::otlp;
use sonde_proto::otlp::metrics::metric::Data;
use sonde_proto::otlp::trace::{Span, Status};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Entry, Position, UnixNanos};
use std::collections::BTreeMap;

const SERVICES: [&str; 3] = ["checkout", "cart", "pay"];

fn random_span(rng: &mut ChaCha8Rng) -> Span {
    let (trace, id, parent) = (
        rng.random_range(1..50),
        rng.random_range(1..20),
        rng.random_range(0..20),
    );
    let mut span = span(rng.random_range(0..6), trace, id, parent);
    span.name = ["GET /", "POST /pay", "send"][rng.random_range(0..3)].to_owned();
    span.end_time_unix_nano = span.start_time_unix_nano + rng.random_range(0..20_000_000_000);
    span.status = Some(Status {
        code: rng.random_range(0..3),
        message: String::new(),
    });
    span
}

fn random_journal(
    rng: &mut ChaCha8Rng,
    entries: u64,
) -> (Vec<(Position, Entry)>, BTreeMap<String, u64>) {
    let (mut journal, mut counts) = (Vec::new(), BTreeMap::new());
    for position in 0..entries {
        let spans: Vec<_> = (0..rng.random_range(1..6))
            .map(|_| (SERVICES[rng.random_range(0..3)], random_span(rng)))
            .collect();
        for (service, span) in spans.iter().filter(|(_, span)| matches!(span.kind, 2 | 5)) {
            let kind = if span.kind == 2 { "SERVER" } else { "CONSUMER" };
            let status = ["UNSET", "OK", "ERROR"]
                [usize::try_from(span.status.as_ref().unwrap().code).unwrap()];
            let labels = format!(
                "service={service} span_name={} span_kind=SPAN_KIND_{kind} status_code=STATUS_CODE_{status}",
                span.name
            );
            *counts.entry(labels).or_default() += 1;
        }
        journal.push(entry(position, position, &spans));
    }
    (journal, counts)
}

#[test]
fn every_server_and_consumer_span_counts_once_over_crashes_and_replays() {
    for seed in 0..20 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (journal, counts) = random_journal(&mut rng, 100);
        let config = Config::default();
        let mut whole = signals(&config);
        whole.apply(&journal);

        let (mut restarted, mut snapshot) = (signals(&config), None::<Vec<u8>>);
        let mut at = 0;
        while at < journal.len() {
            let until = (at + rng.random_range(1..20)).min(journal.len());
            restarted.apply(&journal[at.saturating_sub(3)..until]);
            at = until;
            match rng.random_range(0..3) {
                0 => snapshot = Some(restarted.snapshot()),
                1 => {
                    // A crash: what was counted since the snapshot is gone, and replayed.
                    restarted = match &snapshot {
                        Some(bytes) => SpanSignals::restore(
                            &config,
                            &mut Registry::default(),
                            bytes,
                            UnixNanos(0),
                        )
                        .unwrap(),
                        None => signals(&config),
                    };
                    at = usize::try_from(restarted.applied_to().0).unwrap();
                }
                _ => {}
            }
        }
        let (found, expected) = (collect(&mut restarted, 100), collect(&mut whole, 100));
        assert_eq!(found, expected, "seed {seed}");
        for (labels, count) in &counts {
            assert_eq!(value(&found, red::CALLS, labels), Some(*count), "{labels}");
            assert_eq!(
                value(&found, red::LATENCY, labels),
                Some(*count),
                "{labels}"
            );
        }
        assert_eq!(
            found
                .keys()
                .filter(|(metric, _)| metric == red::CALLS)
                .count(),
            counts.len()
        );
    }
}

#[test]
fn what_does_not_fit_counts_as_overflow_of_its_service() {
    let mut signals = signals(&Config {
        series_max: 3,
        ..Config::default()
    });
    for n in 0..100_u64 {
        let mut call = span(2, n + 1, 1, 0);
        call.name = format!("op {n}");
        let service = if n < 50 {
            "known".to_owned()
        } else {
            format!("service {n}")
        };
        signals.apply(&[entry(n, 0, &[(&service, call)])]);
    }
    let found = collect(&mut signals, 10);
    let labels = |service: &str, name: &str| {
        format!(
            "service={service} span_name={name} span_kind=SPAN_KIND_SERVER status_code=STATUS_CODE_UNSET"
        )
    };
    assert_eq!(value(&found, red::CALLS, &labels("known", "op 2")), Some(1));
    assert_eq!(
        value(&found, red::CALLS, &labels("known", OVERFLOW)),
        Some(47)
    );
    assert_eq!(
        value(&found, red::CALLS, &labels(OVERFLOW, OVERFLOW)),
        Some(50)
    );
    assert_eq!(
        found
            .keys()
            .filter(|(metric, _)| metric == red::CALLS)
            .count(),
        5
    );
}

#[test]
fn a_service_of_100_000_operations_leaves_others_their_series() {
    let config = Config::default();
    let operations_max = config.service_operations_max as u64;
    let mut signals = signals(&config);
    for n in 0..100_000_u64 {
        let mut call = span(2, n + 1, 1, 0);
        call.name = format!("op {n}");
        signals.apply(&[entry(n, 0, &[("many", call)])]);
    }
    let mut again = failed(span(2, 200_001, 1, 0));
    "op 7".clone_into(&mut again.name);
    signals.apply(&[entry(100_000, 0, &[("many", again)])]);
    signals.apply(&[entry(100_001, 0, &[("few", span(2, 200_002, 1, 0))])]);
    let found = collect(&mut signals, 10);
    let calls = |service: &str, name: &str, status: &str| {
        let labels = format!(
            "service={service} span_name={name} span_kind=SPAN_KIND_SERVER status_code=STATUS_CODE_{status}"
        );
        value(&found, red::CALLS, &labels)
    };
    assert_eq!(calls("many", "op 7", "UNSET"), Some(1));
    assert_eq!(calls("many", "op 7", "ERROR"), Some(1), "it has its series");
    let overflowed = 100_000 - operations_max;
    assert_eq!(calls("many", OVERFLOW, "UNSET"), Some(overflowed));
    assert_eq!(calls("few", "op", "UNSET"), Some(1));
}

#[test]
fn operations_beyond_the_limit_come_again_when_others_have_ended_and_after_a_restart() {
    let limited = |service_operations_max| Config {
        service_operations_max,
        stale_seconds: 60,
        ..Config::default()
    };
    let mut position = 0;
    let mut send = |signals: &mut SpanSignals, seconds: u64, names: &[&str]| {
        for name in names {
            let mut call = span(2, position + 1, 1, 0);
            (*name).clone_into(&mut call.name);
            signals.apply(&[entry(position, seconds, &[("a", call)])]);
            position += 1;
        }
    };
    let check = |found: &Found, expected: &[(&str, Option<u64>)]| {
        for (name, calls) in expected {
            let labels = format!(
                "service=a span_name={name} span_kind=SPAN_KIND_SERVER status_code=STATUS_CODE_UNSET"
            );
            assert_eq!(value(found, red::CALLS, &labels), *calls, "{name}");
        }
    };
    let mut before = signals(&limited(3));
    send(&mut before, 100, &["x", "y", "z", "u", "v"]);
    // Those that are there stay, though they are more than may be now.
    let (config, snapshot) = (limited(2), before.snapshot());
    let registry = &mut Registry::default();
    let mut after =
        SpanSignals::restore(&config, registry, &snapshot, UnixNanos::from_secs(100)).unwrap();
    send(&mut after, 101, &["x", "z", "w"]);
    let expected = [
        ("x", Some(2)),
        ("y", Some(1)),
        ("z", Some(2)),
        ("w", None),
        (OVERFLOW, Some(3)),
    ];
    check(&collect(&mut after, 102), &expected);
    // The overflow lives on, and takes no room of an operation.
    send(&mut after, 150, &["w"]);
    send(&mut after, 200, &["w"]);
    collect(&mut after, 230);
    send(&mut after, 231, &["p", "q", "r"]);
    let expected = [
        ("x", None),
        ("p", Some(1)),
        ("q", Some(1)),
        ("r", None),
        (OVERFLOW, Some(6)),
    ];
    check(&collect(&mut after, 232), &expected);
}

#[test]
fn a_series_begins_with_a_zero_carries_its_slowest_call_and_ends_with_a_mark() {
    let config = Config {
        stale_seconds: 60,
        ..Config::default()
    };
    let mut signals = signals(&config);
    let mut slow = failed(span(2, 7, 8, 0));
    slow.end_time_unix_nano += 1_000_000_000;
    signals.apply(&[entry(
        0,
        100,
        &[
            ("pay", failed(span(2, 1, 2, 0))),
            ("pay", slow),
            ("pay", failed(span(2, 3, 4, 0))),
        ],
    )]);
    let requests = signals.collect(UnixNanos::from_secs(105));
    let calls = requests
        .iter()
        .flat_map(|(_, r)| &r.resource_metrics[0].scope_metrics[0].metrics)
        .find(|m| m.name == red::CALLS)
        .unwrap();
    let Some(Data::Sum(sum)) = &calls.data else {
        panic!("a sum")
    };
    let times: Vec<_> = sum
        .data_points
        .iter()
        .map(|p| (p.time_unix_nano / 1_000_000_000, p.value))
        .collect();
    assert_eq!(
        times.iter().map(|(time, _)| *time).collect::<Vec<_>>(),
        [100, 105],
        "{times:?}"
    );
    assert!(
        sum.data_points
            .iter()
            .all(|p| p.start_time_unix_nano == 100_000_000_000)
    );
    let exemplar = &sum.data_points[1].exemplars[0];
    assert_eq!(
        (&exemplar.trace_id[8..], &exemplar.span_id[..]),
        (&7_u64.to_be_bytes()[..], &8_u64.to_be_bytes()[..])
    );

    let next = collect(&mut signals, 160);
    assert!(next.values().all(|(_, ended)| !ended) && !next.is_empty());
    assert!(
        collect(&mut signals, 161).is_empty() && collect(&mut signals, 220).is_empty(),
        "it may go on or end"
    );
    let last = collect(&mut signals, 221);
    assert!(last.values().all(|(_, ended)| *ended) && last.len() == next.len());
    assert!(
        collect(&mut signals, 222).is_empty(),
        "an ended series is told once"
    );
}

#[test]
fn a_damaged_snapshot_is_an_error() {
    let mut signals = signals(&Config::default());
    signals.apply(&[entry(
        0,
        0,
        &[("a", span(2, 1, 1, 0)), ("b", span(3, 1, 5, 1))],
    )]);
    let good = signals.snapshot();
    let restore = |bytes: &[u8]| {
        SpanSignals::restore(
            &Config::default(),
            &mut Registry::default(),
            bytes,
            UnixNanos(0),
        )
    };
    assert_eq!(restore(&good).unwrap().applied_to(), Position(1));
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        assert!(
            restore(&bad).is_err() && restore(&good[..at]).is_err(),
            "byte {at}"
        );
    }
}

#[test]
fn other_buckets_start_the_histograms_again() {
    let mut signals = signals(&Config::default());
    signals.apply(&[entry(0, 0, &[("a", span(2, 1, 1, 0))])]);
    let config = Config {
        latency_buckets_seconds: vec![5.0, 1.0, f64::NAN, -3.0, 1.0],
        ..Config::default()
    };
    let mut restored = SpanSignals::restore(
        &config,
        &mut Registry::default(),
        &signals.snapshot(),
        UnixNanos::from_secs(1),
    )
    .unwrap();
    // Of before the restart: counted by the counters that are gone.
    restored.apply(&[entry(1, 0, &[("a", span(2, 1, 2, 0))])]);
    restored.apply(&[entry(2, 1, &[("a", span(2, 1, 3, 0))])]);
    assert!(
        collect(&mut restored, 5)
            .iter()
            .filter(|((metric, _), _)| metric == red::CALLS)
            .all(|(_, (count, _))| *count == 1)
    );
}

#[test]
fn changes_are_shown_at_once_and_after_a_restart() {
    let versioned = |position: u64, version: &str| {
        let (at, mut one) = entry(position, position, &[("pay", span(2, position + 1, 1, 0))]);
        let mut request = ExportTraceServiceRequest::decode(one.payload).unwrap();
        let resource = request.resource_spans[0].resource.as_mut().unwrap();
        resource
            .attributes
            .push(otlp::kv("service.version", version));
        one.payload = request.encode_to_vec().into();
        (at, one)
    };
    let config = Config::default();
    let mut signals = signals(&config);
    let changes = signals.changes();
    signals.apply(&[versioned(0, "1"), versioned(1, "2")]);
    let of = |changes: &crate::Changes, start: u64| {
        let period = (UnixNanos::from_secs(start), UnixNanos::from_secs(9));
        changes.of(&sonde_proto::Tenant::default(), period.0, period.1)
    };
    let found = of(&changes, 0);
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0].before[..], &found[0].after[..]), ("1", "2"));
    let mut restored = SpanSignals::restore(
        &config,
        &mut Registry::default(),
        &signals.snapshot(),
        UnixNanos::from_secs(2),
    )
    .unwrap();
    restored.apply(&[versioned(2, "1"), versioned(3, "2")]);
    assert_eq!(of(&restored.changes(), 0), found);
    assert!(of(&restored.changes(), 2).is_empty());
}

#[test]
fn a_counter_stops_at_the_largest_number_that_can_be_told() {
    let mut signals = signals(&Config::default());
    let labels =
        "service=pay span_name=op span_kind=SPAN_KIND_SERVER status_code=STATUS_CODE_UNSET";
    let weighs = (1_u64 << 56) * 100;
    for (at, expected) in [weighs, i64::MAX as u64, i64::MAX as u64]
        .into_iter()
        .enumerate()
    {
        let at = at as u64;
        let spans: Vec<_> = (1..=100)
            .map(|id| {
                let mut span = span(2, at + 1, id, 0);
                "ot=th:ffffffffffffff".clone_into(&mut span.trace_state);
                ("pay", span)
            })
            .collect();
        signals.apply(&[entry(at, at, &spans)]);
        let found = collect(&mut signals, at + 1);
        assert_eq!(value(&found, red::CALLS, labels), Some(expected));
    }
}

//! A real process applies, judges, seals and merges spans, keeps a third of the traces, and is
//! killed, 40 times on one directory, at the instant when it has said a random number of things,
//! or while it opens. Afterwards every span of a trace that is wanted lies in a segment, or
//! behind the position from which the journal is replayed, and nothing else does.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../segment/tests/kill/life.rs"]
mod life;

use life::{live_and_die, say};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::json;
use sonde_proto::period::Period;
use sonde_proto::{Entry, Position, Signal, Tenant, TraceId, UnixNanos, otlp};
use sonde_traces::{Config, Sampling, TraceStore};
use std::collections::BTreeSet;
use std::path::Path;

const KILLS: u64 = 40;
const SEED: u64 = 0x7a11;
const START: u64 = 1_700_000_000;

/// Little memory and small segments, so that something is always being sealed or merged.
fn config() -> Config {
    let policies = json!([{"name": "wanted", "type": "string_attribute",
        "string_attribute": {"key": "wanted", "values": ["yes"]}}]);
    Config {
        seal_seconds: 0,
        seal_bytes: 64 << 10,
        merge_fan_in: 2,
        merge_segment_bytes_max: 256 << 10,
        merge_part_bytes_min: 4 << 10,
        merge_bytes_per_second_max: 0,
        sampling: Sampling {
            policies: serde_json::from_value(policies).unwrap(),
            decision_wait: Period::of_seconds(5),
            decision_wait_max: Period::of_seconds(20),
            ..Sampling::default()
        },
        ..Config::default()
    }
}

fn at(position: u64) -> UnixNanos {
    UnixNanos::from_secs(START + position)
}

fn open(dir: &Path, position: u64) -> TraceStore {
    TraceStore::open(dir, &config(), &mut Registry::default(), at(position)).unwrap()
}

fn random(what: u64, number: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(SEED ^ what << 56 ^ number)
}

fn trace_id(number: u64) -> TraceId {
    TraceId::from_slice(&[[7; 8], (number + 1).to_be_bytes()].concat()).unwrap()
}

/// The traces and spans of the entry at a position: of traces of about now, some of them late.
fn numbers(position: u64) -> Vec<(u64, u64)> {
    let mut random = random(1, position);
    let count = random.random_range(0..6);
    let number = |n| {
        let behind = random.random_range(0..7) * random.random_range(0..7);
        (position.saturating_sub(behind), position * 10 + n + 1)
    };
    (0..count).map(number).collect()
}

fn is_wanted(trace: u64) -> bool {
    trace.is_multiple_of(3)
}

fn entry(position: u64) -> Entry {
    let mut random = random(4, position);
    let span = |(trace, number): (u64, u64)| Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        start_time_unix_nano: at(trace).0 + number,
        end_time_unix_nano: at(trace).0 + number + 5,
        attributes: vec![
            otlp::kv("wanted", if is_wanted(trace) { "yes" } else { "no" }),
            otlp::kv("padding", "filling ".repeat(random.random_range(0..40))),
        ],
        ..Span::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: numbers(position).into_iter().map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    let payload = request.encode_to_vec().into();
    Entry::otlp(Tenant::default(), Signal::Spans, at(position), payload)
}

/// What a child has printed.
#[derive(Clone, Copy, Debug)]
enum Said {
    Applied,
    /// The journal was told to forget what is before this position.
    Covers(u64),
}

impl Said {
    fn parse(line: &str) -> Option<Self> {
        let (what, number) = line.split_once(' ')?;
        let number = number.parse().ok()?;
        match what {
            "applied" => Some(Self::Applied),
            "covers" => Some(Self::Covers(number)),
            _ => None,
        }
    }
}

/// Not a test of its own: the process to be killed, when it is told so.
#[test]
fn the_process_that_is_killed() {
    let Some((life, dir)) = life::told() else {
        return;
    };
    let store = open(&dir, 0);
    let mut random = random(2, life);
    loop {
        let position = store.applied_to().0;
        store.apply(&[(Position(position), entry(position))]);
        say(&format!("applied {position}"));
        let covers = match random.random_range(0..20) {
            0..6 => Some(store.maintain(at(position)).unwrap()),
            6 => Some(store.seal(at(position)).unwrap()),
            _ => None,
        };
        if let Some(covers) = covers {
            say(&format!("covers {}", covers.0));
        }
        if random.random_bool(0.02) {
            store.merge_all().unwrap();
        }
    }
}

/// The spans that are there of the traces up to one.
fn found(store: &TraceStore, traces: u64) -> BTreeSet<(u64, u64)> {
    let mut found = BTreeSet::new();
    for number in 0..traces {
        let trace = store.trace(&Tenant::default(), &trace_id(number)).unwrap();
        for span in trace.into_iter().flat_map(|trace| trace.spans) {
            let id = u64::from_be_bytes(*span.span_id.as_bytes());
            assert!(found.insert((number, id)), "a span is there twice");
        }
    }
    found
}

fn wanted(positions: u64) -> BTreeSet<(u64, u64)> {
    let all = (0..positions).flat_map(numbers);
    all.filter(|(trace, _)| is_wanted(*trace)).collect()
}

#[test]
fn what_was_kept_survives_every_kill_and_what_was_not_stays_away() {
    let dir = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let mut random = random(3, 0);
    let mut promised = 0;
    for life in 1..=KILLS {
        let lines = match random.random_range(0..6) {
            0 => 0,
            _ => random.random_range(1..120),
        };
        for said in live_and_die(dir.path(), life, lines, Said::parse) {
            if let Said::Covers(before) = said {
                promised = promised.max(before);
            }
        }
        let store = open(dir.path(), promised);
        assert_eq!(store.stats().quarantined, 0, "life {life}");
        let from = store.resume_from().0;
        assert!(from >= promised, "life {life}");
        let found = found(&store, from + 1000);
        assert!(found.is_superset(&wanted(from)), "life {life}");
        assert!(found.iter().all(|(trace, _)| is_wanted(*trace)));
    }
    assert!(promised > 300, "{promised}");
    let store = open(dir.path(), promised);
    let end = promised + 200;
    for position in store.applied_to().0..end {
        store.apply(&[(Position(position), entry(position))]);
    }
    assert!(store.seal(at(end)).unwrap() < Position(end), "some wait");
    store.seal(at(end + 100)).unwrap();
    store.merge_all().unwrap();
    assert_eq!(store.resume_from(), Position(end));
    assert_eq!(found(&store, end), wanted(end));
}

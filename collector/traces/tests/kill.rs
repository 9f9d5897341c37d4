//! A real process applies, seals and merges spans, and is killed, 52 times on one directory, at
//! the instant when it has said a random number of things, or while it opens. Afterwards every
//! span before the position that the store resumes from is there, once and in its last version,
//! and none is there that was not applied.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../segment/tests/kill/life.rs"]
mod life;

use life::{live_and_die, say};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Entry, Position, Signal, Tenant, TraceId, UnixNanos, otlp};
use sonde_traces::{Config, TraceStore};
use std::collections::BTreeMap;
use std::path::Path;

const KILLS: u64 = 52;
const SEED: u64 = 0x7ace;
const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const TRACES: u64 = 60;

/// Little memory and small segments, so that something is always being sealed or merged.
fn config() -> Config {
    Config {
        seal_seconds: 0,
        seal_bytes: 64 << 10,
        merge_fan_in: 2,
        merge_segment_bytes_max: 256 << 10,
        merge_part_bytes_min: 4 << 10,
        merge_bytes_per_second_max: 0,
        ..Config::default()
    }
}

fn open(dir: &Path) -> TraceStore {
    TraceStore::open(dir, &config(), &mut Registry::default(), NOW).unwrap()
}

fn random(what: u64, number: u64) -> ChaCha8Rng {
    ChaCha8Rng::seed_from_u64(SEED ^ what << 56 ^ number)
}

fn trace_id(number: u64) -> [u8; 16] {
    let mut id = [7; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    id
}

/// The spans of the entry at a position. Traces go on for ever, and spans come again: the same,
/// or longer.
fn spans(position: u64) -> Vec<Span> {
    let mut random = random(1, position);
    let count = random.random_range(0..6);
    let span = |_| {
        let trace = random.random_range(0..TRACES);
        let number = random.random_range(0..100_u64);
        let start = NOW.0 + trace * 1_000_000 + number;
        let padding = "filling ".repeat(random.random_range(0..40));
        Span {
            trace_id: trace_id(trace).to_vec(),
            span_id: (trace * 1000 + number + 1).to_be_bytes().to_vec(),
            name: format!("span {number}"),
            start_time_unix_nano: start,
            end_time_unix_nano: start + random.random_range(0..3) * 1000,
            attributes: vec![otlp::kv("padding", padding)],
            ..Span::default()
        }
    };
    (0..count).map(span).collect()
}

fn entry(position: u64) -> Entry {
    let request = ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![otlp::kv("service.name", format!("s{}", position % 3))],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: spans(position),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    Entry::otlp(
        Tenant::default(),
        Signal::Spans,
        NOW,
        request.encode_to_vec().into(),
    )
}

/// What a child has printed.
#[derive(Clone, Copy, Debug)]
enum Said {
    Applied,
    /// Everything before this position lies in segments.
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
    let store = open(&dir);
    let mut random = random(2, life);
    loop {
        let position = store.applied_to().0;
        store.apply(&[(Position(position), entry(position))]);
        say(&format!("applied {position}"));
        let covers = match random.random_range(0..20) {
            0..4 => Some(store.maintain(NOW).unwrap()),
            4 => Some(store.seal(NOW).unwrap()),
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

/// By trace and span ID: when it ended at the latest.
type Ends = BTreeMap<(u64, String), u64>;

fn expected(before: u64) -> Ends {
    let mut ends = Ends::new();
    for span in (0..before).flat_map(spans) {
        let trace = u64::from_be_bytes(span.trace_id[8..].try_into().unwrap());
        let id: String = span.span_id.iter().map(|b| format!("{b:02x}")).collect();
        let end = ends.entry((trace, id)).or_default();
        *end = (*end).max(span.end_time_unix_nano);
    }
    ends
}

fn check(store: &TraceStore, before: u64) {
    let mut found = Ends::new();
    for number in 0..TRACES {
        let id = TraceId::from_slice(&trace_id(number)).unwrap();
        let trace = store.trace(&Tenant::default(), &id).unwrap();
        for span in trace.into_iter().flat_map(|trace| trace.spans) {
            let twice = found.insert((number, span.span_id.to_string()), span.end.0);
            assert_eq!(twice, None, "a span is there twice");
        }
    }
    let expected = expected(before);
    let lost = expected.iter().find(|(id, end)| found.get(id) != Some(end));
    assert_eq!(lost, None, "a span is lost or old, of {before} positions");
    let more = found.keys().find(|id| !expected.contains_key(*id));
    assert_eq!(more, None, "a span was invented, of {before} positions");
}

#[test]
fn whatever_was_sealed_survives_every_kill() {
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
        let store = open(dir.path());
        assert_eq!(
            store.stats().quarantined,
            0,
            "life {life}: a kill damages nothing"
        );
        let resume_from = store.resume_from().0;
        assert!(resume_from >= promised, "life {life}");
        check(&store, resume_from);
    }
    assert!(promised > 800, "{promised}");
    // Applied to the end, and as few segments as there can be.
    let store = open(dir.path());
    let end = promised + 200;
    for position in store.applied_to().0..end {
        store.apply(&[(Position(position), entry(position))]);
    }
    store.seal(NOW).unwrap();
    store.merge_all().unwrap();
    check(&store, end);
}

//! The store against a plain pass over all spans, whatever comes late, is sealed, merged, and
//! replayed after a crash.

use super::{MILLI, WAIT, WAIT_MAX, all, at, config, span};
use crate::TraceStore;
use crate::sampling::Vote;
use crate::tests::model::{entry, open, payload, tenant};
use opentelemetry_proto::tonic::trace::v1::{Span, Status};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value as Json, json};
use sonde_proto::{Entry, Position, TraceId, otlp};
use std::collections::{BTreeMap, BTreeSet};

/// What a plain pass over all spans comes to.
#[derive(Default)]
struct Plain {
    tail: Vec<(u64, Span)>,
    decided: BTreeMap<TraceId, bool>,
    votes: BTreeSet<TraceId>,
    kept: BTreeMap<TraceId, BTreeSet<Vec<u8>>>,
    /// How many traces were kept only when spans came late.
    late: usize,
}

/// The policies of the random test, as they are written.
fn written() -> Json {
    json!([
        {"name": "failed", "type": "status_code", "status_code": {"status_codes": ["ERROR"]}},
        {"name": "slow", "type": "latency", "latency": {"threshold_ms": 100}},
        {"name": "logged", "type": "error_log"},
        {"name": "paid", "type": "and", "and": {"and_sub_policy": [
            {"name": "route", "type": "string_attribute", "string_attribute":
                {"key": "http.route", "values": ["/pay"]}},
            {"name": "long", "type": "traceql", "traceql": {"query": "{} | count() > 2"}},
        ]}},
        {"name": "share", "type": "probabilistic", "probabilistic": {"sampling_percentage": 25}},
        {"name": "health", "type": "drop", "drop": {"drop_sub_policy": [
            {"name": "route", "type": "string_attribute", "string_attribute":
                {"key": "http.route", "values": ["/health"]}},
        ]}},
    ])
}

impl Plain {
    /// The same of the spans of one trace.
    fn wants(&self, id: TraceId, spans: &[&Span]) -> bool {
        let route = |wanted: &str| {
            spans.iter().any(|s| {
                s.attributes.iter().any(|kv| {
                    kv.key == "http.route" && otlp::text(kv.value.as_ref().unwrap()) == wanted
                })
            })
        };
        if route("/health") {
            return false;
        }
        let ids: BTreeSet<_> = spans.iter().map(|s| &s.span_id).collect();
        let failed = spans
            .iter()
            .any(|s| s.status.as_ref().is_some_and(|status| status.code == 2));
        let start = spans.iter().map(|s| s.start_time_unix_nano).min().unwrap();
        let end = spans.iter().map(|s| s.end_time_unix_nano).max().unwrap();
        // The second of 8 bytes; a share of a quarter keeps the uppermost quarter.
        let share = id.as_bytes()[9] >= 192;
        failed
            || end - start >= 100 * MILLI
            || self.votes.contains(&id)
            || (route("/pay") && ids.len() > 2)
            || share
    }

    fn seal(&mut self, now: u64) {
        let mut traces: BTreeMap<TraceId, Vec<(u64, Span)>> = BTreeMap::new();
        for (second, span) in std::mem::take(&mut self.tail) {
            let id = TraceId::from_slice(&span.trace_id).unwrap();
            traces.entry(id).or_default().push((second, span));
        }
        for (id, spans) in traces {
            let (first, last) = (spans[0].0, spans[spans.len() - 1].0);
            let before = self.decided.get(&id).copied();
            let is_ripe = last + WAIT <= now || first + WAIT_MAX <= now;
            if before.is_none() && !is_ripe {
                self.tail.extend(spans);
                continue;
            }
            let all: Vec<_> = spans.iter().map(|(_, span)| span).collect();
            let is_kept = before == Some(true) || self.wants(id, &all);
            self.late += usize::from(before == Some(false) && is_kept);
            self.decided.insert(id, is_kept);
            if is_kept {
                let ids = spans.into_iter().map(|(_, span)| span.span_id);
                self.kept.entry(id).or_default().extend(ids);
            }
        }
        self.tail.sort_by_key(|(second, _)| *second);
    }

    fn visible(&self) -> BTreeMap<TraceId, BTreeSet<Vec<u8>>> {
        let mut visible = self.kept.clone();
        for (_, span) in &self.tail {
            let id = TraceId::from_slice(&span.trace_id).unwrap();
            visible.entry(id).or_default().insert(span.span_id.clone());
        }
        visible
    }
}

/// An ID of which the last bytes are as random as they should be.
fn random_id(n: u64) -> [u8; 16] {
    let mut rng = ChaCha8Rng::seed_from_u64(n);
    let mut id = [0; 16];
    rng.fill(&mut id);
    id
}

/// A span of a trace of about now.
fn random_span(rng: &mut ChaCha8Rng, second: u64) -> Span {
    let trace = (second / 5).saturating_sub(rng.random_range(0..4) * rng.random_range(0..4));
    let mut span = span(trace, rng.random_range(0..20));
    span.trace_id = random_id(trace * 3 + rng.random_range(0..3)).to_vec();
    // The same for the same span, so that it matters not which copy of it is taken.
    let mut of_it = ChaCha8Rng::seed_from_u64(
        u64::from_be_bytes(span.span_id.as_slice().try_into().unwrap())
            ^ u64::from(span.trace_id[0]) << 32,
    );
    let start = trace * 1000 * MILLI;
    span.start_time_unix_nano = start + of_it.random_range(0..20) * MILLI;
    span.end_time_unix_nano = span.start_time_unix_nano + of_it.random_range(1..25) * MILLI;
    if of_it.random_bool(0.03) {
        span.end_time_unix_nano += 100 * MILLI;
    }
    let route = ["/", "/pay", "/health"][of_it.random_range(0..30_usize).saturating_sub(27)];
    span.attributes = vec![otlp::kv(
        "http.route",
        if of_it.random_bool(0.05) {
            "/pay"
        } else {
            route
        },
    )];
    span.status = Some(Status {
        code: if of_it.random_bool(0.02) { 2 } else { 0 },
        ..Status::default()
    });
    span
}

fn compare(store: &TraceStore, plain: &Plain) {
    let visible = plain.visible();
    assert_eq!(all(store), visible.keys().copied().collect());
    for (id, expected) in &visible {
        let found = store.trace(&tenant(), id).unwrap().unwrap();
        let found: BTreeSet<Vec<u8>> = found
            .spans
            .iter()
            .map(|span| span.span_id.as_bytes().to_vec())
            .collect();
        assert_eq!(found, *expected, "{id}");
    }
    for (id, is_kept) in &plain.decided {
        let is_told = store.not_kept(&tenant(), id).is_some();
        assert!(*is_kept || is_told, "{id}");
    }
}

/// One run; returns how much of each kind there was in it.
fn run(seed: u64) -> [usize; 4] {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let config = config(written());
    let mut store = open(dir.path(), &config);
    let (mut plain, mut journal) = (Plain::default(), Vec::<(Position, Entry)>::new());
    let (mut second, mut crashes) = (100, 0);
    for _ in 0..250 {
        match rng.random_range(0..20) {
            0..12 => {
                second += rng.random_range(0..3);
                let spans: Vec<Span> = (0..rng.random_range(1..6))
                    .map(|_| random_span(&mut rng, second))
                    .collect();
                let (position, mut entry) =
                    entry(journal.len() as u64, &payload("shop", spans.clone()));
                entry.received_at = at(second);
                plain
                    .tail
                    .extend(spans.into_iter().map(|span| (second, span)));
                journal.push((position, entry));
                store.apply(&journal[journal.len() - 1..]);
            }
            12..15 => {
                store.seal(at(second)).unwrap();
                plain.seal(second);
            }
            15 => store.merge_all().unwrap(),
            16..18 => {
                let trace = (second / 5).saturating_sub(rng.random_range(0..3));
                let id = random_id(trace * 3 + rng.random_range(0..3));
                let id = TraceId::from_slice(&id).unwrap();
                // One that comes too late counts for spans that come later still.
                store.vote(&tenant(), id, Vote::ErrorLog, at(second));
                plain.votes.insert(id);
                store.save_votes(Position(0)).unwrap();
            }
            18 => {
                drop(store);
                store = open(dir.path(), &config);
                let from = usize::try_from(store.resume_from().0).unwrap();
                store.apply(&journal[from..]);
                crashes += 1;
            }
            _ => compare(&store, &plain),
        }
        assert_eq!(store.applied_to(), Position(journal.len() as u64));
    }
    second += WAIT_MAX;
    store.seal(at(second)).unwrap();
    plain.seal(second);
    assert_eq!(store.resume_from(), store.applied_to());
    compare(&store, &plain);
    store.merge_all().unwrap();
    drop(store);
    let store = open(dir.path(), &config);
    compare(&store, &plain);
    let kept = plain.decided.values().filter(|is_kept| **is_kept).count();
    [kept, plain.decided.len() - kept, plain.late, crashes]
}

#[test]
fn the_store_keeps_exactly_what_a_plain_pass_keeps() {
    let runs: Vec<[usize; 4]> = (0..10).map(run).collect();
    // Traces that were kept, that were not, of which spans were kept late, and crashes.
    for (what, least) in [100, 100, 5, 50].into_iter().enumerate() {
        let all: usize = runs.iter().map(|run| run[what]).sum();
        assert!(all >= least, "{runs:?}");
    }
}

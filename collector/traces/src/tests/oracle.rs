//! Differential test: whatever is applied, sealed, merged, reopened and replayed in
//! between, every answer is the one of a list of all spans.

use super::model::{OPERATIONS, SERVICES, lookup, open, random_entry, tenant, trace_id};
use super::plain::plain;
use crate::decoded::Decoder;
use crate::raw::{RawSpan, prefer, split};
use crate::{
    Config, FoundTrace, Search, SearchProgress, Span, Trace, TraceQuery, TraceStore, TraceSummary,
};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Deadline, Entry, Position, SpanId, TraceId, UnixNanos};
use sonde_traceql::{SPAN_SETS_MAX, SpanSet};
use sonde_traceql_oracle::Plain;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

const TRACES: u64 = 40;

const QUERIES: [&str; 18] = [
    "",
    "{ resource.service.name = \"checkout\" }",
    "{ .service.name = \"checkout\" && status = error }",
    "{ name = \"POST /pay\" && kind = server }",
    "{ duration > 2ms }",
    "{ duration <= 100us && resource.service.name != \"cart\" }",
    "{ .http.route = \"/c d\" && status != ok }",
    "{ .http.route != \"/a\" }",
    "{ .http.response.status_code >= 404 && resource.service.name = \"pay\" }",
    "{ .http.response.status_code = 404.0 }",
    "{ name =~ \"GET.*|send\" && kind = client }",
    "{ resource.host.name = \"mail-host\" } && { duration > 1ms }",
    "{ .nothing = \"here\" }",
    "{ .nothing = nil && status = unset && kind = consumer }",
    "{ .request.id = \"req-3\" } || { status = error && kind = producer }",
    "{ .http.request.header.x-request-id = \"req-7\" }",
    "{ name = \"send\" } > { status = ok }",
    "{ status = error } | count() > 3",
];

#[derive(Default)]
struct Oracle {
    spans: BTreeMap<TraceId, BTreeMap<SpanId, RawSpan>>,
    names: BTreeSet<(String, String)>,
}

impl Oracle {
    fn apply(&mut self, entry: &Entry) {
        let each = |trace_id, span: RawSpan| {
            let decoded = Span::decode(&span).unwrap();
            self.names.insert((decoded.service, decoded.name));
            let spans = self.spans.entry(trace_id).or_default();
            let better = spans
                .get(&span.span_id)
                .is_none_or(|known| prefer(&span, known).is_gt());
            if better {
                spans.insert(span.span_id, span);
            }
        };
        split(&entry.payload, each, |refusal| panic!("{refusal:?}")).unwrap();
    }

    fn trace(&self, id: &TraceId) -> Option<Trace> {
        let mut spans: Vec<Span> = self
            .spans
            .get(id)?
            .values()
            .map(|raw| Span::decode(raw).unwrap())
            .collect();
        spans.sort_by_key(|span| (span.start, span.span_id));
        Some(Trace {
            trace_id: *id,
            spans,
            cut: None,
            in_part: None,
            next: None,
        })
    }

    fn traces(&self) -> impl Iterator<Item = Trace> {
        self.spans.keys().filter_map(|id| self.trace(id))
    }

    /// Every trace in one line and as the slow evaluation reads it, newest first.
    fn plain(&self) -> Vec<(TraceSummary, Plain)> {
        let of = |(id, spans): (&TraceId, &BTreeMap<SpanId, RawSpan>)| {
            let mut raw: Vec<RawSpan> = spans.values().cloned().collect();
            raw.sort_by_key(|span| (span.start, span.span_id));
            let summary = TraceSummary::of(*id, &Decoder::default().decode(*id, &raw)).unwrap();
            (summary, plain(*id, &raw))
        };
        let mut all: Vec<_> = self.spans.iter().map(of).collect();
        all.sort_by_key(|(summary, _)| (Reverse(summary.start), summary.trace_id));
        all
    }

    fn lookup(&self, id: &str) -> Vec<TraceId> {
        let has = |span: &Span| {
            span.span_id.to_string() == id
                || span.attributes.iter().any(|(k, v)| match k.as_str() {
                    "request.id" => v == id,
                    "http.request.header.x-request-id" => v.contains(&format!("\"{id}\"")),
                    _ => false,
                })
        };
        let mut found: Vec<_> = self
            .traces()
            .filter(|t| t.spans.iter().any(has))
            .map(|t| (Reverse(t.spans[0].start), t.trace_id))
            .collect();
        found.sort_unstable();
        found.into_iter().map(|(_, id)| id).collect()
    }
}

/// How many spans of a set are compared.
const SPANS_PER_SET: usize = 3;

/// What is compared of a span set: how many spans it has, the first of them, and the rest.
type Set = (usize, Vec<SpanId>, String);

fn slow(traces: &[(TraceSummary, Plain)], search: &Search) -> Vec<(TraceSummary, Vec<Set>)> {
    let find = |(summary, trace): &(TraceSummary, Plain)| {
        let mut sets = trace.search(&search.query, search.start.0, search.end.0);
        sets.truncate(SPAN_SETS_MAX);
        let of = |(places, attributes): &(Vec<usize>, _)| {
            let first = places.iter().take(search.spans_per_set);
            let ids = first.map(|at| trace.spans[*at].id).collect();
            (places.len(), ids, format!("{attributes:?}"))
        };
        (!sets.is_empty()).then(|| (summary.clone(), sets.iter().map(of).collect()))
    };
    traces.iter().filter_map(find).take(search.limit).collect()
}

fn told(found: &FoundTrace) -> (TraceSummary, Vec<Set>) {
    let of = |set: &SpanSet| {
        let ids = set.spans.iter().map(|span| span.span_id).collect();
        (set.matched, ids, format!("{:?}", set.attributes))
    };
    (
        found.summary.clone(),
        found.span_sets.iter().map(of).collect(),
    )
}

fn compare(store: &TraceStore, oracle: &Oracle, rng: &mut ChaCha8Rng) {
    let tenant = tenant();
    for number in 0..TRACES + 1 {
        let id = trace_id(number);
        assert_eq!(
            store.trace(&tenant, &id).unwrap(),
            oracle.trace(&id),
            "trace {number}"
        );
    }
    let traces = oracle.plain();
    let random: Vec<String> = (0..40).map(|_| sonde_traceql_oracle::query(rng)).collect();
    for text in QUERIES.into_iter().chain(random.iter().map(String::as_str)) {
        let Ok(query) = TraceQuery::parse(text) else {
            continue;
        };
        let (a, b) = (
            rng.random_range(0..60_000_000),
            rng.random_range(0..60_000_000),
        );
        for (start, end) in [(0, u64::MAX), (a.min(b), a.max(b))] {
            for limit in [1, 5, 1000] {
                let search = Search {
                    query: query.clone(),
                    start: UnixNanos(start),
                    end: UnixNanos(end),
                    limit,
                    spans_per_set: SPANS_PER_SET,
                    deadline: Deadline::never(),
                };
                let mut settled = Vec::new();
                let tell = |progress: &SearchProgress<'_>| {
                    settled.push(progress.settled().cloned().collect::<Vec<_>>());
                };
                let answer = store.search_telling(&tenant, &search, tell).unwrap();
                // What was settled on the way is what the answer begins with, and grows.
                assert!(settled.is_sorted_by_key(Vec::len));
                assert!(
                    settled
                        .iter()
                        .all(|on_the_way| answer.traces.starts_with(on_the_way))
                );
                assert_eq!(
                    answer.traces.iter().map(told).collect::<Vec<_>>(),
                    slow(&traces, &search),
                    "{text:?} in {start}..{end}, limit {limit}"
                );
                assert_eq!(
                    (answer.cut, answer.searched_through),
                    (None, store.applied_to())
                );
            }
        }
    }
    for number in 0..TRACES {
        for id in [
            format!("req-{number}"),
            format!("{:016x}", number * 100 + 3),
        ] {
            assert_eq!(
                lookup(store, &id, 100),
                oracle.lookup(&id),
                "lookup of {id}"
            );
        }
    }
    let services: BTreeSet<_> = oracle
        .names
        .iter()
        .map(|(service, _)| service.clone())
        .collect();
    assert_eq!(
        store.services(&tenant),
        services.into_iter().collect::<Vec<_>>()
    );
    for service in SERVICES {
        let operations: Vec<_> = OPERATIONS
            .iter()
            .filter(|o| {
                oracle
                    .names
                    .contains(&(service.to_owned(), (**o).to_owned()))
            })
            .collect();
        let found = store.operations(&tenant, service);
        assert_eq!(
            found.iter().collect::<BTreeSet<_>>().len(),
            operations.len(),
            "{service}"
        );
    }
}

/// Counts by service, where no span is listed twice.
fn compare_usage(store: &TraceStore, oracle: &Oracle) {
    let usage = store.usage_of(&tenant(), 100, &Deadline::never());
    let spans: Vec<Span> = oracle.traces().flat_map(|trace| trace.spans).collect();
    assert_eq!(usage.spans, spans.len() as u64);
    assert_eq!(usage.services, SERVICES.len());
    for service in SERVICES {
        let told = usage.largest.iter().find(|one| one.service == service);
        let of_it = || spans.iter().filter(|span| span.service == service);
        let failed = of_it().filter(|span| span.status == "error").count();
        let expected = (of_it().count() as u64, failed as u64);
        assert_eq!(told.map(|one| (one.spans, one.errors)), Some(expected));
    }
    let bytes: u64 = usage.parts.values().sum();
    assert_eq!(
        (bytes, usage.disk_bytes),
        (usage.disk_bytes, store.stats().bytes)
    );
}

#[test]
fn usage_counts_spans_by_service() {
    let mut rng = ChaCha8Rng::seed_from_u64(21);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let mut oracle = Oracle::default();
    for position in 0..40 {
        let service = SERVICES[rng.random_range(0..SERVICES.len())];
        let spans = (0..5_u64).map(|n| {
            let mut span = super::model::random_span(&mut rng, TRACES);
            span.span_id = (position * 5 + n + 1).to_be_bytes().to_vec();
            span
        });
        let request = super::model::payload(service, spans.collect());
        let (position, entry) = super::model::entry(position, &request);
        oracle.apply(&entry);
        store.apply(&[(position, entry)]);
        if position.0 == 25 {
            store.seal(UnixNanos(0)).unwrap();
        }
    }
    compare_usage(&store, &oracle);
    store.seal(UnixNanos(0)).unwrap();
    compare_usage(&store, &oracle);
}

fn run(seed: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 2,
        // Spans are moved, moved or written anew, written anew.
        merge_part_bytes_min: [0, 2 << 10, 1 << 20][(seed % 3) as usize],
        ..Config::default()
    };
    let mut store = open(dir.path(), &config);
    let (mut oracle, mut journal) = (Oracle::default(), Vec::new());
    for _ in 0..40 {
        match rng.random_range(0..10) {
            0..5 => {
                let batch: Vec<_> = (0..rng.random_range(1..5))
                    .map(|n| random_entry(&mut rng, journal.len() as u64 + n, TRACES))
                    .collect();
                batch.iter().for_each(|(_, entry)| oracle.apply(entry));
                journal.extend(batch);
                // The pump may offer more than is new.
                store.apply(&journal[journal.len().saturating_sub(8)..]);
            }
            5 => {
                store.seal(UnixNanos(0)).unwrap();
                assert_eq!(store.resume_from(), store.applied_to());
            }
            6 => store.merge_all().unwrap(),
            7 => {
                store
                    .maintain(UnixNanos::from_secs(rng.random_range(0..300)))
                    .unwrap();
            }
            8 => {
                // A crash: the tail is gone, and the journal is replayed from the manifest.
                drop(store);
                store = open(dir.path(), &config);
                let from = usize::try_from(store.resume_from().0).unwrap();
                store.apply(&journal[from..]);
            }
            _ => compare(&store, &oracle, &mut rng),
        }
        assert_eq!(store.applied_to(), Position(journal.len() as u64));
    }
    compare(&store, &oracle, &mut rng);
    store.seal(UnixNanos(0)).unwrap();
    store.merge_all().unwrap();
    compare(&store, &oracle, &mut rng);
}

#[test]
fn every_answer_is_that_of_a_list_of_all_spans() {
    (0..6).for_each(run);
}

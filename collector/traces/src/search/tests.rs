//! Narrowing keeps out nothing that matches, wherever the parts of a trace lie; and of a trace
//! that lies in one place, it lets through what its codes say and no more.

use super::candidates::Wanted;
use super::fetch::{PageLimits, RawTrace};
use crate::decoded::Decoder;
use crate::tests::model::{
    OPERATIONS, SERVICES, entry, open, payload, random_entry, tenant, trace_id,
};
use crate::token::{kind_name, status_name};
use crate::{Config, Narrowing, Span, SpanNeeds, Trace, TraceStore, TraceSummary};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Deadline, TraceId, UnixNanos};
use std::collections::{BTreeMap, BTreeSet};

const TRACES: u64 = 60;

fn holds(needs: &SpanNeeds, span: &Span) -> bool {
    let is = |wanted: &Option<String>, found: &str| wanted.as_deref().is_none_or(|w| w == found);
    let has = |(key, value): &(String, String)| {
        let mut all = span.attributes.iter().chain(&span.resource);
        all.any(|(k, v)| k == key && v == value)
    };
    is(&needs.service, &span.service)
        && is(&needs.name, &span.name)
        && needs.status.is_none_or(|n| status_name(n) == span.status)
        && needs.kind.is_none_or(|n| kind_name(n) == span.kind)
        && (needs.nanos.0..=needs.nanos.1).contains(&span.duration_nanos())
        && needs.attributes.iter().all(has)
}

fn matches(clauses: &[Vec<SpanNeeds>], trace: &Trace, (from, to): (UnixNanos, UnixNanos)) -> bool {
    let runs = |span: &&Span| span.start < to && span.end.max(span.start) >= from;
    clauses.iter().all(|clause| {
        let mut spans = trace.spans.iter().filter(runs);
        spans.any(|span| clause.iter().any(|needs| holds(needs, span)))
    })
}

/// `by_code`: only what a code tells exactly.
fn random_needs(rng: &mut ChaCha8Rng, by_code: bool) -> SpanNeeds {
    let mut needs = SpanNeeds::default();
    if rng.random_bool(0.4) {
        needs.service = Some(SERVICES[rng.random_range(0..SERVICES.len())].to_owned());
    }
    if rng.random_bool(0.4) {
        needs.name = Some(OPERATIONS[rng.random_range(0..OPERATIONS.len())].to_owned());
    }
    needs.status = rng.random_bool(0.3).then(|| rng.random_range(0..3));
    needs.kind = rng.random_bool(0.3).then(|| rng.random_range(0..6));
    if by_code {
        return needs;
    }
    if rng.random_bool(0.4) {
        let from = rng.random_range(0..3_000_000);
        needs.nanos = (from, from + rng.random_range(0..1_000_000));
    }
    if rng.random_bool(0.3) {
        let route = ["/a", "/b", "/c d"][rng.random_range(0..3)];
        needs
            .attributes
            .push(("http.route".to_owned(), route.to_owned()));
    }
    needs
}

fn candidates(
    store: &TraceStore,
    clauses: &[Vec<SpanNeeds>],
    times: (UnixNanos, UnixNanos),
) -> BTreeSet<TraceId> {
    let all = clauses.iter().cloned();
    let narrowing = all.fold(Narrowing::default(), Narrowing::and);
    let view = store.view(&tenant()).unwrap();
    let wanted = Wanted {
        narrowing: &narrowing,
        times,
        deadline: &Deadline::never(),
    };
    let mut found = store.candidates(&view, &wanted);
    let (mut ids, mut before) = (BTreeSet::new(), None);
    while let Some(fragment) = found.pop().unwrap() {
        assert!(before.is_none_or(|before| before <= fragment.order()));
        before = Some(fragment.order());
        ids.insert(fragment.trace_id);
    }
    assert!(!found.damaged);
    ids
}

fn all_traces(store: &TraceStore) -> BTreeMap<TraceId, Trace> {
    let everything = (UnixNanos(0), UnixNanos(u64::MAX));
    let ids = candidates(store, &[], everything);
    let fetch = |id: TraceId| (id, store.trace(&tenant(), &id).unwrap().unwrap());
    ids.into_iter().map(fetch).collect()
}

fn compare(store: &TraceStore, rng: &mut ChaCha8Rng, in_one_place: bool) {
    let traces = all_traces(store);
    let mut found_some = 0;
    for _ in 0..100 {
        let by_code = rng.random_bool(0.5);
        let clauses: Vec<Vec<SpanNeeds>> = (0..rng.random_range(1..4))
            .map(|_| {
                let alternatives = 0..rng.random_range(0..4);
                alternatives.map(|_| random_needs(rng, by_code)).collect()
            })
            .collect();
        let (a, b) = (
            rng.random_range(0..80_000_000),
            rng.random_range(0..80_000_000),
        );
        let everything = (UnixNanos(0), UnixNanos(u64::MAX));
        for times in [everything, (UnixNanos(a.min(b)), UnixNanos(a.max(b)))] {
            let found = candidates(store, &clauses, times);
            let matching = traces.values().filter(|t| matches(&clauses, t, times));
            let matching: BTreeSet<TraceId> = matching.map(|t| t.trace_id).collect();
            let missed: Vec<_> = matching.difference(&found).collect();
            assert!(missed.is_empty(), "{clauses:?} in {times:?}: {missed:?}");
            if in_one_place && by_code && times == everything {
                assert_eq!(found, matching, "{clauses:?}");
            }
            found_some += usize::from(!matching.is_empty() && matching.len() < traces.len());
        }
    }
    assert!(found_some > 20, "{found_some}");
}

#[test]
fn narrowing_misses_no_trace_whose_parts_lie_anywhere() {
    for seed in 0..3 {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let dir = tempfile::tempdir().unwrap();
        let config = Config {
            merge_fan_in: 3,
            ..Config::default()
        };
        let mut store = open(dir.path(), &config);
        for position in 0..200 {
            store.apply(&[random_entry(&mut rng, position, TRACES)]);
            if position % 17 == 16 {
                store.seal(UnixNanos(0)).unwrap();
            }
            if position == 90 {
                store.merge_all().unwrap();
            }
        }
        assert!(store.stats().segments > 2 && store.stats().tail_bytes > 0);
        compare(&store, &mut rng, false);
        store.seal(UnixNanos(0)).unwrap();
        drop(store);
        store = open(dir.path(), &config);
        compare(&store, &mut rng, false);
    }
}

#[test]
fn narrowing_lets_through_what_codes_say_and_no_more() {
    let mut rng = ChaCha8Rng::seed_from_u64(9);
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 2,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    // More traces than a group has.
    let mut traces = 0..2500_u64;
    for position in 0..25 {
        let spans = traces.by_ref().take(100).flat_map(|trace| {
            let numbers = (0..rng.random_range(1..5)).collect::<Vec<u64>>();
            numbers.into_iter().map(move |number| (trace, number))
        });
        let spans: Vec<(u64, u64)> = spans.collect();
        let mut requests = Vec::new();
        for (trace, number) in spans {
            let mut span = crate::tests::model::random_span(&mut rng, TRACES);
            let start = trace * 20_000 + number;
            span.trace_id = trace_id(trace).as_bytes().to_vec();
            span.span_id = (trace * 100 + number + 1).to_be_bytes().to_vec();
            span.end_time_unix_nano = start + span.end_time_unix_nano % 3_000_000;
            span.start_time_unix_nano = start;
            let service = SERVICES[rng.random_range(0..SERVICES.len())];
            let request = payload(service, vec![span]);
            requests.extend(request.resource_spans);
        }
        let request = opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest {
            resource_spans: requests,
        };
        store.apply(&[entry(position, &request)]);
    }
    compare(&store, &mut rng, true);
    store.seal(UnixNanos(0)).unwrap();
    compare(&store, &mut rng, true);
}

/// Reads a trace page by page, as one that is not large or as one that is.
fn pages(store: &TraceStore, id: &TraceId, spans: usize, small_bytes: usize) -> Vec<RawTrace> {
    let view = store.view(&tenant()).unwrap();
    let limits = PageLimits {
        spans,
        bytes: 1 << 20,
        small_bytes,
        are_judged: false,
        heads: 1 << 20,
    };
    let (mut pages, mut after) = (Vec::new(), None);
    loop {
        let page = store.raw_page(&view, id, after, &limits).unwrap();
        after = page.next;
        pages.push(page);
        if after.is_none() {
            return pages;
        }
    }
}

#[test]
fn a_trace_read_page_by_page_is_the_trace_large_or_not() {
    let mut rng = ChaCha8Rng::seed_from_u64(11);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    for position in 0..60 {
        store.apply(&[random_entry(&mut rng, position, 4)]);
        if position % 13 == 12 {
            store.seal(UnixNanos(0)).unwrap();
        }
    }
    let traces = all_traces(&store);
    assert!(store.stats().segments > 2 && traces.len() == 4);
    let mut pages_read = 0;
    for (id, whole) in &traces {
        for (small_bytes, spans) in [(0, 1), (0, 3), (0, 1000), (1 << 20, 1), (1 << 20, 3)] {
            let pages = pages(&store, id, spans, small_bytes);
            let all = pages.iter().flat_map(|page| &page.spans);
            let all: Vec<Span> = all.map(|span| Span::decode(span).unwrap()).collect();
            assert_eq!(all, whole.spans);
            pages_read += pages.len();
            for page in &pages {
                assert!((1..=spans).contains(&page.spans.len()));
                assert_eq!(page.cut.is_some(), page.spans.len() < whole.spans.len());
                let Some(totals) = &page.totals else {
                    assert_eq!(page.spans.len(), whole.spans.len());
                    continue;
                };
                let all: Vec<_> = pages.iter().flat_map(|page| page.spans.clone()).collect();
                let expected =
                    TraceSummary::of(*id, &Decoder::default().decode(*id, &all)).unwrap();
                let mut summary = TraceSummary {
                    spans: 0,
                    errors: 0,
                    duration_nanos: 0,
                    start: UnixNanos(0),
                    services: Vec::new(),
                    ..expected.clone()
                };
                totals.complete(&mut summary);
                assert_eq!(summary, expected);
            }
        }
    }
    assert!(pages_read > 50, "{pages_read}");
}

#[test]
fn a_trace_of_200_000_spans_is_stored_paged_and_summarised_whole() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        trace_spans_max: 30_000,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    for position in 0..20 {
        let span = |n: u64| opentelemetry_proto::tonic::trace::v1::Span {
            trace_id: trace_id(1).as_bytes().to_vec(),
            span_id: (n + 1).to_be_bytes().to_vec(),
            parent_span_id: if n == 199_999 {
                Vec::new()
            } else {
                200_000_u64.to_be_bytes().to_vec()
            },
            name: format!("span {n}"),
            start_time_unix_nano: n,
            end_time_unix_nano: n + 10,
            attributes: vec![sonde_proto::otlp::kv("filling", "x".repeat(100))],
            ..Default::default()
        };
        let spans = (position * 10_000..(position + 1) * 10_000).map(span);
        store.apply(&[entry(position, &payload("a", spans.collect()))]);
        if position == 9 {
            store.seal(UnixNanos(0)).unwrap();
        }
    }
    assert_eq!(store.stats().records, 200_000);
    let (mut after, mut starts, mut pages) = (None, 0, 0);
    loop {
        let page = store.trace_after(&tenant(), &trace_id(1), after);
        let page = page.unwrap().unwrap();
        assert!(page.cut.unwrap().contains("200000 spans"));
        for span in &page.spans {
            assert_eq!(span.start.0, starts);
            starts += 1;
        }
        pages += 1;
        let Some(next) = page.next else { break };
        after = Some(next.parse().unwrap());
    }
    assert_eq!((starts, pages), (200_000, 7));
    let search = crate::Search {
        query: crate::TraceQuery::parse("").unwrap(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 10,
        spans_per_set: 3,
        deadline: Deadline::never(),
    };
    let answer = store.search(&tenant(), &search).unwrap();
    let found = &answer.traces[0].summary;
    assert_eq!((found.spans, found.duration_nanos), (200_000, 200_009));
    assert_eq!(found.root_name, "span 199999");
    assert!(answer.cut.unwrap().contains("not judged by all"));
}

/// Of two thousand traces none may match, so that no trace is read: the walk itself stops.
#[test]
fn a_walk_over_what_cannot_match_ends_at_the_deadline_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let span = |n: u64| opentelemetry_proto::tonic::trace::v1::Span {
        trace_id: trace_id(n).as_bytes().to_vec(),
        span_id: vec![1; 8],
        start_time_unix_nano: n,
        end_time_unix_nano: n,
        ..Default::default()
    };
    store.apply(&[entry(0, &payload("a", (0..2_000).map(span).collect()))]);
    store.seal(UnixNanos(0)).unwrap();
    let late = Deadline::never();
    drop(late.give_up_on_drop());
    for deadline in [Deadline::never(), late] {
        let search = crate::Search {
            query: crate::TraceQuery::parse("{ duration > 1h }").unwrap(),
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            limit: 10,
            spans_per_set: 3,
            deadline: deadline.clone(),
        };
        let answer = store.search(&tenant(), &search).unwrap();
        assert!(answer.traces.is_empty());
        let told = answer.cut.is_some_and(|cut| cut.contains("ran out"));
        assert_eq!(told, deadline.has_passed());
    }
}

#[test]
fn an_answer_has_the_newest_traces_that_its_bytes_allow() {
    let found = |start: u64, bytes: usize| {
        let summary = TraceSummary {
            trace_id: trace_id(start),
            root_service: "s".repeat(bytes),
            root_name: String::new(),
            start: UnixNanos(start),
            duration_nanos: 0,
            spans: 1,
            errors: 0,
            services: Vec::new(),
        };
        Some(super::FoundTrace {
            summary,
            span_sets: Vec::new(),
        })
    };
    let kept = |best: &super::Best| {
        let starts = best.kept.values().map(|found| found.summary.start.0);
        starts.collect::<Vec<_>>()
    };
    let mut best = super::Best::new(10, 3_500);
    for start in [1, 5, 3] {
        best.extend(found(start, 1_000));
    }
    assert_eq!((kept(&best), best.why_cut()), (vec![5, 3, 1], None));
    best.extend(found(4, 1_500));
    assert_eq!(kept(&best), [5, 4]);
    assert!(best.why_cut().unwrap().contains("these 2 traces"));
    // Those that are older are not asked for any more, and none takes their place.
    assert!(best.is_full_before(UnixNanos(3)));
    best.extend(found(2, 1));
    assert_eq!(kept(&best), [5, 4]);
    best.extend(found(6, 1 << 20));
    assert_eq!(kept(&best), [6], "one at least");
}

/// A search over everything and a question to each trace say the same, but that the search
/// leaves out traces without a match.
#[test]
fn what_matches_in_one_trace_is_what_a_search_says_of_it() {
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    for position in 0..80 {
        store.apply(&[random_entry(&mut rng, position, TRACES)]);
        if position % 30 == 29 {
            store.seal(UnixNanos(0)).unwrap();
        }
    }
    for (query, some_match) in [
        ("{ status = error }", true),
        ("{ span.http.route = \"/a\" && duration > 1ms }", true),
        ("{ kind = server } >> { kind = client }", true),
        ("{ name = \"never heard of\" }", false),
    ] {
        let query = crate::TraceQuery::parse(query).unwrap();
        let search = crate::Search {
            query: query.clone(),
            start: UnixNanos(0),
            end: UnixNanos(u64::MAX),
            limit: 10_000,
            spans_per_set: 10_000,
            deadline: Deadline::never(),
        };
        let found = store.search(&tenant(), &search).unwrap().traces;
        let mut found: BTreeMap<_, _> = found
            .into_iter()
            .map(|found| (found.summary.trace_id, found.span_sets))
            .collect();
        assert_eq!(!found.is_empty(), some_match);
        for id in all_traces(&store).keys() {
            let (sets, cut) = store
                .matched(&tenant(), id, &query, 10_000, &Deadline::never())
                .unwrap()
                .unwrap();
            assert_eq!(cut, None);
            assert_eq!(sets, found.remove(id).unwrap_or_default(), "{id}");
        }
        assert!(found.is_empty());
    }
    let query = crate::TraceQuery::parse("{ }").unwrap();
    let unknown = store.matched(
        &tenant(),
        &trace_id(TRACES + 1),
        &query,
        10,
        &Deadline::never(),
    );
    assert_eq!(unknown.unwrap(), None);
    let some = all_traces(&store);
    let (id, trace) = some.iter().max_by_key(|(_, t)| t.spans.len()).unwrap();
    let (sets, cut) = store
        .matched(&tenant(), id, &query, 1, &Deadline::never())
        .unwrap()
        .unwrap();
    assert_eq!(
        (sets[0].matched, sets[0].spans.len()),
        (trace.spans.len(), 1)
    );
    assert!(cut.is_some());
}

//! Names and values that an editor offers, and numbers over several segments.

use super::model::{entry, open, payload, tenant, trace_id};
use crate::{Config, Field, MetricsSearch, Scope, TagSearch, TraceQuery, TraceStore, Window};
use opentelemetry_proto::tonic::trace::v1::Span;
use sonde_proto::{Deadline, UnixNanos, otlp};

fn span(trace: u64, number: u64, route: &str) -> Span {
    Span {
        trace_id: trace_id(trace).as_bytes().to_vec(),
        span_id: number.to_be_bytes().to_vec(),
        name: format!("GET {route}"),
        start_time_unix_nano: number * 1_000_000_000,
        end_time_unix_nano: number * 1_000_000_000 + 5_000_000,
        attributes: vec![
            otlp::kv("http.route", route),
            otlp::kv(&format!("only.{number}"), "x"),
        ],
        ..Span::default()
    }
}

/// Three spans of two traces: one in a segment, one in another, one in the tail.
fn store(dir: &std::path::Path) -> TraceStore {
    let store = open(dir, &Config::default());
    store.apply(&[entry(0, &payload("web", vec![span(1, 1, "/a")]))]);
    store.seal(UnixNanos(0)).unwrap();
    store.apply(&[entry(1, &payload("cart", vec![span(1, 2, "/b")]))]);
    store.seal(UnixNanos(0)).unwrap();
    store.apply(&[entry(2, &payload("web", vec![span(2, 3, "/c")]))]);
    assert_eq!(store.stats().segments, 2);
    store
}

fn search(query: &str, limit: usize) -> TagSearch {
    TagSearch {
        query: query.to_owned(),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit,
        deadline: Deadline::never(),
    }
}

#[test]
fn names_are_those_of_the_spans_that_a_query_finds() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let names = |scope, query: &str| {
        let answer = store.tags(&tenant(), scope, &search(query, 100)).unwrap();
        assert_eq!(answer.cut, None);
        answer.scopes
    };
    let span = names(Some(Scope::Span), "");
    assert_eq!(
        span,
        [(
            "span",
            ["http.route", "only.1", "only.2", "only.3"]
                .map(str::to_owned)
                .to_vec()
        )]
    );
    let span = names(Some(Scope::Span), "{ resource.service.name = \"cart\" && ");
    assert_eq!(
        span,
        [("span", ["http.route", "only.2"].map(str::to_owned).to_vec())]
    );
    let all: Vec<_> = names(None, "{}")
        .into_iter()
        .map(|(scope, _)| scope)
        .collect();
    assert_eq!(all, ["span", "resource", "intrinsic"]);
    let answer = store
        .tags(&tenant(), Some(Scope::Span), &search("", 2))
        .unwrap();
    assert_eq!(answer.scopes[0].1.len(), 2);
    assert!(answer.cut.is_some());
}

#[test]
fn values_are_those_of_the_spans_that_a_query_finds() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    let values = |tag: &str, query: &str| -> Vec<String> {
        let tag = Field::parse_tag(tag).unwrap();
        let answer = store
            .tag_values(&tenant(), &tag, &search(query, 100))
            .unwrap();
        assert_eq!(answer.cut, None);
        let shown = |(kind, text): (&str, String)| format!("{kind} {text}");
        answer.values.into_iter().map(shown).collect()
    };
    assert_eq!(
        values("span.http.route", ""),
        ["string /a", "string /b", "string /c"]
    );
    let unfinished = "{ resource.service.name=\"web\" && span.http.route=";
    assert_eq!(
        values("span.http.route", unfinished),
        ["string /a", "string /c"]
    );
    assert_eq!(values(".service.name", ""), ["string cart", "string web"]);
    assert_eq!(
        values("resource.service.name", ""),
        ["string cart", "string web"]
    );
    assert_eq!(
        values("resource.service.name", "{ name = \"GET /b\" }"),
        ["string cart"]
    );
    assert_eq!(
        values("name", ""),
        ["string GET /a", "string GET /b", "string GET /c"]
    );
    assert_eq!(
        values("span:name", "{ .http.route = \"/b\" }"),
        ["string GET /b"]
    );
    assert_eq!(
        values("status", ""),
        ["status error", "status ok", "status unset"]
    );
    assert_eq!(values("rootServiceName", ""), ["string web"]);
    assert_eq!(values("span.nothing", ""), [""; 0]);
    for (tag, limit, is_cut) in [
        ("name", 2, true),
        ("name", 3, false),
        ("resource.service.name", 1, true),
        ("status", 1, true),
        ("kind", 6, false),
    ] {
        let tag = Field::parse_tag(tag).unwrap();
        let answer = store.tag_values(&tenant(), &tag, &search("", limit));
        let answer = answer.unwrap();
        assert_eq!(answer.values.len(), limit);
        assert_eq!(answer.cut.is_some(), is_cut, "{tag:?}");
    }
    for tag in ["what", "1", "{}", "a = b", ""] {
        assert!(Field::parse_tag(tag).is_err(), "{tag}");
    }
}

#[test]
fn numbers_are_counted_over_all_segments_and_each_span_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(dir.path());
    // A copy of a span that a segment has.
    store.apply(&[entry(3, &payload("web", vec![span(1, 1, "/a")]))]);
    let counted = |query: &str| {
        let search = MetricsSearch {
            query: TraceQuery::parse(query).unwrap(),
            window: Window::range(UnixNanos(0), UnixNanos(4_000_000_000), 2_000_000_000).unwrap(),
            exemplars: 5,
            deadline: Deadline::never(),
        };
        store.metrics(&tenant(), &search).unwrap()
    };
    let answer = counted("{ } | count_over_time() by (resource.service.name)").unwrap();
    assert_eq!(
        (answer.cut, answer.searched_through),
        (None, store.applied_to())
    );
    let samples: Vec<_> = answer
        .series
        .iter()
        .map(|series| series.samples.clone())
        .collect();
    assert_eq!(
        samples,
        [vec![(0, 0.0), (2000, 1.0)], vec![(0, 1.0), (2000, 1.0)]]
    );
    let answer = counted("{ resource.service.name = \"web\" } > { } | rate()").unwrap();
    assert!(answer.series.is_empty());
    assert_eq!(counted("{ }"), None);
}

/// What is offered among the values is found by them, in every way to ask for it.
#[test]
fn spans_without_a_service_are_found_by_the_name_they_are_listed_under() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let mut nameless = payload("", vec![span(1, 1, "/a")]);
    store.apply(&[entry(0, &nameless)]);
    let resource = nameless.resource_spans[0].resource.as_mut().unwrap();
    resource.attributes.clear();
    nameless.resource_spans[0].scope_spans[0].spans = vec![span(2, 2, "/b")];
    store.apply(&[
        entry(1, &nameless),
        entry(2, &payload("web", vec![span(3, 3, "/c")])),
    ]);
    for _ in 0..2 {
        let tag = Field::parse_tag("resource.service.name").unwrap();
        for query in ["", "{ name =~ `.*` }"] {
            let found = store.tag_values(&tenant(), &tag, &search(query, 10));
            let values: Vec<_> = found.unwrap().values.into_iter().map(|v| v.1).collect();
            assert_eq!(values, ["unknown_service", "web"], "{query}");
        }
        for query in [
            "{ resource.service.name = `unknown_service` }",
            "{ .service.name = `unknown_service` }",
            "{ resource.service.name =~ `unknown.*` }",
            "{ resource.service.name != `web` }",
        ] {
            let search = crate::Search {
                query: TraceQuery::parse(query).unwrap(),
                start: UnixNanos(0),
                end: UnixNanos(u64::MAX),
                limit: 10,
                spans_per_set: 3,
                deadline: Deadline::never(),
            };
            let found = store.search(&tenant(), &search).unwrap().traces;
            let mut ids: Vec<_> = found.iter().map(|f| f.summary.trace_id).collect();
            ids.sort_unstable();
            assert_eq!(ids, [trace_id(1), trace_id(2)], "{query}");
        }
        store.seal(UnixNanos(0)).unwrap();
    }
}

/// Those of one trace are listed in no column.
#[test]
fn usage_counts_the_spans_of_very_large_traces() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config {
        merge_fan_in: 2,
        ..Config::default()
    };
    let store = open(dir.path(), &config);
    let large = |first: u64| {
        let spans = (first..first + 20_000).map(|number| Span {
            attributes: Vec::new(),
            ..span(1, number, "/a")
        });
        payload("large", spans.collect())
    };
    store.apply(&[
        entry(0, &large(1)),
        entry(1, &payload("web", vec![span(2, 1, "/a")])),
    ]);
    store.seal(UnixNanos(0)).unwrap();
    store.apply(&[entry(2, &large(30_000))]);
    let usage = || store.usage_of(&tenant(), 5, &Deadline::never());
    for _ in 0..3 {
        let largest: Vec<_> = usage().largest.into_iter().collect();
        let counts: Vec<_> = largest
            .iter()
            .map(|one| (&*one.service, one.spans))
            .collect();
        assert_eq!(counts, [("large", 40_000), ("web", 1)]);
        store.seal(UnixNanos(0)).unwrap();
        if store.stats().segments == 2 {
            store.merge_all().unwrap();
        }
    }
    let late = Deadline::within(std::time::Duration::ZERO);
    assert!(store.usage_of(&tenant(), 5, &late).cut.is_some());
}

/// Clients of gRPC refuse more than 4 MiB, and then show none of it.
#[test]
fn what_is_told_fits_a_message_whatever_values_there_are() {
    const MESSAGE_BYTES_MAX: usize = 4 << 20;
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path(), &Config::default());
    let lengths = [3_900_000, 1_000_000, 1_500_000, 900_000, 400_000, 5];
    for (number, length) in (1..).zip(lengths) {
        let route = number.to_string().repeat(length);
        store.apply(&[entry(
            number,
            &payload("web", vec![span(number, number, &route)]),
        )]);
    }
    let tag = Field::parse_tag("span.http.route").unwrap();
    let answer = store.tag_values(&tenant(), &tag, &search("", 100)).unwrap();
    let told: usize = answer.values.iter().map(|(_, text)| text.len()).sum();
    assert!(told < MESSAGE_BYTES_MAX - 1_000_000, "{told}");
    assert!(answer.values.iter().any(|(_, text)| text == "66666"));
    assert_eq!(
        answer.values.len(),
        4,
        "the long ones leave room for others"
    );
    assert!(answer.cut.unwrap().contains("more than these 4"));
}

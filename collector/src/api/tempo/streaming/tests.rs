//! What a client of gRPC is answered, over a socket, beside the answers over HTTP.

use super::*;
use crate::api::tempo::answer::any_value as json_of;
use crate::api::testing::{Bed, TRACE_ID};
use serde_json::{Value, json};
use sonde_proto::otlp::common::KeyValue;
use sonde_proto::otlp::common::any_value::Value as Any;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, TracesData};
use tonic::Code;
use tonic::metadata::MetadataMap;

const SEARCH: &str = "/tempopb.StreamingQuerier/Search";

fn asked(query: &str) -> SearchRequest {
    SearchRequest {
        query: query.to_owned(),
        ..SearchRequest::default()
    }
}

async fn search(bed: &Bed, request: SearchRequest) -> (Vec<SearchResponse>, MetadataMap) {
    bed.call(SEARCH, "default", request).await.unwrap()
}

/// A found trace as it stands in the answer over HTTP.
fn in_json(found: &FoundMessage) -> Value {
    let labels = |labels: &[KeyValue]| labels.iter().map(label).collect::<Vec<_>>();
    let sets = found.span_sets.iter().map(|set| {
        let spans = set.spans.iter().map(|span| {
            json!({
                "spanID": span.span_id,
                "name": span.name,
                "startTimeUnixNano": span.start_time_unix_nano.to_string(),
                "durationNanos": span.duration_nanos.to_string(),
                "attributes": labels(&span.attributes),
            })
        });
        json!({
            "spans": spans.collect::<Vec<_>>(),
            "matched": set.matched,
            "attributes": labels(&set.attributes),
        })
    });
    let sets: Vec<_> = sets.collect();
    assert_eq!(found.span_set.as_ref(), found.span_sets.first());
    json!({
        "traceID": found.trace_id,
        "rootServiceName": found.root_service_name,
        "rootTraceName": found.root_trace_name,
        "startTimeUnixNano": found.start_time_unix_nano.to_string(),
        "durationMs": found.duration_ms,
        "spanSet": sets.first(),
        "spanSets": sets,
    })
}

fn label(label: &KeyValue) -> Value {
    use sonde_traces::Value as Told;
    let value = match label.value.clone().unwrap().value.unwrap() {
        Any::StringValue(text) => Told::Str(text.into()),
        Any::IntValue(number) => Told::Int(number),
        Any::DoubleValue(number) => Told::Float(number),
        Any::BoolValue(is) => Told::Bool(is),
        other => panic!("{other:?}"),
    };
    json!({ "key": label.key, "value": json_of(&value) })
}

fn all(parts: &[SearchResponse]) -> Vec<Value> {
    let traces = parts.iter().flat_map(|part| &part.traces);
    traces.map(in_json).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_tells_in_parts_what_it_answers_over_http() {
    let bed = Bed::with_traces().await;
    for (query, escaped) in [
        ("{ }", "%7B%7D"),
        (
            "{ name = \"charge\" } | select(.amount, .retried)",
            "%7Bname=%22charge%22%7D%7Cselect(.amount,.retried)",
        ),
        ("{ name = \"nothing\" }", "%7Bname=%22nothing%22%7D"),
    ] {
        let over_http = bed
            .get(&format!("/tempo/api/search?q={escaped}"), &[])
            .await;
        let (parts, _) = search(&bed, asked(query)).await;
        assert_eq!(json!(all(&parts)), over_http.json()["traces"], "{query}");
        // Clients read the progress of every part, and that of the last shows that it is whole.
        let metrics: Vec<_> = parts.iter().map(|part| part.metrics.unwrap()).collect();
        assert!(metrics.is_sorted_by_key(|metrics| metrics.completed_jobs));
        let last = metrics.last().unwrap();
        assert_eq!((last.completed_jobs, last.total_jobs), (JOBS, JOBS));
    }
    // The first part does not wait for the last.
    let (parts, _) = search(&bed, asked("{ }")).await;
    assert!(parts.len() > 1, "{parts:?}");
    assert!(parts[0].metrics.unwrap().completed_jobs < JOBS);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_asks_by_all_that_its_message_says() {
    let bed = Bed::with_traces().await;
    let ids = async |request: SearchRequest| {
        let (parts, _) = search(&bed, request).await;
        let traces = parts.into_iter().flat_map(|part| part.traces);
        traces.map(|found| found.trace_id).collect::<Vec<_>>()
    };
    let short = format!("{:032x}", 0xaa);
    let seconds = u32::try_from(bed.begin / 1_000_000_000).unwrap();
    let tags = |key: &str, value: &str| [(key.to_owned(), value.to_owned())].into();
    let checks = [
        (asked("{ }"), vec![short.as_str(), TRACE_ID]),
        (
            SearchRequest {
                limit: 1,
                ..asked("{ }")
            },
            vec![&short],
        ),
        (
            SearchRequest {
                tags: tags("service.name", "pay"),
                ..asked("")
            },
            vec![TRACE_ID],
        ),
        (
            SearchRequest {
                tags: tags("a.b", "\""),
                ..asked("")
            },
            vec![],
        ),
        (
            SearchRequest {
                min_duration_ms: 50,
                ..asked("")
            },
            vec![TRACE_ID],
        ),
        (
            SearchRequest {
                max_duration_ms: 50,
                ..asked("")
            },
            vec![&short],
        ),
        (
            SearchRequest {
                start: seconds - 60,
                end: seconds + 60,
                ..asked("{ }")
            },
            vec![&short, TRACE_ID],
        ),
        (
            SearchRequest {
                start: seconds - 60,
                end: seconds - 30,
                ..asked("{ }")
            },
            vec![],
        ),
    ];
    for (request, expected) in checks {
        assert_eq!(ids(request.clone()).await, expected, "{request:?}");
    }
    let (parts, _) = search(
        &bed,
        SearchRequest {
            spans_per_span_set: 1,
            ..asked("{ }")
        },
    )
    .await;
    let sets = parts.iter().flat_map(|part| &part.traces);
    let spans: Vec<_> = sets.map(|found| found.span_sets[0].spans.len()).collect();
    assert_eq!(spans, [1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_ask_or_asks_nonsense_is_told_why() {
    let bed = Bed::with_traces().await;
    let error = async |tenant: &str, path, request| {
        let answer = bed.call::<_, SearchResponse>(path, tenant, request).await;
        answer.unwrap_err()
    };
    let nonsense = error("default", SEARCH, asked("{ nonsense")).await;
    assert_eq!(nonsense.code(), Code::InvalidArgument);
    assert!(
        nonsense.message().starts_with("invalid TraceQL query: "),
        "{nonsense}"
    );
    let numbers = error("default", SEARCH, asked("{ } | rate()")).await;
    assert_eq!(numbers.code(), Code::InvalidArgument);
    let nobody = error("no/body", SEARCH, asked("{ }")).await;
    assert_eq!(nobody.code(), Code::InvalidArgument);
    let unknown = error("default", "/tempopb.StreamingQuerier/Guess", asked("{ }")).await;
    assert_eq!(unknown.code(), Code::Unimplemented);
    let spans = bed.call::<_, SeriesResponse<RangeSeries>>(
        "/tempopb.StreamingQuerier/MetricsQueryRange",
        "default",
        MetricsRequest {
            query: "{ }".into(),
            ..MetricsRequest::default()
        },
    );
    let spans = spans.await.unwrap_err();
    assert_eq!(spans.code(), Code::InvalidArgument, "{spans}");
    // Another tenant's traces are nobody's.
    let (parts, _) = bed
        .call::<_, SearchResponse>(SEARCH, "other", asked("{ }"))
        .await
        .unwrap();
    assert!(all(&parts).is_empty());
    assert_eq!(parts.last().unwrap().metrics.unwrap().completed_jobs, JOBS);
}

/// Clients refuse messages of more than 4 MiB; what is missing stands behind all of them.
#[tokio::test(flavor = "multi_thread")]
async fn a_large_answer_comes_in_messages_that_clients_take() {
    const TRACES: u64 = 600;
    let bed = Bed::new().await;
    let span = |n: u64| Span {
        trace_id: u128::from(n + 1).to_be_bytes().to_vec(),
        span_id: (n + 1).to_be_bytes().to_vec(),
        name: "work".into(),
        start_time_unix_nano: bed.begin + n * 1000,
        end_time_unix_nano: bed.begin + n * 1000 + 500,
        attributes: vec![kv("long", "x".repeat(4000))],
        ..Span::default()
    };
    let spans = (0..TRACES).map(span).collect();
    let traces = TracesData {
        resource_spans: vec![ResourceSpans {
            resource: Some(Resource {
                attributes: vec![kv("service.name", "web")],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    };
    bed.send(&traces).await;
    let last = format!("/tempo/api/traces/{TRACES:x}");
    while bed.get(&last, &[]).await.status != 200 {
        tokio::task::yield_now().await;
    }
    let request = SearchRequest {
        limit: 10_000,
        spans_per_span_set: 100,
        ..asked("{ } | select(.long)")
    };
    let (parts, behind) = search(&bed, request).await;
    assert!(parts.iter().all(|part| part.encoded_len() < 2 << 20));
    assert!(parts.len() > 2);
    let ids: Vec<_> = parts
        .iter()
        .flat_map(|part| &part.traces)
        .map(|found| u64::from_str_radix(&found.trace_id, 16).unwrap())
        .collect();
    assert_eq!(ids, (1..=TRACES).rev().collect::<Vec<_>>());
    assert_eq!(behind.get("warning"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn metrics_end_with_the_series_that_they_are_over_http() {
    let bed = Bed::with_traces().await;
    let (start, end) = (bed.begin - 60_000_000_000, bed.begin + 60_000_000_000);
    let request = |query: &str| MetricsRequest {
        query: query.to_owned(),
        start,
        end,
        step: 30_000_000_000,
        exemplars: 5,
    };
    let query = "{ } | count_over_time() by (resource.service.name)";
    let escaped = "%7B%7D%7Ccount_over_time()by(resource.service.name)";
    let times = format!("start={start}&end={end}");
    let path = format!("/tempo/api/metrics/query_range?q={escaped}&{times}&step=30s&exemplars=5");
    let over_http = bed.get(&path, &[]).await.json();
    let (parts, _) = bed
        .call::<_, SeriesResponse<RangeSeries>>(
            "/tempopb.StreamingQuerier/MetricsQueryRange",
            "default",
            request(query),
        )
        .await
        .unwrap();
    let last = parts.last().unwrap();
    let metrics = last.metrics.unwrap();
    assert_eq!((metrics.completed_jobs, metrics.total_jobs), (JOBS, JOBS));
    assert_eq!((last.status, last.message.as_str()), (0, ""));
    let series = |series: &RangeSeries| {
        let labels: Vec<_> = series.labels.iter().map(label).collect();
        let sample = |sample: &SampleMessage| json!({ "timestampMs": sample.timestamp_ms.to_string(), "value": sample.value });
        let exemplar = |exemplar: &ExemplarMessage| {
            json!({
                "labels": exemplar.labels.iter().map(label).collect::<Vec<_>>(),
                "value": exemplar.value,
                "timestampMs": exemplar.timestamp_ms.to_string(),
            })
        };
        json!({
            "labels": labels,
            "samples": series.samples.iter().map(sample).collect::<Vec<_>>(),
            "exemplars": series.exemplars.iter().map(exemplar).collect::<Vec<_>>(),
        })
    };
    let found: Vec<_> = last.series.iter().map(series).collect();
    assert_eq!(json!(found), over_http["series"]);
    assert!(!found.is_empty());
    // What is told on the way has its series as well.
    assert!(parts.len() > 1 && !parts[0].series.is_empty(), "{parts:?}");

    let path = format!("/tempo/api/metrics/query?q={escaped}&{times}");
    let over_http = bed.get(&path, &[]).await.json();
    let (parts, _) = bed
        .call::<_, SeriesResponse<InstantSeries>>(
            "/tempopb.StreamingQuerier/MetricsQueryInstant",
            "default",
            request(query),
        )
        .await
        .unwrap();
    let series = |series: &InstantSeries| {
        let labels: Vec<_> = series.labels.iter().map(label).collect();
        json!({ "labels": labels, "value": series.value })
    };
    let found: Vec<_> = parts.last().unwrap().series.iter().map(series).collect();
    assert_eq!(json!(found), over_http["series"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn tags_and_their_values_are_those_over_http() {
    let bed = Bed::with_traces().await;
    let json = async |path: &str| bed.get(path, &[]).await.json();
    let (names, values) = (TagsRequest::default(), ValuesRequest::default());
    let (parts, _) = bed
        .call::<_, TextsResponse>(
            "/tempopb.StreamingQuerier/SearchTags",
            "default",
            names.clone(),
        )
        .await
        .unwrap();
    assert_eq!(
        json!(parts[0].texts),
        json("/tempo/api/search/tags").await["tagNames"]
    );
    assert_eq!((parts.len(), parts[0].metrics), (1, TagMetrics::DONE));
    let scoped = TagsRequest {
        scope: "span".into(),
        ..names
    };
    let (parts, _) = bed
        .call::<_, ScopesResponse>("/tempopb.StreamingQuerier/SearchTagsV2", "default", scoped)
        .await
        .unwrap();
    let scopes = parts[0].scopes.iter();
    let scopes: Vec<_> = scopes
        .map(|scope| json!({ "name": scope.name, "tags": scope.tags }))
        .collect();
    assert_eq!(
        json!(scopes),
        json("/tempo/api/v2/search/tags?scope=span").await["scopes"]
    );
    let of = |tag: &str| ValuesRequest {
        tag_name: tag.to_owned(),
        ..values.clone()
    };
    let (parts, _) = bed
        .call::<_, TextsResponse>(
            "/tempopb.StreamingQuerier/SearchTagValues",
            "default",
            of("service.name"),
        )
        .await
        .unwrap();
    assert_eq!(parts[0].texts, ["pay", "web"]);
    let (parts, _) = bed
        .call::<_, ValuesResponse>(
            "/tempopb.StreamingQuerier/SearchTagValuesV2",
            "default",
            of("status"),
        )
        .await
        .unwrap();
    let values = parts[0].values.iter();
    let values: Vec<_> = values
        .map(|value| json!({ "type": value.kind, "value": value.value }))
        .collect();
    assert_eq!(
        json!(values),
        json("/tempo/api/v2/search/tag/status/values").await["tagValues"]
    );
    let none = bed.call::<_, ValuesResponse>(
        "/tempopb.StreamingQuerier/SearchTagValuesV2",
        "default",
        of("nonsense"),
    );
    assert_eq!(none.await.unwrap_err().code(), Code::InvalidArgument);
}

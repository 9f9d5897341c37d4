//! What a client of gRPC is answered, over a socket.

use super::*;
use crate::api::testing::{Bed, TRACE_ID};
use sonde_proto::otlp::trace::{ResourceSpans, TracesData};
use std::collections::BTreeSet;
use tonic::Code;

async fn call<Q: Message + 'static, A: Message + Default + 'static>(
    bed: &Bed,
    path: &'static str,
    question: Q,
) -> Result<Vec<A>, Status> {
    let answer = bed.call(path, "default", question).await;
    answer.map(|(parts, _)| parts)
}

fn by_id(id: &str) -> TraceRequest {
    TraceRequest {
        trace_id: id.to_owned(),
    }
}

fn sorted(data: impl IntoIterator<Item = TracesData>) -> Vec<ResourceSpans> {
    let mut all: Vec<_> = data
        .into_iter()
        .flat_map(|data| data.resource_spans)
        .collect();
    all.sort_by_key(|resource| format!("{resource:?}"));
    all
}

const GET: &str = "/jaeger.api_v3.QueryService/GetTrace";
const FIND: &str = "/jaeger.api_v3.QueryService/FindTraces";

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_comes_as_it_was_sent() {
    let bed = Bed::with_traces().await;
    let found: Vec<TracesData> = call(&bed, GET, by_id(TRACE_ID)).await.unwrap();
    assert_eq!(sorted(found), sorted([bed.sent().clone()]));
    let short: Vec<TracesData> = call(&bed, GET, by_id("aa")).await.unwrap();
    assert_eq!(sorted(short).len(), 1);
    for (id, code) in [
        ("1234", Code::NotFound),
        ("xyz", Code::InvalidArgument),
        ("", Code::InvalidArgument),
    ] {
        let error = call::<_, TracesData>(&bed, GET, by_id(id))
            .await
            .unwrap_err();
        assert_eq!(error.code(), code, "{id}");
    }
    let others = bed
        .call::<_, TracesData>(GET, "other", by_id(TRACE_ID))
        .await;
    assert_eq!(others.unwrap_err().code(), Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_asks_by_all_that_its_message_says() {
    let bed = Bed::with_traces().await;
    let begin = i64::try_from(bed.begin / 1_000_000_000).unwrap();
    let time = |seconds: i64| Some(Time { seconds, nanos: 0 });
    let millis = |millis: i32| {
        Some(Time {
            seconds: 0,
            nanos: millis * 1_000_000,
        })
    };
    let ids = async |query: Query| {
        let query = Some(query);
        let found: Vec<TracesData> = call(&bed, FIND, FindRequest { query }).await.unwrap();
        let all = found.iter().flat_map(|data| &data.resource_spans);
        let spans = all
            .flat_map(|one| &one.scope_spans)
            .flat_map(|one| &one.spans);
        let ids: BTreeSet<_> = spans.map(|span| span.trace_id[15]).collect();
        ids.into_iter().collect::<Vec<_>>()
    };
    let of = |service: &str| Query {
        service_name: service.to_owned(),
        ..Query::default()
    };
    let attribute = |key: &str, value: &str| Query {
        attributes: [(key.to_owned(), value.to_owned())].into(),
        ..of("web")
    };
    let (checkout, short) = (0x9c, 0xaa);
    let checks = [
        (of("web"), vec![checkout, short]),
        (of("pay"), vec![checkout]),
        (of("nobody"), vec![]),
        (
            Query {
                operation_name: "GET /".into(),
                ..of("web")
            },
            vec![short],
        ),
        (attribute("http.status_code", "500"), vec![checkout]),
        (attribute("error", "true"), vec![checkout]),
        (attribute("\" } || {", "\\"), vec![]),
        (
            Query {
                duration_min: millis(100),
                ..of("web")
            },
            vec![checkout],
        ),
        (
            Query {
                duration_max: millis(100),
                ..of("web")
            },
            vec![short],
        ),
        (
            Query {
                start_time_min: time(begin - 60),
                start_time_max: time(begin + 60),
                ..of("web")
            },
            vec![checkout, short],
        ),
        (
            Query {
                start_time_min: time(begin - 60),
                start_time_max: time(begin - 30),
                ..of("web")
            },
            vec![],
        ),
        (
            Query {
                search_depth: 1,
                ..of("web")
            },
            vec![short],
        ),
    ];
    for (query, expected) in checks {
        assert_eq!(ids(query.clone()).await, expected, "{query:?}");
    }
    let refused = [
        Query {
            filter: Some(vec![10, 0]),
            ..of("web")
        },
        Query {
            search_depth: -1,
            ..of("web")
        },
        Query {
            start_time_min: time(-1),
            ..of("web")
        },
        Query {
            start_time_min: time(begin),
            start_time_max: time(begin - 1),
            ..of("web")
        },
        Query {
            duration_min: time(i64::MAX),
            ..of("web")
        },
    ];
    for query in refused {
        let query = Some(query);
        let answer = call::<_, TracesData>(
            &bed,
            FIND,
            FindRequest {
                query: query.clone(),
            },
        )
        .await;
        assert_eq!(
            answer.unwrap_err().code(),
            Code::InvalidArgument,
            "{query:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_summaries_are_those_over_http() {
    let bed = Bed::with_traces().await;
    let found: Vec<Services> = call(
        &bed,
        "/jaeger.api_v3.QueryService/GetServices",
        ServicesRequest {},
    )
    .await
    .unwrap();
    assert_eq!(found[0].services, ["pay", "web"]);
    let path = "/jaeger.api_v3.QueryService/GetOperations";
    let service = "web".to_owned();
    let found: Vec<Operations> = call(&bed, path, OperationsRequest { service })
        .await
        .unwrap();
    let names: Vec<_> = found[0]
        .operations
        .iter()
        .map(|one| one.name.as_str())
        .collect();
    assert_eq!(names, ["GET /", "POST /checkout"]);
    let none = call::<_, Operations>(&bed, path, OperationsRequest::default()).await;
    assert_eq!(none.unwrap_err().code(), Code::InvalidArgument);
    let query = Some(Query {
        service_name: "pay".into(),
        ..Query::default()
    });
    let path = "/jaeger.api_v3.QueryService/FindTraceSummaries";
    let found: Vec<Summaries> = call(&bed, path, FindRequest { query }).await.unwrap();
    let summary = &found[0].summaries[0];
    assert_eq!(found[0].summaries.len(), 1);
    let expected = Summary {
        trace_id: TRACE_ID.to_owned(),
        root_service_name: "web".to_owned(),
        root_operation_name: "POST /checkout".to_owned(),
        min_start_time_unix_nano: bed.begin,
        max_end_time_unix_nano: bed.begin + 250_000_000,
        span_count: 2,
        error_span_count: 1,
        services: names_of(["pay", "web"]),
    };
    assert_eq!(*summary, expected);
    let unknown = call::<_, Services>(
        &bed,
        "/jaeger.api_v3.QueryService/FindSpans",
        ServicesRequest {},
    );
    assert_eq!(unknown.await.unwrap_err().code(), Code::Unimplemented);
}

fn names_of<const N: usize>(all: [&str; N]) -> Vec<Name> {
    names(all.into_iter().map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_between_services_are_those_over_http() {
    let bed = Bed::with_traces().await;
    let path = "/jaeger.api_v3.QueryService/GetDependencies";
    let over_http = bed.get("/jaeger/api/dependencies", &[]).await.json();
    let found: Vec<Dependencies> = call(&bed, path, DependenciesRequest::default())
        .await
        .unwrap();
    let found = found[0].dependencies.iter().map(|call| {
        serde_json::json!({ "parent": call.parent, "child": call.child, "callCount": call.call_count })
    });
    assert_eq!(
        serde_json::json!(found.collect::<Vec<_>>()),
        over_http["data"]
    );
    let backwards = DependenciesRequest {
        start_time: Some(Time {
            seconds: 9,
            nanos: 0,
        }),
        end_time: Some(Time {
            seconds: 8,
            nanos: 0,
        }),
    };
    let error = call::<_, Dependencies>(&bed, path, backwards)
        .await
        .unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

/// The same trace as Jaeger's own spans.
#[tokio::test(flavor = "multi_thread")]
async fn version_2_has_jaegers_spans() {
    let bed = Bed::with_traces().await;
    let id = sonde_proto::TraceId::from_hex(TRACE_ID).unwrap();
    let request = v2::TraceRequest {
        trace_id: id.as_bytes().to_vec(),
    };
    let get = "/jaeger.api_v2.QueryService/GetTrace";
    let found: Vec<v2::Chunk> = call(&bed, get, request).await.unwrap();
    let spans: Vec<_> = found.iter().flat_map(|chunk| &chunk.spans).collect();
    assert_eq!(spans.len(), 2);
    let named = |name: &str| {
        *spans
            .iter()
            .find(|span| span.operation_name == name)
            .unwrap()
    };
    let tag = |key: &str| v2::Tag {
        key: key.to_owned(),
        ..v2::Tag::default()
    };
    let text = |key: &str, text: &str| v2::Tag {
        text: text.to_owned(),
        ..tag(key)
    };
    let whole = |key: &str, whole: i64| v2::Tag {
        kind: 2,
        whole,
        ..tag(key)
    };
    let server = named("POST /checkout");
    let expected = v2::SpanMessage {
        trace_id: id.as_bytes().to_vec(),
        span_id: 1_u64.to_be_bytes().to_vec(),
        operation_name: "POST /checkout".to_owned(),
        references: vec![v2::Reference {
            trace_id: 0xff_u128.to_be_bytes().to_vec(),
            span_id: 7_u64.to_be_bytes().to_vec(),
            kind: 1,
        }],
        flags: 0,
        start_time: Some(Time::of(bed.begin)),
        duration: Some(Time::of(250_000_000)),
        tags: vec![
            text("http.route", "/checkout"),
            whole("http.status_code", 500),
            text("span.kind", "server"),
            text("otel.scope.name", "lib"),
            text("otel.scope.version", "1.2"),
            text("otel.status_code", "ERROR"),
            text("otel.status_description", "declined"),
            v2::Tag {
                kind: 1,
                is: true,
                ..tag("error")
            },
        ],
        logs: vec![v2::Log {
            timestamp: Some(Time::of(bed.begin + 1_000)),
            fields: vec![text("event", "retry"), whole("n", 2)],
        }],
        process: Some(v2::Process {
            service_name: "web".to_owned(),
            tags: vec![text("host.name", "node-1")],
        }),
        warnings: Vec::new(),
    };
    assert_eq!(*server, expected);
    let call_of_pay = named("charge");
    let parent = v2::Reference {
        trace_id: id.as_bytes().to_vec(),
        span_id: 1_u64.to_be_bytes().to_vec(),
        kind: 0,
    };
    assert_eq!(call_of_pay.references, [parent]);
    let amount = v2::Tag {
        kind: 3,
        number: 9.5,
        ..tag("amount")
    };
    assert_eq!(call_of_pay.tags[0], amount);

    let query = Some(Query {
        service_name: "web".into(),
        ..Query::default()
    });
    let find = "/jaeger.api_v2.QueryService/FindTraces";
    let found: Vec<v2::Chunk> = call(&bed, find, FindRequest { query }).await.unwrap();
    let spans = found.iter().flat_map(|chunk| &chunk.spans);
    assert_eq!(spans.count(), 3);
    let service = "web".to_owned();
    let path = "/jaeger.api_v2.QueryService/GetOperations";
    let found: Vec<v2::Operations> = call(&bed, path, OperationsRequest { service })
        .await
        .unwrap();
    assert_eq!(found[0].names, ["GET /", "POST /checkout"]);
    assert_eq!(found[0].operations, names_of(["GET /", "POST /checkout"]));
    let missing = v2::TraceRequest { trace_id: vec![9] };
    let missing = call::<_, v2::Chunk>(&bed, get, missing).await;
    assert_eq!(missing.unwrap_err().code(), Code::NotFound);
    let none = call::<_, v2::Chunk>(&bed, get, v2::TraceRequest::default()).await;
    assert_eq!(none.unwrap_err().code(), Code::InvalidArgument);
}

//! The requests that Grafana's Tempo data source makes are answered with what it reads, over
//! real traces: `tests/it/tempo_requests.json` has each with the shape it needs.

use crate::harness::{Sonde, client, list};
use crate::trace_requests::World;
use prost::Message as _;
use serde_json::{Value, json};
use sonde_proto::otlp::trace::TracesData;

/// Tempo's `TraceByIDResponse`, as far as Grafana reads it.
#[derive(Clone, PartialEq, prost::Message)]
struct TraceById {
    #[prost(message, optional, tag = "1")]
    trace: Option<TracesData>,
    #[prost(int32, tag = "3")]
    status: i32,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_grafanas_tempo_data_source_is_answered_with_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let Some(world) = World::sent_to_sonde(dir.path()).await else {
        return;
    };
    world.check(include_str!("tempo_requests.json")).await;
    a_trace_as_protobuf(&world).await;
    assert!(world.sonde.stop().await.success());
}

/// In the new way and, where that is not known, in the old one.
async fn a_trace_as_protobuf(world: &World) {
    let id = world.trace_id(0);
    let wrapped = TraceById::decode(protobuf(world, &format!("/tempo/api/v2/traces/{id}")).await);
    let wrapped = wrapped.unwrap();
    assert_eq!(wrapped.status, 0);
    let bare = TracesData::decode(protobuf(world, &format!("/tempo/api/traces/{id}")).await);
    let bare = bare.unwrap();
    assert_eq!(wrapped.trace.as_ref(), Some(&bare));
    let scopes = bare
        .resource_spans
        .iter()
        .flat_map(|resource| &resource.scope_spans);
    let spans: Vec<_> = scopes.flat_map(|scope| &scope.spans).collect();
    assert_eq!(spans.len(), 2);
    let server = spans
        .iter()
        .find(|span| span.name == "POST /checkout")
        .unwrap();
    let call = spans.iter().find(|span| span.name == "POST /pay").unwrap();
    assert_eq!(call.parent_span_id, server.span_id);
    assert!(
        server
            .attributes
            .iter()
            .any(|kv| kv.key == "http.response.status_code")
    );
}

async fn protobuf(world: &World, path: &str) -> bytes::Bytes {
    let request = client()
        .get(world.sonde.url(path))
        .header("Accept", "application/protobuf");
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), 200);
    assert_eq!(answer.headers()["content-type"], "application/protobuf");
    answer.bytes().await.unwrap()
}

/// What Grafana asks of Prometheus for the service map and its table, and of Loki for the logs of
/// a span, as it writes that.
#[tokio::test(flavor = "multi_thread")]
async fn the_service_map_and_the_logs_of_a_span_are_found_by_grafanas_own_queries() {
    let dir = tempfile::tempdir().unwrap();
    let none = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
    let sonde = Sonde::up(dir.path(), &none).await;
    let now = jiff::Timestamp::now();
    let trace_id = "0000000000000000000000000000e1e1";
    let span = |service: &str, kind: &str, id: &str, parent: Option<&str>| {
        json!({
            "traceId": trace_id, "id": id, "parentId": parent, "kind": kind,
            "name": "get /cart", "timestamp": now.as_microsecond() - 5000, "duration": 4000,
            "localEndpoint": {"serviceName": service}, "tags": {"error": "it broke"},
        })
    };
    let (call, served) = ("00000000000000a2", "00000000000000a3");
    let spans = json!([
        span("web", "CLIENT", call, None),
        span("cart", "SERVER", served, Some(call)),
    ]);
    post(&sonde, "/api/v2/spans", &spans).await;
    let nanos = now.as_nanosecond().to_string();
    let in_the_line = format!("asked by {trace_id} of {served}");
    let lines = json!({ "streams": [{
        "stream": { "service_name": "cart" },
        "values": [
            [nanos, in_the_line],
            [nanos, "beside the line", { "trace_id": trace_id, "span_id": served }],
            [nanos, "of another", { "trace_id": "e2", "span_id": "5" }],
        ],
    }]});
    post(&sonde, "/loki/api/v1/push", &lines).await;

    let edge = |answer: &Value| {
        let rows = list(&answer["data"], "result").iter();
        let mut rows = rows.map(|row| &row["metric"]);
        rows.any(|row| row["client"] == "web" && row["server"] == "cart")
    };
    let prometheus = "/prometheus/api/v1/query";
    for metric in [
        "traces_service_graph_request_server_seconds_sum",
        "traces_service_graph_request_total",
        "traces_service_graph_request_failed_total",
        "traces_service_graph_request_server_seconds_bucket",
    ] {
        for query in [
            format!("sum by (client, server) (rate({metric}[3600s]))"),
            format!(
                "sum by (client, server) (rate({metric}{{client=\"web\"}}[3600s])) OR sum by (client, server) (rate({metric}{{server=\"web\"}}[3600s]))"
            ),
            format!("group by (client, connection_type, server) ({metric})"),
        ] {
            sonde.until(prometheus, &[("query", &query)], edge).await;
        }
    }
    let some = |answer: &Value| !list(&answer["data"], "result").is_empty();
    for query in [
        r#"topk(5, sum(rate(traces_spanmetrics_calls_total{span_kind="SPAN_KIND_SERVER"}[3600s])) by (span_name))"#,
        r#"topk(5, sum(rate(traces_spanmetrics_calls_total{status_code="STATUS_CODE_ERROR",span_name=~"get /cart"}[3600s])) by (span_name))"#,
        r#"histogram_quantile(.9, sum(rate(traces_spanmetrics_latency_bucket{span_name=~"get /cart"}[3600s])) by (le))"#,
    ] {
        sonde.until(prometheus, &[("query", query)], some).await;
    }

    let both = |answer: &Value| {
        let streams = list(&answer["data"], "result").iter();
        let lines = streams.flat_map(|stream| list(stream, "values"));
        let mut lines: Vec<_> = lines.map(|line| line[1].as_str().unwrap()).collect();
        lines.sort_unstable();
        lines == [in_the_line.as_str(), "beside the line"]
    };
    for or in ["or", "OR"] {
        let of = |what: &str, id: &str| {
            format!(
                "| label_format log_line_contains_{what}=`{{{{ contains \"{id}\" __line__  }}}}` | log_line_contains_{what}=\"true\" {or} {what}=\"{id}\""
            )
        };
        let by_trace = of("trace_id", trace_id);
        let by_span = of("span_id", served);
        let query = format!("{{service_name=\"cart\"}} {by_trace} {by_span}");
        let parameters = [("query", query.as_str()), ("limit", "1000")];
        sonde
            .until("/loki/api/v1/query_range", &parameters, both)
            .await;
    }
    assert!(sonde.stop().await.success());
}

async fn post(sonde: &Sonde, path: &str, body: &Value) {
    let answer = client().post(sonde.url(path)).json(body).send().await;
    let answer = answer.unwrap();
    let status = answer.status();
    assert!(
        status.is_success(),
        "{path}: {}",
        answer.text().await.unwrap()
    );
}

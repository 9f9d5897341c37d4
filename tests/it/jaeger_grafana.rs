//! The requests that Jaeger's pages and Grafana's Jaeger data source make are answered with
//! what each of them reads, over real traces: `tests/it/jaeger_requests.json` has each with the
//! shape it needs. And what Jaeger's and Zipkin's clients send is found there again.

use crate::harness::{Sonde, client, list};
use crate::trace_requests::World;
use serde_json::{Value, json};

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_jaegers_pages_and_grafana_is_answered_with_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let Some(world) = World::sent_to_sonde(dir.path()).await else {
        return;
    };
    world.check(include_str!("jaeger_requests.json")).await;
    assert!(world.sonde.stop().await.success());
}

/// A call between two services whose server shares the client's ID, as Zipkin's clients send
/// it, comes back as a tree, and is counted as one request of one service by the other.
#[tokio::test(flavor = "multi_thread")]
async fn what_zipkins_clients_send_is_a_tree_and_is_counted() {
    let dir = tempfile::tempdir().unwrap();
    let none = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
    let sonde = Sonde::up(dir.path(), &none).await;
    let now = jiff::Timestamp::now().as_microsecond();
    let span = |service: &str, kind: &str, id: &str, parent: Option<&str>, shared: bool| {
        json!({
            "traceId": "00000000000000f1", "id": id, "parentId": parent, "shared": shared,
            "kind": kind, "name": "get /cart", "timestamp": now - 5000, "duration": 4000,
            "localEndpoint": {"serviceName": service, "ipv4": "10.0.0.1"},
            "tags": {"http.method": "GET"},
        })
    };
    let call = "00000000000000a2";
    let of_client = json!([span("web", "CLIENT", call, None, false)]);
    let of_server = json!([
        span("cart", "SERVER", call, None, true),
        span("cart", "CLIENT", "00000000000000a3", Some(call), false),
    ]);
    // Either port takes them.
    let otlp = format!("http://{}/api/v2/spans", sonde.address("otlp.http"));
    for (url, body) in [(otlp, of_client), (sonde.url("/api/v2/spans"), of_server)] {
        let answer = client().post(url).json(&body).send().await.unwrap();
        assert_eq!(
            answer.status().as_u16(),
            202,
            "{}",
            answer.text().await.unwrap()
        );
    }
    let whole = |answer: &Value| list(&answer["data"][0], "spans").len() == 3;
    let answer = sonde.until("/jaeger/api/traces/f1", &[], whole).await;
    let trace = &answer["data"][0];
    let service = |span: &Value| {
        let process = span["processID"].as_str().unwrap();
        trace["processes"][process]["serviceName"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let spans = list(trace, "spans");
    let parent = |span: &Value| {
        let id = &span["references"][0]["spanID"];
        spans.iter().find(|other| other["spanID"] == *id)
    };
    let chain = |span: &Value| {
        let mut names = vec![service(span)];
        let mut at = parent(span);
        while let Some(span) = at {
            names.push(service(span));
            at = parent(span);
        }
        names
    };
    let mut chains: Vec<_> = spans.iter().map(chain).collect();
    chains.sort_by_key(Vec::len);
    assert_eq!(
        chains,
        [
            vec!["web"],
            vec!["cart", "web"],
            vec!["cart", "cart", "web"]
        ]
    );
    let query = "sum(traces_service_graph_request_total{client=\"web\", server=\"cart\"})";
    let one = |answer: &Value| answer["data"]["result"][0]["value"][1] == "1";
    sonde
        .until("/prometheus/api/v1/query", &[("query", query)], one)
        .await;
    let calls =
        "sum(traces_spanmetrics_calls_total{service=\"cart\", span_kind=\"SPAN_KIND_SERVER\"})";
    sonde
        .until("/prometheus/api/v1/query", &[("query", calls)], one)
        .await;
    let between = sonde.get("/jaeger/api/dependencies", &[]).await;
    let once = |call: &Value| *call == json!({"parent": "web", "child": "cart", "callCount": 1});
    assert!(list(&between, "data").iter().any(once), "{between}");
    assert!(sonde.stop().await.success());
}

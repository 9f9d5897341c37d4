//! What is computed from spans, as those see it who ask: over kills, and around one request.

use crate::harness::{Sonde, client, list};
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use std::time::{SystemTime, UNIX_EPOCH};

const LIVES: u64 = 4;
const SPANS: u64 = 50;

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

fn resource(service: &str, version: &str) -> Option<Resource> {
    Some(Resource {
        attributes: vec![
            kv("service.name", service),
            kv("service.version", version),
            kv("host.name", "node-1"),
        ],
        ..Resource::default()
    })
}

fn spans(service: &str, version: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(service, version),
            scope_spans: vec![ScopeSpans {
                spans,
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn span(trace: u64, id: u64, parent: u64, (start, end): (u64, u64)) -> Span {
    let parent = match parent {
        0 => Vec::new(),
        parent => parent.to_be_bytes().to_vec(),
    };
    Span {
        trace_id: [[9; 8], trace.to_be_bytes()].concat(),
        span_id: id.to_be_bytes().to_vec(),
        parent_span_id: parent,
        name: "POST /pay".into(),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        ..Span::default()
    }
}

async fn send(sonde: &Sonde, signal: &str, body: Vec<u8>) {
    let url = format!("http://{}/v1/{signal}", sonde.address("otlp.http"));
    let request = client()
        .post(url)
        .header("Content-Type", "application/x-protobuf")
        .body(body);
    let answer = request.send().await.unwrap();
    assert!(answer.status().is_success(), "{:?}", answer.text().await);
}

fn values(answer: &Value) -> Vec<f64> {
    let value = |series: &Value| series["value"][1].as_str()?.parse().ok();
    list(&answer["data"], "result")
        .iter()
        .filter_map(value)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_count_once_and_never_jump_over_kills_and_batches_sent_twice() {
    let dir = tempfile::tempdir().unwrap();
    // Small enough that the trace store seals, and so snapshots are written, in between.
    let settings = [("traces.seal_bytes", "20000")];
    let mut sonde = Sonde::up(dir.path(), &settings).await;
    for life in 0..LIVES {
        let batch = (0..SPANS).map(|n| {
            let id = life * SPANS + n + 1;
            let mut span = span(id, id, 0, (now(), now() + 1_000_000));
            // Half of them were sampled, one of four.
            if n % 2 == 0 {
                "ot=th:c".clone_into(&mut span.trace_state);
            }
            span
        });
        let body = spans("payment", "1", batch.collect()).encode_to_vec();
        send(&sonde, "traces", body.clone()).await;
        send(&sonde, "traces", body).await;
        if life % 2 == 0 {
            // Told, so that a count that is not restored would be seen to fall.
            let told = (life + 1) * SPANS / 2 * 5;
            let query = [("query", "sum(traces_spanmetrics_calls_total)")];
            let is_told = |answer: &Value| values(answer) == [told as f64];
            sonde.until("/api/v1/query", &query, is_told).await;
        }
        sonde.kill().await;
        sonde = Sonde::up(dir.path(), &settings).await;
    }
    let expected = (LIVES * SPANS / 2 * 5) as f64;
    for query in [
        "sum(traces_spanmetrics_calls_total)",
        "sum(traces_spanmetrics_latency_count)",
        "sum(max_over_time(traces_spanmetrics_calls_total[10m]))",
        "sum(traces_service_graph_request_total)",
    ] {
        let is_all = |answer: &Value| values(answer) == [expected];
        sonde
            .until("/api/v1/query", &[("query", query)], is_all)
            .await;
    }
    let resets = [("query", "max(resets(traces_spanmetrics_calls_total[10m]))")];
    let answer = sonde.get("/api/v1/query", &resets).await;
    assert_eq!(values(&answer), [0.0], "{answer:#}");
    sonde.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_one_line_of_time_with_what_had_changed_and_what_it_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(dir.path(), &[]).await;
    let begun = now();
    let ms = |n: u64| begun + n * 1_000_000;
    let before = spans("payment", "1.4.0", vec![span(1, 1, 0, (ms(0), ms(1)))]);
    send(&sonde, "traces", before.encode_to_vec()).await;
    let mut outer = span(2, 2, 0, (ms(10), ms(110)));
    outer.attributes = vec![kv("http.request.header.x-request-id", "req-4711-abc")];
    let mut inner = span(2, 3, 2, (ms(20), ms(100)));
    inner.status = Some(Status {
        code: 2,
        message: "card refused".into(),
    });
    "charge".clone_into(&mut inner.name);
    let request = spans("payment", "1.4.1", vec![outer, inner]);
    send(&sonde, "traces", request.encode_to_vec()).await;
    let line = LogRecord {
        time_unix_nano: ms(50),
        severity_number: 17,
        body: kv("", "cannot charge req-4711-abc").value,
        trace_id: [[9; 8], 2_u64.to_be_bytes()].concat(),
        ..LogRecord::default()
    };
    let logs = ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource("payment", "1.4.1"),
            scope_logs: vec![ScopeLogs {
                log_records: vec![line],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
    };
    send(&sonde, "logs", logs.encode_to_vec()).await;

    let kinds = |found: &Value| -> Vec<String> {
        let moments = list(found, "timeline").iter();
        moments
            .map(|m| m["kind"].as_str().unwrap().to_owned())
            .collect()
    };
    let whole = |found: &Value| {
        let kinds = kinds(found);
        ["change", "span", "log", "exemplar"]
            .iter()
            .all(|kind| kinds.iter().any(|one| one == kind))
    };
    let found = sonde
        .until("/sonde/v1/lookup/req-4711-abc", &[], whole)
        .await;
    assert_eq!(found["kind"], "request", "{found:#}");
    let times: Vec<_> = list(&found, "timeline")
        .iter()
        .map(|m| m["time"].as_u64())
        .collect();
    assert!(times.is_sorted(), "{times:?}");
    assert_eq!(found["changes"][0]["before"], "1.4.0");
    assert_eq!(found["changes"][0]["after"], "1.4.1");
    let path = &found["critical_paths"][0];
    assert_eq!(path["duration_nanos"], 100_000_000);
    assert_eq!(path["operations"][0]["name"], "charge", "{path:#}");
    assert_eq!(path["operations"][0]["nanos"], 80_000_000);
    assert_eq!(list(path, "steps").len(), 3);
    assert!(found["cut"].is_null() && found["cuts"].as_object().unwrap().is_empty());

    let payment = [("service", "payment")];
    let changes = sonde.get("/sonde/v1/signals/changes", &payment).await;
    assert_eq!(list(&changes, "changes").len(), 1, "{changes:#}");
    // Calls, their latency and the graph are told in batches of their own, one after the other.
    let rated = |red: &Value| {
        let operations = list(red, "operations");
        operations.iter().any(|o| o["rate"].is_number()) && !list(red, "exemplars").is_empty()
    };
    let red = sonde.until("/sonde/v1/signals/red", &payment, rated).await;
    let exemplar = &list(&red, "exemplars")[0];
    let trace = format!("/sonde/v1/trace/{}", exemplar["trace_id"].as_str().unwrap());
    let trace = sonde.get(&trace, &[]).await;
    assert!(!list(&trace, "spans").is_empty(), "{exemplar:#}");
    let all_counted = |golden: &Value| golden["services"][0]["calls"] == 3.0;
    sonde
        .until("/sonde/v1/signals/golden", &[], all_counted)
        .await;
    let has_both_ends = |graph: &Value| {
        let nodes = list(graph, "nodes").iter();
        nodes.map(|n| &n["name"]).eq(["payment", "user"])
    };
    sonde
        .until("/sonde/v1/signals/graph", &[], has_both_ends)
        .await;

    let url = format!("--url=http://{}", sonde.address("http"));
    let printed = crate::harness::sonde(&["lookup", &url, "req-4711-abc"]).await;
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    for text in [
        "service.version: 1.4.0 → 1.4.1",
        "80 %",
        "payment charge",
        "cannot charge",
    ] {
        assert!(printed.contains(text), "{text}:\n{printed}");
    }
    let printed = crate::harness::sonde(&["lookup", "--timeline", &url, "req-4711-abc"]).await;
    let printed = String::from_utf8_lossy(&printed.stdout).into_owned();
    assert!(printed.contains("charge: card refused"), "{printed}");
    sonde.stop().await;
}

//! Tail sampling, as those see it who ask: over kills and a restart, what an error log or an
//! exemplar names is kept, the rest is not, and RED is of everything.

use crate::harness::{Sonde, client, list, sonde};
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use std::collections::BTreeSet;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

const TRACES: u64 = 40;
/// Of this one an error was logged.
const LOGGED: u64 = 7;

const POLICIES: &str = "[{name: logged, type: error_log}, \
    {name: none, type: probabilistic, probabilistic: {sampling_percentage: 0}}]";

async fn start(dir: &Path, decision_wait: &str) -> Sonde {
    let settings = [
        ("traces.sampling.policies", POLICIES),
        ("traces.sampling.decision_wait", decision_wait),
        ("traces.sampling.decision_wait_max", "1h"),
        ("traces.seal_seconds", "1"),
        ("logs.seal_interval_ms", "200"),
    ];
    let doors = ["http", "otlp.grpc", "otlp.http"];
    Sonde::start("collector", dir, &settings, &doors).await
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_nanos()).unwrap()
}

fn id(trace: u64) -> Vec<u8> {
    [[9; 8], (trace + 1).to_be_bytes()].concat()
}

fn hex(trace: u64) -> String {
    id(trace).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn resource() -> Option<Resource> {
    Some(Resource {
        attributes: vec![kv("service.name", "pay")],
        ..Resource::default()
    })
}

fn spans() -> ExportTraceServiceRequest {
    let span = |trace: u64| Span {
        trace_id: id(trace),
        span_id: (trace + 1).to_be_bytes().to_vec(),
        name: "POST /pay".into(),
        kind: 2,
        start_time_unix_nano: now(),
        end_time_unix_nano: now() + 1_000_000 * (trace + 1),
        ..Span::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: resource(),
            scope_spans: vec![ScopeSpans {
                spans: (0..TRACES).map(span).collect(),
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }],
    }
}

fn logs() -> ExportLogsServiceRequest {
    let record = |trace: u64, severity_number| LogRecord {
        time_unix_nano: now(),
        trace_id: id(trace),
        severity_number,
        ..LogRecord::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            resource: resource(),
            scope_logs: vec![ScopeLogs {
                log_records: vec![record(LOGGED, 17), record(LOGGED + 1, 9)],
                ..ScopeLogs::default()
            }],
            ..ResourceLogs::default()
        }],
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

fn path(trace: u64) -> String {
    format!("/sonde/v1/trace/{}", hex(trace))
}

fn is_there(answer: &Value) -> bool {
    list(answer, "spans").len() == 1
}

/// The traces that are there.
async fn kept(sonde: &Sonde) -> BTreeSet<u64> {
    let mut kept = BTreeSet::new();
    for trace in 0..TRACES {
        if is_there(&sonde.get(&path(trace), &[]).await) {
            kept.insert(trace);
        }
    }
    kept
}

/// The traces that exemplars name.
async fn exemplars(sonde: &Sonde) -> BTreeSet<u64> {
    let query = [("query", "traces_spanmetrics_calls_total")];
    let answer = sonde.get("/api/v1/query_exemplars", &query).await;
    let series = list(&answer, "data").iter();
    let all = series.flat_map(|series| list(series, "exemplars"));
    let named = all.filter_map(|exemplar| exemplar["labels"]["trace_id"].as_str());
    let number = |named: &str| (0..TRACES).find(|trace| hex(*trace) == named).unwrap();
    named.map(number).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_error_log_or_an_exemplar_names_is_kept_and_red_is_of_everything() {
    let dir = tempfile::tempdir().unwrap();
    // Nothing is judged before it is killed.
    let sonde = start(dir.path(), "1h").await;
    send(&sonde, "logs", logs().encode_to_vec()).await;
    send(&sonde, "traces", spans().encode_to_vec()).await;
    sonde.until(&path(TRACES - 1), &[], is_there).await;
    assert_eq!(
        kept(&sonde).await.len() as u64,
        TRACES,
        "all are found at once"
    );
    sonde.kill().await;

    let sonde = start(dir.path(), "1s").await;
    let calls = [("query", "sum(traces_spanmetrics_calls_total)")];
    let is_counted = |answer: &Value| {
        let value = &answer["data"]["result"][0]["value"][1];
        value.as_str() == Some(&TRACES.to_string())
    };
    sonde.until("/api/v1/query", &calls, is_counted).await;
    let gone = |answer: &Value| answer.to_string().contains("no sampling policy wanted");
    let answer = sonde.until(&path(LOGGED + 1), &[], gone).await;
    assert!(answer.to_string().contains(&hex(LOGGED + 1)), "{answer}");
    let named = exemplars(&sonde).await;
    assert!(!named.is_empty(), "there is an exemplar");
    let expected: BTreeSet<u64> = named.iter().copied().chain([LOGGED]).collect();
    assert!((expected.len() as u64) < TRACES / 2);
    assert_eq!(kept(&sonde).await, expected);
    let status = sonde.get("/sonde/v1/status/traces", &[]).await;
    let count = |policy: &str| {
        let mut counts = list(&status, "sampling").iter();
        let found = counts.find(|count| count["policy"] == policy);
        found.map_or(0, |count| count["traces"].as_u64().unwrap())
    };
    assert_eq!(count("logged") + count("exemplar"), expected.len() as u64);
    assert_eq!(count("none"), TRACES - expected.len() as u64);
    let lookup = format!("/sonde/v1/lookup/{}", hex(LOGGED + 1));
    let found = sonde.get(&lookup, &[]).await;
    assert!(found["cuts"]["traces"].as_str().is_some(), "{found}");
    assert!(sonde.stop().await.success());

    let sonde = start(dir.path(), "1s").await;
    sonde.until("/api/v1/query", &calls, is_counted).await;
    sonde.until(&path(LOGGED), &[], is_there).await;
    assert_eq!(kept(&sonde).await, expected);
    assert!(gone(&sonde.get(&path(LOGGED + 1), &[]).await));
    what_comes_too_late_is_told(&sonde, LOGGED + 1).await;
}

/// An error log and a span come of a trace that was not kept.
async fn what_comes_too_late_is_told(sonde: &Sonde, trace: u64) {
    let lookup = format!("/sonde/v1/lookup/{}", hex(trace));
    let tempo = format!("/tempo/api/v2/traces/{}", hex(trace));
    let tempo = async || client().get(sonde.url(&tempo)).send().await.unwrap();
    let refused = tempo().await.text().await.unwrap();
    assert!(refused.contains("no sampling policy wanted"), "{refused}");
    send(sonde, "logs", errors_of(trace).encode_to_vec()).await;
    let named = |answer: &Value| {
        let message = answer["cuts"]["traces"].as_str().unwrap_or_default();
        message.contains("an error log named it only after it was judged")
    };
    sonde.until(&lookup, &[], named).await;

    let mut late = spans();
    for resource in &mut late.resource_spans {
        for scope in &mut resource.scope_spans {
            scope.spans.retain(|span| span.trace_id == id(trace));
            scope.spans[0].parent_span_id = 77_u64.to_be_bytes().to_vec();
        }
    }
    send(sonde, "traces", late.encode_to_vec()).await;
    let is_judged = |answer: &Value| {
        let told = answer["in_part"].as_str().unwrap_or_default();
        is_there(answer) && told.contains("those before were not")
    };
    let found = sonde.until(&path(trace), &[], is_judged).await;
    let told = found["in_part"].as_str().unwrap();
    let found: Value = tempo().await.json().await.unwrap();
    assert_eq!(
        (&found["status"], &found["message"]),
        (&"PARTIAL".into(), &told.into())
    );
    let jaeger = format!("/jaeger/api/traces/{}", hex(trace));
    let found = sonde.get(&jaeger, &[]).await;
    assert_eq!(found["data"][0]["warnings"][0], told);
    let warning = found["data"][0]["spans"][0]["warnings"][0]
        .as_str()
        .unwrap();
    assert!(
        warning.contains("000000000000004d is not here"),
        "{warning}"
    );
    let found = sonde.get(&lookup, &[]).await;
    let cut = found["cuts"]["traces"].as_str().unwrap();
    assert!(cut.contains(told), "{found}");
}

fn errors_of(trace: u64) -> ExportLogsServiceRequest {
    let mut logs = logs();
    let records = &mut logs.resource_logs[0].scope_logs[0].log_records;
    records.truncate(1);
    records[0].trace_id = id(trace);
    logs
}

#[tokio::test]
async fn what_is_wrong_with_a_policy_is_told_at_its_line() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("sonde.yaml");
    let check = async |policy: &str| {
        let text = format!("traces:\n  sampling:\n    policies:\n      - {policy}\n");
        std::fs::write(&file, text).unwrap();
        let checked = sonde(&["check", file.to_str().unwrap()]).await;
        String::from_utf8(checked.stdout).unwrap()
    };
    let told = check("{name: slow, type: latency, latency: {threshold_ms: 500}}").await;
    assert!(told.contains(": ok"), "{told}");
    let told = check("{name: slow, type: latency}").await;
    assert!(told.contains("sonde.yaml:4:"), "{told}");
    assert!(told.contains("says nothing under latency"), "{told}");
    let told = check("{name: slow, type: latenc}").await;
    assert!(told.contains("sonde.yaml:4:"), "{told}");
    let told = check("{name: q, type: traceql, traceql: {query: '{ .a = '}}").await;
    assert!(told.contains("the query of the policy \"q\""), "{told}");
}

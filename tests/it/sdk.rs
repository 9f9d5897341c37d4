//! Applications instrumented with other people's OpenTelemetry SDKs send over every
//! protocol, unchanged; everything they say they sent is found again.

use crate::harness::{PATIENCE, Sonde, list};
use crate::tools::{root, tool};
use serde_json::Value;
use std::path::Path;

const REQUESTS: usize = 50;

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_python_application_sends_over_grpc_is_found_again() {
    python("grpc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_python_application_sends_over_http_is_found_again() {
    python("http/protobuf").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_node_application_sends_over_grpc_is_found_again() {
    node("grpc").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_node_application_sends_over_http_is_found_again() {
    node("http/protobuf").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_a_node_application_sends_as_json_is_found_again() {
    node("http/json").await;
}

async fn python(protocol: &str) {
    let Some(python) = tool("PYTHON") else { return };
    check(&python, &root().join("tests/sdk/python/app.py"), protocol).await;
}

async fn node(protocol: &str) {
    if tool("NODE_SDK_DIR").is_none() {
        return;
    }
    check(
        Path::new("node"),
        &root().join("tests/sdk/node/app.mjs"),
        protocol,
    )
    .await;
}

/// Runs the application against a fresh `sonde up` and finds what it sent.
async fn check(runtime: &Path, app: &Path, protocol: &str) {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(
        dir.path(),
        &[("agent.tail.paths", "[]"), ("agent.node.enabled", "false")],
    )
    .await;
    let service = format!("it-{}", protocol.replace('/', "-"));
    let sent = run(runtime, app, protocol, &service, &sonde).await;
    assert_eq!(list(&sent, "trace_ids").len(), REQUESTS, "{sent:#}");
    found_by_id(&sonde, &sent).await;
    found_by_query(&sonde, &sent, &service).await;
    found_as_metrics(&sonde, &sent, &service).await;
    found_in_red(&sonde, &sent, &service).await;
    assert!(sonde.stop().await.success());
}

pub(crate) async fn run(
    runtime: &Path,
    app: &Path,
    protocol: &str,
    service: &str,
    sonde: &Sonde,
) -> Value {
    let door = if protocol == "grpc" {
        "otlp.grpc"
    } else {
        "otlp.http"
    };
    let endpoint = format!("http://{}", sonde.address(door));
    let requests = REQUESTS.to_string();
    let mut command = tokio::process::Command::new(runtime);
    command.arg(app).args([
        "--protocol",
        protocol,
        "--endpoint",
        &endpoint,
        "--service",
        service,
    ]);
    command
        .args(["--requests", &requests, "--run-id", service])
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("the application ends")
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", sonde.log());
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(stdout.lines().last().unwrap_or(""))
        .unwrap_or_else(|e| panic!("{e}: {stdout}\n{errors}"))
}

/// Every trace by its ID and by its request's, with the log line of that request.
async fn found_by_id(sonde: &Sonde, sent: &Value) {
    for (trace, request) in list(sent, "trace_ids")
        .iter()
        .zip(list(sent, "request_ids"))
    {
        let path = format!("/sonde/v1/lookup/{}", request.as_str().unwrap());
        let whole = |found: &Value| {
            list(found, "logs").len() == 1 && list(&found["traces"][0], "spans").len() == 2
        };
        let found = sonde.until(&path, &[], whole).await;
        assert_eq!(found["kind"], "request");
        assert_eq!(found["traces"][0]["trace_id"], *trace);
        assert_eq!(found["logs"][0]["trace_id"], *trace);
        assert!(
            found["logs"][0]["body"]
                .as_str()
                .unwrap()
                .contains(request.as_str().unwrap())
        );
        let by_trace = sonde
            .get(
                &format!("/sonde/v1/lookup/{}", trace.as_str().unwrap()),
                &[],
            )
            .await;
        assert_eq!(by_trace["kind"], "trace");
        assert_eq!(by_trace["traces"], found["traces"]);
        assert_eq!(by_trace["logs"], found["logs"]);
    }
}

/// The counts of log lines, traces and failed traces are exactly those that were sent.
async fn found_by_query(sonde: &Sonde, sent: &Value, service: &str) {
    let selector = format!("{{service_name=\"{service}\"}}");
    // Some lines are of no request, which is what was waited for.
    let lines = |answer: &Value| list(answer, "records").len() as u64;
    let all = |answer: &Value| lines(answer) >= sent["logs"].as_u64().unwrap();
    let selected = [("query", selector.as_str()), ("limit", "10000")];
    let answer = sonde.until("/sonde/v1/logs", &selected, all).await;
    assert_eq!(lines(&answer), sent["logs"].as_u64().unwrap());
    let all = format!("{{ resource.service.name = \"{service}\" }}");
    let answer = sonde
        .get("/sonde/v1/traces", &[("query", &all), ("limit", "10000")])
        .await;
    assert_eq!(list(&answer, "traces").len(), REQUESTS);
    let spans: u64 = list(&answer, "traces")
        .iter()
        .filter_map(|trace| trace["spans"].as_u64())
        .sum();
    assert_eq!(spans, sent["spans"].as_u64().unwrap());
    let failed = format!("{{ resource.service.name = \"{service}\" && status = error }}");
    let answer = sonde
        .get(
            "/sonde/v1/traces",
            &[("query", &failed), ("limit", "10000")],
        )
        .await;
    assert_eq!(
        list(&answer, "traces").len() as u64,
        sent["errors"].as_u64().unwrap()
    );
}

/// Its counter and its histogram have the values it said.
async fn found_as_metrics(sonde: &Sonde, sent: &Value, service: &str) {
    let counter = sent["counter"]["name"].as_str().unwrap().replace('.', "_");
    let query = format!("sum({{__name__=~\"{counter}(_.+)?_total\", service_name=\"{service}\"}})");
    metric(sonde, &query, sent["counter"]["value"].as_f64().unwrap()).await;
    let histogram = sent["histogram"]["name"]
        .as_str()
        .unwrap()
        .replace('.', "_");
    for part in ["count", "sum"] {
        let query =
            format!("sum({{__name__=~\"{histogram}(_.+)?_{part}\", service_name=\"{service}\"}})");
        metric(sonde, &query, sent["histogram"][part].as_f64().unwrap()).await;
    }
}

/// RED counts every request, and those that failed, no more and no less.
async fn found_in_red(sonde: &Sonde, sent: &Value, service: &str) {
    let calls = |matchers: &str| {
        format!(
            "sum(traces_spanmetrics_calls_total{{service=\"{service}\", span_kind=\"SPAN_KIND_SERVER\"{matchers}}})"
        )
    };
    metric(sonde, &calls(""), REQUESTS as f64).await;
    metric(
        sonde,
        &calls(", status_code=\"STATUS_CODE_ERROR\""),
        sent["errors"].as_f64().unwrap(),
    )
    .await;
}

async fn metric(sonde: &Sonde, query: &str, expected: f64) {
    let value = |answer: &Value| {
        answer["data"]["result"][0]["value"][1]
            .as_str()
            .and_then(|v| v.parse::<f64>().ok())
    };
    let equal = |answer: &Value| {
        value(answer).is_some_and(|v| (v - expected).abs() <= 1e-9 * expected.abs())
    };
    sonde
        .until("/api/v1/query", &[("query", query)], equal)
        .await;
}

//! Applications that send spans in Zipkin's or Jaeger's format, with the exporters of
//! OpenTelemetry's SDK for Python: every span is found back with all that its format can carry.

use crate::harness::{PATIENCE, Sonde, client};
use crate::tools::{root, tool};
use prost::Message as _;
use serde_json::{Map, Value, json};
use sonde_proto::otlp::common::{KeyValue, any_value::Value as Any};
use sonde_proto::otlp::trace::{ResourceSpans, Span, TracesData};
use std::path::Path;
use std::process::Stdio;

#[tokio::test(flavor = "multi_thread")]
async fn spans_of_the_exporters_for_zipkin_and_jaeger_are_found_back_whole() {
    let Some(python) = tool("PYTHON_EXPORTERS") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let none = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
    let sonde = Sonde::up(dir.path(), &none).await;
    // Either port of HTTP takes them.
    let otlp = |path: &str| format!("http://{}{path}", sonde.address("otlp.http"));
    let doors = [
        ("zipkin", sonde.url("/api/v2/spans")),
        ("zipkin", otlp("/api/v2/spans")),
        (
            "jaeger-thrift",
            sonde.url("/api/traces?format=jaeger.thrift"),
        ),
        ("jaeger-thrift", otlp("/api/traces?format=jaeger.thrift")),
        ("jaeger-grpc", sonde.address("otlp.grpc").to_string()),
    ];
    for (kind, to) in doors {
        let mut sent = sent(&python, kind, &to).await;
        sort(&mut sent);
        let found = found(&sonde, sent[0]["traceId"].as_str().unwrap(), sent.len()).await;
        assert_eq!(json!(found), json!(sent), "{kind} to {to}");
    }
    assert!(sonde.stop().await.success());
}

fn sort(spans: &mut [Value]) {
    spans.sort_by_key(|span| span["spanId"].to_string());
}

/// What the application says that it sent.
async fn sent(python: &Path, kind: &str, to: &str) -> Vec<Value> {
    let mut command = tokio::process::Command::new(python);
    command
        .arg(root().join("tests/sdk/python/exporters.py"))
        .args([kind, to])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output());
    let output = output.await.expect("the application ends").unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{kind}: {errors}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A trace once it has so many spans, in the application's words.
async fn found(sonde: &Sonde, id: &str, spans: usize) -> Vec<Value> {
    let path = format!("/jaeger/api/traces/{id}");
    let is_whole = |answer: &Value| {
        let found = answer["data"][0]["spans"].as_array();
        found.is_some_and(|found| found.len() == spans)
    };
    sonde.until(&path, &[], is_whole).await;
    let request = client()
        .get(sonde.url(&format!("/tempo/api/traces/{id}")))
        .header("Accept", "application/protobuf");
    let bytes = request.send().await.unwrap().bytes().await.unwrap();
    let data = TracesData::decode(bytes).unwrap();
    let mut all: Vec<_> = data.resource_spans.iter().flat_map(told).collect();
    sort(&mut all);
    all
}

fn told(resource_spans: &ResourceSpans) -> Vec<Value> {
    let resource = resource_spans.resource.clone().unwrap_or_default();
    let resource = object(&resource.attributes);
    let mut all = Vec::new();
    for scope_spans in &resource_spans.scope_spans {
        let scope = scope_spans.scope.clone().unwrap_or_default();
        for span in &scope_spans.spans {
            let mut told = told_span(span);
            told["resource"] = resource.clone();
            told["scope"] = json!([scope.name, scope.version]);
            all.push(told);
        }
    }
    all
}

fn told_span(span: &Span) -> Value {
    let events = span
        .events
        .iter()
        .map(|event| json!([event.time_unix_nano, event.name, object(&event.attributes)]));
    let links = span
        .links
        .iter()
        .map(|link| json!([hex(&link.trace_id), hex(&link.span_id)]));
    let status = span.status.clone().unwrap_or_default();
    json!({
        "traceId": hex(&span.trace_id),
        "spanId": hex(&span.span_id),
        "parentSpanId": hex(&span.parent_span_id),
        "name": span.name,
        "kind": span.kind,
        "start": span.start_time_unix_nano,
        "end": span.end_time_unix_nano,
        "attributes": object(&span.attributes),
        "events": events.collect::<Vec<_>>(),
        "links": links.collect::<Vec<_>>(),
        "status": [json!(status.code), json!(status.message)],
    })
}

fn object(attributes: &[KeyValue]) -> Value {
    let mut object = Map::new();
    for kv in attributes {
        let value = match kv.value.clone().and_then(|value| value.value) {
            Some(Any::StringValue(text)) => json!(text),
            Some(Any::IntValue(number)) => json!(number),
            Some(Any::DoubleValue(number)) => json!(number),
            Some(Any::BoolValue(is)) => json!(is),
            other => json!(format!("{other:?}")),
        };
        let before = object.insert(kv.key.clone(), value);
        assert_eq!(before, None, "{} stands there twice", kv.key);
    }
    Value::Object(object)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

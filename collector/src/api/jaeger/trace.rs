//! A trace in Jaeger's JSON, by OpenTelemetry's mapping
//! (<https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/>).
//!
//! ```text
//! resource     a process: service.name is its serviceName, the rest its tags
//! parent       a reference CHILD_OF; links are references FOLLOWS_FROM
//! kind, status, scope, trace state    tags: span.kind, error, otel.*, w3c.tracestate
//! events       logs, of which the field `event` is the event's name
//! ```

use serde_json::{Map, Value, json};
use sonde_proto::otlp::common::{KeyValue, any_value::Value as Any};
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{
    ScopeSpans, Span, TracesData, span::Event, span::SpanKind, status::StatusCode,
};
use sonde_proto::otlp::{kv, text};
use sonde_proto::{TraceId, semconv};

/// What is said of a resource without a name.
const SERVICE_UNKNOWN: &str = "unknown_service";

/// A trace, and why it may have more spans.
pub(super) fn trace(id: &TraceId, data: &TracesData, cut: Option<&str>) -> Value {
    let mut processes = Map::new();
    let mut spans = Vec::new();
    let mut known: Vec<Value> = Vec::new();
    for resource_spans in &data.resource_spans {
        let process = process(resource_spans.resource.as_ref());
        let number = known.iter().position(|other| *other == process);
        let number = number.unwrap_or_else(|| {
            known.push(process.clone());
            processes.insert(format!("p{}", known.len()), process);
            known.len() - 1
        });
        let key = format!("p{}", number + 1);
        for scope_spans in &resource_spans.scope_spans {
            let all = scope_spans.spans.iter();
            spans.extend(all.map(|one| span(id, scope_spans, one, &key)));
        }
    }
    json!({
        "traceID": id,
        "spans": spans,
        "processes": processes,
        "warnings": cut.map(|message| vec![message]),
    })
}

fn process(resource: Option<&Resource>) -> Value {
    let attributes = resource.map_or(&[][..], |resource| &resource.attributes);
    let service = attributes
        .iter()
        .rev()
        .find(|kv| kv.key == semconv::SERVICE_NAME);
    let service = service.map(text_of).filter(|name| !name.is_empty());
    let others = attributes
        .iter()
        .filter(|kv| kv.key != semconv::SERVICE_NAME);
    json!({
        "serviceName": service.unwrap_or_else(|| SERVICE_UNKNOWN.into()),
        "tags": others.map(tag).collect::<Vec<_>>(),
    })
}

fn span(id: &TraceId, scope: &ScopeSpans, span: &Span, process: &str) -> Value {
    let start = span.start_time_unix_nano;
    let duration = span.end_time_unix_nano.saturating_sub(start);
    json!({
        "traceID": id,
        "spanID": hex(&span.span_id),
        "flags": span.flags & 1,
        "operationName": span.name,
        "references": references(id, span),
        "startTime": start / 1000,
        "duration": duration / 1000,
        "tags": tags(scope, span),
        "logs": span.events.iter().map(log).collect::<Vec<_>>(),
        "processID": process,
        "warnings": null,
    })
}

fn references(id: &TraceId, span: &Span) -> Vec<Value> {
    let mut references = Vec::new();
    if !span.parent_span_id.is_empty() {
        references.push(json!({
            "refType": "CHILD_OF", "traceID": id, "spanID": hex(&span.parent_span_id),
        }));
    }
    let link = |link: &sonde_proto::otlp::trace::span::Link| {
        let kind = link
            .attributes
            .iter()
            .find(|kv| kv.key == "opentracing.ref_type");
        let is_child = kind.is_some_and(|kv| text_of(kv) == "child_of");
        let kind = if is_child { "CHILD_OF" } else { "FOLLOWS_FROM" };
        json!({ "refType": kind, "traceID": hex(&link.trace_id), "spanID": hex(&link.span_id) })
    };
    references.extend(span.links.iter().map(link));
    references
}

fn tags(scope: &ScopeSpans, span: &Span) -> Vec<Value> {
    let mut tags: Vec<Value> = span.attributes.iter().map(tag).collect();
    let mut add = |key: &str, value: &str| {
        if !value.is_empty() {
            tags.push(tag(&kv(key, value)));
        }
    };
    let kind = SpanKind::try_from(span.kind).unwrap_or_default();
    add("span.kind", kind_name(kind));
    if let Some(scope) = &scope.scope {
        add("otel.scope.name", &scope.name);
        add("otel.scope.version", &scope.version);
    }
    add("w3c.tracestate", &span.trace_state);
    let status = span.status.clone().unwrap_or_default();
    let code = StatusCode::try_from(status.code).unwrap_or_default();
    match code {
        StatusCode::Unset => {}
        StatusCode::Ok => add("otel.status_code", "OK"),
        StatusCode::Error => add("otel.status_code", "ERROR"),
    }
    add("otel.status_description", &status.message);
    if code == StatusCode::Error {
        tags.push(json!({ "key": "error", "type": "bool", "value": true }));
    }
    tags
}

/// How Jaeger calls a kind; empty where there is none.
fn kind_name(kind: SpanKind) -> &'static str {
    match kind {
        SpanKind::Unspecified => "",
        SpanKind::Internal => "internal",
        SpanKind::Server => "server",
        SpanKind::Client => "client",
        SpanKind::Producer => "producer",
        SpanKind::Consumer => "consumer",
    }
}

fn log(event: &Event) -> Value {
    let name = (!event.name.is_empty()).then(|| tag(&kv("event", event.name.as_str())));
    let fields = name.into_iter().chain(event.attributes.iter().map(tag));
    json!({ "timestamp": event.time_unix_nano / 1000, "fields": fields.collect::<Vec<_>>() })
}

fn tag(kv: &KeyValue) -> Value {
    let value = kv.value.as_ref().and_then(|value| value.value.as_ref());
    let (kind, value) = match value {
        Some(Any::BoolValue(is)) => ("bool", (*is).into()),
        Some(Any::IntValue(number)) => ("int64", (*number).into()),
        Some(Any::DoubleValue(number)) if number.is_finite() => ("float64", (*number).into()),
        _ => ("string", Value::String(text_of(kv))),
    };
    json!({ "key": kv.key, "type": kind, "value": value })
}

fn text_of(kv: &KeyValue) -> String {
    kv.value
        .as_ref()
        .map(|value| text(value).into_owned())
        .unwrap_or_default()
}

fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

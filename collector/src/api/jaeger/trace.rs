//! A trace in Jaeger's JSON, by OpenTelemetry's mapping
//! (<https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/>).
//!
//! ```text
//! resource     a process: service.name is its serviceName, the rest its tags
//! parent       a reference CHILD_OF; links are references FOLLOWS_FROM
//! kind, status, scope, trace state    tags: span.kind, error, otel.*, w3c.tracestate
//! events       logs, of which the field `event` is the event's name
//! ```

use serde::ser::{Serialize, SerializeStruct as _, Serializer};
use serde_json::{Value, json};
use sonde_proto::otlp::common::{KeyValue, any_value::Value as Any};
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{
    ScopeSpans, Span, TracesData, span::Event, span::SpanKind, status::StatusCode,
};
use sonde_proto::otlp::{kv, text};
use sonde_proto::{TraceId, semconv};
use std::collections::{HashMap, HashSet};

/// What is said of a resource without a name.
const SERVICE_UNKNOWN: &str = "unknown_service";

/// A trace, written a span at a time: as JSON in memory, its spans would take many times the
/// text's bytes.
pub(super) struct Trace<'a> {
    id: &'a TraceId,
    data: &'a TracesData,
    /// Why it may have more spans.
    cut: Option<&'a str>,
    /// The number of each resource's process.
    numbers: Vec<usize>,
    /// Where among the resources each process stands first.
    processes: Vec<usize>,
    /// The IDs of its spans.
    ids: HashSet<&'a [u8]>,
}

impl<'a> Trace<'a> {
    pub(super) fn new(id: &'a TraceId, data: &'a TracesData, cut: Option<&'a str>) -> Self {
        let mut known: HashMap<String, usize> = HashMap::new();
        let mut numbers = Vec::with_capacity(data.resource_spans.len());
        let mut processes = Vec::new();
        for (at, resource_spans) in data.resource_spans.iter().enumerate() {
            let process = process(resource_spans.resource.as_ref()).to_string();
            numbers.push(*known.entry(process).or_insert_with(|| {
                processes.push(at);
                processes.len()
            }));
        }
        let scopes = data.resource_spans.iter().flat_map(|of| &of.scope_spans);
        let spans = scopes.flat_map(|scope| &scope.spans);
        Self {
            id,
            data,
            cut,
            numbers,
            processes,
            ids: spans.map(|span| span.span_id.as_slice()).collect(),
        }
    }

    fn warnings(&self, span: &Span) -> Option<[String; 1]> {
        let parent = span.parent_span_id.as_slice();
        let is_known = parent.is_empty() || self.ids.contains(parent);
        (!is_known).then(|| [orphaned(parent)])
    }
}

/// The warning on a span whose parent is not here.
pub(super) fn orphaned(parent: &[u8]) -> String {
    format!(
        "its parent span {} is not here: it was not sent, has not arrived yet, is not kept, or is beyond what is shown",
        hex(parent)
    )
}

impl Serialize for Trace<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut fields = to.serialize_struct("Trace", 4)?;
        fields.serialize_field("traceID", self.id)?;
        fields.serialize_field("spans", &Spans(self))?;
        fields.serialize_field("processes", &Processes(self))?;
        fields.serialize_field("warnings", &self.cut.map(|message| [message]))?;
        fields.end()
    }
}

struct Spans<'a>(&'a Trace<'a>);

impl Serialize for Spans<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(trace) = self;
        let resources = trace.data.resource_spans.iter().zip(&trace.numbers);
        to.collect_seq(resources.flat_map(|(resource_spans, number)| {
            let key = format!("p{number}");
            let scopes = resource_spans.scope_spans.iter();
            let spans = scopes.flat_map(|scope| scope.spans.iter().map(move |one| (scope, one)));
            spans.map(move |(scope, one)| span(trace, scope, one, &key))
        }))
    }
}

struct Processes<'a>(&'a Trace<'a>);

impl Serialize for Processes<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self(trace) = self;
        let processes = trace.processes.iter().enumerate();
        to.collect_map(processes.map(|(before, at)| {
            let resource = trace.data.resource_spans.get(*at);
            let resource = resource.and_then(|of| of.resource.as_ref());
            (format!("p{}", before + 1), process(resource))
        }))
    }
}

pub(super) fn process(resource: Option<&Resource>) -> Value {
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

fn span(trace: &Trace<'_>, scope: &ScopeSpans, span: &Span, process: &str) -> Value {
    let id = trace.id;
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
        "warnings": trace.warnings(span),
    })
}

pub(super) fn references(id: &TraceId, span: &Span) -> Vec<Value> {
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

pub(super) fn tags(scope: &ScopeSpans, span: &Span) -> Vec<Value> {
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

pub(super) fn log(event: &Event) -> Value {
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

pub(super) fn hex(id: &[u8]) -> String {
    id.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_proto::otlp::trace::ResourceSpans;

    fn of(host: &str) -> ResourceSpans {
        ResourceSpans {
            resource: Some(Resource {
                attributes: vec![kv("service.name", "web"), kv("host.name", host)],
                ..Resource::default()
            }),
            scope_spans: vec![ScopeSpans {
                spans: vec![Span::default()],
                ..ScopeSpans::default()
            }],
            ..ResourceSpans::default()
        }
    }

    /// As many as a trace may have: comparing each with all before it would take minutes.
    #[test]
    fn resources_that_are_alike_are_one_process_however_many_there_are() {
        const COUNT: usize = 50_000;
        let mut resource_spans: Vec<_> = (0..COUNT).map(|n| of(&n.to_string())).collect();
        resource_spans.push(of("7"));
        let data = TracesData { resource_spans };
        let id = TraceId::from_short_hex("aa").unwrap();
        let trace = Trace::new(&id, &data, Some("more"));
        let text = serde_json::to_vec(&trace).unwrap();
        let found: Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(found["processes"].as_object().unwrap().len(), COUNT);
        let spans = found["spans"].as_array().unwrap();
        assert_eq!(spans.len(), COUNT + 1);
        for (at, host) in [(0, "0"), (7, "7"), (COUNT - 1, "49999"), (COUNT, "7")] {
            let process = &found["processes"][spans[at]["processID"].as_str().unwrap()];
            assert_eq!(process["tags"][0]["value"], host);
        }
        assert_eq!(spans[COUNT]["processID"], spans[7]["processID"]);
        assert_eq!(found["warnings"], json!(["more"]));
    }
}

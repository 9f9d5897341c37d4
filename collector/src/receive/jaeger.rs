//! Jaeger's spans, as its clients and agents send them: `jaeger.api_v2.CollectorService` over
//! gRPC ([`protobuf`]) and Thrift's binary protocol over HTTP ([`thrift`], `POST /api/traces`).
//!
//! What becomes what is the reverse of OpenTelemetry's mapping
//! (<https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/>):
//!
//! ```text
//! process          the resource; its service is service.name, hostname is host.name
//! references       the first CHILD_OF of the same trace, or else FOLLOWS_FROM, is the parent;
//!                  the others are links
//! span.kind        kind; a span without one is internal
//! tags, logs       attributes, events; a log's field `event` is the event's name; without one it
//!                  is called as its `message` says, which stays a field
//! error, otel.*    status, scope and counts of what was dropped
//! warnings         an attribute, jaeger.warnings
//! ```

mod protobuf;
mod thrift;

pub(super) use protobuf::read as read_protobuf;

use super::translated::{self, Format, Translated, attribute};
use crate::admit::Admission;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use sonde_proto::otlp::common::{AnyValue, ArrayValue, KeyValue, any_value::Value};
use sonde_proto::otlp::trace::span::{Event, Link, SpanKind};
use sonde_proto::otlp::{any_kv, text, trace};
use sonde_proto::{SpanId, TraceId, semconv};
use std::sync::Arc;

/// What a span takes at least, once read.
const SPAN_BYTES: usize = 400;

const THRIFT: Format = Format {
    of: "Jaeger",
    types: &[
        "application/x-thrift",
        "application/vnd.apache.thrift.binary",
    ],
    advice: "",
};

/// The routes of the door for Thrift.
pub(crate) fn router(admission: Arc<Admission>) -> axum::Router {
    let decompress = tower_http::decompression::RequestDecompressionLayer::new();
    axum::Router::new()
        .route("/api/traces", post(traces))
        .layer(decompress)
        .with_state(admission)
}

async fn traces(
    State(admission): State<Arc<Admission>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    translated::answered(&THRIFT, &admission, &headers, body, thrift::read).await
}

/// A span as Jaeger has it, with times in nanoseconds.
#[derive(Debug, Default, PartialEq)]
struct JaegerSpan {
    trace_id: Vec<u8>,
    span_id: Vec<u8>,
    /// Of Thrift alone.
    parent_span_id: Option<Vec<u8>>,
    name: String,
    references: Vec<Reference>,
    flags: u32,
    start: Option<u64>,
    duration: Option<u64>,
    tags: Vec<KeyValue>,
    logs: Vec<Log>,
    warnings: Vec<String>,
}

#[derive(Debug, Default, PartialEq)]
struct Reference {
    trace_id: Vec<u8>,
    span_id: Vec<u8>,
    follows_from: bool,
}

#[derive(Debug, Default, PartialEq)]
struct Log {
    time: u64,
    fields: Vec<KeyValue>,
}

#[derive(Debug, Default, PartialEq)]
struct Process {
    service: String,
    tags: Vec<KeyValue>,
}

impl Process {
    fn into_attributes(self) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(self.tags.len() + 1);
        if !self.service.is_empty() {
            attributes.push(attribute(semconv::SERVICE_NAME, self.service));
        }
        for mut kv in self.tags {
            match kv.key.as_str() {
                semconv::SERVICE_NAME if !attributes.is_empty() => continue,
                "hostname" => semconv::HOST_NAME.clone_into(&mut kv.key),
                _ => {}
            }
            attributes.push(kv);
        }
        attributes
    }
}

/// Adds a span, or what is wrong with it.
fn put(all: &mut Translated, resource: usize, number: usize, span: JaegerSpan) {
    match translate(span) {
        Ok(span) => all.span(resource, span),
        Err(fault) => all.leave_out(|| format!("span {number}: {fault}")),
    }
}

fn translate(span: JaegerSpan) -> Result<trace::Span, String> {
    let trace_id =
        TraceId::from_slice(&padded(&span.trace_id)).map_err(|error| error.to_string())?;
    SpanId::from_slice(&span.span_id).map_err(|error| error.to_string())?;
    let start = span.start.ok_or("its start is no time from 1970 to 2554")?;
    let end = span
        .duration
        .and_then(|duration| start.checked_add(duration));
    let end = end.ok_or("its duration is negative or reaches beyond the year 2554")?;
    let mut references = span.references;
    let own = trace_id.as_bytes();
    let parent = span
        .parent_span_id
        .unwrap_or_else(|| take_parent(own, &mut references));
    let parent = SpanId::from_slice(&parent)
        .map(|id| id.as_bytes().to_vec())
        .unwrap_or_default();
    references
        .retain(|reference| padded(&reference.trace_id) != own || reference.span_id != parent);
    let mut attributes = span.tags;
    let mut kind = SpanKind::Internal;
    let mut trace_state = String::new();
    attributes.retain(|kv| match kv.key.as_str() {
        "span.kind" => {
            kind = kind_of(&text_of(kv));
            false
        }
        "w3c.tracestate" => {
            trace_state = text_of(kv);
            false
        }
        _ => true,
    });
    if !span.warnings.is_empty() {
        let text = |text| AnyValue {
            value: Some(Value::StringValue(text)),
        };
        let values = span.warnings.into_iter().map(text).collect();
        attributes.push(any_kv(
            "jaeger.warnings",
            Value::ArrayValue(ArrayValue { values }),
        ));
    }
    Ok(trace::Span {
        trace_id: own.to_vec(),
        span_id: span.span_id,
        parent_span_id: parent,
        trace_state,
        flags: span.flags & 1,
        name: span.name,
        kind: kind as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes,
        events: span.logs.into_iter().map(event).collect(),
        links: references.iter().filter_map(link).collect(),
        ..trace::Span::default()
    })
}

/// The parent among the references.
fn take_parent(own: &[u8; 16], references: &mut [Reference]) -> Vec<u8> {
    let mut of_trace = references
        .iter()
        .filter(|reference| padded(&reference.trace_id) == own);
    let first = of_trace.clone().next();
    let parent = of_trace.find(|reference| !reference.follows_from).or(first);
    parent
        .map(|parent| parent.span_id.clone())
        .unwrap_or_default()
}

/// Trace IDs may be sent without the zeros before them.
fn padded(id: &[u8]) -> Vec<u8> {
    if id.len() >= 16 {
        return id.to_vec();
    }
    let mut padded = vec![0; 16 - id.len()];
    padded.extend_from_slice(id);
    padded
}

fn kind_of(text: &str) -> SpanKind {
    match text {
        "client" => SpanKind::Client,
        "server" => SpanKind::Server,
        "producer" => SpanKind::Producer,
        "consumer" => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

fn link(reference: &Reference) -> Option<Link> {
    let kind = if reference.follows_from {
        "follows_from"
    } else {
        "child_of"
    };
    Some(Link {
        trace_id: TraceId::from_slice(&padded(&reference.trace_id))
            .ok()?
            .as_bytes()
            .to_vec(),
        span_id: SpanId::from_slice(&reference.span_id)
            .ok()?
            .as_bytes()
            .to_vec(),
        attributes: vec![attribute("opentracing.ref_type", kind)],
        ..Link::default()
    })
}

fn event(log: Log) -> Event {
    let mut name = String::new();
    let mut attributes = log.fields;
    if let Some(at) = attributes.iter().position(|kv| kv.key == "event") {
        name = text_of(&attributes.remove(at));
    } else if let Some(message) = attributes.iter().find(|kv| kv.key == "message") {
        name = text_of(message);
    }
    Event {
        time_unix_nano: log.time,
        name,
        attributes,
        ..Event::default()
    }
}

fn text_of(kv: &KeyValue) -> String {
    kv.value
        .as_ref()
        .map(|value| text(value).into_owned())
        .unwrap_or_default()
}

/// A tag as an attribute.
fn tag(key: String, value: Value) -> KeyValue {
    let mut kv = any_kv("", value);
    kv.key = key;
    kv
}

#[cfg(test)]
mod tests;

//! `jaeger.api_v2.QueryService` over gRPC, which Kiali and older programs ask
//! (<https://github.com/jaegertracing/jaeger-idl/blob/main/proto/api_v2/query.proto>). What is
//! asked has the same fields as in version 3; traces are Jaeger's spans, mapped as in its JSON
//! ([`super::super::trace`]), with times in nanoseconds.

use super::super::trace::{hex, log, orphaned, process, references, tags};
use super::{FindRequest, Name, OperationsRequest, Time, dependencies, operations_of, services};
use crate::api::grpc::{Parts, in_parts, many, one, service};
use crate::api::{Api, ApiError};
use axum::Router;
use axum::http::HeaderMap;
use prost::Message;
use serde_json::Value;
use sonde_proto::TraceId;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_traces::OtlpTrace;
use std::collections::HashSet;
use tonic::Status;

/// A reference to a parent.
const CHILD_OF: i32 = 0;

pub(super) fn router() -> Router<Api> {
    let methods = Router::new()
        .route("/GetTrace", many(trace))
        .route("/FindTraces", many(traces))
        .route("/GetServices", one(services))
        .route("/GetOperations", one(operations))
        .route("/GetDependencies", one(dependencies));
    service("jaeger.api_v2.QueryService", methods)
}

/// Times are read and left: a trace by its ID needs none.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TraceRequest {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Chunk {
    #[prost(message, repeated, tag = "1")]
    pub(super) spans: Vec<SpanMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SpanMessage {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    #[prost(string, tag = "3")]
    pub(super) operation_name: String,
    #[prost(message, repeated, tag = "4")]
    pub(super) references: Vec<Reference>,
    #[prost(uint32, tag = "5")]
    pub(super) flags: u32,
    #[prost(message, optional, tag = "6")]
    pub(super) start_time: Option<Time>,
    #[prost(message, optional, tag = "7")]
    pub(super) duration: Option<Time>,
    #[prost(message, repeated, tag = "8")]
    pub(super) tags: Vec<Tag>,
    #[prost(message, repeated, tag = "9")]
    pub(super) logs: Vec<Log>,
    #[prost(message, optional, tag = "10")]
    pub(super) process: Option<Process>,
    #[prost(string, repeated, tag = "12")]
    pub(super) warnings: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Reference {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) trace_id: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(super) span_id: Vec<u8>,
    /// 0 is a child, 1 what follows.
    #[prost(int32, tag = "3")]
    pub(super) kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Tag {
    #[prost(string, tag = "1")]
    pub(super) key: String,
    /// Which of the values it has: text, boolean, whole number or number.
    #[prost(int32, tag = "2")]
    pub(super) kind: i32,
    #[prost(string, tag = "3")]
    pub(super) text: String,
    #[prost(bool, tag = "4")]
    pub(super) is: bool,
    #[prost(int64, tag = "5")]
    pub(super) whole: i64,
    #[prost(double, tag = "6")]
    pub(super) number: f64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Log {
    #[prost(message, optional, tag = "1")]
    pub(super) timestamp: Option<Time>,
    #[prost(message, repeated, tag = "2")]
    pub(super) fields: Vec<Tag>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Process {
    #[prost(string, tag = "1")]
    pub(super) service_name: String,
    #[prost(message, repeated, tag = "2")]
    pub(super) tags: Vec<Tag>,
}

async fn trace(
    api: Api,
    headers: HeaderMap,
    request: TraceRequest,
) -> Result<Parts<Chunk>, Status> {
    let id = super::trace_id(&hex(&request.trace_id))?;
    super::by_id(api, headers, id, chunks).await
}

async fn traces(
    api: Api,
    headers: HeaderMap,
    request: FindRequest,
) -> Result<Parts<Chunk>, Status> {
    super::found(api, headers, request, chunks).await
}

/// A trace's spans, as many in a part as a client takes.
fn chunks(id: &TraceId, trace: &OtlpTrace) -> Result<Vec<Chunk>, ApiError> {
    let mut spans = Vec::new();
    for message in trace.resource_spans() {
        let decoded = ResourceSpans::decode(message);
        let decoded = decoded.map_err(|error| ApiError::internal(error.to_string()))?;
        let process = process_of(&process(decoded.resource.as_ref()));
        for scope in &decoded.scope_spans {
            let all = scope.spans.iter();
            spans.extend(all.map(|span| span_of(id, scope, span, &process)));
        }
    }
    warn(&mut spans, trace.cut.as_deref());
    let parts = in_parts(spans).into_iter();
    Ok(parts.map(|spans| Chunk { spans }).collect())
}

/// Says on spans whose parents are not here that they are not; and on the first why the trace is
/// not whole, for which there is no other place.
fn warn(spans: &mut [SpanMessage], cut: Option<&str>) {
    let ids: HashSet<Vec<u8>> = spans.iter().map(|span| span.span_id.clone()).collect();
    for span in &mut *spans {
        let parents = span.references.iter().filter(|reference| {
            reference.kind == CHILD_OF
                && reference.trace_id == span.trace_id
                && !ids.contains(&reference.span_id)
        });
        span.warnings = parents.map(|parent| orphaned(&parent.span_id)).collect();
    }
    if let (Some(first), Some(cut)) = (spans.first_mut(), cut) {
        first.warnings.push(cut.to_owned());
    }
}

fn span_of(id: &TraceId, scope: &ScopeSpans, span: &Span, process: &Process) -> SpanMessage {
    let start = span.start_time_unix_nano;
    let logs = span.events.iter().map(|event| Log {
        timestamp: Some(Time::of(event.time_unix_nano)),
        fields: tags_of(&log(event)["fields"]),
    });
    let reference = |reference: &Value| Reference {
        trace_id: bytes(&reference["traceID"]),
        span_id: bytes(&reference["spanID"]),
        kind: i32::from(reference["refType"] == "FOLLOWS_FROM"),
    };
    SpanMessage {
        trace_id: id.as_bytes().to_vec(),
        span_id: span.span_id.clone(),
        operation_name: span.name.clone(),
        references: references(id, span).iter().map(reference).collect(),
        flags: span.flags & 1,
        start_time: Some(Time::of(start)),
        duration: Some(Time::of(span.end_time_unix_nano.saturating_sub(start))),
        tags: tags(scope, span).iter().map(tag_of).collect(),
        logs: logs.collect(),
        process: Some(process.clone()),
        warnings: Vec::new(),
    }
}

fn process_of(process: &Value) -> Process {
    Process {
        service_name: text(&process["serviceName"]),
        tags: tags_of(&process["tags"]),
    }
}

fn tags_of(tags: &Value) -> Vec<Tag> {
    let tags = tags.as_array().map_or(&[][..], Vec::as_slice);
    tags.iter().map(tag_of).collect()
}

fn tag_of(tag: &Value) -> Tag {
    let key = text(&tag["key"]);
    let none = Tag {
        key,
        ..Tag::default()
    };
    match (&tag["value"], tag["type"].as_str()) {
        (Value::Bool(is), _) => Tag {
            kind: 1,
            is: *is,
            ..none
        },
        (Value::Number(number), Some("int64")) => Tag {
            kind: 2,
            whole: number.as_i64().unwrap_or_default(),
            ..none
        },
        (Value::Number(number), _) => Tag {
            kind: 3,
            number: number.as_f64().unwrap_or_default(),
            ..none
        },
        (other, _) => Tag {
            text: text(other),
            ..none
        },
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// The bytes of hex digits.
fn bytes(hex: &Value) -> Vec<u8> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).unwrap_or_default() as u8;
    let digits = hex.as_str().unwrap_or_default().as_bytes();
    let pairs = digits.chunks_exact(2);
    pairs
        .map(|pair| digit(&pair[0]) << 4 | digit(&pair[1]))
        .collect()
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct Operations {
    /// For the oldest clients.
    #[prost(string, repeated, tag = "1")]
    pub(super) names: Vec<String>,
    #[prost(message, repeated, tag = "2")]
    pub(super) operations: Vec<Name>,
}

async fn operations(
    api: Api,
    headers: HeaderMap,
    request: OperationsRequest,
) -> Result<Operations, Status> {
    let names = operations_of(&api, &headers, request).await?;
    Ok(Operations {
        operations: super::names(names.clone()),
        names,
    })
}

//! Zipkin's spans, version 2, as JSON (<https://zipkin.io/zipkin-api/#/default/post_spans>).
//!
//! `POST /api/v2/spans`, with gzip, zstd or no compression, is answered 202. What becomes what
//! is the reverse of OpenTelemetry's mapping
//! (<https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/>):
//!
//! ```text
//! localEndpoint.serviceName   the resource's service.name
//! kind                        kind; a span without one is internal
//! timestamp, duration (µs)    start and end; a span without a timestamp begins with its first
//!                             annotation, and one without any when it arrives
//! tags, annotations           attributes, events
//! error, otel.*               status, scope and counts of what was dropped
//! localEndpoint, remoteEndpoint   network.local.*, network.peer.* and peer.service
//! ```
//!
//! A server's span may share its client's ID (`shared`). Here an ID names one span, so the
//! server's gets one of its own, made of the shared one, with the client's as its parent; spans
//! of the same service and request whose parent is the shared ID follow it.

use super::otlp_http::{OBJECT_BYTES, outside_strings};
use super::translated::{self, Format, PART_BYTES, Room, Translated, attribute, nanos_of_micros};
use crate::admit::Admission;
use axum::body::Body;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use axum::routing::post;
use sha2::{Digest as _, Sha256};
use sonde_proto::otlp::any_kv;
use sonde_proto::otlp::common::{KeyValue, any_value::Value};
use sonde_proto::otlp::trace::{Span, span::Event, span::SpanKind};
use sonde_proto::{SpanId, TraceId, UnixNanos, semconv};
use std::collections::HashSet;
use std::sync::Arc;

mod json;

use json::{Annotation, Endpoint, ZipkinSpan};

const FORMAT: Format = Format {
    of: "Zipkin",
    types: &["application/json"],
    advice: "; set the reporter's encoding to JSON version 2",
};

/// The routes of this door.
pub(crate) fn router(admission: Arc<Admission>) -> axum::Router {
    let decompress = tower_http::decompression::RequestDecompressionLayer::new();
    axum::Router::new()
        .route("/api/v2/spans", post(spans))
        .layer(decompress)
        .with_state(admission)
}

async fn spans(
    State(admission): State<Arc<Admission>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let now = admission.now();
    let read = move |body: &[u8]| read(body, now);
    translated::answered(&FORMAT, &admission, &headers, body, read).await
}

/// Reads a request that arrived at `now`.
pub(super) fn read(body: &[u8], now: UnixNanos) -> Result<Translated, String> {
    let mut room = Room::of(body.len());
    room.take(needed(body))?;
    let spans: Vec<ZipkinSpan> = serde_json::from_slice(body)
        .map_err(|error| format!("it is no list of Zipkin's spans in JSON: {error}"))?;
    // Their texts become attributes as well.
    let annotations = spans.iter().filter_map(|span| span.annotations.as_ref());
    for text in annotations.flatten().filter_map(|one| one.value.as_ref()) {
        room.take(needed(text.as_bytes()))?;
    }
    let shared: HashSet<_> = spans
        .iter()
        .filter(|span| span.shared == Some(true))
        .filter_map(place)
        .collect();
    let mut all = Translated::default();
    for (number, span) in spans.into_iter().enumerate() {
        let service = span
            .local_endpoint
            .as_ref()
            .and_then(|local| local.service_name.clone());
        match translate(span, &shared, now) {
            Ok(span) => {
                let name = service.filter(|name| !name.is_empty());
                let resource = all.resource(
                    name.into_iter()
                        .map(|name| attribute(semconv::SERVICE_NAME, name))
                        .collect(),
                );
                all.span(resource, span);
            }
            Err(fault) => all.leave_out(|| format!("span {}: {fault}", number + 1)),
        }
    }
    Ok(all)
}

/// How much memory a JSON text needs at most once read: each of its objects, and each part of
/// one, as a tag is, however short its text.
fn needed(text: &[u8]) -> usize {
    outside_strings(text, b'{') * OBJECT_BYTES + outside_strings(text, b',') * PART_BYTES
}

/// Whose span it is, of all that may share its ID.
type Place = (TraceId, SpanId, Option<String>);

fn place(span: &ZipkinSpan) -> Option<Place> {
    let trace_id = trace_id(span.trace_id.as_deref()?).ok()?;
    let id = span_id("id", span.id.as_deref()?).ok()?;
    Some((trace_id, id, service_of(span)))
}

fn service_of(span: &ZipkinSpan) -> Option<String> {
    span.local_endpoint.as_ref()?.service_name.clone()
}

fn translate(span: ZipkinSpan, shared: &HashSet<Place>, now: UnixNanos) -> Result<Span, String> {
    let trace_id = trace_id(span.trace_id.as_deref().ok_or("it has no traceId")?)?;
    let id = span_id("id", span.id.as_deref().ok_or("it has no id")?)?;
    let parent = span.parent_id.as_deref().filter(|id| !id.is_empty());
    let parent = parent.map(|id| span_id("parentId", id)).transpose()?;
    let own_of_shared = |id: SpanId| {
        let is_shared = shared.contains(&(trace_id, id, service_of(&span)));
        if is_shared {
            server_id(trace_id, id)
        } else {
            id.as_bytes().to_vec()
        }
    };
    let (span_id, parent_span_id) = if span.shared == Some(true) {
        (server_id(trace_id, id), id.as_bytes().to_vec())
    } else {
        (
            id.as_bytes().to_vec(),
            parent.map(own_of_shared).unwrap_or_default(),
        )
    };
    let annotations = span.annotations.unwrap_or_default();
    let start = match span.timestamp.filter(|micros| *micros != 0.0) {
        Some(micros) => nanos("timestamp", micros)?,
        None => first(&annotations)?.unwrap_or(now.0),
    };
    let duration = span
        .duration
        .map_or(Ok(0), |micros| nanos("duration", micros))?;
    let end = start
        .checked_add(duration)
        .ok_or("its duration reaches beyond the year 2554")?;
    let mut attributes = span.tags.unwrap_or_default().0;
    put_endpoint(&mut attributes, "network.local", None, span.local_endpoint);
    put_endpoint(
        &mut attributes,
        "network.peer",
        Some("peer.service"),
        span.remote_endpoint,
    );
    if span.debug == Some(true) {
        attributes.push(any_kv("zipkin.debug", Value::BoolValue(true)));
    }
    Ok(Span {
        trace_id: trace_id.as_bytes().to_vec(),
        span_id,
        parent_span_id,
        name: span.name.unwrap_or_default(),
        kind: kind(span.kind.as_deref()) as i32,
        start_time_unix_nano: start,
        end_time_unix_nano: end,
        attributes,
        events: annotations
            .into_iter()
            .map(event)
            .collect::<Result<_, _>>()?,
        ..Span::default()
    })
}

/// 16 to 32 hex digits; the shorter form is the end of the longer.
fn trace_id(text: &str) -> Result<TraceId, String> {
    TraceId::from_short_hex(text).map_err(|_| {
        format!(
            "traceId {:?} is not 16 to 32 hex digits that are not all zero",
            shown(text)
        )
    })
}

fn span_id(name: &str, text: &str) -> Result<SpanId, String> {
    SpanId::from_hex(text).map_err(|_| {
        format!(
            "{name} {:?} is not 16 hex digits that are not all zero",
            shown(text)
        )
    })
}

fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The ID of a server's span that shares its client's: the same whenever it is sent again.
fn server_id(trace_id: TraceId, id: SpanId) -> Vec<u8> {
    let hash = Sha256::new()
        .chain_update(b"shared")
        .chain_update(trace_id.as_bytes())
        .chain_update(id.as_bytes())
        .finalize();
    let mut own = hash[..8].to_vec();
    own[0] |= 1;
    own
}

fn kind(text: Option<&str>) -> SpanKind {
    match text {
        Some("CLIENT") => SpanKind::Client,
        Some("SERVER") => SpanKind::Server,
        Some("PRODUCER") => SpanKind::Producer,
        Some("CONSUMER") => SpanKind::Consumer,
        _ => SpanKind::Internal,
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is neither negative nor beyond the largest number of microseconds fits"
)]
fn nanos(name: &str, micros: f64) -> Result<u64, String> {
    let is_time = micros >= 0.0 && micros < u64::MAX as f64;
    let found = is_time
        .then(|| nanos_of_micros(micros.round() as u64))
        .flatten();
    found.ok_or_else(|| format!("{name} {micros} is no number of microseconds up to the year 2554"))
}

/// The earliest annotation.
fn first(annotations: &[Annotation]) -> Result<Option<u64>, String> {
    let times = annotations
        .iter()
        .filter_map(|annotation| annotation.timestamp);
    let times: Result<Vec<u64>, String> = times.map(|micros| nanos("annotation", micros)).collect();
    Ok(times?.into_iter().min())
}

fn event(annotation: Annotation) -> Result<Event, String> {
    let time = annotation.timestamp.unwrap_or_default();
    let value = annotation.value.unwrap_or_default();
    let (name, attributes) = json::named(&value).unwrap_or((value, Vec::new()));
    Ok(Event {
        time_unix_nano: nanos("annotation", time)?,
        name,
        attributes,
        ..Event::default()
    })
}

fn put_endpoint(
    attributes: &mut Vec<KeyValue>,
    prefix: &str,
    service: Option<&str>,
    endpoint: Option<Endpoint>,
) {
    let Some(endpoint) = endpoint else { return };
    let mut put = |key: &str, value: Value| {
        if !attributes.iter().any(|kv| kv.key == key) {
            attributes.push(any_kv(key, value));
        }
    };
    if let (Some(key), Some(name)) = (
        service,
        endpoint.service_name.filter(|name| !name.is_empty()),
    ) {
        put(key, Value::StringValue(name));
    }
    if let Some(address) = endpoint
        .ipv4
        .or(endpoint.ipv6)
        .filter(|address| !address.is_empty())
    {
        put(&format!("{prefix}.address"), Value::StringValue(address));
    }
    if let Some(port) = endpoint.port.filter(|port| *port > 0) {
        put(&format!("{prefix}.port"), Value::IntValue(port));
    }
}

#[cfg(test)]
mod tests;

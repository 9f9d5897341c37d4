//! `GET /api/traces/{id}` and `GET /api/v2/traces/{id}`: a trace, as protobuf where the client
//! asks for it, else as JSON. No time range is needed; `start` and `end` are read and left.

use super::answer::TempoError;
use super::parameters::Parameters;
use super::protobuf::{self, PartialStatus, TraceById};
use super::{Api, json, tenant};
use crate::api::ApiError;
use crate::api::answer::cut_short;
use crate::api::items::Items;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use prost::Message as _;
use serde_json::json;
use sonde_proto::TraceId;
use sonde_proto::otlp::trace::ResourceSpans;
use sonde_traces::OtlpTrace;

/// The bare trace.
pub(super) async fn bare(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let write = |trace: OtlpTrace, in_protobuf: bool| {
        // The message has no place for it.
        let warning = cut_short(trace.cut.as_deref());
        let answer = match in_protobuf {
            true => written(trace.bytes),
            false => in_json(&trace, r#"{"batches":["#, "]}")?,
        };
        Ok((warning, answer).into_response())
    };
    answered(&api, &headers, &id, &parameters, write).await
}

/// The trace, and whether it is whole.
pub(super) async fn wrapped(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let write = |trace: OtlpTrace, in_protobuf: bool| {
        if !in_protobuf {
            let rest = trace.cut.as_ref().map_or_else(
                || "}".to_owned(),
                |message| format!(r#","status":"PARTIAL","message":{}}}"#, json!(message)),
            );
            let close = format!(r#"]}},"metrics":{{}}{rest}"#);
            return in_json(&trace, r#"{"trace":{"resourceSpans":["#, &close);
        }
        let status = match trace.cut {
            Some(_) => PartialStatus::Partial,
            None => PartialStatus::Complete,
        };
        let response = TraceById {
            trace: Some(trace.bytes),
            status: status as i32,
            message: trace.cut.unwrap_or_default(),
        };
        Ok(written(response.encode_to_vec()))
    };
    answered(&api, &headers, &id, &parameters, write).await
}

/// Finds a trace and writes it, in one turn.
async fn answered(
    api: &Api,
    headers: &HeaderMap,
    id: &str,
    parameters: &Parameters,
    write: impl FnOnce(OtlpTrace, bool) -> Result<Response, ApiError> + Send + 'static,
) -> Result<Response, TempoError> {
    let tenant = tenant(headers)?;
    let read = TraceId::from_short_hex(id).map_err(|_| {
        let shown: String = id.chars().take(40).collect();
        TempoError::bad_request(format!(
            "{shown:?} is no trace ID: it has up to 32 hex digits that are not all zero"
        ))
    })?;
    parameters.hints(api.now())?;
    let in_protobuf = protobuf::is_wanted(headers);
    let found = api.of(&tenant).ask(move |sources, _| {
        let traces = &sources.stores.traces;
        let found = traces.otlp(&tenant, &read);
        let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
        match found {
            Some(trace) => write(trace, in_protobuf).map(Ok),
            None => Ok(Err(traces.not_kept(&tenant, &read))),
        }
    });
    // An empty answer would be taken for a trace that is empty.
    found.await?.map_err(|why| {
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        TempoError::not_found(format!("trace not found: {read}{why}"))
    })
}

fn written(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, protobuf::PROTOBUF)], bytes).into_response()
}

/// Writes a part of the trace after the other: in JSON, one takes many times its bytes.
fn in_json(trace: &OtlpTrace, open: &str, close: &str) -> Result<Response, ApiError> {
    let damaged = |error: &dyn std::error::Error| ApiError::internal(error.to_string());
    let mut items = Items::after(open);
    for message in trace.resource_spans() {
        let decoded = ResourceSpans::decode(message).map_err(|error| damaged(&error))?;
        items.push(&json::resource_spans(&decoded).map_err(|error| damaged(&error))?)?;
    }
    Ok(items.into_response(close))
}

//! `GET /api/traces/{id}` and `GET /api/v2/traces/{id}`: a trace, as protobuf where the client
//! asks for it, else as JSON. No time range is needed; `start` and `end` are read and left.

use super::answer::TempoError;
use super::parameters::Parameters;
use super::protobuf::{self, PartialStatus, TraceById};
use super::{Api, json, tenant};
use crate::api::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use prost::Message as _;
use serde_json::{Value, json};
use sonde_proto::TraceId;
use sonde_proto::otlp::trace::TracesData;
use sonde_traces::OtlpTrace;

/// The bare trace.
pub(super) async fn bare(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let trace = found(&api, &headers, &id, &parameters).await?;
    if protobuf::is_wanted(&headers) {
        return Ok(written(trace.bytes));
    }
    in_json(
        &api,
        &headers,
        trace,
        |spans, _| json!({ "batches": spans }),
    )
    .await
}

/// The trace, and whether it is whole.
pub(super) async fn wrapped(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let trace = found(&api, &headers, &id, &parameters).await?;
    if protobuf::is_wanted(&headers) {
        let status = if trace.cut.is_some() {
            PartialStatus::Partial
        } else {
            PartialStatus::Complete
        };
        let response = TraceById {
            trace: Some(trace.bytes),
            status: status as i32,
            message: trace.cut.unwrap_or_default(),
        };
        return Ok(written(response.encode_to_vec()));
    }
    let wrap = |spans: Value, cut: Option<String>| {
        let mut answer = json!({ "trace": { "resourceSpans": spans }, "metrics": {} });
        if let Some(message) = cut {
            answer["status"] = "PARTIAL".into();
            answer["message"] = message.into();
        }
        answer
    };
    in_json(&api, &headers, trace, wrap).await
}

async fn found(
    api: &Api,
    headers: &HeaderMap,
    id: &str,
    parameters: &Parameters,
) -> Result<OtlpTrace, TempoError> {
    let tenant = tenant(headers)?;
    let read = TraceId::from_short_hex(id).map_err(|_| {
        let shown: String = id.chars().take(40).collect();
        TempoError::bad_request(format!(
            "{shown:?} is no trace ID: it has up to 32 hex digits that are not all zero"
        ))
    })?;
    parameters.hints(api.now())?;
    let found = api.of(&tenant).ask(move |sources, _| {
        let found = sources.stores.traces.otlp(&tenant, &read);
        found.map_err(|error| ApiError::internal(error.to_string()))
    });
    // An empty answer would be taken for a trace that is empty.
    found
        .await?
        .ok_or_else(|| TempoError::not_found(format!("trace not found: {read}")))
}

fn written(bytes: Vec<u8>) -> Response {
    ([(header::CONTENT_TYPE, protobuf::PROTOBUF)], bytes).into_response()
}

async fn in_json(
    api: &Api,
    headers: &HeaderMap,
    trace: OtlpTrace,
    wrap: impl FnOnce(Value, Option<String>) -> Value + Send + 'static,
) -> Result<Response, TempoError> {
    let tenant = tenant(headers)?;
    let answer = api.of(&tenant).ask(move |_, _| {
        let damaged = |error: &dyn std::error::Error| ApiError::internal(error.to_string());
        let decoded =
            TracesData::decode(trace.bytes.as_slice()).map_err(|error| damaged(&error))?;
        let spans = json::resource_spans(&decoded).map_err(|error| damaged(&error))?;
        Ok(Json(wrap(spans, trace.cut)).into_response())
    });
    Ok(answer.await?)
}

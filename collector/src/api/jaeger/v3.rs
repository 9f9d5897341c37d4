//! Version 3, whose traces are OTLP: `GET /api/v3/{services,operations,traces/{id}}`

use super::answer::JaegerError;
use super::names::{operations_named, services_of};
use super::parameters::Parameters;
use super::traces::{read, trace_id};
use super::{Api, tenant};
use crate::api::ApiError;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sonde_proto::otlp::trace::TracesData;

pub(super) async fn services(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Json<Value>, JaegerError> {
    let names = services_of(&api, &headers).await?;
    Ok(Json(json!({ "services": names })))
}

pub(super) async fn operations(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Json<Value>, JaegerError> {
    let service = parameters.required("service")?.to_owned();
    let names = operations_named(&api, &headers, service).await?;
    let operation = |name: String| json!({ "name": name, "spanKind": "" });
    let operations: Vec<_> = names.into_iter().map(operation).collect();
    Ok(Json(json!({ "operations": operations })))
}

pub(super) async fn by_id(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, JaegerError> {
    let tenant = tenant(&headers)?;
    let id = trace_id(&id)?;
    let found = api.of(&tenant).ask(move |sources, _| {
        let found = read(sources, &tenant, &id)?;
        found.map(|(data, _)| result(&data)).transpose()
    });
    found.await?.ok_or_else(JaegerError::no_trace)
}

/// Spans in OTLP's JSON.
fn result(data: &TracesData) -> Result<Response, ApiError> {
    let spans =
        serde_json::to_value(data).map_err(|error| ApiError::internal(error.to_string()))?;
    Ok(Json(json!({ "result": spans })).into_response())
}

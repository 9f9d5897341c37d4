//! `GET /api/traces/{id}`

use super::answer::{JaegerError, list};
use super::parameters::Parameters;
use super::{Api, tenant, trace};
use crate::api::{ApiError, Sources};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use prost::Message as _;
use sonde_proto::otlp::trace::TracesData;
use sonde_proto::{Tenant, TraceId};

/// A trace. No time range is needed; `start` and `end` are read and left.
pub(super) async fn by_id(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let tenant = tenant(&headers)?;
    let id = trace_id(&id)?;
    parameters.time("start")?;
    parameters.time("end")?;
    let found = api.of(&tenant).ask(move |sources, _| {
        let found = read(sources, &tenant, &id)?;
        let found = found.map(|(data, cut)| trace::trace(&id, &data, cut.as_deref()));
        Ok(found.map(|trace| list(vec![trace])))
    });
    found.await?.ok_or_else(JaegerError::no_trace)
}

pub(super) fn trace_id(text: &str) -> Result<TraceId, JaegerError> {
    TraceId::from_short_hex(text).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        JaegerError::bad_request(format!(
            "{shown:?} is no trace ID: it has up to 32 hex digits that are not all zero"
        ))
    })
}

/// A trace, and why it may have more spans.
pub(super) fn read(
    sources: &Sources,
    tenant: &Tenant,
    id: &TraceId,
) -> Result<Option<(TracesData, Option<String>)>, ApiError> {
    let failed = |error: &dyn std::error::Error| ApiError::internal(error.to_string());
    let found = sources
        .stores
        .traces
        .otlp(tenant, id)
        .map_err(|error| failed(&error))?;
    let Some(found) = found else { return Ok(None) };
    let data = TracesData::decode(found.bytes.as_slice()).map_err(|error| failed(&error))?;
    Ok(Some((data, found.cut)))
}

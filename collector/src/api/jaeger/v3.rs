//! Version 3, whose traces are OTLP:
//! `GET /api/v3/{services,operations,traces,traces/{id},trace-summaries}`

use super::answer::JaegerError;
use super::names::{operations_named, services_of};
use super::parameters::Parameters;
use super::search::{Asked, Names};
use super::traces::{read, trace_id, written};
use super::{Api, tenant};
use crate::api::ApiError;
use crate::api::answer::cut_short;
use crate::api::items::Items;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use prost::Message as _;
use serde_json::{Value, json};
use sonde_proto::TraceId;
use sonde_proto::otlp::trace::ResourceSpans;
use sonde_traces::{OtlpTrace, TraceAnswer, TraceSummary};

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
        let Some(trace) = read(sources, &tenant, &id)? else {
            return Ok(Err(sources.stores.traces.not_kept(&tenant, &id)));
        };
        let mut items = Items::after(RESULT_OPEN);
        put(&mut items, &id, &trace)?;
        let warning = cut_short(trace.cut.as_deref());
        Ok(Ok(
            (warning, items.into_response(RESULT_CLOSE)).into_response()
        ))
    });
    found
        .await?
        .map_err(|why| JaegerError::no_trace(why.as_deref()))
}

const NAMES: Names = Names {
    service: "query.service_name",
    operation: "query.operation_name",
    tags: "query.attributes",
    shortest: "query.duration_min",
    longest: "query.duration_max",
    limit: "query.search_depth",
};

pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let found = found(&api, &headers, &parameters).await?;
    let ids = found
        .traces
        .iter()
        .map(|found| found.summary.trace_id)
        .collect();
    let close = |_| RESULT_CLOSE.to_owned();
    let (answer, in_part) = written(&api, &headers, ids, RESULT_OPEN, put, close).await?;
    let cut = found.cut.or(in_part);
    Ok((cut_short(cut.as_deref()), answer).into_response())
}

pub(super) async fn summaries(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let found = found(&api, &headers, &parameters).await?;
    let summaries: Vec<_> = found
        .traces
        .iter()
        .map(|found| summary(&found.summary))
        .collect();
    let body = Json(json!({ "summaries": summaries }));
    Ok((cut_short(found.cut.as_deref()), body).into_response())
}

fn summary(summary: &TraceSummary) -> Value {
    let end = summary.start.0.saturating_add(summary.duration_nanos);
    let services = summary.services.iter().map(|name| json!({ "name": name }));
    json!({
        "traceId": summary.trace_id,
        "rootServiceName": summary.root_service,
        "rootOperationName": summary.root_name,
        "minStartTimeUnixNano": summary.start.0.to_string(),
        "maxEndTimeUnixNano": end.to_string(),
        "spanCount": summary.spans,
        "errorSpanCount": summary.errors,
        "services": services.collect::<Vec<_>>(),
    })
}

pub(super) async fn found(
    api: &Api,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<TraceAnswer, JaegerError> {
    let now = api.now();
    let time = |name| {
        let text = parameters.get(name);
        text.map(|text| crate::api::time::instant(name, text, now))
            .transpose()
    };
    let period = (time("query.start_time_min")?, time("query.start_time_max")?);
    Asked::read(&NAMES, parameters, period, now)?
        .found(api, headers)
        .await
}

/// What stands around spans in OTLP's JSON.
const RESULT_OPEN: &str = r#"{"result":{"resourceSpans":["#;
const RESULT_CLOSE: &str = "]}}";

/// Puts a trace's spans, a part of them at a time.
fn put(items: &mut Items, _: &TraceId, trace: &OtlpTrace) -> Result<(), ApiError> {
    trace.resource_spans().try_for_each(|message| {
        let one = ResourceSpans::decode(message);
        items.push(&one.map_err(|error| ApiError::internal(error.to_string()))?)
    })
}

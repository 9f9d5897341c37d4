//! `GET /api/traces/{id}` and `GET /api/traces`

use super::answer::{JaegerError, list};
use super::parameters::Parameters;
use super::search::{Asked, Names};
use super::{Api, tenant, trace};
use crate::api::answer::cut_short;
use crate::api::{ApiError, Sources};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
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

const NAMES: Names = Names {
    service: "service",
    operation: "operation",
    tags: "tags",
    shortest: "minDuration",
    longest: "maxDuration",
    limit: "limit",
};

/// Traces by their IDs, where there are some (`traceID`), or else those that a search finds.
pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let named = parameters.0.iter().filter(|(name, _)| name == "traceID");
    let mut ids: Vec<_> = named
        .map(|(_, id)| trace_id(id))
        .collect::<Result<_, _>>()?;
    let mut cut = None;
    if ids.is_empty() {
        parameters.required("service")?;
        let period = (parameters.time("start")?, parameters.time("end")?);
        let found = Asked::read(&NAMES, &parameters, period, api.now())?;
        let found = found.found(&api, &headers).await?;
        ids.extend(found.traces.iter().map(|found| found.summary.trace_id));
        cut = found.cut;
    }
    let render = |id: &TraceId, data: &TracesData, cut: Option<&str>| trace::trace(id, data, cut);
    let (traces, in_part) = rendered(&api, &headers, ids, render).await?;
    Ok((cut_short(cut.or(in_part).as_deref()), list(traces)).into_response())
}

/// How many spans one answer has; the largest traces have more, and are alone then.
const SPANS_MAX: usize = 200_000;

/// Traces, each as `render` has it, as far as one answer may go, and whether it goes no further.
pub(super) async fn rendered<T: Send + 'static>(
    api: &Api,
    headers: &HeaderMap,
    ids: Vec<TraceId>,
    render: impl Fn(&TraceId, &TracesData, Option<&str>) -> T + Send + 'static,
) -> Result<(Vec<T>, Option<String>), JaegerError> {
    let tenant = tenant(headers)?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let mut traces = Vec::new();
        let mut spans = 0;
        for id in &ids {
            if spans >= SPANS_MAX || deadline.has_passed() {
                let cut = format!(
                    "these are {} of {} traces; ask for fewer",
                    traces.len(),
                    ids.len()
                );
                return Ok((traces, Some(cut)));
            }
            if let Some((data, cut)) = read(sources, &tenant, id)? {
                let scopes = data
                    .resource_spans
                    .iter()
                    .flat_map(|resource| &resource.scope_spans);
                spans += scopes.map(|scope| scope.spans.len()).sum::<usize>();
                traces.push(render(id, &data, cut.as_deref()));
            }
        }
        Ok((traces, None))
    });
    Ok(answer.await?)
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

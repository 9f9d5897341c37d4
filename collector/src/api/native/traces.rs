//! `GET /traces`; `GET /trace/{id}`, which takes `after`: the `next` of the page before; and
//! `GET /trace/{id}/matched`, which spans of it a query finds.

use super::{Api, ApiError, SearchParameters, tenant};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sonde_proto::{Tenant, TraceId};
use sonde_traces::{Search, SpanPlace, SpanSet, Trace, TraceAnswer, TraceQuery};

/// How many spans of each span set are told.
const SPANS_PER_SET: usize = 3;
/// How many spans of each span set are told of one trace.
const MATCHED_MAX: usize = 10_000;

pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<TraceAnswer>, ApiError> {
    let tenant = tenant(&headers)?;
    let query = read(&api, &tenant, parameters.query.clone()).await?;
    let (start, end) = parameters.period(api.now())?;
    let limit = parameters.limit()?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let search = Search {
            query,
            start,
            end,
            limit,
            spans_per_set: SPANS_PER_SET,
            deadline: deadline.clone(),
        };
        sources
            .stores
            .traces
            .search(&tenant, &search)
            .map_err(|error| ApiError::unprocessable(error.to_string()))
    });
    answer.await.map(Json)
}

/// Reads a query that finds spans, on a thread of its own.
async fn read(api: &Api, tenant: &Tenant, query: String) -> Result<TraceQuery, ApiError> {
    api.of(tenant).read(move || finding(&query)).await?
}

/// A query that finds spans.
pub(super) fn finding(query: &str) -> Result<TraceQuery, ApiError> {
    let query =
        TraceQuery::parse(query).map_err(|error| ApiError::bad_request(error.to_string()))?;
    if query.metrics.is_some() {
        return Err(ApiError::bad_request(
            "this query counts spans, and here it finds them; leave out what begins with the metrics function, or ask /tempo/api/metrics/query_range",
        ));
    }
    Ok(query)
}

#[derive(Debug, Deserialize)]
pub(super) struct After {
    after: Option<String>,
}

pub(super) async fn trace(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(After { after }): Query<After>,
) -> Result<Json<Trace>, ApiError> {
    let tenant = tenant(&headers)?;
    let after = after.map(|after| after.parse::<SpanPlace>()).transpose();
    let after = after.map_err(|error| ApiError::bad_request(format!("after: {error}")))?;
    let id = TraceId::from_hex(&id).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let found = api.of(&tenant).ask(move |sources, _| {
        let traces = &sources.stores.traces;
        let found = traces.trace_after(&tenant, &id, after);
        let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
        found.ok_or_else(|| {
            let why = traces.not_kept(&tenant, &id);
            let why = why.map_or_else(String::new, |why| format!(": {why}"));
            ApiError::not_found(format!("no trace {id} is kept here{why}"))
        })
    });
    found.await.map(Json)
}

/// What a query finds in one trace.
#[derive(Debug, Serialize)]
pub(super) struct Matched {
    span_sets: Vec<SpanSet>,
    /// Why there may be more.
    cut: Option<String>,
}

pub(super) async fn matched(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<Matched>, ApiError> {
    let tenant = tenant(&headers)?;
    let query = read(&api, &tenant, parameters.query).await?;
    let id = TraceId::from_hex(&id).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let found = api.of(&tenant).ask(move |sources, deadline| {
        sources
            .stores
            .traces
            .matched(&tenant, &id, &query, MATCHED_MAX, deadline)
            .map_err(|error| ApiError::internal(error.to_string()))
    });
    let found = found.await?;
    let (span_sets, cut) =
        found.ok_or_else(|| ApiError::not_found(format!("no trace {id} is kept here")))?;
    Ok(Json(Matched { span_sets, cut }))
}

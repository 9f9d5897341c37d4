//! `GET /traces` and `GET /trace/{id}`, which takes `after`: the `next` of the page before.

use super::{Api, ApiError, SearchParameters, tenant};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use sonde_proto::TraceId;
use sonde_traces::{Search, SpanPlace, Trace, TraceAnswer, TraceQuery};

/// How many spans of each span set are told.
const SPANS_PER_SET: usize = 3;

pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<TraceAnswer>, ApiError> {
    let tenant = tenant(&headers)?;
    let query = TraceQuery::parse(&parameters.query)
        .map_err(|error| ApiError::bad_request(error.to_string()))?;
    if query.metrics.is_some() {
        return Err(ApiError::bad_request(
            "this query counts spans, and here it finds them; leave out what begins with the metrics function, or ask /tempo/api/metrics/query_range",
        ));
    }
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

//! `series`, `labels` and `label/{name}/values`.

use super::{Api, Failure, Parameters, success, tenant};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use sonde_proto::UnixNanos;

/// Everything that is kept.
const ALWAYS: (UnixNanos, UnixNanos) = (UnixNanos(0), UnixNanos(u64::MAX));

pub(super) async fn series(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let selectors = parameters.selectors()?;
    if selectors.is_empty() {
        return Err(Failure::bad_data("no match[] parameter provided".into()));
    }
    let (start, end) = period(&api, &parameters)?;
    let limit = parameters.limit()?;
    let found = api.of(&tenant).ask(move |sources, _| {
        Ok(sources
            .stores
            .metrics
            .series(&tenant, &selectors, start, end, limit))
    });
    Ok(success(found.await?))
}

pub(super) async fn labels(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let selectors = parameters.selectors()?;
    let (start, end) = period(&api, &parameters)?;
    let limit = parameters.limit()?;
    let found = api.of(&tenant).ask(move |sources, _| {
        Ok(sources
            .stores
            .metrics
            .label_names(&tenant, &selectors, start, end, limit))
    });
    Ok(success(found.await?))
}

pub(super) async fn values(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(name): Path<String>,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let selectors = parameters.selectors()?;
    let (start, end) = period(&api, &parameters)?;
    let limit = parameters.limit()?;
    let found = api.of(&tenant).ask(move |sources, _| {
        Ok(sources
            .stores
            .metrics
            .label_values(&tenant, &name, &selectors, start, end, limit))
    });
    Ok(success(found.await?))
}

fn period(api: &Api, parameters: &Parameters) -> Result<(UnixNanos, UnixNanos), Failure> {
    let now = api.now();
    Ok((
        parameters.time("start", ALWAYS.0, now)?,
        parameters.time("end", ALWAYS.1, now)?,
    ))
}

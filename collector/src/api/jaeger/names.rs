//! `GET /api/services`, `/api/services/{service}/operations` and `/api/operations`

use super::answer::{JaegerError, list};
use super::parameters::Parameters;
use super::{Api, tenant};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;

pub(super) async fn services(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Response, JaegerError> {
    let names = services_of(&api, &headers).await?;
    Ok(list(names))
}

pub(super) async fn operations_of(
    State(api): State<Api>,
    Path(service): Path<String>,
    headers: HeaderMap,
) -> Result<Response, JaegerError> {
    let names = operations_named(&api, &headers, service).await?;
    Ok(list(names))
}

/// The same with kinds, which are not kept beside names.
pub(super) async fn operations(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let service = parameters.required("service")?.to_owned();
    let names = operations_named(&api, &headers, service).await?;
    let operation = |name: String| json!({ "name": name, "spanKind": "" });
    Ok(list(names.into_iter().map(operation).collect::<Vec<_>>()))
}

pub(super) async fn services_of(
    api: &Api,
    headers: &HeaderMap,
) -> Result<Vec<String>, JaegerError> {
    let tenant = tenant(headers)?;
    let names = api
        .of(&tenant)
        .ask(move |sources, _| Ok(sources.stores.traces.services(&tenant)));
    Ok(names.await?)
}

pub(super) async fn operations_named(
    api: &Api,
    headers: &HeaderMap,
    service: String,
) -> Result<Vec<String>, JaegerError> {
    let tenant = tenant(headers)?;
    let names = api
        .of(&tenant)
        .ask(move |sources, _| Ok(sources.stores.traces.operations(&tenant, &service)));
    Ok(names.await?)
}

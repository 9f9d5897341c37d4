//! `GET /lookup/{id}`

use super::{Api, ApiError, tenant};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};

const ID_BYTES_MAX: usize = 512;

pub(super) async fn lookup(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Response, ApiError> {
    if id.len() > ID_BYTES_MAX || id.trim().is_empty() {
        return Err(ApiError::bad_request(format!(
            "an ID has 1 to {ID_BYTES_MAX} bytes"
        )));
    }
    if !id.chars().any(char::is_alphanumeric) {
        let message = format!("{id:?} has no letter or digit to look for");
        return Err(ApiError::bad_request(message));
    }
    let tenant = tenant(&headers)?;
    let found = api.of(&tenant).ask(move |sources, deadline| {
        crate::lookup::lookup(&sources.stores, &sources.alerts, &tenant, &id, deadline)
            .map_err(ApiError::internal)
    });
    let found = found.await?;
    let status = if found.message.is_some() {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    Ok((status, Json(found)).into_response())
}

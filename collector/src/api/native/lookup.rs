//! `GET /lookup/{id}`

use super::{Api, ApiError, tenant};
use crate::lookup::Places;
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
    let now = api.now();
    let found = api.of(&tenant).ask(move |sources, deadline| {
        let places = Places {
            stores: &sources.stores,
            alerts: &sources.alerts,
            changes: &sources.changes,
            now,
        };
        crate::lookup::lookup(places, &tenant, &id, deadline).map_err(ApiError::internal)
    });
    let found = found.await?;
    let status = if found.message.is_some() {
        StatusCode::NOT_FOUND
    } else {
        StatusCode::OK
    };
    Ok((status, Json(found)).into_response())
}

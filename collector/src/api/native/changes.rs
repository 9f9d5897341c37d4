//! `GET /signals/changes`: what changed in the software, in a period.

use super::{Api, ApiError, SearchParameters, tenant};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Serialize;
use sonde_signals::Change;

/// The changes of a period, the newest first.
#[derive(Debug, Serialize)]
pub(super) struct Answer {
    changes: Vec<Change>,
    /// Why there are more than these.
    cut: Option<String>,
}

pub(super) async fn changes(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<Answer>, ApiError> {
    let tenant = tenant(&headers)?;
    let (start, end) = parameters.period(api.now())?;
    let limit = parameters.limit()?;
    let mut changes = api.sources.changes.of(&tenant, start, end);
    if let Some(service) = &parameters.service {
        changes.retain(|change| change.service == *service);
    }
    changes.reverse();
    let cut = (changes.len() > limit).then(|| {
        format!(
            "there are {} changes; these are the newest {limit}",
            changes.len()
        )
    });
    changes.truncate(limit);
    Ok(Json(Answer { changes, cut }))
}

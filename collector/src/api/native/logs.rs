//! `GET /logs`

use super::{Api, ApiError, SearchParameters, tenant};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use sonde_logql::LogQuery;
use sonde_logs::{Direction, LogAnswer, Search};
use std::time::Duration;

pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<LogAnswer>, ApiError> {
    let tenant = tenant(&headers)?;
    let text = parameters.query.clone();
    let query = api.of(&tenant).read(move || LogQuery::parse(&text)).await?;
    let query = query.map_err(|error| ApiError::bad_request(error.to_string()))?;
    let (start, end) = parameters.period(api.now())?;
    let limit = parameters.limit()?;
    let direction = match parameters.direction.as_deref() {
        None | Some("backward") => Direction::Backward,
        Some("forward") => Direction::Forward,
        Some(other) => {
            return Err(ApiError::bad_request(format!(
                "direction: {other:?} is neither \"forward\" nor \"backward\""
            )));
        }
    };
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let search = Search {
            query,
            start,
            end,
            limit,
            direction,
            interval: Duration::ZERO,
            deadline: deadline.clone(),
        };
        sources
            .stores
            .logs
            .search(&tenant, &search)
            .map_err(|error| ApiError::unprocessable(error.to_string()))
    });
    answer.await.map(Json)
}

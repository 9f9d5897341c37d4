//! Is it alive, is it ready, what does it count.

use super::Api;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use prometheus_client::encoding::text;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
}

/// Ready once the stores show everything that the journal held at the start.
async fn ready(State(api): State<Api>) -> Response {
    let behind = api
        .sources
        .progress
        .iter()
        .filter(|(_, progress)| !progress.caught_up());
    let behind: Vec<_> = behind.map(|(signal, _)| signal.as_str()).collect();
    if behind.is_empty() {
        return "ready\n".into_response();
    }
    let message = format!("replaying the journal of: {}\n", behind.join(", "));
    (StatusCode::SERVICE_UNAVAILABLE, message).into_response()
}

async fn metrics(State(api): State<Api>) -> Response {
    let mut body = String::new();
    let observed = api.sources.observed.lock();
    let written = observed
        .registries
        .iter()
        .try_for_each(|registry| text::encode_registry(&mut body, registry));
    match written.and_then(|()| text::encode_eof(&mut body)) {
        Ok(()) => {
            let content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8";
            ([(header::CONTENT_TYPE, content_type)], body).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

//! Tempo's HTTP API (<https://grafana.com/docs/tempo/latest/api_docs/>), as Grafana calls it
//! with the URL of a data source that ends in `/tempo`, and its gRPC, which Grafana calls where
//! streaming is on.

mod answer;
mod json;
mod metrics;
mod parameters;
mod protobuf;
mod search;
mod status;
mod streaming;
mod tags;
mod trace;

use super::Api;
use answer::TempoError;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use sonde_proto::Tenant;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/ready", get(super::health::ready))
        .route("/api/echo", get(async || "echo"))
        .route("/api/status/buildinfo", get(status::buildinfo))
        .route("/api/metrics/query_range", get(metrics::range))
        .route("/api/metrics/query", get(metrics::instant))
        .route("/api/search", get(search::search))
        .route("/api/search/tags", get(tags::bare_names))
        .route("/api/v2/search/tags", get(tags::scoped_names))
        .route("/api/search/tag/{tag}/values", get(tags::bare_values))
        .route("/api/v2/search/tag/{tag}/values", get(tags::typed_values))
        .route("/api/traces/{id}", get(trace::bare))
        .route("/api/v2/traces/{id}", get(trace::wrapped))
}

/// The methods of gRPC, which stand at the root of the port.
pub(super) fn grpc() -> Router<Api> {
    streaming::router()
}

fn tenant(headers: &HeaderMap) -> Result<Tenant, TempoError> {
    super::tenant(headers).map_err(TempoError::from)
}

#[cfg(test)]
mod tests;

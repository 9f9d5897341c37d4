//! Jaeger's HTTP APIs: the one that its older pages and Grafana call, and version 3
//! (<https://www.jaegertracing.io/docs/latest/architecture/apis/>), at the URL of a data source
//! that ends in `/jaeger`; and version 3 over gRPC.

mod answer;
mod dependencies;
mod grpc;
mod names;
mod parameters;
mod search;
mod trace;
mod traces;
mod v3;

use super::Api;
use answer::JaegerError;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use sonde_proto::Tenant;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/api/services", get(names::services))
        .route(
            "/api/services/{service}/operations",
            get(names::operations_of),
        )
        .route("/api/operations", get(names::operations))
        .route("/api/traces", get(traces::search))
        .route("/api/traces/{id}", get(traces::by_id))
        .route("/api/dependencies", get(dependencies::dependencies))
        .route("/api/v3/services", get(v3::services))
        .route("/api/v3/operations", get(v3::operations))
        .route("/api/v3/traces", get(v3::search))
        .route("/api/v3/trace-summaries", get(v3::summaries))
        .route("/api/v3/traces/{id}", get(v3::by_id))
}

/// The methods of gRPC, which stand at the root of the port.
pub(super) fn grpc() -> Router<Api> {
    grpc::router()
}

fn tenant(headers: &HeaderMap) -> Result<Tenant, JaegerError> {
    super::tenant(headers).map_err(JaegerError::from)
}

#[cfg(test)]
mod tests;

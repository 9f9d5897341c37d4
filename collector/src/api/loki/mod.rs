//! Loki's HTTP API (<https://grafana.com/docs/loki/latest/reference/loki-http-api/>), as
//! Grafana, Logs Drilldown and logcli call it. Pushes come in at
//! [`crate::receive::loki_push`].

mod answer;
mod delete;
mod detected;
mod fields;
mod index;
mod labels;
mod parameters;
mod patterns;
mod query;
mod status;
mod stream;
mod tail;

use super::Api;
use answer::LokiError;
use axum::Router;
use axum::http::HeaderMap;
use axum::routing::get;
use sonde_proto::Tenant;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route("/labels", get(labels::names).post(labels::names))
        .route("/label", get(labels::names).post(labels::names))
        .route(
            "/label/{name}/values",
            get(labels::values).post(labels::values),
        )
        .route("/series", get(labels::series).post(labels::series))
        .route("/index/stats", get(index::stats).post(index::stats))
        .route("/index/volume", get(index::volume).post(index::volume))
        .route(
            "/index/volume_range",
            get(index::volume_range).post(index::volume_range),
        )
        .route(
            "/detected_labels",
            get(detected::labels).post(detected::labels),
        )
        .route(
            "/detected_fields",
            get(detected::fields).post(detected::fields),
        )
        .route(
            "/detected_field/{name}/values",
            get(detected::values).post(detected::values),
        )
        .route(
            "/patterns",
            get(patterns::patterns).post(patterns::patterns),
        )
        .route("/tail", get(tail::tail))
        .route(
            "/delete",
            get(delete::list)
                .post(delete::add)
                .put(delete::add)
                .delete(delete::cancel),
        )
        .route(
            "/format_query",
            get(status::format_query).post(status::format_query),
        )
        .route("/status/buildinfo", get(status::buildinfo))
        .route("/drilldown-limits", get(status::limits))
        .route("/rules", get(status::rules))
        .fallback(async || LokiError::not_found("there is no such endpoint"))
        .method_not_allowed_fallback(async || LokiError::no_method())
}

fn tenant(headers: &HeaderMap) -> Result<Tenant, LokiError> {
    super::tenant(headers).map_err(LokiError::from)
}

#[cfg(test)]
mod tests;

//! Prometheus' HTTP API (<https://prometheus.io/docs/prometheus/latest/querying/api/>), as
//! Grafana and promtool call it.

pub(super) mod cors;
mod admin;
mod envelope;
mod federate;
mod language;
mod lifecycle;
mod metadata;
mod parameters;
mod pieces;
mod query;
mod read;
mod rules;
mod series;
mod status;
mod targets;

use super::Api;
use axum::Router;
use axum::routing::{get, post};
use envelope::{Failure, success};
use parameters::Parameters;
use sonde_proto::Tenant;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/query", get(query::instant).post(query::instant))
        .route("/query_range", get(query::range).post(query::range))
        .route(
            "/format_query",
            get(language::format_query).post(language::format_query),
        )
        .route(
            "/parse_query",
            get(language::parse_query).post(language::parse_query),
        )
        .route("/series", get(series::series).post(series::series))
        .route("/labels", get(series::labels).post(series::labels))
        .route("/label/{name}/values", get(series::values))
        .route(
            "/query_exemplars",
            get(metadata::exemplars).post(metadata::exemplars),
        )
        .route("/metadata", get(metadata::metadata))
        .route("/read", post(read::read))
        .route("/status/buildinfo", get(status::buildinfo))
        .route("/status/config", get(status::config))
        .route("/status/flags", get(status::flags))
        .route("/status/runtimeinfo", get(status::runtimeinfo))
        .route("/status/tsdb", get(status::tsdb))
        .route("/status/walreplay", get(status::walreplay))
        .route("/features", get(status::features))
        .route("/targets", get(targets::targets))
        .route("/targets/metadata", get(targets::metadata))
        .route("/scrape_pools", get(targets::scrape_pools))
        .route("/alertmanagers", get(targets::alertmanagers))
        .route("/notifications", get(targets::notifications))
        .route(
            "/admin/tsdb/{what}",
            post(admin::order)
                .put(admin::order)
                .layer(axum::middleware::from_fn(super::sites::check_site)),
        )
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .fallback(async || Failure::not_found("there is no such endpoint".into()))
        .method_not_allowed_fallback(async || Failure::no_such_method())
}

/// What Prometheus has beside its API.
pub(super) fn site() -> Router<Api> {
    let order = || {
        post(lifecycle::disabled)
            .put(lifecycle::disabled)
            .fallback(lifecycle::only_post)
    };
    Router::new()
        .route("/federate", get(federate::federate))
        .route("/-/healthy", get(lifecycle::healthy))
        .route("/-/ready", get(super::health::ready))
        .route("/-/reload", order())
        .route("/-/quit", order())
}

fn tenant(headers: &http::HeaderMap) -> Result<Tenant, Failure> {
    super::tenant(headers).map_err(Failure::from)
}

#[cfg(test)]
mod tests;

//! Prometheus' HTTP API (<https://prometheus.io/docs/prometheus/latest/querying/api/>), as
//! Grafana and promtool call it.

mod envelope;
mod language;
mod metadata;
mod query;
mod rules;
mod series;

use super::Api;
use axum::Router;
use axum::routing::get;
use envelope::{Failure, no_expression, success};
use sonde_proto::{Tenant, UnixNanos};

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
        .route("/status/buildinfo", get(metadata::buildinfo))
        .route("/rules", get(rules::rules))
        .route("/alerts", get(rules::alerts))
        .fallback(async || Failure::not_found("there is no such endpoint".into()))
        .method_not_allowed_fallback(async || {
            Failure::bad_data("the endpoint has no such method".into())
        })
}

/// The parameters of a request: those of the URL and, for a POST, those of the form.
struct Parameters(Vec<(String, String)>);

impl<S: Send + Sync> axum::extract::FromRequest<S> for Parameters {
    type Rejection = Failure;

    async fn from_request(request: axum::extract::Request, state: &S) -> Result<Self, Failure> {
        let all = crate::api::parameters::read(request, state).await;
        let all =
            all.map_err(|error| Failure::bad_data(format!("cannot read the parameters: {error}")))?;
        Ok(Self(all))
    }
}

impl Parameters {
    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(n, _)| n == name)
            .map(|(_, value)| value.as_str())
    }

    fn required(&self, name: &str) -> Result<&str, Failure> {
        self.get(name)
            .ok_or_else(|| Failure::bad_data(format!("invalid parameter {name:?}: it is missing")))
    }

    fn time(&self, name: &str, default: UnixNanos, now: UnixNanos) -> Result<UnixNanos, Failure> {
        self.get(name).map_or(Ok(default), |text| {
            super::time::instant(name, text, now).map_err(Failure::from)
        })
    }

    fn limit(&self) -> Result<usize, Failure> {
        match self.get("limit").map(str::parse::<usize>) {
            None | Some(Ok(0)) => Ok(usize::MAX),
            Some(Ok(limit)) => Ok(limit),
            Some(Err(_)) => Err(Failure::bad_data(
                "invalid parameter \"limit\": not a number".into(),
            )),
        }
    }

    /// The `match[]` selectors.
    fn selectors(&self) -> Result<Vec<Vec<sonde_proto::Matcher>>, Failure> {
        let parse = |text| {
            sonde_metrics::parse_selector(text).map_err(|error| no_expression("match[]", error))
        };
        self.all("match[]").map(parse).collect()
    }
}

fn tenant(headers: &http::HeaderMap) -> Result<Tenant, Failure> {
    super::tenant(headers).map_err(Failure::from)
}

#[cfg(test)]
mod tests;

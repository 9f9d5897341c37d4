//! Sonde's own dialect, which its pages and its command speak. Times are integer
//! nanoseconds since 1970, sample times milliseconds; a failure is `{"error": "…"}`.

mod alerts;
mod changes;
mod compare;
mod explain;
mod follow;
mod golden;
mod graph;
mod log_status;
mod logs;
mod lookup;
mod metric_explain;
mod metric_status;
mod red;
mod services;
mod signals;
mod status;
mod traces;
mod trace_status;

use super::{Api, ApiError, tenant, time};
use axum::Router;
use axum::routing::get;
use serde::Deserialize;
use sonde_proto::UnixNanos;
use std::time::Duration;

pub(super) fn router() -> Router<Api> {
    Router::new()
        .route("/lookup/{id}", get(lookup::lookup))
        .route("/logs", get(logs::search))
        .route("/logs/follow", get(follow::follow))
        .route("/explain", get(explain::explain))
        .route("/explain/metrics", get(metric_explain::explain))
        .route("/traces", get(traces::search))
        .route("/trace/{id}", get(traces::trace))
        .route("/trace/{id}/matched", get(traces::matched))
        .route("/services", get(services::services))
        .route("/alerts", get(alerts::list))
        .route("/alerts/{fingerprint}", get(alerts::alert))
        .route("/signals/use", get(signals::use_signals))
        .route("/signals/red", get(red::red))
        .route("/signals/graph", get(graph::graph))
        .route("/signals/golden", get(golden::golden))
        .route("/signals/compare", get(compare::compared))
        .route("/signals/changes", get(changes::changes))
        .route("/status", get(status::status))
        .route("/status/logs", get(log_status::log_status))
        .route("/status/metrics", get(metric_status::metric_status))
        .route("/status/traces", get(trace_status::trace_status))
}

/// The parameters of a search.
#[derive(Debug, Default, Deserialize)]
struct SearchParameters {
    #[serde(default)]
    query: String,
    start: Option<String>,
    end: Option<String>,
    limit: Option<usize>,
    direction: Option<String>,
    service: Option<String>,
}

const LIMIT_DEFAULT: usize = 100;
const LIMIT_MAX: usize = 10_000;
const PERIOD_DEFAULT: Duration = Duration::from_secs(3600);

impl SearchParameters {
    /// The period asked for: the last hour unless it is named.
    fn period(&self, now: UnixNanos) -> Result<(UnixNanos, UnixNanos), ApiError> {
        let end = self
            .end
            .as_deref()
            .map_or(Ok(now), |text| time::instant("end", text, now))?;
        let start = self.start.as_deref();
        let start = start.map_or(Ok(end.minus(PERIOD_DEFAULT)), |text| {
            time::instant("start", text, now)
        })?;
        if start > end {
            return Err(ApiError::bad_request("start is after end"));
        }
        Ok((start, end))
    }

    fn limit(&self) -> Result<usize, ApiError> {
        match self.limit.unwrap_or(LIMIT_DEFAULT) {
            limit @ 1..=LIMIT_MAX => Ok(limit),
            limit => Err(ApiError::bad_request(format!(
                "limit: {limit} is not between 1 and {LIMIT_MAX}"
            ))),
        }
    }
}

#[cfg(test)]
mod tests;

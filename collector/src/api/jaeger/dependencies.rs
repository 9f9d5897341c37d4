//! `GET /api/dependencies`: which service calls which, by the service graph's counters.

use super::answer::{JaegerError, list};
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::native::vector;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use sonde_proto::UnixNanos;
use std::time::Duration;

const LOOKBACK_DEFAULT: Duration = Duration::from_secs(24 * 3600);

pub(super) async fn dependencies(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let end = parameters.time("endTs")?.unwrap_or(api.now());
    let lookback = parameters.millis("lookback")?;
    let calls = calls(&api, &headers, end, lookback).await?;
    let dependency =
        |call: Call| json!({ "parent": call.parent, "child": call.child, "callCount": call.count });
    Ok(list(calls.into_iter().map(dependency).collect::<Vec<_>>()))
}

/// How often one service called another.
pub(super) struct Call {
    pub(super) parent: String,
    pub(super) child: String,
    pub(super) count: u64,
}

/// The calls of the time before `end`.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is counted is not negative, and rounded on purpose"
)]
pub(super) async fn calls(
    api: &Api,
    headers: &HeaderMap,
    end: UnixNanos,
    lookback: Option<Duration>,
) -> Result<Vec<Call>, JaegerError> {
    let tenant = tenant(headers)?;
    let lookback = lookback.unwrap_or(LOOKBACK_DEFAULT).as_millis().max(1);
    let query = format!(
        "sum by (client, server) (increase(traces_service_graph_request_total[{lookback}ms]))"
    );
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let counts = vector(sources, &tenant, &query, end, deadline)?;
        let calls = counts.into_iter().filter(|(_, count)| count.round() >= 1.0);
        let call = |(labels, count): (sonde_proto::Labels, f64)| Call {
            parent: labels.get("client").to_owned(),
            child: labels.get("server").to_owned(),
            count: count.round() as u64,
        };
        Ok(calls.map(call).collect())
    });
    Ok(answer.await?)
}

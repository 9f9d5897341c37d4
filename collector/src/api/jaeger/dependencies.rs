//! `GET /api/dependencies`: which service calls which, by the service graph's counters.

use super::answer::{JaegerError, list};
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::native::vector;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::json;
use std::time::Duration;

const LOOKBACK_DEFAULT: Duration = Duration::from_secs(24 * 3600);

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "what is counted is not negative, and rounded on purpose"
)]
pub(super) async fn dependencies(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let tenant = tenant(&headers)?;
    let end = parameters.time("endTs")?.unwrap_or(api.now());
    let lookback = parameters.millis("lookback")?.unwrap_or(LOOKBACK_DEFAULT);
    let lookback = lookback.as_millis().max(1);
    let query = format!(
        "sum by (client, server) (increase(traces_service_graph_request_total[{lookback}ms]))"
    );
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let counts = vector(sources, &tenant, &query, end, deadline)?;
        let calls = counts.into_iter().filter(|(_, count)| count.round() >= 1.0);
        let dependency = |(labels, count): (sonde_proto::Labels, f64)| {
            json!({
                "parent": labels.get("client"),
                "child": labels.get("server"),
                "callCount": count.round() as u64,
            })
        };
        Ok(list(calls.map(dependency).collect::<Vec<_>>()))
    });
    Ok(answer.await?)
}

//! `format_query`, `status/buildinfo`, `drilldown-limits` and `rules`.

use super::answer::{LokiError, success};
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::receive::loki_push::labels::SERVICE_LABELS;
use crate::receive::loki_push::level::KEYS as LEVEL_KEYS;
use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sonde_logql::eval::EvalLimits;

/// Whose dialect this is. Clients read it to know what they may ask.
const LOKI_VERSION: &str = "3.5.0";

pub(super) async fn format_query(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, LokiError> {
    let expr = parameters.query(&api, &tenant(&headers)?).await?;
    Ok(success(sonde_logql::format::pretty(&expr)))
}

pub(super) async fn buildinfo() -> Json<Value> {
    Json(json!({
        "version": LOKI_VERSION,
        "revision": concat!("sonde-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

/// What Logs Drilldown asks before it draws anything.
pub(super) async fn limits(State(api): State<Api>) -> Json<Value> {
    Json(json!({
        "limits": {
            "discover_log_levels": true,
            "discover_service_name": SERVICE_LABELS,
            "log_level_fields": LEVEL_KEYS,
            "max_entries_limit_per_query": api.sources.logs.lines_max(),
            "max_query_series": EvalLimits::default().series_max,
            "query_timeout": format!("{}s", api.query_time_max.as_secs()),
            "volume_enabled": true,
            "volume_max_series": super::index::VOLUMES_MAX,
        },
        "pattern_ingester_enabled": true,
        "version": LOKI_VERSION,
    }))
}

/// No rules over logs: rules live in files. Loki answers in YAML.
pub(super) async fn rules() -> Response {
    ([(header::CONTENT_TYPE, "application/yaml")], "{}\n").into_response()
}

//! `rules` and `alerts`.

use super::{Api, Failure, Parameters, success};
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

pub(super) async fn rules(State(api): State<Api>, _: Parameters) -> Result<Response, Failure> {
    let shown = api.sources.rules.shown();
    Ok(success(json!({ "groups": shown.groups })))
}

pub(super) async fn alerts(State(api): State<Api>) -> Result<Response, Failure> {
    let shown = api.sources.rules.shown();
    Ok(success(json!({ "alerts": shown.alerts })))
}

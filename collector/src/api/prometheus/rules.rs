//! `rules` and `alerts`.

use super::{Api, Failure, Parameters, success};
use axum::extract::State;
use axum::response::Response;
use serde_json::json;

pub(super) async fn rules(State(api): State<Api>, _: Parameters) -> Result<Response, Failure> {
    let groups = api.sources.rules.lock().groups();
    Ok(success(json!({ "groups": groups })))
}

pub(super) async fn alerts(State(api): State<Api>) -> Result<Response, Failure> {
    let alerts = api.sources.rules.lock().alerts();
    Ok(success(json!({ "alerts": alerts })))
}

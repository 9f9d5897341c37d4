//! `GET /api/status/buildinfo`

use axum::Json;
use serde_json::{Value, json};

/// Whose dialect this is. Clients read it to know what they may ask.
const TEMPO_VERSION: &str = "2.8.0";

pub(super) async fn buildinfo() -> Json<Value> {
    Json(json!({
        "version": TEMPO_VERSION,
        "revision": concat!("sonde-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

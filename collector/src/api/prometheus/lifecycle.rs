//! `/-/healthy`, `/-/ready`, and what Prometheus lets a request do to the server, which here
//! none may.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};

pub(super) async fn healthy() -> &'static str {
    "Sonde is Healthy.\n"
}

/// As Prometheus answers without `--web.enable-lifecycle`.
pub(super) async fn disabled() -> Response {
    let why = "Lifecycle API is not enabled: send the process SIGHUP to reload it, or SIGTERM to stop it.\n";
    (StatusCode::FORBIDDEN, why).into_response()
}

pub(super) async fn only_post() -> Response {
    let why = "Only POST or PUT requests allowed\n";
    let allow = [(header::ALLOW, "POST, PUT")];
    (StatusCode::METHOD_NOT_ALLOWED, allow, why).into_response()
}

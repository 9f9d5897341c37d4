//! A refusal as Loki's and Prometheus' clients read it: a text, and for how long to wait.

use crate::admit::Refusal;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

/// The answer to a request of that name. Only what may pass later is answered with what makes
/// a client send it again.
pub(super) fn refused(request: &str, refusal: &Refusal) -> Response {
    let code = match refusal {
        Refusal::Malformed { .. } => StatusCode::BAD_REQUEST,
        Refusal::Tenant(_) | Refusal::TooManyTenants { .. } => StatusCode::FORBIDDEN,
        Refusal::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::Rate { .. } | Refusal::TooManyStreams { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::Unavailable { .. } => StatusCode::SERVICE_UNAVAILABLE,
    };
    let text = match refusal {
        Refusal::Malformed { reason, .. } => {
            format!("the {request} request is refused: {reason}\n")
        }
        other => format!("{other}\n"),
    };
    let mut response = (code, text).into_response();
    if let Some(delay) = refusal.retry_after() {
        let delay = HeaderValue::from(delay.as_secs());
        response.headers_mut().insert(header::RETRY_AFTER, delay);
    }
    response
}

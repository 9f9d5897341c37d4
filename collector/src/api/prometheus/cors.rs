//! Which pages of other sites may read answers, and what a browser is told of it.
//!
//! As Prometheus, anybody's may, if the port is open to others. If only this machine is
//! listened to, people rely on that: then pages of this machine and of the configured URL may,
//! and no other.

use crate::api::sites::Hosts;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

const HEADERS: &str = "Accept, Authorization, Content-Type, Origin, X-Scope-OrgID";
const METHODS: &str = "GET, POST, OPTIONS";

/// Answers what a browser asks before it asks, and says who may read answers.
pub(in crate::api) async fn allow(
    State(hosts): State<Hosts>,
    request: Request,
    next: Next,
) -> Response {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let allowed = origin.as_ref().and_then(|origin| {
        let text = origin.to_str().ok()?;
        if hosts.is_open() {
            return Some(HeaderValue::from_static("*"));
        }
        hosts.allow_origin(text).then(|| origin.clone())
    });
    let mut response = if request.method() == Method::OPTIONS {
        StatusCode::NO_CONTENT.into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(allowed) = allowed {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, allowed);
        let mut told = |name, value| headers.insert(name, HeaderValue::from_static(value));
        told(header::ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
        told(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
        told(header::ACCESS_CONTROL_EXPOSE_HEADERS, "Date");
    }
    response
}

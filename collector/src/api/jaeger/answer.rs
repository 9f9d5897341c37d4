//! Answers and refusals as Jaeger writes them: both in one envelope.

use crate::api::ApiError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;

/// A refusal.
#[derive(Debug)]
pub(super) struct JaegerError {
    pub(super) status: StatusCode,
    pub(super) message: String,
}

impl JaegerError {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    /// There is no such trace, and perhaps it is known why.
    pub(super) fn no_trace(why: Option<&str>) -> Self {
        let why = why.map_or_else(String::new, |why| format!(": {why}"));
        Self {
            status: StatusCode::NOT_FOUND,
            message: format!("trace not found{why}"),
        }
    }
}

impl From<ApiError> for JaegerError {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            message: error.message,
        }
    }
}

impl IntoResponse for JaegerError {
    fn into_response(self) -> Response {
        let error = json!({ "code": self.status.as_u16(), "msg": self.message });
        // Version 3 and gRPC's clients read `error`.
        let details = json!({ "httpCode": self.status.as_u16(), "message": self.message });
        let body = json!({
            "data": null, "total": 0, "limit": 0, "offset": 0, "errors": [error], "error": details,
        });
        (self.status, Json(body)).into_response()
    }
}

/// What stands around a list of traces, whose number is known after the last.
pub(super) const LIST_OPEN: &str = r#"{"data":["#;

pub(super) fn list_close(total: usize) -> String {
    format!(r#"],"total":{total},"limit":0,"offset":0,"errors":null}}"#)
}

/// A list.
pub(super) fn list<T: Serialize>(data: Vec<T>) -> Response {
    #[derive(Serialize)]
    struct List<T> {
        total: usize,
        data: Vec<T>,
        limit: usize,
        offset: usize,
        errors: Option<()>,
    }
    Json(List {
        total: data.len(),
        data,
        limit: 0,
        offset: 0,
        errors: None,
    })
    .into_response()
}

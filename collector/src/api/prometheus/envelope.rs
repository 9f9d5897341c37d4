//! `{"status": "success", "data": …}` and `{"status": "error", "errorType": …, "error": …}`.

use super::pieces::Listed;
use crate::api::ApiError;
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use sonde_metrics::{ParseError, QueryError};

/// What is said of an answer that has a `limit` and would be longer.
pub(super) const TRUNCATED: &str = "results truncated due to limit";

/// A successful answer.
pub(super) fn success(data: impl Serialize) -> Response {
    answer(data, Vec::new(), Vec::new())
}

/// A successful answer, and what it should be read with.
pub(super) fn answer(data: impl Serialize, warnings: Vec<String>, infos: Vec<String>) -> Response {
    #[derive(Serialize)]
    struct Success<T> {
        status: &'static str,
        data: T,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        infos: Vec<String>,
    }
    Json(Success {
        status: "success",
        data,
        warnings,
        infos,
    })
    .into_response()
}

/// A successful answer that is a list, which may be long.
pub(super) fn list<T: Serialize + Send + 'static>(items: Vec<T>, warnings: &[String]) -> Response {
    let mut close = b"]".to_vec();
    if !warnings.is_empty() {
        close.extend(format!(",\"warnings\":{}", json!(warnings)).bytes());
    }
    close.push(b'}');
    let bytes = (items.len() * LISTED_BYTES) as u64;
    Listed {
        open: br#"{"status":"success","data":["#.to_vec(),
        count: items.len(),
        write: move |at: usize, out: &mut Vec<u8>| put(out, &items[at]),
        close,
        bytes,
    }
    .into_response()
}

/// Writes what is made of texts and numbers.
pub(super) fn put(out: &mut Vec<u8>, value: &impl Serialize) {
    serde_json::to_writer(out, value).expect("texts and numbers are JSON");
}

/// About what a name, a value or a few labels take.
const LISTED_BYTES: usize = 256;

/// A failure, with the word by which clients tell kinds apart.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    kind: &'static str,
    message: String,
}

impl Failure {
    pub(super) fn not_found(message: String) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            kind: "not_found",
            message,
        }
    }

    pub(super) fn bad_data(message: String) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            kind: "bad_data",
            message,
        }
    }

    /// A parameter that is wrong, and why.
    pub(super) fn parameter(name: &str, why: impl std::fmt::Display) -> Self {
        Self::bad_data(format!("invalid parameter {name:?}: {why}"))
    }

    pub(super) fn no_such_method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            kind: "bad_data",
            message: "the endpoint has no such method".into(),
        }
    }

    pub(super) fn unavailable(message: String) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            kind: "unavailable",
            message,
        }
    }

    /// As a line of text, for endpoints that answer no JSON.
    pub(super) fn into_text(self) -> Response {
        (self.status, format!("{}\n", self.message)).into_response()
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        let kind = match error.status {
            StatusCode::BAD_REQUEST => "bad_data",
            StatusCode::GATEWAY_TIMEOUT => "timeout",
            StatusCode::UNPROCESSABLE_ENTITY => "execution",
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::TOO_MANY_REQUESTS => "unavailable",
            StatusCode::NOT_FOUND => "not_found",
            _ => "internal",
        };
        let status = if kind == "timeout" {
            StatusCode::SERVICE_UNAVAILABLE
        } else {
            error.status
        };
        Self {
            status,
            kind,
            message: error.message,
        }
    }
}

/// A parameter that is no expression, in Prometheus' words.
pub(super) fn no_expression(name: &str, error: ParseError) -> Failure {
    let error = QueryError::from(error);
    Failure::bad_data(format!("invalid parameter {name:?}: {error}"))
}

/// A query's failure as an [`ApiError`], which a question returns.
pub(super) fn query_failed(error: &QueryError) -> ApiError {
    let message = error.to_string();
    match error {
        QueryError::Parse { .. } | QueryError::BadData(_) => ApiError::bad_request(message),
        QueryError::Execution(_) | QueryError::TooLarge(_) => ApiError::unprocessable(message),
        QueryError::Timeout(_) => ApiError::timeout(message),
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = json!({ "status": "error", "errorType": self.kind, "error": self.message });
        (self.status, Json(body)).into_response()
    }
}

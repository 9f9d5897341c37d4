//! Refusals as Tempo writes them: plain text.

use crate::api::ApiError;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A refusal.
#[derive(Debug)]
pub(super) struct TempoError {
    status: StatusCode,
    message: String,
}

impl TempoError {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    pub(super) fn not_found(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
        }
    }
}

impl From<ApiError> for TempoError {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            message: error.message,
        }
    }
}

impl IntoResponse for TempoError {
    fn into_response(self) -> Response {
        (self.status, format!("{}\n", self.message)).into_response()
    }
}

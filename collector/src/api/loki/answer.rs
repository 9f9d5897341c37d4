//! Answers and refusals, as Loki writes them: a refusal is plain text.

use crate::api::ApiError;
use crate::logs::{ReadError, Reading};
use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::{Value, json};
use sonde_logql::eval::EvalError;
use sonde_logql::source::Scanned;
use sonde_logql::{CompileError, ParseError};
use std::time::Duration;

/// A refusal.
#[derive(Debug)]
pub(super) struct LokiError {
    status: StatusCode,
    message: String,
}

impl LokiError {
    pub(super) fn bad_request(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    pub(super) fn not_found(message: &str) -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: message.into(),
        }
    }

    pub(super) fn no_method() -> Self {
        Self {
            status: StatusCode::METHOD_NOT_ALLOWED,
            message: "the endpoint has no such method".into(),
        }
    }
}

impl From<ApiError> for LokiError {
    fn from(error: ApiError) -> Self {
        Self {
            status: error.status,
            message: error.message,
        }
    }
}

impl From<ParseError> for LokiError {
    fn from(error: ParseError) -> Self {
        let (line, column) = (error.line, error.column);
        Self::bad_request(format!(
            "parse error at line {line}, col {column}: {}",
            error.message
        ))
    }
}

impl From<CompileError> for LokiError {
    fn from(error: CompileError) -> Self {
        Self::bad_request(error.to_string())
    }
}

impl IntoResponse for LokiError {
    fn into_response(self) -> Response {
        (self.status, format!("{}\n", self.message)).into_response()
    }
}

/// A failed reading as an [`ApiError`], which a question returns.
pub(super) fn read_failed(error: &ReadError) -> ApiError {
    let message = error.to_string();
    match error {
        ReadError::Store(_) => ApiError::internal(message),
        ReadError::Deadline => ApiError::timeout(message),
    }
}

/// A failed evaluation, likewise.
pub(super) fn eval_failed(error: &EvalError) -> ApiError {
    let message = error.to_string();
    match error {
        EvalError::Query(_)
        | EvalError::Pipeline(_)
        | EvalError::Series(_)
        | EvalError::TooMuch(_) => ApiError::bad_request(message),
        EvalError::Deadline => ApiError::timeout(message),
        EvalError::Source(_) => ApiError::internal(message),
    }
}

/// `{"status": "success", "data": …}`
pub(super) fn success(data: impl Serialize) -> Response {
    success_with(data, None)
}

/// The same, with why it may not be everything.
pub(super) fn success_with(data: impl Serialize, cut: Option<String>) -> Response {
    #[derive(Serialize)]
    struct Success<T> {
        status: &'static str,
        data: T,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        warnings: Vec<String>,
    }
    Json(Success {
        status: "success",
        data,
        warnings: cut.into_iter().collect(),
    })
    .into_response()
}

/// What a query took.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Took {
    bytes: u64,
    lines: u64,
    segments: usize,
    time: Duration,
    returned: usize,
}

impl Took {
    pub(super) fn reading(reading: &Reading, time: Duration, returned: usize) -> Self {
        Self {
            bytes: reading.line_bytes,
            lines: reading.records,
            segments: reading.segments_visited,
            time,
            returned,
        }
    }

    pub(super) fn scanned(scanned: &Scanned, time: Duration, returned: usize) -> Self {
        Self {
            bytes: scanned.bytes,
            lines: scanned.records,
            segments: 0,
            time,
            returned,
        }
    }

    /// The `stats` object: the names are Loki's, and what has no meaning here is 0.
    pub(super) fn stats(&self) -> Value {
        let seconds = self.time.as_secs_f64();
        let rate = |n: u64| (n as f64 / seconds.max(1e-9)).round() as u64;
        let store = json!({
            "totalChunksRef": self.segments,
            "totalChunksDownloaded": self.segments,
            "chunksDownloadTime": 0,
            "queryReferencedStructuredMetadata": false,
            "chunk": {
                "headChunkBytes": 0,
                "headChunkLines": 0,
                "decompressedBytes": self.bytes,
                "decompressedLines": self.lines,
                "compressedBytes": 0,
                "totalDuplicates": 0,
                "postFilterLines": self.returned,
                "headChunkStructuredMetadataBytes": 0,
                "decompressedStructuredMetadataBytes": 0,
            },
        });
        json!({
            "summary": {
                "bytesProcessedPerSecond": rate(self.bytes),
                "linesProcessedPerSecond": rate(self.lines),
                "totalBytesProcessed": self.bytes,
                "totalLinesProcessed": self.lines,
                "execTime": seconds,
                "queueTime": 0.0,
                "subqueries": 0,
                "totalEntriesReturned": self.returned,
                "splits": 0,
                "shards": 0,
                "totalPostFilterLines": self.returned,
                "totalStructuredMetadataBytesProcessed": 0,
            },
            "querier": { "store": store },
            "ingester": {
                "totalReached": 0,
                "totalChunksMatched": 0,
                "totalBatches": 0,
                "totalLinesSent": 0,
                "store": { "totalChunksRef": 0, "totalChunksDownloaded": 0, "chunksDownloadTime": 0, "chunk": {} },
            },
            "cache": {},
            "index": { "totalChunks": 0, "postFilterChunks": 0, "shardsDuration": 0 },
        })
    }
}

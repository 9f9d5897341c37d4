//! What clients read of Tempo's protobuf messages
//! (<https://github.com/grafana/tempo/blob/main/pkg/tempopb/tempo.proto>).
//!
//! ```text
//! TraceByIDResponse { trace: Trace = 1, metrics = 2, status: COMPLETE | PARTIAL = 3,
//!                     message: string = 4 }
//! Trace             { resourceSpans: ResourceSpans[] = 1 }      as OTLP's TracesData
//! ```

use axum::http::{HeaderMap, header};
use prost::Message;

pub(super) const PROTOBUF: &str = "application/protobuf";

/// A trace, and whether it is whole.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TraceById {
    /// OTLP's `TracesData`, written already.
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(super) trace: Option<Vec<u8>>,
    #[prost(enumeration = "PartialStatus", tag = "3")]
    pub(super) status: i32,
    #[prost(string, tag = "4")]
    pub(super) message: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub(super) enum PartialStatus {
    Complete = 0,
    Partial = 1,
}

/// Whether a client asks for protobuf.
pub(super) fn is_wanted(headers: &HeaderMap) -> bool {
    let accepted = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok());
    let kinds = accepted.unwrap_or_default().split(',');
    kinds
        .filter_map(|kind| kind.split(';').next())
        .any(|kind| kind.trim() == PROTOBUF)
}

//! Reads OTLP in place, without building prost's types: checks and measures requests of
//! every signal, and walks logs and spans. What a Prometheus writes has a walker of its own
//! ([`remote_write`]).
//!
//! A batch of log records arrives, is checked once, and is walked again when it is
//! stored. Decoding it into owned strings and vectors both times would cost more than
//! everything else that happens to it, so this walker borrows from the bytes and
//! allocates nothing per record. Whoever needs the types decodes with prost instead.
//!
//! ```text
//! bytes ── measure ────────▶ Measure           the door: is it OTLP, and what would it become?
//! bytes ── unkept_points ──▶ Unkept            which data points are of no time that is kept?
//! bytes ── validate_logs ──▶ Counts            is it logs, how many, and can they be walked?
//! bytes ── logs ───────────▶ Logs              checks, then walks
//!          Logs::trusted ──▶ Logs              walks what was checked before it was stored
//!                             └▶ ResourceLogs ─▶ ScopeLogs ─▶ LogRecord ─▶ Attribute, Value, Unread
//! bytes ── spans ──────────▶ ResourceSpans    walks what was checked before it was stored
//!                             └▶ ScopeSpans ─▶ Span ─▶ Unread, Link
//! ```
//!
//! Invariants, all held by differential tests against prost: the walker accepts exactly
//! what prost accepts (wire types, lengths, UTF-8, nesting of at most 100 messages), reads
//! the same content, and never panics, whatever the bytes are.
//!
//! Protobuf allows a singular message field to occur twice, and the two are then merged.
//! No exporter writes that, but a valid request may hold it: [`Counts::canonical`] tells,
//! and [`logs`] then walks a re-encoded copy in which they are merged. Values are read as merged
//! wherever they lie, and so are the resources of spans.

mod wire;
mod text;
mod validate;
mod shape;
mod measure;
mod unkept;
mod value;
mod logs;
mod spans;
pub mod remote_write;

pub use logs::{LogRecord, Logs, ResourceLogs, Scope, ScopeLogs};
pub use measure::Measure;
pub use spans::{Link, ResourceSpans, ScopeSpans, Span};
pub use unkept::{Bounds, SPAN_BYTES_MAX, Unkept};
pub use validate::Counts;
pub use value::{Attribute, Attributes, List, Unread, UnreadAttribute, UnreadAttributes, Value};

use std::borrow::Cow;

/// Why bytes are no valid request.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid OTLP request: {message} at byte {offset}")]
pub struct WalkError {
    /// Where it went wrong, from the start of the request.
    pub offset: usize,
    /// What was found there.
    pub message: &'static str,
}

/// Checks that `bytes` are a whole and valid request of that signal, counts its records,
/// and sums the memory that prost's decoded form of it needs. Takes none itself.
///
/// # Errors
/// [`WalkError`] exactly where prost would refuse to decode.
pub fn measure(signal: crate::Signal, bytes: &[u8]) -> Result<Measure, WalkError> {
    measure::measure(signal, bytes)
}

/// Which data points of metrics that [`measure`] accepted a store would leave out.
#[must_use]
pub fn unkept_points(bytes: &[u8], bounds: Bounds) -> Unkept {
    unkept::points(bytes, bounds)
}

/// Checks that `bytes` are a whole and valid `ExportLogsServiceRequest`.
///
/// # Errors
/// [`WalkError`] exactly where prost would refuse to decode.
pub fn validate_logs(bytes: &[u8]) -> Result<Counts, WalkError> {
    validate::logs(bytes)
}

/// Checks `bytes` as [`validate_logs`] does and opens them for walking.
///
/// # Errors
/// [`WalkError`] exactly where prost would refuse to decode.
pub fn logs(bytes: &[u8]) -> Result<Logs<'_>, WalkError> {
    let counts = validate::logs(bytes)?;
    if counts.canonical {
        return Ok(Logs::new(Cow::Borrowed(bytes)));
    }
    use prost::Message as _;
    crate::otlp::logs_service::ExportLogsServiceRequest::decode(bytes)
        .map(|merged| Logs::new(Cow::Owned(merged.encode_to_vec())))
        .map_err(|_| WalkError {
            offset: 0,
            message: "fields that cannot be merged",
        })
}

/// Reads the spans of a request that [`measure`] accepted before it was stored.
///
/// # Errors
/// [`WalkError`] where a field is cut off: then nothing is read.
pub fn spans(bytes: &[u8]) -> Result<Vec<ResourceSpans<'_>>, WalkError> {
    spans::read(bytes)
}

/// The spans of an entry; `None` where it holds no spans but another signal.
pub type SpansOf<'a> = Option<Result<Vec<ResourceSpans<'a>>, WalkError>>;

/// Reads the spans of an entry, for all who take it.
#[must_use]
pub fn spans_of(entry: &crate::Entry) -> SpansOf<'_> {
    (entry.signal == crate::Signal::Spans).then(|| spans(&entry.payload))
}

/// The attributes of the resource of a `ResourceSpans`, of all parts where it is written in parts.
pub fn resource_attributes(resource_spans: &[u8]) -> impl Iterator<Item = (&[u8], Unread<'_>)> {
    spans::resource_attributes(resource_spans)
}

/// Reads one span of such a request.
///
/// # Errors
/// [`WalkError`] where a field is cut off.
pub fn span(bytes: &[u8]) -> Result<Span<'_>, WalkError> {
    spans::read_one(bytes)
}

#[cfg(test)]
mod tests;

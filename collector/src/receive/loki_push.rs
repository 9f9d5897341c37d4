//! Loki's push API (<https://grafana.com/docs/loki/latest/reference/loki-http-api/#ingest-logs>).
//!
//! `POST /loki/api/v1/push` takes protobuf (snappy) and JSON (gzip, zstd or not compressed),
//! `/otlp/v1/logs` OTLP. Everything becomes OTLP ([`request`]) before it is admitted.
//!
//! A request that cannot be read is refused whole. A stream or an entry that can be read and
//! has a fault of its own is left out; the others are taken, and the answer is 400 with what
//! was left out, as Loki does it: a sender must not send the same again.

mod json;
pub(crate) mod labels;
pub(crate) mod level;
mod protobuf;
mod request;

use super::arrive::arrived;
use super::otlp_http;
use super::refused::refused;
use crate::admit::{Admission, Refusal};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use labels::StreamLabels;
use request::{Entry, Request, TooLarge};
use sonde_proto::Signal;
use sonde_proto::snappy::{self, SnappyError};
use std::sync::Arc;

/// How many names of structured metadata an entry may have.
const METADATA_MAX: usize = 256;
/// How many faults one answer tells; the rest is counted.
const FAULTS_TOLD_MAX: usize = 5;
/// How much of what was sent a message repeats.
const SHOWN_CHARS: usize = 200;

/// What a stream's labels may be, so that they come back whole.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// How many there may be.
    pub(crate) labels_max: usize,
    /// How long a value may be.
    pub(crate) label_value_bytes_max: usize,
}

impl From<&crate::config::LogsConfig> for Limits {
    fn from(config: &crate::config::LogsConfig) -> Self {
        let limit = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        Self {
            // The service goes in twice.
            labels_max: limit(config.labels_max).saturating_sub(2),
            label_value_bytes_max: limit(config.label_value_bytes_max),
        }
    }
}

#[cfg(test)]
impl Default for Limits {
    fn default() -> Self {
        Self::from(&crate::config::LogsConfig::default())
    }
}

/// What the door needs.
#[derive(Clone)]
struct Door {
    admission: Arc<Admission>,
    limits: Limits,
}

/// The routes of this door.
pub(crate) fn router(admission: Arc<Admission>, limits: Limits) -> axum::Router {
    // What it cannot decompress is told apart here: snappy belongs to protobuf.
    let decompress =
        tower_http::decompression::RequestDecompressionLayer::new().pass_through_unaccepted(true);
    let door = Door {
        admission: Arc::clone(&admission),
        limits,
    };
    let push_routes = axum::Router::new()
        .route("/loki/api/v1/push", post(push))
        .route("/api/prom/push", post(push))
        .with_state(door);
    axum::Router::new()
        .route("/otlp/v1/logs", post(otlp_http::logs))
        .with_state(admission)
        .merge(push_routes)
        .layer(decompress)
}

async fn push(State(door): State<Door>, headers: HeaderMap, body: Body) -> Response {
    match take(&door, &headers, body).await {
        Ok(None) => StatusCode::NO_CONTENT.into_response(),
        Ok(Some(faults)) => (StatusCode::BAD_REQUEST, faults).into_response(),
        Err(refusal) => refused("push", &refusal),
    }
}

/// Takes a request; the faults of what was left out of it.
async fn take(door: &Door, headers: &HeaderMap, body: Body) -> Result<Option<String>, Refusal> {
    let admission = &door.admission;
    let counted = |refusal: Refusal| {
        admission.refused(Signal::Logs, &refusal);
        refusal
    };
    let tenant = super::tenant(headers).map_err(|error| counted(error.into()))?;
    let format = format(headers).map_err(|reason| counted(malformed(reason)))?;
    let bytes_max = admission.request_bytes_max();
    let (turn, body) = arrived(admission, Signal::Logs, body, bytes_max).await?;
    let limits = door.limits;
    // Reading and decompressing megabytes would keep others on this thread waiting. The turn
    // goes along: whoever leaves now does not begin another.
    let read = tokio::task::spawn_blocking(move || (turn, read(format, body, bytes_max, limits)));
    let failed = |_| counted(otlp_http::failed_inside());
    let (_turn, read) = read.await.map_err(failed)?;
    let pushed = read.map_err(|stop| {
        counted(match stop {
            Stop::Malformed(reason) => malformed(reason),
            Stop::TooLarge => Refusal::TooLarge { limit: bytes_max },
        })
    })?;
    let faults = pushed.faults();
    let left_out = pushed.left_out;
    if pushed.request.count > 0 {
        let payload = Bytes::from(pushed.request.finish());
        admission.admit(tenant, Signal::Logs, payload).await?;
    }
    if faults.is_some() {
        admission.refused(Signal::Logs, &malformed(String::new()));
        admission.left_out(Signal::Logs, "malformed", left_out);
    }
    Ok(faults)
}

fn malformed(reason: String) -> Refusal {
    Refusal::Malformed {
        signal: Signal::Logs,
        reason,
    }
}

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Protobuf,
}

fn format(headers: &HeaderMap) -> Result<Format, String> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let format = match content_type {
        "application/json" => Format::Json,
        "" | "application/x-protobuf" | "application/protobuf" => Format::Protobuf,
        other => {
            return Err(format!(
                "Content-Type {other:?} is neither application/json nor application/x-protobuf"
            ));
        }
    };
    match (format, text(header::CONTENT_ENCODING)) {
        (_, None | Some("" | "identity")) | (Format::Protobuf, Some("snappy")) => Ok(format),
        (_, Some(other)) => Err(format!(
            "Content-Encoding {other:?} is not understood here; JSON may be compressed with gzip or zstd, protobuf always is with snappy"
        )),
    }
}

/// Reads a request. Beside it there is never more than what is made of it.
fn read(format: Format, body: Bytes, bytes_max: usize, limits: Limits) -> Result<Pushed, Stop> {
    let mut pushed = Pushed::new(bytes_max, limits);
    match format {
        Format::Json => json::read(&body, &mut pushed)?,
        Format::Protobuf => {
            let plain = unsnapped(&body, bytes_max)?;
            drop(body);
            protobuf::read(&plain, &mut pushed)?;
        }
    }
    Ok(pushed)
}

/// Decompresses snappy's block format, whose size stands before it.
fn unsnapped(body: &[u8], bytes_max: usize) -> Result<Vec<u8>, Stop> {
    snappy::unpacked(body, bytes_max).map_err(|error| match error {
        SnappyError::Malformed(_) => Stop::Malformed(error.to_string()),
        SnappyError::TooLarge { .. } => Stop::TooLarge,
    })
}

/// Why a request is refused whole.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stop {
    /// It cannot be read.
    Malformed(String),
    /// It is larger than allowed.
    TooLarge,
}

impl From<TooLarge> for Stop {
    fn from(_: TooLarge) -> Self {
        Self::TooLarge
    }
}

/// What was read of a request: what is taken, and what is wrong with the rest.
#[derive(Debug)]
struct Pushed {
    limits: Limits,
    request: Request,
    labels: Option<StreamLabels>,
    /// How many streams, and how many entries of the current one, were begun.
    stream: usize,
    entry: usize,
    told: Vec<String>,
    faults: u64,
    /// How many entries were left out for themselves.
    left_out: u64,
}

impl Pushed {
    fn new(bytes_max: usize, limits: Limits) -> Self {
        Self {
            limits,
            request: Request::new(bytes_max),
            labels: None,
            stream: 0,
            entry: 0,
            told: Vec::new(),
            faults: 0,
            left_out: 0,
        }
    }

    /// Begins a stream with labels written as a selector; false where it is left out.
    fn begin_stream_of_text(&mut self, text: &str) -> bool {
        self.begin(StreamLabels::of_text(text, self.limits), || shown(text))
    }

    /// Begins a stream; false where it is left out.
    fn begin_stream(&mut self, pairs: Vec<(String, String)>) -> bool {
        self.begin(StreamLabels::of_pairs(pairs, self.limits), String::new)
    }

    fn begin(&mut self, labels: Result<StreamLabels, String>, name: impl Fn() -> String) -> bool {
        self.stream += 1;
        self.entry = 0;
        match labels {
            Ok(labels) => self.labels = Some(labels),
            Err(fault) => {
                self.labels = None;
                self.fault(format!("stream {} {}: {fault}", self.stream, name()));
            }
        }
        self.labels.is_some()
    }

    fn entry(&mut self, entry: Result<Entry<'_>, String>) -> Result<(), Stop> {
        self.entry += 1;
        match (entry, &self.labels) {
            (Ok(entry), Some(labels)) => self.request.entry(labels, &entry)?,
            (Ok(_), None) => {}
            (Err(fault), _) => {
                self.left_out += 1;
                self.fault(format!("{}, entry {}: {fault}", self.place(), self.entry));
            }
        }
        Ok(())
    }

    fn end_stream(&mut self) -> Result<(), Stop> {
        if self.labels.take().is_some() {
            self.request.end_stream()?;
        }
        Ok(())
    }

    /// The current stream, as messages name it.
    fn place(&self) -> String {
        let labels = self.labels.as_ref().map(StreamLabels::to_string);
        format!(
            "stream {} {}",
            self.stream,
            shown(&labels.unwrap_or_default())
        )
    }

    fn fault(&mut self, fault: String) {
        self.faults += 1;
        if self.told.len() < FAULTS_TOLD_MAX {
            self.told.push(fault);
        }
    }

    /// What was left out and why, where anything was.
    fn faults(&self) -> Option<String> {
        if self.faults == 0 {
            return None;
        }
        let more = self.faults - self.told.len() as u64;
        let more = if more > 0 {
            format!("\nand {more} more")
        } else {
            String::new()
        };
        Some(format!(
            "{} lines were taken; these streams and entries were left out, sending them again cannot help:\n{}{more}\n",
            self.request.count,
            self.told.join("\n")
        ))
    }
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS).collect()
}

fn no_time(text: &str) -> String {
    format!(
        "{:?} is no time; entries have nanoseconds since 1970, up to the year 2554",
        shown(text)
    )
}

fn too_much_metadata() -> String {
    format!("it has more than {METADATA_MAX} names of structured metadata")
}

#[cfg(test)]
mod tests;

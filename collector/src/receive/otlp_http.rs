//! OTLP over HTTP (<https://opentelemetry.io/docs/specs/otlp/#otlphttp>), protobuf and JSON.
//!
//! `POST /v1/{logs,traces,metrics}`, and as Prometheus has it `POST /api/v1/otlp/v1/metrics`, with
//! gzip, zstd or no compression. Failures are a
//! `google.rpc.Status` in the encoding of the request.

use super::arrive::arrived;
use super::partial::ExportResponse;
use crate::admit::{Admission, Refusal, Taken};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use bytes::Bytes;
use prost::Message;
use sonde_proto::Signal;
use sonde_proto::otlp::logs_service::ExportLogsServiceResponse;
use sonde_proto::otlp::metrics_service::ExportMetricsServiceResponse;
use sonde_proto::otlp::trace_service::ExportTraceServiceResponse;
use sonde_proto::otlp::{logs_service, metrics_service, trace_service};
use std::sync::Arc;

const PROTOBUF: &str = "application/x-protobuf";
const JSON: &str = "application/json";
/// What the largest message of OTLP takes once decoded, about.
pub(super) const OBJECT_BYTES: usize = 300;
/// What every JSON request may need once decoded, and how many times its own bytes beside.
const DECODED_BYTES_MIN: usize = 64 << 20;
const DECODED_TIMES: usize = 8;

/// The routes of this door.
pub(crate) fn router(admission: Arc<Admission>) -> axum::Router {
    let decompress = tower_http::decompression::RequestDecompressionLayer::new();
    axum::Router::new()
        .route("/v1/logs", post(logs))
        .route("/v1/traces", post(traces))
        .route("/v1/metrics", post(metrics))
        .layer(decompress)
        .with_state(Arc::clone(&admission))
        .merge(prometheus_router(admission))
}

/// The paths under which Prometheus takes metrics.
pub(crate) fn prometheus_router(admission: Arc<Admission>) -> axum::Router {
    let decompress = tower_http::decompression::RequestDecompressionLayer::new();
    axum::Router::new()
        .route("/api/v1/otlp/v1/metrics", post(metrics))
        .route("/prometheus/api/v1/otlp/v1/metrics", post(metrics))
        .layer(decompress)
        .with_state(admission)
}

pub(super) async fn logs(
    State(admission): State<Arc<Admission>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let to_protobuf = protobuf_of_json::<logs_service::ExportLogsServiceRequest>;
    export(&admission, Signal::Logs, &headers, body, to_protobuf).await
}

async fn traces(
    State(admission): State<Arc<Admission>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let to_protobuf = protobuf_of_json::<trace_service::ExportTraceServiceRequest>;
    export(&admission, Signal::Spans, &headers, body, to_protobuf).await
}

async fn metrics(
    State(admission): State<Arc<Admission>>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let to_protobuf = protobuf_of_json::<metrics_service::ExportMetricsServiceRequest>;
    export(&admission, Signal::Metrics, &headers, body, to_protobuf).await
}

/// How a request and its response are written.
#[derive(Clone, Copy)]
enum Encoding {
    Protobuf,
    Json,
}

async fn export(
    admission: &Admission,
    signal: Signal,
    headers: &HeaderMap,
    body: Body,
    to_protobuf: fn(&[u8]) -> Result<Bytes, String>,
) -> Response {
    let Some(encoding) = encoding(headers) else {
        let message = format!("Content-Type must be {PROTOBUF} or {JSON}");
        admission.refused(
            signal,
            &Refusal::Malformed {
                signal,
                reason: message.clone(),
            },
        );
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, message).into_response();
    };
    match take(admission, signal, headers, body, encoding, to_protobuf).await {
        Ok(taken) => success(encoding, signal, taken),
        Err(refusal) => failure(encoding, &refusal),
    }
}

async fn take(
    admission: &Admission,
    signal: Signal,
    headers: &HeaderMap,
    body: Body,
    encoding: Encoding,
    to_protobuf: fn(&[u8]) -> Result<Bytes, String>,
) -> Result<Taken, Refusal> {
    let counted = |refusal: Refusal| {
        admission.refused(signal, &refusal);
        refusal
    };
    let tenant = super::tenant(headers).map_err(|error| counted(error.into()))?;
    let limit = admission.request_bytes_max();
    let (turn, body) = arrived(admission, signal, body, limit).await?;
    let (_turn, payload) = match encoding {
        Encoding::Protobuf => (turn, body),
        Encoding::Json => {
            // Megabytes of JSON would keep others on this thread waiting. The turn goes along:
            // whoever leaves now does not begin another.
            let read = tokio::task::spawn_blocking(move || (turn, to_protobuf(&body)));
            let (turn, read) = read.await.map_err(|_| counted(failed_inside()))?;
            let malformed = |reason| counted(Refusal::Malformed { signal, reason });
            (turn, read.map_err(malformed)?)
        }
    };
    admission.admit(tenant, signal, payload).await
}

/// What is answered where reading a request ends in a defect.
pub(super) fn failed_inside() -> Refusal {
    Refusal::Unavailable {
        reason: "reading the request failed inside".into(),
    }
}

/// A response in OTLP's JSON: numbers of 64 bits are texts, and what is empty is left out.
fn json<R: ExportResponse + serde::Serialize>(response: &R) -> serde_json::Result<Vec<u8>> {
    if *response == R::default() {
        return Ok(b"{}".to_vec());
    }
    let mut json = serde_json::to_value(response)?;
    let partial = json.get_mut("partialSuccess");
    for (_, value) in partial
        .and_then(|p| p.as_object_mut())
        .into_iter()
        .flatten()
    {
        if value.is_number() {
            *value = value.to_string().into();
        }
    }
    serde_json::to_vec(&json)
}

fn encoding(headers: &HeaderMap) -> Option<Encoding> {
    let value = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    match value.split(';').next()?.trim() {
        PROTOBUF | "application/protobuf" => Some(Encoding::Protobuf),
        JSON => Some(Encoding::Json),
        _ => None,
    }
}

fn protobuf_of_json<T: Message + serde::de::DeserializeOwned>(
    body: &[u8],
) -> Result<Bytes, String> {
    bound_objects(body)?;
    let request: T = serde_json::from_slice(body).map_err(|error| error.to_string())?;
    Ok(request.encode_to_vec().into())
}

/// Refuses JSON whose objects would need far more memory than their text has bytes, as
/// millions of `{}` would: admission bounds what is decoded, and JSON has to be decoded first.
fn bound_objects(body: &[u8]) -> Result<(), String> {
    let allowed = decoded_bytes_max(body.len());
    let needed = outside_strings(body, b'{') * OBJECT_BYTES;
    if needed > allowed {
        return Err(format!(
            "decoded, the request would need about {needed} bytes, and {allowed} are allowed; send smaller batches"
        ));
    }
    Ok(())
}

/// How much memory a request of so many bytes may need once decoded.
pub(super) fn decoded_bytes_max(request_bytes: usize) -> usize {
    DECODED_BYTES_MIN.saturating_add(DECODED_TIMES.saturating_mul(request_bytes))
}

/// How often a mark stands in a JSON text outside of its strings; `{` does once an object.
pub(super) fn outside_strings(body: &[u8], mark: u8) -> usize {
    let (mut found, mut in_string, mut escaped) = (0, false, false);
    for byte in body {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if !in_string && *byte == mark => found += 1,
            _ => {}
        }
    }
    found
}

/// An `Export…ServiceResponse`: empty where everything is kept.
fn success(encoding: Encoding, signal: Signal, taken: Taken) -> Response {
    match signal {
        Signal::Logs => respond_with::<ExportLogsServiceResponse>(encoding, taken),
        Signal::Spans => respond_with::<ExportTraceServiceResponse>(encoding, taken),
        Signal::Metrics => respond_with::<ExportMetricsServiceResponse>(encoding, taken),
    }
}

fn respond_with<R: ExportResponse + serde::Serialize>(
    encoding: Encoding,
    taken: Taken,
) -> Response {
    let response = R::of(taken);
    match encoding {
        Encoding::Protobuf => respond(StatusCode::OK, PROTOBUF, response.encode_to_vec()),
        Encoding::Json => match json(&response) {
            Ok(body) => respond(StatusCode::OK, JSON, body),
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
        },
    }
}

fn failure(encoding: Encoding, refusal: &Refusal) -> Response {
    let (code, grpc_code) = match refusal {
        Refusal::Malformed { .. } => (StatusCode::BAD_REQUEST, 3),
        Refusal::Tenant(_) | Refusal::TooManyTenants { .. } => (StatusCode::FORBIDDEN, 7),
        Refusal::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, 8),
        Refusal::Rate { .. } | Refusal::TooManyStreams { .. } => (StatusCode::TOO_MANY_REQUESTS, 8),
        Refusal::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, 14),
    };
    let message = refusal.to_string();
    let mut response = match encoding {
        Encoding::Protobuf => {
            let status = tonic_types::Status {
                code: grpc_code,
                message,
                details: Vec::new(),
            };
            respond(code, PROTOBUF, status.encode_to_vec())
        }
        Encoding::Json => {
            let status = serde_json::json!({ "code": grpc_code, "message": message });
            respond(code, JSON, status.to_string().into_bytes())
        }
    };
    if let Some(delay) = refusal.retry_after() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(delay.as_secs()));
    }
    response
}

fn respond(code: StatusCode, content_type: &'static str, body: Vec<u8>) -> Response {
    (code, [(header::CONTENT_TYPE, content_type)], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_told_as_text_and_nothing_where_all_is() {
        let all = ExportTraceServiceResponse::of(Taken::default());
        assert_eq!(json(&all).unwrap(), b"{}");
        let taken = Taken {
            rejected: 3,
            message: "3 spans".into(),
        };
        let some = json(&ExportTraceServiceResponse::of(taken)).unwrap();
        let some: serde_json::Value = serde_json::from_slice(&some).unwrap();
        let partial = serde_json::json!({"rejectedSpans": "3", "errorMessage": "3 spans"});
        assert_eq!(some, serde_json::json!({ "partialSuccess": partial }));
    }

    #[test]
    fn braces_in_strings_are_no_objects() {
        let check = |text: &str, expected| {
            assert_eq!(outside_strings(text.as_bytes(), b'{'), expected, "{text}");
        };
        check(r#"{"a": {"b": "{{{"}, "c": "\"{", "d": [{}, {}]}"#, 4);
        check(r#""\\{""#, 0);
        check("", 0);
    }

    #[test]
    fn a_request_of_nothing_but_objects_is_refused_and_an_ordinary_one_is_not() {
        let bomb = format!("{{\"a\":[{}{{}}]}}", "{},".repeat(1 << 20));
        assert!(
            bound_objects(bomb.as_bytes())
                .unwrap_err()
                .contains("smaller batches")
        );
        let attribute = r#"{"key":"http.request.method","value":{"stringValue":"GET"}},"#;
        let ordinary = attribute.repeat(1 << 18);
        assert_eq!(bound_objects(ordinary.as_bytes()), Ok(()));
    }
}

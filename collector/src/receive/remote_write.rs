//! Prometheus' remote write, [1.0](https://prometheus.io/docs/specs/prw/remote_write_spec/) and
//! [2.0](https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/).
//!
//! `POST /api/v1/write` takes a protobuf message compressed with snappy; `Content-Type` says
//! which. A sender that is answered 5xx sends the same again, for ever if need be, and blocks
//! what comes after. So that is only said of what may pass later; what never will is 4xx with
//! a text that the sender logs. Where only a part cannot be kept, the rest is, and the answer
//! is 400 all the same: a request that the sender holds for done must not have lost anything
//! in silence.

use super::arrive::arrived;
use super::refused::refused;
use crate::admit::{Admission, Refusal, Written};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use sonde_proto::Signal;
use sonde_proto::remote_write::Version;
use sonde_proto::walk::remote_write::LabelBounds;
use std::sync::Arc;

const SAMPLES: HeaderName = HeaderName::from_static("x-prometheus-remote-write-samples-written");
const HISTOGRAMS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-histograms-written");
const EXEMPLARS: HeaderName =
    HeaderName::from_static("x-prometheus-remote-write-exemplars-written");

/// What the door needs.
#[derive(Clone)]
struct Door {
    admission: Arc<Admission>,
    labels: LabelBounds,
}

/// The routes of this door.
pub(crate) fn router(admission: Arc<Admission>, config: &sonde_metrics::Config) -> axum::Router {
    let labels = LabelBounds {
        labels_max: config.labels_max,
        name_bytes_max: config.label_name_bytes_max,
        value_bytes_max: config.label_value_bytes_max,
    };
    axum::Router::new()
        .route("/api/v1/write", post(write))
        .route("/prometheus/api/v1/write", post(write))
        .with_state(Door { admission, labels })
}

async fn write(State(door): State<Door>, headers: HeaderMap, body: Body) -> Response {
    let version = match version(&headers) {
        Ok(version) => version,
        Err(why) => {
            let refusal = Refusal::Malformed {
                signal: Signal::Metrics,
                reason: why.clone(),
            };
            door.admission.refused(Signal::Metrics, &refusal);
            return (StatusCode::UNSUPPORTED_MEDIA_TYPE, why).into_response();
        }
    };
    let taken = take(&door, version, &headers, body).await;
    let mut response = match &taken {
        Ok(written) if written.message.is_empty() => StatusCode::NO_CONTENT.into_response(),
        Ok(written) => {
            let (samples, left_out) = (written.samples + written.histograms, &written.message);
            let text = format!(
                "{samples} samples were taken; these were left out, sending them again cannot help: {left_out}\n"
            );
            (StatusCode::BAD_REQUEST, text).into_response()
        }
        Err(refusal) => refused("remote write", refusal),
    };
    if version == Version::V2 {
        say_written(response.headers_mut(), &taken.unwrap_or_default());
    }
    response
}

/// What 2.0's senders compare with what they have sent.
fn say_written(headers: &mut HeaderMap, written: &Written) {
    headers.insert(SAMPLES, HeaderValue::from(written.samples));
    headers.insert(HISTOGRAMS, HeaderValue::from(written.histograms));
    headers.insert(EXEMPLARS, HeaderValue::from(written.exemplars));
}

async fn take(
    door: &Door,
    version: Version,
    headers: &HeaderMap,
    body: Body,
) -> Result<Written, Refusal> {
    let tenant = super::tenant(headers).map_err(|error| {
        let refusal = Refusal::from(error);
        door.admission.refused(Signal::Metrics, &refusal);
        refusal
    })?;
    let admission = &door.admission;
    let limit = admission.request_bytes_max();
    let (turn, body) = arrived(admission, Signal::Metrics, body, limit).await?;
    admission
        .admit_written(tenant, version, body, door.labels, turn)
        .await
}

/// Which message the body holds, or why it cannot be taken.
fn version(headers: &HeaderMap) -> Result<Version, String> {
    let text = |name| {
        let value: Option<&HeaderValue> = headers.get(name);
        value.and_then(|value| value.to_str().ok())
    };
    let encoding = text(header::CONTENT_ENCODING).unwrap_or_default();
    if !encoding.eq_ignore_ascii_case("snappy") {
        return Err(format!(
            "Content-Encoding is {encoding:?}; remote write is compressed with snappy\n"
        ));
    }
    let content_type = text(header::CONTENT_TYPE).unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    if !parts
        .next()
        .is_some_and(|kind| kind.eq_ignore_ascii_case("application/x-protobuf"))
    {
        return Err(format!(
            "Content-Type is {content_type:?}; remote write is application/x-protobuf\n"
        ));
    }
    let parameter = |part: &str| {
        let (name, value) = part.split_once('=')?;
        let is_proto = name.trim().eq_ignore_ascii_case("proto");
        is_proto.then(|| value.trim().trim_matches('"').to_owned())
    };
    // Senders from before there was a choice do not name the message.
    let Some(named) = parts.find_map(parameter) else {
        return Ok(Version::V1);
    };
    let known = Version::ALL.into_iter().find(|v| v.message() == named);
    known.ok_or_else(|| {
        let [first, second] = Version::ALL.map(Version::message);
        format!("the message {named:?} is not known here; send {first} or {second}\n")
    })
}

#[cfg(test)]
mod tests;

//! Spans of another format as an OTLP request, and the way of such a request over HTTP.
//!
//! A request that cannot be read is refused whole. A span that can be read and has a fault of
//! its own is left out and the others are taken; the formats have no words for that, so the
//! answer is a refusal that says what was taken: a sender must not send the same again.

use super::arrive::arrived;
use super::otlp_http;
use super::refused::refused;
use crate::admit::{Admission, Refusal};
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode as HttpStatus, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use prost::Message as _;
use sonde_proto::Signal;
use sonde_proto::otlp::common::{InstrumentationScope, KeyValue, any_value::Value};
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status, status::StatusCode};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::otlp::{any_kv, text};
use std::collections::HashMap;

/// How many faults one answer tells; the rest is counted.
const FAULTS_TOLD_MAX: usize = 5;

/// What a tag, a log or a reference takes at least, once read.
pub(super) const PART_BYTES: usize = 128;

/// How much memory what is read of a request may take: as much as OTLP's JSON may.
#[derive(Debug)]
pub(super) struct Room(usize);

impl Room {
    /// The room for a request of so many bytes.
    pub(super) fn of(request_bytes: usize) -> Self {
        Self(otlp_http::decoded_bytes_max(request_bytes))
    }

    /// Takes some.
    ///
    /// # Errors
    /// When there is not so much left.
    pub(super) fn take(&mut self, bytes: usize) -> Result<(), String> {
        match self.0.checked_sub(bytes) {
            Some(left) => {
                self.0 = left;
                Ok(())
            }
            None => Err(
                "decoded, it would need more memory than is allowed; send smaller batches, without empty spans or tags"
                    .into(),
            ),
        }
    }
}

/// The request so far, and what is wrong with the spans that are not in it.
#[derive(Debug, Default)]
pub(super) struct Translated {
    request: ExportTraceServiceRequest,
    /// Where a resource stands, by its bytes.
    resources: HashMap<Vec<u8>, usize>,
    scopes: HashMap<(usize, String, String), usize>,
    spans: u64,
    left_out: u64,
    told: Vec<String>,
}

impl Translated {
    /// Where a resource of these attributes stands.
    pub(super) fn resource(&mut self, attributes: Vec<KeyValue>) -> usize {
        let resource = Resource {
            attributes,
            ..Resource::default()
        };
        let all = &mut self.request.resource_spans;
        *self
            .resources
            .entry(resource.encode_to_vec())
            .or_insert_with(|| {
                all.push(ResourceSpans {
                    resource: Some(resource),
                    ..ResourceSpans::default()
                });
                all.len() - 1
            })
    }

    /// Adds a span of a resource, after the attributes that stand for OTLP's own fields have
    /// been put there.
    pub(super) fn span(&mut self, resource: usize, mut span: Span) {
        let scope = take_fields(&mut span);
        let Some(resource_spans) = self.request.resource_spans.get_mut(resource) else {
            return;
        };
        let all = &mut resource_spans.scope_spans;
        let (name, version) = scope.clone();
        let at = *self
            .scopes
            .entry((resource, name, version))
            .or_insert_with(|| {
                let (name, version) = scope;
                all.push(ScopeSpans {
                    scope: Some(InstrumentationScope {
                        name,
                        version,
                        ..InstrumentationScope::default()
                    }),
                    ..ScopeSpans::default()
                });
                all.len() - 1
            });
        all[at].spans.push(span);
        self.spans += 1;
    }

    /// Leaves a span out.
    pub(super) fn leave_out(&mut self, fault: impl FnOnce() -> String) {
        self.left_out += 1;
        if self.told.len() < FAULTS_TOLD_MAX {
            self.told.push(fault());
        }
    }

    /// What was left out and why, where anything was.
    fn faults(&self) -> Option<String> {
        if self.left_out == 0 {
            return None;
        }
        let more = self.left_out - self.told.len() as u64;
        let more = if more > 0 {
            format!("\nand {more} more")
        } else {
            String::new()
        };
        Some(format!(
            "{} spans were taken; these were left out, sending them again cannot help:\n{}{more}\n",
            self.spans,
            self.told.join("\n")
        ))
    }

    /// Makes it durable; what was left out of it, where anything was.
    pub(super) async fn admit(
        self,
        admission: &Admission,
        tenant: sonde_proto::Tenant,
    ) -> Result<Option<String>, Refusal> {
        let faults = self.faults();
        if self.spans > 0 {
            let payload = Bytes::from(self.request.encode_to_vec());
            admission.admit(tenant, Signal::Spans, payload).await?;
        }
        if faults.is_some() {
            admission.refused(Signal::Spans, &malformed(String::new()));
            admission.left_out(Signal::Spans, "malformed", self.left_out);
        }
        Ok(faults)
    }

    #[cfg(test)]
    pub(super) fn into_request(self) -> (ExportTraceServiceRequest, Option<String>) {
        let faults = self.faults();
        (self.request, faults)
    }
}

/// Moves what the specification writes as attributes where a format has no field for it
/// (<https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/>) to where it belongs;
/// the name and version of the scope.
fn take_fields(span: &mut Span) -> (String, String) {
    let (mut scope, mut version) = (String::new(), String::new());
    let (mut old_name, mut old_version) = (String::new(), String::new());
    let mut why = None;
    let mut told = None;
    let mut message = String::new();
    let count = |kv: &KeyValue| text_of(kv).parse().unwrap_or(0);
    let mut attributes = std::mem::take(&mut span.attributes);
    attributes.retain(|kv| {
        match kv.key.as_str() {
            "otel.scope.name" => scope = text_of(kv),
            "otel.scope.version" => version = text_of(kv),
            // As it was called before.
            "otel.library.name" => old_name = text_of(kv),
            "otel.library.version" => old_version = text_of(kv),
            "otel.dropped_attributes_count" => span.dropped_attributes_count = count(kv),
            "otel.dropped_events_count" => span.dropped_events_count = count(kv),
            "otel.dropped_links_count" => span.dropped_links_count = count(kv),
            "otel.status_code" => match text_of(kv).as_str() {
                "OK" => told = Some(StatusCode::Ok),
                "ERROR" => told = Some(StatusCode::Error),
                _ => {}
            },
            "otel.status_description" => message = text_of(kv),
            "error" => why = Some(text_of(kv)),
            _ => return true,
        }
        false
    });
    // `error` marks a failed span by being there; its text, if it is more than a mark, says why.
    match why.as_deref() {
        None | Some("false") => {}
        Some(why) => {
            told = told.or(Some(StatusCode::Error));
            if message.is_empty() && why != "true" {
                why.clone_into(&mut message);
            }
        }
    }
    span.attributes = attributes;
    if let Some(code) = told {
        let code = code as i32;
        span.status = Some(Status { code, message });
    }
    let or = |new: String, old| if new.is_empty() { old } else { new };
    (or(scope, old_name), or(version, old_version))
}

fn text_of(kv: &KeyValue) -> String {
    kv.value
        .as_ref()
        .map(|value| text(value).into_owned())
        .unwrap_or_default()
}

/// An attribute of text.
pub(super) fn attribute(key: impl Into<String>, value: impl Into<String>) -> KeyValue {
    let mut kv = any_kv("", Value::StringValue(value.into()));
    kv.key = key.into();
    kv
}

/// Nanoseconds of microseconds, where they are a time until the year 2554.
pub(super) fn nanos_of_micros(micros: u64) -> Option<u64> {
    micros.checked_mul(1000)
}

pub(super) fn malformed(reason: String) -> Refusal {
    Refusal::Malformed {
        signal: Signal::Spans,
        reason,
    }
}

/// A format that arrives over HTTP.
pub(super) struct Format {
    /// Whose it is.
    pub(super) of: &'static str,
    /// What its senders may call it; the first is told to who calls it otherwise.
    pub(super) types: &'static [&'static str],
    /// What helps who sends another.
    pub(super) advice: &'static str,
}

/// Answers a request, read by `read` on a thread of its own.
pub(super) async fn answered(
    format: &Format,
    admission: &Admission,
    headers: &HeaderMap,
    body: Body,
    read: impl FnOnce(&[u8]) -> Result<Translated, String> + Send + 'static,
) -> Response {
    let told = headers.get(header::CONTENT_TYPE);
    let told = told.map_or("", |value| value.to_str().unwrap_or("?"));
    let told = told.split(';').next().unwrap_or_default().trim();
    if !told.is_empty() && !format.types.contains(&told) {
        let wanted = format.types.first().unwrap_or(&"");
        let advice = format.advice;
        let message = format!("Content-Type must be {wanted}, not {told:?}{advice}\n");
        admission.refused(Signal::Spans, &malformed(message.clone()));
        return (HttpStatus::UNSUPPORTED_MEDIA_TYPE, message).into_response();
    }
    match take(admission, headers, body, read).await {
        Ok(None) => HttpStatus::ACCEPTED.into_response(),
        Ok(Some(faults)) => (HttpStatus::BAD_REQUEST, faults).into_response(),
        Err(refusal) => refused(format.of, &refusal),
    }
}

/// Takes a request; what was left out of it, where anything was.
async fn take(
    admission: &Admission,
    headers: &HeaderMap,
    body: Body,
    read: impl FnOnce(&[u8]) -> Result<Translated, String> + Send + 'static,
) -> Result<Option<String>, Refusal> {
    let counted = |refusal: Refusal| {
        admission.refused(Signal::Spans, &refusal);
        refusal
    };
    let tenant = super::tenant(headers).map_err(|error| counted(error.into()))?;
    let limit = admission.request_bytes_max();
    let (turn, body) = arrived(admission, Signal::Spans, body, limit).await?;
    let (_turn, translated) = read_apart(turn, body, read).await.map_err(counted)?;
    translated.admit(admission, tenant).await
}

/// Reads a request without keeping others on this thread waiting. The turn goes along: whoever
/// leaves now does not begin another.
pub(super) async fn read_apart<T: Send + 'static>(
    turn: T,
    body: Bytes,
    read: impl FnOnce(&[u8]) -> Result<Translated, String> + Send + 'static,
) -> Result<(T, Translated), Refusal> {
    let read = tokio::task::spawn_blocking(move || (turn, read(&body)));
    let (turn, read) = read.await.map_err(|_| otlp_http::failed_inside())?;
    Ok((turn, read.map_err(malformed)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn translated(attributes: &[(&str, &str)]) -> (Span, String) {
        let span = Span {
            attributes: attributes.iter().map(|(k, v)| attribute(*k, *v)).collect(),
            ..Span::default()
        };
        let mut all = Translated::default();
        let resource = all.resource(vec![attribute("service.name", "shop")]);
        all.span(resource, span);
        let (mut request, faults) = all.into_request();
        assert_eq!(faults, None);
        let mut scope = request.resource_spans.remove(0).scope_spans.remove(0);
        (scope.spans.remove(0), scope.scope.unwrap_or_default().name)
    }

    #[test]
    fn a_span_failed_where_a_tag_says_so() {
        let check = |attributes: &[(&str, &str)], expected: Option<(StatusCode, &str)>| {
            let (span, _) = translated(attributes);
            let found = span.status.map(|status| (status.code, status.message));
            let expected = expected.map(|(code, text)| (code as i32, text.to_owned()));
            assert_eq!(found, expected, "{attributes:?}");
            assert_eq!(span.attributes, vec![]);
        };
        check(&[], None);
        check(&[("error", "false")], None);
        check(&[("error", "true")], Some((StatusCode::Error, "")));
        check(&[("error", "")], Some((StatusCode::Error, "")));
        check(
            &[("error", "timed out")],
            Some((StatusCode::Error, "timed out")),
        );
        check(&[("otel.status_code", "OK")], Some((StatusCode::Ok, "")));
        check(
            &[
                ("error", "true"),
                ("otel.status_code", "ERROR"),
                ("otel.status_description", "no"),
            ],
            Some((StatusCode::Error, "no")),
        );
    }

    #[test]
    fn the_scope_is_the_one_that_attributes_name() {
        let (span, scope) = translated(&[
            ("otel.scope.name", "http"),
            ("otel.library.name", "old"),
            ("a", "b"),
        ]);
        assert_eq!(
            (scope.as_str(), span.attributes),
            ("http", vec![attribute("a", "b")])
        );
    }

    #[test]
    fn what_is_left_out_is_counted_and_the_first_of_it_told() {
        let mut all = Translated::default();
        for number in 0..7 {
            all.leave_out(|| format!("span {number}: bad"));
        }
        let text = all.into_request().1.unwrap();
        assert!(text.starts_with("0 spans were taken;"), "{text}");
        assert!(text.contains("span 4: bad\nand 2 more"), "{text}");
    }

    #[test]
    fn there_is_as_much_room_as_was_given() {
        let mut room = Room::of(0);
        assert_eq!(room.take(64 << 20), Ok(()));
        assert!(room.take(1).unwrap_err().contains("smaller batches"));
    }
}

//! Tempo's protobuf messages, as far as clients read them
//! (<https://github.com/grafana/tempo/blob/main/pkg/tempopb/tempo.proto>).
//!
//! ```text
//! TraceByIDResponse { trace: Trace = 1, metrics = 2, status: COMPLETE | PARTIAL = 3,
//!                     message: string = 4 }
//! Trace             { resourceSpans: ResourceSpans[] = 1 }      as OTLP's TracesData
//! ```
//!
//! What is asked over gRPC, and answered there, is below. Labels and attributes are OTLP's.

use super::parameters::Parameters;
use axum::http::{HeaderMap, header};
use prost::Message;
use sonde_proto::otlp::common::{AnyValue, ArrayValue, KeyValue, any_value::Value as Any};
use sonde_proto::otlp::kv;
use sonde_traces::{Exemplar, FoundTrace, MatchedSpan, Static, Value};
use std::collections::HashMap;

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

/// What is asked, as the parameters of the same question over HTTP. Times are seconds in
/// searches and nanoseconds in metrics; zero and an empty text say nothing.
pub(super) trait Question {
    fn parameters(self) -> Parameters;
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SearchRequest {
    #[prost(map = "string, string", tag = "1")]
    pub(super) tags: HashMap<String, String>,
    #[prost(uint32, tag = "2")]
    pub(super) min_duration_ms: u32,
    #[prost(uint32, tag = "3")]
    pub(super) max_duration_ms: u32,
    #[prost(uint32, tag = "4")]
    pub(super) limit: u32,
    #[prost(uint32, tag = "5")]
    pub(super) start: u32,
    #[prost(uint32, tag = "6")]
    pub(super) end: u32,
    #[prost(string, tag = "8")]
    pub(super) query: String,
    #[prost(uint32, tag = "9")]
    pub(super) spans_per_span_set: u32,
}

impl Question for SearchRequest {
    fn parameters(self) -> Parameters {
        let mut tags: Vec<String> = self
            .tags
            .iter()
            .map(|(key, value)| format!("{key}={}", sonde_lex::quoted(value)))
            .collect();
        tags.sort_unstable();
        let millis = |millis: u32| number(millis).map(|millis| format!("{millis}ms"));
        Parameters::of([
            ("q", Some(self.query)),
            ("tags", Some(tags.join(" "))),
            ("minDuration", millis(self.min_duration_ms)),
            ("maxDuration", millis(self.max_duration_ms)),
            ("limit", number(self.limit)),
            ("spss", number(self.spans_per_span_set)),
            ("start", number(self.start)),
            ("end", number(self.end)),
        ])
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct TagsRequest {
    #[prost(string, tag = "1")]
    pub(super) scope: String,
    #[prost(string, tag = "2")]
    pub(super) query: String,
    #[prost(uint32, tag = "3")]
    pub(super) start: u32,
    #[prost(uint32, tag = "4")]
    pub(super) end: u32,
    #[prost(uint32, tag = "5")]
    pub(super) max_tags_per_scope: u32,
}

impl Question for TagsRequest {
    fn parameters(self) -> Parameters {
        Parameters::of([
            ("scope", Some(self.scope)),
            ("q", Some(self.query)),
            ("limit", number(self.max_tags_per_scope)),
            ("start", number(self.start)),
            ("end", number(self.end)),
        ])
    }
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValuesRequest {
    #[prost(string, tag = "1")]
    pub(super) tag_name: String,
    #[prost(string, tag = "2")]
    pub(super) query: String,
    #[prost(uint32, tag = "4")]
    pub(super) start: u32,
    #[prost(uint32, tag = "5")]
    pub(super) end: u32,
    #[prost(uint32, tag = "6")]
    pub(super) max_tag_values: u32,
}

impl Question for ValuesRequest {
    fn parameters(self) -> Parameters {
        Parameters::of([
            ("q", Some(self.query)),
            ("limit", number(self.max_tag_values)),
            ("start", number(self.start)),
            ("end", number(self.end)),
        ])
    }
}

/// Over time, and, without a step, at once.
#[derive(Clone, PartialEq, Message)]
pub(super) struct MetricsRequest {
    #[prost(string, tag = "1")]
    pub(super) query: String,
    #[prost(uint64, tag = "2")]
    pub(super) start: u64,
    #[prost(uint64, tag = "3")]
    pub(super) end: u64,
    #[prost(uint64, tag = "4")]
    pub(super) step: u64,
    #[prost(uint32, tag = "16")]
    pub(super) exemplars: u32,
}

impl Question for MetricsRequest {
    fn parameters(self) -> Parameters {
        Parameters::of([
            ("q", Some(self.query)),
            ("start", number(self.start)),
            ("end", number(self.end)),
            ("step", seconds(self.step)),
            ("exemplars", number(self.exemplars)),
        ])
    }
}

fn seconds(nanos: u64) -> Option<String> {
    let seconds = |_| format!("{}.{:09}", nanos / 1_000_000_000, nanos % 1_000_000_000);
    number(nanos).map(seconds)
}

fn number(number: impl Into<u64>) -> Option<String> {
    let number = number.into();
    (number > 0).then(|| number.to_string())
}

/// How far a search has come, of so many parts of the time that is searched.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct SearchMetrics {
    #[prost(uint32, tag = "1")]
    pub(super) inspected_traces: u32,
    #[prost(uint64, tag = "2")]
    pub(super) inspected_bytes: u64,
    #[prost(uint32, tag = "4")]
    pub(super) completed_jobs: u32,
    #[prost(uint32, tag = "5")]
    pub(super) total_jobs: u32,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SearchResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) traces: Vec<FoundMessage>,
    #[prost(message, optional, tag = "2")]
    pub(super) metrics: Option<SearchMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct FoundMessage {
    #[prost(string, tag = "1")]
    pub(super) trace_id: String,
    #[prost(string, tag = "2")]
    pub(super) root_service_name: String,
    #[prost(string, tag = "3")]
    pub(super) root_trace_name: String,
    #[prost(uint64, tag = "4")]
    pub(super) start_time_unix_nano: u64,
    #[prost(uint32, tag = "5")]
    pub(super) duration_ms: u32,
    /// The first of the sets, for older clients.
    #[prost(message, optional, tag = "6")]
    pub(super) span_set: Option<SetMessage>,
    #[prost(message, repeated, tag = "7")]
    pub(super) span_sets: Vec<SetMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SetMessage {
    #[prost(message, repeated, tag = "1")]
    pub(super) spans: Vec<SpanMessage>,
    #[prost(uint32, tag = "2")]
    pub(super) matched: u32,
    #[prost(message, repeated, tag = "3")]
    pub(super) attributes: Vec<KeyValue>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct SpanMessage {
    #[prost(string, tag = "1")]
    pub(super) span_id: String,
    #[prost(string, tag = "2")]
    pub(super) name: String,
    #[prost(uint64, tag = "3")]
    pub(super) start_time_unix_nano: u64,
    #[prost(uint64, tag = "4")]
    pub(super) duration_nanos: u64,
    #[prost(message, repeated, tag = "5")]
    pub(super) attributes: Vec<KeyValue>,
}

impl FoundMessage {
    /// A trace as a client can take it: of one that has long texts, these are cut, and so is the
    /// list of its spans, of which `matched` tells how many there are.
    pub(super) fn of(found: &FoundTrace) -> Self {
        let mut message = Self::whole(found);
        if message.encoded_len() > FOUND_BYTES_MAX {
            message.shorten();
        }
        message
    }

    fn shorten(&mut self) {
        cut_text(&mut self.root_service_name);
        cut_text(&mut self.root_trace_name);
        let mut left = FOUND_BYTES_MAX / 2;
        for set in &mut self.span_sets {
            cut_texts(&mut set.attributes);
            let mut fits = |span: &SpanMessage| {
                let room = left.checked_sub(span.encoded_len());
                left = room.unwrap_or(0);
                room.is_some()
            };
            for span in &mut set.spans {
                cut_text(&mut span.name);
                cut_texts(&mut span.attributes);
            }
            let fitting = set.spans.iter().take_while(|span| fits(span)).count();
            set.spans.truncate(fitting);
        }
        self.span_set = self.span_sets.first().cloned();
    }

    fn whole(found: &FoundTrace) -> Self {
        let summary = &found.summary;
        let span = |span: &MatchedSpan| SpanMessage {
            span_id: span.span_id.to_string(),
            name: span.name.clone(),
            start_time_unix_nano: span.start.0,
            duration_nanos: span.duration_nanos,
            attributes: labels(&span.attributes),
        };
        let sets = found.span_sets.iter().map(|set| SetMessage {
            spans: set.spans.iter().map(span).collect(),
            matched: small(set.matched),
            attributes: labels(&set.attributes),
        });
        let span_sets: Vec<_> = sets.collect();
        Self {
            trace_id: summary.trace_id.to_string(),
            root_service_name: summary.root_service.clone(),
            root_trace_name: summary.root_name.clone(),
            start_time_unix_nano: summary.start.0,
            duration_ms: (summary.duration_nanos / 1_000_000)
                .try_into()
                .unwrap_or(u32::MAX),
            span_set: span_sets.first().cloned(),
            span_sets,
        }
    }
}

/// How much of one trace goes into a message; clients take 4 MiB, and part of another is before it.
const FOUND_BYTES_MAX: usize = 1 << 20;
/// How much of a text is told where it is cut.
const TEXT_BYTES: usize = 200;

/// How many elements of a list are told where it is cut.
const ELEMENTS: usize = 10;

/// Leaves a long text its beginning.
fn cut_text(text: &mut String) {
    if text.len() > TEXT_BYTES {
        let starts = text.char_indices().map(|(at, _)| at);
        let end = starts.take_while(|at| *at <= TEXT_BYTES).last();
        text.truncate(end.unwrap_or(0));
        text.push('\u{2026}');
    }
}

fn cut_texts(attributes: &mut [KeyValue]) {
    for KeyValue { key, value, .. } in attributes {
        cut_text(key);
        value.iter_mut().for_each(cut_value);
    }
}

fn cut_value(value: &mut AnyValue) {
    match &mut value.value {
        Some(Any::StringValue(text)) => cut_text(text),
        Some(Any::ArrayValue(list)) => {
            list.values.truncate(ELEMENTS);
            list.values.iter_mut().for_each(cut_value);
        }
        _ => {}
    }
}

/// How far a search for tags has come: they are told at once.
#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct TagMetrics {
    #[prost(uint32, tag = "2")]
    pub(super) total_jobs: u32,
    #[prost(uint32, tag = "3")]
    pub(super) completed_jobs: u32,
}

impl TagMetrics {
    pub(super) const DONE: Option<Self> = Some(Self {
        total_jobs: 1,
        completed_jobs: 1,
    });
}

/// Names of tags, or values of one as texts: both messages are alike.
#[derive(Clone, PartialEq, Message)]
pub(super) struct TextsResponse {
    #[prost(string, repeated, tag = "1")]
    pub(super) texts: Vec<String>,
    #[prost(message, optional, tag = "2")]
    pub(super) metrics: Option<TagMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) scopes: Vec<ScopeMessage>,
    #[prost(message, optional, tag = "2")]
    pub(super) metrics: Option<TagMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ScopeMessage {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "2")]
    pub(super) tags: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValuesResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) values: Vec<ValueMessage>,
    #[prost(message, optional, tag = "2")]
    pub(super) metrics: Option<TagMetrics>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ValueMessage {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) value: String,
}

/// Series over time or at once, which differ in `S`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct SeriesResponse<S: Message + Default + std::fmt::Debug> {
    #[prost(message, repeated, tag = "1")]
    pub(super) series: Vec<S>,
    #[prost(message, optional, tag = "2")]
    pub(super) metrics: Option<SearchMetrics>,
    #[prost(enumeration = "PartialStatus", tag = "3")]
    pub(super) status: i32,
    #[prost(string, tag = "4")]
    pub(super) message: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct RangeSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<KeyValue>,
    #[prost(message, repeated, tag = "2")]
    pub(super) samples: Vec<SampleMessage>,
    #[prost(message, repeated, tag = "4")]
    pub(super) exemplars: Vec<ExemplarMessage>,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct InstantSeries {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<KeyValue>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(super) struct SampleMessage {
    #[prost(double, tag = "1")]
    pub(super) value: f64,
    #[prost(int64, tag = "2")]
    pub(super) timestamp_ms: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct ExemplarMessage {
    #[prost(message, repeated, tag = "1")]
    pub(super) labels: Vec<KeyValue>,
    #[prost(double, tag = "2")]
    pub(super) value: f64,
    #[prost(int64, tag = "3")]
    pub(super) timestamp_ms: i64,
}

impl ExemplarMessage {
    pub(super) fn of(exemplar: &Exemplar) -> Self {
        Self {
            labels: vec![
                kv("trace:id", exemplar.trace_id.to_string()),
                kv("span:id", exemplar.span_id.to_string()),
            ],
            value: exemplar.value,
            timestamp_ms: exemplar.time_ms,
        }
    }
}

pub(super) fn labels(labels: &[(String, Static)]) -> Vec<KeyValue> {
    let label = |(key, value): &(String, Static)| KeyValue {
        key: key.clone(),
        value: Some(any_value(value)),
        ..KeyValue::default()
    };
    labels.iter().map(label).collect()
}

/// A value as in JSON ([`super::answer::any_value`]).
fn any_value(value: &Value<'_>) -> AnyValue {
    let value = match value {
        Value::Int(number) => Any::IntValue(*number),
        Value::Float(number) => Any::DoubleValue(*number),
        Value::Bool(is) => Any::BoolValue(*is),
        Value::List(values) => Any::ArrayValue(ArrayValue {
            values: values.iter().map(any_value).collect(),
        }),
        other => Any::StringValue(other.to_string()),
    };
    AnyValue { value: Some(value) }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_proto::{SpanId, TraceId, UnixNanos};
    use sonde_traces::{SpanSet, TraceSummary};

    /// A trace of spans whose names and values are so long.
    fn found(spans: usize, bytes: usize) -> FoundTrace {
        let text = "\u{e9}".repeat(bytes / 2);
        let span = |n: usize| MatchedSpan {
            span_id: SpanId::from_hex(&format!("{:016x}", n + 1)).unwrap(),
            name: text.clone(),
            service: "shop".to_owned(),
            start: UnixNanos(1),
            duration_nanos: 2,
            attributes: vec![(
                "list".to_owned(),
                Static::List(vec![Static::Str(text.clone().into()); 20]),
            )],
        };
        FoundTrace {
            summary: TraceSummary {
                trace_id: TraceId::from_hex(&format!("{:032x}", 1)).unwrap(),
                root_service: "shop".to_owned(),
                root_name: text.clone(),
                start: UnixNanos(1),
                duration_nanos: 2,
                spans,
                errors: 0,
                services: Vec::new(),
            },
            span_sets: vec![SpanSet {
                matched: spans,
                attributes: Vec::new(),
                spans: (0..spans).map(span).collect(),
            }],
        }
    }

    #[test]
    fn a_trace_with_long_texts_is_found_all_the_same() {
        let check =
            |spans: usize, bytes: usize, told: std::ops::RangeInclusive<usize>, is_cut: bool| {
                let found = found(spans, bytes);
                let message = FoundMessage::of(&found);
                let length = message.encoded_len();
                assert!(length <= FOUND_BYTES_MAX, "{length}");
                let set = message.span_set.as_ref().unwrap();
                assert_eq!(message.span_sets.first(), Some(set));
                assert_eq!(set.matched as usize, spans);
                assert!(told.contains(&set.spans.len()), "{}", set.spans.len());
                let whole = FoundMessage::whole(&found);
                assert_eq!(message != whole, is_cut);
                if is_cut {
                    let name = &message.root_trace_name;
                    assert!(name.len() <= TEXT_BYTES + 3 && name.ends_with('\u{2026}'));
                }
            };
        check(3, 20, 3..=3, false);
        check(3, 4_000_000, 3..=3, true);
        check(500, 1_000, 200..=250, true);
    }
}

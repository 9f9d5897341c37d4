//! What OTLP's messages look like: the kind of every field, and the size of every type.
//!
//! One table a message, after the `.proto` files of OTLP 1.x. Fields are looked up by
//! their number, which is at most [`NUMBER_MAX`]; others are unknown and skipped.

use crate::otlp::{
    common, logs, logs_service, metrics, metrics_service, resource, trace, trace_service,
};

/// The largest number of a field that is known.
pub(super) const NUMBER_MAX: usize = 16;
/// How many repeated fields a message has at most.
pub(super) const REPEATED_MAX: usize = 4;

/// What a field holds.
#[derive(Clone, Copy, Debug)]
pub(super) enum Field {
    /// OTLP does not have it, or not yet.
    Unknown,
    Varint,
    Fixed64,
    Fixed32,
    Text,
    Bytes,
    /// As `Bytes`: those that a span is known by.
    TraceId,
    SpanId,
    Message(&'static Shape),
    Messages(&'static Shape),
    /// As `Messages`, of what a request is sent for.
    Records(&'static Shape),
    /// As `Records`, of spans.
    Spans(&'static Shape),
    /// As `Messages`, of `KeyValue`s.
    Pairs(&'static Shape),
    Texts,
    Varints,
    Fixed64s,
}

/// A message.
#[derive(Debug)]
pub(super) struct Shape {
    /// The bytes of the decoded type itself, without what it points to.
    pub(super) size: usize,
    /// Each field, and its place among the repeated ones of the message.
    fields: [(Field, u8); NUMBER_MAX + 1],
}

impl Shape {
    const fn of<T>(known: &[(usize, Field)]) -> Self {
        let mut fields = [(Field::Unknown, 0); NUMBER_MAX + 1];
        let (mut at, mut repeated) = (0, 0);
        while at < known.len() {
            let (number, field) = known[at];
            fields[number] = (field, 0);
            if field.is_repeated() {
                fields[number].1 = repeated;
                repeated += 1;
            }
            at += 1;
        }
        assert!(repeated as usize <= REPEATED_MAX, "REPEATED_MAX is too low");
        Self {
            size: size_of::<T>(),
            fields,
        }
    }

    /// The field of that number, and its place where it is repeated.
    #[inline]
    pub(super) fn field(&self, number: u32) -> (Field, usize) {
        match self.fields.get(number as usize) {
            Some((field, place)) => (*field, usize::from(*place)),
            None => (Field::Unknown, 0),
        }
    }
}

impl Field {
    const fn is_repeated(self) -> bool {
        matches!(
            self,
            Self::Messages(_)
                | Self::Records(_)
                | Self::Spans(_)
                | Self::Pairs(_)
                | Self::Texts
                | Self::Varints
                | Self::Fixed64s
        )
    }
}

use Field::{
    Bytes, Fixed32, Fixed64, Fixed64s, Message, Messages, Pairs, Records, SpanId, Spans, Text,
    Texts, TraceId, Varint, Varints,
};

pub(super) static LOGS_REQUEST: Shape =
    Shape::of::<logs_service::ExportLogsServiceRequest>(&[(1, Messages(&RESOURCE_LOGS))]);

pub(super) static RESOURCE_LOGS: Shape = Shape::of::<logs::ResourceLogs>(&[
    (1, Message(&RESOURCE)),
    (2, Messages(&SCOPE_LOGS)),
    (3, Text),
]);

pub(super) static SCOPE_LOGS: Shape =
    Shape::of::<logs::ScopeLogs>(&[(1, Message(&SCOPE)), (2, Records(&LOG_RECORD)), (3, Text)]);

pub(super) static LOG_RECORD: Shape = Shape::of::<logs::LogRecord>(&[
    (1, Fixed64),
    (2, Varint),
    (3, Text),
    (5, Message(&ANY_VALUE)),
    (6, Pairs(&KEY_VALUE)),
    (7, Varint),
    (8, Fixed32),
    (9, Bytes),
    (10, Bytes),
    (11, Fixed64),
    (12, Text),
]);

pub(super) static TRACE_REQUEST: Shape =
    Shape::of::<trace_service::ExportTraceServiceRequest>(&[(1, Messages(&RESOURCE_SPANS))]);

pub(super) static RESOURCE_SPANS: Shape = Shape::of::<trace::ResourceSpans>(&[
    (1, Message(&RESOURCE)),
    (2, Messages(&SCOPE_SPANS)),
    (3, Text),
]);

pub(super) static SCOPE_SPANS: Shape =
    Shape::of::<trace::ScopeSpans>(&[(1, Message(&SCOPE)), (2, Spans(&SPAN)), (3, Text)]);

pub(super) static SPAN: Shape = Shape::of::<trace::Span>(&[
    (1, TraceId),
    (2, SpanId),
    (3, Text),
    (4, Bytes),
    (5, Text),
    (6, Varint),
    (7, Fixed64),
    (8, Fixed64),
    (9, Pairs(&KEY_VALUE)),
    (10, Varint),
    (11, Messages(&EVENT)),
    (12, Varint),
    (13, Messages(&LINK)),
    (14, Varint),
    (15, Message(&STATUS)),
    (16, Fixed32),
]);

pub(super) static EVENT: Shape = Shape::of::<trace::span::Event>(&[
    (1, Fixed64),
    (2, Text),
    (3, Pairs(&KEY_VALUE)),
    (4, Varint),
]);

pub(super) static LINK: Shape = Shape::of::<trace::span::Link>(&[
    (1, Bytes),
    (2, Bytes),
    (3, Text),
    (4, Pairs(&KEY_VALUE)),
    (5, Varint),
    (6, Fixed32),
]);

pub(super) static STATUS: Shape = Shape::of::<trace::Status>(&[(2, Text), (3, Varint)]);

pub(super) static METRICS_REQUEST: Shape =
    Shape::of::<metrics_service::ExportMetricsServiceRequest>(&[(1, Messages(&RESOURCE_METRICS))]);

pub(super) static RESOURCE_METRICS: Shape = Shape::of::<metrics::ResourceMetrics>(&[
    (1, Message(&RESOURCE)),
    (2, Messages(&SCOPE_METRICS)),
    (3, Text),
]);

pub(super) static SCOPE_METRICS: Shape =
    Shape::of::<metrics::ScopeMetrics>(&[(1, Message(&SCOPE)), (2, Messages(&METRIC)), (3, Text)]);

pub(super) static METRIC: Shape = Shape::of::<metrics::Metric>(&[
    (1, Text),
    (2, Text),
    (3, Text),
    (5, Message(&GAUGE)),
    (7, Message(&SUM)),
    (9, Message(&HISTOGRAM)),
    (10, Message(&EXPONENTIAL_HISTOGRAM)),
    (11, Message(&SUMMARY)),
    (12, Pairs(&KEY_VALUE)),
]);

pub(super) static GAUGE: Shape = Shape::of::<metrics::Gauge>(&[(1, Records(&NUMBER_POINT))]);

pub(super) static SUM: Shape =
    Shape::of::<metrics::Sum>(&[(1, Records(&NUMBER_POINT)), (2, Varint), (3, Varint)]);

pub(super) static HISTOGRAM: Shape =
    Shape::of::<metrics::Histogram>(&[(1, Records(&HISTOGRAM_POINT)), (2, Varint)]);

pub(super) static EXPONENTIAL_HISTOGRAM: Shape =
    Shape::of::<metrics::ExponentialHistogram>(&[(1, Records(&EXPONENTIAL_POINT)), (2, Varint)]);

pub(super) static SUMMARY: Shape = Shape::of::<metrics::Summary>(&[(1, Records(&SUMMARY_POINT))]);

pub(super) static NUMBER_POINT: Shape = Shape::of::<metrics::NumberDataPoint>(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Messages(&EXEMPLAR)),
    (6, Fixed64),
    (7, Pairs(&KEY_VALUE)),
    (8, Varint),
]);

pub(super) static HISTOGRAM_POINT: Shape = Shape::of::<metrics::HistogramDataPoint>(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Fixed64s),
    (7, Fixed64s),
    (8, Messages(&EXEMPLAR)),
    (9, Pairs(&KEY_VALUE)),
    (10, Varint),
    (11, Fixed64),
    (12, Fixed64),
]);

pub(super) static EXPONENTIAL_POINT: Shape =
    Shape::of::<metrics::ExponentialHistogramDataPoint>(&[
        (1, Pairs(&KEY_VALUE)),
        (2, Fixed64),
        (3, Fixed64),
        (4, Fixed64),
        (5, Fixed64),
        (6, Varint),
        (7, Fixed64),
        (8, Message(&BUCKETS)),
        (9, Message(&BUCKETS)),
        (10, Varint),
        (11, Messages(&EXEMPLAR)),
        (12, Fixed64),
        (13, Fixed64),
        (14, Fixed64),
    ]);

pub(super) static BUCKETS: Shape =
    Shape::of::<metrics::exponential_histogram_data_point::Buckets>(&[(1, Varint), (2, Varints)]);

pub(super) static SUMMARY_POINT: Shape = Shape::of::<metrics::SummaryDataPoint>(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Fixed64),
    (5, Fixed64),
    (6, Messages(&QUANTILE)),
    (7, Pairs(&KEY_VALUE)),
    (8, Varint),
]);

pub(super) static QUANTILE: Shape =
    Shape::of::<metrics::summary_data_point::ValueAtQuantile>(&[(1, Fixed64), (2, Fixed64)]);

pub(super) static EXEMPLAR: Shape = Shape::of::<metrics::Exemplar>(&[
    (2, Fixed64),
    (3, Fixed64),
    (4, Bytes),
    (5, Bytes),
    (6, Fixed64),
    (7, Pairs(&KEY_VALUE)),
]);

pub(super) static RESOURCE: Shape = Shape::of::<resource::Resource>(&[
    (1, Pairs(&KEY_VALUE)),
    (2, Varint),
    (3, Messages(&ENTITY_REF)),
]);

pub(super) static ENTITY_REF: Shape =
    Shape::of::<common::EntityRef>(&[(1, Text), (2, Text), (3, Texts), (4, Texts)]);

pub(super) static SCOPE: Shape = Shape::of::<common::InstrumentationScope>(&[
    (1, Text),
    (2, Text),
    (3, Pairs(&KEY_VALUE)),
    (4, Varint),
]);

pub(super) static KEY_VALUE: Shape =
    Shape::of::<common::KeyValue>(&[(1, Text), (2, Message(&ANY_VALUE)), (3, Varint)]);

pub(super) static ANY_VALUE: Shape = Shape::of::<common::AnyValue>(&[
    (1, Text),
    (2, Varint),
    (3, Varint),
    (4, Fixed64),
    (5, Message(&ARRAY_VALUE)),
    (6, Message(&KEY_VALUE_LIST)),
    (7, Bytes),
    (8, Varint),
]);

pub(super) static ARRAY_VALUE: Shape =
    Shape::of::<common::ArrayValue>(&[(1, Messages(&ANY_VALUE))]);

pub(super) static KEY_VALUE_LIST: Shape =
    Shape::of::<common::KeyValueList>(&[(1, Pairs(&KEY_VALUE))]);

//! The oracle: the memory behind a decoded request, summed over what is really there.

use crate::otlp::{
    common, logs, logs_service, metrics, metrics_service, resource, trace, trace_service,
};

/// Memory that a value points to, the room in its vectors included.
pub(super) trait Heap {
    fn heap(&self) -> u64;
}

macro_rules! heap {
    ($($type:ty: $($field:ident),*;)*) => {
        $(impl Heap for $type {
            fn heap(&self) -> u64 {
                0 $(+ self.$field.heap())*
            }
        })*
    };
}

heap! {
    u8:;
    u64:;
    f64:;
    metrics::summary_data_point::ValueAtQuantile:;
    logs_service::ExportLogsServiceRequest: resource_logs;
    logs::ResourceLogs: resource, scope_logs, schema_url;
    logs::ScopeLogs: scope, log_records, schema_url;
    logs::LogRecord: severity_text, event_name, trace_id, span_id, body, attributes;
    trace_service::ExportTraceServiceRequest: resource_spans;
    trace::ResourceSpans: resource, scope_spans, schema_url;
    trace::ScopeSpans: scope, spans, schema_url;
    trace::Span: trace_id, span_id, parent_span_id, trace_state, name, attributes, events, links,
        status;
    trace::span::Event: name, attributes;
    trace::span::Link: trace_id, span_id, trace_state, attributes;
    trace::Status: message;
    metrics_service::ExportMetricsServiceRequest: resource_metrics;
    metrics::ResourceMetrics: resource, scope_metrics, schema_url;
    metrics::ScopeMetrics: scope, metrics, schema_url;
    metrics::Metric: name, description, unit, metadata, data;
    metrics::Gauge: data_points;
    metrics::Sum: data_points;
    metrics::Histogram: data_points;
    metrics::ExponentialHistogram: data_points;
    metrics::Summary: data_points;
    metrics::NumberDataPoint: attributes, exemplars;
    metrics::HistogramDataPoint: attributes, exemplars, bucket_counts, explicit_bounds;
    metrics::ExponentialHistogramDataPoint: attributes, exemplars, positive, negative;
    metrics::exponential_histogram_data_point::Buckets: bucket_counts;
    metrics::SummaryDataPoint: attributes, quantile_values;
    metrics::Exemplar: filtered_attributes, span_id, trace_id;
    resource::Resource: attributes, entity_refs;
    common::EntityRef: schema_url, r#type, id_keys, description_keys;
    common::InstrumentationScope: name, version, attributes;
    common::KeyValue: key, value;
    common::AnyValue: value;
    common::ArrayValue: values;
    common::KeyValueList: values;
}

impl<T: Heap> Heap for Vec<T> {
    fn heap(&self) -> u64 {
        let own = self.capacity() * size_of::<T>();
        own as u64 + self.iter().map(Heap::heap).sum::<u64>()
    }
}

impl<T: Heap> Heap for Option<T> {
    fn heap(&self) -> u64 {
        self.as_ref().map_or(0, Heap::heap)
    }
}

impl Heap for String {
    fn heap(&self) -> u64 {
        self.capacity() as u64
    }
}

impl Heap for common::any_value::Value {
    fn heap(&self) -> u64 {
        match self {
            Self::StringValue(text) => text.heap(),
            Self::BytesValue(bytes) => bytes.heap(),
            Self::ArrayValue(list) => list.heap(),
            Self::KvlistValue(map) => map.heap(),
            Self::BoolValue(_)
            | Self::IntValue(_)
            | Self::DoubleValue(_)
            | Self::StringValueStrindex(_) => 0,
        }
    }
}

impl Heap for metrics::metric::Data {
    fn heap(&self) -> u64 {
        match self {
            Self::Gauge(data) => data.heap(),
            Self::Sum(data) => data.heap(),
            Self::Histogram(data) => data.heap(),
            Self::ExponentialHistogram(data) => data.heap(),
            Self::Summary(data) => data.heap(),
        }
    }
}

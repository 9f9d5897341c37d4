//! Spans to put in, and the numbers that come out.

use crate::{Config, SpanSignals};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::otlp::common::KeyValue;
use sonde_proto::otlp::metrics::metric::Data;
use sonde_proto::otlp::metrics::number_data_point::Value;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos, otlp};
use std::collections::BTreeMap;

/// Labels to the last value and whether the series ended; histograms give their count.
pub(super) type Found = BTreeMap<(String, String), (u64, bool)>;

pub(super) fn signals(config: &Config) -> SpanSignals {
    SpanSignals::new(config, &mut Registry::default(), UnixNanos(0))
}

pub(super) fn span(kind: i32, trace: u64, id: u64, parent: u64) -> Span {
    let id_of = |n: u64| {
        if n == 0 {
            Vec::new()
        } else {
            n.to_be_bytes().to_vec()
        }
    };
    Span {
        trace_id: [[9; 8], trace.to_be_bytes()].concat(),
        span_id: id_of(id),
        parent_span_id: id_of(parent),
        name: "op".to_owned(),
        kind,
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 1_000 + 30_000_000,
        ..Span::default()
    }
}

pub(super) fn failed(mut span: Span) -> Span {
    span.status = Some(Status {
        code: 2,
        message: String::new(),
    });
    span
}

pub(super) fn with(mut span: Span, attributes: &[(&str, &str)]) -> Span {
    span.attributes = attributes.iter().map(|(k, v)| otlp::kv(k, *v)).collect();
    span
}

pub(super) fn entry(position: u64, seconds: u64, spans: &[(&str, Span)]) -> (Position, Entry) {
    let one = |(service, span): &(&str, Span)| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![otlp::kv("service.name", *service)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: vec![span.clone()],
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: spans.iter().map(one).collect(),
    };
    let (tenant, received_at) = (Tenant::default(), UnixNanos::from_secs(seconds));
    (
        Position(position),
        Entry::otlp(
            tenant,
            Signal::Spans,
            received_at,
            request.encode_to_vec().into(),
        ),
    )
}

fn labels(attributes: &[KeyValue]) -> String {
    let value = |kv: &KeyValue| {
        kv.value
            .as_ref()
            .map_or_else(String::new, |v| otlp::text(v).into_owned())
    };
    attributes
        .iter()
        .map(|kv| format!("{}={}", kv.key, value(kv)))
        .collect::<Vec<_>>()
        .join(" ")
}

/// What a collection says, by metric and labels.
pub(super) fn collect(signals: &mut SpanSignals, seconds: u64) -> Found {
    let mut found = Found::new();
    for (_, request) in signals.collect(UnixNanos::from_secs(seconds)) {
        for resource in &request.resource_metrics {
            assert!(resource.resource.is_none(), "labels come out exactly");
            for metric in resource.scope_metrics.iter().flat_map(|s| &s.metrics) {
                match metric.data.as_ref().unwrap() {
                    Data::Sum(sum) => {
                        assert!(sum.is_monotonic && sum.aggregation_temporality == 2);
                        for point in &sum.data_points {
                            let Some(Value::AsInt(n)) = point.value else {
                                panic!("a whole number")
                            };
                            let value = (u64::try_from(n).unwrap(), point.flags == 1);
                            found.insert((metric.name.clone(), labels(&point.attributes)), value);
                        }
                    }
                    Data::Histogram(histogram) => {
                        for point in &histogram.data_points {
                            assert_eq!(point.bucket_counts.iter().sum::<u64>(), point.count);
                            assert_eq!(point.bucket_counts.len(), point.explicit_bounds.len() + 1);
                            found.insert(
                                (metric.name.clone(), labels(&point.attributes)),
                                (point.count, point.flags == 1),
                            );
                        }
                    }
                    other => panic!("unexpected {other:?}"),
                }
            }
        }
    }
    found
}

pub(super) fn value(found: &Found, metric: &str, labels: &str) -> Option<u64> {
    found
        .get(&(metric.to_owned(), labels.to_owned()))
        .map(|(value, _)| *value)
}

//! How fast requests are measured at the door, beside decoding them with prost.
//!
//! The requests are like those of a web shop: spans with eight attributes, data points
//! with four, log lines with two.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use prost::Message;
use sonde_proto::otlp::logs::{LogRecord, ResourceLogs, ScopeLogs};
use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;
use sonde_proto::otlp::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::otlp::{any_kv, common, kv};
use sonde_proto::{Signal, walk};
use std::hint::black_box;

const RECORDS: u64 = 4_096;

fn attributes(count: u64, record: u64) -> Vec<common::KeyValue> {
    let one = |n| {
        kv(
            &format!("http.attribute.{n}"),
            format!("value-{}", record * n),
        )
    };
    (0..count).map(one).collect()
}

fn spans() -> ExportTraceServiceRequest {
    let span = |n| Span {
        trace_id: vec![7; 16],
        span_id: vec![8; 8],
        parent_span_id: vec![9; 8],
        name: format!("GET /api/items/{}", n % 7),
        kind: 2,
        start_time_unix_nano: 1 << 60,
        end_time_unix_nano: 1 << 60,
        attributes: attributes(8, n),
        ..Default::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            scope_spans: vec![ScopeSpans {
                spans: (0..RECORDS).map(span).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn points() -> ExportMetricsServiceRequest {
    let point = |n| NumberDataPoint {
        attributes: attributes(4, n),
        start_time_unix_nano: 1 << 60,
        time_unix_nano: 1 << 60,
        value: Some(number_data_point::Value::AsInt(17)),
        ..Default::default()
    };
    let gauge = metric::Data::Gauge(Gauge {
        data_points: (0..RECORDS).map(point).collect(),
    });
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![ScopeMetrics {
                metrics: vec![Metric {
                    name: "http.server.request.duration".into(),
                    data: Some(gauge),
                    ..Default::default()
                }],
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn logs() -> ExportLogsServiceRequest {
    let line = "10.0.0.1 GET /api/items/17 200 in 12 ms, cache missed, 3 rows from the database";
    let record = |n| LogRecord {
        time_unix_nano: 1 << 60,
        observed_time_unix_nano: 1 << 60,
        body: any_kv("", common::any_value::Value::StringValue(line.into())).value,
        attributes: attributes(2, n),
        ..Default::default()
    };
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs {
            scope_logs: vec![ScopeLogs {
                log_records: (0..RECORDS).map(record).collect(),
                ..Default::default()
            }],
            ..Default::default()
        }],
    }
}

fn compare<T: Message + Default>(criterion: &mut Criterion, signal: Signal, request: &T) {
    let bytes = request.encode_to_vec();
    let mut group = criterion.benchmark_group(signal.as_str());
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("measure", |b| {
        b.iter(|| walk::measure(signal, black_box(&bytes)));
    });
    if signal == Signal::Logs {
        group.bench_function("validate", |b| {
            b.iter(|| walk::validate_logs(black_box(&bytes)));
        });
    }
    group.bench_function("decode", |b| b.iter(|| T::decode(black_box(&bytes[..]))));
    group.finish();
}

fn requests(criterion: &mut Criterion) {
    compare(criterion, Signal::Logs, &logs());
    compare(criterion, Signal::Spans, &spans());
    compare(criterion, Signal::Metrics, &points());
}

/// The largest request of the smallest spans, as someone would send it to do harm.
fn empty_spans(criterion: &mut Criterion) {
    let spans = [0x12, 0].repeat(8 << 20);
    let mut bytes = spans;
    for number in [2, 1] {
        let mut outer = vec![number << 3 | 2];
        prost::encoding::encode_varint(bytes.len() as u64, &mut outer);
        outer.append(&mut bytes);
        bytes = outer;
    }
    let mut group = criterion.benchmark_group("empty spans");
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.sample_size(10).bench_function("measure", |b| {
        b.iter(|| walk::measure(Signal::Spans, black_box(&bytes)));
    });
    group.finish();
}

criterion_group!(benches, requests, empty_spans);
criterion_main!(benches);

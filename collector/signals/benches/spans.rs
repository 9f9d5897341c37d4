//! Spans counted a second on one core: RED and the service graph together.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos, otlp};
use sonde_signals::{Config, SpanSignals};

const SPANS_PER_ENTRY: u64 = 200;

/// Requests of two spans each, client and server, with eight attributes.
fn entry(position: u64) -> (Position, Entry) {
    let span = |n: u64, server: bool| Span {
        trace_id: [[1; 8], (position * SPANS_PER_ENTRY + n).to_be_bytes()].concat(),
        span_id: (2 + u64::from(server)).to_be_bytes().to_vec(),
        parent_span_id: if server {
            2_u64.to_be_bytes().to_vec()
        } else {
            Vec::new()
        },
        name: format!("GET /items/{}", n % 50),
        kind: if server { 2 } else { 3 },
        start_time_unix_nano: 1_000,
        end_time_unix_nano: 1_000 + n * 1_000_000,
        attributes: (0..8)
            .map(|k| otlp::kv(&format!("attribute.number.{k}"), format!("value {n}")))
            .collect(),
        ..Span::default()
    };
    let side = |service: &str, server: bool| ResourceSpans {
        resource: Some(Resource {
            attributes: vec![otlp::kv("service.name", service)],
            ..Resource::default()
        }),
        scope_spans: vec![ScopeSpans {
            spans: (0..SPANS_PER_ENTRY / 2).map(|n| span(n, server)).collect(),
            ..ScopeSpans::default()
        }],
        ..ResourceSpans::default()
    };
    let request = ExportTraceServiceRequest {
        resource_spans: vec![side("web", false), side("shop", true)],
    };
    let (tenant, received_at) = (Tenant::default(), UnixNanos::from_secs(position));
    (
        Position(position),
        Entry {
            tenant,
            signal: Signal::Spans,
            received_at,
            payload: request.encode_to_vec().into(),
        },
    )
}

fn count(c: &mut Criterion) {
    let entries: Vec<_> = (0..100).map(entry).collect();
    let mut group = c.benchmark_group("count");
    group
        .throughput(Throughput::Elements(100 * SPANS_PER_ENTRY))
        .sample_size(20);
    let fresh = || SpanSignals::new(&Config::default(), &mut Registry::default());
    let apply = |mut signals: SpanSignals| {
        signals.apply(&entries);
        signals
    };
    group.bench_function("apply", |b| {
        b.iter_batched(fresh, apply, BatchSize::PerIteration);
    });
    group.finish();
}

criterion_group!(benches, count);
criterion_main!(benches);

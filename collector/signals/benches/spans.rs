//! Spans counted a second on one core: RED and the service graph together, beside the
//! budget and beside decoding the same spans and doing nothing with them.

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos, otlp};
use sonde_signals::{Config, SpanSignals};
use std::hint::black_box;
use std::time::{Duration, Instant};

const SPANS_PER_ENTRY: u64 = 200;
/// DESIGN's budget for all that happens to a span, of which this is a part.
const BUDGET_SPANS_PER_SECOND: f64 = 150_000.0;

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
        Entry::otlp(
            tenant,
            Signal::Spans,
            received_at,
            request.encode_to_vec().into(),
        ),
    )
}

fn count(c: &mut Criterion) {
    let entries: Vec<_> = (0..100).map(entry).collect();
    let mut group = c.benchmark_group("count");
    group
        .throughput(Throughput::Elements(100 * SPANS_PER_ENTRY))
        .sample_size(20);
    let fresh = || SpanSignals::new(&Config::default(), &mut Registry::default(), UnixNanos(0));
    let apply = |mut signals: SpanSignals| {
        signals.apply(&entries);
        signals
    };
    group.bench_function("apply", |b| {
        b.iter_batched(fresh, apply, BatchSize::PerIteration);
    });
    group.finish();
}

/// The median of nine runs, in seconds.
fn median(mut run: impl FnMut() -> Duration) -> f64 {
    let mut seconds: Vec<f64> = (0..9).map(|_| run().as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[4]
}

/// One line beside the budget.
fn summary() {
    let entries: Vec<_> = (0..100).map(entry).collect();
    let spans = (100 * SPANS_PER_ENTRY) as f64;
    let ours = median(|| {
        let mut signals =
            SpanSignals::new(&Config::default(), &mut Registry::default(), UnixNanos(0));
        let from = Instant::now();
        signals.apply(&entries);
        from.elapsed()
    });
    let limit = median(|| {
        let from = Instant::now();
        for (_, entry) in &entries {
            let decoded = ExportTraceServiceRequest::decode(entry.payload.clone());
            black_box(decoded.expect("the bench's own payload"));
        }
        from.elapsed()
    });
    let (ours, limit) = (spans / ours, spans / limit);
    println!(
        "\nRED and graph: {ours:.0} spans/s on one core, {:.2} of the budget of {BUDGET_SPANS_PER_SECOND} spans/s; {:.2} of decoding alone ({limit:.0} spans/s)",
        ours / BUDGET_SPANS_PER_SECOND,
        ours / limit
    );
}

criterion_group!(all, count);

fn main() {
    all();
    Criterion::default().configure_from_args().final_summary();
    summary();
}

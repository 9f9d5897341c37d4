//! Spans applied and sealed a second on one core, and how long a trace by ID takes.
//!
//! The spans are like those of a web shop: ten a trace, four services, eight attributes.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Entry, Position, Signal, Tenant, TraceId, UnixNanos, otlp};
use sonde_traces::{Config, Search, TraceQuery, TraceStore};

const TRACES_PER_ENTRY: u64 = 20;
const SPANS_PER_TRACE: u64 = 10;
const SERVICES: [&str; 4] = ["shop", "checkout", "pay", "mail"];

fn trace_bytes(trace: u64) -> [u8; 16] {
    ChaCha8Rng::seed_from_u64(trace).random()
}

fn span(rng: &mut ChaCha8Rng, trace: u64, number: u64) -> Span {
    let start = 1_700_000_000_000_000_000 + trace * 1_000_000 + number * 10_000;
    Span {
        trace_id: trace_bytes(trace).to_vec(),
        span_id: rng.random::<[u8; 8]>().to_vec(),
        parent_span_id: if number == 0 {
            Vec::new()
        } else {
            rng.random::<[u8; 8]>().to_vec()
        },
        name: format!("GET /api/v1/items/{}", number % 7),
        kind: 2,
        start_time_unix_nano: start,
        end_time_unix_nano: start + rng.random_range(10_000..900_000_000),
        attributes: vec![
            otlp::kv("http.request.method", "GET"),
            otlp::kv("http.route", format!("/api/v1/items/{{id}}/{}", number % 7)),
            otlp::kv(
                "http.response.status_code",
                ["200", "404", "500"][rng.random_range(0..3)],
            ),
            otlp::kv("server.address", "shop.example.com"),
            otlp::kv(
                "url.path",
                format!("/api/v1/items/{}", rng.random_range(0..100_000)),
            ),
            otlp::kv("request.id", format!("req-{trace:016x}")),
            otlp::kv("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
            otlp::kv("thread.id", rng.random_range(0..64).to_string()),
        ],
        status: Some(Status {
            code: i32::from(rng.random_ratio(1, 50)) * 2,
            message: String::new(),
        }),
        ..Span::default()
    }
}

fn entries(count: u64) -> Vec<(Position, Entry)> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut one = |position: u64| {
        let resource_spans = SERVICES.iter().zip(0..).map(|(service, which)| {
            let mine = (0..TRACES_PER_ENTRY).flat_map(|t| {
                (0..SPANS_PER_TRACE).map(move |s| (position * TRACES_PER_ENTRY + t, s))
            });
            let spans = mine
                .filter(|(_, s)| s % 4 == which)
                .map(|(t, s)| span(&mut rng, t, s))
                .collect();
            let attributes = vec![
                otlp::kv("service.name", *service),
                otlp::kv("host.name", "node-1"),
                otlp::kv("k8s.pod.name", "shop-5d8f-x2x"),
            ];
            ResourceSpans {
                resource: Some(Resource {
                    attributes,
                    ..Resource::default()
                }),
                scope_spans: vec![ScopeSpans {
                    spans,
                    ..ScopeSpans::default()
                }],
                ..ResourceSpans::default()
            }
        });
        let request = ExportTraceServiceRequest {
            resource_spans: resource_spans.collect(),
        };
        let payload = request.encode_to_vec().into();
        (
            Position(position),
            Entry {
                tenant: Tenant::default(),
                signal: Signal::Spans,
                received_at: UnixNanos(position),
                payload,
            },
        )
    };
    (0..count).map(&mut one).collect()
}

fn open(dir: &std::path::Path) -> TraceStore {
    TraceStore::open(
        dir,
        &Config::default(),
        &mut Registry::default(),
        UnixNanos(0),
    )
    .expect("an empty directory opens")
}

fn write(c: &mut Criterion) {
    let entries = entries(200);
    let spans = 200 * TRACES_PER_ENTRY * SPANS_PER_TRACE;
    let bytes: usize = entries.iter().map(|(_, entry)| entry.payload.len()).sum();
    let mut group = c.benchmark_group("write");
    group
        .throughput(Throughput::Elements(spans))
        .sample_size(10);
    let fresh = || {
        let dir = tempfile::tempdir().expect("a directory");
        (open(dir.path()), dir)
    };
    group.bench_function("apply", |b| {
        b.iter_batched(
            fresh,
            |(store, dir)| (store.apply(&entries), store, dir),
            BatchSize::PerIteration,
        );
    });
    let apply_and_seal = |(store, dir): (TraceStore, tempfile::TempDir)| {
        store.apply(&entries);
        store.seal(UnixNanos(0)).expect("the disk has room");
        (store, dir)
    };
    group.bench_function("apply_and_seal", |b| {
        b.iter_batched(fresh, apply_and_seal, BatchSize::PerIteration);
    });
    group.finish();
    let (store, _dir) = apply_and_seal(fresh());
    println!(
        "{} bytes a span on disk of {} as OTLP",
        store.stats().bytes / spans,
        bytes as u64 / spans
    );
}

fn read(c: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = open(dir.path());
    for chunk in entries(500).chunks(25) {
        store.apply(chunk);
        store.seal(UnixNanos(0)).expect("the disk has room");
    }
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let tenant = Tenant::default();
    let mut group = c.benchmark_group("read");
    group.bench_function("trace_by_id_over_20_segments", |b| {
        b.iter(|| {
            let id =
                TraceId::from_slice(&trace_bytes(rng.random_range(0..10_000))).expect("not zero");
            assert!(store.trace(&tenant, &id).expect("readable").is_some());
        });
    });
    group.bench_function("request_id_over_20_segments", |b| {
        b.iter(|| {
            let id = format!("req-{:016x}", rng.random_range(0..10_000));
            assert_eq!(store.lookup(&tenant, &id, 10).expect("readable").len(), 1);
        });
    });
    let query = TraceQuery::parse("service=pay status=error duration>100ms").expect("a query");
    let search = Search {
        query,
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 20,
        deadline: None,
    };
    group.bench_function("newest_20_failed_slow", |b| {
        b.iter(|| {
            assert_eq!(
                store
                    .search(&tenant, &search)
                    .expect("readable")
                    .traces
                    .len(),
                20
            );
        });
    });
    group.finish();
}

criterion_group!(benches, write, read);
criterion_main!(benches);

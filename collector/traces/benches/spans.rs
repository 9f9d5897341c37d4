//! Spans applied and sealed a second on one core, and how long a trace by ID takes.
//!
//! The spans are like those of a web shop: ten a trace, four services, eight attributes.
//! The last lines put the figures beside the budgets, and beside what sorted blocks alone
//! do with the same spans in the same run.

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::trace::{ResourceSpans, ScopeSpans, Span, Status};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::{Deadline, Entry, Position, Signal, Tenant, TraceId, UnixNanos, otlp};
use sonde_segment::blocks::{Reader, Writer};
use sonde_traces::{Config, Sampling, Search, TraceQuery, TraceStore};
use std::time::{Duration, Instant};

const TRACES_PER_ENTRY: u64 = 20;
const SPANS_PER_TRACE: u64 = 10;
/// DESIGN's budgets: spans a second and core, and a trace by its ID.
const BUDGET_SPANS_PER_SECOND: f64 = 150_000.0;
const BUDGET_LOOKUP: Duration = Duration::from_millis(5);
const LOOKUPS: usize = 5_000;
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
            Entry::otlp(
                Tenant::default(),
                Signal::Spans,
                UnixNanos(position),
                payload,
            ),
        )
    };
    (0..count).map(&mut one).collect()
}

fn open(dir: &std::path::Path) -> TraceStore {
    open_sampling(dir, "[]")
}

/// A store that keeps what some policies want.
fn open_sampling(dir: &std::path::Path, policies: &str) -> TraceStore {
    let config = Config {
        sampling: Sampling {
            policies: serde_json::from_str(policies).expect("policies"),
            ..Sampling::default()
        },
        ..Config::default()
    };
    TraceStore::open(dir, &config, &mut Registry::default(), UnixNanos(0))
        .expect("an empty directory opens")
}

/// Policies that keep a hundredth by chance, and what fails, whose spans must be decoded.
const SHARE: &str = r#"[{"name": "share", "type": "probabilistic",
    "probabilistic": {"sampling_percentage": 1}}]"#;
const FAILED: &str = r#"[{"name": "failed", "type": "traceql",
    "traceql": {"query": "{ status = error && .http.response.status_code = `500` }"}}]"#;
const EVERYTHING: &str = r#"[{"name": "all", "type": "always_sample"}]"#;

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
    for (name, policies) in [("share", SHARE), ("failed", FAILED), ("all", EVERYTHING)] {
        let fresh = || {
            let dir = tempfile::tempdir().expect("a directory");
            (open_sampling(dir.path(), policies), dir)
        };
        let apply_and_judge = |(store, dir): (TraceStore, tempfile::TempDir)| {
            store.apply(&entries);
            store
                .seal(UnixNanos::from_secs(1000))
                .expect("the disk has room");
            (store, dir)
        };
        group.bench_function(format!("apply_and_seal_sampling_{name}"), |b| {
            b.iter_batched(fresh, apply_and_judge, BatchSize::PerIteration);
        });
    }
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
            let found = store.lookup(&tenant, &id, 10, &Deadline::never());
            assert_eq!(found.expect("readable").trace_ids.len(), 1);
        });
    });
    let query = TraceQuery::parse(
        r#"{ resource.service.name = "pay" && status = error && duration > 100ms }"#,
    )
    .expect("a query");
    let search = Search {
        query,
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 20,
        spans_per_set: 3,
        deadline: Deadline::never(),
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

/// The median of five runs, in seconds.
fn median(mut run: impl FnMut() -> Duration) -> f64 {
    let mut seconds: Vec<f64> = (0..5).map(|_| run().as_secs_f64()).collect();
    seconds.sort_by(f64::total_cmp);
    seconds[2]
}

/// The 50th and the 99th of a hundred lookups.
fn percentiles(mut lookup: impl FnMut(u64)) -> (Duration, Duration) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut times: Vec<Duration> = (0..LOOKUPS)
        .map(|_| {
            let trace = rng.random_range(0..10_000);
            let from = Instant::now();
            lookup(trace);
            from.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[LOOKUPS / 2], times[LOOKUPS * 99 / 100])
}

/// The spans of entries by trace, for the limit: nothing but sorted blocks.
fn by_trace(entries: &[(Position, Entry)]) -> Vec<([u8; 16], Vec<u8>)> {
    let request = |entry: &Entry| {
        ExportTraceServiceRequest::decode(entry.payload.clone()).expect("the bench's own payload")
    };
    let resources = entries.iter().flat_map(|(_, e)| request(e).resource_spans);
    let spans = resources.flat_map(|r| r.scope_spans.into_iter().flat_map(|s| s.spans));
    spans
        .map(|span| {
            let id = span.trace_id[..].try_into().expect("an ID of 16 bytes");
            (id, span.encode_to_vec())
        })
        .collect()
}

fn write_blocks(path: &std::path::Path, spans: &[([u8; 16], Vec<u8>)]) {
    let mut sorted: Vec<_> = spans.iter().collect();
    sorted.sort_unstable();
    let mut writer = Writer::create(path).expect("a file");
    for (id, span) in sorted {
        writer.add(id, span).expect("the disk has room");
    }
    writer.finish().expect("the disk has room");
}

/// One line a budget.
fn summary() {
    let written = entries(200);
    let spans = (200 * TRACES_PER_ENTRY * SPANS_PER_TRACE) as f64;
    let ours = median(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let store = open(dir.path());
        let from = Instant::now();
        store.apply(&written);
        store.seal(UnixNanos(0)).expect("the disk has room");
        from.elapsed()
    });
    let loose = by_trace(&written);
    let limit = median(|| {
        let dir = tempfile::tempdir().expect("a directory");
        let from = Instant::now();
        write_blocks(&dir.path().join("spans"), &loose);
        from.elapsed()
    });
    let (ours, limit) = (spans / ours, spans / limit);
    println!(
        "\napply and seal: {ours:.0} spans/s on one core, {:.2} of the budget of {BUDGET_SPANS_PER_SECOND} spans/s, {:.2} of sorted blocks alone ({limit:.0} spans/s)",
        ours / BUDGET_SPANS_PER_SECOND,
        ours / limit
    );

    let dir = tempfile::tempdir().expect("a directory");
    let (store, tenant) = (open(dir.path()), Tenant::default());
    let read = entries(500);
    for chunk in read.chunks(25) {
        store.apply(chunk);
        store.seal(UnixNanos(0)).expect("the disk has room");
    }
    let (middle, ours) = percentiles(|trace| {
        let id = TraceId::from_slice(&trace_bytes(trace)).expect("not zero");
        assert!(store.trace(&tenant, &id).expect("readable").is_some());
    });
    let path = dir.path().join("blocks");
    write_blocks(&path, &by_trace(&read));
    let blocks = Reader::open(&path).expect("readable");
    let (_, limit) = percentiles(|trace| {
        let found = blocks.get_all(&trace_bytes(trace)).expect("readable");
        assert_eq!(found.len() as u64, SPANS_PER_TRACE);
    });
    println!(
        "trace by ID over {} segments: p50 {middle:.1?}, p99 {ours:.1?}, {:.3} of the budget of {BUDGET_LOOKUP:?}; {:.2} times the p99 of one file of sorted blocks ({limit:.1?})",
        store.stats().segments,
        ours.as_secs_f64() / BUDGET_LOOKUP.as_secs_f64(),
        ours.as_secs_f64() / limit.as_secs_f64()
    );
}

criterion_group!(all, write, read);

fn main() {
    all();
    Criterion::default().configure_from_args().final_summary();
    summary();
}

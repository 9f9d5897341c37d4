//! The trace store at the size of its budgets: spans of about 300 bytes, ten a trace, over an
//! hour. `SONDE_BENCH_SPANS` says how many (a million); one line a budget, and what the store
//! takes on disk and in memory. `SONDE_BENCH_PODS` gives every service so many resources, each of
//! fifteen attributes, in the place of one of three.
//!
//! Everything is told in processor time, so that another program on the machine does not change it
//! much: rates in that of the whole process without what making the spans took, seals and merges
//! among it; questions in that of the thread that asks, which does all of their work.

#![expect(
    clippy::expect_used,
    clippy::cast_precision_loss,
    reason = "a benchmark stops where something fails, and shows numbers"
)]

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Deadline, Entry, Position, Signal, Tenant, TraceId, UnixNanos, otlp};
use sonde_traces::{Config, Search, TraceQuery, TraceStore};
use std::fs;
use std::time::{Duration, Instant};

const SPANS_PER_TRACE: u64 = 10;
const TRACES_PER_ENTRY: u64 = 50;
const SERVICES: [&str; 10] = [
    "gateway", "checkout", "cart", "pay", "mail", "stock", "price", "user", "search", "ads",
];
const LOOKUPS: u64 = 1000;
const START: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const HOUR: u64 = 3_600_000_000_000;

fn main() {
    let spans = std::env::var("SONDE_BENCH_SPANS").ok();
    let spans: u64 = spans.and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let traces = spans / SPANS_PER_TRACE;
    let dir = tempfile::tempdir().expect("a directory");
    let store = TraceStore::open(
        dir.path(),
        &Config::default(),
        &mut Registry::default(),
        START,
    )
    .expect("an empty directory opens");
    write(&store, traces);
    read(&store, traces);
    let pay = "resource.service.name = `pay`";
    let cart = "resource.service.name = `cart` && status = error";
    for (name, query, limit) in [
        (
            "newest 20, service and duration",
            format!("{{{pay} && duration > 90ms}}"),
            20,
        ),
        (
            "all of few, service and duration",
            format!("{{{pay} && name = `GET /api/v1/resource-7` && duration > 99ms}}"),
            10_000,
        ),
        ("newest 20, failed", format!("{{{cart}}}"), 20),
        (
            "all of few, failed and slow",
            format!("{{{cart} && duration > 99ms}}"),
            10_000,
        ),
        (
            "attribute of few",
            "{span.http.route = `/item/777` && resource.service.name = `stock`}".to_owned(),
            20,
        ),
        ("nothing", format!("{{{pay} && duration > 1s}}"), 20),
        (
            "structure, newest 20",
            format!("{{{pay} && duration > 50ms}} >> {{{cart}}}"),
            20,
        ),
        (
            "structure, all of few",
            format!("{{{pay} && duration > 50ms}} >> {{{cart}}}"),
            10_000,
        ),
    ] {
        search(&store, name, &query, limit);
    }
    println!(
        "memory: {} MB now, {} MB at most",
        memory("VmRSS"),
        memory("VmHWM")
    );
}

fn write(store: &TraceStore, traces: u64) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let (mut made, mut bytes) = (0, 0);
    let before = process_nanos();
    for position in 0..traces / TRACES_PER_ENTRY {
        let making = thread_nanos();
        let entry = entry(&mut rng, position, traces);
        bytes += entry.payload.len() as u64;
        made += thread_nanos() - making;
        let now = entry.received_at;
        store.apply(&[(Position(position), entry)]);
        store.maintain(now).expect("the disk has room");
    }
    store.seal(START).expect("the disk has room");
    let sealed = process_nanos() - before - made;
    store.merge_all().expect("the disk has room");
    let merged = process_nanos() - before - made;
    let (stats, spans) = (store.stats(), traces * SPANS_PER_TRACE);
    let rate = |nanos: u64| spans as f64 / nanos as f64 * 1e9;
    println!(
        "{spans} spans of {} bytes: {:.0} spans/s a core stored, {:.0} with all merges",
        bytes / spans,
        rate(sealed),
        rate(merged)
    );
    println!(
        "on disk: {} bytes a span, {:.2} of OTLP, {} segments",
        stats.bytes / spans,
        stats.bytes as f64 / bytes as f64,
        stats.segments
    );
}

fn read(store: &TraceStore, traces: u64) {
    let tenant = Tenant::default();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let mut times = |mut ask: Box<dyn FnMut(u64) -> bool>| {
        let before = thread_nanos();
        let mut times: Vec<Duration> = (0..LOOKUPS)
            .map(|_| {
                let trace = rng.random_range(0..traces);
                let from = Instant::now();
                assert!(ask(trace), "it is there");
                from.elapsed()
            })
            .collect();
        let mean = Duration::from_nanos((thread_nanos() - before) / LOOKUPS);
        times.sort_unstable();
        (mean, times[500], times[990])
    };
    let (mean, p50, p99) = times(Box::new(|trace| {
        let id = TraceId::from_slice(&trace_bytes(trace)).expect("not zero");
        store.trace(&tenant, &id).expect("readable").is_some()
    }));
    println!("trace by ID: {mean:.1?}; by the clock p50 {p50:.1?}, p99 {p99:.1?} of 5 ms");
    let (mean, p50, p99) = times(Box::new(|trace| {
        let id = format!("req-{trace:016x}");
        let found = store.lookup(&tenant, &id, 10, &Deadline::never());
        found.expect("readable").trace_ids.len() == 1
    }));
    println!("request ID: {mean:.1?}; by the clock p50 {p50:.1?}, p99 {p99:.1?} of 20 ms");
}

fn search(store: &TraceStore, name: &str, query: &str, limit: usize) {
    let search = Search {
        query: TraceQuery::parse(query).expect("a query"),
        start: START,
        end: UnixNanos(START.0 + HOUR),
        limit,
        spans_per_set: 3,
        deadline: Deadline::never(),
    };
    let mut times = Vec::new();
    let mut found = 0;
    for _ in 0..5 {
        let from = thread_nanos();
        let answer = store.search(&Tenant::default(), &search).expect("readable");
        times.push(Duration::from_nanos(thread_nanos() - from));
        assert_eq!(answer.cut, None);
        found = answer.traces.len();
    }
    times.sort_unstable();
    println!("{name} ({query}): {found} traces in {:.1?}", times[2]);
}

fn entry(rng: &mut ChaCha8Rng, position: u64, traces: u64) -> Entry {
    let mut by_service: Vec<Vec<Span>> = vec![Vec::new(); SERVICES.len()];
    let mut received = START.0;
    for trace in position * TRACES_PER_ENTRY..(position + 1) * TRACES_PER_ENTRY {
        let start = START.0 + HOUR / traces * trace;
        received = start;
        for number in 0..SPANS_PER_TRACE {
            by_service[rng.random_range(0..SERVICES.len())].push(span(rng, trace, number, start));
        }
    }
    let pods = pods();
    let resource_spans = SERVICES.iter().zip(by_service).map(|(service, spans)| {
        let mut attributes = vec![
            otlp::kv("service.name", *service),
            otlp::kv("host.name", "node-1"),
            otlp::kv("k8s.pod.name", "shop-5d8f-x2x"),
        ];
        if pods > 0 {
            attributes = of_pod(service, rng.random_range(0..pods));
        }
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
    Entry::otlp(
        Tenant::default(),
        Signal::Spans,
        UnixNanos(received),
        request.encode_to_vec().into(),
    )
}

fn pods() -> u64 {
    let pods = std::env::var("SONDE_BENCH_PODS").ok();
    pods.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// What an SDK and a collector's enrichment say of a pod.
fn of_pod(service: &str, pod: u64) -> Vec<KeyValue> {
    let mut rng = ChaCha8Rng::seed_from_u64(pod);
    let mut id = || format!("{:016x}{:016x}", rng.random::<u64>(), rng.random::<u64>());
    vec![
        otlp::kv("service.name", service),
        otlp::kv("service.instance.id", id()),
        otlp::kv("service.version", "2026.11.3"),
        otlp::kv("k8s.pod.uid", id()),
        otlp::kv("container.id", id() + &id()),
        otlp::kv("k8s.pod.name", format!("{service}-5d8f-{pod}")),
        otlp::kv("k8s.namespace.name", "shop"),
        otlp::kv("k8s.deployment.name", service),
        otlp::kv("k8s.node.name", format!("node-{}", pod % 7)),
        otlp::kv("k8s.cluster.name", "production-eu-west-1"),
        otlp::kv("cloud.availability_zone", "eu-west-1b"),
        otlp::kv("host.arch", "amd64"),
        otlp::kv("os.type", "linux"),
        otlp::kv("telemetry.sdk.language", "java"),
        otlp::kv("telemetry.sdk.version", "1.43.0"),
    ]
}

/// The first span of a trace is always slow, the others seldom.
fn span(rng: &mut ChaCha8Rng, trace: u64, number: u64, start: u64) -> Span {
    let nanos = match number {
        0 => 200_000_000,
        _ => 100_000_000 / rng.random_range(1..2000),
    };
    let route = rng.random_range(0..100_000);
    Span {
        trace_id: trace_bytes(trace).to_vec(),
        span_id: (trace * SPANS_PER_TRACE + number + 1)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .to_be_bytes()
            .to_vec(),
        parent_span_id: match number {
            0 => Vec::new(),
            _ => (trace * SPANS_PER_TRACE + number)
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
                .to_be_bytes()
                .to_vec(),
        },
        name: format!("GET /api/v1/resource-{}", number % 20),
        kind: 1 + i32::from(number.is_multiple_of(2)),
        start_time_unix_nano: start + number * 1000,
        end_time_unix_nano: start + number * 1000 + nanos,
        attributes: vec![
            otlp::kv("http.request.method", "GET"),
            otlp::kv("http.route", format!("/item/{route}")),
            otlp::kv("http.response.status_code", "200"),
            otlp::kv("request.id", format!("req-{trace:016x}")),
            otlp::kv("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64)"),
            otlp::kv("thread.id", rng.random_range(0..64).to_string()),
        ],
        status: Some(Status {
            code: i32::from(rng.random_ratio(1, 500)) * 2,
            message: String::new(),
        }),
        ..Span::default()
    }
}

/// Spread over all IDs, as random ones are.
fn trace_bytes(trace: u64) -> [u8; 16] {
    let mixed = (trace + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut id = [0; 16];
    id[..8].copy_from_slice(&mixed.to_be_bytes());
    id[8..].copy_from_slice(&(trace + 1).to_be_bytes());
    id
}

/// Processor time of this thread, which the kernel may only bring up to date a few hundred times
/// a second.
fn thread_nanos() -> u64 {
    let stat = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let first = stat.split(' ').next();
    first.and_then(|n| n.parse().ok()).unwrap_or(0)
}

/// Processor time of all threads, those that have ended among them, in hundredths of a second.
fn process_nanos() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|n| n.parse::<u64>().ok()).sum::<u64>() * 10_000_000
}

fn memory(what: &str) -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.and_then(|n| n.parse::<u64>().ok()).unwrap_or(0) / 1024
}

//! How fast records become searchable, and how fast a needle is found, beside the budget
//! and beside limits measured in the same run: sorted blocks of the same bodies without any
//! index, and a plain scan of the same bytes.

use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logs::{Config, Direction, LogQuery, LogStore, Search};
use sonde_proto::otlp::common::{AnyValue, any_value::Value};
use sonde_proto::otlp::{self, logs, logs_service::ExportLogsServiceRequest, resource::Resource};
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const ENTRIES: usize = 50;
const RECORDS_PER_ENTRY: usize = 1000;
const BODY_BYTES: usize = 217;
/// DESIGN's budget for the whole path from OTLP to searchable, per core.
const BUDGET_MB_PER_SECOND: f64 = 60.0;

/// What is indexed: the entries, and their bodies as one piece for the plain scan.
struct Corpus {
    entries: Vec<(Position, Entry)>,
    bodies: Vec<u8>,
    needle: String,
}

impl Corpus {
    fn new() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (mut entries, mut bodies, mut needle) = (Vec::new(), Vec::new(), String::new());
        for position in 0..ENTRIES {
            let mut records = Vec::new();
            for n in 0..RECORDS_PER_ENTRY {
                let (id, line) = line(&mut rng);
                if position == ENTRIES / 2 && n == 0 {
                    needle = id;
                }
                bodies.extend_from_slice(line.as_bytes());
                records.push(record(&mut rng, position * RECORDS_PER_ENTRY + n, line));
            }
            entries.push((Position(position as u64), entry(position, records)));
        }
        Self {
            entries,
            bodies,
            needle,
        }
    }
}

/// A line of 217 bytes about a request, and the request's identifier.
fn line(rng: &mut ChaCha8Rng) -> (String, String) {
    let id = format!("{:016x}", rng.random::<u64>());
    let (a, b, ms, user) = (
        rng.random_range(1..255),
        rng.random_range(1..255),
        rng.random_range(1..3000),
        rng.random_range(0..50_000),
    );
    let mut line = match rng.random_range(0..3) {
        0 => format!(
            r#"10.0.{a}.{b} - - "GET /api/v2/carts/{user}/items HTTP/1.1" 200 {ms} "-" "client/7.1" request_id={id}"#
        ),
        1 => format!(
            r#"{{"level":"info","msg":"order placed","user_id":{user},"duration_ms":{ms},"request_id":"{id}"}}"#
        ),
        _ => format!(
            "upstream call to inventory-{a} failed after {ms} ms: connection reset by peer (request {id}, attempt {b})"
        ),
    };
    let filler = " at com.example.checkout.PaymentGateway.charge(PaymentGateway.java:118) in pool-3-thread-7 while handling the request of a customer";
    line.push_str(&filler[..BODY_BYTES.saturating_sub(line.len()).min(filler.len())]);
    line.truncate(BODY_BYTES);
    (id, line)
}

fn record(rng: &mut ChaCha8Rng, n: usize, line: String) -> logs::LogRecord {
    logs::LogRecord {
        time_unix_nano: NOW.0 + n as u64 * 1_000_000,
        severity_number: if rng.random_bool(0.1) { 17 } else { 9 },
        body: Some(AnyValue {
            value: Some(Value::StringValue(line)),
        }),
        trace_id: if rng.random_bool(0.7) {
            rng.random::<[u8; 16]>().to_vec()
        } else {
            Vec::new()
        },
        ..Default::default()
    }
}

fn entry(position: usize, records: Vec<logs::LogRecord>) -> Entry {
    let attributes = vec![
        otlp::kv("service.name", format!("service-{}", position % 20)),
        otlp::kv("k8s.pod.name", format!("service-{}-7d9f", position % 20)),
        otlp::kv("k8s.namespace.name", "shop"),
    ];
    let request = ExportLogsServiceRequest {
        resource_logs: vec![logs::ResourceLogs {
            resource: Some(Resource {
                attributes,
                ..Default::default()
            }),
            scope_logs: vec![logs::ScopeLogs {
                log_records: records,
                ..Default::default()
            }],
            ..Default::default()
        }],
    };
    Entry {
        tenant: Tenant::default(),
        signal: Signal::Logs,
        received_at: NOW,
        payload: request.encode_to_vec().into(),
    }
}

fn open(dir: &Path) -> LogStore {
    LogStore::open(dir, &Config::default(), &mut Registry::default(), NOW)
        .expect("the bench's directory is new")
}

fn sealed(dir: &Path, corpus: &Corpus) -> LogStore {
    let store = open(dir);
    store.apply(&corpus.entries);
    store.seal(NOW).expect("the bench's disk has room");
    store
}

fn needle_search(text: &str) -> Search {
    Search {
        query: LogQuery::parse(&format!("{{}} |= `{text}`"))
            .expect("a hex needle in backquotes is a query"),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit: 100,
        direction: Direction::Backward,
        deadline: None,
    }
}

fn benches(c: &mut Criterion) {
    let corpus = Corpus::new();
    let mut group = c.benchmark_group("logs");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Bytes(corpus.bodies.len() as u64));
    let fresh = || tempfile::tempdir().expect("the machine has a temporary directory");
    group.bench_function("apply (searchable in memory)", |b| {
        let setup = || {
            let dir = fresh();
            (open(dir.path()), dir)
        };
        b.iter_batched(
            setup,
            |(store, dir)| {
                store.apply(&corpus.entries);
                (store, dir)
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("apply and seal", |b| {
        b.iter_batched(
            fresh,
            |dir| (sealed(dir.path(), &corpus), dir),
            BatchSize::PerIteration,
        );
    });
    let dir = fresh();
    let store = sealed(dir.path(), &corpus);
    for (name, text) in [
        ("bounded", format!("request_id={} ", corpus.needle)),
        ("lone", corpus.needle.clone()),
        ("inner", corpus.needle[3..13].to_owned()),
    ] {
        let search = needle_search(&text);
        group.bench_function(format!("needle, {name}"), |b| {
            b.iter(|| store.search(&Tenant::default(), &search));
        });
        let finder = memchr::memmem::Finder::new(text.as_bytes());
        group.bench_function(
            format!("needle, {name}, plain memmem over the bodies in memory"),
            |b| {
                b.iter(|| finder.find_iter(black_box(&corpus.bodies)).count());
            },
        );
    }
    group.finish();
}

/// One line a figure, beside the budget.
fn summary() {
    let corpus = Corpus::new();
    let bytes = corpus.bodies.len() as f64;
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let dir = tempfile::tempdir().expect("the machine has a temporary directory");
            let from = Instant::now();
            drop(sealed(dir.path(), &corpus));
            from.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    let indexed = bytes / seconds[seconds.len() / 2] / 1e6;
    let blocks = bytes / block_seconds(&corpus) / 1e6;
    let (from, absent) = (
        Instant::now(),
        memchr::memmem::Finder::new("0123456789abcdefX"),
    );
    let found = absent.find_iter(black_box(&corpus.bodies)).count();
    let scanned = bytes / from.elapsed().as_secs_f64() / 1e6;
    let dir = tempfile::tempdir().expect("the machine has a temporary directory");
    let disk = sealed(dir.path(), &corpus).stats().bytes as f64;
    println!(
        "\nbodies of {BODY_BYTES} B, {} records: apply and seal {indexed:.1} MB/s (budget {BUDGET_MB_PER_SECOND} MB/s, {:.2} of it), {:.2} of sorted blocks without an index ({blocks:.0} MB/s), {:.2} of the bodies' size on disk; memmem reads the same bytes at {scanned:.0} MB/s ({found} found)",
        ENTRIES * RECORDS_PER_ENTRY,
        indexed / BUDGET_MB_PER_SECOND,
        indexed / blocks,
        disk / bytes
    );
}

/// How long it takes to write the bodies as sorted blocks and no more; the median of five.
fn block_seconds(corpus: &Corpus) -> f64 {
    let mut seconds: Vec<f64> = (0..5)
        .map(|_| {
            let dir = tempfile::tempdir().expect("the machine has a temporary directory");
            let from = Instant::now();
            let mut writer = sonde_segment::blocks::Writer::create(&dir.path().join("bodies"))
                .expect("the bench's directory is new");
            for (n, body) in (0_u64..).zip(corpus.bodies.chunks(BODY_BYTES)) {
                let added = writer.add(&n.to_be_bytes(), body);
                added.expect("numbers rise and the disk has room");
            }
            writer.finish().expect("the bench's disk has room");
            from.elapsed().as_secs_f64()
        })
        .collect();
    seconds.sort_by(f64::total_cmp);
    seconds[seconds.len() / 2]
}

criterion_group!(all, benches);

fn main() {
    all();
    Criterion::default().configure_from_args().final_summary();
    summary();
}

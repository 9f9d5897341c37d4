//! A million active series: what they take in memory, how long the thread that applies is held
//! up, how long a seal, an opening and a first question take.
//!
//! `cargo bench -p sonde-metrics --bench million`; a number after `--` is how many scrapes.

#[path = "shared/otlp.rs"]
mod otlp;

use bytes::Bytes;
use prometheus_client::registry::Registry;
use sonde_metrics::{Config, MetricStore, QueryLimits, QueryValue};
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::{Gauge, Metric, NumberDataPoint, metric, number_data_point};
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use std::path::Path;
use std::time::Instant;

const START: UnixNanos = UnixNanos::from_secs(1_700_000_000);
const INTERVAL_MS: u64 = 15_000;
const NODES: usize = 2000;
const SERIES: usize = 500;
const SCRAPES: usize = 24;

/// One scrape of one node. A third never changes, a third counts, a third wobbles.
fn entry(node: usize, scrape: usize, values: &mut [f64]) -> Entry {
    let time = START.as_millis() + (scrape as u64 * INTERVAL_MS) as i64 + (node % 15_000) as i64;
    let metric = |(n, value): (usize, &mut f64)| {
        let noise = (node * 7919 + n * 104_729 + scrape * 1_299_709) % 1000;
        match n % 3 {
            0 => {}
            1 => *value += noise as f64,
            _ => *value = (*value * 100.0 + noise as f64 - 500.0).round() / 100.0,
        }
        let point = NumberDataPoint {
            attributes: vec![
                kv("device", format!("device{}", n % 8)),
                kv("mode", ["user", "system", "idle", "iowait"][n % 4]),
            ],
            time_unix_nano: UnixNanos::from_millis(time).0,
            value: Some(number_data_point::Value::AsDouble(*value)),
            ..Default::default()
        };
        Metric {
            name: format!("node_subsystem_metric_{}", n / 8),
            data: Some(metric::Data::Gauge(Gauge {
                data_points: vec![point],
            })),
            ..Default::default()
        }
    };
    let metrics = values.iter_mut().enumerate().map(metric).collect();
    let received_at = UnixNanos::from_millis(time + 100);
    let payload = request(node, metrics);
    Entry::otlp(Tenant::default(), Signal::Metrics, received_at, payload)
}

fn request(node: usize, metrics: Vec<Metric>) -> Bytes {
    let attributes = vec![
        kv("service.name", "node"),
        kv(
            "service.instance.id",
            format!("10.0.{}.{}:9100", node / 250, node % 250),
        ),
        kv("host.name", format!("worker-{node}.example.com")),
        kv("k8s.node.name", format!("worker-{node}")),
    ];
    otlp::request(attributes, metrics)
}

/// A figure of this process in MiB, as Linux counts it.
fn memory(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(field));
    let kib = line.and_then(|line| line.trim_start_matches(':').split_whitespace().next());
    kib.and_then(|kib| kib.parse::<f64>().ok())
        .unwrap_or_default()
        / 1024.0
}

fn open(dir: &Path) -> MetricStore {
    let mut registry = Registry::default();
    MetricStore::open(dir, &Config::default(), &mut registry, START)
        .expect("the bench's directory can be used")
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let from = Instant::now();
    let result = work();
    (result, from.elapsed().as_secs_f64())
}

fn ask(store: &MetricStore, query: &str, at: UnixNanos) -> f64 {
    let limits = QueryLimits::default();
    let (answer, seconds) = timed(|| store.instant(&Tenant::default(), query, at, &limits));
    match answer.expect("the query is within its limits").value {
        QueryValue::Vector(found) => assert!(!found.is_empty(), "{query} finds nothing"),
        _ => unreachable!("a sum is a vector"),
    }
    seconds * 1e3
}

fn main() {
    let scrapes = std::env::args().find_map(|arg| arg.parse::<usize>().ok());
    let scrapes = scrapes.unwrap_or(SCRAPES);
    let dir = tempfile::tempdir().expect("the machine has a temporary directory");
    let mut values = vec![0.0; NODES * SERIES];
    let store = open(dir.path());
    let before = memory("VmRSS");
    let (mut position, mut applied, mut stall, mut upkeep) = (0, 0.0, 0.0_f64, 0.0_f64);
    let mut end = START;
    for scrape in 0..scrapes {
        for (node, values) in values.chunks_mut(SERIES).enumerate() {
            let entry = entry(node, scrape, values);
            end = entry.received_at;
            let batch = [(Position(position), entry)];
            position += 1;
            let ((), seconds) = timed(|| store.apply(&batch));
            (applied, stall) = (applied + seconds, stall.max(seconds));
            if node % 100 == 0 {
                let (done, seconds) = timed(|| store.maintain(end));
                done.expect("the bench's disk has room");
                upkeep = upkeep.max(seconds);
            }
        }
        if scrape == 0 {
            let series = store.stats().series as f64;
            let grown = (memory("VmRSS") - before) * 1048576.0 / series;
            let own = store.stats().head_bytes as f64 / series;
            println!(
                "{series} series: {grown:.0} B resident each, {own:.0} B by the store's own account"
            );
            println!("new series: {:.2} M/s", series / applied / 1e6);
        }
    }
    let samples = (NODES * SERIES * scrapes) as f64;
    println!(
        "{scrapes} scrapes, {:.2} M samples/s; resident {:.0} MiB, at most {:.0} MiB; {} segments",
        samples / applied / 1e6,
        memory("VmRSS"),
        memory("VmHWM"),
        store.stats().segments
    );
    println!(
        "the longest hold-up: {:.0} ms in apply, {:.0} ms in maintain",
        stall * 1e3,
        upkeep * 1e3
    );
    let (sealed, seconds) = timed(|| store.seal(end));
    sealed.expect("the bench's disk has room");
    let stats = store.stats();
    println!(
        "seal of what was left: {seconds:.1} s; at most {:.0} MiB; {} segments of {:.1} MiB, {:.2} B a sample",
        memory("VmHWM"),
        stats.segments,
        stats.bytes as f64 / 1048576.0,
        stats.bytes as f64 / samples
    );
    drop(store);
    let before = memory("VmRSS");
    let (store, seconds) = timed(|| open(dir.path()));
    println!("open: {:.1} ms", seconds * 1e3);
    for query in [
        r#"sum(node_subsystem_metric_7{instance="10.0.3.7:9100"})"#,
        "sum(node_subsystem_metric_7)",
        r#"sum({host_name="worker-77.example.com"})"#,
    ] {
        let first = ask(&store, query, end);
        let again = ask(&store, query, end);
        println!("{query}: {first:.1} ms, again {again:.1} ms");
    }
    println!("resident for that: {:.0} MiB", memory("VmRSS") - before);
}

//! How fast samples come in, how small they are kept and how fast they are asked, beside the
//! budget.

#[path = "shared/otlp.rs"]
mod otlp;

use bytes::Bytes;
use criterion::{BatchSize, Criterion, Throughput, criterion_group};
use prometheus_client::registry::Registry;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_metrics::{Config, MetricStore, QueryLimits, QueryValue};
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::{Gauge, Metric, NumberDataPoint, Sum, metric, number_data_point};
use sonde_proto::remote_write::{Series, Version, body};
use sonde_proto::snappy::Unpacker;
use sonde_proto::walk::remote_write::{Bounds, Known, LabelBounds, look};
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use std::path::Path;
use std::time::{Duration, Instant};

const START: UnixNanos = UnixNanos::from_secs(1_700_000_000);
/// How far apart the scrapes of a node are.
const INTERVAL_MS: i64 = 15_000;
const NODES: usize = 20;
/// Series per node: about what node_exporter has on a small machine.
const SERIES: usize = 500;
/// An hour.
const SCRAPES: usize = 240;

/// DESIGN's budgets, per core.
const BUDGET_SAMPLES_PER_SECOND: f64 = 1e6;
const BUDGET_BYTES_PER_SAMPLE: f64 = 1.3;
const BUDGET_QUERY_MS: f64 = 60.0;
const BUDGET_BYTES_PER_SERIES: f64 = 1024.0;

/// One series of a node and how it goes on.
struct Source {
    name: String,
    attributes: Vec<(String, String)>,
    kind: Kind,
    value: f64,
}

/// How the values of a node's series move, in about the shares that a real node has.
#[derive(Clone, Copy)]
enum Kind {
    /// Never changes: sizes, counts of errors, settings.
    Constant,
    /// A counter of whole numbers: packets, interrupts, bytes.
    Counter(u32),
    /// A counter of hundredths of a second.
    Seconds,
    /// A gauge in pages of 4 KiB.
    Pages,
    /// A gauge of any value: temperatures, loads.
    Wobbling,
}

impl Source {
    fn all(rng: &mut ChaCha8Rng) -> Vec<Self> {
        let one = |rng: &mut ChaCha8Rng, n: usize| {
            let kind = match n % 20 {
                0..=7 => Kind::Constant,
                8..=11 => Kind::Counter(rng.random_range(1..20)),
                12 | 13 => Kind::Counter(rng.random_range(1000..500_000)),
                14 | 15 => Kind::Seconds,
                16..=18 => Kind::Pages,
                _ => Kind::Wobbling,
            };
            Self {
                name: format!(
                    "node_{}_metric_{}",
                    ["cpu", "disk", "network", "memory"][n % 4],
                    n / 8
                ),
                attributes: vec![
                    ("device".to_owned(), format!("device{}", n % 8)),
                    (
                        "mode".to_owned(),
                        ["user", "system", "idle", "iowait"][n % 4].to_owned(),
                    ),
                ],
                kind,
                value: f64::from(rng.random_range(0..1_000_000u32)),
            }
        };
        (0..SERIES).map(|n| one(rng, n)).collect()
    }

    fn step(&mut self, rng: &mut ChaCha8Rng) -> f64 {
        match self.kind {
            Kind::Constant => {}
            Kind::Counter(most) => self.value += f64::from(rng.random_range(0..=most)),
            Kind::Seconds => {
                self.value = ((self.value * 100.0).round()
                    + f64::from(rng.random_range(0..1500u32)))
                    / 100.0;
            }
            Kind::Pages => {
                self.value = (self.value / 4096.0).round() * 4096.0
                    + 4096.0 * f64::from(rng.random_range(-64i32..=64));
            }
            Kind::Wobbling => self.value += rng.random_range(-0.5..0.5),
        }
        self.value
    }

    /// What a Prometheus would write of a node's series.
    fn series(&self, node: usize, time: i64, value: f64) -> Series {
        let mut labels = vec![
            ("__name__".to_owned(), self.name.clone()),
            ("instance".to_owned(), format!("10.0.0.{node}:9100")),
            ("job".to_owned(), "node".to_owned()),
        ];
        labels.extend(self.attributes.iter().cloned());
        labels.sort();
        Series {
            labels,
            samples: vec![(time, value)],
            ..Series::default()
        }
    }

    fn metric(&self, time: i64, value: f64) -> Metric {
        let point = NumberDataPoint {
            attributes: self
                .attributes
                .iter()
                .map(|(n, v)| kv(n, v.clone()))
                .collect(),
            time_unix_nano: UnixNanos::from_millis(time).0,
            value: Some(number_data_point::Value::AsDouble(value)),
            ..Default::default()
        };
        let data_points = vec![point];
        let data = match self.kind {
            Kind::Counter(_) | Kind::Seconds => metric::Data::Sum(Sum {
                data_points,
                aggregation_temporality: 2,
                is_monotonic: true,
            }),
            Kind::Constant | Kind::Pages | Kind::Wobbling => {
                metric::Data::Gauge(Gauge { data_points })
            }
        };
        Metric {
            name: self.name.clone(),
            data: Some(data),
            ..Default::default()
        }
    }
}

/// How the scrapes arrive.
#[derive(Clone, Copy)]
enum Sent {
    Otlp,
    Written(Version),
}

/// An hour of scrapes of some nodes, a request each.
fn scrapes(sent: Sent) -> Vec<(Position, Entry)> {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut nodes: Vec<(i64, Vec<Source>)> = (0..NODES)
        .map(|_| (rng.random_range(0..INTERVAL_MS), Source::all(&mut rng)))
        .collect();
    let mut entries = Vec::with_capacity(NODES * SCRAPES);
    for scrape in 0..SCRAPES as i64 {
        for (node, (offset, sources)) in nodes.iter_mut().enumerate() {
            // A scrape is due on time and happens a few milliseconds later.
            let time = START.as_millis() + scrape * INTERVAL_MS + *offset + rng.random_range(0..5);
            let received_at = UnixNanos::from_millis(time + 100);
            let values: Vec<f64> = sources.iter_mut().map(|s| s.step(&mut rng)).collect();
            let all = sources.iter().zip(values);
            let entry = match sent {
                Sent::Otlp => {
                    let metrics = all.map(|(source, value)| source.metric(time, value));
                    let payload = request(node, metrics.collect());
                    Entry::otlp(Tenant::default(), Signal::Metrics, received_at, payload)
                }
                Sent::Written(version) => {
                    let series: Vec<_> =
                        all.map(|(s, value)| s.series(node, time, value)).collect();
                    let body = body(version, &series).expect("a scrape is small").into();
                    Entry::remote_write(Tenant::default(), version, received_at, body)
                }
            };
            entries.push((Position(entries.len() as u64), entry));
        }
    }
    entries
}

fn request(node: usize, metrics: Vec<Metric>) -> Bytes {
    let attributes = vec![
        kv("service.name", "node"),
        kv("service.instance.id", format!("10.0.0.{node}:9100")),
        kv("host.name", format!("worker-{node}.example.com")),
        kv("os.type", "linux"),
    ];
    otlp::request(attributes, metrics)
}

fn open(dir: &Path) -> MetricStore {
    MetricStore::open(dir, &Config::default(), &mut Registry::default(), START)
        .expect("the bench's directory is new")
}

fn fresh() -> tempfile::TempDir {
    tempfile::tempdir().expect("the machine has a temporary directory")
}

fn end() -> UnixNanos {
    START.plus(Duration::from_millis(SCRAPES as u64 * INTERVAL_MS as u64))
}

fn filled(dir: &Path, entries: &[(Position, Entry)]) -> MetricStore {
    let store = open(dir);
    store.apply(entries);
    store
}

fn sealed(dir: &Path, entries: &[(Position, Entry)]) -> MetricStore {
    let store = filled(dir, entries);
    store.seal(end()).expect("the bench's disk has room");
    store
}

/// `sum by (mode) (rate(m[5m]))` over every series, at 240 steps.
fn ask(store: &MetricStore) -> usize {
    let query = r#"sum by (mode) (rate({device=~".+"}[5m]))"#;
    let (step, limits) = (
        Duration::from_millis(INTERVAL_MS as u64),
        QueryLimits::default(),
    );
    let start = START.plus(step);
    let answer = store
        .range(&Tenant::default(), query, start, end(), step, &limits)
        .expect("the query is within its limits");
    match answer.value {
        QueryValue::Matrix(series) => series.iter().map(|s| s.samples.len()).sum(),
        QueryValue::Scalar(_) | QueryValue::String { .. } | QueryValue::Vector(_) => 0,
    }
}

fn benches(c: &mut Criterion) {
    let entries = scrapes(Sent::Otlp);
    let mut group = c.benchmark_group("metrics");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Elements((NODES * SERIES * SCRAPES) as u64));
    group.bench_function("apply, known series and new", |b| {
        let setup = || {
            let dir = fresh();
            (open(dir.path()), dir)
        };
        b.iter_batched(
            setup,
            |(store, dir)| {
                store.apply(&entries);
                (store, dir)
            },
            BatchSize::PerIteration,
        );
    });
    group.bench_function("seal", |b| {
        let setup = || {
            let dir = fresh();
            (filled(dir.path(), &entries), dir)
        };
        b.iter_batched(
            setup,
            |(store, dir)| {
                store.seal(end()).expect("the bench's disk has room");
                (store, dir)
            },
            BatchSize::PerIteration,
        );
    });
    let (in_memory, on_disk) = (fresh(), fresh());
    for (name, store) in [
        ("in memory", filled(in_memory.path(), &entries)),
        ("sealed", sealed(on_disk.path(), &entries)),
    ] {
        group.bench_function(
            format!("sum by (rate) over 10k series, 240 steps, {name}"),
            |b| {
                b.iter(|| ask(&store));
            },
        );
    }
    group.finish();
}

/// The median of five.
fn median(mut measure: impl FnMut() -> f64) -> f64 {
    let mut all: Vec<f64> = (0..5).map(|_| measure()).collect();
    all.sort_by(f64::total_cmp);
    all[2]
}

/// Seconds that this thread was on a processor: the budgets are per core, and other programs
/// may be running.
fn seconds(work: impl FnOnce()) -> f64 {
    let on_processor = || {
        let times = std::fs::read_to_string("/proc/thread-self/schedstat").ok()?;
        times.split(' ').next()?.parse::<f64>().ok()
    };
    let (before, from) = (on_processor(), Instant::now());
    work();
    match (before, on_processor()) {
        (Some(before), Some(after)) => (after - before) / 1e9,
        _ => from.elapsed().as_secs_f64(),
    }
}

/// Resident bytes of this process, as Linux counts them.
fn resident() -> f64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = pages.split(' ').nth(1).and_then(|n| n.parse::<f64>().ok());
    pages.unwrap_or_default() * 4096.0
}

/// What a series takes that has its first samples: resident, and by the store's own account.
fn memory_per_series() -> (f64, f64) {
    const SERIES_AT_ONCE: f64 = (400 * SERIES) as f64;
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let entry = |node: usize| {
        let time = START.as_millis();
        let metrics = Source::all(&mut rng);
        let metrics = metrics.iter().map(|s| s.metric(time, s.value)).collect();
        let entry = Entry::otlp(
            Tenant::default(),
            Signal::Metrics,
            START,
            request(node, metrics),
        );
        (Position(node as u64), entry)
    };
    let entries: Vec<_> = (0..400).map(entry).collect();
    let dir = fresh();
    let (store, before) = (open(dir.path()), resident());
    store.apply(&entries);
    let grown = resident() - before;
    let accounted = store.stats().head_bytes as f64;
    (grown / SERIES_AT_ONCE, accounted / SERIES_AT_ONCE)
}

/// One line a figure, beside the budget.
fn summary((resident, accounted): (f64, f64)) {
    let entries = scrapes(Sent::Otlp);
    let samples = (NODES * SERIES * SCRAPES) as f64;
    let first = samples / SCRAPES as f64;
    let payload: usize = entries.iter().map(|(_, e)| e.payload.len()).sum();
    let (new, known) = entries.split_at(NODES);
    let new_series = median(|| {
        let dir = fresh();
        let store = open(dir.path());
        first / seconds(|| store.apply(new))
    });
    let ingest = median(|| {
        let dir = fresh();
        let store = filled(dir.path(), new);
        (samples - first) / seconds(|| store.apply(known))
    });
    let dir = fresh();
    let store = filled(dir.path(), &entries);
    let stats = store.stats();
    let in_memory = median(|| seconds(|| assert!(ask(&store) > 0)) * 1e3);
    let seal = seconds(|| {
        store.seal(end()).expect("the bench's disk has room");
    });
    let bytes = store.stats().bytes as f64 / samples;
    let on_disk = median(|| seconds(|| assert!(ask(&store) > 0)) * 1e3);
    println!(
        "\n{samples} samples of {} series, {:.0} B each on the wire
ingest, known series: {:.2} M samples/s (budget {:.0} M, {:.2} of it); new series: {:.2} M/s
memory: {resident:.0} B resident a new series (budget {BUDGET_BYTES_PER_SERIES}; {accounted:.0} B by its own account), {:.0} B with {SCRAPES} unsealed samples
seal: {:.2} M samples/s; {bytes:.2} B a sample on disk (budget {BUDGET_BYTES_PER_SAMPLE})
sum by (mode) (rate(m[5m])), 240 steps: {in_memory:.0} ms from memory, {on_disk:.0} ms from disk (budget {BUDGET_QUERY_MS} ms)",
        NODES * SERIES,
        payload as f64 / samples,
        ingest / 1e6,
        BUDGET_SAMPLES_PER_SECOND / 1e6,
        ingest / BUDGET_SAMPLES_PER_SECOND,
        new_series / 1e6,
        stats.head_bytes as f64 / stats.series as f64,
        samples / seal / 1e6,
    );
}

/// One line a version of remote write: how fast it is read at the door and taken by the store.
fn summary_of_remote_write() {
    let samples = (NODES * SERIES * SCRAPES) as f64;
    let first = samples / SCRAPES as f64;
    for version in Version::ALL {
        let entries = scrapes(Sent::Written(version));
        let (new, known) = entries.split_at(NODES);
        let payload: usize = entries.iter().map(|(_, e)| e.payload.len()).sum();
        let looked = median(|| {
            samples
                / seconds(|| {
                    let (known, mut unpacker) = (Known::default(), Unpacker::default());
                    for (_, entry) in &entries {
                        look_at(version, entry, &known, &mut unpacker);
                    }
                })
        });
        let ingest = median(|| {
            let dir = fresh();
            let store = filled(dir.path(), new);
            let taken = (samples - first) / seconds(|| store.apply(known));
            assert_eq!(store.stats().unsealed as f64, samples);
            taken
        });
        let both = 1.0 / (1.0 / looked + 1.0 / ingest);
        println!(
            "remote write {version:?}, {:.0} B a sample on the wire: door {:.2} M samples/s, store, known series: {:.2} M samples/s; both {:.2} M (budget {:.0} M)",
            payload as f64 / samples,
            looked / 1e6,
            ingest / 1e6,
            both / 1e6,
            BUDGET_SAMPLES_PER_SECOND / 1e6,
        );
    }
}

/// What a journal is replayed with: in batches, which another thread reads ahead, and entry by
/// entry, which none does.
fn summary_of_replay() {
    /// As much as a pump reads at once.
    const BATCH_BYTES: usize = 4 << 20;
    let samples = (NODES * SERIES * SCRAPES) as f64;
    for version in Version::ALL {
        let entries = scrapes(Sent::Written(version));
        let payload: usize = entries.iter().map(|(_, e)| e.payload.len()).sum();
        let batch = (entries.len() * BATCH_BYTES / payload).max(2);
        for (how, at_once) in [("read ahead", batch), ("entry by entry", 1)] {
            let mut all: Vec<(f64, f64)> = (0..5)
                .map(|_| {
                    let dir = fresh();
                    let store = open(dir.path());
                    let (before, from) = (used(), Instant::now());
                    entries.chunks(at_once).for_each(|some| store.apply(some));
                    (from.elapsed().as_secs_f64(), used() - before)
                })
                .collect();
            all.sort_by(|a, b| a.1.total_cmp(&b.1));
            let (clock, processor) = all[2];
            println!(
                "replay of remote write {version:?}, {how}: {:.0} ns a sample by the clock, {:.0} ns of processors",
                clock * 1e9 / samples,
                processor * 1e9 / samples,
            );
        }
    }
}

/// Seconds that all threads of this process were on processors.
fn used() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    // Ticks are hundredths of a second on every Linux.
    ticks.filter_map(|n| n.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// What the door does with a request before it is durable.
fn look_at(version: Version, entry: &Entry, known: &Known, unpacker: &mut Unpacker) {
    let bounds = Bounds {
        times: sonde_proto::walk::Bounds {
            earliest_millis: 0,
            latest_millis: i64::MAX,
        },
        labels: LabelBounds {
            labels_max: 64,
            name_bytes_max: 512,
            value_bytes_max: 4096,
        },
    };
    let plain = unpacker.unpacked(&entry.payload, 16 << 20);
    let plain = plain.expect("it is a block");
    let found = look(version, plain, &bounds, known).expect("it is a request");
    assert_eq!(found.samples as usize, SERIES);
}

criterion_group!(all, benches);

fn main() {
    // Alone, for who asks for this alone.
    if std::env::args().any(|argument| argument == "remote-write") {
        return summary_of_remote_write();
    }
    if std::env::args().any(|argument| argument == "replay") {
        return summary_of_replay();
    }
    // First of all, while no memory waits to be used again.
    let memory = memory_per_series();
    all();
    Criterion::default().configure_from_args().final_summary();
    summary(memory);
    summary_of_remote_write();
    summary_of_replay();
}

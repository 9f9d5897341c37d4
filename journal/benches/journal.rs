//! What it costs to be durable: appends by 1, 16 and 64 at a time, beside a plain file that
//! takes the same bytes in the same run, each entry written at its end and synced.

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group};
use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;
use sonde_journal::{FileConfig, FileJournal, Journal as _};
use sonde_proto::{Entry, Partition, Signal, Tenant, UnixNanos};
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const ENTRY_BYTES: usize = 4096;
const ENTRIES: usize = 512;
const APPENDERS: [usize; 3] = [1, 16, 64];
/// How often the summary does the same thing; the middle one counts.
const RUNS: usize = 7;

/// On the disk that the build is on; a temporary directory may be memory.
fn fresh() -> TempDir {
    TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("the build's directory is writable")
}

/// Bytes that a file system cannot make less of.
fn payload() -> Bytes {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..ENTRY_BYTES).map(next).collect::<Vec<u8>>().into()
}

/// An open journal, and what counts its syncs.
struct Bench {
    journal: Arc<FileJournal>,
    registry: Registry,
    payload: Bytes,
    runtime: Runtime,
    _dir: TempDir,
}

impl Bench {
    fn new() -> Self {
        let dir = fresh();
        let mut registry = Registry::default();
        let journal = FileJournal::open(dir.path(), &FileConfig::default(), &mut registry)
            .expect("the bench's directory is new");
        Self {
            journal: Arc::new(journal),
            registry,
            payload: payload(),
            runtime: Runtime::new().expect("the machine has threads"),
            _dir: dir,
        }
    }

    /// Appends [`ENTRIES`] entries by so many appenders, each waiting for its own, and trims.
    fn append(&self, appenders: usize) {
        self.runtime.block_on(async {
            let tasks: Vec<_> = (0..appenders)
                .map(|_| tokio::spawn(self.appender(ENTRIES / appenders)))
                .collect();
            for task in tasks {
                task.await.expect("no appender panics");
            }
        });
        let end = self.journal.durable_end(partition());
        let trimmed = self.journal.trim(partition(), end);
        trimmed.expect("the bench's files can be renamed");
    }

    fn appender(&self, entries: usize) -> impl Future<Output = ()> + Send + use<> {
        let (journal, payload) = (Arc::clone(&self.journal), self.payload.clone());
        async move {
            for _ in 0..entries {
                let entry = Entry::otlp(
                    Tenant::default(),
                    Signal::Logs,
                    UnixNanos(1),
                    payload.clone(),
                );
                let appended = journal.append(partition(), entry).await;
                appended.expect("the bench's disk has room");
            }
        }
    }

    /// The syncs so far.
    fn syncs(&self) -> f64 {
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("text can be written to memory");
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("sonde_journal_syncs_total{signal=\"logs\"} "));
        line.and_then(|count| count.parse().ok())
            .expect("the journal counts its syncs")
    }
}

fn partition() -> Partition {
    Partition::first(Signal::Logs)
}

/// The same bytes at the end of a plain file, synced one by one.
fn plain(dir: &Path, payload: &[u8]) {
    let mut file = File::create(dir.join("plain")).expect("the bench's directory is writable");
    for _ in 0..ENTRIES {
        let written = file.write_all(payload).and_then(|()| file.sync_data());
        written.expect("the bench's disk has room");
    }
}

fn benches(c: &mut Criterion) {
    let mut group = c.benchmark_group("journal");
    group
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(3));
    group.throughput(Throughput::Bytes((ENTRIES * ENTRY_BYTES) as u64));
    let bench = Bench::new();
    for appenders in APPENDERS {
        group.bench_function(BenchmarkId::new("append", appenders), |b| {
            b.iter(|| bench.append(appenders));
        });
    }
    let dir = fresh();
    group.bench_function("plain append and fdatasync", |b| {
        b.iter(|| plain(dir.path(), &bench.payload));
    });
    group.finish();
}

/// The middle one of several durations of the same thing.
fn seconds(mut work: impl FnMut()) -> f64 {
    let mut all = [0.0; RUNS];
    for one in &mut all {
        let from = Instant::now();
        work();
        *one = from.elapsed().as_secs_f64();
    }
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

/// One line a figure, beside the plain file.
fn summary() {
    let bench = Bench::new();
    let dir = fresh();
    let bytes = (ENTRIES * ENTRY_BYTES) as f64;
    bench.append(1);
    let plain = seconds(|| plain(dir.path(), &bench.payload));
    println!(
        "\n{ENTRIES} entries of {ENTRY_BYTES} B; a plain file, synced after each: {:.1} MB/s, {:.0} syncs/s",
        bytes / plain / 1e6,
        ENTRIES as f64 / plain
    );
    for appenders in APPENDERS {
        let before = bench.syncs();
        let took = seconds(|| bench.append(appenders));
        let syncs = (bench.syncs() - before) / RUNS as f64;
        println!(
            "{appenders:>2} appenders: {:.1} MB/s, {:.0} syncs/s, {:.1} entries a sync; {:.1} times the plain file",
            bytes / took / 1e6,
            syncs / took,
            ENTRIES as f64 / syncs,
            plain / took
        );
    }
}

criterion_group!(all, benches);

fn main() {
    all();
    Criterion::default().configure_from_args().final_summary();
    summary();
}

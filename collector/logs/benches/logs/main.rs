//! How fast records become searchable, how much room they take, and how soon they are found,
//! beside the budgets and beside limits measured in the same run: tantivy with a document a
//! record, the bare parts of writing a segment, and a plain scan of the same bytes.
//!
//! All is done with plain bodies and with templated ones.
//!
//! `SONDE_BENCH_RECORDS` sets how many records there are; 1,000,000 without it. With the
//! argument `few` the other layouts are left out; with `many` only segments of 50,000 streams are
//! asked, which `few` does not; with `compare` only the seals of both encodings are measured, in
//! turns. `SONDE_BENCH_ONLY` has of the questions for numbers those alone whose name has this
//! text, and of templated bodies, for a look at where the time goes. With `files DIRECTORY` it is all over real text instead:
//! `collector/logs/benches/corpora target/corpora`, which runs programs and keeps their logs,
//! then `cargo bench -p sonde-logs -- files target/corpora`.

mod corpus;
mod files;
mod lean;
mod measure;
mod numbers;
mod text;

use corpus::{Corpus, Kind};
use measure::{Figures, median, seconds};
use prometheus_client::registry::Registry;
use sonde_logql::LogQuery;
use sonde_logs::{BodyEncoding, Config, Direction, LogStore, Search};
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::hint::black_box;
use std::path::Path;
use std::time::Instant;

/// What the program uses.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
/// DESIGN's budget for the whole path from OTLP to searchable, per core.
const MB_PER_SECOND_MIN: f64 = 60.0;

/// Of the size of the bodies, everything included.
fn size_max(bodies: BodyEncoding) -> f64 {
    match bodies {
        BodyEncoding::Plain => 0.38,
        BodyEncoding::Templated => 0.28,
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if files::run(&arguments) {
        return;
    }
    let records = std::env::var("SONDE_BENCH_RECORDS").ok();
    let records = records.and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir().expect("the machine has a temporary directory");
    if std::env::args().any(|argument| argument == "compare") {
        return compare(dir.path(), records.min(300_000)).print("seals of both encodings");
    }
    if std::env::args().any(|argument| argument == "many") {
        return ask_many(dir.path(), records).print("asking, 50,000 streams");
    }
    let all = [BodyEncoding::Plain, BodyEncoding::Templated];
    if let Some(only) = numbers::only() {
        let (dir, mut figures) = (dir.path().join("few"), Figures::default());
        stored(&dir, Kind::Few, records, all[1], &mut figures);
        let store = open(&dir, all[1]);
        figures = Figures::default();
        numbers::ask_some(&store, &only, &mut figures);
        return figures.print("asking, Templated");
    }
    for bodies in all {
        let dir = dir.path().join(format!("{bodies:?}"));
        write(&dir, records, bodies).print(&format!("writing, {bodies:?}"));
        ask(&dir.join("few"), bodies).print(&format!("asking, {bodies:?}"));
    }
}

fn config(bodies: BodyEncoding) -> Config {
    Config {
        bodies,
        retention_seconds: 0,
        retention_bytes_max: 0,
        seal_interval_ms: u64::MAX,
        merge_bytes_per_second_max: 0,
        ..Config::default()
    }
}

fn open(dir: &Path, bodies: BodyEncoding) -> LogStore {
    LogStore::open(dir, &config(bodies), &mut Registry::default(), NOW)
        .expect("the bench's directory is new or what it wrote")
}

/// How long one thread takes to apply and seal everything, and what that needs.
fn write(dir: &Path, records: usize, bodies: BodyEncoding) -> Figures {
    let mut figures = Figures::default();
    let few = stored(&dir.join("few"), Kind::Few, records, bodies, &mut figures);
    if std::env::args().any(|argument| argument == "few") {
        return figures;
    }
    let many = stored(&dir.join("many"), Kind::Many, records, bodies, &mut figures);
    figures.add(
        "50,000 streams: rate of that with few",
        many.rate / few.rate,
        "≥ 0.67",
    );
    figures.add(
        "50,000 streams: size of that with few",
        many.size / few.size,
        "≤ 1.5",
    );
    figures.add(
        "50,000 streams: memory of that with few",
        many.memory / few.memory,
        "≤ 1.5",
    );
    let sample = records.min(300_000);
    let lean = lean::megabytes_per_second(&dir.join("lean"), &Corpus::new(Kind::Few, sample));
    figures.add(
        "tantivy, a document a record, no bodies kept: MB/s per core",
        lean,
        "",
    );
    figures.add("the store's rate of that", few.rate / lean, "≥ 2");
    figures
}

/// Seals of both encodings that take turns, so that other load is the same for both: the
/// quickest and the median of the last segments, after the encoders have seen the first.
fn compare(dir: &Path, records: usize) -> Figures {
    const ROUNDS: usize = 9;
    let encodings = [BodyEncoding::Plain, BodyEncoding::Templated];
    let mut rates = [Vec::new(), Vec::new()];
    for round in 0..ROUNDS {
        for (rates, encoding) in rates.iter_mut().zip(encodings) {
            let store = open(&dir.join(format!("{encoding:?}{round}")), encoding);
            let mut rate = 0.0;
            for chunk in Corpus::new(Kind::Few, records).chunks() {
                store.apply(&chunk.entries);
                let took = seconds(|| {
                    store.seal(NOW).expect("the bench's disk has room");
                });
                rate = chunk.body_bytes as f64 / 1e6 / took;
            }
            rates.push(rate);
        }
    }
    let mut figures = Figures::default();
    for (mut rates, encoding) in rates.into_iter().zip(encodings) {
        rates.sort_by(f64::total_cmp);
        let best = rates.last().copied().unwrap_or(f64::NAN);
        figures.add(format!("{encoding:?}: quickest seal, MB/s"), best, "");
        figures.add(format!("{encoding:?}: median"), median(&rates), "");
    }
    figures
}

struct Stored {
    rate: f64,
    size: f64,
    memory: f64,
}

fn stored(
    dir: &Path,
    kind: Kind,
    records: usize,
    encoding: BodyEncoding,
    figures: &mut Figures,
) -> Stored {
    let corpus = Corpus::new(kind, records);
    let store = open(dir, encoding);
    let (mut apply, mut seal, mut bytes) = (0.0, 0.0, 0);
    let (mut spent, mut memory) = (0.0, 0.0_f64);
    for chunk in corpus.chunks() {
        bytes += chunk.body_bytes;
        let (before, start) = (measure::reset_peak_memory(), measure::cpu_seconds());
        apply += seconds(|| store.apply(&chunk.entries));
        // Sealed here and not beside, so that the figures are those of one core.
        seal += seconds(|| {
            store.seal(NOW).expect("the bench's disk has room");
        });
        spent += measure::cpu_seconds() - start;
        memory = memory.max(measure::peak_memory() - before);
    }
    let size_max = size_max(encoding);
    let stats = store.stats();
    let megabytes = bytes as f64 / 1e6;
    let name = kind.name();
    let rate = megabytes / spent;
    let size = stats.bytes as f64 / bytes as f64;
    figures.add(format!("{name}: bodies, MB"), megabytes, "");
    figures.add(format!("{name}: apply, MB/s"), megabytes / apply, "");
    figures.add(format!("{name}: seal, MB/s"), megabytes / seal, "");
    figures.add(
        format!("{name}: both, MB/s per core (processor time)"),
        rate,
        format!("≥ {MB_PER_SECOND_MIN}"),
    );
    figures.add(
        format!("{name}: both, MB/s by the clock"),
        megabytes / (apply + seal),
        "",
    );
    figures.add(
        format!("{name}: size of the bodies, all included"),
        size,
        format!("≤ {size_max}"),
    );
    for (file, bytes) in measure::bytes_by_file(dir) {
        figures.add(
            format!("{name}:   of that {file}"),
            bytes as f64 / stats.bytes as f64,
            "",
        );
    }
    figures.add(
        format!("{name}: memory beside the corpus, MB"),
        memory / 1e6,
        "",
    );
    let spent = measure::cpu_seconds();
    let merge = seconds(|| store.merge_all().expect("the bench's disk has room"));
    let spent = measure::cpu_seconds() - spent;
    figures.add(format!("{name}: merge, MB/s"), megabytes / merge, "");
    figures.add(
        format!("{name}: merge, MB/s per core (processor time)"),
        megabytes / spent,
        "",
    );
    figures.add(
        format!("{name}: segments after it"),
        store.stats().segments as f64,
        "",
    );
    figures.add(
        format!("{name}: size after it"),
        store.stats().bytes as f64 / bytes as f64,
        format!("≤ {size_max}"),
    );
    Stored { rate, size, memory }
}

fn search(query: &str, limit: usize) -> Search {
    Search {
        query: LogQuery::parse(query).expect("the bench's queries are queries"),
        start: UnixNanos(0),
        end: UnixNanos(u64::MAX),
        limit,
        direction: Direction::Backward,
        interval: std::time::Duration::ZERO,
        deadline: Deadline::never(),
    }
}

/// How soon answers come, in milliseconds.
fn ask(dir: &Path, bodies: BodyEncoding) -> Figures {
    let mut figures = Figures::default();
    let from = Instant::now();
    let store = open(dir, bodies);
    let found = store.search(&Tenant::default(), &search("{} |= \"req-0\"", 10));
    assert!(found.is_ok_and(|found| found.cut.is_none()));
    figures.add(
        "open and first answer, ms",
        from.elapsed().as_secs_f64() * 1e3,
        "≤ 1000",
    );
    let needles = text::needles(200);
    let mut each = |name: &str, searches: &[Search], budget: &str| {
        let mut hits = 0;
        let mut times: Vec<f64> = searches
            .iter()
            .map(|search| {
                seconds(|| {
                    let found = store.search(&Tenant::default(), search);
                    hits += found.map_or(0, |found| black_box(found.records).len());
                }) * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let hits = hits as f64 / searches.len() as f64;
        figures.add(
            format!("{name} ({hits:.1} hits): p50, ms"),
            median(&times),
            "",
        );
        let p99 = times[(times.len() * 99 / 100).min(times.len() - 1)];
        figures.add(format!("{name}: p99, ms"), p99, budget);
    };
    let all = |query: &dyn Fn(&str) -> String, limit: usize, count: usize| -> Vec<Search> {
        needles
            .iter()
            .take(count)
            .map(|n| search(&query(n), limit))
            .collect()
    };
    each(
        "warming up",
        &all(&|n| format!("{{}} |= `{n}`"), 100, 200),
        "",
    );
    each(
        "request ID alone",
        &all(&|n| format!("{{}} |= `{n}`"), 100, 200),
        "≤ 10",
    );
    each(
        "request ID in its text",
        &all(&|n| format!("{{}} |= `rid={n} `"), 100, 200),
        "≤ 10",
    );
    each(
        "request ID in a pattern",
        &all(&|n| format!("{{}} |~ `rid={n} .*ms`"), 100, 200),
        "",
    );
    each("absent", &all(&|n| format!("{{}} |= `f{n}`"), 100, 200), "");
    each(
        "inside of a request ID",
        &all(&|n| format!("{{}} |= `{}`", &n[2..12]), 100, 5),
        "≤ 1200",
    );
    each(
        "newest 100 of everything",
        &all(&|_| "{}".into(), 100, 20),
        "≤ 10",
    );
    each(
        "newest 100 errors",
        &all(&|_| "{level=\"error\"}".into(), 100, 20),
        "≤ 10",
    );
    each(
        "newest 100 with a common word",
        &all(&|_| "{} |= `timeout`".into(), 100, 20),
        "",
    );
    each(
        "newest 100 with a rare word",
        &all(&|_| "{} |= `deadlock`".into(), 100, 20),
        "",
    );
    each(
        "oldest 100 of everything",
        &all(&|_| "{}".into(), 100, 20)
            .into_iter()
            .map(|s| Search {
                direction: Direction::Forward,
                ..s
            })
            .collect::<Vec<_>>(),
        "",
    );
    numbers::ask(&store, &mut figures);
    figures.add(
        "opening a segment that did not stay open, µs",
        opening(dir, bodies),
        "",
    );
    figures
}

/// How soon answers come where a segment has thousands of streams, in milliseconds: the first
/// time, and the median of further times.
fn ask_many(dir: &Path, records: usize) -> Figures {
    let (bodies, mut figures) = (BodyEncoding::default(), Figures::default());
    stored(dir, Kind::Many, records, bodies, &mut figures);
    let needle = &text::needles(1)[0];
    let questions = [
        ("request ID", format!("{{}} |= `{needle}`")),
        (
            "request ID of any service",
            format!("{{service_name=~\".+\"}} |= `{needle}`"),
        ),
        ("newest 100 of everything", "{}".into()),
        (
            "newest 100 of a service",
            "{service_name=\"service-7\"}".into(),
        ),
        ("newest 100 errors", "{level=\"error\"}".into()),
        (
            "a service that is not there",
            "{service_name=\"nobody\"}".into(),
        ),
    ];
    for (name, query) in questions {
        let store = open(dir, bodies);
        let search = search(&query, 100);
        let mut hits = 0;
        let mut times: Vec<f64> = (0..20)
            .map(|_| {
                seconds(|| {
                    let found = store.search(&Tenant::default(), &search);
                    hits = found.map_or(0, |found| black_box(found.records).len());
                }) * 1e3
            })
            .collect();
        figures.add(format!("{name} ({hits} hits): first, ms"), times[0], "");
        times.sort_by(f64::total_cmp);
        figures.add(format!("{name}: p50, ms"), median(&times), "");
    }
    figures
}

/// By how much a question of every segment takes longer where none stays open, for each of
/// them, in microseconds.
fn opening(dir: &Path, bodies: BodyEncoding) -> f64 {
    let absent = search("{} |= `absent0000`", 1);
    let ask = |mapped_bytes_max| {
        let config = Config {
            mapped_bytes_max,
            ..config(bodies)
        };
        let store = LogStore::open(dir, &config, &mut Registry::default(), NOW)
            .expect("the bench's directory is what it wrote");
        let mut times: Vec<f64> = (0..100)
            .map(|_| {
                seconds(|| {
                    let found = store.search(&Tenant::default(), &absent);
                    assert!(found.is_ok_and(|found| found.cut.is_none()));
                })
            })
            .collect();
        times.sort_by(f64::total_cmp);
        median(&times) * 1e6 / store.stats().segments as f64
    };
    ask(1) - ask(0)
}

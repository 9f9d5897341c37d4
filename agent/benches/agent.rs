//! How fast a container's log file becomes enriched OTLP that is ready for the wire, with and
//! without compression, beside the budget and beside counting the lines of the same bytes.

use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_agent::bench::read_to_requests;
use std::hint::black_box;
use std::time::{Duration, Instant};

const LINES: usize = 200_000;
/// DESIGN's budget, per core.
const BUDGET_MB_PER_SECOND: f64 = 200.0;
/// The level at which the agent's requests are compressed.
const ZSTD_LEVEL: i32 = zstd::DEFAULT_COMPRESSION_LEVEL;

/// A log file as a container runtime writes it: access lines, JSON, and plain text with a level.
fn file() -> Bytes {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let mut out = String::new();
    for n in 0..LINES {
        let stream = if rng.random_bool(0.9) {
            "stdout"
        } else {
            "stderr"
        };
        let (second, nanos) = (n / 5_000 % 60, rng.random_range(0..1_000_000_000));
        out += &format!("2026-08-21T10:11:{second:02}.{nanos:09}Z {stream} F ");
        let (user, ms, id) = (
            rng.random_range(0..50_000),
            rng.random_range(1..3_000),
            rng.random::<u128>(),
        );
        out += &match rng.random_range(0..3) {
            0 => format!(
                r#"10.0.3.{} - - "GET /api/v2/carts/{user}/items HTTP/1.1" 200 {ms} "-" "client/7.1 (linux; x86_64)" request_id={:016x} upstream=inventory"#,
                user % 250,
                id as u64
            ),
            1 => format!(
                r#"{{"level":"info","ts":"2026-08-21T10:11:{second:02}Z","msg":"order placed","user_id":{user},"duration_ms":{ms},"trace_id":"{id:032x}","span_id":"{:016x}"}}"#,
                id as u64
            ),
            _ => format!(
                "2026-08-21 10:11:{second:02} [pool-3-thread-7] WARN com.example.checkout.PaymentGateway - upstream call to inventory-{user} took {ms} ms, trying again (attempt 2 of 5)"
            ),
        };
        out.push('\n');
    }
    out.into()
}

fn plain(file: &Bytes) -> usize {
    let mut bytes = 0;
    read_to_requests(file.clone(), |pieces| {
        bytes += black_box(pieces).iter().map(Bytes::len).sum::<usize>();
    });
    bytes
}

fn compressed(file: &Bytes) -> usize {
    let (mut bytes, mut request) = (0, Vec::new());
    read_to_requests(file.clone(), |pieces| {
        request.clear();
        pieces
            .iter()
            .for_each(|piece| request.extend_from_slice(piece));
        let len = zstd::bulk::compress(&request, ZSTD_LEVEL).map_or(0, |packed| packed.len());
        bytes += black_box(len);
    });
    bytes
}

fn count_lines(file: &[u8]) -> usize {
    memchr::memchr_iter(b'\n', file).count()
}

fn from_file_to_wire(criterion: &mut Criterion) {
    let file = file();
    let mut group = criterion.benchmark_group("agent");
    group
        .sample_size(10)
        .throughput(Throughput::Bytes(file.len() as u64));
    group.bench_function("count lines", |b| b.iter(|| count_lines(black_box(&file))));
    group.bench_function("file to OTLP", |b| b.iter(|| plain(&file)));
    group.bench_function("file to OTLP, zstd", |b| b.iter(|| compressed(&file)));
    group.finish();
}

/// The best of a few runs.
fn best(mut run: impl FnMut() -> usize) -> (Duration, usize) {
    let once = |_| {
        let begun = Instant::now();
        let result = run();
        (begun.elapsed(), result)
    };
    (0..5).map(once).min().unwrap_or_default()
}

fn summary() {
    let file = file();
    let megabytes = file.len() as f64 / 1e6;
    let rate = |took: Duration| megabytes / took.as_secs_f64();
    let (counted, lines) = best(|| count_lines(&file));
    let (took, bytes) = best(|| plain(&file));
    let (packed, wire) = best(|| compressed(&file));
    println!("\n{megabytes:.1} MB in {lines} lines, one core");
    println!("  counting lines      {:>8.0} MB/s", rate(counted));
    println!(
        "  file to OTLP        {:>8.0} MB/s ({:.1} MB), {:.1} times slower than counting; budget {BUDGET_MB_PER_SECOND} MB/s",
        rate(took),
        bytes as f64 / 1e6,
        took.as_secs_f64() / counted.as_secs_f64()
    );
    println!(
        "  file to OTLP, zstd  {:>8.0} MB/s ({:.1} MB on the wire)",
        rate(packed),
        wire as f64 / 1e6
    );
}

criterion_group!(benches, from_file_to_wire);

fn main() {
    benches();
    summary();
    Criterion::default().configure_from_args().final_summary();
}

//! How fast lines go through pipelines: bytes of lines in a second, in one thread.

#![expect(clippy::unwrap_used, reason = "a bench fails by panicking")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sonde_logql::ast::{Expr, LogExpr};
use sonde_logql::source::{Record, StreamView};
use sonde_logql::{LineFilter, Pipeline, PipelineLimits, Scratch, Wanted, parse};
use sonde_proto::{Labels, UnixNanos};
use std::hint::black_box;
use std::time::Duration;

const LINES: usize = 10_000;

fn lines(mut line: impl FnMut(&mut ChaCha8Rng) -> String) -> Vec<String> {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    (0..LINES).map(|_| line(&mut rng)).collect()
}

fn word(rng: &mut ChaCha8Rng, words: &[&'static str]) -> &'static str {
    words[rng.random_range(0..words.len())]
}

const PATHS: [&str; 4] = [
    "/api/v1/orders",
    "/health",
    "/login",
    "/api/v1/users/profile",
];

fn nginx() -> Vec<String> {
    lines(|rng| {
        format!(
            "10.{}.{}.{} - - [29/Feb/2024:12:34:56 +0000] \"{} {} HTTP/1.1\" {} {} \"-\" \"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36\" {:.3}",
            rng.random_range(0..256),
            rng.random_range(0..256),
            rng.random_range(0..256),
            word(rng, &["GET", "POST"]),
            word(rng, &PATHS),
            word(rng, &["200", "200", "200", "404", "500"]),
            rng.random_range(100..90_000),
            rng.random_range(0.0..2.0),
        )
    })
}

fn json() -> Vec<String> {
    lines(|rng| {
        format!(
            r#"{{"ts":"2024-02-29T12:34:56.789Z","level":"{}","msg":"request {} handled for user {}","status":{},"took_ms":{},"request":{{"method":"{}","path":"{}","headers":{{"host":"example.org","agent":"curl/8.4"}}}},"tags":["a","b"],"trace_id":"{:032x}"}}"#,
            word(rng, &["info", "info", "info", "warn", "error"]),
            rng.random_range(0..1_000_000),
            rng.random_range(0..10_000),
            word(rng, &["200", "200", "200", "404", "500"]),
            rng.random_range(0..3000),
            word(rng, &["GET", "POST"]),
            word(rng, &PATHS),
            rng.random::<u128>(),
        )
    })
}

fn logfmt() -> Vec<String> {
    lines(|rng| {
        format!(
            "ts=2024-02-29T12:34:56.789Z caller=server.go:{} level={} msg=\"request handled for user {}\" status={} duration={}ms method={} path={} trace_id={:032x}",
            rng.random_range(1..900),
            word(rng, &["info", "info", "info", "warn", "error"]),
            rng.random_range(0..10_000),
            word(rng, &["200", "200", "200", "404", "500"]),
            rng.random_range(0..3000),
            word(rng, &["GET", "POST"]),
            word(rng, &PATHS),
            rng.random::<u128>(),
        )
    })
}

fn log(text: &str) -> LogExpr {
    match parse(&format!("{{app=\"web\"}} {text}")).unwrap() {
        Expr::Log(log) => log,
        Expr::Metric(_) => unreachable!(),
    }
}

/// The pipelines that are measured: the lines, the stages, the labels wanted (all where none
/// are named).
const PIPELINES: [(&str, &str, &[&str]); 18] = [
    ("nginx", r#"|= "login""#, &[]),
    ("nginx", r#"|= "no such text""#, &[]),
    ("nginx", r#"|= "login" or "orders" or "profile""#, &[]),
    ("nginx", r"|~ `GET /login.*500`", &[]),
    ("nginx", r"|~ `(?i)post /LOGIN`", &[]),
    ("nginx", r"|~ `\d{5} `", &[]),
    ("nginx", r#"|= ip("10.1.0.0/16")"#, &[]),
    (
        "nginx",
        r#"| pattern `<ip> - - <_> "<method> <path> <_>" <status> <size> <_>`"#,
        &[],
    ),
    (
        "nginx",
        r#"| pattern `<ip> - - <_> "<method> <path> <_>" <status> <size> <_>` | status >= 500"#,
        &[],
    ),
    (
        "nginx",
        r#"| regexp `"(?P<method>\w+) (?P<path>\S+) [^"]*" (?P<status>\d+)`"#,
        &[],
    ),
    ("json", "| json", &[]),
    ("json", "| json | status >= 500", &[]),
    ("json", "| json", &["status"]),
    ("json", r#"| json m="request.method" | m="POST""#, &[]),
    ("logfmt", "| logfmt", &[]),
    ("logfmt", "| logfmt | status >= 500", &[]),
    (
        "logfmt",
        r#"| logfmt | line_format "{{.level}} {{.msg}}""#,
        &[],
    ),
    (
        "logfmt",
        r#"| logfmt | line_format "{{.level | upper}} {{.msg}}""#,
        &[],
    ),
];

fn pipelines(c: &mut Criterion) {
    let all = [("nginx", nginx()), ("json", json()), ("logfmt", logfmt())];
    let labels: Labels = [("app", "web"), ("namespace", "shop"), ("cluster", "eu-1")]
        .into_iter()
        .collect();
    let common: Vec<(String, String)> = ["pod", "container", "node", "deployment"]
        .map(|name| (format!("k8s_{name}_name"), format!("{name}-7f9c")))
        .into();
    let metadata = [
        ("detected_level", "info"),
        ("trace_id_of_span", "4bf92f3577b34da6"),
    ];
    let mut group = c.benchmark_group("pipeline");
    group.warm_up_time(Duration::from_millis(500));
    group
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    for (kind, stages, wanted) in PIPELINES {
        let lines = &all.iter().find(|(name, _)| *name == kind).unwrap().1;
        group.throughput(Throughput::Bytes(
            lines.iter().map(|l| l.len() as u64).sum(),
        ));
        let shown = match wanted {
            [] => stages.to_owned(),
            names => format!("{stages} for {}", names.join(", ")),
        };
        let wanted = match wanted {
            [] => Wanted::All,
            names => Wanted::Only(names.iter().map(|name| (*name).to_owned()).collect()),
        };
        let limits = PipelineLimits::default();
        let pipeline = Pipeline::compile_wanted(&log(stages).stages, &limits, &wanted).unwrap();
        let mut scratch = Scratch::default();
        group.bench_function(BenchmarkId::new(kind, shown), |b| {
            b.iter(|| {
                let mut kept = 0_usize;
                for line in lines {
                    let record = Record {
                        time: UnixNanos(1),
                        line: line.as_bytes(),
                        stream: StreamView {
                            labels: &labels,
                            metadata: &common,
                        },
                        metadata: &metadata,
                    };
                    kept += usize::from(pipeline.run(&record, &mut scratch).is_some());
                }
                black_box(kept)
            });
        });
    }
    group.finish();
}

/// Several texts: searched one after another, or at once.
fn texts(c: &mut Criterion) {
    let lines = nginx();
    let mut group = c.benchmark_group("texts");
    group.warm_up_time(Duration::from_millis(500));
    group
        .measurement_time(Duration::from_secs(2))
        .sample_size(20);
    group.throughput(Throughput::Bytes(
        lines.iter().map(|l| l.len() as u64).sum(),
    ));
    for count in [2, 4, 16] {
        let words: Vec<String> = (0..count).map(|n| format!("word-{n}-x")).collect();
        let text = words
            .iter()
            .map(|w| format!("{w:?}"))
            .collect::<Vec<_>>()
            .join(" or ");
        let filter = log(&format!("|= {text}")).stages.remove(0);
        let sonde_logql::ast::Stage::Line(filter) = filter else {
            unreachable!()
        };
        let filter = LineFilter::compile(&filter).unwrap();
        group.bench_function(BenchmarkId::new("at once", count), |b| {
            b.iter(|| {
                lines
                    .iter()
                    .filter(|l| filter.matches(l.as_bytes()))
                    .count()
            });
        });
        let finders: Vec<_> = words.iter().map(memchr::memmem::Finder::new).collect();
        group.bench_function(BenchmarkId::new("one by one", count), |b| {
            b.iter(|| {
                let found = |l: &&String| finders.iter().any(|f| f.find(l.as_bytes()).is_some());
                lines.iter().filter(found).count()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, pipelines, texts);
criterion_main!(benches);

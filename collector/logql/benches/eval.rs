//! How fast counts are made of times, beside the budget: ten million records in 60 ms; and of
//! records with metadata, where all their labels count.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_logql::ast::Expr;
use sonde_logql::eval::{EvalLimits, evaluate};
use sonde_logql::source::{Record, Scan, Scanned, Sink, Source, Span, Stop, StreamView};
use sonde_logql::{Grid, Value};
use sonde_proto::{Deadline, Labels, UnixNanos};

const RECORDS: usize = 10_000_000;
const STREAMS: usize = 300;
/// How many records a block of a stream has.
const BLOCK: usize = 1024;
const START: u64 = 1_700_000_000_000_000_000;
const MINUTE: u64 = 60_000_000_000;
const LEVELS: [&str; 5] = ["debug", "error", "info", "trace", "warn"];

/// Times in blocks, as a store keeps them.
struct Columns {
    streams: Vec<(Labels, Vec<Vec<UnixNanos>>)>,
    gives_spans: bool,
}

impl Columns {
    /// Records of all streams spread evenly over so many minutes; sorted in each block or not.
    fn new(minutes: u64, is_sorted: bool, gives_spans: bool) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(7);
        let each = RECORDS / STREAMS;
        let stream = |number: usize| {
            let labels: Labels = [
                ("service_name", format!("service-{}", number / LEVELS.len())),
                ("level", LEVELS[number % LEVELS.len()].to_owned()),
            ]
            .into_iter()
            .collect();
            let mut times: Vec<UnixNanos> = (0..each)
                .map(|_| UnixNanos(START + rng.random_range(1..=minutes * MINUTE)))
                .collect();
            if is_sorted {
                times.sort_unstable();
            }
            (labels, times.chunks(BLOCK).map(<[_]>::to_vec).collect())
        };
        Self {
            streams: (0..STREAMS).map(stream).collect(),
            gives_spans,
        }
    }
}

impl Source for Columns {
    fn scan<S: Sink>(
        &self,
        scan: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop> {
        let mut sink = make();
        let mut records = 0;
        for (labels, blocks) in &self.streams {
            let view = StreamView {
                labels,
                metadata: &[],
            };
            sink.stream(view)?;
            assert!(!sink.needs(scan.needs).metadata, "the stream has a level");
            for times in blocks {
                records += times.len() as u64;
                let span = Span {
                    count: times.len() as u64,
                    bytes: 0,
                    first: times[0],
                    last: times[times.len() - 1],
                };
                if self.gives_spans && sink.span(span)? {
                    continue;
                }
                sink.times(times, &[])?;
            }
        }
        let scanned = Scanned {
            records,
            ..Scanned::default()
        };
        Ok((vec![sink], scanned))
    }
}

fn counts_by_level(criterion: &mut Criterion) {
    let Ok(Expr::Metric(expr)) = sonde_logql::parse("sum by (level) (count_over_time({}[1m]))")
    else {
        panic!("a metric query");
    };
    let mut group = criterion.benchmark_group("ten million records by level and minute");
    group.sample_size(10);
    group.throughput(Throughput::Elements(RECORDS as u64));
    for (name, minutes, is_sorted, gives_spans) in [
        ("an hour, sorted blocks, spans first", 60, true, true),
        ("a day, sorted blocks, spans first", 1440, true, true),
        ("a day, sorted blocks, times only", 1440, true, false),
        ("a day, times in any order", 1440, false, false),
    ] {
        let source = Columns::new(minutes, is_sorted, gives_spans);
        let (start, end) = (
            UnixNanos(START + MINUTE),
            UnixNanos(START + minutes * MINUTE),
        );
        let grid = Grid::range(start, end, MINUTE).expect("a grid");
        let run = || {
            evaluate(
                &expr,
                &grid,
                &source,
                &EvalLimits::default(),
                &Deadline::never(),
            )
            .expect("an answer")
        };
        let Value::Matrix(series) = run().value else {
            panic!("a matrix");
        };
        let counted: f64 = series
            .iter()
            .flat_map(|s| &s.points)
            .map(|(_, count)| count)
            .sum();
        assert_eq!(counted as usize, RECORDS / STREAMS * STREAMS);
        assert_eq!(series.len(), LEVELS.len());
        group.bench_function(name, |bencher| bencher.iter(run));
    }
    group.finish();
}

/// Records with attributes of their own, as a source gives them where labels are not named.
struct Attributes {
    labels: Labels,
    metadata: Vec<Vec<(&'static str, &'static str)>>,
}

const ATTRIBUTED: usize = 1_000_000;

impl Attributes {
    fn new() -> Self {
        const NAMES: [&str; 10] = [
            "pod", "node", "zone", "method", "route", "status", "version", "tenant", "thread",
            "logger",
        ];
        let mut rng = ChaCha8Rng::seed_from_u64(11);
        let mut record = || {
            let pair = |(at, name): (usize, &&'static str)| {
                // Two of ten differ from record to record.
                let values: &[&str] = if at < 2 {
                    &["a", "b", "c", "d"]
                } else {
                    &["same"]
                };
                (*name, values[rng.random_range(0..values.len())])
            };
            NAMES.iter().enumerate().map(pair).collect()
        };
        Self {
            labels: [("service_name", "checkout")].into_iter().collect(),
            metadata: (0..1000).map(|_| record()).collect(),
        }
    }
}

impl Source for Attributes {
    fn scan<S: Sink>(
        &self,
        _: &Scan<'_>,
        make: impl Fn() -> S + Sync,
    ) -> Result<(Vec<S>, Scanned), Stop> {
        let mut sink = make();
        let stream = StreamView {
            labels: &self.labels,
            metadata: &[],
        };
        sink.stream(stream)?;
        for (at, metadata) in (0..ATTRIBUTED).zip(self.metadata.iter().cycle()) {
            sink.record(&Record {
                time: UnixNanos(START + 1 + at as u64 * 1_000_000),
                line: b"a line",
                stream,
                metadata,
            })?;
        }
        Ok((vec![sink], Scanned::default()))
    }
}

fn counts_by_attributes(criterion: &mut Criterion) {
    let source = Attributes::new();
    let mut group = criterion.benchmark_group("a million records with ten attributes");
    group.sample_size(10);
    group.throughput(Throughput::Elements(ATTRIBUTED as u64));
    for (name, query) in [
        ("by all", "count_over_time({}[1m])"),
        (
            "by all but one",
            "sum without (pod) (count_over_time({}[1m]))",
        ),
        ("by one", "sum by (pod) (count_over_time({}[1m]))"),
    ] {
        let Ok(Expr::Metric(expr)) = sonde_logql::parse(query) else {
            panic!("a metric query");
        };
        let end = UnixNanos(START + ATTRIBUTED as u64 * 1_000_000);
        let grid = Grid::range(UnixNanos(START + MINUTE), end, MINUTE).expect("a grid");
        let run = || {
            evaluate(
                &expr,
                &grid,
                &source,
                &EvalLimits::default(),
                &Deadline::never(),
            )
            .expect("an answer")
        };
        let Value::Matrix(series) = run().value else {
            panic!("a matrix");
        };
        let expected = match name {
            "by all" => 16,
            _ => 4,
        };
        assert_eq!(series.len(), expected);
        group.bench_function(name, |bencher| bencher.iter(run));
    }
    group.finish();
}

criterion_group!(benches, counts_by_level, counts_by_attributes);
criterion_main!(benches);

//! Numbers over time, each with the answer beside it, and the counts against plain counting.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng as Rng;
use sonde_proto::{TraceId, UnixNanos};
use sonde_traceql::{Counting, Query, Scope, Series, Status, Value, Window};
use sonde_traceql_oracle::{Plain, PlainSpan};

const SECOND: u64 = 1_000_000_000;

/// A span that begins in a second and takes so many milliseconds.
fn span(id: u64, second: u64, ms: u64, service: &str) -> PlainSpan {
    let mut span = PlainSpan::new(id, 0);
    span.start = second * SECOND;
    span.end = span.start + ms * 1_000_000;
    let service = Value::Str(service.to_owned().into());
    let attributes = &mut span.attributes;
    attributes.push((Scope::Resource, "service.name".to_owned(), service));
    span
}

fn trace(number: u8, spans: Vec<PlainSpan>) -> Plain {
    let id = TraceId::from_slice(&[number; 16]).expect("not zero");
    Plain { id, spans }
}

fn traces() -> Vec<Plain> {
    let mut failed = span(4, 125, 400, "b");
    failed.status = Status::Error;
    let size = ("size".to_owned(), Value::Int(5));
    failed.attributes.push((Scope::Span, size.0, size.1));
    vec![
        trace(
            1,
            vec![
                span(1, 100, 100, "a"),
                span(2, 100, 200, "b"),
                span(3, 119, 300, "a"),
            ],
        ),
        trace(2, vec![failed, span(5, 150, 500, "a")]),
        trace(3, vec![span(6, 160, 600, "a")]),
    ]
}

fn counted(text: &str, window: Window) -> Vec<Series> {
    let query = Query::parse(text).unwrap_or_else(|error| panic!("{error}"));
    let mut counting = Counting::new(&query, window, 100).expect("it counts");
    traces().iter().for_each(|trace| counting.add(trace));
    let (series, cut) = counting.finish();
    assert_eq!(cut, None);
    series
}

/// From 100 s up to 160 s in steps of 20 s.
fn range() -> Window {
    Window::range(
        UnixNanos(101 * SECOND),
        UnixNanos(159 * SECOND),
        20 * SECOND,
    )
    .expect("it is one")
}

/// The series as `{labels} time:value ...`, times in seconds.
fn check(text: &str, expected: &[&str]) {
    let shown = |series: &Series| {
        let labels = series
            .labels
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        let labels = labels.collect::<Vec<_>>().join(",");
        let samples = series
            .samples
            .iter()
            .map(|(ms, value)| format!(" {}:{value}", ms / 1000));
        format!("{{{labels}}}{}", samples.collect::<String>())
    };
    let found: Vec<_> = counted(text, range()).iter().map(shown).collect();
    assert_eq!(found, expected, "{text}");
}

#[test]
fn functions() {
    check(
        "{ } | count_over_time()",
        &["{__name__=count_over_time} 100:3 120:1 140:1"],
    );
    check(
        "{ } | rate()",
        &["{__name__=rate} 100:0.15 120:0.05 140:0.05"],
    );
    check(
        "{ status = error } | count_over_time()",
        &["{__name__=count_over_time} 100:0 120:1 140:0"],
    );
    check("{ .nothing = 1 } | rate()", &[]);
    check(
        "{ } | count_over_time() by (resource.service.name)",
        &[
            "{resource.service.name=a} 100:2 120:0 140:1",
            "{resource.service.name=b} 100:1 120:1 140:0",
        ],
    );
    check(
        "{ } | min_over_time(duration)",
        &["{__name__=min_over_time} 100:0.1 120:0.4 140:0.5"],
    );
    check(
        "{ } | max_over_time(duration)",
        &["{__name__=max_over_time} 100:0.3 120:0.4 140:0.5"],
    );
    check(
        "{ } | sum_over_time(.size)",
        &["{__name__=sum_over_time} 120:5"],
    );
    check(
        "{ } | avg_over_time(duration) by (status)",
        &[
            "{status=error} 120:0.4",
            "{status=unset} 100:0.20000000000000004 140:0.5",
        ],
    );
    check(
        "{ } | histogram_over_time(duration)",
        &[
            "{__bucket=0.125} 100:1 120:0 140:0",
            "{__bucket=0.25} 100:1 120:0 140:0",
            "{__bucket=0.5} 100:1 120:1 140:1",
        ],
    );
}

#[test]
fn what_follows_a_function() {
    let by = "{ } | count_over_time() by (resource.service.name)";
    check(
        &format!("{by} | topk(1)"),
        &[
            "{resource.service.name=a} 100:2 140:1",
            "{resource.service.name=b} 120:1",
        ],
    );
    check(
        &format!("{by} | bottomk(1)"),
        &[
            "{resource.service.name=a} 120:0",
            "{resource.service.name=b} 100:1 140:0",
        ],
    );
    check(&format!("{by} > 1"), &["{resource.service.name=a} 100:2"]);
    check(
        "{ } | max_over_time(duration) >= 400ms",
        &["{__name__=max_over_time} 120:0.4 140:0.5"],
    );
    check("{ } | rate() > 9", &[]);
}

#[test]
fn attributes_that_stand_out_are_compared() {
    let of = |kind: &str, name: &str| -> Vec<String> {
        let series = counted("{ } | compare({ status = error })", range());
        let mut found = Vec::new();
        for one in series {
            let [(_, meta), (label, value)] = &one.labels[..] else {
                panic!("{one:?}")
            };
            if meta.to_string() == kind && label == name {
                let sum: f64 = one.samples.iter().map(|(_, count)| count).sum();
                found.push(format!("{value}:{sum}"));
            }
        }
        found
    };
    assert_eq!(of("baseline", "resource.service.name"), ["a:3", "b:1"]);
    assert_eq!(of("selection", "resource.service.name"), ["b:1"]);
    assert_eq!(of("selection", "span.size"), ["5:1"]);
    assert_eq!(of("baseline", "span.size").len(), 0);
    assert_eq!(of("baseline_total", "resource.service.name"), ["nil:4"]);
    assert_eq!(of("selection_total", "span.size"), ["nil:1"]);
}

#[test]
fn a_moment_has_one_value() {
    let window = Window::instant(UnixNanos(100 * SECOND), UnixNanos(160 * SECOND)).unwrap();
    let series = counted("{ } | rate()", window);
    assert_eq!(series[0].samples, [(100_000, 5.0 / 60.0)]);
}

#[test]
fn exemplars_are_spans_that_counted() {
    let series = counted("{ } | quantile_over_time(duration, .5)", range());
    let exemplars = &series[0].exemplars;
    assert_eq!(exemplars.len(), 3);
    assert_eq!((exemplars[1].time_ms, exemplars[1].value), (125_000, 0.4));
    assert_eq!(
        exemplars[1].trace_id,
        TraceId::from_slice(&[2; 16]).unwrap()
    );
    let query = Query::parse("{ } | rate()").unwrap();
    let mut counting = Counting::new(&query, range(), 1).unwrap();
    traces().iter().for_each(|trace| counting.add(trace));
    assert_eq!(counting.finish().0[0].exemplars.len(), 1);
}

#[test]
fn quantiles_are_right_to_a_hundredth() {
    let mut rng = Rng::seed_from_u64(1);
    for _ in 0..50 {
        let scale = 10_f64.powi(rng.random_range(0..7));
        let nanos: Vec<u64> = (0..rng.random_range(1..400))
            .map(|_| (rng.random_range(1.0..1000.0) * scale) as u64)
            .collect();
        let spans = nanos.iter().zip(1..).map(|(nanos, id)| {
            let mut span = span(id, 100, 0, "a");
            span.end = span.start + nanos;
            span
        });
        let trace = trace(1, spans.collect());
        let quantile = rng.random_range(0..=100) as f64 / 100.0;
        let text = format!("{{ }} | quantile_over_time(duration, {quantile})");
        let query = Query::parse(&text).unwrap();
        let mut counting = Counting::new(&query, range(), 0).unwrap();
        counting.add(&trace);
        let found = counting.finish().0[0].samples[0].1;
        let mut sorted = nanos.clone();
        sorted.sort_unstable();
        let rank = ((quantile * sorted.len() as f64).ceil() as usize).max(1);
        let exact = sorted[rank - 1] as f64 / 1e9;
        assert!(
            (found / exact - 1.0).abs() < 0.0101,
            "{quantile}: {found} for {exact}"
        );
    }
}

#[test]
fn steps_and_series_are_bounded() {
    let range = |start, end, step| Window::range(UnixNanos(start), UnixNanos(end), step);
    assert!(range(0, 10, 0).is_err() && range(10, 10, 1).is_err());
    assert!(range(0, 20_000, 1).unwrap_err().contains("longer step"));
    assert!(range(0, u64::MAX, 1 << 60).is_ok());
    let spans = (1..=5_000).map(|id| {
        let mut span = span(id, 100, 1, "a");
        span.name = format!("{id}");
        span
    });
    let query = Query::parse("{ } | rate() by (name)").unwrap();
    let mut counting = Counting::new(&query, self::range(), 10).unwrap();
    counting.add(&trace(1, spans.collect()));
    let (series, cut) = counting.finish();
    assert_eq!(series.len(), 2_000);
    assert!(cut.unwrap().contains("more series"));
    assert!(Counting::new(&Query::parse("{ }").unwrap(), self::range(), 0).is_none());
}

#[test]
fn labels_and_compared_values_are_bounded_in_bytes() {
    let spans = |bytes: usize| {
        let span = move |id| {
            let mut span = span(id, 100, 1, "a");
            span.name = format!("{id} {}", "x".repeat(bytes));
            span
        };
        trace(1, (1..=100).map(span).collect())
    };
    for (query, most) in [
        ("{ } | rate() by (name)", 100),
        ("{ } | compare({ status = error })", 1000),
    ] {
        let query = Query::parse(query).unwrap();
        for (bytes, is_cut) in [(1_000, false), (1_000_000, true)] {
            let mut counting = Counting::new(&query, range(), 0).unwrap();
            counting.add(&spans(bytes));
            let (series, cut) = counting.finish();
            let all: usize = series
                .iter()
                .flat_map(|series| &series.labels)
                .map(|(_, value)| value.bytes())
                .sum();
            assert!(all < 40 << 20 && series.len() <= most && !series.is_empty());
            assert_eq!(cut.is_some(), is_cut, "{cut:?}");
        }
    }
}

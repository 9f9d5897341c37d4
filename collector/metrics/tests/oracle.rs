//! PromQL against a real Prometheus: the same samples, the same expressions, the same answers.
//!
//! Needs Debian's `prometheus` package: the binary is looked for in `SONDE_TEST_PROMETHEUS`
//! (its path), then where `tests/setup` noted it, then in `PATH`; `promtool` beside it.
//! Without it the test says that it was skipped, or fails where `CI=true`.
//!
//! Prometheus before version 3 includes the start of a range, we (as version 3) do not. Times
//! are chosen so that no sample and no subquery step ever lies on an edge: samples are at
//! 2 ms more than a multiple of 4 ms, subquery steps at whole seconds, queries 123 ms after a
//! whole second, and no subquery stands inside another. What version 3 means otherwise is in
//! [`expressions::EXPLAINED`], each with its reason, and must differ.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "oracle/data.rs"]
mod data;
#[path = "oracle/native.rs"]
mod native;
#[path = "oracle/expressions.rs"]
mod expressions;
#[path = "oracle/server.rs"]
mod server;
#[path = "oracle/words.rs"]
mod words;

use data::{BASE, Dataset, STEPS};
use server::{Answer, Prometheus};
use sonde_metrics::{Features, MetricStore, QueryError, QueryLimits, QueryValue, promql};
use sonde_proto::{Histogram, SampleValue, Tenant, UnixNanos};
use std::collections::BTreeMap;
use std::time::Duration;

/// How far two numbers may be apart, relative to the larger one: sums in another order.
const TOLERANCE: f64 = 1e-9;

/// When instant queries are asked.
const INSTANT: i64 = BASE + 2_400_123;

/// Starts, ends and steps of range queries: over all samples and beyond, into what comes
/// before them, and closer together than the samples are.
const GRIDS: [(i64, i64, i64); 3] = [
    (BASE + 123, BASE + STEPS * 15_000 + 400_123, 47_000),
    (BASE - 1_500_000 + 123, BASE + 1_500_123, 301_000),
    (BASE + 1_700_123, BASE + 1_760_123, 4_000),
];

/// The programs, or `None` where they may be missing.
fn programs() -> Option<server::Programs> {
    let found = server::find();
    if found.is_none() {
        assert!(
            std::env::var("CI").as_deref() != Ok("true"),
            "no prometheus on a machine that must have one"
        );
        println!("skipped: no prometheus (run tests/setup)");
    }
    found
}

/// What is written of an expression, and what is said of a wrong one, to the letter.
#[test]
fn every_expression_is_written_and_refused_in_the_same_words() {
    let dir = tempfile::tempdir().unwrap();
    let Some(programs) = programs() else {
        return;
    };
    let prometheus = Prometheus::start(&programs, dir.path(), "# EOF\n");
    let ours = |expr: &str| match promql::parse(expr, &Features::default()) {
        Ok(tree) => Ok(promql::pretty(&tree)),
        Err(error) => Err(format!(
            "invalid parameter \"query\": {}",
            QueryError::from(error)
        )),
    };
    for (expr, why) in words::WORDED_OTHERWISE {
        assert_ne!(ours(expr), prometheus.format(expr), "{expr}: {why}");
    }
    let otherwise = |expr: &str| {
        let known = words::WORDED_OTHERWISE.iter();
        known.clone().any(|(known, _)| *known == expr)
    };
    let mut differing = Vec::new();
    let mut all = expressions::all();
    all.extend(words::wrong());
    for expr in all.iter().filter(|expr| !otherwise(expr)) {
        let (ours, theirs) = (ours(expr), prometheus.format(expr));
        if ours != theirs {
            differing.push(format!("{expr}\n  we:   {ours:?}\n  they: {theirs:?}"));
        }
    }
    assert!(
        differing.is_empty(),
        "{} of {} differ:\n{}",
        differing.len(),
        all.len(),
        differing
            .into_iter()
            .take(60)
            .collect::<Vec<_>>()
            .join("\n")
    );
}

#[test]
fn every_expression_gives_what_prometheus_gives() {
    let dir = tempfile::tempdir().unwrap();
    let Some(programs) = programs() else {
        return;
    };
    let dataset = Dataset::generate();
    let store = dataset.store(&dir.path().join("ours"));
    let prometheus = Prometheus::start(
        &programs,
        &dir.path().join("theirs"),
        &dataset.open_metrics(),
    );
    let (mut differing, mut telling) = (Vec::new(), 0);
    for (expr, why) in expressions::EXPLAINED {
        let difference = compare_instant(&store, &prometheus, expr);
        assert!(difference.is_some(), "no longer differs: {expr} ({why})");
    }
    for expr in expressions::ORDERED {
        let QueryValue::Vector(ours) = instant(&store, expr).unwrap() else {
            panic!("{expr} is no vector");
        };
        let ours: Vec<_> = ours.iter().map(|sample| labels(&sample.labels)).collect();
        assert!(ours.len() > 1, "{expr}");
        assert_eq!(ours, prometheus.order(expr, INSTANT), "{expr}");
    }
    let expressions = expressions::all();
    for expr in &expressions {
        for grid in GRIDS {
            differing.extend(compare_range(&store, &prometheus, expr, grid, &mut telling));
        }
        differing.extend(compare_instant(&store, &prometheus, expr));
    }
    assert!(
        telling > expressions.len(),
        "only {telling} of {} range queries have an answer",
        GRIDS.len() * expressions.len()
    );
    assert!(
        differing.is_empty(),
        "{} of {} answers differ:\n{}",
        differing.len(),
        (1 + GRIDS.len()) * expressions.len(),
        differing
            .iter()
            .take(25)
            .cloned()
            .collect::<Vec<_>>()
            .join("\n")
    );
}

fn compare_range(
    store: &MetricStore,
    prometheus: &Prometheus,
    expr: &str,
    (start, end, step): (i64, i64, i64),
    telling: &mut usize,
) -> Option<String> {
    let ours = store.range(
        &Tenant::default(),
        expr,
        UnixNanos::from_millis(start),
        UnixNanos::from_millis(end),
        Duration::from_millis(step as u64),
        &QueryLimits::default(),
    );
    let theirs = prometheus.range(expr, start, end, step);
    *telling += usize::from(theirs.as_ref().is_ok_and(|answer| !answer.is_empty()));
    difference(
        &ours
            .map(|ours| ours_as_answer(ours.value))
            .map_err(|e| e.to_string()),
        &theirs,
        TOLERANCE,
    )
    .map(|why| format!("range   {expr} by {step}: {why}"))
}

fn instant(store: &MetricStore, expr: &str) -> Result<QueryValue, QueryError> {
    let (tenant, limits) = (Tenant::default(), QueryLimits::default());
    let answer = store.instant(&tenant, expr, UnixNanos::from_millis(INSTANT), &limits);
    answer.map(|answer| answer.value)
}

fn compare_instant(store: &MetricStore, prometheus: &Prometheus, expr: &str) -> Option<String> {
    let ours = instant(store, expr);
    let theirs = prometheus.instant(expr, INSTANT);
    difference(
        &ours.map(ours_as_answer).map_err(|e| e.to_string()),
        &theirs,
        TOLERANCE,
    )
    .map(|why| format!("instant {expr}: {why}"))
}

fn ours_as_answer(value: QueryValue) -> Answer {
    let mut answer = BTreeMap::new();
    match value {
        QueryValue::Scalar(s) => {
            answer.insert(Default::default(), vec![(s.time.as_millis(), s.value)]);
        }
        QueryValue::String { .. } => {}
        QueryValue::Vector(samples) => {
            for s in samples {
                let (labels, time) = (labels(&s.labels), s.time.as_millis());
                match &s.value {
                    SampleValue::Float(value) => drop(answer.insert(labels, vec![(time, *value)])),
                    SampleValue::Histogram(h) => put(&mut answer, &labels, time, h),
                }
            }
        }
        QueryValue::Matrix(series) => {
            for s in series {
                let labels = labels(&s.labels);
                let samples = s.samples.iter();
                let samples: Vec<_> = samples.map(|(t, value)| (t.as_millis(), *value)).collect();
                if !samples.is_empty() {
                    answer.insert(labels.clone(), samples);
                }
                for (time, h) in &s.histograms {
                    put(&mut answer, &labels, time.as_millis(), h);
                }
            }
        }
    }
    answer
}

fn put(answer: &mut Answer, labels: &BTreeMap<String, String>, time: i64, h: &Histogram) {
    let buckets = promql::histogram_buckets(h).into_iter();
    let buckets = buckets.map(|b| (b.rule(), [b.lower, b.upper, b.count]));
    server::put_histogram(answer, labels, time, [h.count, h.sum], buckets);
}

fn labels(labels: &sonde_proto::Labels) -> BTreeMap<String, String> {
    labels
        .iter()
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect()
}

fn difference(
    ours: &Result<Answer, String>,
    theirs: &Result<Answer, String>,
    tolerance: f64,
) -> Option<String> {
    let (ours, theirs) = match (ours, theirs) {
        (Err(_), Err(_)) => return None,
        (Ok(ours), Ok(theirs)) => (ours, theirs),
        (Err(ours), Ok(_)) => return Some(format!("we fail: {ours}")),
        (Ok(_), Err(theirs)) => return Some(format!("they fail: {theirs}")),
    };
    if let Some(extra) = ours.keys().find(|labels| !theirs.contains_key(*labels)) {
        return Some(format!(
            "only we have {extra:?} ({} series against {})",
            ours.len(),
            theirs.len()
        ));
    }
    if let Some(missing) = theirs.keys().find(|labels| !ours.contains_key(*labels)) {
        return Some(format!(
            "only they have {missing:?} ({} series against {})",
            ours.len(),
            theirs.len()
        ));
    }
    ours.iter().find_map(|(labels, samples)| {
        let other = &theirs[labels];
        let at = samples
            .iter()
            .zip(other)
            .find(|(a, b)| a.0 != b.0 || !is_close(a.1, b.1, tolerance));
        match at {
            Some((a, b)) => Some(format!("{labels:?}: we say {a:?}, they say {b:?}")),
            None if samples.len() != other.len() => Some(format!(
                "{labels:?}: {} samples against {}",
                samples.len(),
                other.len()
            )),
            None => None,
        }
    })
}

fn is_close(a: f64, b: f64, tolerance: f64) -> bool {
    let near = (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(1e-6);
    a == b || (a.is_nan() && b.is_nan()) || (a.is_finite() && b.is_finite() && near)
}

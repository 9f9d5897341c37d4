//! Native histograms: the same requests of remote write to our store and to a Prometheus, the
//! same expressions, the same answers.
//!
//! Version 2.42 takes what its client sends it: whole and float histograms, counters and
//! gauges, with zero buckets and such below zero; custom buckets came later. Counters are far
//! from zero, because only later versions end extrapolation there.

use super::data::{BASE, STEPS};
use super::server::{Answer, Prometheus};
use super::{GRIDS, INSTANT, TOLERANCE, difference, instant, ours_as_answer, programs};
use prometheus_client::registry::Registry;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_metrics::{Config, MetricStore, QueryLimits, stale_nan};
use sonde_proto::remote_write::{Series, Version, body};
use sonde_proto::{BucketSpan, Buckets, Entry, Histogram, Position, ResetHint, Tenant, UnixNanos};
use std::path::Path;
use std::time::Duration;

/// Numbers that must be the same.
const EXPRESSIONS: &str = r#"
latency
latency{instance="a:1"}
latency offset 7m
latency @ 1700001000.123
histogram_count(latency)
histogram_sum(latency)
histogram_sum(latency) / histogram_count(latency)
rate(latency[2m])
rate(latency[5m])
rate(latency[17m])
increase(latency[4m])
increase(latency[11m] offset 3m)
histogram_count(rate(latency[5m]))
histogram_sum(increase(latency[5m]))
histogram_count(increase(latency[1m]))
sum(latency)
sum by (job) (latency)
sum without (instance) (rate(latency[5m]))
sum(rate(latency{job="api"}[3m]))
histogram_count(sum by (job) (rate(latency[5m])))
histogram_sum(sum(rate(latency[10m])))
coarse
rate(coarse[5m])
sum(coarse)
sum by (job) ({__name__=~"latency|coarse"})
sum(rate(latency[5m]) or rate(coarse{instance="a:1"}[5m]))
held
sum(held)
histogram_count(held)
histogram_sum(sum by (job) (held))
delta(held[5m])
delta(held[13m])
changing
histogram_count(changing)
count(latency)
count by (job) ({__name__=~"latency|coarse|held"})
group(latency)
absent(latency)
absent(nothing)
present_over_time(latency[3m])
count_over_time(latency[5m])
latency + latency
histogram_fraction(-0.001, 0.3, latency)
latency{instance="a:1"} or coarse{instance="b:2"}
latency and on (instance) coarse{instance="b:2"}
latency unless on (job) held{job="db"}
"#;

/// Numbers that lie in the same bucket: version 3 assumes that observations lie in it
/// exponentially, and this older one that they lie linearly.
const LOOSE: &str = r#"
histogram_quantile(0.5, latency)
histogram_quantile(0.9, rate(latency[5m]))
histogram_quantile(0.99, sum(rate(latency[5m])))
histogram_quantile(0.1, sum by (job) (rate(latency[7m])))
histogram_quantile(0.75, coarse)
histogram_quantile(0.95, sum(rate(coarse[5m])))
"#;

/// What this older Prometheus answers otherwise than version 3, which we follow.
const EXPLAINED: &[(&str, &str)] = &[
    ("last_over_time(latency[5m])", FLOATS),
    ("latency * 2", FLOATS),
    ("sum(latency) - sum(coarse)", FLOATS),
    ("avg(latency)", FLOATS),
    ("sum_over_time(held[5m])", FLOATS),
    ("irate(latency[5m])", FLOATS),
    ("resets(latency[30m])", FLOATS),
    ("histogram_avg(latency)", "the function came later"),
    ("histogram_stddev(latency)", "the function came later"),
    (
        "histogram_fraction(0, 0.9, latency)",
        "observations lie in a bucket exponentially since version 3, and linearly before",
    ),
];

const FLOATS: &str = "this knew floats only, then";

/// One series, with a histogram for each step at which it has a sample.
struct Histograms {
    labels: [(&'static str, &'static str); 3],
    samples: Vec<(i64, Histogram)>,
    floats: Vec<(i64, f64)>,
}

fn generate() -> Vec<Histograms> {
    let mut rng = ChaCha8Rng::seed_from_u64(20_230_201);
    let mut all = Vec::new();
    for job in ["api", "db"] {
        for instance in ["a:1", "b:2"] {
            let who = |name| [("__name__", name), ("instance", instance), ("job", job)];
            let mut add = |labels, samples, floats| {
                all.push(Histograms {
                    labels,
                    samples,
                    floats,
                });
            };
            add(who("latency"), counter(&mut rng, 3), Vec::new());
            add(who("coarse"), counter(&mut rng, 1), Vec::new());
            add(who("held"), gauge(&mut rng), Vec::new());
            let mut samples = counter(&mut rng, 2);
            let (floats, rest): (Vec<_>, Vec<_>) = samples
                .drain(..)
                .partition(|(time, _)| (40..90).contains(&((time - BASE) / 15_000)));
            let floats = floats.into_iter().map(|(time, h)| (time, h.sum));
            add(who("changing"), rest, floats.collect());
        }
    }
    all
}

/// As [`super::data`] has them, so that none lies on an edge.
fn times(rng: &mut ChaCha8Rng) -> Vec<(i64, i64)> {
    let offset = rng.random_range(0..2500) * 4 + 2;
    let steps = (0..STEPS).filter_map(|step| {
        let jitter = rng.random_range(0..200) * 2;
        let is_there = !rng.random_bool(0.03);
        is_there.then_some((step, BASE + step * 15_000 + offset + jitter))
    });
    steps.collect()
}

/// Whole numbers that grow, begin anew, end for a while, and get more buckets as time goes by.
fn counter(rng: &mut ChaCha8Rng, schema: i8) -> Vec<(i64, Histogram)> {
    let times = times(rng);
    let mut held = begun(rng);
    let mut sum = 1e6;
    let gap = rng.random_range(60..100)..rng.random_range(110..140);
    let samples = times.into_iter().filter_map(|(step, time)| {
        let buckets = 12 + (step / 50) as usize;
        if rng.random_bool(0.015) {
            (held, sum) = (begun(rng), 1e6);
        }
        for count in &mut held[..buckets] {
            *count += f64::from(rng.random_range(0..40u8));
        }
        sum += rng.random_range(1.0..50.0);
        let (zero_count, negative, positive) = (held[0], &held[1..4], &held[4..buckets]);
        let histogram = Histogram {
            schema,
            zero_threshold: 0.001,
            zero_count,
            count: held[..buckets].iter().sum(),
            sum,
            positive: spread(-5, positive),
            negative: spread(2, negative),
            ..Histogram::default()
        };
        let ended = || Histogram {
            sum: stale_nan(),
            ..Histogram::default()
        };
        if step == gap.start {
            return Some((time, ended()));
        }
        (!gap.contains(&step)).then_some((time, histogram))
    });
    samples.collect()
}

/// Far from zero, also in the buckets that are not told yet.
fn begun(rng: &mut ChaCha8Rng) -> [f64; 20] {
    std::array::from_fn(|_| f64::from(rng.random_range(50_000..60_000u32)))
}

/// Fractions that go up and down.
fn gauge(rng: &mut ChaCha8Rng) -> Vec<(i64, Histogram)> {
    let samples = times(rng).into_iter().map(|(_, time)| {
        let counts: [f64; 6] = std::array::from_fn(|_| rng.random_range(1.0..9.0));
        let histogram = Histogram {
            schema: 0,
            hint: ResetHint::Gauge,
            zero_threshold: 0.001,
            zero_count: 0.5,
            count: counts.iter().sum::<f64>() + 0.5,
            sum: rng.random_range(-5.0..50.0),
            positive: spread(0, &counts),
            ..Histogram::default()
        };
        (time, histogram)
    });
    samples.collect()
}

/// Buckets in two spans with two empty ones between them.
fn spread(offset: i32, counts: &[f64]) -> Buckets {
    let first = counts.len() / 2;
    let span = |offset, length: usize| BucketSpan {
        offset,
        length: length as u32,
    };
    Buckets {
        spans: vec![span(offset, first), span(2, counts.len() - first)],
        counts: counts.to_vec(),
    }
}

/// What a sender would send of some steps.
fn request(all: &[Histograms], steps: std::ops::Range<i64>) -> Vec<u8> {
    let inside = |time: i64| steps.contains(&((time - BASE) / 15_000));
    let series = all.iter().map(|one| Series {
        labels: one
            .labels
            .map(|(n, v)| (n.to_owned(), v.to_owned()))
            .to_vec(),
        samples: one
            .floats
            .iter()
            .filter(|(t, _)| inside(*t))
            .copied()
            .collect(),
        histograms: one
            .samples
            .iter()
            .filter(|(t, _)| inside(*t))
            .cloned()
            .collect(),
        ..Series::default()
    });
    let series: Vec<Series> = series.collect();
    body(Version::V1, &series).unwrap()
}

/// As we keep it: the middle first and sealed, what is before it sealed too, the rest in memory.
fn store(dir: &Path, all: &[Histograms]) -> MetricStore {
    let now = UnixNanos::from_millis(BASE + STEPS * 15_000 + 60_000);
    let store = MetricStore::open(dir, &Config::default(), &mut Registry::default(), now).unwrap();
    let parts = [100..180, 0..100, 180..STEPS + 1];
    for (position, steps) in parts.into_iter().enumerate() {
        let body = request(all, steps).into();
        let entry = Entry::remote_write(Tenant::default(), Version::V1, now, body);
        store.apply(&[(Position(position as u64), entry)]);
        if position < 2 {
            store.seal(now).unwrap();
        }
    }
    store
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty())
}

/// Ours and theirs at one time, and over each of the grids.
fn both(
    store: &MetricStore,
    prometheus: &Prometheus,
    expr: &str,
) -> Vec<(Result<Answer, String>, Result<Answer, String>)> {
    let ours = instant(store, expr).map(ours_as_answer);
    let ours = ours.map_err(|error| error.to_string());
    let mut all = vec![(ours, prometheus.instant(expr, INSTANT))];
    for (start, end, step) in GRIDS {
        let ours = store.range(
            &Tenant::default(),
            expr,
            UnixNanos::from_millis(start),
            UnixNanos::from_millis(end),
            Duration::from_millis(step as u64),
            &QueryLimits::default(),
        );
        let ours = ours.map(|ours| ours_as_answer(ours.value));
        let ours = ours.map_err(|error| error.to_string());
        all.push((ours, prometheus.range(expr, start, end, step)));
    }
    all
}

#[test]
fn native_histograms_give_what_prometheus_gives() {
    let dir = tempfile::tempdir().unwrap();
    let Some(programs) = programs() else {
        return;
    };
    let all = generate();
    let store = store(&dir.path().join("ours"), &all);
    let prometheus = Prometheus::start_to_be_written(&programs, &dir.path().join("theirs"));
    for step in (0..STEPS).step_by(10) {
        prometheus.write(&request(&all, step..step + 10));
    }
    let (mut differing, mut telling, mut asked) = (Vec::new(), 0, 0);
    let strict = lines(EXPRESSIONS).map(|expr| (expr, TOLERANCE));
    // A bucket of schema 1 ends at 1.42 times where it begins.
    let loose = lines(LOOSE).map(|expr| (expr, 0.3));
    for (expr, tolerance) in strict.chain(loose) {
        for (ours, theirs) in both(&store, &prometheus, expr) {
            asked += 1;
            telling += usize::from(theirs.as_ref().is_ok_and(|answer| !answer.is_empty()));
            let why = difference(&ours, &theirs, tolerance);
            differing.extend(why.map(|why| format!("{expr}: {why}")));
        }
    }
    for (expr, why) in EXPLAINED {
        let mut answers = both(&store, &prometheus, expr).into_iter();
        let differs = answers.any(|(ours, theirs)| difference(&ours, &theirs, TOLERANCE).is_some());
        if !differs {
            differing.push(format!("no longer differs: {expr} ({why})"));
        }
    }
    assert!(
        telling * 10 > asked * 9,
        "only {telling} of {asked} have an answer"
    );
    let count = differing.len();
    let some: Vec<_> = differing.into_iter().take(40).collect();
    assert!(
        count == 0,
        "{count} of {asked} answers differ:\n{}",
        some.join("\n")
    );
}

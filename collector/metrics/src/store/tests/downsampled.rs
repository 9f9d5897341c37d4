//! What is old is thinned in the background, and answers as before.

use super::*;
use crate::downsampling::{Downsampling, Step};
use crate::{Delete, QueryLimits, QueryValue};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::period::Period;
use std::collections::BTreeMap;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// The last whole hour, and the first of the test, after [`NOW`].
const END: i64 = -(NOW_MS % HOUR);
const START: i64 = END - 96 * HOUR;

fn config(steps: &[(&str, &str)]) -> Config {
    let step = |(after, resolution): &(&str, &str)| Step {
        after: Period::read(after).unwrap(),
        resolution: Period::read(resolution).unwrap(),
    };
    let steps: Vec<Step> = steps.iter().map(step).collect();
    Config {
        downsampling: Downsampling::try_from(steps).unwrap(),
        merge_fan_in: 3,
        merge_bytes_per_second_max: 0,
        ..Config::default()
    }
}

/// Four days of a counter that is reset now and then, of a gauge and of a native histogram, in
/// segments of eight hours.
fn fill(bed: &Bed) {
    let mut random = ChaCha8Rng::seed_from_u64(18);
    let (mut total, mut time) = (0.0, START + 7);
    let mut sent = (Vec::new(), Vec::new());
    for n in 0i64.. {
        if time > END {
            break;
        }
        let rise: f64 = random.random_range(0..200).into();
        total = rise + if n % 1117 == 0 { 0.0 } else { total };
        sent.0.push(point(&[], time, total));
        sent.1.push(point(&[], time, random.random_range(0.0..1.0)));
        bed_histogram(bed, n, time);
        if n % 1920 == 1919 {
            let (counters, gauges) = std::mem::take(&mut sent);
            bed.send(
                &[],
                vec![counter("x", CUMULATIVE, counters), gauge("g", gauges)],
            );
            bed.store.seal(NOW).unwrap();
        }
        time += 15_000;
    }
}

/// Every tenth time, to be quick.
fn bed_histogram(bed: &Bed, n: i64, time: i64) {
    if n % 10 == 0 {
        bed.send(
            &[],
            vec![exponential(CUMULATIVE, time, n.unsigned_abs() * 3)],
        );
    }
}

fn numbers(bed: &Bed, text: &str) -> BTreeMap<i64, f64> {
    let at = |after: i64| UnixNanos::from_millis(NOW_MS + after);
    let (limits, hour) = (QueryLimits::default(), Duration::from_secs(3600));
    let tenant = Tenant::default();
    let answer = bed
        .store
        .range(&tenant, text, at(START), at(END), hour, &limits);
    let QueryValue::Matrix(series) = answer.unwrap().value else {
        panic!("{text} is no matrix");
    };
    let samples = series.into_iter().flat_map(|one| one.samples);
    samples
        .map(|(time, value)| (time.as_millis() - NOW_MS, value))
        .collect()
}

const QUERIES: [&str; 9] = [
    "increase(x_total[1h])",
    "rate(x_total[6h])",
    "resets(x_total[6h])",
    "avg_over_time(g[1h])",
    "min_over_time(g[2h])",
    "max_over_time(g[2h])",
    "count_over_time(g[1h])",
    "g",
    "histogram_quantile(0.9, rate(whole[2h]))",
];

fn same(is: &BTreeMap<i64, f64>, was: &BTreeMap<i64, f64>, text: &str) {
    assert!(is.keys().eq(was.keys()), "{text}");
    for (time, was) in was {
        let wrong = (is[time] - was).abs();
        assert!(
            wrong <= 1e-9 * was.abs().max(1.0),
            "{text} at {time}: {was}, thinned {}",
            is[time]
        );
    }
}

fn both() -> (Bed, Bed) {
    let raw = Bed::new(&config(&[]));
    let thin = Bed::new(&config(&[("1d", "5m"), ("2d", "1h")]));
    for bed in [&raw, &thin] {
        fill(bed);
        bed.store.settle(NOW).unwrap();
    }
    (raw, thin)
}

#[test]
fn old_segments_are_thinned_and_answer_as_before() {
    let (raw, mut thin) = both();
    let stats = thin.store.stats();
    let resolutions: Vec<&str> = stats
        .downsampled
        .iter()
        .map(|of| &of.resolution[..])
        .collect();
    assert_eq!(resolutions, ["5m", "1h"]);
    for of in &stats.downsampled {
        assert!(of.segments > 0 && of.bytes > 0 && of.records > 0, "{of:?}");
        assert!(of.bytes_saved > of.bytes / 2, "{of:?}");
    }
    assert!(raw.store.stats().downsampled.is_empty());
    assert!(stats.records * 2 < raw.store.stats().records);
    let check = |thin: &Bed| {
        for text in QUERIES {
            same(&numbers(thin, text), &numbers(&raw, text), text);
        }
        // A range that is shorter than the resolution.
        let rates = numbers(thin, "rate(x_total[5m] offset 25m)");
        assert_eq!(
            rates.len(),
            numbers(&raw, "rate(x_total[5m] offset 25m)").len()
        );
    };
    check(&thin);
    thin.reopen();
    assert_eq!(thin.store.stats().downsampled, stats.downsampled);
    check(&thin);
    // Nothing is left to be done.
    let files = thin.segment_files();
    thin.store.settle(NOW).unwrap();
    assert_eq!(thin.segment_files(), files);
}

#[test]
fn what_comes_late_counts_and_is_thinned_in_its_turn() {
    let (_, thin) = both();
    let text = "count_over_time(g[1h])";
    let mut expected = numbers(&thin, text);
    let late = START + 30 * HOUR - 10 * MINUTE - 1;
    bed_late(&thin, late, 4000.0);
    *expected.get_mut(&(START + 30 * HOUR)).unwrap() += 1.0;
    same(&numbers(&thin, text), &expected, text);
    thin.store.seal(NOW).unwrap();
    thin.store.settle(NOW).unwrap();
    same(&numbers(&thin, text), &expected, text);
    assert_eq!(
        numbers(&thin, "max_over_time(g[1h])")[&(START + 30 * HOUR)],
        4000.0
    );
}

fn bed_late(bed: &Bed, after: i64, value: f64) {
    bed.send(&[], vec![gauge("g", vec![point(&[], after, value)])]);
}

#[test]
fn what_is_deleted_is_not_in_what_is_known_of_dropped_samples() {
    let (_, thin) = both();
    let queries = [
        "count_over_time(g[1h])",
        "sum_over_time(g[1h])",
        "max_over_time(g[1h])",
    ];
    let mut expected = queries.map(|text| numbers(&thin, text));
    let delete = Delete {
        selectors: &[crate::parse_selector("g").unwrap()],
        start: NOW_MS + START + 10 * HOUR + 1,
        end: NOW_MS + START + 12 * HOUR,
    };
    thin.store.delete(&Tenant::default(), &delete, NOW).unwrap();
    for of in &mut expected {
        of.remove(&(START + 11 * HOUR));
        of.remove(&(START + 12 * HOUR));
    }
    let check = || {
        for (text, expected) in queries.iter().zip(&expected) {
            same(&numbers(&thin, text), expected, text);
        }
        // Also not as what a range between two samples is taken to have been.
        assert_eq!(
            numbers(&thin, "g offset 30m").get(&(START + 12 * HOUR)),
            None
        );
    };
    check();
    thin.store.clean_deleted().unwrap();
    check();
    assert!(!thin.store.stats().downsampled.is_empty());
}

//! Whether what is thin answers as what was written.

use super::*;
use crate::source::{Room, Series, Source, Stop, TimeRange};
use crate::{Answer, Ask, Features, QueryLimits, QueryValue, stale_nan};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Buckets, Histogram, Labels, Matcher, UnixNanos};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
/// A whole number of days.
const T0: i64 = 19_000 * 24 * HOUR;
const SERIES: u64 = 15;

/// One series, thinned to a resolution or (0) as it was written.
struct Stored(Samples, i64);

struct One(Samples);

impl Source for Stored {
    type Series = One;

    fn select(&self, _: &[Matcher], range: TimeRange, _: &mut Room) -> Result<Vec<One>, Stop> {
        let mut samples = self.0.clone();
        samples.clip(range.start, range.end);
        Ok(vec![One(samples)])
    }

    fn resolution(&self, _: TimeRange) -> i64 {
        self.1
    }
}

impl Series for One {
    fn labels(&self) -> Labels {
        [("__name__", "x_total")].into_iter().collect()
    }

    fn read(&self, out: &mut Samples) -> Result<(), Stop> {
        out.clone_from(&self.0);
        Ok(())
    }
}

impl Stored {
    fn thinned(&self, resolution: i64) -> Self {
        let mut samples = self.0.clone();
        thin(&mut samples, resolution);
        Self(samples, resolution)
    }

    fn answer(&self, text: &str, start: i64, end: i64, step: i64) -> Answer {
        let limits = QueryLimits::default();
        let ask = Ask {
            text,
            features: &Features::all(),
            limits: &limits,
        };
        let (start, end) = (UnixNanos::from_millis(start), UnixNanos::from_millis(end));
        let step = Duration::from_millis(step.unsigned_abs());
        crate::range(self, &ask, start, end, step).unwrap()
    }

    /// The numbers of an expression over time.
    fn numbers(&self, text: &str, start: i64, end: i64, step: i64) -> Vec<(i64, f64)> {
        let QueryValue::Matrix(series) = self.answer(text, start, end, step).value else {
            panic!("{text} is no range of numbers");
        };
        assert!(series.len() <= 1);
        let found = series.into_iter().flat_map(|one| one.samples);
        found
            .map(|(time, value)| (time.as_millis(), value))
            .collect()
    }

    /// What a counter rose between two times, from sample to sample.
    fn rise(&self, start: i64, end: i64) -> f64 {
        let inside: Vec<f64> = self
            .0
            .iter()
            .filter(|(t, v)| (start..=end).contains(t) && !is_stale(*v))
            .map(|(_, v)| v)
            .collect();
        let steps = inside.windows(2);
        steps
            .map(|w| if w[1] < w[0] { w[1] } else { w[1] - w[0] })
            .sum()
    }
}

/// A series of a day: a gauge, a counter that is reset now and then, or a number that rarely
/// changes; scraped more or less often, with gaps, and with ends.
fn series(seed: u64) -> Stored {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let (kind, every): (u64, i64) = (
        seed % 3,
        [5_000, 15_000, 30_000, 60_000, 400_000][seed as usize % 5],
    );
    let (mut samples, mut value) = (Samples::default(), 0.0);
    // Half of them at whole intervals, so that samples lie where ranges end.
    let jitter = if seed.is_multiple_of(2) { 1 } else { every / 2 };
    let mut time = T0 + every * random.random_range(1..30) + random.random_range(0..jitter);
    while time < T0 + 24 * HOUR {
        let step: f64 = random.random_range(0..1000).into();
        value = match kind {
            0 => value + (step - 500.0) / 8.0,
            1 if random.random_ratio(1, 150) => step / 100.0,
            1 => value + step,
            _ if random.random_ratio(1, 400) => step,
            _ => value,
        };
        samples.push(time, value);
        time += every + random.random_range(0..jitter.min(3));
        if random.random_ratio(1, 500) {
            samples.push(time, stale_nan());
            time += every;
        }
        if random.random_ratio(1, 300) {
            time += every * random.random_range(0..3 * HOUR / every);
        }
    }
    Stored(samples, 0)
}

fn is_near(a: f64, b: f64) -> bool {
    a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

fn same(text: &str, seed: u64, raw: &[(i64, f64)], thin: &[(i64, f64)]) {
    assert_eq!(raw.len(), thin.len(), "{text} of series {seed}");
    for (raw, thin) in raw.iter().zip(thin) {
        let is_same = raw.0 == thin.0 && is_near(raw.1, thin.1);
        assert!(
            is_same,
            "{text} of series {seed}: {raw:?}, thinned {thin:?}"
        );
    }
}

const ALIGNED: [&str; 14] = [
    "rate",
    "increase",
    "delta",
    "resets",
    "changes",
    "avg_over_time",
    "min_over_time",
    "max_over_time",
    "sum_over_time",
    "count_over_time",
    "last_over_time",
    "first_over_time",
    "present_over_time",
    "absent_over_time",
];

/// Ranges of whole intervals.
fn answers_alike(seed: u64, raw: &Stored, thin: &Stored) {
    for (range, step) in [("1h", HOUR), ("3h", HOUR), ("1d", 6 * HOUR)] {
        for function in ALIGNED {
            let text = format!("{function}(x_total[{range}])");
            let numbers = |of: &Stored| of.numbers(&text, T0, T0 + 26 * HOUR, step);
            same(&text, seed, &numbers(raw), &numbers(thin));
        }
    }
}

#[test]
fn ranges_of_whole_intervals_are_answered_as_if_nothing_were_gone() {
    for seed in 0..SERIES {
        let raw = series(seed);
        answers_alike(seed, &raw, &raw.thinned(5 * MINUTE));
        answers_alike(seed, &raw, &raw.thinned(HOUR));
        answers_alike(seed, &raw, &raw.thinned(5 * MINUTE).thinned(HOUR));
    }
}

#[test]
fn most_samples_are_gone() {
    let (mut all, mut left) = (0, 0);
    for seed in (0..SERIES).filter(|seed| seed % 5 == 1) {
        let raw = series(seed);
        let thin = raw.thinned(HOUR);
        (all, left) = (all + raw.0.len(), left + thin.0.len() + thin.0.rests.len());
        let again = thin.thinned(HOUR);
        assert_eq!(again.0, thin.0, "thinning twice is thinning once");
    }
    assert!(left * 15 < all, "{left} of {all} are left");
}

#[test]
fn a_series_has_a_value_whenever_it_had_one() {
    for seed in 0..SERIES {
        let raw = series(seed);
        for resolution in [5 * MINUTE, HOUR] {
            let thin = raw.thinned(resolution);
            let numbers = |of: &Stored, step| of.numbers("x_total", T0, T0 + 26 * HOUR, step);
            let (was, is) = (numbers(&raw, 37_000), numbers(&thin, 37_000));
            let times = |of: &[(i64, f64)]| of.iter().map(|(time, _)| *time).collect::<Vec<_>>();
            assert_eq!(times(&was), times(&is), "series {seed}");
            // It is one of at most a resolution ago.
            for (time, value) in is {
                let range = time - resolution - 5 * MINUTE..=time;
                let mut near = raw.0.iter().filter(|(at, _)| range.contains(at));
                assert!(near.any(|(_, one)| one == value), "series {seed} at {time}");
            }
            // Where intervals end it is the same.
            same(
                "x_total",
                seed,
                &numbers(&raw, resolution),
                &numbers(&thin, resolution),
            );
        }
    }
}

#[test]
fn other_ranges_are_wrong_by_no_more_than_what_happened_in_the_intervals_that_they_cut() {
    for seed in (0..SERIES).filter(|seed| seed % 3 == 1) {
        let raw = series(seed);
        let thin = raw.thinned(HOUR);
        for length in [5, 45, 60, 100, 300] {
            let text = format!("increase(x_total[{length}m])");
            let numbers = |of: &Stored| of.numbers(&text, T0 + 1234, T0 + 26 * HOUR, 13 * MINUTE);
            let is = numbers(&thin);
            for (time, was) in numbers(&raw) {
                let found = is.iter().find(|(at, _)| *at == time);
                let is = found.map(|(_, value)| *value);
                assert!(is.is_some(), "{text} of series {seed} at {time} is gone");
                let (from, to) = (time - length * MINUTE, time);
                let cut = |at: i64| {
                    let start = at.div_euclid(HOUR) * HOUR;
                    raw.rise(start, start + HOUR)
                };
                // And what both were stretched by at the edges.
                let edges = cut(from) + cut(to) + 0.15 * raw.rise(from - HOUR, to + HOUR) + 2000.0;
                let wrong = (is.unwrap() - was).abs();
                assert!(
                    wrong <= edges,
                    "{text} of series {seed} at {time}: {was}, thinned {is:?}, may be wrong by {edges}"
                );
            }
        }
    }
}

#[test]
fn increases_of_neighbouring_ranges_lose_nothing() {
    for seed in (0..SERIES).filter(|seed| seed % 3 == 1) {
        let raw = series(seed);
        let thin = raw.thinned(HOUR);
        // Between the samples of one interval, without what a range is stretched by.
        for rest in thin
            .0
            .rests
            .iter()
            .filter(|rest| rest.end - rest.start > 20 * MINUTE)
        {
            let (start, end) = (rest.start, rest.end);
            let parts = 7;
            let mut sum = 0.0;
            for part in 0..parts {
                let at = |n: i64| start + (end - start) * n / parts;
                let length = at(part + 1) - at(part);
                let text = format!("increase(x_total[{length}ms])");
                let found = thin.numbers(&text, at(part + 1), at(part + 1), MINUTE);
                sum += found.first().map_or(0.0, |(_, value)| *value);
            }
            let rise = raw.rise(start, end);
            assert!(is_near(sum, rise), "series {seed}: {sum} of {rise}");
        }
    }
}

#[test]
fn samples_that_come_late_count() {
    for seed in (0..SERIES).filter(|seed| seed % 3 != 0) {
        let raw = series(seed);
        let mut random = ChaCha8Rng::seed_from_u64(seed ^ 77);
        let (mut early, mut late) = (Samples::default(), Samples::default());
        for (time, value) in raw.0.iter() {
            let is_late = !is_stale(value) && random.random_ratio(1, 40);
            let to = if is_late { &mut late } else { &mut early };
            to.push(time, value);
        }
        let mut both = Stored(early, 0).thinned(HOUR);
        for (time, value) in late.iter() {
            both.0.push(time, value);
        }
        both.0.sort_first_wins();
        for function in [
            "avg_over_time",
            "min_over_time",
            "max_over_time",
            "sum_over_time",
            "count_over_time",
        ] {
            let text = format!("{function}(x_total[3h])");
            let numbers = |of: &Stored| of.numbers(&text, T0, T0 + 26 * HOUR, HOUR);
            same(&text, seed, &numbers(&raw), &numbers(&both));
            same(&text, seed, &numbers(&raw), &numbers(&both.thinned(HOUR)));
        }
    }
}

/// Two rests that end at a sample which a late marker parted from all before it: nothing is taken
/// together there, and what has no length counts where it lies.
#[test]
fn a_rest_without_a_length_is_none_or_counts_whole() {
    let rest = |start| Rest {
        start,
        end: T0 + HOUR,
        count: 4.0,
        sum: 8.0,
        ..Rest::default()
    };
    let mut samples = Samples::default();
    samples.push(T0 + 1000, 2.0);
    samples.push(T0 + HOUR - 1, stale_nan());
    samples.push(T0 + HOUR, 2.0);
    samples.rests = vec![rest(T0 + 1000), rest(T0 + 1000)];
    let thin = Stored(samples.clone(), 0).thinned(HOUR);
    assert_eq!(thin.0.rests, samples.rests);
    samples.rests = vec![rest(T0 + HOUR)];
    let flat = Stored(samples, HOUR);
    for (stored, count) in [(thin, 10.0), (flat, 6.0)] {
        for (function, wanted) in [("count", count), ("sum", 2.0 * count), ("avg", 2.0)] {
            let text = format!("{function}_over_time(x_total[1h])");
            let found = stored.numbers(&text, T0 + HOUR, T0 + HOUR, HOUR);
            assert_eq!(found, [(T0 + HOUR, wanted)], "{text}");
        }
    }
}

/// A restart that only the start of a sample shows is seen in recent ranges, whatever was thinned
/// long before.
#[test]
fn recent_samples_say_since_when_they_count_beside_thinned_ones() {
    let mut old = series(1).0;
    thin(&mut old, HOUR);
    assert!(!old.rests.is_empty());
    let recent = |mut samples: Samples| {
        for n in 0..20 {
            let time = T0 + 30 * HOUR + n * MINUTE;
            // It began anew each five minutes, and came further than before each time.
            let start = time - 1 - MINUTE * (n % 5);
            samples.push_since(time, (n * 10) as f64, start);
        }
        Stored(samples, HOUR)
    };
    let (beside, alone) = (recent(old), recent(Samples::default()));
    let native = |stored: &Stored| {
        let mut samples = stored.0.clone();
        samples.push_histogram(T0 + 40 * HOUR, Arc::new(Histogram::default()));
        Stored(samples, HOUR)
    };
    let both = [(native(&beside), native(&alone)), (beside, alone)];
    for (beside, alone) in both {
        for text in ["resets(x_total[11m])", "increase(x_total[11m])"] {
            // So far back that what was thinned is read too.
            let recent = |of: &Stored| {
                let mut all = of.numbers(text, T0, T0 + 31 * HOUR, MINUTE);
                all.retain(|(time, _)| *time >= T0 + 30 * HOUR);
                all
            };
            let (alone, beside) = (recent(&alone), recent(&beside));
            same(text, 1, &alone, &beside);
            assert!(text.starts_with("inc") || alone.iter().any(|(_, resets)| *resets == 2.0));
        }
    }
}

/// Observations of a service whose process is started again now and then.
fn histograms(seed: u64) -> Stored {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut samples = Samples::default();
    let mut counts = vec![0.0; 6];
    let mut time = T0 + random.random_range(1..HOUR);
    while time < T0 + 24 * HOUR {
        if random.random_ratio(1, 200) {
            counts.fill(0.0);
        }
        for count in &mut counts {
            *count += f64::from(random.random_range(0..9));
        }
        let value = Histogram {
            schema: if random.random_ratio(1, 300) { 1 } else { 2 },
            zero_threshold: 1e-9,
            count: counts.iter().sum(),
            sum: counts.iter().sum::<f64>() * 2.5,
            positive: Buckets {
                spans: vec![sonde_proto::BucketSpan {
                    offset: 0,
                    length: 6,
                }],
                counts: counts.clone(),
            },
            ..Histogram::default()
        };
        samples.push_histogram(time, Arc::new(value));
        time += 15_000 + random.random_range(0..3);
        if random.random_ratio(1, 500) {
            samples.push(time, stale_nan());
            time += random.random_range(15_000..2 * HOUR);
        }
    }
    Stored(samples, 0)
}

#[test]
fn quantiles_of_native_histograms_are_the_same() {
    for seed in 0..8 {
        let raw = histograms(seed);
        let thin = raw.thinned(5 * MINUTE).thinned(HOUR);
        assert!(
            thin.0.len() * 5 < raw.0.len(),
            "series {seed}: {}",
            thin.0.len()
        );
        for text in [
            "histogram_quantile(0.9, rate(x_total[2h]))",
            "histogram_count(increase(x_total[2h]))",
            "histogram_sum(rate(x_total[1h]))",
            "count_over_time(x_total[3h])",
            "resets(x_total[3h])",
            "histogram_count(last_over_time(x_total[1h]))",
        ] {
            let numbers = |of: &Stored| of.numbers(text, T0, T0 + 26 * HOUR, HOUR);
            same(text, seed, &numbers(&raw), &numbers(&thin));
        }
        // Within an interval there is a value whenever there was one.
        for text in [
            "histogram_count(x_total)",
            "histogram_count(rate(x_total[5m]))",
        ] {
            let times = |of: &Stored| -> Vec<i64> {
                let numbers = of.numbers(text, T0, T0 + 26 * HOUR, 7 * MINUTE);
                numbers.into_iter().map(|(time, _)| time).collect()
            };
            let is = times(&thin);
            let gone: Vec<i64> = times(&raw)
                .into_iter()
                .filter(|time| !is.contains(time))
                .collect();
            assert!(gone.is_empty(), "{text} of series {seed} at {gone:?}");
        }
    }
}

#[test]
fn the_answer_says_that_samples_were_thinned() {
    let raw = series(1);
    let infos = |of: &Stored| of.answer("rate(x_total[1h])", T0, T0 + HOUR, HOUR).infos;
    assert!(infos(&raw).is_empty());
    let told =
        "PromQL info: part of the answer comes from samples that were downsampled to 1h (1:1)";
    assert_eq!(infos(&raw.thinned(HOUR)), [told]);
}

/// The store has thinned segments there, but nothing of what is looked at was dropped.
#[test]
fn of_series_that_were_not_thinned_it_does_not_say_so() {
    let mut recent = Samples::default();
    (0..60).for_each(|n| recent.push(T0 + n * MINUTE, 1.0));
    let answer = |samples: &Samples, start, end| {
        let stored = Stored(samples.clone(), HOUR);
        stored.answer("rate(x_total[10m])", start, end, MINUTE)
    };
    assert!(answer(&recent, T0, T0 + HOUR).infos.is_empty());
    // Read it is, as far around as something may have been dropped.
    let rest = Rest {
        start: T0 + 20 * MINUTE,
        end: T0 + 30 * MINUTE,
        count: 4.0,
        ..Rest::default()
    };
    recent.rests = vec![rest];
    assert!(
        answer(&recent, T0 + 45 * MINUTE, T0 + HOUR)
            .infos
            .is_empty()
    );
    assert_eq!(answer(&recent, T0 + 35 * MINUTE, T0 + HOUR).infos.len(), 1);
}

/// Floats that were thinned, and histograms since.
#[test]
fn changes_and_resets_of_dropped_floats_count_beside_histograms() {
    for seed in (0..SERIES).filter(|seed| seed % 3 != 0) {
        let raw = series(seed);
        let with_histogram = |stored: &Stored| {
            let mut samples = stored.0.clone();
            samples.push_histogram(T0 + 25 * HOUR - 1, Arc::new(Histogram::default()));
            Stored(samples, stored.1)
        };
        let thin = with_histogram(&raw.thinned(HOUR));
        let raw = with_histogram(&raw);
        for text in ["changes(x_total[1d])", "resets(x_total[1d])"] {
            let numbers = |of: &Stored| of.numbers(text, T0, T0 + 26 * HOUR, HOUR);
            same(text, seed, &numbers(&raw), &numbers(&thin));
        }
    }
}

#[test]
fn a_mixed_series_and_gauges_stay_as_they_are() {
    let mut mixed = histograms(3).0;
    mixed.push(T0 + 30 * HOUR, 1.0);
    let before = mixed.clone();
    thin(&mut mixed, HOUR);
    assert_eq!(mixed, before);
    let mut gauges = histograms(3).0;
    for sample in &mut gauges.histograms {
        Arc::make_mut(&mut sample.value).hint = ResetHint::Gauge;
    }
    let before = gauges.clone();
    thin(&mut gauges, HOUR);
    assert_eq!(gauges, before);
}

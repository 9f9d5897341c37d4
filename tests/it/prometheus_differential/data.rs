//! Synthetic series, the same for one seed.
//!
//! Values are whole numbers of 1/1024 and small, so that sums of them are exact in any order
//! of adding, and what jumps (comparisons, rounding, ranks) can be compared exactly. Counters
//! begin at zero or stay far from it: where a rate is cut because it would reach below zero,
//! the older version cuts otherwise.

use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::remote_write::Series;

/// When the first samples are, in milliseconds.
pub(super) const BASE: i64 = 1_700_000_000_000;
/// How many samples a series has, 15 seconds apart.
const STEPS: i64 = 240;
/// After the last sample, as all questions 123 ms after a whole second.
pub(super) const END: i64 = BASE + STEPS * 15_000 + 60_123;
/// How much time one body holds.
const SLICE: i64 = 600_000;
/// What ends a series.
const STALE: u64 = 0x7ff0_0000_0000_0002;

type Samples = Vec<(i64, f64)>;

/// All of it, sorted by labels.
pub(super) fn series(seed: u64) -> Vec<Series> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Made(Vec::new());
    for (at, job) in ["api", "db", "web"].into_iter().enumerate() {
        for (of, instance) in ["a:1", "b:2", "c:3"].into_iter().enumerate() {
            all.process(&mut rng, job, instance, (at * 3 + of) as f64);
        }
        let limit = if job == "api" { 40.0 } else { 55.5 };
        let samples = regular(&mut rng, 0.0, |_, _| limit);
        let team = format!("t-{job}");
        all.add("limit", &[("job", job), ("team", &team)], samples);
    }
    for (n, kind) in ["x", "y", "z"].into_iter().enumerate() {
        let samples = regular(&mut rng, 0.1, |rng, step| {
            match (step + n as i64 * 7) % 23 {
                0 => f64::NAN,
                5 => f64::INFINITY,
                9 => f64::NEG_INFINITY,
                13 => -0.0,
                17 => 1024.0,
                _ => f64::from(rng.random_range(-5_000..5_000i32)) / 1024.0,
            }
        });
        all.add("odd", &[("kind", kind)], samples);
    }
    for (n, zone) in ["", "grün", "a\"b", "c\\d", "two\nlines", "10", "9"]
        .into_iter()
        .enumerate()
    {
        let samples = regular(&mut rng, 0.0, |_, step| (step % 7) as f64 + n as f64 / 8.0);
        let labels = [("_hidden", "1"), ("zone", zone)];
        all.add("job:zones:sum", &labels[..1 + usize::from(n > 0)], samples);
    }
    // Nothing but what is in it says how it is written.
    let extreme = [
        1e21,
        1e-7,
        5e-324,
        f64::MAX,
        123_456_789.125,
        1e20,
        0.1,
        -1e-6,
    ];
    for (n, value) in extreme.into_iter().enumerate() {
        let samples = regular(&mut rng, 0.0, |_, _| value);
        all.add("extreme", &[("n", &n.to_string())], samples);
    }
    all.0.sort_by(|a, b| a.labels.cmp(&b.labels));
    all.0
}

/// The series in bodies, one after another in time.
pub(super) fn slices(series: &[Series]) -> Vec<Vec<Series>> {
    let starts = (0..=STEPS * 15_000 / SLICE).map(|n| BASE + n * SLICE);
    starts.map(|start| slice(series, start)).collect()
}

fn slice(series: &[Series], start: i64) -> Vec<Series> {
    let inside = |(time, _): &&(i64, f64)| (start..start + SLICE).contains(time);
    let cut = |one: &Series| Series {
        labels: one.labels.clone(),
        samples: one.samples.iter().filter(inside).copied().collect(),
        ..Default::default()
    };
    let all = series.iter().map(cut);
    all.filter(|one| !one.samples.is_empty()).collect()
}

/// The name of what is sent last of all, when everything else has been.
pub(super) const LAST: &str = "zz_last";

/// A series of one sample, behind all others.
pub(super) fn last() -> Series {
    Series {
        labels: vec![("__name__".into(), LAST.into())],
        samples: vec![(END - 21, 1.0)],
        ..Default::default()
    }
}

struct Made(Vec<Series>);

impl Made {
    fn add(&mut self, name: &str, labels: &[(&str, &str)], samples: Samples) {
        let mut labels: Vec<_> = labels
            .iter()
            .chain([&("__name__", name)])
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        labels.sort();
        self.0.push(Series {
            labels,
            samples,
            ..Default::default()
        });
    }

    /// What one process has; `n` makes values of one process unlike those of another.
    fn process(&mut self, rng: &mut ChaCha8Rng, job: &str, instance: &str, n: f64) {
        let who = [("instance", instance), ("job", job)];
        let with = |name, value| [who[0], who[1], (name, value)];
        for code in ["200", "404", "500"] {
            let samples = old_counter(rng);
            self.add("requests_total", &with("code", code), samples);
        }
        self.add("young_total", &who, young_counter(rng));
        self.add("temperature", &who, gauge(rng, n));
        let flag = regular(rng, 0.02, |rng, _| f64::from(rng.random_range(0..2u8)));
        self.add("flag", &who, flag);
        self.histogram(rng, &who);
        self.versions(rng, &who);
    }

    fn histogram(&mut self, rng: &mut ChaCha8Rng, who: &[(&str, &str); 2]) {
        let bounds = ["0.01", "0.1", "0.5", "1", "5", "+Inf"];
        let times = regular(rng, 0.02, |_, _| 0.0);
        let mut counts = [1e6; 6];
        let mut columns = vec![Samples::new(); 6];
        let mut sum = Samples::new();
        for (time, _) in times {
            let mut below = 0.0;
            for (at, count) in counts.iter_mut().enumerate() {
                below += f64::from(rng.random_range(0..30u32));
                *count += below;
                columns[at].push((time, *count));
            }
            sum.push((time, counts[5] / 4.0));
        }
        self.add("latency_count", who, columns[5].clone());
        self.add("latency_sum", who, sum);
        for (le, samples) in bounds.into_iter().zip(columns) {
            self.add("latency_bucket", &[who[0], who[1], ("le", le)], samples);
        }
    }

    /// A series that is said to end, where the next version's begins.
    fn versions(&mut self, rng: &mut ChaCha8Rng, who: &[(&str, &str); 2]) {
        let change = BASE + rng.random_range(60..180) * 15_000;
        let samples = regular(rng, 0.0, |_, _| 1.0);
        let (mut before, after): (Samples, Samples) =
            samples.into_iter().partition(|(time, _)| *time < change);
        if let Some((time, _)) = before.last().copied() {
            before.push((time + 15_000, f64::from_bits(STALE)));
        }
        for (version, samples) in [("1.0", before), ("1.1", after)] {
            self.add(
                "build_info",
                &[who[0], who[1], ("version", version)],
                samples,
            );
        }
    }
}

/// A value every 15 seconds, at two more than a multiple of four milliseconds, with jitter,
/// and some missing.
fn regular(
    rng: &mut ChaCha8Rng,
    missing: f64,
    mut value: impl FnMut(&mut ChaCha8Rng, i64) -> f64,
) -> Samples {
    let offset = rng.random_range(0..2500) * 4 + 2;
    let mut samples = Vec::new();
    for step in 0..STEPS {
        let value = value(rng, step);
        let time = BASE + step * 15_000 + offset + rng.random_range(0..100) * 4;
        if !rng.random_bool(missing) {
            samples.push((time, value));
        }
    }
    samples
}

fn old_counter(rng: &mut ChaCha8Rng) -> Samples {
    let mut value = f64::from(rng.random_range(1_000_000..2_000_000u32));
    regular(rng, 0.03, |rng, _| {
        value += f64::from(rng.random_range(0..400u32));
        if rng.random_bool(0.02) {
            value = f64::from(rng.random_range(500_000..900_000u32));
        }
        value
    })
}

/// Begins with the process, at zero.
fn young_counter(rng: &mut ChaCha8Rng) -> Samples {
    let first = rng.random_range(0..150);
    let mut value = 0.0;
    let mut samples = regular(rng, 0.0, |rng, step| {
        if step > first {
            value += f64::from(rng.random_range(0..40u32));
        }
        value
    });
    samples.drain(..first as usize);
    samples
}

/// No two processes ever have the same value. With a gap longer than a value is good for, and
/// an end that is said and taken back.
fn gauge(rng: &mut ChaCha8Rng, n: f64) -> Samples {
    let mut value = rng.random_range(20..60);
    let mut samples = regular(rng, 0.02, |rng, _| {
        value += rng.random_range(-1..=1);
        f64::from(value) + n / 16.0
    });
    let gap = BASE + rng.random_range(60..150) * 15_000;
    samples.retain(|(time, _)| !(gap..gap + 420_000).contains(time));
    let stale = rng.random_range(10..50);
    if let Some(sample) = samples.get_mut(stale) {
        sample.1 = f64::from_bits(STALE);
    }
    samples
}

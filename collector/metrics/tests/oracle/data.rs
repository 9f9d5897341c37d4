//! The samples: counters that reset, gauges with gaps, histograms, special values.

use bytes::Bytes;
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_metrics::{Config, MetricStore};
use sonde_proto::otlp::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use sonde_proto::otlp::{kv, metrics_service::ExportMetricsServiceRequest};
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use std::fmt::Write as _;
use std::path::Path;

/// The first step, in milliseconds; a whole number of hours, so that subqueries align.
pub(crate) const BASE: i64 = 1_699_999_200_000;
/// How many steps of 15 seconds there are.
pub(crate) const STEPS: i64 = 260;

/// A metric's series.
struct Series {
    name: &'static str,
    labels: Vec<(&'static str, String)>,
    samples: Vec<(i64, f64)>,
}

pub(crate) struct Dataset(Vec<Series>);

impl Dataset {
    pub(crate) fn generate() -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(20_240_501);
        let mut all = Vec::new();
        for job in ["api", "db"] {
            for instance in ["a:1", "b:2", "c:3"] {
                let who = || vec![("job", job.to_owned()), ("instance", instance.to_owned())];
                for code in ["200", "404", "500"] {
                    let labels = who()
                        .into_iter()
                        .chain([("code", code.to_owned())])
                        .collect();
                    all.push(Series {
                        name: "requests_total",
                        labels,
                        samples: counter(&mut rng),
                    });
                }
                all.push(Series {
                    name: "temperature",
                    labels: who(),
                    samples: gauge(&mut rng),
                });
                let flag = regular(&mut rng, 0.05, |rng, _| f64::from(rng.random_range(0..4u8)));
                all.push(Series {
                    name: "flag",
                    labels: who(),
                    samples: flag,
                });
                histogram(&mut rng, &who(), &mut all);
                versions(&mut rng, &who(), &mut all);
            }
            let limit = regular(&mut rng, 0.0, |_, _| if job == "api" { 40.0 } else { 55.5 });
            all.push(Series {
                name: "limit",
                labels: vec![("job", job.to_owned()), ("team", format!("t-{job}"))],
                samples: limit,
            });
        }
        for (name, n) in [("x", 0), ("y", 1), ("z", 2)] {
            let odd = regular(&mut rng, 0.1, |rng, step| match (step + n * 7) % 23 {
                0 => f64::NAN,
                5 => f64::INFINITY,
                9 => f64::NEG_INFINITY,
                13 => 0.0,
                _ => rng.random_range(-5.0..5.0),
            });
            all.push(Series {
                name: "odd",
                labels: vec![("kind", name.to_owned())],
                samples: odd,
            });
        }
        all.sort_by_key(|s| s.name);
        Self(all)
    }

    /// As promtool reads it.
    pub(crate) fn open_metrics(&self) -> String {
        let mut out = String::new();
        for series in &self.0 {
            let labels: Vec<String> = series
                .labels
                .iter()
                .map(|(n, v)| format!("{n}={v:?}"))
                .collect();
            for (time, value) in &series.samples {
                let value = if value.is_infinite() {
                    if *value > 0.0 { "+Inf" } else { "-Inf" }.into()
                } else {
                    value.to_string()
                };
                writeln!(
                    out,
                    "{}{{{}}} {value} {}.{:03}",
                    series.name,
                    labels.join(","),
                    time / 1000,
                    time % 1000
                )
                .unwrap();
            }
        }
        out.push_str("# EOF\n");
        out
    }

    /// As we keep it: a part sealed twice, the rest in memory, and some of it late.
    pub(crate) fn store(&self, dir: &Path) -> MetricStore {
        let config = Config::default();
        let now = UnixNanos::from_millis(BASE + STEPS * 15_000 + 60_000);
        let store = MetricStore::open(dir, &config, &mut Registry::default(), now).unwrap();
        let parts = [(100, 180), (0, 100), (180, STEPS + 1)];
        for (position, (from, to)) in parts.into_iter().enumerate() {
            let entry = Entry::otlp(
                Tenant::default(),
                Signal::Metrics,
                now,
                self.request(from, to),
            );
            store.apply(&[(Position(position as u64), entry)]);
            if position < 2 {
                store.seal(now).unwrap();
            }
        }
        store
    }

    fn request(&self, from: i64, to: i64) -> Bytes {
        let inside = |t: i64| ((t - BASE) / 15_000 >= from) && ((t - BASE) / 15_000 < to);
        let metrics = self.0.iter().map(|series| {
            let attributes: Vec<_> = series
                .labels
                .iter()
                .map(|(n, v)| kv(n, v.clone()))
                .collect();
            let point = |(time, value): &(i64, f64)| NumberDataPoint {
                attributes: attributes.clone(),
                time_unix_nano: UnixNanos::from_millis(*time).0,
                value: Some(number_data_point::Value::AsDouble(*value)),
                ..Default::default()
            };
            let data_points = series
                .samples
                .iter()
                .filter(|(t, _)| inside(*t))
                .map(point)
                .collect();
            Metric {
                name: series.name.into(),
                data: Some(metric::Data::Gauge(Gauge { data_points })),
                ..Default::default()
            }
        });
        let scope = ScopeMetrics {
            metrics: metrics.collect(),
            ..Default::default()
        };
        let resource = ResourceMetrics {
            scope_metrics: vec![scope],
            ..Default::default()
        };
        ExportMetricsServiceRequest {
            resource_metrics: vec![resource],
        }
        .encode_to_vec()
        .into()
    }
}

/// A value every 15 seconds, at two more than a multiple of four milliseconds, with jitter,
/// and some missing.
fn regular(
    rng: &mut ChaCha8Rng,
    missing: f64,
    mut value: impl FnMut(&mut ChaCha8Rng, i64) -> f64,
) -> Vec<(i64, f64)> {
    let offset = rng.random_range(0..2500) * 4 + 2;
    let mut samples = Vec::new();
    for step in 0..STEPS {
        let value = value(rng, step);
        if !rng.random_bool(missing) {
            samples.push((
                BASE + step * 15_000 + offset + rng.random_range(0..200) * 2,
                value,
            ));
        }
    }
    samples
}

/// Never near zero: older versions extrapolate differently there.
fn counter(rng: &mut ChaCha8Rng) -> Vec<(i64, f64)> {
    let mut value = rng.random_range(1e6..2e6f64).round();
    regular(rng, 0.03, |rng, _| {
        value += f64::from(rng.random_range(0..400u32));
        if rng.random_bool(0.02) {
            value = rng.random_range(5e5..9e5f64).round();
        }
        value
    })
}

/// With gaps longer than the lookback.
fn gauge(rng: &mut ChaCha8Rng) -> Vec<(i64, f64)> {
    let mut value = rng.random_range(20.0..60.0f64);
    let mut samples = regular(rng, 0.02, |rng, _| {
        value += rng.random_range(-1.5..1.5);
        (value * 100.0).round() / 100.0
    });
    let gap = BASE + rng.random_range(60..150) * 15_000;
    samples.retain(|(time, _)| !(gap..gap + 420_000).contains(time));
    samples
}

fn histogram(rng: &mut ChaCha8Rng, who: &[(&'static str, String)], all: &mut Vec<Series>) {
    let bounds = ["0.01", "0.1", "0.5", "1", "5", "+Inf"];
    let times: Vec<i64> = regular(rng, 0.02, |_, _| 0.0)
        .into_iter()
        .map(|(time, _)| time)
        .collect();
    let mut counts = [1e6; 6];
    let mut columns = vec![Vec::new(); 6];
    for time in times {
        let mut below = 0.0;
        for (at, count) in counts.iter_mut().enumerate() {
            below += f64::from(rng.random_range(0..30u32));
            *count += below;
            columns[at].push((time, *count));
        }
    }
    for (le, samples) in bounds.iter().zip(columns) {
        let labels = who
            .iter()
            .cloned()
            .chain([("le", (*le).to_owned())])
            .collect();
        all.push(Series {
            name: "latency_bucket",
            labels,
            samples,
        });
    }
}

/// A series that ends where the next version's begins.
fn versions(rng: &mut ChaCha8Rng, who: &[(&'static str, String)], all: &mut Vec<Series>) {
    let change = BASE + rng.random_range(80..160) * 15_000;
    let samples = regular(rng, 0.0, |_, _| 1.0);
    let (before, after) = samples.into_iter().partition(|(time, _)| *time < change);
    for (version, samples) in [("1.0", before), ("1.1", after)] {
        let labels = who
            .iter()
            .cloned()
            .chain([("version", version.to_owned())])
            .collect();
        all.push(Series {
            name: "build_info",
            labels,
            samples,
        });
    }
}

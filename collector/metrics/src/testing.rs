//! Requests and stores for tests.

pub(crate) mod native;

use crate::{Config, MetricStore};
use parking_lot::Mutex;
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::otlp::metrics::exponential_histogram_data_point::Buckets;
use sonde_proto::otlp::metrics::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
    Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use sonde_proto::otlp::resource::Resource;
use sonde_proto::otlp::{kv, metrics_service::ExportMetricsServiceRequest};
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// When everything in tests is received.
pub(crate) const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);
/// [`NOW`] in milliseconds.
pub(crate) const NOW_MS: i64 = 1_700_000_000_000;

/// OTLP's number for deltas.
pub(crate) const DELTA: i32 = 1;
/// OTLP's number for totals since a start.
pub(crate) const CUMULATIVE: i32 = 2;

pub(crate) fn attributes(pairs: &[(&str, &str)]) -> Vec<sonde_proto::otlp::common::KeyValue> {
    pairs
        .iter()
        .map(|(name, value)| kv(name, (*value).to_owned()))
        .collect()
}

/// A point at so many milliseconds after [`NOW`].
pub(crate) fn point(pairs: &[(&str, &str)], after: i64, value: f64) -> NumberDataPoint {
    NumberDataPoint {
        attributes: attributes(pairs),
        time_unix_nano: UnixNanos::from_millis(NOW_MS + after).0,
        value: Some(number_data_point::Value::AsDouble(value)),
        ..Default::default()
    }
}

pub(crate) fn named(name: &str, data: metric::Data) -> Metric {
    Metric {
        name: name.into(),
        data: Some(data),
        ..Default::default()
    }
}

pub(crate) fn gauge(name: &str, data_points: Vec<NumberDataPoint>) -> Metric {
    named(name, metric::Data::Gauge(Gauge { data_points }))
}

pub(crate) fn counter(name: &str, temporality: i32, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = Sum {
        data_points,
        aggregation_temporality: temporality,
        is_monotonic: true,
    };
    named(name, metric::Data::Sum(sum))
}

pub(crate) fn histogram(
    name: &str,
    temporality: i32,
    data_points: Vec<HistogramDataPoint>,
) -> Metric {
    let histogram = Histogram {
        data_points,
        aggregation_temporality: temporality,
    };
    named(name, metric::Data::Histogram(histogram))
}

/// An exponential histogram named by its temporality, with one point.
pub(crate) fn exponential(temporality: i32, after: i64, count: u64) -> Metric {
    let positive = Buckets {
        offset: 3,
        bucket_counts: vec![count, 1],
    };
    let point = ExponentialHistogramDataPoint {
        time_unix_nano: UnixNanos::from_millis(NOW_MS + after).0,
        count: count + 1,
        sum: Some(count as f64 * 1.5),
        positive: Some(positive),
        ..Default::default()
    };
    let data = ExponentialHistogram {
        data_points: vec![point],
        aggregation_temporality: temporality,
    };
    named(
        if temporality == DELTA {
            "delta"
        } else {
            "whole"
        },
        metric::Data::ExponentialHistogram(data),
    )
}

/// A histogram's point with bounds 1 and 2.
pub(crate) fn buckets(after: i64, counts: [u64; 3], sum: f64) -> HistogramDataPoint {
    HistogramDataPoint {
        time_unix_nano: UnixNanos::from_millis(NOW_MS + after).0,
        explicit_bounds: vec![1.0, 2.0],
        bucket_counts: counts.to_vec(),
        count: counts.iter().sum(),
        sum: Some(sum),
        ..Default::default()
    }
}

pub(crate) fn request(
    resource: &[(&str, &str)],
    metrics: Vec<Metric>,
) -> ExportMetricsServiceRequest {
    let scope = ScopeMetrics {
        metrics,
        ..Default::default()
    };
    let resource = ResourceMetrics {
        resource: Some(Resource {
            attributes: attributes(resource),
            ..Default::default()
        }),
        scope_metrics: vec![scope],
        ..Default::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![resource],
    }
}

pub(crate) fn entry(tenant: &Tenant, request: &ExportMetricsServiceRequest) -> Entry {
    Entry::otlp(
        tenant.clone(),
        Signal::Metrics,
        NOW,
        request.encode_to_vec().into(),
    )
}

pub(crate) fn open(dir: &Path, config: &Config) -> MetricStore {
    MetricStore::open(dir, config, &mut Registry::default(), NOW).unwrap()
}

/// A store in a directory of its own, which takes one request after the other.
pub(crate) struct Bed {
    pub(crate) store: MetricStore,
    pub(crate) dir: tempfile::TempDir,
    config: Config,
}

impl Bed {
    pub(crate) fn new(config: &Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self {
            store: open(dir.path(), config),
            dir,
            config: config.clone(),
        }
    }

    pub(crate) fn send(&self, resource: &[(&str, &str)], metrics: Vec<Metric>) {
        self.send_as(&Tenant::default(), resource, metrics);
    }

    pub(crate) fn send_as(&self, tenant: &Tenant, resource: &[(&str, &str)], metrics: Vec<Metric>) {
        let entry = entry(tenant, &request(resource, metrics));
        self.store.apply(&[(self.store.applied_to(), entry)]);
    }

    /// Ends without sealing and opens again; the replay is up to the test.
    pub(crate) fn reopen(&mut self) {
        self.store.stop();
        self.store = open(self.dir.path(), &self.config);
    }

    /// Opens what a crash at this instant leaves on disk, in a directory of its own; also what
    /// the threads in the background have half written.
    pub(crate) fn crash(&mut self) {
        let image = tempfile::tempdir().unwrap();
        copy(self.dir.path(), image.path());
        self.store = open(image.path(), &self.config);
        self.dir = image;
    }

    /// The files of all segments, the oldest first.
    pub(crate) fn segment_files(&self) -> Vec<std::path::PathBuf> {
        let list = |dir: &Path| -> Vec<std::path::PathBuf> {
            let entries = std::fs::read_dir(dir).unwrap();
            entries.map(|entry| entry.unwrap().path()).collect()
        };
        let tenants = list(&self.dir.path().join("segments"));
        let mut files: Vec<_> = tenants.iter().flat_map(|dir| list(dir)).collect();
        files.sort();
        files
    }

    /// Every series of the default tenant with its samples, times after [`NOW`].
    pub(crate) fn all(&self) -> Vec<(String, Vec<(i64, f64)>)> {
        self.matching("{__name__!=\"\"}")
    }

    /// The series that a selector finds, as text, with their samples, by label.
    pub(crate) fn matching(&self, selector: &str) -> Vec<(String, Vec<(i64, f64)>)> {
        let matchers = crate::parse_selector(selector).unwrap();
        let all = crate::store::samples_of(&self.store, &Tenant::default(), &matchers);
        all.into_iter()
            .map(|(labels, samples)| {
                let samples = samples.iter().map(|(t, v)| (t - NOW_MS, v)).collect();
                (labels.to_string(), samples)
            })
            .collect()
    }

    /// The histograms of the one series that a selector finds, by time after [`NOW`].
    pub(crate) fn histograms(&self, selector: &str) -> Vec<(i64, Arc<sonde_proto::Histogram>)> {
        let matchers = crate::parse_selector(selector).unwrap();
        let all = crate::store::samples_of(&self.store, &Tenant::default(), &matchers);
        assert_eq!(all.len(), 1, "{selector} finds {all:?}");
        let samples = all.into_values().flat_map(|samples| samples.histograms);
        samples.map(|s| (s.time - NOW_MS, s.value)).collect()
    }

    /// The samples of the one series that a selector finds.
    pub(crate) fn samples(&self, selector: &str) -> Vec<(i64, f64)> {
        let mut all = self.matching(selector);
        assert_eq!(all.len(), 1, "{selector} finds {all:?}");
        all.remove(0).1
    }
}

/// What is to happen at each instant at which a disk may fail or a process end.
type Step = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// By the directory of the store that it is for.
static STEPS: Mutex<Vec<(PathBuf, Step)>> = Mutex::new(Vec::new());

/// Calls `then` at each such instant of the store in `dir`.
pub(crate) fn at_each_step(dir: &Path, then: impl Fn() -> io::Result<()> + Send + Sync + 'static) {
    STEPS.lock().push((dir.to_owned(), Arc::new(then)));
}

/// Called at each such instant with a path of the store.
pub(crate) fn step(path: &Path) -> io::Result<()> {
    let steps = STEPS.lock();
    let found = steps.iter().find(|(dir, _)| path.starts_with(dir));
    let then = found.map(|(_, then)| Arc::clone(then));
    drop(steps);
    then.map_or(Ok(()), |then| then())
}

/// Copies a directory that somebody is writing to: what goes meanwhile is left out.
pub(crate) fn copy(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir_all(&to).unwrap();
            copy(&entry.path(), &to);
        } else if let Ok(bytes) = std::fs::read(entry.path()) {
            std::fs::write(to, bytes).unwrap();
        }
    }
}

/// A position by its number.
pub(crate) fn at(position: u64) -> Position {
    Position(position)
}

//! Requests before a store with room for few series.

use super::*;
use crate::admit::{Admission, PointTimes, Taken};
use crate::config::OtlpLimits;
use crate::telemetry::{RefusedLabels, Telemetry};
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_journal::{FileConfig, FileJournal, Journal as _};
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::remote_write::{Series, Version, body};
use sonde_proto::walk::remote_write::LabelBounds;
use sonde_proto::{ManualClock, Partition, Signal, UnixNanos};

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);

/// Admission before a journal, and a store that takes from it when it is told to.
struct Bed {
    admission: Arc<Admission>,
    journal: Arc<FileJournal>,
    store: Arc<MetricStore>,
    telemetry: Arc<Telemetry>,
    applied: watch::Sender<Position>,
    _dir: tempfile::TempDir,
}

impl Bed {
    fn new(config: &Config) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let file = FileConfig {
            reserve_bytes: 0,
            ..FileConfig::default()
        };
        let covered = std::collections::BTreeMap::new();
        let registry = &mut Registry::default();
        let journal = FileJournal::open_at(&path, &file, registry, &covered).unwrap();
        let journal = Arc::new(journal);
        let store = MetricStore::open(&dir.path().join("metrics"), config, registry, NOW);
        let store = Arc::new(store.unwrap());
        let (applied, follow) = watch::channel(Position::START);
        let telemetry = Arc::new(Telemetry::default());
        let admission = Admission::new(
            Arc::clone(&journal) as _,
            Arc::new(ManualClock::new(NOW)),
            Arc::clone(&telemetry),
            &OtlpLimits::default(),
            PointTimes {
                late_max_seconds: 60,
                future_max_seconds: 60,
            },
            Some(SeriesGate::new(Arc::clone(&store), follow)),
            std::collections::HashSet::new(),
        );
        Self {
            admission: Arc::new(admission),
            journal,
            store,
            telemetry,
            applied,
            _dir: dir,
        }
    }

    fn with_series_max(series_max: usize) -> Self {
        Self::new(&Config {
            series_max,
            ..Config::default()
        })
    }

    fn journaled(&self) -> Position {
        self.journal.durable_end(Partition::first(Signal::Metrics))
    }

    /// What a pump does.
    fn apply(&self) {
        let from = self.store.applied_to();
        let mut reader = self
            .journal
            .read(Partition::first(Signal::Metrics), from)
            .unwrap();
        while self.store.applied_to() < self.journaled() {
            let batch = reader.next_batch(1 << 20, Duration::from_secs(1)).unwrap();
            self.store.apply(&batch);
        }
        self.applied.send_replace(self.store.applied_to());
    }

    async fn send(&self, numbers: impl Iterator<Item = u32>) -> Taken {
        let points = numbers.map(|n| NumberDataPoint {
            attributes: vec![kv("n", n.to_string())],
            time_unix_nano: NOW.0,
            value: Some(number_data_point::Value::AsDouble(1.0)),
            ..Default::default()
        });
        self.send_points(points.collect()).await
    }

    async fn send_points(&self, data_points: Vec<NumberDataPoint>) -> Taken {
        let metric = Metric {
            name: "m".into(),
            data: Some(metric::Data::Gauge(Gauge { data_points })),
            ..Default::default()
        };
        let scope = ScopeMetrics {
            metrics: vec![metric],
            ..Default::default()
        };
        let resource = ResourceMetrics {
            scope_metrics: vec![scope],
            ..Default::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![resource],
        };
        let payload = request.encode_to_vec().into();
        let taken = self
            .admission
            .admit(Tenant::default(), Signal::Metrics, payload);
        taken.await.unwrap()
    }

    fn counted(&self, reason: &'static str) -> u64 {
        let labels = RefusedLabels {
            signal: "metrics",
            reason,
        };
        self.telemetry.refused_records.get_or_create(&labels).get()
    }
}

#[tokio::test]
async fn new_series_are_refused_to_their_sender_and_existing_ones_go_on() {
    let bed = Bed::with_series_max(3);
    assert_eq!(bed.send(0..3).await, Taken::default());
    bed.apply();
    let taken = bed.send(1..6).await;
    assert_eq!(taken.rejected, 3);
    assert!(
        taken.message.starts_with(
            "3 data points are of new series, and tenant default has the 3 that metrics.series_max"
        ),
        "{}",
        taken.message
    );
    assert_eq!(bed.counted("series_max"), 3);
    bed.apply();
    assert_eq!(bed.store.stats().series, 3);
    assert_eq!(bed.send(0..3).await, Taken::default());
}

#[tokio::test]
async fn what_is_refused_whole_is_not_journaled() {
    let bed = Bed::with_series_max(1);
    bed.send(0..1).await;
    bed.apply();
    let end = bed.journaled();
    assert_eq!(bed.send(1..4).await.rejected, 3);
    assert_eq!(bed.journaled(), end);
    assert_eq!(bed.store.offenders(&Tenant::default(), 1)[0].series, 3);
}

#[tokio::test]
async fn a_request_near_a_limit_waits_for_those_before_it() {
    let bed = Bed::with_series_max(3);
    bed.send(0..3).await;
    let (taken, ()) = tokio::join!(bed.send(2..5), async {
        tokio::task::yield_now().await;
        bed.apply();
    });
    assert_eq!(taken.rejected, 2, "{}", taken.message);
    bed.apply();
    assert_eq!(bed.store.stats().series, 3);
}

#[tokio::test]
async fn labels_that_are_too_many_or_too_long_are_told() {
    let bed = Bed::new(&Config {
        labels_max: 20,
        label_value_bytes_max: 100,
        ..Config::default()
    });
    let point = |attributes| NumberDataPoint {
        attributes,
        time_unix_nano: NOW.0,
        value: Some(number_data_point::Value::AsDouble(1.0)),
        ..Default::default()
    };
    let many = (0..30).map(|n| kv(&format!("a{n}"), "1"));
    let points = vec![
        point(vec![kv("a", "1")]),
        point(many.collect()),
        point(vec![kv("a", "x".repeat(101))]),
    ];
    let taken = bed.send_points(points).await;
    assert_eq!(taken.rejected, 2);
    assert!(
        taken
            .message
            .contains("1 data points are of series with more labels than")
    );
    assert!(
        taken
            .message
            .contains("; 1 data points are of series with a label longer than")
    );
    assert_eq!(
        (bed.counted("labels_max"), bed.counted("label_bytes_max")),
        (1, 1)
    );
}

#[tokio::test]
async fn a_prometheus_is_told_of_its_series_and_not_of_those_that_exist() {
    for version in Version::ALL {
        let bed = Bed::with_series_max(2);
        let write = async |numbers: std::ops::Range<u32>| {
            let series = numbers.map(|n| Series {
                labels: vec![("__name__".into(), "m".into()), ("n".into(), n.to_string())],
                samples: vec![(NOW.as_millis(), 1.0), (NOW.as_millis() + 1, 1.0)],
                ..Default::default()
            });
            let body = body(version, &series.collect::<Vec<_>>()).unwrap();
            let labels = LabelBounds {
                labels_max: 64,
                name_bytes_max: 100,
                value_bytes_max: 100,
            };
            let turn = bed.admission.turn().await.unwrap();
            let (tenant, body) = (Tenant::default(), body.into());
            let admitted = bed
                .admission
                .admit_written(tenant, version, body, labels, turn);
            admitted.await.unwrap()
        };
        assert_eq!(write(0..2).await.message, "");
        bed.apply();
        let written = write(1..4).await;
        assert_eq!(written.samples, 2);
        assert!(
            written
                .message
                .starts_with("4 samples are of new series, and tenant default has the 2"),
            "{}",
            written.message
        );
        assert_eq!(write(0..2).await.message, "");
        assert_eq!(bed.counted("series_max"), 4);
    }
}

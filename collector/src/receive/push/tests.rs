//! The door with a real journal behind it.

use super::*;
use crate::config::OtlpLimits;
use crate::receive::testing::Behind;
use axum::http::Request;
use prost::Message as _;
use sonde_journal::Journal as _;
use sonde_proto::otlp::metrics::{metric, number_data_point};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::{ManualClock, Partition, otlp};
use std::collections::BTreeMap;
use std::path::Path as FilePath;
use tower::ServiceExt as _;

const NOW: UnixNanos = UnixNanos::from_secs(1_700_000_000);

struct Bed {
    push: Push,
    clock: Arc<ManualClock>,
    behind: Behind,
}

impl Bed {
    fn new(dir: &FilePath, config: &PushConfig) -> Self {
        let clock = Arc::new(ManualClock::new(NOW));
        let behind = Behind::new(&OtlpLimits::default(), Arc::clone(&clock) as _);
        let admission = Arc::clone(&behind.admission);
        let push = Push::open(dir.into(), config, admission, Arc::clone(&clock) as _);
        Self {
            push: push.unwrap(),
            clock,
            behind,
        }
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> (u16, String) {
        self.ask_as(
            method,
            path,
            "application/x-www-form-urlencoded",
            body.as_bytes(),
        )
        .await
    }

    async fn ask_as(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> (u16, String) {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind)
            .body(Body::from(body.to_vec()))
            .unwrap();
        let response = self.push.router().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20)
            .await
            .unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// What is in the journal: the newest value of each series, `None` where it has ended.
    fn newest(&self) -> BTreeMap<String, Option<f64>> {
        let partition = Partition::first(Signal::Metrics);
        let first = self.behind.journal.first(partition);
        let mut reader = self.behind.journal.read(partition, first).unwrap();
        let entries = reader.next_batch(usize::MAX, Duration::ZERO).unwrap();
        let mut newest = BTreeMap::new();
        let mut times: BTreeMap<String, u64> = BTreeMap::new();
        for (_, entry) in entries {
            let request = ExportMetricsServiceRequest::decode(entry.payload).unwrap();
            for metric in &request.resource_metrics[0].scope_metrics[0].metrics {
                let Some(metric::Data::Gauge(gauge)) = &metric.data else {
                    panic!("{metric:?}")
                };
                for point in &gauge.data_points {
                    let labels = point
                        .attributes
                        .iter()
                        .map(|kv| format!("{}={}", kv.key, otlp::text(kv.value.as_ref().unwrap())));
                    let name = format!(
                        "{}{{{}}}",
                        metric.name,
                        labels.collect::<Vec<_>>().join(",")
                    );
                    let value = match point.value {
                        Some(number_data_point::Value::AsDouble(value)) => Some(value),
                        _ => None,
                    };
                    let before = times.insert(name.clone(), point.time_unix_nano);
                    assert!(
                        before < Some(point.time_unix_nano),
                        "{name} has two samples at one time"
                    );
                    newest.insert(name, value);
                }
            }
        }
        newest
    }
}

fn some(value: f64) -> Option<Option<f64>> {
    Some(Some(value))
}

#[tokio::test]
async fn a_group_is_put_added_to_and_ended() {
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path(), &PushConfig::default());
    let path = "/metrics/job/j/k/v";
    let body = "# TYPE a counter\na{x=\"1\"} 1\na{x=\"2\",job=\"mine\"} 2\nb 3\n";
    assert_eq!(bed.ask("PUT", path, body).await.0, 200);
    let newest = bed.newest();
    assert_eq!(newest.get("a{job=j,k=v,x=1}").copied(), some(1.0));
    assert_eq!(newest.get("a{job=j,k=v,x=2}").copied(), some(2.0));
    assert_eq!(
        newest["push_time_seconds{job=j,k=v}"],
        Some(1_700_000_000.0)
    );
    assert_eq!(newest["push_failure_time_seconds{job=j,k=v}"], Some(0.0));

    // Without waiting: no two samples of a series have one time.
    assert_eq!(
        bed.ask("POST", path, "# TYPE a counter\na{x=\"1\"} 5\n")
            .await
            .0,
        200
    );
    let newest = bed.newest();
    assert_eq!(newest["a{job=j,k=v,x=1}"], Some(5.0));
    assert_eq!(newest["a{job=j,k=v,x=2}"], None);
    assert_eq!(newest["b{job=j,k=v}"], Some(3.0));

    bed.clock.advance(Duration::from_secs(60));
    bed.push.write_all().await;
    assert_eq!(bed.newest()["b{job=j,k=v}"], Some(3.0));
    assert_eq!(bed.ask("DELETE", path, "").await.0, 202);
    assert!(
        bed.newest().values().all(Option::is_none),
        "{:?}",
        bed.newest()
    );
    assert_eq!(bed.ask("DELETE", path, "").await.0, 202);
    let files = std::fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(files, 0);
}

#[tokio::test]
async fn groups_are_there_after_a_restart_and_a_damaged_one_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path(), &PushConfig::default());
    for (path, body) in [
        ("/metrics/job/a", "x NaN\n"),
        ("/metrics/job/b", "x 1e308\n"),
    ] {
        assert_eq!(bed.ask("PUT", path, body).await.0, 200);
    }
    std::fs::write(dir.path().join("damaged.group"), "{").unwrap();
    let again = Bed::new(dir.path(), &PushConfig::default());
    again.push.write_all().await;
    let newest = again.newest();
    assert!(newest["x{job=a}"].unwrap().is_nan());
    assert_eq!(newest["x{job=b}"], Some(1e308));
    assert_eq!(newest["push_time_seconds{job=b}"], Some(1_700_000_000.0));
}

#[tokio::test]
async fn what_cannot_be_pushed_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path(), &PushConfig::default());
    let check = async |path: &str, body: &str, told: &str| {
        let (status, text) = bed.ask("POST", path, body).await;
        assert_eq!(status, 400, "{path} {body}: {text}");
        assert!(text.contains(told), "{text}");
    };
    check(
        "/metrics/job/j",
        "a 1 1700000000000\n",
        "must not have timestamps",
    )
    .await;
    check("/metrics/job/j", "a} 1\n", "line 1").await;
    check("/metrics/job/j", "a 1\na 2\n", "was there before").await;
    check(
        "/metrics/job/j",
        "a{job=\"x\"} 1\na{job=\"y\"} 2\n",
        "was there before",
    )
    .await;
    check("/metrics/work/j", "a 1\n", "/metrics/job/").await;
    check("/metrics/job/j/k", "a 1\n", "without a value").await;
    check("/metrics/job/j/__k/v", "a 1\n", "no name").await;
    assert!(bed.newest().is_empty());
    check("/metrics/job/j", "push_time_seconds 1\n", "is written here").await;
    assert_eq!(
        bed.newest()["push_failure_time_seconds{job=j}"],
        Some(1_700_000_000.0)
    );
    assert_eq!(
        bed.ask("PUT", "/metrics/job/j", "# TYPE a gauge\na 1\n")
            .await
            .0,
        200
    );
    check(
        "/metrics/job/other",
        "# TYPE a counter\na 1\n",
        "is a counter here and a gauge",
    )
    .await;
}

#[tokio::test]
async fn groups_and_their_bytes_are_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let config = PushConfig {
        groups_max: 1,
        bytes_max: 2000,
        ..PushConfig::default()
    };
    let bed = Bed::new(dir.path(), &config);
    assert_eq!(bed.ask("PUT", "/metrics/job/a", "x 1\n").await.0, 200);
    let (status, text) = bed.ask("PUT", "/metrics/job/b", "x 1\n").await;
    assert_eq!(
        (status, text.contains("push.groups_max")),
        (429, true),
        "{text}"
    );
    let body: String = (0..100).map(|n| format!("x{n} 1\n")).collect();
    let (status, text) = bed.ask("PUT", "/metrics/job/a", &body).await;
    assert_eq!(
        (status, text.contains("push.bytes_max")),
        (429, true),
        "{text}"
    );
    assert_eq!(bed.ask("DELETE", "/metrics/job/a", "").await.0, 202);
    assert_eq!(bed.ask("PUT", "/metrics/job/b", "x 1\n").await.0, 200);
}

#[tokio::test]
async fn protobuf_is_taken() {
    use sonde_exposition::{Kind, Label, SampleValue, Writer, negotiate};
    let asked = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
    let answer = negotiate(Some(asked));
    let mut body = Vec::new();
    let mut writer = Writer::new(answer, &mut body);
    let family = sonde_exposition::Family {
        name: "a_total".into(),
        kind: Kind::Counter,
        ..sonde_exposition::Family::default()
    };
    writer.family(&family).unwrap();
    let labels = [Label {
        name: "x".into(),
        value: "1".into(),
    }];
    let sample = sonde_exposition::Sample {
        name: "a_total",
        labels: &labels,
        time: None,
        start: None,
        value: SampleValue::Float(5.0),
        exemplars: &[],
    };
    writer.sample(&sample).unwrap();
    writer.end().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let bed = Bed::new(dir.path(), &PushConfig::default());
    let kind = answer.content_type();
    assert_eq!(
        bed.ask_as("POST", "/metrics/job/j", &kind, &body).await,
        (200, String::new())
    );
    assert_eq!(bed.newest()["a_total{job=j,x=1}"], Some(5.0));
}

//! A collector that is killed while it takes, seals, merges and deletes metrics: what it
//! acknowledged is there once, nothing else is, and what it said is deleted stays so.

use crate::harness::{Sonde, client, list};
use prost::Message as _;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_json::Value;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::watch;

const LIVES: u64 = 6;
const SENDERS: u64 = 3;
/// How many samples a request has.
const BATCH: u64 = 20;
/// How many samples a sender has at most, a millisecond apart.
const SAMPLES_MAX: u64 = 100_000;

/// What one sender knows of its samples, by their numbers.
#[derive(Default)]
struct Sender {
    next: u64,
    acknowledged: BTreeSet<u64>,
    /// First and last number of what was acknowledged to be deleted.
    deleted: Vec<(u64, u64)>,
    /// What was asked to be deleted when the collector was killed.
    perhaps: Vec<(u64, u64)>,
}

impl Sender {
    fn is_deleted(&self, number: u64) -> bool {
        within(&self.deleted, number)
    }
}

fn within(ranges: &[(u64, u64)], number: u64) -> bool {
    ranges
        .iter()
        .any(|(from, to)| (*from..=*to).contains(&number))
}

/// Where a life's senders send, and how far they have come.
#[derive(Clone)]
struct Life {
    otlp: String,
    api: String,
    base: u64,
    answered: Arc<AtomicU64>,
    told: watch::Sender<u64>,
}

impl Life {
    fn answered(&self) {
        let count = self.answered.fetch_add(1, Ordering::Relaxed) + 1;
        self.told.send_replace(count);
    }

    /// Sends and deletes until the collector is gone.
    async fn of(self, which: u64, mut own: Sender, seed: u64) -> Sender {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let client = client();
        while own.next < SAMPLES_MAX {
            let numbers = own.next..own.next + BATCH;
            own.next += BATCH;
            let sent = client
                .post(&self.otlp)
                .header("Content-Type", "application/x-protobuf")
                .body(request(which, self.base, numbers.clone()))
                .send()
                .await;
            match sent {
                Ok(answer) if answer.status().is_success() => own.acknowledged.extend(numbers),
                Ok(answer) => panic!("{}", answer.text().await.unwrap()),
                Err(_) => return own,
            }
            self.answered();
            if random.random_bool(0.1) {
                let last = own.next - 1;
                let from = random.random_range(0..=last);
                let range = (from, last.min(from + random.random_range(0..2 * BATCH)));
                own.perhaps.push(range);
                if !self.delete(&client, which, range).await {
                    return own;
                }
                own.perhaps.pop();
                own.deleted.push(range);
                self.answered();
            }
        }
        own
    }

    async fn delete(&self, client: &reqwest::Client, which: u64, (from, to): (u64, u64)) -> bool {
        let seconds = |number: u64| {
            let millis = self.base + number;
            format!("{}.{:03}", millis / 1000, millis % 1000)
        };
        let selector = format!("killed{{sender=\"{which}\"}}");
        let (start, end) = (seconds(from), seconds(to));
        let form = [("match[]", &selector), ("start", &start), ("end", &end)];
        match client.post(&self.api).query(&form).send().await {
            Ok(answer) if answer.status().as_u16() == 204 => true,
            Ok(answer) => panic!("{}", answer.text().await.unwrap()),
            Err(_) => false,
        }
    }
}

fn request(which: u64, base: u64, numbers: std::ops::Range<u64>) -> Vec<u8> {
    let points = numbers.map(|number| NumberDataPoint {
        attributes: vec![kv("sender", which.to_string())],
        time_unix_nano: (base + number) * 1_000_000,
        value: Some(number_data_point::Value::AsDouble(number as f64)),
        ..Default::default()
    });
    let metric = Metric {
        name: "killed".into(),
        data: Some(metric::Data::Gauge(Gauge {
            data_points: points.collect(),
        })),
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
    request.encode_to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_sample_is_found_once_however_often_the_collector_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let config = [
        ("metrics.head_bytes_max", "65536"),
        ("metrics.seal_interval_seconds", "1"),
        ("metrics.merge_fan_in", "2"),
        ("metrics.admin_api", "true"),
        ("rules.use_rules", "false"),
        ("rules.default_alerts", "false"),
    ];
    let start = || Sonde::start("collector", dir.path(), &config, &["http", "otlp.http"]);
    // Whole seconds, so that times can be asked for as they are written.
    let base = jiff::Timestamp::now().as_second().unsigned_abs() * 1000 - 200_000;
    let mut random = ChaCha8Rng::seed_from_u64(0x51);
    let mut senders: Vec<Sender> = (0..SENDERS).map(|_| Sender::default()).collect();
    for number in 0..LIVES {
        let sonde = start().await;
        check(&sonde, &mut senders, base).await;
        let (told, mut heard) = watch::channel(0);
        let life = Life {
            otlp: format!("http://{}/v1/metrics", sonde.address("otlp.http")),
            api: sonde.url("/api/v1/admin/tsdb/delete_series"),
            base,
            answered: Arc::default(),
            told,
        };
        let tasks: Vec<_> = (0..)
            .zip(senders.drain(..))
            .map(|(which, sender)| {
                let seed = number << 8 | which;
                tokio::spawn(life.clone().of(which, sender, seed))
            })
            .collect();
        let answers = random.random_range(30..200);
        heard.wait_for(|count| *count >= answers).await.unwrap();
        sonde.kill().await;
        for task in tasks {
            senders.push(task.await.unwrap());
        }
    }
    let sonde = start().await;
    check(&sonde, &mut senders, base).await;
    let acknowledged: usize = senders.iter().map(|s| s.acknowledged.len()).sum();
    assert!(
        acknowledged as u64 > LIVES * 30 * BATCH / 2,
        "{acknowledged}"
    );
    assert!(senders.iter().any(|sender| !sender.deleted.is_empty()));
    // A snapshot is a data directory: another collector finds the same in it.
    let order = sonde.url("/api/v1/admin/tsdb/snapshot");
    let answer = client().post(order).send().await.unwrap();
    let answer: Value = answer.json().await.unwrap();
    let name = answer["data"]["name"].as_str().unwrap();
    assert!(sonde.stop().await.success());
    let snapshot = dir.path().join("data/collector/snapshots").join(name);
    let of_snapshot = [("data_dir", snapshot.to_str().unwrap())];
    let copy = Sonde::start("collector", dir.path(), &of_snapshot, &["http"]).await;
    check(&copy, &mut senders, base).await;
    assert!(copy.stop().await.success());
}

/// Everything that was acknowledged is there, once and as it was sent, but for what was deleted.
async fn check(sonde: &Sonde, senders: &mut [Sender], base: u64) {
    let is_done = |answer: &Value| answer["data"]["state"] == "done";
    sonde.until("/api/v1/status/walreplay", &[], is_done).await;
    let at = (base / 1000 + SAMPLES_MAX / 1000).to_string();
    let parameters = [("query", "killed[200s]"), ("time", &at)];
    let answer = sonde.get("/api/v1/query", &parameters).await;
    for (which, sender) in senders.iter_mut().enumerate() {
        let name = which.to_string();
        let series = list(&answer["data"], "result");
        let series = series.iter().find(|one| one["metric"]["sender"] == *name);
        let mut found = BTreeSet::new();
        for sample in series.map_or(&[][..], |one| list(one, "values")) {
            let number: u64 = sample[1].as_str().unwrap().parse().unwrap();
            let millis = (sample[0].as_f64().unwrap() * 1000.0).round() as u64;
            assert_eq!(millis, base + number, "another time than was sent");
            assert!(found.insert(number), "{number} is there twice");
            assert!(number < sender.next, "{number} was not sent");
            assert!(!sender.is_deleted(number), "{number} came back");
        }
        // What was asked for when the collector was killed is done or not, but not by half.
        for range in std::mem::take(&mut sender.perhaps) {
            let of_range = |number: &&u64| within(&[range], **number);
            let mut was = sender.acknowledged.iter().filter(of_range);
            if was.any(|number| !sender.is_deleted(*number) && !found.contains(number)) {
                let left = found.iter().find(of_range);
                assert_eq!(left, None, "{range:?} is deleted by half");
                sender.deleted.push(range);
            }
        }
        let lost = sender
            .acknowledged
            .iter()
            .find(|number| !found.contains(number) && !sender.is_deleted(**number));
        assert_eq!(lost, None, "sender {which} lost it\n{}", sonde.log());
        // Whether something came that nobody was told of is known now.
        sender.acknowledged = found;
    }
}

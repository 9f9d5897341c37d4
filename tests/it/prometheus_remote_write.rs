//! A real Prometheus writes what it scrapes into Sonde, which is killed on the way; then both
//! are asked the same.

use crate::harness::{PATIENCE, Sonde, client, free_address, get, list};
use crate::tools::tool;
use serde_json::Value;
use sonde_proto::Histogram;
use sonde_proto::remote_write::{Series, Version, body};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const QUIET: [(&str, &str); 2] = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];

#[tokio::test(flavor = "multi_thread")]
async fn what_prometheus_writes_is_answered_alike_and_survives_a_kill() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let listens = free_address().to_string();
    let config = [&QUIET[..], &[("http.listen", listens.as_str())]].concat();
    let sonde = Sonde::up(dir.path(), &config).await;
    let prometheus = Prometheus::start(&program, dir.path(), &sonde.url("/api/v1/write")).await;

    let scrapes = "count_over_time(up[1h])";
    prometheus.until(scrapes, |count| count >= 3.0).await;
    until(&sonde.url(""), scrapes, |count| count >= 3.0).await;
    sonde.kill().await;
    let missed = prometheus.value(scrapes).await + 3.0;
    prometheus.until(scrapes, |count| count >= missed).await;
    let sonde = Sonde::up(dir.path(), &config).await;

    // Samples are sent in order, so what is older than a scrape that has arrived has arrived.
    // Of one that came in time: where it does not, all other series end.
    let scraped = "timestamp(up) and up == 1";
    let time = prometheus.until(scraped, |_| true).await;
    until(&sonde.url(""), "timestamp(up)", |at| at > time).await;
    let time = format!("{time:.3}");
    for query in [
        // Every sample of every series there is.
        r#"{job="prometheus"}[1h]"#,
        "count by (__name__) ({job=\"prometheus\"})",
        // No `rate` over all: 2.42 and 3 guess differently where a counter began.
        "sum by (handler) (irate(prometheus_http_requests_total[1h]))",
        "changes(prometheus_tsdb_head_samples_appended_total[1h])",
        "histogram_quantile(0.9, sum by (le) (prometheus_http_response_size_bytes_bucket))",
        "go_gc_duration_seconds",
        "topk(3, scrape_samples_scraped) / on (instance) scrape_series_added",
        "max_over_time(process_resident_memory_bytes[1h]) - process_resident_memory_bytes",
    ] {
        let (theirs, ours) = (
            answer(&prometheus.url(), query, &time).await,
            answer(&sonde.url(""), query, &time).await,
        );
        assert!(
            !theirs.is_empty() || query.starts_with("histogram"),
            "{query} finds nothing"
        );
        alike(query, &theirs, &ours);
    }
    // Nothing was given up on the way there.
    for lost in ["failed", "dropped"] {
        let query = format!("sum(prometheus_remote_storage_samples_{lost}_total)");
        assert!(prometheus.value(&query).await < 0.5, "{lost}");
    }
    let meaning = |metadata: &Value| metadata["data"]["prometheus_http_requests_total"].clone();
    let ours = sonde
        .until("/api/v1/metadata", &[], |found| !meaning(found).is_null())
        .await;
    let theirs = get(&format!("{}/api/v1/metadata", prometheus.url()), &[]).await;
    assert_eq!(meaning(&ours), meaning(&theirs.unwrap()));
    drop(prometheus);
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn version_2_is_taken_on_both_ports_and_told_what_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(dir.path(), &QUIET).await;
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_millis() as i64;
    for (port, after) in [("http", 0), ("otlp.http", 1)] {
        let mut series = Series {
            labels: vec![("__name__".into(), "written".into())],
            samples: vec![(now + after, 1.0), (0, 2.0)],
            ..Default::default()
        };
        let bad = Histogram {
            schema: 9,
            ..Histogram::default()
        };
        series.histograms = vec![(now, bad), (now + 2 + after, Histogram::default())];
        let response = client()
            .post(format!("http://{}/api/v1/write", sonde.address(port)))
            .header("content-encoding", "snappy")
            .header(
                "content-type",
                "application/x-protobuf;proto=io.prometheus.write.v2.Request",
            )
            .body(body(Version::V2, &[series]).unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 400);
        let written = |what: &str| {
            let name = format!("x-prometheus-remote-write-{what}-written");
            response.headers()[name.as_str()]
                .to_str()
                .unwrap()
                .to_owned()
        };
        let counts = ["samples", "histograms", "exemplars"].map(written);
        assert_eq!(counts, ["1", "1", "0"]);
        let text = response.text().await.unwrap();
        assert!(text.contains("1 samples are older"), "{text}");
        assert!(text.contains("1 native histograms contradict"), "{text}");
    }
    let all = |answer: &Value| answer["data"]["result"][0]["value"][1] == "4";
    sonde
        .until(
            "/prometheus/api/v1/query",
            &[("query", "count_over_time(written[1h])")],
            all,
        )
        .await;
    assert!(sonde.stop().await.success());
}

/// A Prometheus that scrapes itself every second, killed when dropped.
struct Prometheus {
    address: String,
    _child: Child,
}

impl Prometheus {
    async fn start(program: &Path, dir: &Path, write_to: &str) -> Self {
        let (config, data) = (dir.join("prometheus.yml"), dir.join("prometheus"));
        let write = |targets: &str| {
            // One queue, so that samples arrive in order.
            let text = format!(
                "global: {{scrape_interval: 1s}}
remote_write:
- url: {write_to}
  queue_config: {{min_shards: 1, max_shards: 1, batch_send_deadline: 500ms, max_backoff: 500ms}}
  metadata_config: {{send_interval: 1s}}
scrape_configs:
- job_name: prometheus
  static_configs: [{{targets: [{targets}]}}]
"
            );
            std::fs::write(&config, text).unwrap();
        };
        write("");
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", data.display()))
            .args(["--web.listen-address=127.0.0.1:0", "--web.enable-lifecycle"])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = async {
            // Either may be said first.
            let (mut address, mut is_ready) = (None, false);
            let mut log = String::new();
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("Listening on") {
                    let rest = line.split("address=").nth(1).unwrap();
                    address = rest.split_whitespace().next().map(str::to_owned);
                }
                is_ready |= line.contains("Server is ready");
                if let (Some(address), true) = (&address, is_ready) {
                    return address.clone();
                }
                log += &line;
                log.push('\n');
            }
            panic!("prometheus did not start:\n{log}");
        };
        let address = tokio::time::timeout(PATIENCE, ready).await.unwrap();
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        let own = Self {
            address,
            _child: child,
        };
        // Only now is it known where it can be scraped.
        write(&format!("\"{}\"", own.address));
        let reload = client().post(format!("{}/-/reload", own.url())).send();
        assert!(reload.await.unwrap().status().is_success());
        own
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    async fn value(&self, query: &str) -> f64 {
        value(&self.url(), query).await.expect("it has a value")
    }

    async fn until(&self, query: &str, satisfied: impl Fn(f64) -> bool) -> f64 {
        until(&self.url(), query, satisfied).await
    }
}

/// The value of the first series that a query finds now.
async fn value(url: &str, query: &str) -> Option<f64> {
    let found = get(&format!("{url}/api/v1/query"), &[("query", query)]).await;
    let found = found.unwrap();
    found["data"]["result"][0]["value"][1]
        .as_str()?
        .parse()
        .ok()
}

/// The same, once it satisfies.
async fn until(url: &str, query: &str, satisfied: impl Fn(f64) -> bool) -> f64 {
    let begun = Instant::now();
    loop {
        let found = value(url, query).await;
        if let Some(found) = found.filter(|found| satisfied(*found)) {
            return found;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{query} at {url} stays {found:?}"
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Series by their labels, with times and values.
type Answer = BTreeMap<String, Vec<(f64, f64)>>;

async fn answer(url: &str, query: &str, time: &str) -> Answer {
    let parameters = [("query", query), ("time", time)];
    let answer = get(&format!("{url}/api/v1/query"), &parameters).await;
    let answer = answer.unwrap();
    assert_eq!(answer["status"], "success", "{query}: {answer}");
    let sample = |pair: &Value| {
        let value = pair[1].as_str().unwrap().parse().unwrap();
        (pair[0].as_f64().unwrap(), value)
    };
    let series = list(&answer["data"], "result").iter().map(|one| {
        let samples = match one.get("values") {
            Some(_) => list(one, "values").iter().map(sample).collect(),
            None => vec![sample(&one["value"])],
        };
        (one["metric"].to_string(), samples)
    });
    series.collect()
}

/// The same series with the same times; values may differ in what adding up rounds.
#[track_caller]
fn alike(query: &str, theirs: &Answer, ours: &Answer) {
    let names = |answer: &Answer| answer.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(ours), names(theirs), "{query}");
    for (labels, theirs) in theirs {
        let ours = &ours[labels];
        let is_same = |(a, b): (&(f64, f64), &(f64, f64))| {
            let close = (a.1 - b.1).abs() <= 1e-9 * a.1.abs().max(b.1.abs());
            a.0 == b.0 && (close || a.1 == b.1 || a.1.is_nan() && b.1.is_nan())
        };
        let same = theirs.len() == ours.len() && theirs.iter().zip(ours).all(is_same);
        assert!(same, "{query} {labels}:\n{theirs:?}\n{ours:?}");
    }
}

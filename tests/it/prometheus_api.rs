//! Prometheus' own programs against a running Sonde: a Prometheus federates from it and reads
//! remotely from it, promtool asks it, and all find the same as what was sent.

use crate::harness::{PATIENCE, Sonde, client, list, sonde};
use crate::tools::tool;
use prost::Message as _;
use serde_json::Value;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::exponential_histogram_data_point::Buckets;
use sonde_proto::otlp::metrics::{
    ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::otlp::resource::Resource;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

const QUIET: [(&str, &str); 4] = [
    ("agent.tail.paths", "[]"),
    ("agent.node.enabled", "false"),
    ("rules.use_rules", "false"),
    ("rules.default_alerts", "false"),
];
const SECOND: u64 = 1_000_000_000;
/// A point that says that the series ended.
const ENDED: u32 = 1;
/// How many samples of each series there are, a second apart.
const SAMPLES: u64 = 20;

fn now() -> u64 {
    jiff::Timestamp::now().as_nanosecond() as u64
}

/// Four metrics of two instances and of a job without any; one series ended. Returns the time
/// of the newest sample.
pub(crate) async fn with_samples(server: &Sonde) -> u64 {
    let newest = now() / SECOND * SECOND;
    let point = |pairs: &[(&str, &str)], back: u64, value: f64, flags| NumberDataPoint {
        attributes: pairs
            .iter()
            .map(|(name, value)| kv(name, (*value).to_owned()))
            .collect(),
        time_unix_nano: newest - back * SECOND,
        value: Some(number_data_point::Value::AsDouble(value)),
        flags,
        ..Default::default()
    };
    let gauge = |name: &str, data_points| Metric {
        name: name.into(),
        data: Some(metric::Data::Gauge(Gauge { data_points })),
        ..Default::default()
    };
    let mut of_color = Vec::new();
    for (color, step) in [("red", 1.0), ("gr\"ee\\n", 2.5), ("blue ü", -1e7)] {
        for back in 0..SAMPLES {
            let value = (SAMPLES - back) as f64 * step;
            of_color.push(point(&[("color", color)], back, value, 0));
        }
    }
    let odd = [
        ("nan", f64::NAN),
        ("inf", f64::INFINITY),
        ("minus", f64::NEG_INFINITY),
        ("small", 1e-7),
        ("large", 1e21),
        ("zero", -0.0),
    ];
    let odd = odd
        .map(|(of, value)| point(&[("of", of)], 0, value, 0))
        .to_vec();
    let ended = vec![
        point(&[("is", "gone")], 3, 1.0, 0),
        point(&[("is", "gone")], 2, 0.0, ENDED),
        point(&[("is", "here")], 3, 1.0, 0),
    ];
    let metrics = vec![
        gauge("fed.z", of_color),
        gauge("fed.odd", odd),
        gauge("fed.ended", ended),
    ];
    let resource = |instance: Option<&str>| {
        let instance = instance.map(|of| kv("service.instance.id", of.to_owned()));
        let service = kv("service.name", "shop".to_owned());
        ResourceMetrics {
            resource: Some(Resource {
                attributes: [Some(service), instance].into_iter().flatten().collect(),
                ..Default::default()
            }),
            scope_metrics: vec![ScopeMetrics {
                metrics: metrics.clone(),
                ..Default::default()
            }],
            ..Default::default()
        }
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![resource(Some("a:1")), resource(Some("b:1")), resource(None)],
    };
    let url = format!("http://{}/v1/metrics", server.address("otlp.http"));
    let sent = client()
        .post(url)
        .header("Content-Type", "application/x-protobuf")
        .body(request.encode_to_vec())
        .send()
        .await
        .unwrap();
    assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    let all = |answer: &Value| answer["data"]["result"][0]["value"][1] == "30";
    let count = "count({__name__=~\"fed_.+\"})";
    server
        .until("/api/v1/query", &[("query", count)], all)
        .await;
    newest / SECOND
}

/// A Prometheus of our own for the length of a test.
pub(crate) struct Prometheus {
    _child: Child,
    pub(crate) url: String,
}

impl Prometheus {
    /// Starts one with a configuration, on a port of the kernel's choice.
    pub(crate) async fn start(program: &Path, dir: &Path, config: &str, flags: &[&str]) -> Self {
        tokio::fs::create_dir_all(dir).await.unwrap();
        let file = dir.join("config.yml");
        tokio::fs::write(&file, config).await.unwrap();
        let mut child = Command::new(program)
            .arg(format!("--config.file={}", file.display()))
            .arg(format!(
                "--storage.tsdb.path={}",
                dir.join("data").display()
            ))
            .arg("--web.listen-address=127.0.0.1:0")
            .args(flags)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let ready = async {
            // Either may be said first.
            let (mut address, mut is_ready, mut log) = (None, false, String::new());
            while let Some(line) = lines.next_line().await.unwrap() {
                if line.contains("Listening on") {
                    let after = line.split("address=").nth(1).unwrap();
                    let shown = after.trim_matches('"').split_whitespace().next();
                    address = shown.map(str::to_owned);
                }
                log.push_str(&line);
                log.push('\n');
                is_ready |= line.contains("Server is ready");
                if let (Some(address), true) = (&address, is_ready) {
                    return address.clone();
                }
            }
            panic!("prometheus did not start:\n{log}");
        };
        let address = tokio::time::timeout(PATIENCE, ready)
            .await
            .expect("it gets ready");
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self {
            _child: child,
            url: format!("http://{address}"),
        }
    }

    async fn query(&self, query: &str, time: u64) -> Value {
        let time = time.to_string();
        let url = format!("{}/api/v1/query", self.url);
        let answer = crate::harness::get(&url, &[("query", query), ("time", &time)]).await;
        answer.unwrap()
    }
}

async fn text(url: &str, accept: &str) -> (String, Vec<u8>) {
    let response = client()
        .get(url)
        .header("Accept", accept)
        .send()
        .await
        .unwrap();
    let kind = response.headers()["content-type"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(response.status().is_success(), "{url}");
    (kind, response.bytes().await.unwrap().to_vec())
}

/// The series of an answer, by their labels, without what federation adds.
fn series(answer: &Value) -> Vec<String> {
    let mut all: Vec<String> = list(&answer["data"], "result")
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(answer["status"], "success", "{answer}");
    all.sort();
    all
}

const PATH: &str = "/federate?match[]=%7B__name__%3D~%22fed_.%2B%22%7D";

/// A Prometheus that federates all of it, and what it then answers.
async fn federated(program: &Path, flags: &[&str]) {
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    let newest = with_samples(&server).await;
    let config = format!(
        "global: {{scrape_interval: 5s, scrape_timeout: 5s}}\nscrape_configs:\n- job_name: sonde\n  honor_labels: true\n  metrics_path: /federate\n  params: {{'match[]': ['{{__name__=~\"fed_.+\"}}']}}\n  static_configs: [{{targets: ['{}']}}]\n",
        server.address("http")
    );
    let prometheus =
        Prometheus::start(program, &dir.path().join("prometheus"), &config, flags).await;
    let begun = Instant::now();
    let count = "count({__name__=~\"fed_.+\"})";
    while prometheus.query(count, newest).await["data"]["result"][0]["value"][1] != "30" {
        if begun.elapsed() > PATIENCE {
            let up = prometheus.query("up", now() / SECOND).await;
            panic!("not federated: {up}\n{}", server.log());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    for query in [
        "{__name__=~\"fed_.+\"}",
        "fed_z * 2",
        "sum by (color) (fed_z)",
    ] {
        let time = newest.to_string();
        let own = server
            .get("/api/v1/query", &[("query", query), ("time", &time)])
            .await;
        let theirs = prometheus.query(query, newest).await;
        assert!(!series(&own).is_empty());
        assert_eq!(series(&own), series(&theirs), "{query}");
    }
    // And their own answer to whoever federates from them is ours, byte by byte.
    let (own_kind, own) = text(&server.url(PATH), "text/plain").await;
    let (their_kind, theirs) = text(&format!("{}{PATH}", prometheus.url), "text/plain").await;
    assert_eq!(own_kind, their_kind);
    let lines = |body: &[u8]| -> Vec<String> {
        String::from_utf8_lossy(body)
            .lines()
            .map(str::to_owned)
            .collect()
    };
    // Prometheus writes a zero below zero as zero.
    let own: Vec<String> = lines(&own)
        .iter()
        .map(|line| line.replace("} -0 ", "} 0 "))
        .collect();
    assert_eq!(own.len(), 33);
    assert_eq!(own, lines(&theirs));
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_federates_answers_the_same() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    federated(&program, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_federates_in_protobuf_answers_the_same() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    federated(&program, &["--enable-feature=native-histograms"]).await;
}

/// A Sonde with samples, and a Prometheus without any that reads from it.
async fn read_remotely(program: &Path, dir: &Path) -> (Sonde, u64, Prometheus) {
    let server = Sonde::up(dir, &QUIET).await;
    let newest = with_samples(&server).await;
    let config = format!(
        "remote_read:\n- url: {}\n  read_recent: true\n",
        server.url("/api/v1/read")
    );
    let prometheus = Prometheus::start(program, &dir.join("prometheus"), &config, &[]).await;
    (server, newest, prometheus)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_that_reads_remotely_answers_the_same() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (server, newest, prometheus) = read_remotely(&program, dir.path()).await;
    // No range begins at a sample: Prometheus 3 leaves that one out, and 2 does not.
    let queries = [
        "fed_z",
        "fed_z{color=~\"r.*|b.*\", instance!=\"a:1\"}",
        "fed_z{instance=\"\"}",
        "fed_odd",
        "fed_ended",
        "fed_ended offset 3s",
        "count_over_time(fed_z[14500ms])",
        "sum by (job) (rate(fed_z[9500ms]))",
        "{job=\"shop\", __name__!~\"fed_z|target_info\", of!=\"nan\"}",
        "none",
    ];
    for query in queries {
        let time = newest.to_string();
        let own = server
            .get("/api/v1/query", &[("query", query), ("time", &time)])
            .await;
        let theirs = prometheus.query(query, newest).await;
        assert_eq!(series(&own), series(&theirs), "{query}");
        assert_eq!(series(&own).is_empty(), query == "none", "{query}");
    }
    assert!(server.stop().await.success());
}

/// Two series of native histograms, sent as exponential ones. Returns the time of the newest.
pub(crate) async fn with_histograms(server: &Sonde) -> u64 {
    let newest = now() / SECOND * SECOND;
    let point = |path: &str, back: u64| {
        let age = SAMPLES - back;
        ExponentialHistogramDataPoint {
            attributes: vec![kv("path", path.to_owned())],
            time_unix_nano: newest - back * SECOND,
            count: 100 + age * 6,
            sum: Some(age as f64 * 2.5),
            zero_count: 100,
            zero_threshold: 0.25,
            positive: Some(Buckets {
                offset: -1,
                bucket_counts: vec![age, 0, age * 3],
            }),
            negative: Some(Buckets {
                offset: 0,
                bucket_counts: vec![age * 2],
            }),
            ..Default::default()
        }
    };
    let all = ["/", "/cart"]
        .iter()
        .flat_map(|path| (0..SAMPLES).rev().map(|back| point(path, back)));
    let metric = Metric {
        name: "latency".into(),
        data: Some(metric::Data::ExponentialHistogram(ExponentialHistogram {
            data_points: all.collect(),
            aggregation_temporality: 2,
        })),
        ..Default::default()
    };
    let scope = ScopeMetrics {
        metrics: vec![metric],
        ..Default::default()
    };
    let request = ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![scope],
            ..Default::default()
        }],
    };
    let sent = client()
        .post(format!("http://{}/v1/metrics", server.address("otlp.http")))
        .header("Content-Type", "application/x-protobuf")
        .body(request.encode_to_vec())
        .send()
        .await
        .unwrap();
    assert!(sent.status().is_success(), "{}", sent.text().await.unwrap());
    let all = |answer: &Value| answer["data"]["result"][0]["value"][1] == "2";
    server
        .until("/api/v1/query", &[("query", "count(latency)")], all)
        .await;
    newest / SECOND
}

/// What is kept of an exponential histogram is what a Prometheus finds that federates it. (This
/// one's remote read knows floats only.)
#[tokio::test(flavor = "multi_thread")]
async fn native_histograms_are_federated_alike() {
    let Some(program) = tool("PROMETHEUS") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = Sonde::up(dir.path(), &QUIET).await;
    let newest = with_histograms(&server).await;
    let time = newest.to_string();
    let ours = async |query: &str| {
        let asked = [("query", query), ("time", time.as_str())];
        series(&server.get("/api/v1/query", &asked).await)
    };
    let whole = ours("latency{path=\"/\"}").await;
    let wanted = r#"{"buckets":[[1,"-2","-1","40"],[3,"-0.25","0.25","100"],[0,"0.5","1","20"],[0,"2","4","60"]],"count":"220","sum":"50"}"#;
    assert!(whole[0].contains(wanted), "{whole:?}");
    let native = ["--enable-feature=native-histograms"];
    let config = format!(
        "global: {{scrape_interval: 5s, scrape_timeout: 5s}}\nscrape_configs:\n- job_name: sonde\n  honor_labels: true\n  metrics_path: /federate\n  params: {{'match[]': ['latency']}}\n  static_configs: [{{targets: ['{}']}}]\n",
        server.address("http")
    );
    let federates = dir.path().join("federates");
    let federates = Prometheus::start(&program, &federates, &config, &native).await;
    let begun = Instant::now();
    while series(&federates.query("latency", newest).await).len() < 2 {
        assert!(
            begun.elapsed() < PATIENCE,
            "not federated: {}",
            server.log()
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // Who has no job gets the scraper's.
    let theirs = federates.query("sum by (path) (latency)", newest).await;
    assert_eq!(ours("sum by (path) (latency)").await, series(&theirs));
    assert!(server.stop().await.success());
}

/// What promtool prints of a server.
async fn promtool(program: &Path, arguments: &[&str], url: &str) -> (bool, String) {
    // The server stands before the expression.
    let places = arguments
        .iter()
        .filter(|argument| **argument == "URL")
        .count();
    assert_eq!(places, 1);
    let mut command = Command::new(program);
    command.arg("query").kill_on_drop(true);
    command.args(
        arguments
            .iter()
            .map(|argument| if *argument == "URL" { url } else { argument }),
    );
    let output = tokio::time::timeout(PATIENCE, command.output()).await;
    let output = output.expect("it ends").unwrap();
    let mut shown = String::from_utf8(output.stdout).unwrap();
    shown.push_str(&String::from_utf8_lossy(&output.stderr));
    let mut lines: Vec<&str> = shown.lines().collect();
    // Of equal rank for promtool: it prints series as they come.
    lines.sort_unstable();
    (output.status.success(), lines.join("\n"))
}

#[tokio::test(flavor = "multi_thread")]
async fn promtool_finds_in_sonde_what_it_finds_in_prometheus() {
    let (Some(program), Some(promtool_program)) = (tool("PROMETHEUS"), tool("PROMTOOL")) else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let (server, newest, prometheus) = read_remotely(&program, dir.path()).await;
    let (start, end) = (
        format!("--start={}", newest - 10),
        format!("--end={newest}"),
    );
    let time = format!("--time={newest}");
    let own = server.url("/prometheus");
    let asked: [&[&str]; 9] = [
        &["instant", &time, "URL", "fed_z"],
        &["instant", &time, "URL", "sum by (job) (fed_z) * 1e30"],
        &["instant", &time, "-o", "json", "URL", "fed_odd"],
        &["instant", &time, "URL", "1 +"],
        &["instant", &time, "URL", "rate(fed_z)"],
        &[
            "range",
            &start,
            &end,
            "--step=2s",
            "URL",
            "fed_z{color=\"red\"}",
        ],
        &["range", &start, &end, "--step=1ms", "URL", "fed_z"],
        &[
            "series",
            &start,
            &end,
            "--match=fed_z",
            "--match=fed_ended{is=\"here\"}",
            "URL",
        ],
        &["series", &start, &end, "--match={", "URL"],
    ];
    let mut failed = 0;
    for arguments in asked {
        let (own_success, own) = promtool(&promtool_program, arguments, &own).await;
        let (success, theirs) = promtool(&promtool_program, arguments, &prometheus.url).await;
        // Selectors: Prometheus 3 frames what is wrong with them, 2 does not.
        let framed = theirs.replace(
            "bad_data: 1:2: parse",
            "bad_data: invalid parameter \"match[]\": 1:2: parse",
        );
        assert!(!own.is_empty(), "{arguments:?}");
        if arguments[0] == "series" {
            assert_eq!((own_success, own), (success, framed), "{arguments:?}");
        } else {
            assert_eq!((own_success, own), (success, theirs), "{arguments:?}");
        }
        failed += usize::from(!success);
    }
    assert_eq!(failed, 3);
    // Labels are looked up where they are kept.
    let (start, end) = (start.as_str(), end.as_str());
    let labels: [(&[&str], &str); 6] = [
        (&[start, end, "URL", "color"], "blue ü\ngr\"ee\\n\nred"),
        (&[start, end, "URL", "no_such"], ""),
        (&["--match=fed_ended", "URL", "is"], "gone\nhere"),
        (&["--match=fed_z{color=\"red\"}", "URL", "color"], "red"),
        (
            &["--match=fed_z", "--match=fed_odd", "URL", "__name__"],
            "fed_odd\nfed_z",
        ),
        (&["--end=1", "URL", "color"], ""),
    ];
    for (arguments, expected) in labels {
        let arguments = [&["labels"], arguments].concat();
        let (success, found) = promtool(&promtool_program, &arguments, &own).await;
        assert_eq!((success, found.as_str()), (true, expected), "{arguments:?}");
    }
    let wrong: [(&[&str], &str); 2] = [
        (&["labels", "--match={", "URL", "color"], "parse error"),
        (&["series", "--match={a=~\"(\"}", "URL"], "parse error"),
    ];
    for (arguments, part) in wrong {
        let (success, told) = promtool(&promtool_program, arguments, &own).await;
        assert!(!success && told.contains(part), "{arguments:?}: {told}");
    }
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_makes_series_many_is_told_in_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let mut few = QUIET.to_vec();
    few.push(("metrics.label_value_bytes_max", "5"));
    let server = Sonde::up(dir.path(), &few).await;
    let newest = (now() / SECOND * SECOND).to_string();
    let point = |color: &str| {
        serde_json::json!({
            "timeUnixNano": newest, "asDouble": 1.0,
            "attributes": [{"key": "color", "value": {"stringValue": color}}],
        })
    };
    let points: Vec<Value> = ["red", "green", "blue", "ultramarine"].map(point).to_vec();
    let body = serde_json::json!({"resourceMetrics": [{"scopeMetrics": [{"metrics": [
        {"name": "paint", "gauge": {"dataPoints": points}},
    ]}]}]});
    let url = format!("http://{}/v1/metrics", server.address("otlp.http"));
    let sent = client().post(url).json(&body).send().await.unwrap();
    assert!(sent.status().is_success());
    let there = |answer: &Value| answer["cardinality"]["series"] == 3;
    let status = server
        .until("/sonde/v1/status/metrics", &[("top", "1")], there)
        .await;
    let paint = serde_json::json!([{"name": "paint", "value": 3}]);
    assert_eq!(status["cardinality"]["series_by_metric"], paint);
    let tsdb = server.get("/api/v1/status/tsdb", &[("limit", "1")]).await;
    assert_eq!(tsdb["data"]["seriesCountByMetricName"], paint);
    assert_eq!(tsdb["data"]["headStats"]["numSeries"], 3);
    let url = server.url("");
    let output = sonde(&["status", "metrics", "--top", "2", "--url", &url]).await;
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{shown}");
    for part in [
        "3 of at most 1,000,000",
        "label_bytes_max",
        "paint",
        "color",
    ] {
        assert!(shown.contains(part), "{part}: {shown}");
    }
    assert!(server.stop().await.success());
}

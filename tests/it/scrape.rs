//! Sonde scrapes. A real Prometheus with the same `scrape_configs` has to come to the same
//! series with the same values; and one Sonde scrapes the `/federate` of another.

use crate::harness::{PATIENCE, Sonde, get, list};
use crate::prometheus_api::Prometheus;
use crate::tools::tool;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

pub(crate) const QUIET: [(&str, &str); 4] = [
    ("agent.tail.paths", "[]"),
    ("agent.node.enabled", "false"),
    ("rules.use_rules", "false"),
    ("rules.default_alerts", "false"),
];
/// How often, and within what time: all series of a target end where one scrape takes longer, and
/// both programs have to have scraped all of it last.
pub(crate) const INTERVAL: &str = "3s";
const PASSWORD: &str = "correct-horse-battery";

/// What a text format can say.
const PAGE: &str = r#"# HELP page_requests_total Requests.
# TYPE page_requests_total counter
page_requests_total{code="200",path="a\"b\\c\nd"} 1027
page_requests_total{code="400"} 3.0000000000000004
# HELP page_latency_seconds Latency.
# TYPE page_latency_seconds histogram
page_latency_seconds_bucket{le="0.05"} 24054
page_latency_seconds_bucket{le="+Inf"} 144320.5
page_latency_seconds_sum 53423.1
page_latency_seconds_count 144320
# TYPE page_quantiles summary
page_quantiles{quantile="0.5"} 4.9e-324
page_quantiles_sum 1e308
page_quantiles_count 2693
page_nan NaN
page_inf -Inf
page_large 9007199254740993
page_labels{job="own",instance="mine",exported_job="x",zone="here"} 1
page_empty{a=""} 1
page_renamed_once{pod="p-1"} 7
go_dropped 1
"#;

/// The page at an address of its own. While `short` is set, a part of it is gone.
async fn page(short: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let short = Arc::clone(&short);
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while let Ok(1..) = stream.read_line(&mut head).await {
                    if !head.ends_with("\r\n\r\n") {
                        continue;
                    }
                    head.clear();
                    // The same for a minute, so that it is not too old however long it takes.
                    let minute = jiff::Timestamp::now().as_second() / 60 * 60;
                    let timed = minute * 1000 - 1483;
                    let mut body = format!("{PAGE}page_timed 12.5 {timed}\n");
                    if !short.load(Ordering::Relaxed) {
                        body.push_str("page_vanishes 1\n");
                    }
                    let answer = format!(
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                    if stream.write_all(answer.as_bytes()).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    address
}

/// A node_exporter on a free port, killed when dropped.
async fn node_exporter(program: &Path) -> (Child, String) {
    let mut child = Command::new(program)
        .arg("--web.listen-address=127.0.0.1:0")
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let listens = async {
        while let Some(line) = log.next_line().await.unwrap() {
            let Some(at) = line.find("127.0.0.1:") else {
                continue;
            };
            let end = line[at..].find(|c: char| !(c.is_ascii_digit() || ".:".contains(c)));
            let address = &line[at..end.map_or(line.len(), |end| at + end)];
            if !address.ends_with(":0") {
                return address.to_owned();
            }
        }
        panic!("node_exporter ended");
    };
    let address = tokio::time::timeout(PATIENCE, listens).await.unwrap();
    tokio::spawn(async move { while let Ok(Some(_)) = log.next_line().await {} });
    (child, address)
}

/// The data of an answer of Prometheus' API.
pub(crate) async fn data(url: &str, endpoint: &str, parameters: &[(&str, &str)]) -> Value {
    let answer = get(&format!("{url}/api/v1/{endpoint}"), parameters).await;
    let answer = answer.unwrap();
    assert_eq!(answer["status"], "success", "{endpoint}: {answer}");
    answer["data"].clone()
}

/// The series that a selector finds and their values or histograms; times only of those that the
/// target times.
pub(crate) async fn values(url: &str, query: &str) -> BTreeSet<String> {
    let data = data(url, "query", &[("query", query)]).await;
    let line = |one: &Value| match one.get("histogram") {
        Some(histogram) => format!("{} {}", one["metric"], histogram[1]),
        None => format!("{} {}", one["metric"], one["value"][1]),
    };
    list(&data, "result").iter().map(line).collect()
}

/// The series that a selector finds, with bounds as version 3 of Prometheus writes them.
async fn series(url: &str, selector: &str) -> BTreeSet<String> {
    let data = data(url, "series", &[("match[]", selector)]).await;
    let series = data.as_array().unwrap().iter().map(|labels| {
        let mut labels = labels.clone();
        for bound in ["le", "quantile"] {
            let whole = labels[bound]
                .as_str()
                .filter(|text| text.parse::<u64>().is_ok());
            if let Some(whole) = whole.map(str::to_owned) {
                labels[bound] = format!("{whole}.0").into();
            }
        }
        labels.to_string()
    });
    series.collect()
}

/// Asks both until both say the same, and something.
pub(crate) async fn alike<F: Future<Output = BTreeSet<String>>>(
    what: &str,
    ours: impl Fn() -> F,
    theirs: impl Fn() -> F,
    satisfied: impl Fn(&BTreeSet<String>) -> bool,
) -> BTreeSet<String> {
    let begun = Instant::now();
    loop {
        let (ours, theirs) = (ours().await, theirs().await);
        if ours == theirs && satisfied(&ours) {
            return ours;
        }
        if begun.elapsed() > PATIENCE {
            let only_ours: Vec<_> = ours.difference(&theirs).collect();
            let only_theirs: Vec<_> = theirs.difference(&ours).collect();
            panic!("{what}\nonly ours: {only_ours:#?}\nonly theirs: {only_theirs:#?}");
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_prometheus_with_the_same_configuration_stores_the_same() {
    let (Some(program), Some(exporter)) = (tool("PROMETHEUS"), tool("NODE_EXPORTER")) else {
        return;
    };
    let short = Arc::new(AtomicBool::new(false));
    let page = page(Arc::clone(&short)).await;
    let (_exporter, node) = node_exporter(&exporter).await;
    let rules = json!([
        {"source_labels": ["__name__"], "regex": "go_dropped", "action": "drop"},
        {"source_labels": ["__name__"], "regex": "page_renamed_(.*)", "target_label": "__name__",
         "replacement": "page_${1}_more"},
        {"regex": "pod", "action": "labeldrop"},
    ]);
    let jobs = json!([
        {"job_name": "page", "static_configs": [
            {"targets": [page.to_string()], "labels": {"zone": "x", "rack": "1"}}],
         "relabel_configs": [
            {"source_labels": ["__address__"], "target_label": "port", "regex": ".*:(.*)"},
            {"source_labels": ["rack"], "target_label": "shard", "action": "hashmod", "modulus": 7}],
         "metric_relabel_configs": rules},
        {"job_name": "node", "static_configs": [{"targets": [node]}]},
        {"job_name": "down", "basic_auth": {"username": "me", "password": PASSWORD},
         "static_configs": [{"targets": ["127.0.0.1:1"]}]},
        {"job_name": "limited", "sample_limit": 2, "static_configs": [{"targets": [page.to_string()]}]},
    ]);
    let global = json!({"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL});
    let dir = tempfile::tempdir().unwrap();
    let config = json!({"global": global, "scrape_configs": jobs}).to_string();
    let theirs = Prometheus::start(&program, &dir.path().join("theirs"), &config, &[]).await;
    let (global, jobs) = (global.to_string(), jobs.to_string());
    let mut extra = QUIET.to_vec();
    extra.extend([
        ("agent.scrape.global", global.as_str()),
        ("agent.scrape.scrape_configs", jobs.as_str()),
    ]);
    let mut sonde = Sonde::up(dir.path(), &extra).await;
    let (own, their) = (sonde.url(""), theirs.url.clone());
    let both = async |query: &str, satisfied: &dyn Fn(&BTreeSet<String>) -> bool| {
        let (ours, theirs) = (|| values(&own, query), || values(&their, query));
        alike(query, ours, theirs, satisfied).await
    };

    let all = both("{__name__=~\"page_.+\"}", &|all| all.len() == 17).await;
    let has = |part: &str| all.iter().any(|line| line.contains(part));
    assert!(
        has(r#""exported_exported_job":"own""#) && has(r#""exported_zone":"here""#),
        "{all:#?}"
    );
    assert!(
        has(r#""__name__":"page_once_more""#) && !has("go_dropped"),
        "{all:#?}"
    );
    // A time that the target tells is kept to the millisecond.
    both("timestamp(page_timed)", &|found| found.len() == 1).await;
    let report = "{__name__=~\"up|scrape_samples_.+\",job!=\"node\"}";
    both(report, &|all| all.len() == 9).await;
    both("scrape_series_added{job=~\"page|down\"} == 0", &|all| {
        all.len() == 2
    })
    .await;
    let node = "{job=\"node\"}";
    let nodes = |all: &BTreeSet<String>| all.len() > 100;
    alike(node, || series(&own, node), || series(&their, node), nodes).await;

    // What vanishes ends at once on both sides.
    short.store(true, Ordering::Relaxed);
    let all = both("{__name__=~\"page_.+\"}", &|all| all.len() == 16).await;
    assert!(!all.iter().any(|line| line.contains("page_vanishes")));

    let metadata = async |url: &str| {
        let metadata = data(
            url,
            "targets/metadata",
            &[("match_target", "{job=\"page\"}")],
        )
        .await;
        let all = metadata.as_array().unwrap().iter().map(Value::to_string);
        all.filter(|one| !one.contains("\"type\":\"unknown\""))
            .collect::<BTreeSet<_>>()
    };
    alike(
        "metadata",
        || metadata(&own),
        || metadata(&their),
        |all| all.len() == 3,
    )
    .await;
    let pools = data(&own, "scrape_pools", &[]).await["scrapePools"].clone();
    assert_eq!(pools, json!(["page", "node", "down", "limited"]));
    let states = [
        ("down", "down"),
        ("limited", "down"),
        ("node", "up"),
        ("page", "up"),
    ];
    let are_so = |answer: &Value| {
        let active = list(&answer["data"], "activeTargets").iter();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let found = active.map(|one| (text(&one["scrapePool"]), text(&one["health"])));
        found.eq(states.map(|(pool, health)| (pool.to_owned(), health.to_owned())))
    };
    let targets = sonde.until("/api/v1/targets", &[], are_so).await;

    // Errors name the target and keep its secrets.
    let failed = sonde.logged("cannot scrape a target").await;
    assert!(failed.contains("instance="), "{failed}");
    let status = sonde.get("/sonde/v1/status", &[]).await;
    let shown = format!("{}{targets}{status}", sonde.log());
    assert!(
        shown.contains("127.0.0.1:1") && shown.contains("sample_limit"),
        "{shown}"
    );
    assert!(!shown.contains(PASSWORD), "{shown}");
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sonde_federates_from_another() {
    let page = page(Arc::new(AtomicBool::new(false))).await;
    let global = json!({"scrape_interval": INTERVAL, "scrape_timeout": INTERVAL}).to_string();
    let start = async |dir: &Path, jobs: Value| {
        let jobs = jobs.to_string();
        let mut extra = QUIET.to_vec();
        extra.extend([
            ("agent.scrape.global", global.as_str()),
            ("agent.scrape.scrape_configs", jobs.as_str()),
        ]);
        Sonde::up(dir, &extra).await
    };
    let (below, above) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let lower = start(
        below.path(),
        json!([{"job_name": "page", "static_configs": [{"targets": [page.to_string()]}]}]),
    )
    .await;
    let upper = start(
        above.path(),
        json!([{"job_name": "federate", "honor_labels": true, "metrics_path": "/federate",
                "params": {"match[]": ["{job=\"page\"}", "{__name__=~\"page_labels\"}"]},
                "static_configs": [{"targets": [lower.address("http").to_string()]}]}]),
    )
    .await;
    let (ours, theirs) = (upper.url(""), lower.url(""));
    let query = "{__name__=~\"page_.+|up|scrape_samples_.+\",job!=\"federate\"}";
    let both = alike(
        query,
        || values(&ours, query),
        || values(&theirs, query),
        |all| all.len() == 20,
    )
    .await;
    assert!(
        both.iter()
            .any(|line| line.contains("\"__name__\":\"up\"") && line.contains("\"job\":\"page\""))
    );
    // With the times at which they were scraped below.
    let times = "timestamp(page_timed)";
    alike(
        times,
        || values(&ours, times),
        || values(&theirs, times),
        |all| all.len() == 1,
    )
    .await;
    let own = [("query", "up{job=\"federate\"} == 1")];
    let is_one = |answer: &Value| list(&answer["data"], "result").len() == 1;
    upper.until("/api/v1/query", &own, is_one).await;
    assert!(upper.stop().await.success());
    assert!(lower.stop().await.success());
}

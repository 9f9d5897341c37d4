//! Short jobs push their metrics, with `curl` and with Prometheus' Python client; what they
//! pushed survives a kill, and ends when it is deleted.

use crate::harness::{PATIENCE, Sonde, list};
use crate::tools::tool;
use serde_json::Value;
use std::process::Stdio;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

const QUIET: [(&str, &str); 5] = [
    ("agent.tail.paths", "[]"),
    ("agent.node.enabled", "false"),
    ("rules.use_rules", "false"),
    ("rules.default_alerts", "false"),
    ("push.repeat_seconds", "1"),
];

/// What `curl` is answered: a status and a text.
async fn curl(sonde: &Sonde, arguments: &[&str], path: &str, body: &str) -> (String, String) {
    let mut child = Command::new("curl")
        .args(["-sS", "--noproxy", "*", "-w", "\n%{http_code}"])
        .args(arguments)
        .arg(sonde.url(path))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(body.as_bytes()).await.unwrap();
    drop(stdin);
    let output = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = String::from_utf8(output.unwrap().unwrap().stdout).unwrap();
    let (text, status) = output.rsplit_once('\n').unwrap();
    (status.to_owned(), text.to_owned())
}

/// The series of a query and their values, once they satisfy.
async fn until(sonde: &Sonde, query: &str, satisfied: impl Fn(&[String]) -> bool) -> Vec<String> {
    let lines = |answer: &Value| -> Vec<String> {
        let line = |one: &Value| format!("{} {}", one["metric"], one["value"][1].as_str().unwrap());
        list(&answer["data"], "result").iter().map(line).collect()
    };
    let answer = sonde
        .until("/api/v1/query", &[("query", query)], |answer| {
            satisfied(&lines(answer))
        })
        .await;
    lines(&answer)
}

/// Since 1970.
fn seconds() -> i64 {
    jiff::Timestamp::now().as_second()
}

const PUT: [&str; 4] = ["-X", "PUT", "--data-binary", "@-"];
const POST: [&str; 2] = ["--data-binary", "@-"];
const DELETE: [&str; 2] = ["-X", "DELETE"];

#[tokio::test(flavor = "multi_thread")]
async fn curl_pushes_replaces_and_deletes_and_a_kill_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let begun = seconds();
    let sonde = Sonde::up(dir.path(), &QUIET).await;
    let path = "/metrics/job/backup/instance/host%3A1";
    let body = "# TYPE rows_total counter\nrows_total{table=\"a\"} 42\n# TYPE took_seconds gauge\ntook_seconds 3.5\n";
    assert_eq!(curl(&sonde, &PUT, path, body).await.0, "200");
    let rows = r#"{"__name__":"rows_total","instance":"host:1","job":"backup","table":"a"}"#;
    let found = until(&sonde, "rows_total", |all| !all.is_empty()).await;
    assert_eq!(found, [format!("{rows} 42")]);

    // One name is replaced, the other stays.
    assert_eq!(
        curl(
            &sonde,
            &POST,
            path,
            "# TYPE rows_total counter\nrows_total 43\n"
        )
        .await
        .0,
        "200"
    );
    until(&sonde, "rows_total", |all| {
        all.len() == 1 && all[0].ends_with(" 43")
    })
    .await;
    until(&sonde, "took_seconds", |all| all.len() == 1).await;

    let (status, why) = curl(&sonde, &POST, path, "rows_total 1 1700000000000\n").await;
    assert_eq!(status, "400");
    assert!(why.contains("must not have timestamps"), "{why}");
    let (status, why) = curl(
        &sonde,
        &POST,
        "/metrics/job/other",
        "# TYPE rows_total gauge\nrows_total 1\n",
    )
    .await;
    assert_eq!(status, "400");
    assert!(why.contains("inconsistent"), "{why}");
    until(
        &sonde,
        "push_failure_time_seconds{job=\"other\"} > 0",
        |all| all.len() == 1,
    )
    .await;
    let pushed = format!("push_time_seconds{{job=\"backup\"}} >= {begun}");
    until(&sonde, &pushed, |all| all.len() == 1).await;

    // What was acknowledged is written on after a kill.
    sonde.kill().await;
    let sonde = Sonde::up(dir.path(), &QUIET).await;
    let fresh = seconds() + 2;
    let fresh = format!("timestamp(rows_total) > {fresh} and count_over_time(rows_total[1h]) > 3");
    until(&sonde, &fresh, |all| all.len() == 1).await;
    assert_eq!(curl(&sonde, &DELETE, path, "").await.0, "202");
    until(&sonde, "{job=\"backup\"}", <[String]>::is_empty).await;
    assert_eq!(curl(&sonde, &DELETE, path, "").await.0, "202");
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_python_client_pushes() {
    let Some(python) = tool("PYTHON") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(dir.path(), &QUIET).await;
    let program = r#"
import sys
from prometheus_client import CollectorRegistry, Gauge, Histogram
from prometheus_client import push_to_gateway, pushadd_to_gateway, delete_from_gateway
registry = CollectorRegistry()
Gauge("done", "When it was done", registry=registry).set(7)
took = Histogram("took_seconds", "How long", ["step"], registry=registry, buckets=[1, 2])
took.labels("a/b").observe(1.5)
key = {"path": "/var/tmp", "none": ""}
push_to_gateway(sys.argv[1], job="batch", registry=registry, grouping_key=key)
more = CollectorRegistry()
Gauge("more", "More", registry=more).set(8)
pushadd_to_gateway(sys.argv[1], job="batch", registry=more, grouping_key=key)
push_to_gateway(sys.argv[1], job="gone", registry=more)
delete_from_gateway(sys.argv[1], job="gone")
"#;
    let python = Command::new(python)
        .args(["-c", program, &sonde.address("http").to_string()])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(PATIENCE, python)
        .await
        .unwrap()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{error}");
    let found = until(&sonde, "{path=\"/var/tmp\",job=\"batch\"}", |all| {
        all.len() >= 9
    })
    .await;
    let has = |part: &str| found.iter().any(|line| line.contains(part));
    assert!(
        has(r#""__name__":"done","job":"batch","path":"/var/tmp"} 7"#),
        "{found:#?}"
    );
    assert!(
        has(r#""__name__":"more","#) && has(r#""le":"2.0","path":"/var/tmp","step":"a/b"} 1"#),
        "{found:#?}"
    );
    until(&sonde, "{job=\"gone\"}", <[String]>::is_empty).await;
    assert!(sonde.stop().await.success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_no_room_for_is_told_and_its_group_is_not_kept() {
    let dir = tempfile::tempdir().unwrap();
    let settings = [&QUIET[..], &[("metrics.series_of_metric_max", "2")]].concat();
    let sonde = Sonde::up(dir.path(), &settings).await;
    let body = "m{n=\"1\"} 1\nm{n=\"2\"} 1\nm{n=\"3\"} 1\n";
    let (status, text) = curl(&sonde, &PUT, "/metrics/job/large", body).await;
    assert_eq!(status, "400", "{text}");
    assert!(text.contains("metrics.series_of_metric_max"), "{text}");
    let (status, text) = curl(&sonde, &PUT, "/metrics/job/small", "k 1\n").await;
    assert_eq!(status, "200", "{text}");
    assert_eq!(groups(dir.path()), 1);
    let (status, _) = curl(&sonde, &DELETE, "/metrics/job/small", "").await;
    assert_eq!((status.as_str(), groups(dir.path())), ("202", 0));
}

/// How many groups lie in a data directory.
fn groups(dir: &std::path::Path) -> usize {
    let entries = std::fs::read_dir(dir).unwrap().map(Result::unwrap);
    entries
        .map(|entry| match entry.path() {
            path if path.is_dir() => groups(&path),
            path => usize::from(path.extension().is_some_and(|ending| ending == "group")),
        })
        .sum()
}

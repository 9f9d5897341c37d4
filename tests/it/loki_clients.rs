//! Programs that log with other people's loggers, which push to Loki's API, push to Sonde
//! unchanged; every line is asked back through Loki's API, once, with its labels.

use crate::harness::{PATIENCE, Sonde, client, list};
use crate::tools::{root, tool};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

const LINES: usize = 500;
/// Labels that may stand beside those that were pushed: the level and the service, as Loki
/// itself finds them.
const ADDED: [&str; 2] = ["level", "service_name"];

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_winston_pushes_as_json_is_asked_back() {
    node("winston-json").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_winston_pushes_as_protobuf_is_asked_back() {
    node("winston-protobuf").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_pino_pushes_is_asked_back() {
    node("pino").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_python_logging_loki_pushes_is_asked_back() {
    python("python-logging-loki").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_loki_logger_handler_pushes_compressed_is_asked_back() {
    python("loki-logger-handler").await;
}

async fn node(logger: &str) {
    if tool("NODE_SDK_DIR").is_none() {
        return;
    }
    let program = root().join("tests/sdk/node/loki.mjs");
    check(Path::new("node"), &program, logger).await;
}

async fn python(logger: &str) {
    let Some(python) = tool("PYTHON") else { return };
    check(&python, &root().join("tests/sdk/python/loki.py"), logger).await;
}

/// Runs the program against a fresh `sonde up` and asks for what it said.
async fn check(runtime: &Path, program: &Path, logger: &str) {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(
        dir.path(),
        &[("agent.tail.paths", "[]"), ("agent.node.enabled", "false")],
    )
    .await;
    let said = run(runtime, program, logger, &sonde).await;
    assert_eq!(list(&said, "lines").len(), LINES, "{said:#}");
    let selector = format!("{{job=\"shop\", run=\"{logger}\"}}");
    let count = format!("sum(count_over_time({selector}[1h]))");
    let sent = LINES.to_string();
    let all = |answer: &Value| answer["data"]["result"][0]["value"][1] == sent;
    sonde
        .until("/loki/api/v1/query", &[("query", &count)], all)
        .await;
    let found = asked_back(&sonde, &selector).await;
    has_its_lines(&said, &found);
    has_its_labels(&said, &found);
    let level_label = said["level_label"].as_str().unwrap_or("level");
    let level = said["levels"]["error"].as_str().unwrap();
    let errors = format!("{{run=\"{logger}\", {level_label}=\"{level}\"}}");
    let found = asked_back(&sonde, &errors).await;
    assert_eq!(found.len() as u64, said["errors"].as_u64().unwrap());
    let detected = format!("{selector} | detected_level=\"error\"");
    let found = asked_back(&sonde, &detected).await;
    assert_eq!(found.len() as u64, said["errors"].as_u64().unwrap());
    assert!(sonde.stop().await.success());
}

async fn run(runtime: &Path, program: &Path, logger: &str, sonde: &Sonde) -> Value {
    let (url, lines) = (sonde.url(""), LINES.to_string());
    let mut command = tokio::process::Command::new(runtime);
    command
        .arg(program)
        .args(["--client", logger, "--url", &url]);
    command
        .args(["--lines", &lines, "--run-id", logger])
        .kill_on_drop(true);
    let output = tokio::time::timeout(PATIENCE, command.output())
        .await
        .expect("the program ends")
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}\n{}", sonde.log());
    let stdout = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(stdout.lines().last().unwrap_or(""))
        .unwrap_or_else(|e| panic!("{e}: {stdout}\n{errors}"))
}

/// A line with its stream's labels and its metadata.
struct Found {
    line: String,
    labels: BTreeMap<String, String>,
    metadata: BTreeMap<String, String>,
}

async fn asked_back(sonde: &Sonde, query: &str) -> Vec<Found> {
    let response = client()
        .get(sonde.url("/loki/api/v1/query_range"))
        .query(&[
            ("query", query),
            ("limit", "5000"),
            ("direction", "forward"),
        ])
        .header("X-Loki-Response-Encoding-Flags", "categorize-labels")
        .send()
        .await
        .unwrap();
    assert!(
        response.status().is_success(),
        "{}",
        response.text().await.unwrap()
    );
    let answer: Value = response.json().await.unwrap();
    let map = |value: &Value| serde_json::from_value(value.clone()).unwrap_or_default();
    let mut found = Vec::new();
    for stream in list(&answer["data"], "result") {
        for value in list(stream, "values") {
            found.push(Found {
                line: value[1].as_str().unwrap().into(),
                labels: map(&stream["stream"]),
                metadata: map(&value[2]["structuredMetadata"]),
            });
        }
    }
    found
}

/// Each line, once.
fn has_its_lines(said: &Value, found: &[Found]) {
    let text = |found: &Found| match said["json_field"].as_str() {
        None => found.line.clone(),
        Some(field) => {
            let line: Value = serde_json::from_str(&found.line).unwrap();
            line[field].as_str().unwrap().to_owned()
        }
    };
    let lines = list(said, "lines")
        .iter()
        .map(|line| line.as_str().unwrap());
    let expected: BTreeSet<_> = lines.map(str::to_owned).collect();
    let distinct: BTreeSet<_> = found.iter().map(text).collect();
    assert_eq!(distinct, expected);
    assert_eq!(found.len(), expected.len(), "some came twice");
}

/// The labels as they were pushed, and the metadata where the logger sends any.
fn has_its_labels(said: &Value, found: &[Found]) {
    let level_label = said["level_label"].as_str().unwrap_or("level");
    let mut orders = BTreeSet::new();
    for found in found {
        let mut expected: BTreeMap<String, String> =
            serde_json::from_value(said["labels"].clone()).unwrap();
        let is_error = found.line.contains("9: ");
        let level = said["levels"][if is_error { "error" } else { "info" }]
            .as_str()
            .unwrap();
        expected.insert(level_label.into(), level.into());
        let mut labels = found.labels.clone();
        labels.retain(|name, _| expected.contains_key(name) || !ADDED.contains(&name.as_str()));
        assert_eq!(labels, expected, "{}", found.line);
        if let Some(name) = said["metadata"].as_str() {
            orders.insert(found.metadata[name].clone());
        }
    }
    let expected = if said["metadata"].is_null() { 0 } else { LINES };
    assert_eq!(
        orders.len(),
        expected,
        "the metadata of each line is its own"
    );
}

//! Every query of every shipped dashboard answers against a running demo, as Grafana would
//! ask it; and the provisioning leads Grafana to an API that is there.

use crate::harness::{PATIENCE, PATIENT, client, get, set};
use crate::tools::root;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::process::{Child, Command};

/// Which of the two data sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source {
    Prometheus,
    Loki,
}

impl Source {
    fn of(asked: &Value) -> Self {
        match word(&asked["datasource"]["type"]) {
            "loki" => Self::Loki,
            _ => Self::Prometheus,
        }
    }
}

/// What Grafana asks a data source: an expression of a panel, or the values of a variable.
struct Query {
    /// The dashboard's file and the panel or annotation in it.
    place: String,
    source: Source,
    expr: String,
    /// Asked for one time instead of a period.
    instant: bool,
}

fn dashboards() -> Vec<(String, Value)> {
    let mut found: Vec<_> = std::fs::read_dir(root().join("dashboards"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|is| is == "json"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let text = std::fs::read_to_string(&path).unwrap();
            let dashboard = serde_json::from_str(&text);
            (
                name.clone(),
                dashboard.unwrap_or_else(|error| panic!("{name}: {error}")),
            )
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// Panels, those inside of rows too.
fn panels(of: &Value) -> Vec<&Value> {
    let mut found = Vec::new();
    for panel in items(&of["panels"]) {
        found.push(panel);
        found.extend(panels(panel));
    }
    found
}

/// The label and the series of `label_values(series, label)`.
fn label_values(definition: &str) -> (&str, &str) {
    let inner = definition
        .strip_prefix("label_values(")
        .and_then(|rest| rest.strip_suffix(')'));
    let (series, label) = inner.unwrap().rsplit_once(',').unwrap();
    (label.trim(), series.trim())
}

/// The expression with Grafana's variables replaced as it replaces them: a panel an hour wide
/// on a screen, a data source that says `timeInterval: 15s`, `All` chosen everywhere.
fn substituted(expr: &str, dashboard: &Value) -> String {
    let mut expr = expr.to_owned();
    for (name, value) in [
        ("__rate_interval", "1m"),
        ("__interval_ms", "15000"),
        ("__interval", "15s"),
        ("__range_ms", "3600000"),
        ("__range_s", "3600"),
        ("__range", "3600s"),
    ] {
        expr = expr
            .replace(&format!("${{{name}}}"), value)
            .replace(&format!("${name}"), value);
    }
    for variable in items(&dashboard["templating"]["list"]) {
        let name = word(&variable["name"]);
        let all = word(&variable["allValue"]);
        expr = expr
            .replace(&format!("${{{name}}}"), all)
            .replace(&format!("${name}"), all);
    }
    assert!(!expr.contains('$'), "a variable is left in {expr}");
    expr
}

/// Everything a dashboard asks.
fn queries((file, dashboard): &(String, Value)) -> Vec<Query> {
    let query = |place: &str, asked: &Value| Query {
        place: format!("{file}: {place}"),
        source: Source::of(asked),
        expr: substituted(word(&asked["expr"]), dashboard),
        instant: asked["instant"] == true,
    };
    let mut found = Vec::new();
    for panel in panels(dashboard) {
        for target in items(&panel["targets"]) {
            let (title, id) = (word(&panel["title"]), &panel["id"]);
            let place = format!("panel {id}, {title} {}", word(&target["refId"]));
            found.push(query(&place, target));
        }
    }
    for annotation in items(&dashboard["annotations"]["list"]) {
        found.push(query(word(&annotation["name"]), annotation));
    }
    found
}

/// Every data source that a dashboard names is one that it lets the reader choose.
fn asks_only_what_is_chosen((file, dashboard): &(String, Value)) {
    let chosen: Vec<_> = items(&dashboard["templating"]["list"])
        .iter()
        .filter(|variable| variable["type"] == "datasource")
        .map(|variable| (word(&variable["query"]), word(&variable["name"])))
        .collect();
    assert_eq!(chosen[0], ("prometheus", "datasource"), "{file}");
    let mut named = vec![];
    for panel in panels(dashboard) {
        named.push(&panel["datasource"]);
        named.extend(
            items(&panel["targets"])
                .iter()
                .map(|target| &target["datasource"]),
        );
    }
    named.extend(
        items(&dashboard["annotations"]["list"])
            .iter()
            .map(|a| &a["datasource"]),
    );
    for source in named {
        let ours = chosen.iter().any(|(kind, variable)| {
            source["type"] == *kind && word(&source["uid"]) == format!("${{{variable}}}")
        });
        assert!(source.is_null() || ours, "{file}: {source}");
    }
}

/// A running demo, killed when dropped, and the address of its collector.
struct Demo {
    _process: Child,
    url: String,
}

impl Demo {
    /// Starts it and waits until it has seen its alert arrive.
    async fn start(dir: &Path) -> Self {
        let url_file = dir.join("url");
        let mut demo = Command::new(env!("CARGO_BIN_EXE_sonde"));
        demo.arg("demo")
            .args(set(&[("http.listen", "127.0.0.1:0"), PATIENT]))
            .arg("--url-file")
            .arg(&url_file);
        let mut process = demo
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let begun = Instant::now();
        loop {
            if let Ok(page) = std::fs::read_to_string(&url_file)
                && let Some((url, _)) = page.split_once("/alerts/")
            {
                return Self {
                    url: url.into(),
                    _process: process,
                };
            }
            assert!(
                begun.elapsed() < PATIENCE * 2,
                "the demo did not name its page"
            );
            assert!(
                process.try_wait().unwrap().is_none(),
                "the demo ended early"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Asks the API of the query's data source as the provisioned one does.
    async fn ask(&self, query: &Query) -> Value {
        let answer = match query.source {
            Source::Prometheus => self.ask_prometheus(query).await,
            Source::Loki => self.ask_loki(query).await,
        };
        let status = answer.status();
        let text = answer.text().await.unwrap();
        let read = serde_json::from_str(&text);
        read.unwrap_or_else(|_| panic!("{}: {}: {status} {text}", query.place, query.expr))
    }

    async fn ask_prometheus(&self, query: &Query) -> reqwest::Response {
        let now = jiff::Timestamp::now().as_second();
        let (now, begin) = (now.to_string(), (now - 600).to_string());
        let (path, form) = if query.instant {
            (
                "query",
                vec![("query", query.expr.as_str()), ("time", &now)],
            )
        } else {
            let range = [("start", begin.as_str()), ("end", &now), ("step", "15")];
            (
                "query_range",
                [&[("query", query.expr.as_str())][..], &range].concat(),
            )
        };
        let url = format!("{}/prometheus/api/v1/{path}", self.url);
        client().post(url).form(&form).send().await.unwrap()
    }

    async fn ask_loki(&self, query: &Query) -> reqwest::Response {
        let now = jiff::Timestamp::now().as_nanosecond();
        let (end, start) = (now.to_string(), (now - 600_000_000_000).to_string());
        let form = [
            ("query", query.expr.as_str()),
            ("direction", "backward"),
            ("end", &end),
            ("limit", "1000"),
            ("start", &start),
            ("step", "15000ms"),
        ];
        let url = format!("{}/loki/api/v1/query_range", self.url);
        let asked = client().get(url).query(&form);
        let asked = asked.header("x-loki-response-encoding-flags", "categorize-labels");
        asked.send().await.unwrap()
    }

    /// The places of those that have no number to show, after waiting for it.
    async fn unanswered(&self, mut queries: Vec<Query>) -> Vec<String> {
        let begun = Instant::now();
        loop {
            let mut empty = Vec::new();
            for query in queries {
                let answer = self.ask(&query).await;
                assert_eq!(
                    answer["status"], "success",
                    "{}: {}: {answer}",
                    query.place, query.expr
                );
                if !shows_something(&answer) {
                    empty.push(query);
                }
            }
            if empty.is_empty() || begun.elapsed() > PATIENCE {
                return empty.into_iter().map(|query| query.place).collect();
            }
            queries = empty;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

/// Whether an answer has a line, or a sample that is a number.
fn shows_something(answer: &Value) -> bool {
    let data = &answer["data"];
    if data["resultType"] == "streams" {
        return items(&data["result"])
            .iter()
            .any(|stream| !items(&stream["values"]).is_empty());
    }
    let number = |sample: &Value| sample[1].as_str().is_some_and(|value| value != "NaN");
    items(&data["result"])
        .iter()
        .any(|series| number(&series["value"]) || items(&series["values"]).iter().any(number))
}

/// What this machine cannot measure, so that its panels stay empty here.
fn is_measured_here(query: &Query) -> bool {
    let pressure = Path::new("/proc/pressure/cpu").exists();
    let disks = std::fs::read_dir("/sys/block").is_ok_and(|disks| disks.count() > 0);
    let needs_pressure = [
        "node:cpu_saturation",
        "node:memory_saturation",
        "node:disk_saturation",
    ];
    let needs_disks = ["node:disk_utilization", "node:disk_queue"];
    let names = |list: &[&str]| list.iter().any(|name| query.expr.contains(name));
    (pressure || !names(&needs_pressure)) && (disks || !names(&needs_disks))
}

#[tokio::test(flavor = "multi_thread")]
async fn every_query_of_every_dashboard_has_an_answer_in_the_demo() {
    let dir = tempfile::tempdir().unwrap();
    let demo = Demo::start(dir.path()).await;
    let dashboards = dashboards();
    let mut all = Vec::new();
    for dashboard in &dashboards {
        asks_only_what_is_chosen(dashboard);
        all.extend(queries(dashboard));
    }
    assert!(all.len() > 30, "the dashboards ask only {}", all.len());
    let of_logs = all.iter().filter(|query| query.source == Source::Loki);
    assert!(of_logs.count() >= 4, "the dashboards ask for no logs");
    all.retain(is_measured_here);
    let empty = demo.unanswered(all).await;
    assert!(empty.is_empty(), "these show nothing: {empty:#?}");
    for (file, dashboard) in &dashboards {
        for variable in items(&dashboard["templating"]["list"]) {
            if variable["type"] != "query" {
                continue;
            }
            let (label, series) = label_values(word(&variable["query"]["query"]));
            let url = format!("{}/prometheus/api/v1/label/{label}/values", demo.url);
            let values = get(&url, &[("match[]", series)]).await.unwrap();
            assert!(
                !items(&values["data"]).is_empty(),
                "{file}: {variable}: {values}"
            );
        }
    }
}

#[test]
fn the_provisioning_names_every_api_and_the_folder_of_the_readme() {
    let provisioning = root().join("dashboards/provisioning");
    let yaml = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let options = sonde_yaml::Options::default();
        let read = sonde_yaml::read::<Value>(&path.display().to_string(), &text, &options);
        read.unwrap().value
    };
    let sources = yaml(provisioning.join("datasources/sonde.yaml"));
    assert_eq!(sources["apiVersion"], 1);
    let [numbers, logs, traces, jaeger] = items(&sources["datasources"]) else {
        panic!("four data sources: {sources}");
    };
    assert_eq!(numbers["type"], "prometheus");
    assert_eq!(numbers["url"], "${SONDE_URL}/prometheus");
    assert_eq!(numbers["jsonData"]["timeInterval"], "15s");
    // Grafana puts `/loki/api/v1` behind it.
    assert_eq!(
        (word(&logs["type"]), word(&logs["url"])),
        ("loki", "${SONDE_URL}")
    );
    for (source, kind) in [(traces, "tempo"), (jaeger, "jaeger")] {
        assert_eq!(source["type"], kind);
        assert_eq!(word(&source["url"]), format!("${{SONDE_URL}}/{kind}"));
        let lines = &source["jsonData"]["tracesToLogsV2"];
        assert_eq!(lines["datasourceUid"], logs["uid"]);
        assert!(word(&lines["query"]).contains("$${__trace.traceId}"));
    }
    let uids: std::collections::BTreeSet<_> = items(&sources["datasources"])
        .iter()
        .map(|source| word(&source["uid"]))
        .collect();
    assert_eq!(uids.len(), 4);
    let exemplar = &numbers["jsonData"]["exemplarTraceIdDestinations"][0];
    assert_eq!(exemplar["datasourceUid"], traces["uid"]);
    assert_eq!(
        logs["jsonData"]["derivedFields"][1]["datasourceUid"],
        traces["uid"]
    );
    let trace = &logs["jsonData"]["derivedFields"][0];
    assert_eq!(
        (word(&trace["matcherType"]), word(&trace["matcherRegex"])),
        ("label", "trace_id")
    );
    assert_eq!(trace["url"], "${SONDE_PAGES_URL}/trace/$${__value.raw}");
    let providers = yaml(provisioning.join("dashboards/sonde.yaml"));
    let folder = word(&providers["providers"][0]["options"]["path"]);
    let readme = std::fs::read_to_string(root().join("dashboards/README.md")).unwrap();
    assert!(
        readme.contains(&format!("-v ./dashboards:{folder}:ro")),
        "{folder}"
    );
    assert!(readme.contains("-v ./dashboards/provisioning:/etc/grafana/provisioning:ro"));
    for name in ["SONDE_URL", "SONDE_PAGES_URL"] {
        assert!(readme.contains(&format!("-e {name}=")), "{name}");
    }
}

#[test]
fn dashboards_link_to_one_another_and_have_names_of_their_own() {
    let all = dashboards();
    let mut uids: Vec<_> = all
        .iter()
        .map(|(_, dashboard)| word(&dashboard["uid"]))
        .collect();
    uids.sort_unstable();
    assert_eq!(uids, ["sonde-alerts", "sonde-nodes", "sonde-services"]);
    for (file, dashboard) in &all {
        assert!(
            items(&dashboard["tags"]).contains(&"sonde".into()),
            "{file}"
        );
        let mut ids: Vec<_> = panels(dashboard)
            .iter()
            .map(|panel| panel["id"].as_u64())
            .collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert!(
            ids.len() == count && !ids.contains(&None),
            "{file}: two panels have one id"
        );
    }
}

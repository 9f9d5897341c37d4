//! The requests that Grafana's Prometheus data source makes are answered with what it reads, over
//! real data, also below a path as data sources are set up: `tests/it/prometheus_requests.json`
//! has each with the shape it needs.

use crate::harness::{Sonde, client};
use crate::loki_grafana::shape;
use crate::prometheus_api::{with_histograms, with_samples};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// One request, and what its sender needs of the answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    asks: String,
    method: String,
    path: String,
    query: Vec<(String, String)>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    status: Option<u16>,
    /// The shape of the JSON; see [`shape`].
    answer: Value,
}

/// When the newest samples are, in seconds.
struct Times {
    samples: u64,
    histograms: u64,
}

impl Times {
    fn filled(&self, text: &str) -> String {
        let start = self.samples - 15;
        let written = |seconds: u64| {
            let time = jiff::Timestamp::from_second(seconds as i64);
            time.unwrap().to_string()
        };
        text.replace("$start_text", &written(start))
            .replace("$end_text", &written(self.samples))
            .replace("$start", &start.to_string())
            .replace("$end", &self.samples.to_string())
            .replace("$latency", &self.histograms.to_string())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_grafana_is_answered_with_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let quiet = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
    let sonde = Sonde::up(dir.path(), &quiet).await;
    let times = Times {
        samples: with_samples(&sonde).await,
        histograms: with_histograms(&sonde).await,
    };
    let text = include_str!("prometheus_requests.json");
    let requests: Vec<Request> = serde_json::from_str(text).unwrap();
    let mut problems = Vec::new();
    for below in ["", "/prometheus"] {
        for request in &requests {
            let url = sonde.url(&format!("{below}{}", request.path));
            for problem in problems_of(&url, &times, request).await {
                problems.push(format!("{below}: {}: {problem}", request.asks));
            }
        }
    }
    let (count, all) = (problems.len(), problems.join("\n"));
    assert!(problems.is_empty(), "{count} problems:\n{all}");
    assert!(sonde.stop().await.success());
}

async fn problems_of(url: &str, times: &Times, request: &Request) -> Vec<String> {
    let query: Vec<_> = request
        .query
        .iter()
        .map(|(name, value)| (name, times.filled(value)))
        .collect();
    let sent = match request.method.as_str() {
        "POST" => client().post(url).form(&query),
        _ => client().get(url).query(&query),
    };
    let headers = request.headers.iter();
    let sent = headers.fold(sent, |sent, (name, value)| sent.header(name, value));
    let response = sent.send().await.unwrap();
    let status = response.status().as_u16();
    let kind = response.headers().get("Content-Type").cloned();
    let text = response.text().await.unwrap();
    let brief: String = text.chars().take(600).collect();
    let expected = request.status.unwrap_or(200);
    if status != expected {
        return vec![format!("status {status}, not {expected}: {brief}")];
    }
    let mut problems = Vec::new();
    if kind.is_none_or(|kind| !kind.as_bytes().starts_with(b"application/json")) {
        problems.push("it is not said to be JSON".to_owned());
    }
    match serde_json::from_str(&text) {
        Ok(answer) => shape::compare(&request.answer, &answer, "answer", &mut problems),
        Err(error) => problems.push(format!("no JSON ({error})")),
    }
    if !problems.is_empty() {
        problems.push(format!("  it was: {brief}"));
    }
    problems
}

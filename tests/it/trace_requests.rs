//! Requests as other programs' pages make them, each with the shape that it needs of the answer,
//! over traces that an application sent with OpenTelemetry's SDK for Python.

use crate::harness::{Sonde, client, list};
use crate::loki_grafana::shape;
use crate::tools::{root, tool};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// What the application calls itself.
const SERVICE: &str = "shop";

/// One request, and what its sender needs of the answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    client: String,
    asks: String,
    path: String,
    #[serde(default)]
    query: Vec<(String, String)>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    status: Option<u16>,
    /// The shape of the JSON; see [`shape`].
    #[serde(default)]
    answer: Option<Value>,
    /// What a plain text contains.
    #[serde(default)]
    text: Option<String>,
}

/// The traces of a shop, of which each tenth failed.
pub(crate) struct World {
    pub(crate) sonde: Sonde,
    /// What the application says that it sent.
    pub(crate) sent: Value,
    start: jiff::Timestamp,
    end: jiff::Timestamp,
}

impl World {
    /// Sends everything and waits until it is there; `None` where there is no SDK.
    pub(crate) async fn sent_to_sonde(dir: &std::path::Path) -> Option<Self> {
        let python = tool("PYTHON")?;
        let none = [("agent.tail.paths", "[]"), ("agent.node.enabled", "false")];
        let sonde = Sonde::up(dir, &none).await;
        let app = root().join("tests/sdk/python/app.py");
        let sent = crate::sdk::run(&python, &app, "grpc", SERVICE, &sonde).await;
        for id in list(&sent, "trace_ids") {
            let path = format!("/jaeger/api/traces/{}", id.as_str().unwrap());
            let whole = |answer: &Value| list(&answer["data"][0], "spans").len() == 2;
            sonde.until(&path, &[], whole).await;
        }
        let now = jiff::Timestamp::now();
        let minutes = |n: i64| jiff::SignedDuration::from_mins(n);
        Some(Self {
            sonde,
            sent,
            start: now - minutes(30),
            end: now + minutes(1),
        })
    }

    /// The ID of the n-th trace.
    pub(crate) fn trace_id(&self, n: usize) -> &str {
        self.sent["trace_ids"][n].as_str().unwrap()
    }

    /// A text with what it names filled in.
    fn filled(&self, text: &str) -> String {
        let (start, end) = (self.start, self.end);
        text.replace("$start_s", &start.as_second().to_string())
            .replace("$end_s", &end.as_second().to_string())
            .replace("$start_ms", &start.as_millisecond().to_string())
            .replace("$end_ms", &end.as_millisecond().to_string())
            .replace("$start_us", &start.as_microsecond().to_string())
            .replace("$end_us", &end.as_microsecond().to_string())
            .replace("$start_iso", &start.to_string())
            .replace("$end_iso", &end.to_string())
            .replace("$failed_id", self.trace_id(9))
            .replace("$trace_id", self.trace_id(0))
            .replace("$request_id", self.sent["request_ids"][0].as_str().unwrap())
    }

    /// Makes all requests of a file; fails with everything that is wrong.
    pub(crate) async fn check(&self, file: &str) {
        let requests: Vec<Request> = serde_json::from_str(file).unwrap();
        let mut problems = Vec::new();
        for request in &requests {
            for problem in self.problems_of(request).await {
                problems.push(format!("{}: {}: {problem}", request.client, request.asks));
            }
        }
        assert!(
            problems.is_empty(),
            "{} problems in {} requests:\n{}",
            problems.len(),
            requests.len(),
            problems.join("\n")
        );
    }

    async fn problems_of(&self, request: &Request) -> Vec<String> {
        let query: Vec<_> = request
            .query
            .iter()
            .map(|(name, value)| (name, self.filled(value)))
            .collect();
        let url = self.sonde.url(&self.filled(&request.path));
        let sent = request
            .headers
            .iter()
            .fold(client().get(url).query(&query), |sent, (name, value)| {
                sent.header(name, value)
            });
        let response = sent.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        let expected = request.status.unwrap_or(200);
        if status != expected {
            return vec![format!("status {status}, not {expected}: {}", brief(&text))];
        }
        let mut problems = Vec::new();
        if let Some(part) = &request.text
            && !text.contains(part.as_str())
        {
            problems.push(format!("{part:?} is not in {}", brief(&text)));
        }
        if let Some(shape) = &request.answer {
            let shape: Value = serde_json::from_str(&self.filled(&shape.to_string())).unwrap();
            match serde_json::from_str(&text) {
                Ok(answer) => shape::compare(&shape, &answer, "answer", &mut problems),
                Err(error) => problems.push(format!("no JSON ({error})")),
            }
            if !problems.is_empty() {
                problems.push(format!("  it was: {}", brief(&text)));
            }
        }
        problems
    }
}

fn brief(text: &str) -> String {
    text.chars().take(600).collect()
}

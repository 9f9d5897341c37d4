//! The requests that Grafana's Loki data source, Explore, Logs Drilldown and logcli make are
//! answered with what each of them reads, over real data: `tests/it/loki_requests.json` has
//! each with the shape it needs.

pub(crate) mod shape;
mod world;

use crate::harness::{PATIENCE, Sonde, client, list};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use world::World;

/// One request, and what its sender needs of the answer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    client: String,
    asks: String,
    #[serde(default)]
    method: Method,
    path: String,
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
    /// How many lines, and in which order.
    #[serde(default)]
    lines: Lines,
    /// The sum of all values of a matrix.
    #[serde(default)]
    total: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
enum Method {
    #[default]
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Lines {
    count: Option<usize>,
    max: Option<usize>,
    order: Option<Order>,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Order {
    Forward,
    Backward,
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_grafana_and_logcli_is_answered_with_what_it_needs() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(
        dir.path(),
        &[("agent.tail.paths", "[]"), ("agent.node.enabled", "false")],
    )
    .await;
    let world = World::pushed_to(&sonde).await;
    let requests: Vec<Request> = serde_json::from_str(include_str!("loki_requests.json")).unwrap();
    let mut problems = Vec::new();
    for request in &requests {
        for problem in problems_of(&sonde, &world, request).await {
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
    assert!(sonde.stop().await.success());
}

async fn problems_of(sonde: &Sonde, world: &World, request: &Request) -> Vec<String> {
    let query: Vec<_> = request
        .query
        .iter()
        .map(|(name, value)| (name, world.filled(value)))
        .collect();
    let url = sonde.url(&request.path);
    let sent = match request.method {
        Method::Get => client().get(url).query(&query),
        Method::Post => client().post(url).form(&query),
    };
    let sent = request
        .headers
        .iter()
        .fold(sent, |sent, (name, value)| sent.header(name, value));
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
        match serde_json::from_str(&text) {
            Ok(answer) => {
                shape::compare(shape, &answer, "answer", &mut problems);
                problems.extend(wrong_lines(&request.lines, &answer));
                problems.extend(request.total.and_then(|total| wrong_total(total, &answer)));
            }
            Err(error) => problems.push(format!("no JSON ({error}): {}", brief(&text))),
        }
        if !problems.is_empty() {
            problems.push(format!("  it was: {}", brief(&text)));
        }
    }
    problems
}

fn brief(text: &str) -> String {
    text.chars().take(600).collect()
}

/// How many lines there are, and whether each stream has them in the order asked for.
fn wrong_lines(expected: &Lines, answer: &Value) -> Vec<String> {
    let streams: Vec<Vec<u64>> = list(&answer["data"], "result")
        .iter()
        .map(|stream| {
            let time = |value: &Value| value[0].as_str().and_then(|time| time.parse().ok());
            list(stream, "values").iter().filter_map(time).collect()
        })
        .collect();
    let count: usize = streams.iter().map(Vec::len).sum();
    let mut problems = Vec::new();
    if expected.count.is_some_and(|expected| expected != count) {
        problems.push(format!("{count} lines, not {:?}", expected.count));
    }
    if expected.max.is_some_and(|max| count > max || count == 0) {
        problems.push(format!("{count} lines, not 1 to {:?}", expected.max));
    }
    let is_ordered = |times: &Vec<u64>| match expected.order {
        Some(Order::Forward) => times.is_sorted(),
        Some(Order::Backward) => times.is_sorted_by(|a, b| a >= b),
        None => true,
    };
    if !streams.iter().all(is_ordered) {
        problems.push(format!("lines are not in order {:?}", expected.order));
    }
    problems
}

fn wrong_total(expected: f64, answer: &Value) -> Option<String> {
    let series = list(&answer["data"], "result").iter();
    let values = series.flat_map(|series| list(series, "values"));
    let numbers = values.filter_map(|value| value[1].as_str()?.parse::<f64>().ok());
    let total: f64 = numbers.sum();
    (total != expected).then(|| format!("the values sum up to {total}, not {expected}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tail_begins_with_what_there_was_and_goes_on_with_what_comes() {
    let dir = tempfile::tempdir().unwrap();
    let sonde = Sonde::up(
        dir.path(),
        &[("agent.tail.paths", "[]"), ("agent.node.enabled", "false")],
    )
    .await;
    let world = World::pushed_to(&sonde).await;
    let path = world.filled(
        "/loki/api/v1/tail?query=%7Bpod%3D%22web-0%22%7D&limit=1000&start=$start_ns&delay_for=0",
    );
    let mut tail = crate::websocket::WebSocket::open(sonde.address("http"), &path).await;
    let shape = serde_json::json!({
        "streams": {"[]": {
            "stream": {"namespace": "=shop", "pod": "=web-0", "*": "string"},
            "values": {"[]": ["nanoseconds", "string"], "min": 1},
        }},
        "dropped_entries?": "null|any",
    });
    let mut lines = Vec::new();
    let begun = std::time::Instant::now();
    let mut was_pushed = false;
    while lines.len() < world::LINES + 1 {
        assert!(
            begun.elapsed() < PATIENCE,
            "{} lines came\n{}",
            lines.len(),
            sonde.log()
        );
        let frame: Value = serde_json::from_str(&tail.text().await).unwrap();
        let mut problems = Vec::new();
        shape::compare(&shape, &frame, "frame", &mut problems);
        assert!(problems.is_empty(), "{problems:?}: {frame}");
        for stream in list(&frame, "streams") {
            let texts = list(stream, "values").iter().map(|value| value[1].clone());
            lines.extend(texts.map(|text| text.as_str().unwrap().to_owned()));
        }
        if lines.len() == world::LINES && !was_pushed {
            was_pushed = true;
            world::push_one(&sonde, "web-0", "the line that comes later").await;
        }
    }
    assert_eq!(lines.last().unwrap(), "the line that comes later");
    let distinct: std::collections::BTreeSet<_> = lines.iter().collect();
    assert_eq!(distinct.len(), lines.len(), "a line came twice");
}

//! What Sonde says, in the words that the plan has.

use super::plan::{Outcome, Parent, Role, Span};
use crate::harness::{PATIENCE, Sonde, client, list};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// Series by some of their labels.
pub(super) type Series = BTreeMap<Vec<String>, f64>;

/// What histograms are of: durations in nanoseconds by the labels of their series.
pub(super) type Times = BTreeMap<Vec<String>, Vec<u64>>;

/// A request from one service to another, or to one from outside.
struct Edge<'a> {
    labels: Vec<String>,
    client: Option<&'a Span>,
    server: &'a Span,
}

/// Calls by service, name, kind and outcome, as RED tells the spans of traces: how long each took.
pub(super) fn calls(traces: &[Vec<Span>]) -> Times {
    let mut calls = Times::new();
    let served = traces.iter().flatten().filter(|s| s.role == Role::Server);
    for span in served {
        let outcome = span.outcome.label();
        let labels = [&span.service, &span.name, "SPAN_KIND_SERVER", outcome];
        let labels = labels.map(str::to_owned).to_vec();
        calls.entry(labels).or_default().push(span.nanos);
    }
    calls
}

/// Requests by client, server and type, as the graph tells them.
#[derive(Default)]
pub(super) struct Requests {
    /// How long the answering side of each took.
    pub(super) server: Times,
    /// How long the asking side of each waited. Nobody told how long the user did.
    pub(super) client: Times,
    pub(super) failed: Series,
}

/// The requests of traces.
pub(super) fn requests(traces: &[Vec<Span>]) -> Requests {
    let mut requests = Requests::default();
    let is_error = |span: &Span| span.outcome == Outcome::Error;
    for edge in traces.iter().flat_map(|trace| edges(trace)) {
        let Edge {
            labels,
            client,
            server,
        } = edge;
        let fails = is_error(server) || client.is_some_and(is_error);
        let failed = requests.failed.entry(labels.clone()).or_default();
        *failed += f64::from(u8::from(fails));
        if let Some(client) = client {
            let waited = requests.client.entry(labels.clone()).or_default();
            waited.push(client.nanos);
        }
        requests
            .server
            .entry(labels)
            .or_default()
            .push(server.nanos);
    }
    requests
}

fn edges(trace: &[Span]) -> impl Iterator<Item = Edge<'_>> {
    let answers = trace.iter().filter(|span| span.role == Role::Server);
    answers.filter_map(|server| {
        let (client, name, kind) = match server.parent {
            Parent::Root => (None, "user", "virtual_node"),
            Parent::Of(parent) => (Some(&trace[parent]), &*trace[parent].service, ""),
            Parent::Lost => return None,
        };
        let labels = [name, &server.service, kind].map(str::to_owned).to_vec();
        Some(Edge {
            labels,
            client,
            server,
        })
    })
}

/// How many there are.
pub(super) fn counts(times: &Times) -> Series {
    let count = |(labels, times): (&Vec<String>, &Vec<u64>)| (labels.clone(), times.len() as f64);
    times.iter().map(count).collect()
}

/// Waits until a histogram has exactly these durations: every bucket, and the sum.
pub(super) async fn has_times(
    sonde: &Sonde,
    (metric, selector): (&str, &str),
    by: &[&str],
    expected: &Times,
) {
    let name = format!("{metric}_bucket{selector}");
    let by_bucket = [by, &["le"]].concat();
    let told = read(sonde, &name, &by_bucket).await;
    let bounds: BTreeSet<&String> = told.keys().filter_map(|labels| labels.last()).collect();
    assert!(bounds.len() > 5, "{name} has no buckets: {bounds:?}");
    let mut buckets = Series::new();
    for (labels, times) in expected {
        for bound in &bounds {
            let seconds: f64 = bound.parse().unwrap();
            let within = times.iter().filter(|nanos| **nanos as f64 / 1e9 <= seconds);
            let labels = [labels.as_slice(), &[(*bound).clone()]].concat();
            buckets.insert(labels, within.count() as f64);
        }
    }
    has(sonde, &name, &by_bucket, &buckets).await;
    for (labels, told) in read(sonde, &format!("{metric}_sum{selector}"), by).await {
        let sum = expected[&labels].iter().sum::<u64>() as f64 / 1e9;
        assert!(
            (told - sum).abs() <= 1e-9 * sum,
            "{labels:?}: {told}, not {sum}"
        );
    }
}

/// Waits until a metric has exactly these series with exactly these values.
pub(super) async fn has(sonde: &Sonde, metric: &str, by: &[&str], expected: &Series) {
    let begun = Instant::now();
    loop {
        let found = read(sonde, metric, by).await;
        if found == *expected {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{metric} is\n{found:#?}\nand not\n{expected:#?}\n{}",
            sonde.log()
        );
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// The series of a metric now; two with the same labels fail.
pub(super) async fn read(sonde: &Sonde, metric: &str, by: &[&str]) -> Series {
    let answer = sonde.get("/api/v1/query", &[("query", metric)]).await;
    let mut found = Series::new();
    for one in list(&answer["data"], "result") {
        let label = |name: &&str| one["metric"][*name].as_str().unwrap_or("").to_owned();
        let labels: Vec<String> = by.iter().map(label).collect();
        let value = one["value"][1].as_str().unwrap().parse().unwrap();
        assert_eq!(found.insert(labels, value), None, "{answer:#}");
    }
    found
}

/// The spans of a trace as the native dialect tells it.
pub(super) fn spans(trace: &Value) -> Vec<Span> {
    let told = list(trace, "spans");
    let text = |span: &Value, key: &str| span[key].as_str().unwrap_or("").to_owned();
    let parent = |span: &Value| match &span["parent"] {
        Value::Null => Parent::Root,
        id => {
            let place = told.iter().position(|span| span["span_id"] == *id);
            place.map_or(Parent::Lost, Parent::Of)
        }
    };
    let span = |span: &Value| Span {
        service: text(span, "service"),
        role: match &*text(span, "kind") {
            "server" => Role::Server,
            "client" => Role::Client,
            "internal" => Role::Internal,
            other => panic!("a span of kind {other:?}: {span:#}"),
        },
        name: text(span, "name"),
        outcome: match &*text(span, "status") {
            "unset" => Outcome::Unset,
            "error" => Outcome::Error,
            other => panic!("a span with status {other:?}: {span:#}"),
        },
        parent: parent(span),
        nanos: span["end"].as_u64().unwrap() - span["start"].as_u64().unwrap(),
    };
    told.iter().map(span).collect()
}

/// Waits until a gauge that Sonde has of itself has a value.
pub(super) async fn own_gauge_is(sonde: &Sonde, name: &str, value: f64) {
    let begun = Instant::now();
    loop {
        let found = own_counter(sonde, name).await;
        if found == value {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{name} is {found}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// A counter that Sonde has of itself.
pub(super) async fn own_counter(sonde: &Sonde, name: &str) -> f64 {
    let metrics = client().get(sonde.url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let named = |line: &&str| line.split(' ').next() == Some(name);
    let line = metrics.lines().find(named);
    let line = line.unwrap_or_else(|| panic!("no {name} in\n{metrics}"));
    line.rsplit(' ').next().unwrap().parse().unwrap()
}

//! Whether RED and the service graph count exactly what was sent, asked in PromQL.

use crate::Failure;
use crate::process::Sonde;
use crate::shop::{Counts, Labels, Signals};
use serde_json::Value;
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

/// Counters are written every few seconds.
const WITHIN: Duration = Duration::from_secs(60);

/// Waits until the counters are what was sent; how long that took.
///
/// # Errors
/// Where they come to rest at something else.
pub(crate) async fn counted(sonde: &Sonde, sent: &Signals) -> Result<Duration, Failure> {
    let begun = Instant::now();
    let all = [
        ("traces_spanmetrics_calls_total", &sent.calls),
        ("traces_spanmetrics_latency_count", &sent.calls),
        ("traces_service_graph_request_total", &sent.requests),
        ("traces_service_graph_request_failed_total", &sent.failed),
    ];
    for (name, expected) in all {
        loop {
            let found = ask(sonde, name, expected).await?;
            if found == *expected {
                break;
            }
            if begun.elapsed() > WITHIN {
                return Err(difference(name, &found, expected).into());
            }
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }
    Ok(begun.elapsed())
}

/// The counters of a name now, by the labels that were sent.
async fn ask(sonde: &Sonde, name: &str, expected: &Counts) -> Result<Counts, Failure> {
    let request = sonde.http().get(sonde.url("/api/v1/query"));
    let response = request.query(&[("query", name)]).send().await?;
    let answer: Value = response.error_for_status()?.json().await?;
    let series = answer["data"]["result"].as_array();
    let series = series.ok_or_else(|| format!("{name}: no result: {answer}"))?;
    let keys: BTreeSet<&'static str> = expected.keys().flatten().map(|(key, _)| *key).collect();
    let mut found = Counts::new();
    for one in series {
        let label = |key: &&'static str| Some((*key, one["metric"][*key].as_str()?.to_owned()));
        let labels = keys.iter().filter_map(label).collect();
        let value = one["value"][1]
            .as_str()
            .and_then(|text| text.parse::<f64>().ok());
        let value = value.ok_or_else(|| format!("{name}: no number in {one}"))?;
        *found.entry(labels).or_default() += value as u64;
    }
    Ok(found)
}

/// The first counter that differs, in words.
fn difference(name: &str, found: &Counts, expected: &Counts) -> String {
    let sum = |counts: &Counts| counts.values().sum::<u64>();
    let of = |counts: &Counts, key: &Labels| counts.get(key).copied().unwrap_or(0);
    let differs = expected
        .keys()
        .chain(found.keys())
        .find(|key| of(found, key) != of(expected, key));
    let example = differs.map(|key| (key, of(found, key), of(expected, key)));
    format!(
        "{name} came to {} and {} were sent; for example (labels, counted, sent): {example:?}",
        sum(found),
        sum(expected)
    )
}

//! Questions through Loki's API, and how long their answers take.

use crate::Failure;
use crate::process::Sonde;
use serde_json::Value;
use std::time::{Duration, Instant};

/// A question over a period.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    pub(crate) query: String,
    /// From when on, and before when, in milliseconds since 1970.
    pub(crate) period_ms: (u64, u64),
    pub(crate) shape: Shape,
}

/// What is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Shape {
    /// Lines, the newest first.
    Newest(u64),
    /// Lines, the oldest first.
    Oldest(u64),
    /// A number every so many milliseconds.
    Every(u64),
}

/// An answer.
pub(crate) struct Answer {
    /// From the question to the last byte of the answer.
    pub(crate) took: Duration,
    pub(crate) result: Vec<Value>,
}

impl Answer {
    /// How many lines or points it has.
    pub(crate) fn values(&self) -> usize {
        self.pairs().count()
    }

    /// The labels of each stream or series with its times and values.
    pub(crate) fn pairs(&self) -> impl Iterator<Item = (&Value, &Value)> {
        self.result.iter().flat_map(|one| {
            let labels = if one["stream"].is_object() {
                &one["stream"]
            } else {
                &one["metric"]
            };
            let values = one["values"].as_array().map_or(&[][..], Vec::as_slice);
            values.iter().map(move |value| (labels, value))
        })
    }
}

/// The number of a point.
pub(crate) fn number(value: &Value) -> f64 {
    let number = value[1].as_str().and_then(|text| text.parse().ok());
    number.unwrap_or(f64::NAN)
}

/// Asks.
///
/// # Errors
/// When it is refused, or the answer was cut.
pub(crate) async fn ask(sonde: &Sonde, question: &Question) -> Result<Answer, Failure> {
    let (start, end) = question.period_ms;
    let nanos = |ms: u64| (ms * 1_000_000).to_string();
    let mut parameters = vec![
        ("query", question.query.clone()),
        ("start", nanos(start)),
        ("end", nanos(end)),
    ];
    match question.shape {
        Shape::Newest(limit) => parameters.push(("limit", limit.to_string())),
        Shape::Oldest(limit) => {
            parameters.push(("limit", limit.to_string()));
            parameters.push(("direction", "forward".into()));
        }
        Shape::Every(ms) => parameters.push(("step", format!("{ms}ms"))),
    }
    let request = sonde.http().get(sonde.url("/loki/api/v1/query_range"));
    let begun = Instant::now();
    let response = request.query(&parameters).send().await?;
    let status = response.status();
    let body = response.bytes().await?;
    let took = begun.elapsed();
    let answer: Value = serde_json::from_slice(&body)
        .map_err(|_| format!("{status}: {}", String::from_utf8_lossy(&body)))?;
    let is_whole = answer["warnings"].as_array().is_none_or(Vec::is_empty);
    if answer["status"] != "success" || !is_whole {
        let said = [&answer["error"], &answer["warnings"]];
        return Err(format!("{}: {status} {said:?}", question.query).into());
    }
    let result = answer["data"]["result"].as_array().cloned();
    let result = result.ok_or_else(|| format!("{}: no result", question.query))?;
    Ok(Answer { took, result })
}

//! `GET /explain/metrics`: what carrying out a PromQL query took, part by part.
//!
//! At one `time`, or from `start` to `end` by `step` where a start is named.

use super::{Api, ApiError, tenant};
use crate::api::time;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Deserialize;
use serde_json::{Value, json};
use sonde_metrics::promql::{self, Answer, Node};
use sonde_metrics::{QueryError, QueryLimits, QueryValue, Question, Reads, When};
use sonde_proto::UnixNanos;
use std::time::{Duration, Instant};

/// How far apart two values are where nothing says it.
const STEP_DEFAULT: Duration = Duration::from_secs(15);

#[derive(Debug, Deserialize)]
pub(super) struct Parameters {
    query: String,
    time: Option<String>,
    start: Option<String>,
    end: Option<String>,
    step: Option<String>,
}

impl Parameters {
    fn when(&self, now: UnixNanos) -> Result<When, ApiError> {
        let instant = |name: &str, text: &Option<String>| match text {
            Some(text) => time::instant(name, text, now),
            None => Ok(now),
        };
        if self.start.is_none() {
            return Ok(When::At(instant("time", &self.time)?));
        }
        let (start, end) = (instant("start", &self.start)?, instant("end", &self.end)?);
        let step = self.step.as_deref();
        let step = step.map_or(Ok(STEP_DEFAULT), |step| time::duration("step", step))?;
        Ok(When::Over { start, end, step })
    }
}

pub(super) async fn explain(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<Parameters>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&headers)?;
    let when = parameters.when(api.now())?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let metrics = &sources.stores.metrics;
        let (reads, begun) = (Reads::default(), Instant::now());
        let question = Question {
            text: &parameters.query,
            limits: &QueryLimits {
                deadline: deadline.clone(),
                ..metrics.config().query_limits()
            },
            reads: &reads,
        };
        let explained = metrics.explain(&tenant, &question, when, &|| begun.elapsed());
        let (answer, nodes) = explained.map_err(|error| refused(&error))?;
        let text = promql::parse(&parameters.query, metrics.features());
        Ok(json!({
            "query": text.map_or_else(|_| parameters.query.clone(), |tree| promql::format(&tree)),
            "type": kind(&answer),
            "series": series(&answer),
            "samples": reads.samples(),
            "milliseconds": millis(begun.elapsed()),
            "parts": nodes.iter().map(part).collect::<Vec<_>>(),
            "warnings": answer.warnings,
            "infos": answer.infos,
        }))
    });
    answer.await.map(Json)
}

fn refused(error: &QueryError) -> ApiError {
    let message = error.to_string();
    match error {
        QueryError::Parse { .. } | QueryError::BadData(_) => ApiError::bad_request(message),
        QueryError::Execution(_) | QueryError::TooLarge(_) => ApiError::unprocessable(message),
        QueryError::Timeout(_) => ApiError::timeout(message),
    }
}

fn part(node: &Node) -> Value {
    json!({
        "part": node.text,
        "kind": node.kind,
        "depth": node.depth,
        "steps": node.steps,
        "series": node.series,
        "series_read": node.series_read,
        "chunks": node.chunks,
        "bytes": node.bytes,
        "samples": node.samples,
        "milliseconds": millis(node.time),
    })
}

/// To the microsecond.
fn millis(time: Duration) -> f64 {
    time.as_micros() as f64 / 1e3
}

fn kind(answer: &Answer) -> &'static str {
    match answer.value {
        QueryValue::Scalar(_) => "scalar",
        QueryValue::String { .. } => "string",
        QueryValue::Vector(_) => "vector",
        QueryValue::Matrix(_) => "matrix",
    }
}

fn series(answer: &Answer) -> usize {
    match &answer.value {
        QueryValue::Scalar(_) | QueryValue::String { .. } => 1,
        QueryValue::Vector(samples) => samples.len(),
        QueryValue::Matrix(series) => series.len(),
    }
}

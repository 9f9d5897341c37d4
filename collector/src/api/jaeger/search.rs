//! What a search for traces asks, in either version's parameters.

use super::answer::JaegerError;
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::ApiError;
use crate::api::conditions::Conditions;
use axum::http::HeaderMap;
use serde_json::{Map, Value};
use sonde_proto::UnixNanos;
use sonde_traces::{Search, TraceAnswer, TraceQuery};
use std::time::Duration;

const TRACES_DEFAULT: usize = 20;
/// As many as Jaeger's pages ask for.
const TRACES_MAX: usize = 1500;
const PERIOD_DEFAULT: Duration = Duration::from_secs(3600);

/// How a version calls its parameters.
#[derive(Debug)]
pub(super) struct Names {
    pub(super) service: &'static str,
    pub(super) operation: &'static str,
    pub(super) tags: &'static str,
    pub(super) shortest: &'static str,
    pub(super) longest: &'static str,
    pub(super) limit: &'static str,
}

/// A search that was read.
#[derive(Debug)]
pub(super) struct Asked {
    conditions: Conditions,
    start: UnixNanos,
    end: UnixNanos,
    limit: usize,
}

impl Asked {
    pub(super) fn read(
        names: &Names,
        parameters: &Parameters,
        (start, end): (Option<UnixNanos>, Option<UnixNanos>),
        now: UnixNanos,
    ) -> Result<Self, JaegerError> {
        let mut conditions = Conditions::default();
        if let Some(service) = parameters.get(names.service) {
            conditions.service(service);
        }
        // Grafana's "all operations".
        if let Some(operation) = parameters
            .get(names.operation)
            .filter(|name| *name != "all")
        {
            conditions.name(operation);
        }
        for (key, value) in tags(names.tags, parameters)? {
            conditions.tag(&key, &value);
        }
        for (name, op) in [(names.shortest, ">="), (names.longest, "<=")] {
            if let Some(text) = parameters.get(name) {
                conditions.duration("duration", op, crate::api::time::nanos(name, text)?);
            }
        }
        let end = end.unwrap_or(now);
        let start = start.unwrap_or(end.minus(PERIOD_DEFAULT));
        if start > end {
            return Err(JaegerError::bad_request("the start is after the end"));
        }
        let limit = parameters
            .get(names.limit)
            .map_or(Ok(TRACES_DEFAULT), str::parse);
        let limit = limit.ok().filter(|limit| *limit > 0).ok_or_else(|| {
            JaegerError::bad_request(format!("{} must be a number above zero", names.limit))
        })?;
        Ok(Self {
            conditions,
            start,
            end,
            limit: limit.min(TRACES_MAX),
        })
    }

    /// Searches.
    pub(super) async fn found(
        self,
        api: &Api,
        headers: &HeaderMap,
    ) -> Result<TraceAnswer, JaegerError> {
        let tenant = tenant(headers)?;
        let Self {
            conditions,
            start,
            end,
            limit,
        } = self;
        let query: TraceQuery = api.of(&tenant).read(move || conditions.query()).await??;
        let answer = api.of(&tenant).ask(move |sources, deadline| {
            let search = Search {
                query,
                start,
                end,
                limit,
                spans_per_set: 0,
                deadline: deadline.clone(),
            };
            let found = sources.stores.traces.search(&tenant, &search);
            found.map_err(|error| ApiError::internal(error.to_string()))
        });
        Ok(answer.await?)
    }
}

/// Tags as an object of texts, and each by itself as `key:value`.
fn tags(name: &str, parameters: &Parameters) -> Result<Vec<(String, String)>, JaegerError> {
    let mut tags = Vec::new();
    for (_, text) in parameters
        .0
        .iter()
        .filter(|(n, v)| n == name && !v.is_empty())
    {
        let object: Map<String, Value> = serde_json::from_str(text).map_err(|error| {
            JaegerError::bad_request(format!(
                "{name} must be a JSON object of texts, as in {{\"http.method\":\"GET\"}}: {error}"
            ))
        })?;
        for (key, value) in object {
            let text = match value {
                Value::String(text) => text,
                other => other.to_string(),
            };
            tags.push((key, text));
        }
    }
    for (_, pair) in parameters.0.iter().filter(|(n, _)| n == "tag") {
        let (key, value) = pair.split_once(':').ok_or_else(|| {
            JaegerError::bad_request(format!("tag must be key:value, not {pair:?}"))
        })?;
        tags.push((key.to_owned(), value.to_owned()));
    }
    Ok(tags)
}

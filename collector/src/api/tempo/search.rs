//! `GET /api/search`: the newest traces that a query finds, or those with tags and of a
//! duration, as it was asked before there was TraceQL.

use super::answer::{TempoError, any_value};
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::ApiError;
use crate::api::answer::cut_short;
use crate::api::conditions::Conditions;
use crate::api::items::Items;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sonde_proto::{Deadline, Tenant};
use sonde_traces::{FoundTrace, MatchedSpan, Search, SpanSet, Static, TraceAnswer, TraceQuery};

const TRACES_DEFAULT: usize = 20;
const TRACES_MAX: usize = 10_000;
const SPANS_DEFAULT: usize = 3;
const SPANS_MAX: usize = 1_000;
/// How many spans an answer may have: fewer of a set are told where there may be many sets.
const SPANS_OF_ANSWER_MAX: usize = 50_000;

pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let tenant = tenant(&headers)?;
    let asked = read(&api, &tenant, parameters).await?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let search = Search {
            deadline: deadline.clone(),
            ..asked.search.clone()
        };
        let found = sources.stores.traces.search(&tenant, &search);
        let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
        let mut items = Items::after(r#"{"traces":["#);
        found
            .traces
            .iter()
            .try_for_each(|one| items.push(&trace(one)))?;
        let inspected = found.traces.len();
        let cut = asked.cut(&found);
        let close = format!(
            r#"],"metrics":{{"inspectedTraces":{inspected},"completedJobs":1,"totalJobs":1}}}}"#
        );
        Ok((cut_short(cut.as_deref()), items.into_response(&close)))
    });
    Ok(answer.await?.into_response())
}

/// What was asked.
pub(super) struct Asked {
    /// Without the time it may take.
    pub(super) search: Search,
    /// How many spans of a set were asked for, which may be more than are told.
    spans_per_set: usize,
}

/// Reads what is asked.
pub(super) async fn read(
    api: &Api,
    tenant: &Tenant,
    parameters: Parameters,
) -> Result<Asked, TempoError> {
    let (start, end) = parameters.period(api.now())?;
    let limit = parameters.count("limit", TRACES_DEFAULT, TRACES_MAX)?;
    let spans_per_set = parameters.count("spss", SPANS_DEFAULT, SPANS_MAX)?;
    let query = api.of(tenant).read(move || query(&parameters)).await??;
    if query.metrics.is_some() {
        return Err(TempoError::bad_request(
            "q asks for numbers; ask /api/metrics/query_range, or leave out what follows the spans",
        ));
    }
    let search = Search {
        query,
        start,
        end,
        limit,
        spans_per_set: spans_per_set.min(SPANS_OF_ANSWER_MAX / limit),
        deadline: Deadline::never(),
    };
    Ok(Asked {
        search,
        spans_per_set,
    })
}

impl Asked {
    /// Why there may be more than was found.
    pub(super) fn cut(&self, found: &TraceAnswer) -> Option<String> {
        let told = self.search.spans_per_set;
        let lowered = || fewer_than_asked(&found.traces, self.spans_per_set, told);
        found.cut.clone().or_else(lowered)
    }
}

/// What is said where a set would have more of its spans if the answer might.
fn fewer_than_asked(traces: &[FoundTrace], asked: usize, told: usize) -> Option<String> {
    let sets = || traces.iter().flat_map(|found| &found.span_sets);
    let has_more = told < asked && sets().any(|set| set.spans.len() < set.matched);
    has_more.then(|| {
        format!(
            "spss is {told}, not {asked}: limit times spss may be {SPANS_OF_ANSWER_MAX}; lower limit"
        )
    })
}

fn query(parameters: &Parameters) -> Result<TraceQuery, TempoError> {
    let old = ["tags", "minDuration", "maxDuration"];
    let Some(text) = parameters.get("q") else {
        return of_tags(parameters);
    };
    if old.iter().any(|name| parameters.get(name).is_some()) {
        return Err(TempoError::bad_request(
            "q goes without tags, minDuration and maxDuration; say in q what they ask",
        ));
    }
    TraceQuery::parse(text)
        .map_err(|error| TempoError::bad_request(format!("invalid TraceQL query: {error}")))
}

fn of_tags(parameters: &Parameters) -> Result<TraceQuery, TempoError> {
    let mut conditions = Conditions::default();
    for (key, value) in pairs(parameters.get("tags").unwrap_or_default())? {
        conditions.tag(&key, &value);
    }
    for (name, op) in [("minDuration", ">="), ("maxDuration", "<=")] {
        if let Some(text) = parameters.get(name) {
            let nanos = crate::api::time::nanos(name, text)?;
            conditions.duration("traceDuration", op, nanos);
        }
    }
    Ok(conditions.query()?)
}

/// Reads logfmt: `key=value key="value with \" and \\"`.
fn pairs(text: &str) -> Result<Vec<(String, String)>, TempoError> {
    let mut pairs = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let refused = || {
            TempoError::bad_request(format!(
                "tags: expected key=value pairs with spaces between them, found {:?}",
                rest.chars().take(40).collect::<String>()
            ))
        };
        let (key, after) = rest.split_once('=').ok_or_else(refused)?;
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err(refused());
        }
        let (value, after) = if after.starts_with('"') {
            let (value, end) = sonde_lex::string(after, 0).map_err(|_| refused())?;
            (value.into_owned(), &after[end..])
        } else {
            let end = after.find(char::is_whitespace).unwrap_or(after.len());
            (after[..end].to_owned(), &after[end..])
        };
        pairs.push((key.to_owned(), value));
        rest = after.trim_start();
    }
    Ok(pairs)
}

fn trace(found: &FoundTrace) -> Value {
    let summary = &found.summary;
    let sets: Vec<_> = found.span_sets.iter().map(span_set).collect();
    json!({
        "traceID": summary.trace_id,
        "rootServiceName": summary.root_service,
        "rootTraceName": summary.root_name,
        "startTimeUnixNano": summary.start.0.to_string(),
        "durationMs": summary.duration_nanos / 1_000_000,
        "spanSet": sets.first(),
        "spanSets": sets,
    })
}

fn span_set(set: &SpanSet) -> Value {
    json!({
        "spans": set.spans.iter().map(span).collect::<Vec<_>>(),
        "matched": set.matched,
        "attributes": attributes(&set.attributes),
    })
}

fn span(span: &MatchedSpan) -> Value {
    json!({
        "spanID": span.span_id,
        "name": span.name,
        "startTimeUnixNano": span.start.0.to_string(),
        "durationNanos": span.duration_nanos.to_string(),
        "attributes": attributes(&span.attributes),
    })
}

fn attributes(attributes: &[(String, Static)]) -> Vec<Value> {
    let attribute =
        |(key, value): &(String, Static)| json!({ "key": key, "value": any_value(value) });
    attributes.iter().map(attribute).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_read_as_logfmt() {
        let check = |text: &str, expected: &[(&str, &str)]| {
            let found = pairs(text).unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|(k, v)| (k.as_str(), v.as_str()))
                .collect();
            assert_eq!(found, expected, "{text}");
        };
        check("", &[]);
        check(" a=b  c=d ", &[("a", "b"), ("c", "d")]);
        check(
            r#"a="b c" d="\"" e="#,
            &[("a", "b c"), ("d", "\""), ("e", "")],
        );
        check("a=b=c", &[("a", "b=c")]);
        for bad in ["a", "a b=c", "=b", "a=\"b", "a=b c"] {
            assert!(pairs(bad).is_err(), "{bad}");
        }
    }
}

//! `GET /api/metrics/query_range` and `GET /api/metrics/query`: numbers over spans, over time
//! or at once.

use super::answer::{TempoError, any_value};
use super::parameters::Parameters;
use super::{Api, tenant};
use crate::api::ApiError;
use crate::api::answer::cut_short;
use crate::api::items::Items;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sonde_proto::{Deadline, Tenant, UnixNanos};
use sonde_traces::{Exemplar, MetricsAnswer, MetricsSearch, Series, Static, TraceQuery, Window};
use std::time::Duration;

const EXEMPLARS_DEFAULT: usize = 100;
const EXEMPLARS_MAX: usize = 1_000;
/// How many steps there are where none was asked for.
const STEPS_DEFAULT: u64 = 250;

pub(super) async fn range(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let asked = Asked::range(&parameters, api.now())?;
    let put = |items: &mut Items, series: &Series| items.push(&of_range(series));
    counted(&api, &headers, asked, put, r#"],"metrics":{}}"#).await
}

pub(super) async fn instant(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, TempoError> {
    let asked = Asked::instant(&parameters, api.now())?;
    let put = |items: &mut Items, series: &Series| match of_instant(series) {
        Some(series) => items.push(&series),
        None => Ok(()),
    };
    // Clients refuse fields that they do not know.
    counted(&api, &headers, asked, put, "]}").await
}

/// What was asked, its query not read yet.
pub(super) struct Asked {
    text: String,
    pub(super) window: Window,
    exemplars: usize,
}

impl Asked {
    pub(super) fn range(parameters: &Parameters, now: UnixNanos) -> Result<Self, TempoError> {
        let period = period(parameters, now)?;
        let step = step(parameters, period)?;
        let window = Window::range(period.0, period.1, step).map_err(TempoError::bad_request)?;
        let exemplars = parameters.count("exemplars", EXEMPLARS_DEFAULT, EXEMPLARS_MAX)?;
        Self::of(parameters, window, exemplars)
    }

    pub(super) fn instant(parameters: &Parameters, now: UnixNanos) -> Result<Self, TempoError> {
        let (start, end) = period(parameters, now)?;
        let window = Window::instant(start, end).map_err(TempoError::bad_request)?;
        Self::of(parameters, window, 0)
    }

    fn of(parameters: &Parameters, window: Window, exemplars: usize) -> Result<Self, TempoError> {
        let text = parameters.get("q").or_else(|| parameters.get("query"));
        let text = text.ok_or_else(|| TempoError::bad_request("parameter \"q\" is missing"))?;
        Ok(Self {
            text: text.to_owned(),
            window,
            exemplars,
        })
    }

    /// Reads the query.
    pub(super) async fn read(self, api: &Api, tenant: &Tenant) -> Result<Counted, TempoError> {
        let Self {
            text,
            window,
            exemplars,
        } = self;
        let query = api
            .of(tenant)
            .read(move || TraceQuery::parse(&text))
            .await?;
        let query = query
            .map_err(|error| TempoError::bad_request(format!("invalid TraceQL query: {error}")))?;
        // At once there are none: an exemplar stands at a time.
        let own = query.exemplars().filter(|_| exemplars > 0);
        Ok(Counted {
            exemplars: own.map_or(exemplars, |count| count.min(EXEMPLARS_MAX)),
            query,
            window,
        })
    }
}

/// What is to be counted.
pub(super) struct Counted {
    query: TraceQuery,
    window: Window,
    exemplars: usize,
}

impl Counted {
    pub(super) fn until(self, deadline: &Deadline) -> MetricsSearch {
        let Self {
            query,
            window,
            exemplars,
        } = self;
        MetricsSearch {
            query,
            window,
            exemplars,
            deadline: deadline.clone(),
        }
    }
}

/// Counts, and answers with the series as `put` writes them.
async fn counted(
    api: &Api,
    headers: &HeaderMap,
    asked: Asked,
    put: impl Fn(&mut Items, &Series) -> Result<(), ApiError> + Send + 'static,
    close: &'static str,
) -> Result<Response, TempoError> {
    let tenant = tenant(headers)?;
    let asked = asked.read(api, &tenant).await?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let search = asked.until(deadline);
        let found = sources.stores.traces.metrics(&tenant, &search);
        let found = found.map_err(|error| ApiError::internal(error.to_string()))?;
        let MetricsAnswer { series, cut, .. } = found.ok_or_else(asks_for_spans)?;
        let mut items = Items::after(r#"{"series":["#);
        series.iter().try_for_each(|one| put(&mut items, one))?;
        Ok((cut_short(cut.as_deref()), items.into_response(close)))
    });
    Ok(answer.await?.into_response())
}

pub(super) fn asks_for_spans() -> ApiError {
    ApiError::bad_request("q asks for spans; end it with what is counted, as in | rate()")
}

/// `start` and `end`, or the time since `since` ago.
fn period(parameters: &Parameters, now: UnixNanos) -> Result<(UnixNanos, UnixNanos), TempoError> {
    let (start, end) = parameters.period(now)?;
    let Some(since) = parameters
        .get("since")
        .filter(|_| parameters.get("start").is_none())
    else {
        return Ok((start, end));
    };
    let since = Duration::from_nanos(crate::api::time::nanos("since", since)?);
    Ok((end.minus(since), end))
}

/// A duration or a number of seconds, in nanoseconds.
fn step(parameters: &Parameters, (start, end): (UnixNanos, UnixNanos)) -> Result<u64, TempoError> {
    let Some(text) = parameters.get("step") else {
        let seconds = end.since(start).as_secs().div_ceil(STEPS_DEFAULT);
        return Ok(seconds.max(1) * 1_000_000_000);
    };
    let step = crate::api::time::duration("step", text)?;
    u64::try_from(step.as_nanos())
        .map_err(|_| TempoError::bad_request("step: it is longer than 500 years"))
}

fn of_range(series: &Series) -> Value {
    let numbers = series.samples.iter().filter(|(_, value)| value.is_finite());
    let sample =
        |(time, value): &(i64, f64)| json!({ "timestampMs": time.to_string(), "value": value });
    json!({
        "labels": labels(&series.labels),
        "samples": numbers.map(sample).collect::<Vec<_>>(),
        "exemplars": series.exemplars.iter().map(exemplar).collect::<Vec<_>>(),
    })
}

/// The last sample that is a number.
pub(super) fn last_number(series: &Series) -> Option<f64> {
    let mut values = series.samples.iter().rev().map(|(_, value)| *value);
    values.find(|value| value.is_finite())
}

fn of_instant(series: &Series) -> Option<Value> {
    let value = last_number(series)?;
    Some(json!({ "labels": labels(&series.labels), "value": value }))
}

fn labels(labels: &[(String, Static)]) -> Vec<Value> {
    let label = |(key, value): &(String, Static)| json!({ "key": key, "value": any_value(value) });
    labels.iter().map(label).collect()
}

fn exemplar(exemplar: &Exemplar) -> Value {
    let text = |key: &str, value: String| json!({ "key": key, "value": { "stringValue": value } });
    json!({
        "labels": [
            text("trace:id", exemplar.trace_id.to_string()),
            text("span:id", exemplar.span_id.to_string()),
        ],
        "value": exemplar.value,
        "timestampMs": exemplar.time_ms.to_string(),
    })
}

//! `query` and `query_range`.

use super::envelope::{query_failed, success_with};
use super::{Api, Failure, Parameters, tenant};
use crate::api::ApiError;
use crate::api::samples::{
    Each, Either, HistogramPoints, Mixed, SamplePoints, one_sample, point, seconds,
};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use sonde_metrics::{Answer, QueryError, QueryLimits, QueryValue};
use sonde_proto::Deadline;
use std::time::Duration;

/// Prometheus' own limit on the points of one series.
const POINTS_MAX: u128 = 11_000;

pub(super) async fn instant(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let query = parameters.required("query")?.to_owned();
    let now = api.now();
    let time = parameters.time("time", now, now)?;
    let timeout = timeout(&parameters)?;
    let value = api.of(&tenant).ask(move |sources, deadline| {
        let limits = limits(deadline, timeout);
        sources
            .stores
            .metrics
            .instant(&tenant, &query, time, &limits)
            .map_err(|error| match error {
                QueryError::Parse { .. } => {
                    ApiError::bad_request(format!("invalid parameter \"query\": {error}"))
                }
                error => query_failed(&error),
            })
    });
    Ok(answered(value.await?))
}

pub(super) async fn range(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let query = parameters.required("query")?.to_owned();
    let now = api.now();
    parameters.required("start")?;
    parameters.required("end")?;
    let (start, end) = (
        parameters.time("start", now, now)?,
        parameters.time("end", now, now)?,
    );
    if end < start {
        return Err(Failure::bad_data(
            "invalid parameter \"end\": end timestamp must not be before start time".into(),
        ));
    }
    let step = crate::api::time::duration("step", parameters.required("step")?)?;
    if end.since(start).as_nanos() / step.as_nanos() > POINTS_MAX {
        return Err(Failure::bad_data(format!(
            "exceeded maximum resolution of {POINTS_MAX} points per timeseries. Try decreasing the query resolution (?step=XX)"
        )));
    }
    let timeout = timeout(&parameters)?;
    let value = api.of(&tenant).ask(move |sources, deadline| {
        let limits = limits(deadline, timeout);
        sources
            .stores
            .metrics
            .range(&tenant, &query, start, end, step, &limits)
            .map_err(|error| query_failed(&error))
    });
    Ok(answered(value.await?))
}

fn timeout(parameters: &Parameters) -> Result<Option<Duration>, Failure> {
    let text = parameters.get("timeout");
    text.map(|text| crate::api::time::duration("timeout", text))
        .transpose()
        .map_err(Failure::from)
}

fn limits(deadline: &Deadline, timeout: Option<Duration>) -> QueryLimits {
    QueryLimits {
        deadline: deadline.at_most(timeout.unwrap_or(Duration::MAX)),
        ..QueryLimits::default()
    }
}

fn answered(answer: Answer) -> Response {
    let (warnings, infos) = (answer.warnings, answer.infos);
    success_with(Data(answer.value), warnings, infos)
}

/// A query's value as the API writes it.
struct Data(QueryValue);

impl Serialize for Data {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut map = s.serialize_map(Some(2))?;
        match &self.0 {
            QueryValue::Scalar(sample) => {
                map.serialize_entry("resultType", "scalar")?;
                map.serialize_entry("result", &point(sample.time, sample.value))?;
            }
            QueryValue::String { time, value } => {
                map.serialize_entry("resultType", "string")?;
                map.serialize_entry("result", &(seconds(*time), value))?;
            }
            QueryValue::Vector(samples) => {
                map.serialize_entry("resultType", "vector")?;
                map.serialize_entry(
                    "result",
                    &Each(samples, |one| Either {
                        metric: &one.labels,
                        value: one_sample(one.time, &one.value),
                    }),
                )?;
            }
            QueryValue::Matrix(series) => {
                map.serialize_entry("resultType", "matrix")?;
                map.serialize_entry(
                    "result",
                    &Each(series, |series| Mixed {
                        metric: &series.labels,
                        values: SamplePoints(&series.samples),
                        histograms: HistogramPoints(&series.histograms),
                    }),
                )?;
            }
        }
        map.end()
    }
}

//! `metadata` and `query_exemplars`.

use super::envelope::{no_expression, query_failed};
use super::parameters::{Moment, Parameters};
use super::{Api, Failure, success, tenant};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) async fn metadata(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let limit = count(&parameters, "limit")?.unwrap_or(usize::MAX);
    let per_metric = count(&parameters, "limit_per_metric")?.filter(|limit| *limit > 0);
    let per_metric = per_metric.unwrap_or(usize::MAX);
    let wanted = Some(parameters.text("metric").to_owned()).filter(|wanted| !wanted.is_empty());
    // An answer of megabytes is written where it keeps no socket waiting.
    let answer = api.of(&tenant).ask(move |sources, _| {
        let mut by_name: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for one in sources.stores.metrics.metadata(&tenant) {
            if wanted.as_ref().is_some_and(|wanted| *wanted != one.name) {
                continue;
            }
            if by_name.len() >= limit && !by_name.contains_key(&one.name) {
                break;
            }
            let entry = json!({ "type": one.kind, "help": one.help, "unit": one.unit });
            let known = by_name.entry(one.name).or_default();
            if known.len() < per_metric {
                known.push(entry);
            }
        }
        Ok(success(by_name))
    });
    Ok(answer.await?)
}

/// A number that may be left out, in Prometheus' words; less than none is no limit.
fn count(parameters: &Parameters, name: &str) -> Result<Option<usize>, Failure> {
    match parameters.text(name) {
        "" => Ok(None),
        text => match text.parse::<i64>() {
            Ok(count) => Ok(usize::try_from(count).ok()),
            Err(_) => Err(Failure::bad_data(format!("{name} must be a number"))),
        },
    }
}

pub(super) async fn exemplars(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    let query = parameters.text("query").to_owned();
    let features = *api.sources.stores.metrics.features();
    let read = api
        .of(&tenant)
        .read(move || sonde_metrics::promql::selectors(&query, &features));
    let selectors = read.await?.map_err(|error| no_expression("query", error))?;
    let (start, end) = (
        parameters.time("start", Moment(0), now)?,
        parameters.time("end", now.into(), now)?,
    );
    if end < start {
        return Err(Failure::bad_data(
            "end timestamp must not be before start timestamp".into(),
        ));
    }
    let (start, end) = (start.clamped(), end.clamped());
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let metrics = &sources.stores.metrics;
        let found = metrics.exemplars(&tenant, &selectors, start, end, deadline);
        let found = found.map_err(|error| query_failed(&error))?;
        let data = found.into_iter().map(|(labels, exemplars)| {
            let exemplars = exemplars.into_iter().map(|one| {
                let seconds = one.time.as_millis() as f64 / 1e3;
                json!({ "labels": one.labels, "value": one.value.to_string(), "timestamp": seconds })
            });
            json!({ "seriesLabels": labels, "exemplars": exemplars.collect::<Vec<_>>() })
        });
        Ok(success(data.collect::<Vec<_>>()))
    });
    Ok(answer.await?)
}

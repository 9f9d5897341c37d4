//! `metadata`, `query_exemplars` and `status/buildinfo`.

use super::envelope::no_expression;
use super::{Api, Failure, Parameters, success, tenant};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde_json::{Value, json};
use sonde_proto::UnixNanos;
use std::collections::BTreeMap;

pub(super) async fn metadata(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let limit = parameters.limit()?;
    let wanted = parameters.get("metric").map(str::to_owned);
    let known = api
        .of(&tenant)
        .ask(move |sources, _| Ok(sources.stores.metrics.metadata(&tenant)))
        .await?;
    let mut by_name: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for one in known {
        if wanted.as_ref().is_some_and(|wanted| *wanted != one.name) {
            continue;
        }
        if by_name.len() >= limit && !by_name.contains_key(&one.name) {
            break;
        }
        let entry = json!({ "type": one.kind, "help": one.help, "unit": one.unit });
        by_name.entry(one.name).or_default().push(entry);
    }
    Ok(success(by_name))
}

pub(super) async fn exemplars(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Failure> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    let query = parameters.required("query")?;
    let features = api.sources.stores.metrics.features();
    let selectors = sonde_metrics::promql::selectors(query, features)
        .map_err(|error| no_expression("query", error))?;
    let (start, end) = (
        parameters.time("start", UnixNanos(0), now)?,
        parameters.time("end", now, now)?,
    );
    let found = api
        .of(&tenant)
        .ask(move |sources, _| {
            Ok(sources
                .stores
                .metrics
                .exemplars(&tenant, &selectors, start, end))
        })
        .await?;
    let data = found.into_iter().map(|(labels, exemplars)| {
        let exemplars = exemplars.into_iter().map(|one| {
            let seconds = one.time.as_millis() as f64 / 1e3;
            json!({ "labels": one.labels, "value": one.value.to_string(), "timestamp": seconds })
        });
        json!({ "seriesLabels": labels, "exemplars": exemplars.collect::<Vec<_>>() })
    });
    Ok(success(data.collect::<Vec<_>>()))
}

/// Grafana reads the version to know what it may ask: the dialect is Prometheus 3's.
pub(super) async fn buildinfo() -> Response {
    success(json!({
        "version": "3.0.0",
        "revision": concat!("sonde-", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
    }))
}

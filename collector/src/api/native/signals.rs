//! `GET /signals/use`, and what the methods' endpoints share: their numbers, asked in PromQL of
//! the series that `sonde-signals` names.

use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::Sources;
use crate::at_once;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sonde_metrics::{QueryLimits, QueryValue, RangeSeries};
use sonde_proto::{Deadline, Labels, SampleValue, Tenant, UnixNanos};
use sonde_signals::Scope;
use std::time::Duration;

/// Spans that are a service's own work on request, which RED counts.
pub(super) const SERVED: &str = r#"span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER""#;
const POINTS_MAX: u32 = 240;
const STEP_MIN: Duration = Duration::from_secs(5);
/// How many series of one signal are shown: the devices of a node, or its interfaces.
const SERIES_PER_SIGNAL_MAX: usize = 100;

/// A text as a string of PromQL and of trace queries, which know fewer escapes than Rust.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The request rate, per second. `matchers` ends with a comma where it is not empty.
pub(super) fn rate(matchers: &str, by: &str) -> String {
    format!("sum {by} (rate(traces_spanmetrics_calls_total{{{matchers}{SERVED}}}[1m]))")
}

/// The share of requests that failed, from 0 to 1.
pub(super) fn error_ratio(matchers: &str, by: &str) -> String {
    let all = rate(matchers, by);
    let failed = rate(&format!("{matchers}status_code=\"STATUS_CODE_ERROR\","), by);
    format!("({failed} or {all} * 0) / ({all} > 0)")
}

/// A quantile of the durations, in seconds. `by` includes `le`.
pub(super) fn quantile(quantile: f64, matchers: &str, by: &str) -> String {
    format!(
        "histogram_quantile({quantile}, sum {by} (rate(traces_spanmetrics_latency_bucket{{{matchers}{SERVED}}}[1m])))"
    )
}

/// A service's series: `[time in ms, value]`.
#[derive(Debug, Serialize)]
pub(super) struct Red {
    service: String,
    rate: Vec<(i64, f64)>,
    errors: Vec<(i64, f64)>,
    p50_seconds: Vec<(i64, f64)>,
    p95_seconds: Vec<(i64, f64)>,
    p99_seconds: Vec<(i64, f64)>,
}

/// One USE signal of one resource of one node.
#[derive(Debug, Serialize)]
pub(super) struct Use {
    resource: sonde_signals::Resource,
    method: sonde_signals::Method,
    metric: &'static str,
    unit: &'static str,
    help: &'static str,
    labels: Labels,
    value: Option<f64>,
    samples: Vec<(i64, f64)>,
}

/// Whose resources.
#[derive(Debug, Deserialize)]
pub(super) struct UseParameters {
    scope: Option<String>,
}

pub(super) async fn use_signals(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
    Query(UseParameters { scope }): Query<UseParameters>,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&headers)?;
    let period = parameters.period(api.now())?;
    let scope = match scope.as_deref() {
        None | Some("node") => Scope::Node,
        Some("container") => Scope::Container,
        Some("pod") => Scope::Pod,
        Some(other) => {
            let message = format!("scope: {other:?} is none of node, container and pod");
            return Err(ApiError::bad_request(message));
        }
    };
    let (signals, cut) = api
        .of(&tenant)
        .ask(move |sources, deadline| use_of(sources, &tenant, scope, period, deadline))
        .await?;
    Ok(Json(json!({ "signals": signals, "cut": cut })))
}

/// A service's RED over a period.
pub(super) fn red_of(
    sources: &Sources,
    tenant: &Tenant,
    service: &str,
    period: (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<Red, ApiError> {
    let matchers = format!("service={},", quoted(service));
    let queries = [
        rate(&matchers, ""),
        error_ratio(&matchers, ""),
        quantile(0.5, &matchers, "by (le)"),
        quantile(0.95, &matchers, "by (le)"),
        quantile(0.99, &matchers, "by (le)"),
    ];
    let mut answers = at_once::each(&queries, |query| {
        matrix(sources, tenant, query, period, deadline)
    })
    .into_iter();
    let mut line = || -> Result<Vec<(i64, f64)>, ApiError> {
        let series = answers.next().transpose()?;
        let first = series.into_iter().flatten().next();
        Ok(first.map(|series| points(&series)).unwrap_or_default())
    };
    Ok(Red {
        service: service.into(),
        rate: line()?,
        errors: line()?,
        p50_seconds: line()?,
        p95_seconds: line()?,
        p99_seconds: line()?,
    })
}

/// Every USE signal of nodes, containers or pods over a period, with its last value; and why
/// that is not everything.
pub(super) fn use_of(
    sources: &Sources,
    tenant: &Tenant,
    scope: Scope,
    period: (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<(Vec<Use>, Option<String>), ApiError> {
    let rows = sonde_signals::use_table().iter();
    let rows: Vec<_> = rows.filter(|row| row.scope() == scope).collect();
    let answers = at_once::each(&rows, |signal| {
        matrix(sources, tenant, signal.metric, period, deadline)
    });
    let (mut signals, mut cut) = (Vec::new(), None);
    for (signal, series) in rows.into_iter().zip(answers) {
        let series = series?;
        if series.len() > SERIES_PER_SIGNAL_MAX {
            cut.get_or_insert_with(|| {
                let (all, metric) = (series.len(), signal.metric);
                format!("{metric} has {all} series; of each signal the first {SERIES_PER_SIGNAL_MAX} are shown")
            });
        }
        for series in series.into_iter().take(SERIES_PER_SIGNAL_MAX) {
            let samples = points(&series);
            let mut labels = series.labels.to_builder();
            labels.remove("__name__");
            signals.push(Use {
                resource: signal.resource,
                method: signal.method,
                metric: signal.metric,
                unit: signal.unit,
                help: signal.help,
                labels: labels.build(),
                value: samples.last().map(|(_, value)| *value),
                samples,
            });
        }
    }
    Ok((signals, cut))
}

/// The values of an instant query.
pub(super) fn vector(
    sources: &Sources,
    tenant: &Tenant,
    query: &str,
    at: UnixNanos,
    deadline: &Deadline,
) -> Result<Vec<(Labels, f64)>, ApiError> {
    let limits = QueryLimits {
        deadline: deadline.clone(),
        ..sources.stores.metrics.config().query_limits()
    };
    let answer = sources.stores.metrics.instant(tenant, query, at, &limits);
    match answer.map(|answer| answer.value) {
        Ok(QueryValue::Vector(samples)) => Ok(samples
            .into_iter()
            .filter_map(|s| match s.value {
                SampleValue::Float(value) => Some((s.labels, value)),
                SampleValue::Histogram(_) => None,
            })
            .collect()),
        Ok(_) => Ok(Vec::new()),
        Err(error) => Err(ApiError::unprocessable(error.to_string())),
    }
}

fn matrix(
    sources: &Sources,
    tenant: &Tenant,
    query: &str,
    (start, end): (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<Vec<RangeSeries>, ApiError> {
    let step = (end.since(start) / POINTS_MAX).max(STEP_MIN);
    let limits = QueryLimits {
        deadline: deadline.clone(),
        ..sources.stores.metrics.config().query_limits()
    };
    match sources
        .stores
        .metrics
        .range(tenant, query, start, end, step, &limits)
        .map(|answer| answer.value)
    {
        Ok(QueryValue::Matrix(series)) => Ok(series),
        Ok(_) => Ok(Vec::new()),
        Err(error) => Err(ApiError::unprocessable(error.to_string())),
    }
}

fn points(series: &RangeSeries) -> Vec<(i64, f64)> {
    let finite = series.samples.iter().filter(|(_, value)| value.is_finite());
    finite
        .map(|(time, value)| (time.as_millis(), *value))
        .collect()
}

//! `GET /alerts` and `GET /alerts/{fingerprint}`: an alert with what leads to its cause.

use super::signals::{Red, Use, quoted};
use super::{Api, ApiError, tenant};
use crate::api::Sources;
use crate::evaluate::alerts_of;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};
use sonde_alerts::{AlertStatus, Notification};
use sonde_logs::LogRecord;
use sonde_proto::{Deadline, Tenant, UnixNanos};
use sonde_signals::Scope;
use sonde_traces::{Search, Trace, TraceQuery};
use std::time::Duration;

/// How much is shown before an alert fired and after it resolved.
const BEFORE: Duration = Duration::from_secs(10 * 60);
const AFTER: Duration = Duration::from_secs(5 * 60);
const NOTIFICATIONS_MAX: usize = 1000;
const LOGS_MAX: usize = 200;

/// One alert and its context.
#[derive(Debug, Serialize)]
pub(super) struct AlertView {
    alert: AlertStatus,
    service: Option<String>,
    notifications: Vec<Notification>,
    red: Option<Red>,
    r#use: Vec<Use>,
    example_trace: Option<Trace>,
    logs: Vec<LogRecord>,
}

/// Whether an alert is firing.
pub(super) fn fires(alert: &AlertStatus) -> bool {
    alert.ends_at.is_none()
}

pub(super) async fn list(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let alerts = alerts_of(&api.sources.alerts, &tenant(&headers)?);
    Ok(Json(json!({ "alerts": alerts })))
}

pub(super) async fn alert(
    State(api): State<Api>,
    headers: HeaderMap,
    Path(fingerprint): Path<String>,
) -> Result<Json<AlertView>, ApiError> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    let view = api.of(&tenant).ask(move |sources, deadline| {
        let mut alerts = alerts_of(&sources.alerts, &tenant).into_iter();
        let alert = alerts
            .find(|alert| alert.fingerprint.to_string() == fingerprint)
            .ok_or_else(|| {
                ApiError::not_found(format!(
                    "no alert {fingerprint} is kept here; it may have resolved long ago"
                ))
            })?;
        view(sources, &tenant, alert, now, deadline)
    });
    view.await.map(Json)
}

fn view(
    sources: &Sources,
    tenant: &Tenant,
    alert: AlertStatus,
    now: UnixNanos,
    deadline: &Deadline,
) -> Result<AlertView, ApiError> {
    let end = alert
        .ends_at
        .map_or(now, |ended| ended.plus(AFTER).min(now));
    let period = (alert.starts_at.minus(BEFORE), end);
    let service =
        Some(alert.labels.get("service").to_owned()).filter(|service| !service.is_empty());
    let (mut red, mut example_trace, mut logs) = (None, None, Vec::new());
    if let Some(service) = &service {
        red = Some(super::signals::red_of(
            sources, tenant, service, period, deadline,
        )?);
        example_trace = example(sources, tenant, service, period, deadline)?;
    }
    if let Some(trace) = &example_trace {
        let found = sources
            .stores
            .logs
            .by_trace(tenant, &trace.trace_id, LOGS_MAX, deadline);
        logs = found
            .map_err(|error| ApiError::internal(error.to_string()))?
            .records;
    }
    let notifications = sources.alerts.notifications(NOTIFICATIONS_MAX).into_iter();
    Ok(AlertView {
        notifications: notifications
            .filter(|n| n.alerts.contains(&alert.fingerprint))
            .collect(),
        r#use: super::signals::use_of(sources, tenant, Scope::Node, period, deadline)?.0,
        alert,
        service,
        red,
        example_trace,
        logs,
    })
}

/// A trace that shows what is wrong: one that failed on this service, else a slow one,
/// else any.
fn example(
    sources: &Sources,
    tenant: &Tenant,
    service: &str,
    (start, end): (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<Option<Trace>, ApiError> {
    let internal = |error: sonde_traces::SearchError| ApiError::internal(error.to_string());
    for condition in [" && status = error", " && duration > 1s", ""] {
        let query = format!(
            "{{ resource.service.name = {}{condition} }}",
            quoted(service)
        );
        let query =
            TraceQuery::parse(&query).map_err(|error| ApiError::internal(error.to_string()))?;
        let search = Search {
            query,
            start,
            end,
            limit: 1,
            spans_per_set: 0,
            deadline: deadline.clone(),
        };
        let answer = sources
            .stores
            .traces
            .search(tenant, &search)
            .map_err(internal)?;
        if let Some(found) = answer.traces.first() {
            return sources
                .stores
                .traces
                .trace(tenant, &found.summary.trace_id)
                .map_err(internal);
        }
    }
    Ok(None)
}

//! `GET /services`: every service with its rate, errors and durations now.

use super::{Api, ApiError, tenant};
use crate::api::Sources;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use serde_json::{Value, json};
use sonde_proto::{Deadline, Tenant, UnixNanos};
use std::collections::BTreeMap;

/// One service's line. A number is missing where no span of the last minute gives it.
#[derive(Debug, Default, Serialize)]
struct Service {
    name: String,
    rate: Option<f64>,
    error_ratio: Option<f64>,
    p50_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    alerts: usize,
}

pub(super) async fn services(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    api.of(&tenant)
        .ask(move |sources, deadline| render(sources, &tenant, now, deadline))
        .await
        .map(Json)
}

fn render(
    sources: &Sources,
    tenant: &Tenant,
    now: UnixNanos,
    deadline: &Deadline,
) -> Result<Value, ApiError> {
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    let names = sources
        .stores
        .traces
        .services(tenant)
        .into_iter()
        .chain(sources.stores.logs.services(tenant));
    for name in names {
        services
            .entry(name.clone())
            .or_default()
            .name
            .clone_from(&name);
    }
    let mut fill = |query: &str, set: fn(&mut Service, f64)| -> Result<(), ApiError> {
        for (labels, value) in super::signals::vector(sources, tenant, query, now, deadline)? {
            let name = labels.get("service");
            let service = services.entry(name.into()).or_default();
            service.name = name.into();
            if value.is_finite() {
                set(service, value);
            }
        }
        Ok(())
    };
    fill(&super::signals::rate("", "by (service)"), |s, v| {
        s.rate = Some(v);
    })?;
    fill(&super::signals::error_ratio("", "by (service)"), |s, v| {
        s.error_ratio = Some(v);
    })?;
    fill(
        &super::signals::quantile(0.5, "", "by (service, le)"),
        |s, v| s.p50_seconds = Some(v),
    )?;
    fill(
        &super::signals::quantile(0.95, "", "by (service, le)"),
        |s, v| s.p95_seconds = Some(v),
    )?;
    fill(
        &super::signals::quantile(0.99, "", "by (service, le)"),
        |s, v| s.p99_seconds = Some(v),
    )?;
    for alert in crate::evaluate::alerts_of(&sources.alerts, tenant) {
        if super::alerts::fires(&alert)
            && let Some(service) = services.get_mut(alert.labels.get("service"))
        {
            service.alerts += 1;
        }
    }
    Ok(json!({ "services": services.into_values().collect::<Vec<_>>() }))
}

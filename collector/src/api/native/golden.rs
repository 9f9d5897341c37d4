//! `GET /signals/golden`: for every service traffic, errors, latency and saturation, and its
//! rates over 1, 5 and 15 minutes.
//!
//! Saturation of a service is how many calls it has under way, on average of the last minute:
//! the seconds spent on calls in a second (Little's law: rate × mean duration). What the
//! calls run on stands beside it: every node, container and pod of which something is
//! saturated.

use super::signals::{SERVED, error_ratio, quantile, vector};
use super::{Api, ApiError, tenant};
use crate::api::Sources;
use crate::at_once;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde::Serialize;
use sonde_proto::{Deadline, Labels, Tenant, UnixNanos};
use sonde_signals::Method;
use std::collections::BTreeMap;

const SERVICES_MAX: usize = 1_000;
const SATURATED_MAX: usize = 200;
/// From where on something counts as saturated.
const SATURATED_FROM: f64 = 0.01;

/// The golden signals.
#[derive(Debug, Serialize)]
pub(super) struct Golden {
    services: Vec<Service>,
    saturated: Vec<Saturated>,
    cut: Option<String>,
}

/// One service. A number is missing where no call gives it.
#[derive(Debug, Default, Serialize)]
struct Service {
    name: String,
    rate_1m: Option<f64>,
    rate_5m: Option<f64>,
    rate_15m: Option<f64>,
    /// Since the counters of its series began.
    calls: Option<f64>,
    error_ratio: Option<f64>,
    p50_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    p99_seconds: Option<f64>,
    /// Calls under way.
    under_way: Option<f64>,
}

/// Notes a number of a service.
type Fill = fn(&mut Service, f64);

/// Something that waits, or loses what it should carry.
#[derive(Debug, Serialize)]
struct Saturated {
    metric: &'static str,
    unit: &'static str,
    help: &'static str,
    labels: Labels,
    value: f64,
}

pub(super) async fn golden(
    State(api): State<Api>,
    headers: HeaderMap,
) -> Result<Json<Golden>, ApiError> {
    let tenant = tenant(&headers)?;
    let now = api.now();
    api.of(&tenant)
        .ask(move |sources, deadline| view(sources, &tenant, now, deadline))
        .await
        .map(Json)
}

fn view(
    sources: &Sources,
    tenant: &Tenant,
    now: UnixNanos,
    deadline: &Deadline,
) -> Result<Golden, ApiError> {
    let calls = |range: &str| {
        format!("sum by (service) (rate(traces_spanmetrics_calls_total{{{SERVED}}}[{range}]))")
    };
    let quantile = |q: f64| quantile(q, "", "by (service, le)");
    let all = format!("sum by (service) (traces_spanmetrics_calls_total{{{SERVED}}})");
    let busy = format!("sum by (service) (rate(traces_spanmetrics_latency_sum{{{SERVED}}}[1m]))");
    let questions: [(String, Fill); 9] = [
        (quantile(0.5), |s, v| s.p50_seconds = Some(v)),
        (quantile(0.95), |s, v| s.p95_seconds = Some(v)),
        (quantile(0.99), |s, v| s.p99_seconds = Some(v)),
        (error_ratio("", "by (service)"), |s, v| {
            s.error_ratio = Some(v);
        }),
        (calls("15m"), |s, v| s.rate_15m = Some(v)),
        (calls("5m"), |s, v| s.rate_5m = Some(v)),
        (calls("1m"), |s, v| s.rate_1m = Some(v)),
        (all, |s, v| s.calls = Some(v)),
        (busy, |s, v| s.under_way = Some(v)),
    ];
    let answers = at_once::each(&questions, |(query, _)| {
        vector(sources, tenant, query, now, deadline)
    });
    let mut services: BTreeMap<String, Service> = BTreeMap::new();
    for ((_, set), answer) in questions.iter().zip(answers) {
        for (labels, value) in answer? {
            let name = labels.get("service");
            let service = services.entry(name.to_owned()).or_default();
            name.clone_into(&mut service.name);
            if value.is_finite() {
                set(service, value);
            }
        }
    }
    let mut services: Vec<_> = services.into_values().collect();
    let mut saturated = saturated(sources, tenant, now, deadline)?;
    let cut = why_cut(services.len(), saturated.len());
    services.truncate(SERVICES_MAX);
    saturated.truncate(SATURATED_MAX);
    Ok(Golden {
        services,
        saturated,
        cut,
    })
}

/// Why a list is not everything, where so many were found.
fn why_cut(services: usize, saturated: usize) -> Option<String> {
    let of_services = (services > SERVICES_MAX).then(|| {
        format!("there are {services} services; these are the first {SERVICES_MAX} by name")
    });
    let of_saturated = (saturated > SATURATED_MAX).then(|| {
        format!(
            "there are {saturated} saturated resources; these are the {SATURATED_MAX} most saturated"
        )
    });
    let both: Vec<_> = of_services.into_iter().chain(of_saturated).collect();
    (!both.is_empty()).then(|| both.join("; "))
}

/// What is saturated, most of it first.
fn saturated(
    sources: &Sources,
    tenant: &Tenant,
    now: UnixNanos,
    deadline: &Deadline,
) -> Result<Vec<Saturated>, ApiError> {
    let rows = sonde_signals::use_table().iter();
    let rows: Vec<_> = rows
        .filter(|row| row.method == Method::Saturation)
        .collect();
    let answers = at_once::each(&rows, |signal| {
        // A load of 1 is a processor that is busy, and waits for nothing.
        let from = if signal.metric == "node:cpu_load:ratio" {
            1.0
        } else {
            SATURATED_FROM
        };
        let query = format!("{} > {from}", signal.metric);
        vector(sources, tenant, &query, now, deadline)
    });
    let mut found = Vec::new();
    for (signal, answer) in rows.into_iter().zip(answers) {
        for (labels, value) in answer? {
            let mut labels = labels.to_builder();
            labels.remove("__name__");
            found.push(Saturated {
                metric: signal.metric,
                unit: signal.unit,
                help: signal.help,
                labels: labels.build(),
                value,
            });
        }
    }
    found.sort_by(|a, b| {
        (b.unit == "ratio")
            .cmp(&(a.unit == "ratio"))
            .then(b.value.total_cmp(&a.value))
    });
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_list_that_is_not_everything_is_said() {
        assert_eq!(why_cut(SERVICES_MAX, SATURATED_MAX), None);
        let cut = why_cut(SERVICES_MAX, SATURATED_MAX + 1).unwrap();
        assert!(cut.starts_with("there are 201 saturated"), "{cut}");
        let cut = why_cut(SERVICES_MAX + 1, SATURATED_MAX + 1).unwrap();
        assert!(cut.starts_with("there are 1001 services"), "{cut}");
        assert!(cut.contains("there are 201 saturated"), "{cut}");
    }
}

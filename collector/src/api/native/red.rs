//! `GET /signals/red`: a service's rate, errors and durations over a period, of each of its
//! operations at its end, and traces that show them.

use super::signals::{Red, error_ratio, quantile, quoted, rate, red_of, vector};
use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::Sources;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::Serialize;
use sonde_proto::{Deadline, MatchOp, Matcher, SpanId, Tenant, TraceId, UnixNanos};
use std::collections::BTreeMap;

const OPERATIONS_MAX: usize = 200;
const EXEMPLARS_MAX: usize = 20;
/// How many exemplars are looked for in the store before no more are shown.
const LOOKED_FOR_MAX: usize = 60;

/// A service's RED.
#[derive(Debug, Serialize)]
pub(super) struct View {
    #[serde(flatten)]
    red: Red,
    /// By name; numbers are those of the period's last minute.
    operations: Vec<Operation>,
    /// The latest first, from all over the period. Each trace is in the store.
    exemplars: Vec<Exemplar>,
    /// Why a list is not everything.
    cut: Option<String>,
}

/// One operation. A number is missing where no call of the last minute gives it.
#[derive(Debug, Default, Serialize)]
struct Operation {
    name: String,
    rate: Option<f64>,
    error_ratio: Option<f64>,
    p50_seconds: Option<f64>,
    p95_seconds: Option<f64>,
    p99_seconds: Option<f64>,
}

/// A call that stands for many.
#[derive(Debug, Serialize)]
struct Exemplar {
    time: UnixNanos,
    trace_id: TraceId,
    span_id: Option<SpanId>,
    operation: String,
    status_code: String,
    seconds: f64,
}

pub(super) async fn red(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
) -> Result<Json<View>, ApiError> {
    let tenant = tenant(&headers)?;
    let period = parameters.period(api.now())?;
    let service = parameters
        .service
        .ok_or_else(|| ApiError::bad_request("service: which one? add ?service=NAME"))?;
    api.of(&tenant)
        .ask(move |sources, deadline| view(sources, &tenant, &service, period, deadline))
        .await
        .map(Json)
}

fn view(
    sources: &Sources,
    tenant: &Tenant,
    service: &str,
    period: (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<View, ApiError> {
    let red = red_of(sources, tenant, service, period, deadline)?;
    let mut operations = operations(sources, tenant, service, period.1, deadline)?;
    let exemplars = exemplars(sources, tenant, service, period, deadline)?;
    let cut = (operations.len() > OPERATIONS_MAX).then(|| {
        let all = operations.len();
        format!("there are {all} operations; these are the first {OPERATIONS_MAX} by name")
    });
    operations.truncate(OPERATIONS_MAX);
    Ok(View {
        red,
        operations,
        exemplars,
        cut,
    })
}

fn operations(
    sources: &Sources,
    tenant: &Tenant,
    service: &str,
    at: UnixNanos,
    deadline: &Deadline,
) -> Result<Vec<Operation>, ApiError> {
    let matchers = format!("service={},", quoted(service));
    let mut operations: BTreeMap<String, Operation> = BTreeMap::new();
    let mut fill = |query: &str, set: fn(&mut Operation, f64)| -> Result<(), ApiError> {
        for (labels, value) in vector(sources, tenant, query, at, deadline)? {
            let name = labels.get("span_name");
            let operation = operations.entry(name.to_owned()).or_default();
            name.clone_into(&mut operation.name);
            if value.is_finite() {
                set(operation, value);
            }
        }
        Ok(())
    };
    let of = |q: f64| quantile(q, &matchers, "by (span_name, le)");
    fill(&rate(&matchers, "by (span_name)"), |o, v| o.rate = Some(v))?;
    fill(&error_ratio(&matchers, "by (span_name)"), |o, v| {
        o.error_ratio = Some(v);
    })?;
    fill(&of(0.5), |o, v| o.p50_seconds = Some(v))?;
    fill(&of(0.95), |o, v| o.p95_seconds = Some(v))?;
    fill(&of(0.99), |o, v| o.p99_seconds = Some(v))?;
    Ok(operations.into_values().collect())
}

fn exemplars(
    sources: &Sources,
    tenant: &Tenant,
    service: &str,
    (start, end): (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<Vec<Exemplar>, ApiError> {
    let matcher = |name: &str, op: MatchOp, value: &str| {
        Matcher::new(name, op, value).map_err(|error| ApiError::internal(error.to_string()))
    };
    let selector = vec![
        matcher("__name__", MatchOp::Regex, "traces_spanmetrics_latency.*")?,
        matcher("service", MatchOp::Equal, service)?,
    ];
    let series = sources
        .stores
        .metrics
        .exemplars(tenant, &[selector], start, end, deadline)
        .map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let mut all: Vec<Exemplar> = Vec::new();
    for (labels, exemplars) in series {
        all.extend(exemplars.into_iter().filter_map(|exemplar| {
            Some(Exemplar {
                time: exemplar.time,
                trace_id: TraceId::from_hex(exemplar.labels.get("trace_id")).ok()?,
                span_id: SpanId::from_hex(exemplar.labels.get("span_id")).ok(),
                operation: labels.get("span_name").to_owned(),
                status_code: labels.get("status_code").to_owned(),
                seconds: exemplar.value,
            })
        }));
    }
    all.sort_by_key(|exemplar| (exemplar.time, exemplar.trace_id));
    all.dedup_by_key(|exemplar| (exemplar.trace_id, exemplar.span_id));
    let (mut shown, mut looked_for) = (Vec::new(), 0);
    for slot in slots(all, (start, end)) {
        for exemplar in slot {
            if looked_for >= LOOKED_FOR_MAX || deadline.has_passed() {
                break;
            }
            looked_for += 1;
            let found = sources.stores.traces.trace(tenant, &exemplar.trace_id);
            if matches!(found, Ok(Some(_))) {
                shown.push(exemplar);
                break;
            }
        }
    }
    Ok(shown)
}

/// Exemplars by the part of the period they are of, the last part first; the longest of each
/// first. So they stand for all of the period, not for its last seconds.
fn slots(all: Vec<Exemplar>, (start, end): (UnixNanos, UnixNanos)) -> Vec<Vec<Exemplar>> {
    let count = EXEMPLARS_MAX as u64;
    let wide = (end.0.saturating_sub(start.0) / count).saturating_add(1);
    let mut slots: BTreeMap<_, Vec<Exemplar>> = BTreeMap::new();
    for exemplar in all {
        let slot = exemplar.time.0.saturating_sub(start.0) / wide;
        let slot = std::cmp::Reverse(slot.min(count - 1));
        slots.entry(slot).or_default().push(exemplar);
    }
    let longest = |a: &Exemplar, b: &Exemplar| b.seconds.total_cmp(&a.seconds);
    let in_order = |mut slot: Vec<Exemplar>| {
        slot.sort_by(longest);
        slot
    };
    slots.into_values().map(in_order).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exemplar(time: u64, seconds: f64) -> Exemplar {
        Exemplar {
            time: UnixNanos(time),
            trace_id: TraceId::from_hex(&format!("{:032x}", time + 1)).unwrap(),
            span_id: None,
            operation: String::new(),
            status_code: String::new(),
            seconds,
        }
    }

    #[test]
    fn exemplars_stand_for_all_of_the_period_the_longest_of_each_part_first() {
        let period = (UnixNanos(1_000), UnixNanos(3_000));
        let all = (1_000..=3_000).map(|at| exemplar(at, (at % 100) as f64));
        let found = slots(all.collect(), period);
        assert_eq!(found.len(), EXEMPLARS_MAX);
        assert_eq!(found.iter().map(Vec::len).sum::<usize>(), 2_001);
        let first: Vec<_> = found.iter().map(|slot| slot[0].time.0).collect();
        assert!(first.is_sorted_by(|a, b| a > b), "{first:?}");
        assert!(found.iter().all(|slot| slot[0].seconds >= 98.0));
        assert!(
            found
                .iter()
                .all(|slot| slot.is_sorted_by(|a, b| a.seconds >= b.seconds))
        );
    }

    #[test]
    fn a_period_of_no_time_has_one_part() {
        let found = slots(
            vec![exemplar(5, 1.0), exemplar(5, 2.0)],
            (UnixNanos(5), UnixNanos(5)),
        );
        assert_eq!(found.len(), 1);
        assert!(slots(Vec::new(), (UnixNanos(5), UnixNanos(5))).is_empty());
    }
}

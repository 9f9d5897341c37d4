//! `GET /signals/compare`: what the slow requests of a service have that its others do not.
//!
//! Slow are the traces whose duration is in the slowest tenth of those found, the others are
//! the faster half.

use super::signals::quoted;
use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::Sources;
use crate::lookup::{Comparison, compare};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sonde_proto::{Deadline, Tenant, TraceId, UnixNanos};
use sonde_traces::{Search, Trace, TraceQuery};

/// How many traces are found, the newest.
const FOUND_MAX: usize = 1_000;
/// How many of each kind are read.
const READ_MAX: usize = 100;

/// Which operation is compared.
#[derive(Debug, Deserialize)]
pub(super) struct CompareParameters {
    operation: Option<String>,
}

/// A comparison, and what it is of.
#[derive(Debug, Serialize)]
pub(super) struct View {
    /// The query that found the traces.
    query: String,
    found: usize,
    /// Traces that took at least so long are slow.
    slow_nanos: u64,
    slow: usize,
    /// Traces that took no longer than this are the others.
    others_nanos: u64,
    others: usize,
    #[serde(flatten)]
    comparison: Comparison,
}

pub(super) async fn compared(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
    Query(CompareParameters { operation }): Query<CompareParameters>,
) -> Result<Json<View>, ApiError> {
    let tenant = tenant(&headers)?;
    let period = parameters.period(api.now())?;
    let service = parameters
        .service
        .ok_or_else(|| ApiError::bad_request("service: which one? add ?service=NAME"))?;
    let of_operation =
        operation.map_or_else(String::new, |name| format!(" && name = {}", quoted(&name)));
    let query = format!(
        "{{ resource.service.name = {}{of_operation} }}",
        quoted(&service)
    );
    api.of(&tenant)
        .ask(move |sources, deadline| view(sources, &tenant, query, period, deadline))
        .await
        .map(Json)
}

fn view(
    sources: &Sources,
    tenant: &Tenant,
    query: String,
    (start, end): (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<View, ApiError> {
    let parsed =
        TraceQuery::parse(&query).map_err(|error| ApiError::bad_request(error.to_string()))?;
    let search = Search {
        query: parsed,
        start,
        end,
        limit: FOUND_MAX,
        spans_per_set: 0,
        deadline: deadline.clone(),
    };
    let answer = sources
        .stores
        .traces
        .search(tenant, &search)
        .map_err(|error| ApiError::unprocessable(error.to_string()))?;
    let mut found: Vec<(u64, TraceId)> = answer
        .traces
        .iter()
        .map(|found| (found.summary.duration_nanos, found.summary.trace_id))
        .collect();
    found.sort_unstable();
    let (others, slow) = groups(&found);
    let read = |ids: &[(u64, TraceId)]| -> Result<Vec<Trace>, ApiError> {
        let mut traces = Vec::new();
        for (_, id) in ids.iter().rev().take(READ_MAX) {
            if deadline.has_passed() {
                break;
            }
            let trace = sources.stores.traces.trace(tenant, id);
            traces.extend(trace.map_err(|error| ApiError::internal(error.to_string()))?);
        }
        Ok(traces)
    };
    let (slow_traces, other_traces) = (read(slow)?, read(others)?);
    let mut comparison = compare(&slow_traces, &other_traces);
    let over = deadline
        .has_passed()
        .then(|| "the time for the query was over before all traces were read".to_owned());
    comparison.cut = answer.cut.or(over).or(comparison.cut);
    Ok(View {
        query,
        found: found.len(),
        slow_nanos: slow.first().map_or(0, |(nanos, _)| *nanos),
        slow: slow_traces.len(),
        others_nanos: others.last().map_or(0, |(nanos, _)| *nanos),
        others: other_traces.len(),
        comparison,
    })
}

/// The faster half and the slowest tenth of what is in order; few leave the others out first.
fn groups<T>(found: &[T]) -> (&[T], &[T]) {
    let slow = found.len().div_ceil(10);
    let half = (found.len() / 2).min(found.len() - slow);
    (&found[..half], &found[found.len() - slow..])
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn the_slowest_tenth_and_the_faster_half_never_overlap() {
        for len in 0..50 {
            let all: Vec<_> = (0..len).collect();
            let (others, slow) = groups(&all);
            assert!(others.len() + slow.len() <= all.len(), "{len}");
            assert!(others.last() < slow.first() || slow.is_empty(), "{len}");
        }
        let all: Vec<_> = (0..100).collect();
        let (others, slow) = groups(&all);
        assert_eq!((others.len(), slow.len()), (50, 10));
    }
}

//! `GET /signals/compare`: what the slow or the failed requests of a service have that its
//! others do not.
//!
//! Slow are the traces whose duration is in the slowest tenth of those found, the others are
//! the faster half; failed are those with a span that failed, the others those without. Of
//! each some are read from all over it.

use super::signals::quoted;
use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::Sources;
use crate::lookup::{Comparison, Groups, compare};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sonde_proto::{Deadline, Tenant, TraceId, UnixNanos};
use sonde_traces::{Search, TraceQuery};

/// How many traces are found, the newest.
const FOUND_MAX: usize = 1_000;
/// How many of each kind are read.
const READ_MAX: usize = 100;

/// Which operation is compared.
#[derive(Debug, Deserialize)]
pub(super) struct CompareParameters {
    operation: Option<String>,
    by: Option<By>,
}

/// What sets the traces apart that are asked about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum By {
    /// They are slow.
    #[default]
    Duration,
    /// They failed.
    Errors,
}

/// A comparison, and what it is of.
#[derive(Debug, Serialize)]
pub(super) struct View {
    /// The query that found the traces.
    query: String,
    by: By,
    found: usize,
    /// Traces that took at least so long are slow.
    #[serde(skip_serializing_if = "Option::is_none")]
    slow_nanos: Option<u64>,
    /// Traces that took no longer than this are the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    others_nanos: Option<u64>,
    #[serde(flatten)]
    comparison: Comparison,
}

pub(super) async fn compared(
    State(api): State<Api>,
    headers: HeaderMap,
    Query(parameters): Query<SearchParameters>,
    Query(CompareParameters { operation, by }): Query<CompareParameters>,
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
        .ask(move |sources, deadline| {
            let by = by.unwrap_or_default();
            view(sources, &tenant, (query, by), period, deadline)
        })
        .await
        .map(Json)
}

fn view(
    sources: &Sources,
    tenant: &Tenant,
    (query, by): (String, By),
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
    let (count, mut failed) = (answer.traces.len(), Vec::new());
    let mut found: Vec<(u64, TraceId)> = Vec::new();
    for trace in &answer.traces {
        let summary = &trace.summary;
        let has_failed = by == By::Errors && summary.errors > 0;
        let group = if has_failed { &mut failed } else { &mut found };
        group.push((summary.duration_nanos, summary.trace_id));
    }
    found.sort_unstable();
    failed.sort_unstable();
    let of = match by {
        By::Duration => groups(&found),
        By::Errors => Groups {
            slow: &failed[..],
            others: &found[..],
        },
    };
    let ids = Groups {
        slow: spread(of.slow),
        others: spread(of.others),
    };
    let read = |id: &TraceId| sources.stores.traces.trace(tenant, id);
    let mut comparison =
        compare(&ids, read, deadline).map_err(|error| ApiError::internal(error.to_string()))?;
    comparison.cut = answer.cut.or(comparison.cut);
    let is_slow = by == By::Duration;
    Ok(View {
        query,
        by,
        found: count,
        slow_nanos: is_slow.then(|| of.slow.first().map_or(0, |(nanos, _)| *nanos)),
        others_nanos: is_slow.then(|| of.others.last().map_or(0, |(nanos, _)| *nanos)),
        comparison,
    })
}

/// The faster half and the slowest tenth of what is in order; few leave the others out first.
fn groups<T>(found: &[T]) -> Groups<&[T]> {
    let slow = found.len().div_ceil(10);
    let half = (found.len() / 2).min(found.len() - slow);
    Groups {
        slow: &found[found.len() - slow..],
        others: &found[..half],
    }
}

/// Which traces are read: no more than may be, at even distances, and in an order that goes
/// over all of them again and again, so that the first of it are spread evenly too.
fn spread(of: &[(u64, TraceId)]) -> Vec<TraceId> {
    const { assert!(READ_MAX <= 128, "seven bits number what is read") };
    let count = of.len().min(READ_MAX);
    (0..128_u8)
        .map(|n| usize::from(n.reverse_bits() >> 1))
        .filter(|n| *n < count)
        .map(|n| of[n * of.len() / count].1)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_tenth_and_the_faster_half_never_overlap() {
        for len in 0..50 {
            let all: Vec<_> = (0..len).collect();
            let Groups { slow, others } = groups(&all);
            assert!(others.len() + slow.len() <= all.len(), "{len}");
            assert!(others.last() < slow.first() || slow.is_empty(), "{len}");
        }
        let all: Vec<_> = (0..100).collect();
        let of = groups(&all);
        assert_eq!((of.others.len(), of.slow.len()), (50, 10));
    }

    #[test]
    fn what_is_read_is_each_once_and_from_all_over() {
        let all: Vec<_> = (0..500_u64)
            .map(|n| (n, TraceId::from_hex(&format!("{:032x}", n + 1)).unwrap()))
            .collect();
        let place = |id: &TraceId| all.iter().position(|(_, one)| one == id).unwrap();
        for len in [0, 1, 3, 99, 100, 101, 500] {
            let mut read: Vec<_> = spread(&all[..len]).iter().map(place).collect();
            assert_eq!(read.len(), len.min(READ_MAX));
            let mean = |of: &[usize]| of.iter().sum::<usize>() as f64 / of.len() as f64;
            if len == 500 {
                let (first, whole) = (mean(&read[..20]), mean(&read));
                assert!((first - 250.0).abs() < 50.0, "{first}");
                assert!((whole - 250.0).abs() < 5.0, "{whole}");
            }
            read.sort_unstable();
            let steps = read.windows(2).map(|two| two[1] - two[0]);
            let wide = len.div_ceil(READ_MAX);
            assert!(steps.into_iter().all(|step| (1..=wide).contains(&step)));
        }
    }
}

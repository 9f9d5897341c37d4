//! `GET /signals/compare`: what the slow requests of a service, or of a query, have that its
//! others do not; or those that failed.
//!
//! Slow are the traces whose duration is in the slowest tenth of those found, the others are
//! the faster half, of which some are read from all over it. Failed are those with an error on
//! any span, the others are those without.

use super::signals::quoted;
use super::{Api, ApiError, SearchParameters, tenant};
use crate::api::Sources;
use crate::lookup::{Comparison, Groups, compare};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::HeaderMap;
use serde::{Deserialize, Serialize};
use sonde_proto::{Deadline, Tenant, TraceId, UnixNanos};
use sonde_traces::Search;

/// How many traces are found, the newest.
const FOUND_MAX: usize = 1_000;
/// How many of each kind are read.
const READ_MAX: usize = 100;

/// Which operation is compared, and which of its traces with the others.
#[derive(Debug, Deserialize)]
pub(super) struct CompareParameters {
    operation: Option<String>,
    #[serde(default)]
    of: Of,
}

/// Which traces are compared with the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum Of {
    #[default]
    Slow,
    Failed,
}

/// A comparison, and what it is of.
#[derive(Debug, Serialize)]
pub(super) struct View {
    /// The query that found the traces.
    query: String,
    found: usize,
    of: Of,
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
    Query(CompareParameters { operation, of }): Query<CompareParameters>,
) -> Result<Json<View>, ApiError> {
    let tenant = tenant(&headers)?;
    let period = parameters.period(api.now())?;
    let query = query_of(&parameters, operation.as_deref())?;
    api.of(&tenant)
        .ask(move |sources, deadline| view(sources, &tenant, query, of, period, deadline))
        .await
        .map(Json)
}

/// The query that finds the traces: the one given, else that of a service.
fn query_of(parameters: &SearchParameters, operation: Option<&str>) -> Result<String, ApiError> {
    let Some(service) = &parameters.service else {
        if parameters.query.trim().is_empty() {
            let message = "which traces? add ?service=NAME or ?query={ … }";
            return Err(ApiError::bad_request(message));
        }
        return Ok(parameters.query.clone());
    };
    if !parameters.query.is_empty() {
        let message = "service and query: give one of them";
        return Err(ApiError::bad_request(message));
    }
    let of_operation =
        operation.map_or_else(String::new, |name| format!(" && name = {}", quoted(name)));
    Ok(format!(
        "{{ resource.service.name = {}{of_operation} }}",
        quoted(service)
    ))
}

fn view(
    sources: &Sources,
    tenant: &Tenant,
    query: String,
    of: Of,
    (start, end): (UnixNanos, UnixNanos),
    deadline: &Deadline,
) -> Result<View, ApiError> {
    let parsed = super::traces::finding(&query)?;
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
    let found: Vec<Found> = answer
        .traces
        .iter()
        .map(|found| Found {
            nanos: found.summary.duration_nanos,
            id: found.summary.trace_id,
            has_failed: found.summary.errors > 0,
        })
        .collect();
    let groups = match of {
        Of::Slow => slow(&found),
        Of::Failed => failed(&found),
    };
    let ids = Groups {
        slow: spread(&groups.slow),
        others: spread(&groups.others),
    };
    let read = |id: &TraceId| sources.stores.traces.trace(tenant, id);
    let mut comparison =
        compare(&ids, read, deadline).map_err(|error| ApiError::internal(error.to_string()))?;
    comparison.cut = answer.cut.or(comparison.cut);
    let told = |one: Option<&Found>| (of == Of::Slow).then(|| one.map_or(0, |found| found.nanos));
    Ok(View {
        query,
        found: found.len(),
        of,
        slow_nanos: told(groups.slow.first()),
        others_nanos: told(groups.others.last()),
        comparison,
    })
}

/// A trace that the query found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    nanos: u64,
    id: TraceId,
    has_failed: bool,
}

/// The slowest tenth and the faster half, by duration.
fn slow(found: &[Found]) -> Groups<Vec<Found>> {
    let mut found = found.to_vec();
    found.sort_unstable();
    let Groups { slow, others } = groups(&found);
    Groups {
        slow: slow.to_vec(),
        others: others.to_vec(),
    }
}

/// Those with an error and those without, by time.
fn failed(found: &[Found]) -> Groups<Vec<Found>> {
    let (slow, others) = found.iter().partition(|found| found.has_failed);
    Groups { slow, others }
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
fn spread(of: &[Found]) -> Vec<TraceId> {
    const { assert!(READ_MAX <= 128, "seven bits number what is read") };
    let count = of.len().min(READ_MAX);
    (0..128_u8)
        .map(|n| usize::from(n.reverse_bits() >> 1))
        .filter(|n| *n < count)
        .map(|n| of[n * of.len() / count].id)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(nanos: u64, has_failed: bool) -> Found {
        let id = TraceId::from_hex(&format!("{:032x}", nanos + 1)).unwrap();
        Found {
            nanos,
            id,
            has_failed,
        }
    }

    #[test]
    fn those_that_failed_are_compared_with_all_that_did_not() {
        let all: Vec<_> = (0..10).rev().map(|n| found(n, n % 4 == 1)).collect();
        let nanos = |of: &[Found]| of.iter().map(|found| found.nanos).collect::<Vec<_>>();
        let of = failed(&all);
        assert_eq!(nanos(&of.slow), [9, 5, 1]);
        assert_eq!(nanos(&of.others), [8, 7, 6, 4, 3, 2, 0]);
        let of = slow(&all);
        assert_eq!(
            (nanos(&of.slow), nanos(&of.others)),
            (vec![9], vec![0, 1, 2, 3, 4])
        );
    }

    #[test]
    fn a_query_or_a_service_says_which_traces() {
        let asked = |service: Option<&str>, query: &str| SearchParameters {
            service: service.map(str::to_owned),
            query: query.to_owned(),
            ..SearchParameters::default()
        };
        let query = |parameters: &SearchParameters, operation| {
            query_of(parameters, operation).map_err(|_| ())
        };
        let quoted = r#"{ resource.service.name = "a\"b" && name = "GET /" }"#;
        assert_eq!(
            query(&asked(Some("a\"b"), ""), Some("GET /")),
            Ok(quoted.to_owned())
        );
        assert_eq!(
            query(&asked(None, "{ true }"), None),
            Ok("{ true }".to_owned())
        );
        assert_eq!(query(&asked(None, " "), None), Err(()));
        assert_eq!(query(&asked(Some("a"), "{ true }"), None), Err(()));
    }

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
        let all: Vec<_> = (0..500_u64).map(|nanos| found(nanos, false)).collect();
        let place = |id: &TraceId| all.iter().position(|one| one.id == *id).unwrap();
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

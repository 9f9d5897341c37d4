//! `GET /api/traces/{id}` and `GET /api/traces`

use super::answer::{JaegerError, LIST_OPEN, list_close};
use super::parameters::Parameters;
use super::search::{Asked, Names};
use super::trace::Trace;
use super::{Api, tenant};
use crate::api::answer::cut_short;
use crate::api::items::Items;
use crate::api::{ApiError, Sources};
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::{IntoResponse as _, Response};
use prost::Message as _;
use sonde_proto::otlp::trace::TracesData;
use sonde_proto::{Tenant, TraceId};
use sonde_traces::OtlpTrace;

/// A trace. No time range is needed; `start` and `end` are read and left.
pub(super) async fn by_id(
    State(api): State<Api>,
    Path(id): Path<String>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let tenant = tenant(&headers)?;
    let id = trace_id(&id)?;
    parameters.time("start")?;
    parameters.time("end")?;
    let found = api.of(&tenant).ask(move |sources, _| {
        let Some(trace) = read(sources, &tenant, &id)? else {
            return Ok(Err(sources.stores.traces.not_kept(&tenant, &id)));
        };
        let mut items = Items::after(LIST_OPEN);
        put(&mut items, &id, &trace)?;
        Ok(Ok(items.into_response(&list_close(1))))
    });
    found
        .await?
        .map_err(|why| JaegerError::no_trace(why.as_deref()))
}

fn put(items: &mut Items, id: &TraceId, trace: &OtlpTrace) -> Result<(), ApiError> {
    let data = TracesData::decode(trace.bytes.as_slice());
    let data = data.map_err(|error| ApiError::internal(error.to_string()))?;
    items.push(&Trace::new(id, &data, trace.cut.as_deref()))
}

const NAMES: Names = Names {
    service: "service",
    operation: "operation",
    tags: "tags",
    shortest: "minDuration",
    longest: "maxDuration",
    limit: "limit",
};

/// Traces by their IDs, where there are some (`traceID`), or else those that a search finds.
pub(super) async fn search(
    State(api): State<Api>,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, JaegerError> {
    let named = parameters.0.iter().filter(|(name, _)| name == "traceID");
    let mut ids: Vec<_> = named
        .map(|(_, id)| trace_id(id))
        .collect::<Result<_, _>>()?;
    let mut cut = None;
    if ids.is_empty() {
        parameters.required("service")?;
        let period = (parameters.time("start")?, parameters.time("end")?);
        let found = Asked::read(&NAMES, &parameters, period, api.now())?;
        let found = found.found(&api, &headers).await?;
        ids.extend(found.traces.iter().map(|found| found.summary.trace_id));
        cut = found.cut;
    }
    let close = |traces| list_close(traces);
    let (answer, in_part) = written(&api, &headers, ids, LIST_OPEN, put, close).await?;
    Ok((cut_short(cut.or(in_part).as_deref()), answer).into_response())
}

/// After so many bytes an answer takes no further trace; it has one at least, however large.
pub(super) const ANSWER_BYTES_MAX: usize = 64 << 20;

/// An answer of traces, each as `put` writes it, as far as one may go, and whether it goes no
/// further or a trace in it is not whole. It is text before the turn ends: a trace is many times
/// as large in memory.
pub(super) async fn written(
    api: &Api,
    headers: &HeaderMap,
    ids: Vec<TraceId>,
    open: &'static str,
    put: impl Fn(&mut Items, &TraceId, &OtlpTrace) -> Result<(), ApiError> + Send + 'static,
    close: impl FnOnce(usize) -> String + Send + 'static,
) -> Result<(Response, Option<String>), JaegerError> {
    let tenant = tenant(headers)?;
    let answer = api.of(&tenant).ask(move |sources, deadline| {
        let mut items = Items::after(open);
        let has_room = |items: &Items| items.bytes() < ANSWER_BYTES_MAX && !deadline.has_passed();
        let mut in_part = None;
        let (traces, cut) = each(&ids, &mut items, has_room, |items, id| {
            let Some(trace) = read(sources, &tenant, id)? else {
                return Ok(false);
            };
            put(items, id, &trace)?;
            if in_part.is_none() {
                in_part = trace.cut.map(|cut| format!("trace {id}: {cut}"));
            }
            Ok(true)
        })?;
        Ok((items.into_response(&close(traces)), cut.or(in_part)))
    });
    Ok(answer.await?)
}

/// Puts traces, where they are there, as long as there is room; how many were put, and whether
/// there are more.
fn each(
    ids: &[TraceId],
    items: &mut Items,
    has_room: impl Fn(&Items) -> bool,
    mut put: impl FnMut(&mut Items, &TraceId) -> Result<bool, ApiError>,
) -> Result<(usize, Option<String>), ApiError> {
    let mut traces = 0;
    for id in ids {
        if !has_room(items) {
            let cut = format!("these are {traces} of {} traces; ask for fewer", ids.len());
            return Ok((traces, Some(cut)));
        }
        traces += usize::from(put(items, id)?);
    }
    Ok((traces, None))
}

pub(super) fn trace_id(text: &str) -> Result<TraceId, JaegerError> {
    TraceId::from_short_hex(text).map_err(|_| {
        let shown: String = text.chars().take(40).collect();
        JaegerError::bad_request(format!(
            "{shown:?} is no trace ID: it has up to 32 hex digits that are not all zero"
        ))
    })
}

/// A trace.
pub(super) fn read(
    sources: &Sources,
    tenant: &Tenant,
    id: &TraceId,
) -> Result<Option<OtlpTrace>, ApiError> {
    let found = sources.stores.traces.otlp(tenant, id);
    found.map_err(|error| ApiError::internal(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_takes_no_further_trace_when_its_bytes_are_enough() {
        let ids: Vec<_> = (1..=9_u128)
            .map(|n| TraceId::from_slice(&n.to_be_bytes()).unwrap())
            .collect();
        let put = |items: &mut Items, id: &TraceId| {
            // One that is gone since it was found.
            if *id == ids[1] {
                return Ok(false);
            }
            items.push(&"x".repeat(1000)).map(|()| true)
        };
        let check = |bytes_max: usize, expected: usize, cut: Option<&str>| {
            let mut items = Items::after("[");
            let has_room = |items: &Items| items.bytes() < bytes_max;
            let (traces, found) = each(&ids, &mut items, has_room, put).unwrap();
            assert_eq!((traces, found.as_deref()), (expected, cut));
            // Each with its quotes, and a comma or the bracket before it.
            assert_eq!(items.bytes(), 1003 * expected);
        };
        check(usize::MAX, 8, None);
        check(10, 1, Some("these are 1 of 9 traces; ask for fewer"));
        check(2500, 3, Some("these are 3 of 9 traces; ask for fewer"));
    }
}

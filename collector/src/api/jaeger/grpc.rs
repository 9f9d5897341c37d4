//! `jaeger.api_v3.QueryService` over gRPC, and version 2 of it ([`v2`])
//! (<https://github.com/jaegertracing/jaeger-idl/blob/main/proto/api_v3/query_service.proto>).
//! What is asked is what the same question asks over HTTP, and traces are OTLP as they are kept.
//!
//! ```text
//! GetTrace           → TracesData, in parts
//! FindTraces         → TracesData, a trace or a part of one each
//! FindTraceSummaries → summaries, in parts
//! GetServices, GetOperations, GetDependencies
//! ```

mod v2;

use super::answer::JaegerError;
use super::dependencies::calls;
use super::names::{operations_named, services_of};
use super::parameters::Parameters;
use super::traces::{ANSWER_BYTES_MAX, read, trace_id};
use super::{tenant, v3};
use crate::api::grpc::{Last, Parts, in_parts, many, one, service};
use crate::api::{Api, ApiError};
use axum::Router;
use axum::http::HeaderMap;
use prost::Message;
use sonde_proto::{TraceId, UnixNanos};
use sonde_traces::OtlpTrace;
use std::collections::HashMap;
use tonic::Status;

pub(super) fn router() -> Router<Api> {
    let methods = Router::new()
        .route("/GetTrace", many(trace))
        .route("/FindTraces", many(traces))
        .route("/FindTraceSummaries", many(summaries))
        .route("/GetServices", one(services))
        .route("/GetOperations", one(operations))
        .route("/GetDependencies", one(dependencies));
    service("jaeger.api_v3.QueryService", methods).merge(v2::router())
}

/// Times are read and left: a trace by its ID needs none.
#[derive(Clone, PartialEq, Message)]
struct TraceRequest {
    #[prost(string, tag = "1")]
    trace_id: String,
}

#[derive(Clone, PartialEq, Message)]
struct FindRequest {
    #[prost(message, optional, tag = "1")]
    query: Option<Query>,
}

#[derive(Clone, PartialEq, Message)]
struct Query {
    #[prost(string, tag = "1")]
    service_name: String,
    #[prost(string, tag = "2")]
    operation_name: String,
    #[prost(map = "string, string", tag = "3")]
    attributes: HashMap<String, String>,
    #[prost(message, optional, tag = "4")]
    start_time_min: Option<Time>,
    #[prost(message, optional, tag = "5")]
    start_time_max: Option<Time>,
    #[prost(message, optional, tag = "6")]
    duration_min: Option<Time>,
    #[prost(message, optional, tag = "7")]
    duration_max: Option<Time>,
    #[prost(int32, tag = "8")]
    search_depth: i32,
    /// An expression, of which nothing is read but that it is there.
    #[prost(bytes = "vec", optional, tag = "10")]
    filter: Option<Vec<u8>>,
}

/// A `Timestamp` or a `Duration`.
#[derive(Clone, Copy, PartialEq, Message)]
struct Time {
    #[prost(int64, tag = "1")]
    seconds: i64,
    #[prost(int32, tag = "2")]
    nanos: i32,
}

impl Time {
    fn of(nanos: u64) -> Self {
        Self {
            seconds: (nanos / 1_000_000_000).cast_signed(),
            nanos: i32::try_from(nanos % 1_000_000_000).unwrap_or_default(),
        }
    }

    fn nanos_of(self, name: &str) -> Result<u64, Status> {
        let nanos = i128::from(self.seconds) * 1_000_000_000 + i128::from(self.nanos);
        u64::try_from(nanos).map_err(|_| {
            Status::invalid_argument(format!("{name} is negative or beyond the year 2554"))
        })
    }
}

impl Query {
    /// As the parameters over HTTP.
    fn parameters(self) -> Result<Parameters, Status> {
        if self.filter.is_some() {
            let why =
                "filter is not served here; ask by attributes, or in TraceQL over Tempo's API";
            return Err(Status::invalid_argument(why));
        }
        let nanos = |name, time: Option<Time>| time.map(|time| time.nanos_of(name)).transpose();
        let start = nanos("start_time_min", self.start_time_min)?;
        let end = nanos("start_time_max", self.start_time_max)?;
        let shortest = nanos("duration_min", self.duration_min)?.filter(|nanos| *nanos > 0);
        let longest = nanos("duration_max", self.duration_max)?.filter(|nanos| *nanos > 0);
        let attributes = serde_json::to_string(&self.attributes)
            .map_err(|error| Status::invalid_argument(format!("attributes: {error}")))?;
        // Numbers that large are read as nanoseconds. What is smaller lies in the first days of 1970.
        let time = |nanos: u64| if nanos < 1 << 50 { 0 } else { nanos }.to_string();
        let all = [
            ("query.service_name", Some(self.service_name)),
            ("query.operation_name", Some(self.operation_name)),
            ("query.attributes", Some(attributes)),
            ("query.start_time_min", start.map(time)),
            ("query.start_time_max", end.map(time)),
            (
                "query.duration_min",
                shortest.map(|nanos| format!("{nanos}ns")),
            ),
            (
                "query.duration_max",
                longest.map(|nanos| format!("{nanos}ns")),
            ),
            (
                "query.search_depth",
                (self.search_depth != 0).then(|| self.search_depth.to_string()),
            ),
        ];
        let told = all.into_iter().filter_map(|(name, value)| {
            let value = value.filter(|value| !value.is_empty())?;
            Some((name.to_owned(), value))
        });
        Ok(Parameters(told.collect()))
    }
}

/// OTLP's `TracesData`, its messages written already.
#[derive(Clone, PartialEq, Message)]
struct Spans {
    #[prost(bytes = "vec", repeated, tag = "1")]
    resource_spans: Vec<Vec<u8>>,
}

fn spans_of(_: &TraceId, trace: &OtlpTrace) -> Result<Vec<Spans>, ApiError> {
    let messages = trace.resource_spans().map(<[u8]>::to_vec);
    let parts = in_parts(messages).into_iter();
    Ok(parts
        .map(|resource_spans| Spans { resource_spans })
        .collect())
}

async fn trace(
    api: Api,
    headers: HeaderMap,
    request: TraceRequest,
) -> Result<Parts<Spans>, Status> {
    let id = trace_id(&request.trace_id)?;
    by_id(api, headers, id, spans_of).await
}

/// A trace, in the parts that a version makes of it.
async fn by_id<A: Send + 'static>(
    api: Api,
    headers: HeaderMap,
    id: TraceId,
    parts_of: fn(&TraceId, &OtlpTrace) -> Result<Vec<A>, ApiError>,
) -> Result<Parts<A>, Status> {
    let tenant = tenant(&headers)?;
    let parts = api.of(&tenant).tell(move |sources, _, _| {
        let trace = read(sources, &tenant, &id)?;
        let trace = trace.ok_or_else(|| {
            let why = sources.stores.traces.not_kept(&tenant, &id);
            ApiError::not_found(JaegerError::no_trace(why.as_deref()).message)
        })?;
        Ok(Last {
            parts: parts_of(&id, &trace)?,
            cut: trace.cut,
        })
    });
    Ok(parts.await?)
}

async fn traces(
    api: Api,
    headers: HeaderMap,
    request: FindRequest,
) -> Result<Parts<Spans>, Status> {
    found(api, headers, request, spans_of).await
}

/// The traces that a search finds, each in the parts that a version makes of it.
async fn found<A: Message + 'static>(
    api: Api,
    headers: HeaderMap,
    request: FindRequest,
    parts_of: fn(&TraceId, &OtlpTrace) -> Result<Vec<A>, ApiError>,
) -> Result<Parts<A>, Status> {
    let tenant = tenant(&headers)?;
    let parameters = request.query.unwrap_or_default().parameters()?;
    let found = v3::found(&api, &headers, &parameters).await?;
    let parts = api.of(&tenant).tell(move |sources, deadline, telling| {
        let (mut parts, mut bytes, mut cut) = (Vec::new(), 0, found.cut);
        for (at, one) in found.traces.iter().enumerate() {
            if bytes >= ANSWER_BYTES_MAX || deadline.has_passed() {
                let all = found.traces.len();
                cut = Some(format!("these are {at} of {all} traces; ask for fewer"));
                break;
            }
            let id = one.summary.trace_id;
            // One that is gone since it was found is left out.
            let Some(trace) = read(sources, &tenant, &id)? else {
                continue;
            };
            let news = parts_of(&id, &trace)?;
            cut = cut.or(trace.cut);
            bytes += news.iter().map(Message::encoded_len).sum::<usize>();
            parts.extend(news);
            // The first is there before the last was read.
            if at == 0 && parts.len() == 1 && telling.is_due() {
                parts.pop().map(|first| telling.tell(|| first));
            }
        }
        Ok(Last { parts, cut })
    });
    Ok(parts.await?)
}

#[derive(Clone, PartialEq, Message)]
struct Summaries {
    #[prost(message, repeated, tag = "1")]
    summaries: Vec<Summary>,
}

#[derive(Clone, PartialEq, Message)]
struct Summary {
    #[prost(string, tag = "1")]
    trace_id: String,
    #[prost(string, tag = "2")]
    root_service_name: String,
    #[prost(string, tag = "3")]
    root_operation_name: String,
    #[prost(fixed64, tag = "4")]
    min_start_time_unix_nano: u64,
    #[prost(fixed64, tag = "5")]
    max_end_time_unix_nano: u64,
    #[prost(int32, tag = "6")]
    span_count: i32,
    #[prost(int32, tag = "7")]
    error_span_count: i32,
    #[prost(message, repeated, tag = "9")]
    services: Vec<Name>,
}

/// A service or an operation, of which no more is kept than the name.
#[derive(Clone, PartialEq, Message)]
struct Name {
    #[prost(string, tag = "1")]
    name: String,
}

async fn summaries(
    api: Api,
    headers: HeaderMap,
    request: FindRequest,
) -> Result<Parts<Summaries>, Status> {
    let parameters = request.query.unwrap_or_default().parameters()?;
    let found = v3::found(&api, &headers, &parameters).await?;
    let summary = |found: &sonde_traces::FoundTrace| {
        let summary = &found.summary;
        let small = |count| i32::try_from(count).unwrap_or(i32::MAX);
        Summary {
            trace_id: summary.trace_id.to_string(),
            root_service_name: summary.root_service.clone(),
            root_operation_name: summary.root_name.clone(),
            min_start_time_unix_nano: summary.start.0,
            max_end_time_unix_nano: summary.start.0.saturating_add(summary.duration_nanos),
            span_count: small(summary.spans),
            error_span_count: small(summary.errors),
            services: names(summary.services.clone()),
        }
    };
    // The most that is found is far below what a client takes as one message.
    let summaries = found.traces.iter().map(summary).collect();
    Ok(Parts::one(Summaries { summaries }, found.cut))
}

fn names(names: Vec<String>) -> Vec<Name> {
    names.into_iter().map(|name| Name { name }).collect()
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ServicesRequest {}

#[derive(Clone, PartialEq, Message)]
struct Services {
    #[prost(string, repeated, tag = "1")]
    services: Vec<String>,
}

async fn services(api: Api, headers: HeaderMap, _: ServicesRequest) -> Result<Services, Status> {
    let services = services_of(&api, &headers).await?;
    Ok(Services { services })
}

#[derive(Clone, PartialEq, Message)]
struct OperationsRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Clone, PartialEq, Message)]
struct Operations {
    #[prost(message, repeated, tag = "1")]
    operations: Vec<Name>,
}

async fn operations(
    api: Api,
    headers: HeaderMap,
    request: OperationsRequest,
) -> Result<Operations, Status> {
    let operations = operations_of(&api, &headers, request).await?;
    Ok(Operations {
        operations: names(operations),
    })
}

async fn operations_of(
    api: &Api,
    headers: &HeaderMap,
    request: OperationsRequest,
) -> Result<Vec<String>, Status> {
    if request.service.is_empty() {
        return Err(Status::invalid_argument("service is missing"));
    }
    Ok(operations_named(api, headers, request.service).await?)
}

#[derive(Clone, Copy, PartialEq, Message)]
struct DependenciesRequest {
    #[prost(message, optional, tag = "1")]
    start_time: Option<Time>,
    #[prost(message, optional, tag = "2")]
    end_time: Option<Time>,
}

#[derive(Clone, PartialEq, Message)]
struct Dependencies {
    #[prost(message, repeated, tag = "1")]
    dependencies: Vec<Dependency>,
}

#[derive(Clone, PartialEq, Message)]
struct Dependency {
    #[prost(string, tag = "1")]
    parent: String,
    #[prost(string, tag = "2")]
    child: String,
    #[prost(uint64, tag = "3")]
    call_count: u64,
}

async fn dependencies(
    api: Api,
    headers: HeaderMap,
    request: DependenciesRequest,
) -> Result<Dependencies, Status> {
    let time = |name, time: Option<Time>| time.map(|time| time.nanos_of(name)).transpose();
    let start = time("start_time", request.start_time)?.map(UnixNanos);
    let end = time("end_time", request.end_time)?.map_or(api.now(), UnixNanos);
    if start.is_some_and(|start| start >= end) {
        return Err(Status::invalid_argument(
            "start_time is not before end_time",
        ));
    }
    let lookback = start.map(|start| end.since(start));
    let calls = calls(&api, &headers, end, lookback).await?.into_iter();
    let dependencies = calls.map(|call| Dependency {
        parent: call.parent,
        child: call.child,
        call_count: call.count,
    });
    Ok(Dependencies {
        dependencies: dependencies.collect(),
    })
}

impl From<JaegerError> for Status {
    fn from(error: JaegerError) -> Self {
        crate::api::grpc::status(error.status, error.message)
    }
}

#[cfg(test)]
mod tests;

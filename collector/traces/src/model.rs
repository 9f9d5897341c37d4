//! What queries return.

use crate::raw::RawSpan;
use crate::token::{SERVICE_UNKNOWN, kind_name, status_name};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::trace::v1 as wire;
use prost::Message as _;
use serde::Serialize;
use sonde_proto::{SpanId, TraceId, UnixNanos, otlp, semconv};
use std::collections::{BTreeSet, HashSet};

/// A trace, as far as it has arrived.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Trace {
    /// Its ID.
    pub trace_id: TraceId,
    /// Its spans by start time, one of every span ID.
    pub spans: Vec<Span>,
    /// Why there may be more spans than these, when there may.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cut: Option<String>,
    /// As far as that is why: because a part of the trace was not kept, or is gone, so that it
    /// lacks something however much of it is read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_part: Option<String>,
    /// What to ask for to get the spans after these, where there are more
    /// ([`crate::SpanPlace`]).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// One operation within a trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Span {
    /// Its ID within the trace.
    pub span_id: SpanId,
    /// The span it happened within.
    pub parent: Option<SpanId>,
    /// The service it happened in: the resource's `service.name`.
    pub service: String,
    /// The attributes of what it happened in.
    pub resource: Vec<(String, String)>,
    /// The name of the instrumentation that recorded it.
    pub scope: String,
    /// What was done.
    pub name: String,
    /// `server`, `client`, `internal`, `producer`, `consumer` or `unspecified`.
    pub kind: String,
    /// When it began.
    pub start: UnixNanos,
    /// When it ended.
    pub end: UnixNanos,
    /// `unset`, `ok` or `error`.
    pub status: String,
    /// What went wrong, in the application's words.
    pub status_message: String,
    /// Its attributes.
    pub attributes: Vec<(String, String)>,
    /// What happened during it.
    pub events: Vec<Event>,
    /// Spans it has to do with.
    pub links: Vec<Link>,
}

/// Something that happened at one moment of a span.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Event {
    /// When.
    pub time: UnixNanos,
    /// What.
    pub name: String,
    /// More about it.
    pub attributes: Vec<(String, String)>,
}

/// A pointer to a span, mostly of another trace.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Link {
    /// The other span's trace.
    pub trace_id: TraceId,
    /// The other span.
    pub span_id: SpanId,
    /// More about it.
    pub attributes: Vec<(String, String)>,
}

/// A trace in one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TraceSummary {
    /// Its ID.
    pub trace_id: TraceId,
    /// The service of its first span.
    pub root_service: String,
    /// The name of its first span.
    pub root_name: String,
    /// When it began.
    pub start: UnixNanos,
    /// From its first start to its last end.
    pub duration_nanos: u64,
    /// How many spans it has.
    pub spans: usize,
    /// How many of them failed.
    pub errors: usize,
    /// The services it went through, by name.
    pub services: Vec<String>,
}

/// How much the store holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Stats {
    /// Spans in segments and tail, copies counted.
    pub records: u64,
    /// Bytes of the segments on disk.
    pub bytes: u64,
    /// Bytes on disk of request IDs whose spans were let go.
    pub request_id_bytes: u64,
    /// Bytes of the tail in memory.
    pub tail_bytes: u64,
    /// Segments on disk.
    pub segments: usize,
    /// The earliest start of a span.
    pub oldest: Option<UnixNanos>,
    /// The latest end of a span.
    pub newest: Option<UnixNanos>,
    /// Segments that were found damaged or missing since the start.
    pub quarantined: u64,
    /// How many damaged segments lie in the store's `quarantine/`, of this and earlier starts.
    /// Nothing deletes them but a person.
    pub aside_segments: u64,
    /// Their bytes on disk.
    pub aside_bytes: u64,
    /// What is wrong and a person should do something about, in words.
    pub troubles: Vec<String>,
}

impl Span {
    /// Decodes a span. `None` when its bytes are no span, which the doors do not let in.
    pub(crate) fn decode(raw: &RawSpan) -> Option<Self> {
        let span = wire::Span::decode(raw.bytes.clone()).ok()?;
        let context = &raw.context;
        let resource = wire::ResourceSpans::decode(context.resource.bytes.clone()).ok()?;
        let resource = pairs(&resource.resource.unwrap_or_default().attributes);
        let scope = wire::ScopeSpans::decode(context.scope.bytes.clone()).ok()?;
        let scope = scope.scope.unwrap_or_default();
        let service = resource
            .iter()
            .rev()
            .find(|(k, v)| k == semconv::SERVICE_NAME && !v.is_empty());
        let status = span.status.unwrap_or_default();
        Some(Self {
            span_id: raw.span_id,
            parent: SpanId::from_slice(&span.parent_span_id).ok(),
            service: service.map_or(SERVICE_UNKNOWN, |(_, name)| name).to_owned(),
            scope: scope.name,
            name: span.name,
            kind: kind_name(u64::try_from(span.kind).unwrap_or(0)).to_owned(),
            start: raw.start,
            end: raw.end,
            status: status_name(u64::try_from(status.code).unwrap_or(0)).to_owned(),
            status_message: status.message,
            attributes: pairs(&span.attributes),
            events: span.events.iter().map(Event::of).collect(),
            links: span.links.iter().filter_map(Link::of).collect(),
            resource,
        })
    }

    /// How long it took; zero when it ends before it starts.
    #[must_use]
    pub fn duration_nanos(&self) -> u64 {
        self.end.0.saturating_sub(self.start.0)
    }
}

impl Event {
    fn of(event: &wire::span::Event) -> Self {
        Self {
            time: UnixNanos(event.time_unix_nano),
            name: event.name.clone(),
            attributes: pairs(&event.attributes),
        }
    }
}

impl Link {
    fn of(link: &wire::span::Link) -> Option<Self> {
        let (trace_id, span_id) = (
            TraceId::from_slice(&link.trace_id).ok()?,
            SpanId::from_slice(&link.span_id).ok()?,
        );
        Some(Self {
            trace_id,
            span_id,
            attributes: pairs(&link.attributes),
        })
    }
}

impl TraceSummary {
    /// The summary of a trace that has spans.
    pub(crate) fn of(trace_id: TraceId, trace: &dyn sonde_traceql::Trace) -> Option<Self> {
        let spans: Vec<_> = (0..trace.len()).map(|at| trace.span(at)).collect();
        let ids: HashSet<SpanId> = spans.iter().map(|s| s.id).collect();
        let has_parent_here =
            |s: &sonde_traceql::Span<'_>| s.parent.is_some_and(|parent| ids.contains(&parent));
        let first = spans.first()?;
        let root = spans.iter().find(|s| s.parent.is_none());
        let root = root
            .or_else(|| spans.iter().find(|s| !has_parent_here(s)))
            .unwrap_or(first);
        let last = spans.iter().map(|s| s.end).max()?;
        let services: BTreeSet<&str> = spans.iter().map(|s| s.service).collect();
        let failed = |s: &&sonde_traceql::Span<'_>| s.status == sonde_traceql::Status::Error;
        Some(Self {
            trace_id,
            root_service: root.service.to_owned(),
            root_name: root.name.to_owned(),
            start: UnixNanos(first.start),
            duration_nanos: last - first.start,
            spans: spans.len(),
            errors: spans.iter().filter(failed).count(),
            services: services.into_iter().map(str::to_owned).collect(),
        })
    }
}

fn pairs(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let value = |kv: &KeyValue| {
        kv.value
            .as_ref()
            .map_or_else(String::new, |v| otlp::text(v).into_owned())
    };
    attributes
        .iter()
        .map(|kv| (kv.key.clone(), value(kv)))
        .collect()
}

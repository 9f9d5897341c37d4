//! Spans to put in, made from a seed.

use crate::{Config, TraceStore};
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, ArrayValue, InstrumentationScope};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::Event;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span, Status};
use prometheus_client::registry::Registry;
use prost::Message as _;
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;
use sonde_proto::{Deadline, Entry, Position, Signal, Tenant, TraceId, UnixNanos, otlp};
use std::path::Path;

pub(crate) const SERVICES: [&str; 4] = ["checkout", "cart", "pay", "mail"];
pub(crate) const OPERATIONS: [&str; 5] = ["GET /", "POST /pay", "send", "query", "retry loop"];

pub(crate) fn tenant() -> Tenant {
    Tenant::new("team-a").unwrap()
}

pub(crate) fn trace_id(n: u64) -> TraceId {
    TraceId::from_slice(&[&[7; 8][..], &(n + 1).to_be_bytes()].concat()).unwrap()
}

pub(crate) fn open(path: &Path, config: &Config) -> TraceStore {
    TraceStore::open(path, config, &mut Registry::default(), UnixNanos(0)).unwrap()
}

/// The traces of an identifier, all that were asked for.
pub(crate) fn lookup(store: &TraceStore, id: &str, limit: usize) -> Vec<TraceId> {
    let found = store.lookup(&tenant(), id, limit, &Deadline::never());
    let found = found.unwrap();
    assert_eq!(found.cut, None);
    found.trace_ids
}

/// A span of one of few traces, at a time of a few seconds, late or repeated at will.
pub(crate) fn random_span(rng: &mut ChaCha8Rng, traces: u64) -> Span {
    let number = rng.random_range(0..traces);
    let start = number * 1_000_000 + rng.random_range(0..5_000_000);
    let span_number: u64 = rng.random_range(1..12);
    let mut attributes = vec![
        otlp::kv("http.route", ["/a", "/b", "/c d"][rng.random_range(0..3)]),
        otlp::any_kv(
            "http.response.status_code",
            Value::IntValue([200, 404, 500][rng.random_range(0..3)]),
        ),
    ];
    if rng.random_bool(0.3) {
        attributes.push(otlp::kv("request.id", format!("req-{number}")));
    } else if rng.random_bool(0.3) {
        // A header may come more than once, so its attribute is a list.
        let values = ["other".to_owned(), format!("req-{number}")];
        let values = values.map(|value| AnyValue {
            value: Some(Value::StringValue(value)),
        });
        attributes.push(otlp::any_kv(
            "http.request.header.x-request-id",
            Value::ArrayValue(ArrayValue {
                values: values.into(),
            }),
        ));
    }
    if rng.random_bool(0.5) {
        attributes.push(otlp::any_kv(
            "retry",
            Value::BoolValue(rng.random_bool(0.5)),
        ));
        let sizes = [
            Value::DoubleValue(1.5),
            Value::IntValue(2),
            Value::DoubleValue(2.0),
        ];
        attributes.push(otlp::any_kv("size", sizes[rng.random_range(0..3)].clone()));
    }
    if rng.random_bool(0.4) {
        let all = [
            Value::StringValue("a".into()),
            Value::StringValue("b".into()),
            Value::IntValue(7),
        ];
        let values = (0..rng.random_range(0..4)).map(|_| AnyValue {
            value: Some(all[rng.random_range(0..3)].clone()),
        });
        let values = values.collect();
        attributes.push(otlp::any_kv(
            "tags",
            Value::ArrayValue(ArrayValue { values }),
        ));
    }
    let events = (0..rng.random_range(0..3)).map(|at| Event {
        time_unix_nano: start + at,
        name: ["start", "exception"][rng.random_range(0..2)].to_owned(),
        attributes: vec![otlp::kv(
            "exception.type",
            ["io", "x"][rng.random_range(0..2)],
        )],
        ..Event::default()
    });
    let events = events.collect();
    // Mostly the root; else any span of the trace, or one that never comes.
    let parent = match rng.random_range(0..3) {
        0 => rng.random_range(1..14),
        _ => 1,
    };
    Span {
        events,
        trace_id: trace_id(number).as_bytes().to_vec(),
        span_id: (number * 100 + span_number).to_be_bytes().to_vec(),
        parent_span_id: if span_number == 1 {
            Vec::new()
        } else {
            (number * 100 + parent).to_be_bytes().to_vec()
        },
        name: OPERATIONS[rng.random_range(0..OPERATIONS.len())].to_owned(),
        kind: rng.random_range(0..6),
        start_time_unix_nano: start,
        end_time_unix_nano: if rng.random_bool(0.05) {
            0
        } else {
            start + rng.random_range(0..3_000_000)
        },
        attributes,
        status: Some(Status {
            code: rng.random_range(0..3),
            message: String::new(),
        }),
        ..Span::default()
    }
}

/// One payload of spans of one service.
pub(crate) fn payload(service: &str, spans: Vec<Span>) -> ExportTraceServiceRequest {
    let scope_spans = ScopeSpans {
        scope: Some(InstrumentationScope {
            name: "test".to_owned(),
            ..InstrumentationScope::default()
        }),
        spans,
        ..ScopeSpans::default()
    };
    let attributes = vec![
        otlp::kv("service.name", service),
        otlp::kv("host.name", format!("{service}-host")),
    ];
    let resource = Resource {
        attributes,
        ..Resource::default()
    };
    ExportTraceServiceRequest {
        resource_spans: vec![ResourceSpans {
            resource: Some(resource),
            scope_spans: vec![scope_spans],
            ..ResourceSpans::default()
        }],
    }
}

pub(crate) fn entry(position: u64, request: &ExportTraceServiceRequest) -> (Position, Entry) {
    let payload = request.encode_to_vec().into();
    (
        Position(position),
        Entry::otlp(
            tenant(),
            Signal::Spans,
            UnixNanos::from_secs(position),
            payload,
        ),
    )
}

pub(crate) fn random_entry(rng: &mut ChaCha8Rng, position: u64, traces: u64) -> (Position, Entry) {
    let service = SERVICES[rng.random_range(0..SERVICES.len())];
    let spans = (0..rng.random_range(1..8))
        .map(|_| random_span(rng, traces))
        .collect();
    entry(position, &payload(service, spans))
}

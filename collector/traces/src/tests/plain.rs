//! Raw spans as the slow evaluation wants them.

use crate::raw::RawSpan;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1 as wire;
use prost::Message as _;
use sonde_proto::{SpanId, TraceId};
use sonde_traceql::{Kind, Scope, Static, Status, Value};
use sonde_traceql_oracle::{Plain, PlainSpan};

pub(super) fn plain(id: TraceId, raw: &[RawSpan]) -> Plain {
    Plain {
        id,
        spans: raw.iter().map(span).collect(),
    }
}

fn span(raw: &RawSpan) -> PlainSpan {
    let span = wire::Span::decode(raw.bytes.clone()).unwrap();
    let context = &raw.context;
    let resource = wire::ResourceSpans::decode(context.resource.bytes.clone()).unwrap();
    let resource = resource.resource.unwrap();
    let scope = wire::ScopeSpans::decode(context.scope.bytes.clone()).unwrap();
    let scope = scope.scope.unwrap();
    let mut attributes = Vec::new();
    let mut put = |scope, all: &[KeyValue]| {
        let all = all.iter();
        attributes.extend(all.map(|kv| (scope, kv.key.clone(), value(kv.value.as_ref().unwrap()))));
    };
    put(Scope::Span, &span.attributes);
    put(Scope::Resource, &resource.attributes);
    put(Scope::Instrumentation, &scope.attributes);
    span.events
        .iter()
        .for_each(|e| put(Scope::Event, &e.attributes));
    let service = attributes.iter().find_map(|(_, name, value)| match value {
        Value::Str(text) if name == "service.name" => Some(text.to_string()),
        _ => None,
    });
    PlainSpan {
        id: raw.span_id,
        parent: SpanId::from_slice(&span.parent_span_id).ok(),
        start: span.start_time_unix_nano,
        end: span.end_time_unix_nano.max(span.start_time_unix_nano),
        name: span.name,
        kind: Kind::ALL[usize::try_from(span.kind).unwrap()],
        status: Status::ALL[usize::try_from(span.status.unwrap().code).unwrap()],
        message: String::new(),
        service: service.unwrap(),
        instrumentation: (scope.name, scope.version),
        attributes,
        events: span
            .events
            .into_iter()
            .map(|event| (event.name, event.time_unix_nano))
            .collect(),
        links: Vec::new(),
    }
}

fn value(any: &AnyValue) -> Static {
    match any.value.as_ref().unwrap() {
        Any::StringValue(text) => Value::Str(text.clone().into()),
        Any::IntValue(n) => Value::Int(*n),
        Any::DoubleValue(n) => Value::Float(*n),
        Any::BoolValue(is) => Value::Bool(*is),
        Any::ArrayValue(array) => Value::List(array.values.iter().map(value).collect()),
        other => panic!("{other:?}"),
    }
}

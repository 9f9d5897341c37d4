//! The spans of a trace as a query sees them: decoded once, values with their types.

use crate::raw::{Context, RawSpan};
use crate::token::SERVICE_UNKNOWN;
use ahash::AHashMap;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as wire;
use prost::Message as _;
use sonde_proto::{SpanId, TraceId, otlp, semconv};
use sonde_traceql::{Kind, Scope, Span, Status, Trace, Value};
use std::sync::Arc;

/// A trace's decoded spans.
#[derive(Debug)]
pub(crate) struct Decoded {
    id: TraceId,
    spans: Vec<DecodedSpan>,
    contexts: Vec<DecodedContext>,
}

#[derive(Debug)]
struct DecodedSpan {
    id: SpanId,
    parent: Option<SpanId>,
    span: wire::Span,
    context: usize,
}

#[derive(Debug)]
struct DecodedContext {
    service: String,
    resource: Resource,
    scope: InstrumentationScope,
}

impl Decoded {
    /// Decodes collapsed spans in their order. What is no span is left out; the doors do not
    /// let it in.
    pub(crate) fn of(id: TraceId, raw: &[RawSpan]) -> Self {
        let (mut spans, mut contexts) = (Vec::with_capacity(raw.len()), Vec::new());
        let mut known: AHashMap<*const Context, Option<usize>> = AHashMap::new();
        for raw in raw {
            let key = Arc::as_ptr(&raw.context);
            let place = *known.entry(key).or_insert_with(|| {
                contexts.push(DecodedContext::of(&raw.context)?);
                Some(contexts.len() - 1)
            });
            if let (Some(context), Ok(span)) = (place, wire::Span::decode(raw.bytes.clone())) {
                spans.push(DecodedSpan {
                    id: raw.span_id,
                    parent: SpanId::from_slice(&span.parent_span_id).ok(),
                    span,
                    context,
                });
            }
        }
        Self {
            id,
            spans,
            contexts,
        }
    }

    fn parts(&self, at: usize) -> (&wire::Span, &DecodedContext) {
        let span = &self.spans[at];
        (&span.span, &self.contexts[span.context])
    }
}

impl DecodedContext {
    fn of(context: &Context) -> Option<Self> {
        let resource = Resource::decode(context.resource.clone()).ok()?;
        let scope = InstrumentationScope::decode(context.scope.clone()).ok()?;
        let mut named = resource.attributes.iter().rev();
        let service = named.find_map(|kv| {
            let value = kv.value.as_ref().map(otlp::text)?;
            (kv.key == semconv::SERVICE_NAME && !value.is_empty()).then(|| value.into_owned())
        });
        Some(Self {
            service: service.unwrap_or_else(|| SERVICE_UNKNOWN.to_owned()),
            resource,
            scope,
        })
    }
}

impl Trace for Decoded {
    fn id(&self) -> TraceId {
        self.id
    }

    fn len(&self) -> usize {
        self.spans.len()
    }

    fn span(&self, at: usize) -> Span<'_> {
        let (span, context) = self.parts(at);
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        let status = span.status.as_ref();
        Span {
            id: self.spans[at].id,
            parent: self.spans[at].parent,
            start,
            end: end.max(start),
            name: &span.name,
            kind: Kind::of_code(span.kind),
            status: Status::of_code(status.map_or(0, |status| status.code)),
            status_message: status.map_or("", |status| &status.message),
            service: &context.service,
            instrumentation: (&context.scope.name, &context.scope.version),
        }
    }

    fn attribute(&self, at: usize, scope: Scope, name: &str) -> Value<'_> {
        let (span, context) = self.parts(at);
        match scope {
            Scope::Any => match find(&span.attributes, name) {
                Value::Nil => find(&context.resource.attributes, name),
                found => found,
            },
            Scope::Span => find(&span.attributes, name),
            Scope::Resource => find(&context.resource.attributes, name),
            Scope::Instrumentation => find(&context.scope.attributes, name),
            Scope::Event => several(span.events.iter().map(|e| find(&e.attributes, name))),
            Scope::Link => several(span.links.iter().map(|l| find(&l.attributes, name))),
        }
    }

    fn each_attribute<'a>(&'a self, at: usize, each: &mut dyn FnMut(Scope, &'a str, Value<'a>)) {
        let (span, context) = self.parts(at);
        let mut all = |scope, attributes: &'a [KeyValue]| {
            for kv in attributes {
                each(scope, &kv.key, value(kv));
            }
        };
        all(Scope::Span, &span.attributes);
        all(Scope::Resource, &context.resource.attributes);
        all(Scope::Instrumentation, &context.scope.attributes);
        span.events
            .iter()
            .for_each(|e| all(Scope::Event, &e.attributes));
        span.links
            .iter()
            .for_each(|l| all(Scope::Link, &l.attributes));
    }

    fn each_event<'a>(&'a self, at: usize, each: &mut dyn FnMut(&'a str, u64)) {
        for event in &self.parts(at).0.events {
            each(&event.name, event.time_unix_nano);
        }
    }

    fn each_link(&self, at: usize, each: &mut dyn FnMut(TraceId, SpanId)) {
        for link in &self.parts(at).0.links {
            let ids = (
                TraceId::from_slice(&link.trace_id),
                SpanId::from_slice(&link.span_id),
            );
            if let (Ok(trace), Ok(span)) = ids {
                each(trace, span);
            }
        }
    }
}

/// The last attribute of a name counts, as the last service name of a resource does.
fn find<'a>(attributes: &'a [KeyValue], name: &str) -> Value<'a> {
    let found = attributes.iter().rev().find(|kv| kv.key == name);
    found.map_or(Value::Nil, value)
}

/// The values that are there, as one: a list where they are several.
fn several<'a>(values: impl Iterator<Item = Value<'a>>) -> Value<'a> {
    let mut found: Vec<Value<'a>> = Vec::new();
    for value in values {
        match value {
            Value::Nil => {}
            Value::List(values) => found.extend(values),
            value => found.push(value),
        }
    }
    match found.len() {
        0 => Value::Nil,
        1 => found.swap_remove(0),
        _ => Value::List(found),
    }
}

fn value(kv: &KeyValue) -> Value<'_> {
    kv.value.as_ref().map_or(Value::Nil, of_any)
}

/// A value with its type; what has none here, such as bytes, is its text.
fn of_any(any: &AnyValue) -> Value<'_> {
    match &any.value {
        None => Value::Nil,
        Some(Any::StringValue(text)) => Value::text(text),
        Some(Any::BoolValue(is)) => Value::Bool(*is),
        Some(Any::IntValue(n)) => Value::Int(*n),
        Some(Any::DoubleValue(n)) => Value::Float(*n),
        Some(Any::ArrayValue(array)) => Value::List(array.values.iter().map(element).collect()),
        Some(_) => Value::Str(otlp::text(any)),
    }
}

/// Lists within lists are text, so that comparing goes one level deep.
fn element(any: &AnyValue) -> Value<'_> {
    match &any.value {
        Some(Any::ArrayValue(_)) => Value::Str(otlp::text(any)),
        _ => of_any(any),
    }
}

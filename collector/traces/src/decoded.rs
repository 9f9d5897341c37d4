//! The spans of a trace as a query sees them: decoded once, values with their types; what many
//! traces share once for all of them ([`Decoder`]).

use crate::raw::{Context, RawSpan, Shell};
use crate::token::SERVICE_UNKNOWN;
use crate::wire::put_bytes;
use ahash::AHashMap;
use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1 as wire;
use prost::Message as _;
use sonde_proto::walk::measure;
use sonde_proto::{Signal, SpanId, TraceId, otlp, semconv};
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
    resource: Arc<DecodedResource>,
    scope: Arc<InstrumentationScope>,
}

#[derive(Debug)]
struct DecodedResource {
    service: String,
    resource: Resource,
}

/// Decodes one trace after the other, and what they share when it comes for the first time.
#[derive(Default)]
pub(crate) struct Decoder {
    resources: Kept<DecodedResource>,
    scopes: Kept<InstrumentationScope>,
    /// About how much memory these take.
    bytes: usize,
}

/// What shells say, by where they are; which they stay as long as they are held. `None` where they
/// say nothing that can be read, which the doors do not let in.
type Kept<T> = AHashMap<*const Shell, (Arc<Shell>, Option<Arc<T>>)>;

/// When decoded resources and scopes take more, they are let go before the next trace; not where
/// it is one resource alone, which may be as large as it likes.
const KEPT_BYTES_MAX: usize = 64 << 20;

impl Decoder {
    /// Decodes collapsed spans in their order. What is no span is left out; the doors do not
    /// let it in.
    pub(crate) fn decode(&mut self, id: TraceId, raw: &[RawSpan]) -> Decoded {
        if self.bytes > KEPT_BYTES_MAX && self.resources.len() > 1 {
            *self = Self::default();
        }
        let (mut spans, mut contexts) = (Vec::with_capacity(raw.len()), Vec::new());
        let mut known: AHashMap<*const Context, Option<usize>> = AHashMap::new();
        for raw in raw {
            let key = Arc::as_ptr(&raw.context);
            let place = *known.entry(key).or_insert_with(|| {
                contexts.push(self.context(&raw.context)?);
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
        Decoded {
            id,
            spans,
            contexts,
        }
    }

    fn context(&mut self, context: &Context) -> Option<DecodedContext> {
        let (resource, scope) = (&context.resource, &context.scope);
        let bytes = &mut self.bytes;
        let resource = kept(&mut self.resources, resource, bytes, DecodedResource::of)?;
        let scope = kept(&mut self.scopes, scope, bytes, |shell| {
            let scope = wire::ScopeSpans::decode(shell.bytes.clone()).ok()?.scope;
            Some(scope.unwrap_or_default())
        })?;
        Some(DecodedContext { resource, scope })
    }
}

/// What a shell says, decoded where it was not yet.
fn kept<T>(
    known: &mut Kept<T>,
    shell: &Arc<Shell>,
    bytes: &mut usize,
    decode: impl FnOnce(&Shell) -> Option<T>,
) -> Option<Arc<T>> {
    let (_, decoded) = known.entry(Arc::as_ptr(shell)).or_insert_with(|| {
        *bytes += shell.bytes.len() + bytes_decoded(shell);
        (Arc::clone(shell), decode(shell).map(Arc::new))
    });
    decoded.clone()
}

/// About how much memory a shell takes once it is decoded: two bytes may become sixty. That of a
/// scope is measured as if it were a resource's, which is as large or larger.
fn bytes_decoded(shell: &Shell) -> usize {
    let mut request = Vec::with_capacity(shell.bytes.len() + 16);
    put_bytes(&mut request, 1, &shell.bytes);
    let decoded = measure(Signal::Spans, &request).map_or(0, |measure| measure.decoded_bytes);
    usize::try_from(decoded).unwrap_or(usize::MAX / 2)
}

impl Decoded {
    fn parts(&self, at: usize) -> (&wire::Span, &DecodedContext) {
        let span = &self.spans[at];
        (&span.span, &self.contexts[span.context])
    }
}

impl DecodedResource {
    fn of(shell: &Shell) -> Option<Self> {
        let decoded = wire::ResourceSpans::decode(shell.bytes.clone()).ok()?;
        let mut resource = decoded.resource.unwrap_or_default();
        let mut named = resource.attributes.iter().rev();
        let service = named.find_map(|kv| {
            let value = kv.value.as_ref().map(otlp::text)?;
            (kv.key == semconv::SERVICE_NAME && !value.is_empty()).then(|| value.into_owned())
        });
        let service = service.unwrap_or_else(|| {
            // Among the services it is offered under this name, so that it is to be asked for by it.
            let unknown = otlp::kv(semconv::SERVICE_NAME, SERVICE_UNKNOWN);
            resource.attributes.push(unknown);
            SERVICE_UNKNOWN.to_owned()
        });
        Some(Self { service, resource })
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
            service: &context.resource.service,
            instrumentation: (&context.scope.name, &context.scope.version),
        }
    }

    fn attribute(&self, at: usize, scope: Scope, name: &str) -> Value<'_> {
        let (span, context) = self.parts(at);
        match scope {
            Scope::Any => match find(&span.attributes, name) {
                Value::Nil => find(&context.resource.resource.attributes, name),
                found => found,
            },
            Scope::Span => find(&span.attributes, name),
            Scope::Resource => find(&context.resource.resource.attributes, name),
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
        all(Scope::Resource, &context.resource.resource.attributes);
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

//! What is read of spans against what decoding them says.

use super::*;
use opentelemetry_proto::tonic::trace::v1 as types;
use prometheus_client::registry::Registry;
use prost::Message as _;
use sonde_proto::otlp::common::any_value::Value;
use sonde_proto::otlp::common::{AnyValue, ArrayValue, KeyValue};
use sonde_proto::otlp::trace_service::ExportTraceServiceRequest;
use sonde_proto::otlp::{self, any_kv, kv};
use sonde_proto::{Signal, SpanId, Tenant, UnixNanos, walk};

const KEYS: [&str; 2] = [
    "request.id",
    "a.key.of.more.than.sixty-three.characters.that.has.identifiers.in.it",
];

fn entry(payload: Vec<u8>) -> Entry {
    let (tenant, now) = (Tenant::default(), UnixNanos(7));
    Entry::otlp(tenant, Signal::Spans, now, payload.into())
}

fn read(entry: &Entry) -> Parsed {
    let metrics = Metrics::register(&mut Registry::default());
    let spans = walk::spans(&entry.payload).unwrap();
    parsed(entry, &spans, &KEYS.map(str::to_owned), &metrics)
}

fn request(spans: Vec<types::Span>) -> Vec<u8> {
    let resource = otlp::resource::Resource {
        attributes: vec![kv("service.name", "shop")],
        ..Default::default()
    };
    let scope_spans = vec![types::ScopeSpans {
        spans,
        ..Default::default()
    }];
    let resource_spans = vec![types::ResourceSpans {
        resource: Some(resource),
        scope_spans,
        ..Default::default()
    }];
    ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn list(values: &[&str]) -> Value {
    let values = values.iter().map(|value| AnyValue {
        value: Some(Value::StringValue((*value).into())),
    });
    Value::ArrayValue(ArrayValue {
        values: values.collect(),
    })
}

fn span(number: u64, name: &str, attributes: Vec<KeyValue>) -> types::Span {
    types::Span {
        trace_id: [[1; 8], number.to_be_bytes()].concat(),
        span_id: (number + 1).to_be_bytes().to_vec(),
        name: name.into(),
        kind: i32::try_from(number % 7).unwrap(),
        start_time_unix_nano: 5,
        end_time_unix_nano: 5 + number * 1000,
        attributes,
        status: Some(types::Status {
            code: i32::try_from(number % 4).unwrap(),
            message: String::new(),
        }),
        ..Default::default()
    }
}

/// The tokens that a decoded span has.
fn expected(span: &types::Span) -> Vec<u64> {
    let number = |n: i32| u64::try_from(n).unwrap();
    let kind = token::kind_name(number(span.kind));
    let status = token::status_name(number(span.status.as_ref().unwrap().code));
    let mut tokens = vec![token::span_id(&SpanId::from_slice(&span.span_id).unwrap())];
    let mut put = |kind, key: &str, value: &str| {
        tokens.extend(token::token(kind, key, value.as_bytes()));
    };
    for attribute in &span.attributes {
        let value = attribute.value.clone().unwrap_or_default();
        let text = otlp::text(&value);
        put(Kind::Attribute, &attribute.key, &text);
        let elements = match &value.value {
            Some(Value::ArrayValue(list)) => list.values.iter().map(otlp::text).collect(),
            _ => Vec::new(),
        };
        for element in &elements {
            put(Kind::Attribute, &attribute.key, element);
        }
        if KEYS.contains(&&*attribute.key) && elements.is_empty() {
            put(Kind::RequestId, "", &text);
        } else if KEYS.contains(&&*attribute.key) {
            let ids = elements.iter();
            ids.for_each(|id| put(Kind::RequestId, "", id));
        }
    }
    put(Kind::Operation, "", &span.name);
    put(Kind::Role, "", kind);
    put(Kind::Status, "", status);
    tokens.sort_unstable();
    tokens
}

#[test]
fn a_span_has_the_tokens_of_what_decoding_it_says() {
    let attributes = || {
        vec![
            kv("http.route", "/items/{id}"),
            kv("empty", ""),
            kv("", "no name"),
            kv("long", "v".repeat(300)),
            kv("request.id", "req-1"),
            kv(KEYS[1], "req-2"),
            any_kv("request.id", list(&["req-3", "req-4"])),
            any_kv("listed", list(&["a", "b"])),
            any_kv("none", list(&[])),
            kv("like.a.list", "[1, 2"),
            any_kv("int", Value::IntValue(-20)),
            any_kv("bool", Value::BoolValue(true)),
            any_kv("double", Value::DoubleValue(0.5)),
            any_kv("bytes", Value::BytesValue(vec![1, 255])),
            KeyValue {
                key: "absent".into(),
                ..Default::default()
            },
        ]
    };
    let long = "operation ".repeat(30);
    let spans: Vec<_> = (0..28)
        .map(|n| span(n, ["GET", "POST", &long, ""][n as usize % 4], attributes()))
        .collect();
    let entry = entry(request(spans.clone()));
    let found = read(&entry);
    assert_eq!(found.spans.len(), spans.len());
    for (found_span, span) in found.spans.iter().zip(&spans) {
        let mut tokens = found.tokens[found_span.tokens.clone()].to_vec();
        tokens.sort_unstable();
        assert_eq!(tokens, expected(span));
        assert_eq!(&found_span.span.bytes[..], span.encode_to_vec());
        let code = found_span.code;
        assert_eq!(code.name, codes::name(&span.name).unwrap_or(0));
        assert_eq!(code.service, codes::service("shop").unwrap());
        assert_eq!(code.flags, codes::of_span(&found_span.span.bytes));
        assert_eq!(code.nanos, codes::nanos(found_span.span.nanos()));
    }
    let named = found.spans.iter().filter_map(|span| span.name.as_deref());
    assert_eq!(named.collect::<Vec<_>>(), ["GET", "POST", &long, ""]);
}

#[test]
fn a_value_and_a_status_in_parts_have_the_tokens_of_the_whole() {
    let field = |tag: u8, inside: &[u8]| {
        let len = u8::try_from(inside.len()).unwrap();
        [&[tag << 3 | 2, len], inside].concat()
    };
    let part = |text: &str| field(2, &field(5, &field(1, &field(1, text.as_bytes()))));
    let attribute = [field(1, b"listed"), part("a"), part("b")].concat();
    let status = [field(15, &[0x18, 2]), field(15, &field(2, b"why"))].concat();
    let ids = [field(1, &[1; 16]), field(2, &[2; 8])].concat();
    let bytes = [ids, field(9, &attribute), status].concat();
    let decoded = types::Span::decode(&bytes[..]).unwrap();
    let found = read(&entry(field(1, &field(2, &field(2, &bytes)))));
    let mut tokens = found.tokens[found.spans[0].tokens.clone()].to_vec();
    tokens.sort_unstable();
    assert_eq!(tokens, expected(&decoded));
    assert_eq!(found.spans[0].code.flags, codes::flags(2, 0));
}

#[test]
fn spans_without_ids_are_left_out_and_what_only_they_share_with_them() {
    let mut without = span(1, "GET", Vec::new());
    without.span_id.clear();
    let found = read(&entry(request(vec![without.clone()])));
    assert!(found.spans.is_empty() && found.contexts.is_empty());
    let found = read(&entry(request(vec![without, span(2, "GET", Vec::new())])));
    assert_eq!((found.spans.len(), found.contexts.len()), (1, 1));
    assert_eq!(found.spans[0].name.as_deref(), Some("GET"));
}

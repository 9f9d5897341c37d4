//! OTLP's types, and the few readings of them that everyone needs.

pub use opentelemetry_proto::tonic::collector::logs::v1 as logs_service;
pub use opentelemetry_proto::tonic::collector::metrics::v1 as metrics_service;
pub use opentelemetry_proto::tonic::collector::trace::v1 as trace_service;
pub use opentelemetry_proto::tonic::common::v1 as common;
pub use opentelemetry_proto::tonic::logs::v1 as logs;
pub use opentelemetry_proto::tonic::metrics::v1 as metrics;
pub use opentelemetry_proto::tonic::resource::v1 as resource;
pub use opentelemetry_proto::tonic::trace::v1 as trace;

use common::{AnyValue, KeyValue, any_value::Value};
use std::borrow::Cow;

/// How deep lists and maps inside a value are followed; deeper ones are written as `null`.
const VALUE_DEPTH_MAX: usize = 16;

/// The value of an attribute, where it is there.
#[must_use]
pub fn attribute<'a>(attributes: &'a [KeyValue], key: &str) -> Option<&'a AnyValue> {
    attributes.iter().find(|kv| kv.key == key)?.value.as_ref()
}

/// An attribute's value as text (see [`text`]); `None` where it is missing.
#[must_use]
pub fn attribute_text<'a>(attributes: &'a [KeyValue], key: &str) -> Option<Cow<'a, str>> {
    attribute(attributes, key).map(text)
}

/// A value as text: strings as they are, numbers and booleans in their usual form, bytes
/// as lower-case hex, lists and maps as JSON.
#[must_use]
pub fn text(value: &AnyValue) -> Cow<'_, str> {
    match &value.value {
        None => Cow::Borrowed(""),
        Some(Value::StringValue(s)) => Cow::Borrowed(s),
        Some(Value::BoolValue(b)) => Cow::Borrowed(if *b { "true" } else { "false" }),
        Some(Value::IntValue(n)) => Cow::Owned(n.to_string()),
        Some(Value::DoubleValue(n)) => Cow::Owned(n.to_string()),
        Some(Value::BytesValue(b)) => Cow::Owned(hex(b)),
        Some(_) => Cow::Owned(json(value, 0).to_string()),
    }
}

/// A value as JSON, with bytes as hex.
#[must_use]
pub fn to_json(value: &AnyValue) -> serde_json::Value {
    json(value, 0)
}

fn json(value: &AnyValue, depth: usize) -> serde_json::Value {
    if depth > VALUE_DEPTH_MAX {
        return serde_json::Value::Null;
    }
    match &value.value {
        None => serde_json::Value::Null,
        Some(Value::StringValue(s)) => s.as_str().into(),
        Some(Value::BoolValue(b)) => (*b).into(),
        Some(Value::IntValue(n)) => (*n).into(),
        Some(Value::DoubleValue(n)) => (*n).into(),
        Some(Value::BytesValue(b)) => hex(b).into(),
        Some(Value::ArrayValue(list)) => list.values.iter().map(|v| json(v, depth + 1)).collect(),
        Some(Value::KvlistValue(map)) => {
            let pair = |kv: &KeyValue| {
                let value = kv
                    .value
                    .as_ref()
                    .map_or(serde_json::Value::Null, |v| json(v, depth + 1));
                (kv.key.clone(), value)
            };
            serde_json::Value::Object(map.values.iter().map(pair).collect())
        }
        Some(_) => serde_json::Value::Null,
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes
        .iter()
        .fold(String::with_capacity(bytes.len() * 2), |mut out, b| {
            let _ = write!(out, "{b:02x}");
            out
        })
}

/// An attribute with a text value.
#[must_use]
pub fn kv(key: &str, value: impl Into<String>) -> KeyValue {
    any_kv(key, Value::StringValue(value.into()))
}

/// An attribute with any value.
#[must_use]
pub fn any_kv(key: &str, value: Value) -> KeyValue {
    KeyValue {
        key: key.into(),
        value: Some(AnyValue { value: Some(value) }),
        ..Default::default()
    }
}

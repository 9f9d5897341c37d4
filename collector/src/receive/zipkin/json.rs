//! Zipkin's JSON, as far as it is read. Unknown fields are passed over.

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use sonde_proto::otlp::any_kv;
use sonde_proto::otlp::common::{KeyValue, any_value::Value};
use std::fmt;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ZipkinSpan {
    pub(super) trace_id: Option<String>,
    pub(super) id: Option<String>,
    pub(super) parent_id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    /// Microseconds, which a float holds whole until the year 2255.
    pub(super) timestamp: Option<f64>,
    pub(super) duration: Option<f64>,
    pub(super) local_endpoint: Option<Endpoint>,
    pub(super) remote_endpoint: Option<Endpoint>,
    pub(super) annotations: Option<Vec<Annotation>>,
    pub(super) tags: Option<Tags>,
    pub(super) debug: Option<bool>,
    pub(super) shared: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Endpoint {
    pub(super) service_name: Option<String>,
    pub(super) ipv4: Option<String>,
    pub(super) ipv6: Option<String>,
    pub(super) port: Option<i64>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Annotation {
    pub(super) timestamp: Option<f64>,
    pub(super) value: Option<String>,
}

/// Tags as attributes. Zipkin's are texts; some senders write numbers.
#[derive(Debug, Default)]
pub(super) struct Tags(pub(super) Vec<KeyValue>);

impl<'de> Deserialize<'de> for Tags {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_map(InTags)
    }
}

struct InTags;

impl<'de> Visitor<'de> for InTags {
    type Value = Tags;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tags: an object of texts")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Tags, M::Error> {
        let mut tags = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Tag>()? {
            let mut kv = any_kv("", value.0);
            kv.key = key;
            tags.push(kv);
        }
        Ok(Tags(tags))
    }
}

/// The value of a tag.
struct Tag(Value);

impl<'de> Deserialize<'de> for Tag {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        d.deserialize_any(InTag)
    }
}

/// Nothing is read in advance to find out what it is: lists are refused where they begin.
struct InTag;

impl Visitor<'_> for InTag {
    type Value = Tag;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the text of a tag")
    }

    fn visit_str<E>(self, text: &str) -> Result<Tag, E> {
        Ok(Tag(Value::StringValue(text.to_owned())))
    }

    fn visit_bool<E>(self, is: bool) -> Result<Tag, E> {
        Ok(Tag(Value::BoolValue(is)))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tag, E> {
        Ok(Tag(Value::IntValue(number)))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tag, E> {
        let whole = i64::try_from(number).map(Value::IntValue);
        Ok(Tag(whole.unwrap_or(Value::DoubleValue(number as f64))))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tag, E> {
        Ok(Tag(Value::DoubleValue(number)))
    }
}

/// An event with attributes, as OpenTelemetry's exporters write it: `"name": {"key": value}`.
pub(super) fn named(value: &str) -> Option<(String, Vec<KeyValue>)> {
    if !value.starts_with('"') {
        return None;
    }
    let mut reader = serde_json::Deserializer::from_str(value).into_iter::<String>();
    let name = reader.next()?.ok()?;
    let rest = value.get(reader.byte_offset()..)?;
    let rest = rest.trim_start().strip_prefix(':')?;
    let tags: Tags = serde_json::from_str(rest).ok()?;
    Some((name, tags.0))
}

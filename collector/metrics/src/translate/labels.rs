//! The labels of a series: the point's attributes, what is promoted from the resource, `job` and
//! `instance`, and what names the instrumentation scope.

use super::names;
use super::wire::{Fields, Malformed, Value, text};
use prost::Message as _;
use sonde_proto::otlp::{self, common::KeyValue};
use sonde_proto::semconv::{SERVICE_INSTANCE_ID, SERVICE_NAME, SERVICE_NAMESPACE};
use std::collections::BTreeMap;

/// Label names and values, by name.
pub(crate) type LabelMap = BTreeMap<String, String>;

/// The name of the label that holds the metric's name.
pub(crate) use sonde_proto::METRIC_NAME as NAME;

/// What a resource gives to its series.
#[derive(Clone, Debug, Default)]
pub(crate) struct Resource {
    /// `job`, `instance` and promoted attributes.
    pub(crate) labels: LabelMap,
    /// The labels of `target_info`, if the resource says more than who it is.
    pub(crate) target: Option<LabelMap>,
}

impl Resource {
    /// Reads an OTLP `Resource`.
    pub(crate) fn read(message: &[u8], promoted: &[String]) -> Result<Self, Malformed> {
        let attributes = attributes_in(message, 1)?;
        let get = |key: &str| otlp::attribute_text(&attributes, key).unwrap_or_default();
        let mut identity = LabelMap::new();
        let job = match (get(SERVICE_NAMESPACE), get(SERVICE_NAME)) {
            (namespace, name) if namespace.is_empty() || name.is_empty() => name.into_owned(),
            (namespace, name) => format!("{namespace}/{name}"),
        };
        set(&mut identity, "job", job);
        set(
            &mut identity,
            "instance",
            get(SERVICE_INSTANCE_ID).into_owned(),
        );
        let mut labels = LabelMap::new();
        for key in promoted {
            set(&mut labels, &names::label(key), get(key).into_owned());
        }
        let identifies =
            |key: &str| [SERVICE_NAME, SERVICE_NAMESPACE, SERVICE_INSTANCE_ID].contains(&key);
        let others: Vec<KeyValue> = attributes
            .iter()
            .filter(|kv| !identifies(&kv.key))
            .cloned()
            .collect();
        let target = (!identity.is_empty() && !others.is_empty()).then(|| {
            let mut target = of_attributes(&others);
            target.extend(identity.clone());
            target.insert(NAME.into(), "target_info".into());
            target
        });
        labels.extend(identity);
        Ok(Self { labels, target })
    }
}

/// What names an instrumentation scope's labels.
const SCOPE: &str = "otel_scope_";

/// The labels of an OTLP `InstrumentationScope`, as the specification has them
/// (<https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/>):
/// without them two libraries' counters of one name would be one series.
pub(crate) fn of_scope(message: &[u8], schema_url: &[u8]) -> Result<LabelMap, Malformed> {
    let (mut name, mut version) = ("", "");
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Bytes(b)) => name = text(b)?,
            (2, Value::Bytes(b)) => version = text(b)?,
            _ => {}
        }
    }
    let mut attributes = attributes_in(message, 3)?;
    // These would pass for what the scope itself says.
    attributes.retain(|kv| !["name", "version", "schema_url"].contains(&kv.key.as_str()));
    for attribute in &mut attributes {
        attribute.key.insert_str(0, SCOPE);
    }
    let mut labels = of_attributes(&attributes);
    for (what, said) in [
        ("name", name),
        ("version", version),
        ("schema_url", text(schema_url)?),
    ] {
        set(&mut labels, &format!("{SCOPE}{what}"), said.to_owned());
    }
    Ok(labels)
}

/// The labels of a point, without its name.
pub(crate) fn of_point(attributes: &[&[u8]], resource: &Resource) -> Result<LabelMap, Malformed> {
    let decode = |bytes: &&[u8]| KeyValue::decode(*bytes).map_err(|_| Malformed);
    let attributes = attributes
        .iter()
        .map(decode)
        .collect::<Result<Vec<_>, _>>()?;
    let mut labels = of_attributes(&attributes);
    for (name, value) in &resource.labels {
        if name == "job" || name == "instance" || !labels.contains_key(name) {
            labels.insert(name.clone(), value.clone());
        }
    }
    Ok(labels)
}

/// Attributes whose names become the same label are joined with `;`, by attribute name.
fn of_attributes(attributes: &[KeyValue]) -> LabelMap {
    let mut sorted: Vec<&KeyValue> = attributes.iter().collect();
    sorted.sort_by(|a, b| a.key.cmp(&b.key));
    sorted.dedup_by(|a, b| a.key == b.key);
    let mut labels = LabelMap::new();
    for kv in sorted {
        let (name, value) = (
            names::label(&kv.key),
            kv.value.as_ref().map(otlp::text).unwrap_or_default(),
        );
        if name.is_empty() || name == NAME || value.is_empty() {
            continue;
        }
        labels
            .entry(name)
            .and_modify(|joined| {
                joined.push(';');
                joined.push_str(&value);
            })
            .or_insert_with(|| value.into_owned());
    }
    labels
}

/// The attributes in the field of that number.
pub(crate) fn attributes_in(message: &[u8], number: u64) -> Result<Vec<KeyValue>, Malformed> {
    let mut attributes = Vec::new();
    let mut fields = Fields::of(message);
    while let Some((found, value)) = fields.next()? {
        if let (true, Value::Bytes(bytes)) = (found == number, value) {
            attributes.push(KeyValue::decode(bytes).map_err(|_| Malformed)?);
        }
    }
    Ok(attributes)
}

fn set(labels: &mut LabelMap, name: &str, value: String) {
    if !value.is_empty() {
        labels.insert(name.into(), value);
    }
}

//! Metrics that were scraped: their series are called what the target called them.
//!
//! Such a metric says its kind in Prometheus' words in its metadata, under `prometheus.type`,
//! as OpenTelemetry's Prometheus receiver has it. Its name gets neither unit nor suffix, its
//! attributes are its labels, letter by letter, and its scope is nobody's label. `job` and
//! `instance` come from the resource's `service.name` and `service.instance.id`, unless an
//! attribute of that name says otherwise: an empty one, that there is no such label.

use super::labels::{LabelMap, NAME, Resource};
use super::wire::Malformed;
use prost::Message as _;
use sonde_proto::otlp::{self, common::KeyValue};
use sonde_proto::semconv::PROMETHEUS_TYPE;

/// The kinds that Prometheus tells apart.
const KINDS: [&str; 8] = [
    "counter",
    "gauge",
    "histogram",
    "gaugehistogram",
    "summary",
    "info",
    "stateset",
    "unknown",
];

/// The kind that an entry of a metric's metadata says it has, where it speaks of that.
pub(crate) fn kind(entry: &[u8]) -> Result<Option<&'static str>, Malformed> {
    let entry = KeyValue::decode(entry).map_err(|_| Malformed)?;
    if entry.key != PROMETHEUS_TYPE {
        return Ok(None);
    }
    let said = entry.value.as_ref().map(otlp::text).unwrap_or_default();
    let known = KINDS.into_iter().find(|kind| *kind == said);
    Ok(Some(known.unwrap_or("unknown")))
}

/// The labels of a point, without its name.
pub(crate) fn of_point(attributes: &[&[u8]], resource: &Resource) -> Result<LabelMap, Malformed> {
    let own = |name: &&str| Some(((*name).to_owned(), resource.labels.get(*name)?.clone()));
    let mut labels: LabelMap = ["job", "instance"].iter().filter_map(own).collect();
    for attribute in attributes {
        let attribute = KeyValue::decode(*attribute).map_err(|_| Malformed)?;
        let value = attribute.value.as_ref().map(otlp::text).unwrap_or_default();
        labels.insert(attribute.key, value.into_owned());
    }
    labels.retain(|name, value| !name.is_empty() && !value.is_empty() && name != NAME);
    Ok(labels)
}

/// The name by which a series' metric is described: that of the whole, not of its parts.
pub(crate) fn family<'n>(name: &'n str, kind: &str) -> &'n str {
    let parts: &[&str] = match kind {
        "histogram" | "gaugehistogram" => &["_bucket", "_count", "_sum", "_gcount", "_gsum"],
        "summary" => &["_count", "_sum"],
        _ => &[],
    };
    let whole = parts.iter().find_map(|part| name.strip_suffix(part));
    whole.unwrap_or(name)
}

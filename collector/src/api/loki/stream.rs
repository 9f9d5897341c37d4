//! Lines as streams: `{"stream": {…}, "values": [["nanoseconds", "line"], …]}`.
//!
//! A client that asks for `categorize-labels` gets a third element with the labels that are
//! structured metadata or were parsed; for others those are labels of the stream.

use crate::logs::Line;
use axum::http::HeaderMap;
use serde::ser::{Serialize, SerializeSeq as _, Serializer};
use sonde_logql::Category;
use std::collections::BTreeMap;

const FLAGS: &str = "x-loki-response-encoding-flags";
/// The flag that asks for labels by where they come from.
pub(super) const CATEGORIZE: &str = "categorize-labels";

/// Whether a client asks for labels by where they come from.
pub(super) fn wants_categories(headers: &HeaderMap) -> bool {
    let flags = headers.get_all(FLAGS).iter();
    flags
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|flag| flag.trim() == CATEGORIZE)
}

/// Lines with the same labels, in the order of the answer.
#[derive(Debug, serde::Serialize)]
pub(super) struct Stream {
    stream: BTreeMap<String, String>,
    values: Vec<Value>,
}

#[derive(Debug)]
struct Value {
    nanos: String,
    text: String,
    categories: Option<Categories>,
}

#[derive(Debug, Default, serde::Serialize)]
struct Categories {
    #[serde(
        rename = "structuredMetadata",
        skip_serializing_if = "BTreeMap::is_empty"
    )]
    metadata: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    parsed: BTreeMap<String, String>,
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        let mut seq = s.serialize_seq(None)?;
        seq.serialize_element(&self.nanos)?;
        seq.serialize_element(&self.text)?;
        if let Some(categories) = &self.categories {
            seq.serialize_element(categories)?;
        }
        seq.end()
    }
}

/// The streams of an answer, by labels.
pub(super) fn streams(lines: Vec<Line>, categorize: bool) -> Vec<Stream> {
    let mut by_labels: BTreeMap<BTreeMap<String, String>, Vec<Value>> = BTreeMap::new();
    for line in lines {
        let mut stream = BTreeMap::new();
        let mut categories = Categories::default();
        for (name, value, category) in line.labels {
            let into = match category {
                Category::StructuredMetadata if categorize => &mut categories.metadata,
                Category::Parsed if categorize => &mut categories.parsed,
                Category::Stream | Category::StructuredMetadata | Category::Parsed => &mut stream,
            };
            into.insert(name, value);
        }
        by_labels.entry(stream).or_default().push(Value {
            nanos: line.time.0.to_string(),
            text: line.text,
            categories: categorize.then_some(categories),
        });
    }
    by_labels
        .into_iter()
        .map(|(stream, values)| Stream { stream, values })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use sonde_proto::UnixNanos;

    fn line(time: u64, text: &str) -> Line {
        let label = |n: &str, v: &str, c| (n.to_owned(), v.to_owned(), c);
        Line {
            time: UnixNanos(time),
            text: text.into(),
            labels: vec![
                label("app", "x", Category::Stream),
                label("pod", "p", Category::StructuredMetadata),
                label("status", "500", Category::Parsed),
            ],
        }
    }

    #[test]
    fn labels_are_folded_or_told_apart() {
        let folded = streams(vec![line(2, "b"), line(1, "a")], false);
        assert_eq!(
            serde_json::to_value(folded).unwrap(),
            json!([{"stream": {"app": "x", "pod": "p", "status": "500"}, "values": [["2", "b"], ["1", "a"]]}])
        );
        let apart = streams(vec![line(1, "a")], true);
        assert_eq!(
            serde_json::to_value(apart).unwrap(),
            json!([{"stream": {"app": "x"}, "values": [["1", "a", {"structuredMetadata": {"pod": "p"}, "parsed": {"status": "500"}}]]}])
        );
    }
}

//! Which fields lines have, by looking at some of them.

use crate::logs::Line;
use serde::Serialize;
use serde_json::Value as Json;
use sonde_logql::ast::Stage;
use sonde_logql::source::{Record, StreamView};
use sonde_logql::{Category, CompileError, Pipeline, PipelineLimits, Scratch};
use sonde_proto::{Labels, UnixNanos};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// How many fields are told apart, and how many values of each.
const FIELDS_MAX: usize = 10_000;
const VALUES_MAX: usize = 10_000;
/// How deep objects are followed to say where a field is.
const DEPTH_MAX: usize = 64;

/// A field, as the API shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Field {
    pub(super) label: String,
    #[serde(rename = "type")]
    pub(super) kind: &'static str,
    pub(super) cardinality: usize,
    /// Which parsers find it; none needs one where it is structured metadata.
    pub(super) parsers: Vec<&'static str>,
    #[serde(rename = "jsonPath", skip_serializing_if = "Vec::is_empty")]
    pub(super) json_path: Vec<String>,
}

/// The fields found so far.
pub(super) struct Fields {
    found: BTreeMap<String, Found>,
    json: Pipeline,
    logfmt: Pipeline,
    scratch: Scratch,
}

#[derive(Debug, Default)]
struct Found {
    values: BTreeSet<String>,
    parsers: BTreeSet<&'static str>,
    json_path: Vec<String>,
}

impl Fields {
    pub(super) fn new() -> Result<Self, CompileError> {
        let limits = PipelineLimits::default();
        let logfmt = Stage::Logfmt {
            strict: false,
            keep_empty: false,
            extractions: Vec::new(),
        };
        Ok(Self {
            found: BTreeMap::new(),
            json: Pipeline::compile(&[Stage::Json(Vec::new())], &limits)?,
            logfmt: Pipeline::compile(&[logfmt], &limits)?,
            scratch: Scratch::default(),
        })
    }

    /// Looks at a line: its metadata, what the query's own parsers took out of it, and what
    /// its text has as JSON or as logfmt.
    pub(super) fn add(&mut self, line: &Line) {
        for (name, value, category) in &line.labels {
            match category {
                Category::StructuredMetadata => self.field(name, value, None),
                Category::Parsed if !name.starts_with("__") => {
                    self.field(name, value, None);
                }
                Category::Parsed | Category::Stream => {}
            }
        }
        let own: Labels = line.labels.iter().map(|(n, v, _)| (n, v)).collect();
        let text = line.text.trim_start();
        if text.starts_with('{') {
            self.parse(&own, line, "json");
        } else if text.contains('=') {
            self.parse(&own, line, "logfmt");
        }
    }

    fn parse(&mut self, own: &Labels, line: &Line, parser: &'static str) {
        let pipeline = match parser {
            "json" => &self.json,
            _ => &self.logfmt,
        };
        let none = Labels::empty();
        let record = Record {
            time: UnixNanos(0),
            line: line.text.as_bytes(),
            stream: StreamView {
                labels: &none,
                metadata: &[],
            },
            metadata: &[],
        };
        let Some(parsed) = pipeline.run(&record, &mut self.scratch) else {
            return;
        };
        if parsed.labels.error().is_some() {
            return;
        }
        let pairs: Vec<(String, String)> = parsed
            .labels
            .sorted()
            .into_iter()
            .filter(|(name, value, _)| !value.is_empty() && !name.starts_with("__"))
            .map(|(name, value, _)| (name.into_owned(), value.to_owned()))
            .collect();
        let mut paths = None;
        for (key, value) in pairs {
            // As the query would call it beside a label of the same name.
            let name = match own.get(&key) {
                "" => key.clone(),
                known if known == value => key.clone(),
                _ => format!("{key}_extracted"),
            };
            self.field(&name, &value, Some(parser));
            let found = self.found.get_mut(&name);
            let found = found.filter(|found| found.json_path.is_empty() && parser == "json");
            if let Some(found) = found {
                let paths = paths.get_or_insert_with(|| paths_of(&line.text));
                found.json_path = paths.remove(&key).unwrap_or_default();
            }
        }
    }

    fn field(&mut self, name: &str, value: &str, parser: Option<&'static str>) {
        if !self.found.contains_key(name) {
            if self.found.len() >= FIELDS_MAX {
                return;
            }
            self.found.insert(name.to_owned(), Found::default());
        }
        if let Some(found) = self.found.get_mut(name) {
            found.parsers.extend(parser);
            if found.values.len() < VALUES_MAX && !found.values.contains(value) {
                found.values.insert(value.to_owned());
            }
        }
    }

    /// The fields by name.
    pub(super) fn finish(self) -> Vec<Field> {
        let fields = self.found.into_iter().map(|(label, found)| Field {
            label,
            kind: kind(&found.values),
            cardinality: found.values.len(),
            parsers: found.parsers.into_iter().collect(),
            json_path: found.json_path,
        });
        fields.collect()
    }

    /// The values of one field.
    pub(super) fn values(mut self, name: &str) -> Vec<String> {
        let found = self.found.remove(name).unwrap_or_default();
        found.values.into_iter().collect()
    }
}

/// What all values are.
fn kind(values: &BTreeSet<String>) -> &'static str {
    let all = |is: fn(&str) -> bool| !values.is_empty() && values.iter().all(|v| is(v));
    let is_duration = |v: &str| {
        let read = sonde_lex::go_duration(v);
        read.is_some_and(|(len, nanos)| len == v.len() && nanos.is_some())
    };
    let is_bytes = |v: &str| sonde_lex::byte_size(v).is_some_and(|(len, _)| len == v.len());
    if all(|v| v.parse::<i64>().is_ok()) {
        "int"
    } else if all(|v| v.parse::<f64>().is_ok_and(f64::is_finite)) {
        "float"
    } else if all(|v| matches!(v, "true" | "false")) {
        "boolean"
    } else if all(is_duration) {
        "duration"
    } else if all(is_bytes) {
        "bytes"
    } else {
        "string"
    }
}

/// Where in an object the values lie, by what flattening calls them; the first of that name.
fn paths_of(text: &str) -> HashMap<String, Vec<String>> {
    let mut paths = HashMap::new();
    if let Ok(json) = serde_json::from_str::<Json>(text) {
        add_paths(&json, "", &mut Vec::new(), &mut paths);
    }
    paths
}

fn add_paths<'j>(
    json: &'j Json,
    flat: &str,
    path: &mut Vec<&'j str>,
    into: &mut HashMap<String, Vec<String>>,
) {
    let Json::Object(object) = json else {
        let path = || path.iter().map(|key| (*key).to_owned()).collect();
        into.entry(flat.to_owned()).or_insert_with(path);
        return;
    };
    if path.len() >= DEPTH_MAX {
        return;
    }
    for (key, value) in object {
        if into.len() >= FIELDS_MAX {
            return;
        }
        let plain = key
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
        let mut inner = flat.to_owned();
        if !inner.is_empty() {
            inner.push('_');
        }
        inner.extend(plain);
        path.push(key);
        add_paths(value, &inner, path, into);
        path.pop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str, metadata: &[(&str, &str)]) -> Line {
        let labels = metadata
            .iter()
            .map(|(n, v)| ((*n).into(), (*v).into(), Category::StructuredMetadata));
        Line {
            time: UnixNanos(1),
            text: text.into(),
            labels: labels.collect(),
        }
    }

    #[test]
    fn a_value_has_a_kind_that_all_share() {
        let check = |values: &[&str], expected| {
            let values = values.iter().map(|v| (*v).to_owned()).collect();
            assert_eq!(kind(&values), expected, "{values:?}");
        };
        check(&["1", "-2"], "int");
        check(&["1", "2.5"], "float");
        check(&["true", "false"], "boolean");
        check(&["1s", "250ms", "1h30m"], "duration");
        check(&["1KB", "5MiB"], "bytes");
        check(&["1s", "x"], "string");
        check(&["inf"], "string");
        check(&[], "string");
    }

    #[test]
    fn fields_come_from_metadata_json_and_logfmt() {
        let mut fields = Fields::new().unwrap();
        fields.add(&line(
            r#"{"http": {"status.code": 200, "path": "/a"}, "took": "5ms", "list": [1]}"#,
            &[("pod", "p-1")],
        ));
        fields.add(&line(
            r#"{"http": {"status.code": 500, "path": "/b"}, "took": "7ms"}"#,
            &[("pod", "p-2")],
        ));
        fields.add(&line("took=9ms user=7", &[]));
        fields.add(&line("nothing to see", &[]));
        let found = fields.finish();
        let shown: Vec<_> = found
            .iter()
            .map(|f| {
                let path = f.json_path.join("/");
                (
                    f.label.as_str(),
                    f.kind,
                    f.cardinality,
                    f.parsers.as_slice(),
                    path,
                )
            })
            .collect();
        assert_eq!(
            shown,
            [
                (
                    "http_path",
                    "string",
                    2,
                    &["json"][..],
                    "http/path".to_owned()
                ),
                (
                    "http_status_code",
                    "int",
                    2,
                    &["json"],
                    "http/status.code".into()
                ),
                ("pod", "string", 2, &[], String::new()),
                ("took", "duration", 3, &["json", "logfmt"], "took".into()),
                ("user", "int", 1, &["logfmt"], String::new()),
            ]
        );
    }

    #[test]
    fn a_path_is_that_of_the_key_however_it_is_called() {
        let mut fields = Fields::new().unwrap();
        fields.add(&line(
            r#"{"x_extracted": 1, "x": 2, "pod": "inner", "a": {"b-c": 1}, "a_b": {"c": 2}}"#,
            &[("pod", "outer")],
        ));
        let found = fields.finish();
        let path = |label: &str| {
            let field = found.iter().find(|field| field.label == label);
            field.unwrap().json_path.join("/")
        };
        assert_eq!(path("x_extracted"), "x_extracted");
        assert_eq!(path("x"), "x");
        assert_eq!(path("pod_extracted"), "pod");
        assert_eq!(path("a_b_c"), "a/b-c");
    }

    #[test]
    fn a_line_of_many_keys_is_walked_once() {
        // Looking each of them up anew takes a step for each key and field.
        let pairs: Vec<String> = (0..900).map(|n| format!("\"k{n}\": {n}")).collect();
        let text = format!("{{{}}}", pairs.join(", "));
        let paths = paths_of(&text);
        assert_eq!(paths.len(), 900);
        assert_eq!(paths["k899"], ["k899"]);
        let mut fields = Fields::new().unwrap();
        fields.add(&line(&text, &[]));
        let found = fields.finish();
        assert_eq!(found.len(), 900);
        assert!(
            found
                .iter()
                .all(|field| field.json_path == [field.label.clone()])
        );
    }
}

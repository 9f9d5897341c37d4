//! Log lines as they come from a collector, and as they are shown.

use crate::command::LogOutput;
use crate::render::{self, Text, Tone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// One log line.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(super) struct Line {
    /// When it was, in nanoseconds since 1970.
    pub(super) time: u64,
    /// What it says.
    pub(super) line: String,
    /// Its stream's labels.
    pub(super) labels: Map<String, Value>,
    /// What else was sent with it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) metadata: Map<String, Value>,
    /// What the query has taken out of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub(super) parsed: Map<String, Value>,
    /// It stands around a line that was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) is_context: bool,
}

impl Line {
    /// The lines of an answer of Loki's API, in its order; none where it has another form.
    pub(super) fn all(data: &Value) -> Vec<Self> {
        let mut lines = Vec::new();
        for stream in render::list(data, "result") {
            let labels = stream["stream"].as_object();
            for value in render::list(stream, "values") {
                let time = value[0].as_str().and_then(|time| time.parse().ok());
                let (Some(time), Some(line)) = (time, value[1].as_str()) else {
                    continue;
                };
                let part = |name: &str| value[2][name].as_object().cloned().unwrap_or_default();
                lines.push(Self {
                    time,
                    line: line.to_owned(),
                    labels: labels.cloned().unwrap_or_default(),
                    metadata: part("structuredMetadata"),
                    parsed: part("parsed"),
                    is_context: false,
                });
            }
        }
        lines
    }

    /// Two lines with the same are taken for one.
    pub(super) fn identity(&self) -> u64 {
        let mut hasher = DefaultHasher::new();
        (self.time, &self.line).hash(&mut hasher);
        for part in [&self.labels, &self.metadata] {
            part.len().hash(&mut hasher);
            for (name, value) in part {
                (name, value.as_str()).hash(&mut hasher);
            }
        }
        hasher.finish()
    }

    /// The value of a label, of metadata, or of what was taken out of it.
    fn value(&self, name: &str) -> &str {
        let parts = [&self.labels, &self.metadata, &self.parsed];
        let found = parts.iter().find_map(|part| part.get(name)?.as_str());
        found.unwrap_or("")
    }

    fn level(&self) -> &str {
        match self.value("level") {
            "" => self.value("detected_level"),
            level => level,
        }
    }

    /// `name=value`, of everything but the line.
    fn names(&self) -> String {
        let parts = [&self.labels, &self.metadata, &self.parsed];
        let pairs: Vec<_> = parts
            .iter()
            .flat_map(|part| part.iter())
            .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("")))
            .collect();
        pairs.join(" ")
    }
}

/// How lines are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) output: Option<LogOutput>,
    /// Whether labels are shown.
    pub(super) labels: bool,
    /// Whether lines that were asked for are told from those around them.
    pub(super) marked: bool,
}

impl Style {
    /// Adds one line. A table is no style for one line: it is shown as without a style.
    pub(super) fn put(self, out: &mut Text, line: &Line) {
        match self.output {
            Some(LogOutput::Raw) => out.verbatim(&line.line),
            Some(LogOutput::Json) => {
                out.verbatim(&serde_json::to_string(line).unwrap_or_default());
            }
            Some(LogOutput::Table) | None => self.put_for_people(out, line),
        }
    }

    fn put_for_people(self, out: &mut Text, line: &Line) {
        if self.marked {
            out.put(Tone::Bold, if line.is_context { "  " } else { "> " });
        }
        let row = render::LogRow {
            time: Some(line.time),
            level: line.level(),
            service: line.value("service_name"),
            body: &line.line,
        };
        render::log_row(out, &row);
        if self.labels {
            out.put(Tone::Dim, &format!("  {{{}}}", line.names()));
        }
        out.end_line();
    }

    /// All lines, oldest first.
    pub(super) fn put_all(self, out: &mut Text, lines: &[Line]) {
        if self.output != Some(LogOutput::Table) {
            lines.iter().for_each(|line| self.put(out, line));
            return;
        }
        let mut header = vec!["TIME", "LEVEL", "SERVICE", "LINE"];
        header.extend(self.labels.then_some("LABELS"));
        let rows = lines.iter().map(|line| {
            let mut row = vec![
                render::time(Some(line.time)),
                line.level().to_owned(),
                line.value("service_name").to_owned(),
                line.line.clone(),
            ];
            row.extend(self.labels.then(|| line.names()));
            row
        });
        render::rows(out, &header, rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_of_lokis_api_becomes_lines_with_their_parts_apart() {
        let data = json!({"resultType": "streams", "result": [
            {"stream": {"job": "a"}, "values": [
                ["1700000000000000001", "x", {"structuredMetadata": {"trace_id": "t"}, "parsed": {"status": "500"}}],
                ["1700000000000000000", "y"],
                ["no time", "z"], [5, "z"], [], null,
            ]},
            {"values": [["7", "w", {}]]},
        ]});
        let lines = Line::all(&data);
        let shown: Vec<_> = lines
            .iter()
            .map(|l| (l.time, l.line.as_str(), l.names()))
            .collect();
        assert_eq!(
            shown,
            [
                (
                    1_700_000_000_000_000_001,
                    "x",
                    "job=a trace_id=t status=500".to_owned()
                ),
                (1_700_000_000_000_000_000, "y", "job=a".to_owned()),
                (7, "w", String::new()),
            ]
        );
        for wrong in [
            json!(null),
            json!([]),
            json!({"result": 1}),
            json!({"result": [1]}),
        ] {
            assert!(Line::all(&wrong).is_empty(), "{wrong}");
        }
    }

    #[test]
    fn lines_that_differ_in_anything_that_was_sent_are_two() {
        let line: Line =
            serde_json::from_value(json!({"time": 1, "line": "x", "labels": {"a": "b"}})).unwrap();
        let mut others = vec![line.clone(); 4];
        others[0].time = 2;
        others[1].line = "y".into();
        others[2].labels.insert("c".into(), "d".into());
        others[3].metadata.insert("a".into(), "b".into());
        for other in others {
            assert_ne!(line.identity(), other.identity(), "{other:?}");
        }
        assert_eq!(line.identity(), line.clone().identity());
    }
}

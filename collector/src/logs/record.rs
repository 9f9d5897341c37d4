//! A stored record in LogQL's words.

use super::labels;
use sonde_logql::source::{Record, StreamView};
use sonde_logs::LogRecord;
use sonde_proto::{Labels, semconv};
use std::borrow::Cow;

/// What the records of one stream have in common.
#[derive(Debug, Default)]
pub(super) struct StreamWords {
    stored: Option<(Labels, Vec<(String, String)>)>,
    pub(super) labels: Labels,
    pub(super) metadata: Vec<(String, String)>,
}

impl StreamWords {
    /// Turns to the stream of a record; true where it is another than before.
    pub(super) fn turn_to(&mut self, record: &LogRecord) -> bool {
        let is_same = |(labels, resource): &(Labels, Vec<(String, String)>)| {
            *labels == record.labels && *resource == record.resource
        };
        if self.stored.as_ref().is_some_and(is_same) {
            return false;
        }
        self.labels = labels::shown(&record.labels);
        self.metadata.clear();
        for (name, value) in &record.resource {
            self.add(&metadata_name(name), value);
        }
        self.add("detected_level", &record.level);
        self.stored = Some((record.labels.clone(), record.resource.clone()));
        true
    }

    /// The first of several values of one name counts.
    fn add(&mut self, name: &str, value: &str) {
        if !value.is_empty() && !self.metadata.iter().any(|(own, _)| own == name) {
            self.metadata.push((name.to_owned(), value.to_owned()));
        }
    }

    pub(super) fn view(&self) -> StreamView<'_> {
        StreamView {
            labels: &self.labels,
            metadata: &self.metadata,
        }
    }
}

/// A record's own structured metadata.
#[derive(Debug, Default)]
pub(super) struct RecordWords {
    pairs: Vec<(String, String)>,
}

impl RecordWords {
    pub(super) fn of(record: &LogRecord) -> Self {
        let mut words = Self::default();
        let ids = [
            ("trace_id", record.trace_id.map(|id| id.to_string())),
            ("span_id", record.span_id.map(|id| id.to_string())),
            (
                "severity_number",
                (record.severity > 0).then(|| record.severity.to_string()),
            ),
        ];
        for (name, value) in ids {
            words.add(name.into(), value.as_deref().unwrap_or_default());
        }
        for (name, value) in &record.attributes {
            // What a record is recognised by is ours, and nobody's to search.
            if name != semconv::LOG_RECORD_UID {
                words.add(metadata_name(name), value);
            }
        }
        words
    }

    fn add(&mut self, name: Cow<'_, str>, value: &str) {
        if !value.is_empty() && !self.pairs.iter().any(|(own, _)| *own == name) {
            self.pairs.push((name.into_owned(), value.to_owned()));
        }
    }

    pub(super) fn pairs(&self) -> Vec<(&str, &str)> {
        let pairs = self.pairs.iter();
        pairs.map(|(n, v)| (n.as_str(), v.as_str())).collect()
    }
}

/// The whole record.
pub(super) fn view<'a>(
    record: &'a LogRecord,
    stream: &'a StreamWords,
    metadata: &'a [(&'a str, &'a str)],
) -> Record<'a> {
    Record {
        time: record.time,
        line: record.body.as_bytes(),
        stream: stream.view(),
        metadata,
    }
}

/// `http.status-code` → `http_status_code`; a name that begins with a digit gets an underscore.
fn metadata_name(name: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts_well = !name.starts_with(|c: char| c.is_ascii_digit());
    if starts_well && !name.is_empty() && name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let plain = name
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
    let before = (!starts_well || name.is_empty()).then_some('_');
    Cow::Owned(before.into_iter().chain(plain).collect())
}

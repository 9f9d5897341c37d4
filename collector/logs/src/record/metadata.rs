//! What LogQL calls structured metadata: what a record and its stream say beside labels and
//! line, under names of letters, digits and underscores.
//!
//! ```text
//! of a stream   the attributes of resource and scope that are no labels, detected_level
//! of a record   trace_id, span_id, severity_number, its attributes but log.record.uid
//! ```
//!
//! An empty value is none, and of several values of one name the first counts.

use super::Packed;
use crate::stream::Stream;
use sonde_proto::semconv;
use std::borrow::Cow;

pub(crate) const TRACE_ID: &str = "trace_id";
pub(crate) const SPAN_ID: &str = "span_id";
pub(crate) const SEVERITY_NUMBER: &str = "severity_number";
pub(crate) const DETECTED_LEVEL: &str = "detected_level";

const SEVERITIES: [&str; 25] = [
    "", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16",
    "17", "18", "19", "20", "21", "22", "23", "24",
];

/// Names and values that all records of a stream have.
pub(crate) type StreamMetadata = Box<[(String, String)]>;

/// The metadata of a stream.
pub(crate) fn of_stream(stream: &Stream) -> StreamMetadata {
    let mut pairs: Vec<(String, String)> = Vec::with_capacity(stream.resource.len() + 1);
    let resource = stream.resource.iter();
    let resource = resource.map(|(name, value)| (name_of(name), value.as_str()));
    let level = (Cow::Borrowed(DETECTED_LEVEL), stream.level.as_str());
    for (name, value) in resource.chain([level]) {
        if !value.is_empty() && !pairs.iter().any(|(own, _)| *own == name) {
            pairs.push((name.into_owned(), value.to_owned()));
        }
    }
    pairs.into()
}

/// The metadata of one record after the other.
#[derive(Debug, Default)]
pub(crate) struct Metadata<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'a> Metadata<'a> {
    /// Turns to a record that has these; its attributes are added next.
    pub(crate) fn begin(&mut self, trace: Option<&[u8; 16]>, span: Option<&[u8; 8]>, severity: u8) {
        self.0.clear();
        if let Some(id) = trace {
            self.add(TRACE_ID.into(), hex(id).into());
        }
        if let Some(id) = span {
            self.add(SPAN_ID.into(), hex(id).into());
        }
        let severity = SEVERITIES.get(usize::from(severity)).copied();
        self.add(SEVERITY_NUMBER.into(), severity.unwrap_or_default().into());
    }

    /// Adds an attribute, under a name from [`name_of`].
    pub(crate) fn add_attribute(&mut self, name: Cow<'a, str>, value: &'a [u8]) {
        self.add(name, String::from_utf8_lossy(value));
    }

    fn add(&mut self, name: Cow<'a, str>, value: Cow<'a, str>) {
        if !value.is_empty() && !self.0.iter().any(|(own, _)| *own == name) {
            self.0.push((name, value));
        }
    }

    /// Turns to a packed record.
    pub(crate) fn read(&mut self, packed: &Packed<'a>) {
        let trace = packed.trace_id.as_ref().map(sonde_proto::TraceId::as_bytes);
        let span = packed.span_id.as_ref().map(sonde_proto::SpanId::as_bytes);
        self.begin(trace, span, packed.severity);
        for (name, value) in packed.attributes() {
            if is_shown(name) {
                let name = std::str::from_utf8(name).unwrap_or_default();
                self.add_attribute(name_of(name), value);
            }
        }
    }

    /// Names and values of the record.
    pub(crate) fn pairs(&self) -> Vec<(&str, &str)> {
        self.0
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect()
    }
}

/// Whether an attribute is anybody's to look at: what a record is recognised by is ours.
pub(crate) fn is_shown(name: &[u8]) -> bool {
    name != semconv::LOG_RECORD_UID.as_bytes()
}

/// `http.status-code` → `http_status_code`; a name that begins with a digit gets an underscore.
pub(crate) fn name_of(name: &str) -> Cow<'_, str> {
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let starts_well = !name.is_empty() && !name.starts_with(|c: char| c.is_ascii_digit());
    if starts_well && name.bytes().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let before = (!starts_well).then_some('_');
    Cow::Owned(before.into_iter().chain(name.chars().map(plain)).collect())
}

fn hex(id: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digit = |n: u8| char::from(DIGITS[usize::from(n & 15)]);
    id.iter()
        .flat_map(|byte| [digit(byte >> 4), digit(*byte)])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stream::Level;
    use sonde_proto::Labels;

    #[test]
    fn names_have_letters_digits_and_underscores_only() {
        let check = |name: &str, expected: &str| assert_eq!(name_of(name), expected);
        check("http_status", "http_status");
        check("http.status-code", "http_status_code");
        check("2nd", "_2nd");
        check("größe", "gr__e");
        check("", "_");
    }

    #[test]
    fn of_a_stream_the_first_of_several_values_counts_and_empty_ones_do_not() {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let stream = Stream {
            labels: Labels::empty(),
            resource: [pair("a.b", ""), pair("a_b", "1"), pair("a-b", "2")].into(),
            level: Level::Warn,
        };
        let expected = [pair("a_b", "1"), pair("detected_level", "warn")];
        assert_eq!(*of_stream(&stream), expected);
    }
}

//! Pushed streams as an OTLP request, written straight into its protobuf form.
//!
//! ```text
//! stream             ResourceLogs: its labels are the resource's attributes
//! entry              LogRecord: time, body (text, or bytes where it is no UTF-8)
//! structured metadata  the record's attributes, but for trace_id, span_id and the severity
//! ```
//!
//! Nothing is built in between: millions of empty entries must not become gigabytes of
//! decoded records. Everything is written where it will stand, and lengths when they are
//! known; what is written is bounded by the largest request there may be.

use super::labels::StreamLabels;
use super::level;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint};
use sonde_proto::{SpanId, TraceId};
use std::borrow::Cow;

/// The room for a length that is written later: enough for 32 GiB.
const LENGTH_BYTES: usize = 5;

/// One pushed line.
#[derive(Debug, Default)]
pub(super) struct Entry<'a> {
    /// Nanoseconds since 1970.
    pub(super) time: u64,
    pub(super) line: Cow<'a, [u8]>,
    pub(super) metadata: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// The request so far.
#[derive(Debug)]
pub(super) struct Request {
    bytes: Vec<u8>,
    bytes_max: usize,
    /// Where the stream that is being written stands.
    stream: Option<Begun>,
    /// A record, unless it is long.
    record: Vec<u8>,
    pub(super) count: u64,
}

/// Records from this length on are written where they belong, not copied there.
const LONG_BYTES: usize = 64 << 10;

/// A stream that goes on.
#[derive(Clone, Copy, Debug)]
struct Begun {
    stream: usize,
    scope: usize,
}

/// The request has become larger than it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLarge;

impl Request {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            bytes_max,
            stream: None,
            record: Vec::new(),
            count: 0,
        }
    }

    /// Adds a line of the stream that will be ended next.
    pub(super) fn entry(
        &mut self,
        labels: &StreamLabels,
        entry: &Entry<'_>,
    ) -> Result<(), TooLarge> {
        // Nothing may grow beyond the limit, not even for a moment.
        if entry.line.len() > self.bytes_max.saturating_sub(self.bytes.len()) {
            return Err(TooLarge);
        }
        if self.stream.is_none() {
            self.stream = Some(self.begin(labels));
        }
        let bytes = &mut self.bytes;
        if entry.len() < LONG_BYTES {
            self.record.clear();
            write_record(labels, entry, &mut self.record);
            put(2, &self.record, bytes);
        } else {
            let record = open(2, bytes);
            write_record(labels, entry, bytes);
            close(record, bytes);
        }
        self.count += 1;
        self.check()
    }

    fn begin(&mut self, labels: &StreamLabels) -> Begun {
        let out = &mut self.bytes;
        let stream = open(1, out);
        let resource = open(1, out);
        for (name, value) in labels.attributes() {
            put_attribute(1, &name, value, out);
        }
        close(resource, out);
        let scope = open(2, out);
        Begun { stream, scope }
    }

    /// Ends a stream; one without lines leaves nothing.
    pub(super) fn end_stream(&mut self) -> Result<(), TooLarge> {
        if let Some(Begun { stream, scope }) = self.stream.take() {
            close(scope, &mut self.bytes);
            close(stream, &mut self.bytes);
        }
        self.check()
    }

    fn check(&self) -> Result<(), TooLarge> {
        if self.bytes.len() > self.bytes_max {
            return Err(TooLarge);
        }
        Ok(())
    }

    /// The `ExportLogsServiceRequest`.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

impl Entry<'_> {
    fn len(&self) -> usize {
        let metadata = self.metadata.iter();
        let metadata = metadata.map(|(name, value)| name.len() + value.len());
        self.line.len() + metadata.sum::<usize>()
    }
}

fn write_record(labels: &StreamLabels, entry: &Entry<'_>, out: &mut Vec<u8>) {
    encode_key(1, WireType::SixtyFourBit, out);
    out.extend_from_slice(&entry.time.to_le_bytes());
    let mut ids = Ids::default();
    let mut told = labels.level.as_deref();
    let mut number = None;
    for (name, value) in &entry.metadata {
        match name.as_ref() {
            "trace_id" if ids.take_trace(value) => {}
            "span_id" if ids.take_span(value) => {}
            "severity_number" if severity_number(value).is_some() => {
                number = severity_number(value);
            }
            "severity_text" => told = Some(value),
            name => {
                if told.is_none() && level::is_key(name.as_bytes()) {
                    told = Some(value);
                }
                // What is derived from the level comes back by itself.
                if name != "detected_level" {
                    put_attribute(6, name, value, out);
                }
            }
        }
    }
    let number = number
        .or_else(|| level::of_word(told?.trim().as_bytes()))
        .or_else(|| match told {
            Some(_) => None,
            None => level::of_line(&entry.line),
        });
    if let Some(number) = number {
        encode_key(2, WireType::Varint, out);
        encode_varint(u64::from(number), out);
    }
    if let Some(text) = told {
        put(3, text.as_bytes(), out);
    }
    put_body(&entry.line, out);
    if let Some(id) = ids.trace {
        put(9, id.as_bytes(), out);
    }
    if let Some(id) = ids.span {
        put(10, id.as_bytes(), out);
    }
}

fn severity_number(text: &str) -> Option<u8> {
    text.parse().ok().filter(|n| (1..=24).contains(n))
}

/// The identifiers that a record has fields for.
#[derive(Debug, Default)]
struct Ids {
    trace: Option<TraceId>,
    span: Option<SpanId>,
}

impl Ids {
    /// Takes a trace ID; false where the text would not come back as it is.
    fn take_trace(&mut self, text: &str) -> bool {
        let id = TraceId::from_hex(text).ok();
        self.trace = id.filter(|id| id.to_string() == text);
        self.trace.is_some()
    }

    fn take_span(&mut self, text: &str) -> bool {
        let id = SpanId::from_hex(text).ok();
        self.span = id.filter(|id| id.to_string() == text);
        self.span.is_some()
    }
}

/// The body: an `AnyValue` with a text (field 1), or with bytes (field 7).
fn put_body(line: &[u8], out: &mut Vec<u8>) {
    let field = if std::str::from_utf8(line).is_ok() {
        1
    } else {
        7
    };
    encode_key(5, WireType::LengthDelimited, out);
    encode_varint(field_len(line.len()) as u64, out);
    put(field, line, out);
}

/// A `KeyValue` with a text.
fn put_attribute(number: u32, key: &str, value: &str, out: &mut Vec<u8>) {
    let any = field_len(value.len());
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint((field_len(key.len()) + field_len(any)) as u64, out);
    put(1, key.as_bytes(), out);
    encode_key(2, WireType::LengthDelimited, out);
    encode_varint(any as u64, out);
    put(1, value.as_bytes(), out);
}

/// A field of bytes, a text or a message.
fn put(number: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// Begins a field whose length is not known: its bytes follow, and [`close`] ends it.
fn open(number: u32, out: &mut Vec<u8>) -> usize {
    encode_key(number, WireType::LengthDelimited, out);
    out.extend_from_slice(&[0; LENGTH_BYTES]);
    out.len()
}

/// Writes the length of the field that begins at `at`, as wide as the room for it.
fn close(at: usize, out: &mut [u8]) {
    let mut length = out.len() - at;
    for (place, byte) in out[at - LENGTH_BYTES..at].iter_mut().enumerate() {
        let goes_on = u8::from(place + 1 < LENGTH_BYTES) << 7;
        *byte = (length & 0x7f) as u8 | goes_on;
        length >>= 7;
    }
}

/// How long such a field is with its key, whose number is below 16.
fn field_len(len: usize) -> usize {
    1 + encoded_len_varint(len as u64) + len
}

#[cfg(test)]
mod tests {
    use super::super::Limits;
    use super::*;
    use prost::Message as _;
    use sonde_proto::otlp::common::any_value::Value;
    use sonde_proto::otlp::logs::LogRecord;
    use sonde_proto::otlp::logs_service::ExportLogsServiceRequest;

    fn labels(text: &str) -> StreamLabels {
        StreamLabels::of_text(text, Limits::default()).unwrap()
    }

    fn record(labels: &StreamLabels, line: &[u8], metadata: &[(&str, &str)]) -> LogRecord {
        let mut request = Request::new(1 << 20);
        let entry = Entry {
            time: 7,
            line: line.into(),
            metadata: metadata
                .iter()
                .map(|(n, v)| ((*n).into(), (*v).into()))
                .collect(),
        };
        request.entry(labels, &entry).unwrap();
        request.end_stream().unwrap();
        let decoded = ExportLogsServiceRequest::decode(request.finish().as_slice()).unwrap();
        decoded.resource_logs[0].scope_logs[0].log_records[0].clone()
    }

    #[test]
    fn an_entry_is_a_record_with_its_metadata_as_attributes() {
        let trace = "0af7651916cd43dd8448eb211c80319c";
        let metadata = [
            ("pod", "p-1"),
            ("trace_id", trace),
            ("span_id", "no id"),
            ("detected_level", "warn"),
        ];
        let record = record(
            &labels(r#"{job="x"}"#),
            b"it is level=error here",
            &metadata,
        );
        assert_eq!(record.time_unix_nano, 7);
        assert_eq!(
            record.trace_id,
            TraceId::from_hex(trace).unwrap().as_bytes()
        );
        assert_eq!(
            (record.severity_number, record.severity_text.as_str()),
            (13, "warn")
        );
        let attributes: Vec<_> = record
            .attributes
            .iter()
            .map(|a| (a.key.as_str(), a.value.clone().unwrap().value.unwrap()))
            .collect();
        assert_eq!(
            attributes,
            [
                ("pod", Value::StringValue("p-1".into())),
                ("span_id", Value::StringValue("no id".into())),
            ]
        );
    }

    #[test]
    fn the_level_is_taken_from_metadata_then_labels_then_the_line() {
        let check = |text: &str, line: &str, metadata: &[(&str, &str)], number, word: &str| {
            let record = record(&labels(text), line.as_bytes(), metadata);
            assert_eq!(
                (record.severity_number, record.severity_text.as_str()),
                (number, word)
            );
        };
        check(r#"{a="1"}"#, "level=error", &[], 17, "");
        check(r#"{a="1", level="info"}"#, "level=error", &[], 9, "info");
        check(r#"{a="1", level="odd"}"#, "level=error", &[], 0, "odd");
        check(
            r#"{a="1", level="info"}"#,
            "",
            &[("severity_number", "22")],
            22,
            "info",
        );
        check(
            r#"{a="1", level="info"}"#,
            "",
            &[("severity_text", "WARN")],
            13,
            "WARN",
        );
        check(r#"{a="1"}"#, "", &[("severity_number", "99")], 0, "");
    }

    #[test]
    fn bytes_that_are_no_text_stay_as_they_are() {
        let record = record(&labels(r#"{a="1"}"#), b"\xff\xfe", &[]);
        let body = record.body.unwrap().value.unwrap();
        assert_eq!(body, Value::BytesValue(b"\xff\xfe".into()));
    }

    #[test]
    fn what_becomes_too_large_is_refused_while_it_is_written() {
        let labels = labels(r#"{a="1"}"#);
        let mut request = Request::new(1000);
        let mut added = 0;
        while request.entry(&labels, &Entry::default()).is_ok() {
            added += 1;
        }
        assert!((10..200).contains(&added), "{added}");
    }

    #[test]
    fn long_and_short_records_of_several_streams_are_read_as_written() {
        let (first, second) = (labels(r#"{a="1"}"#), labels(r#"{a="2"}"#));
        let long = "x".repeat(3 * LONG_BYTES);
        let mut request = Request::new(1 << 20);
        request.end_stream().unwrap();
        for (labels, lines) in [(&first, ["short", &long]), (&second, [&long, ""])] {
            for line in lines {
                let entry = Entry {
                    time: 7,
                    line: line.as_bytes().into(),
                    ..Entry::default()
                };
                request.entry(labels, &entry).unwrap();
            }
            request.end_stream().unwrap();
        }
        let decoded = ExportLogsServiceRequest::decode(request.finish().as_slice()).unwrap();
        let lines: Vec<Vec<usize>> = decoded
            .resource_logs
            .iter()
            .map(|stream| {
                let records = stream.scope_logs[0].log_records.iter();
                records
                    .map(|r| sonde_proto::otlp::text(r.body.as_ref().unwrap()).len())
                    .collect()
            })
            .collect();
        assert_eq!(lines, [[5, long.len()], [long.len(), 0]]);
    }

    #[test]
    fn nothing_grows_beyond_the_limit() {
        let labels = labels(r#"{a="1"}"#);
        let mut request = Request::new(1 << 20);
        let line = vec![b'x'; 900 << 10];
        let entry = || Entry {
            line: line.as_slice().into(),
            ..Entry::default()
        };
        request.entry(&labels, &entry()).unwrap();
        assert_eq!(request.entry(&labels, &entry()), Err(TooLarge));
        // Nor does what is beside it: records are not gathered anywhere else.
        assert!(request.bytes.len() <= 1 << 20);
        assert!(request.record.capacity() <= LONG_BYTES);
    }
}

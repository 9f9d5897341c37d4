//! Writes OTLP log records as protobuf, straight from a line's bytes into a request.
//!
//! Building prost's types first would allocate for every string of every record. A record
//! has few fields and a resource is encoded once per file, so its bytes are written by hand:
//!
//! ```text
//! ExportLogsServiceRequest { 1: ResourceLogs }
//! ResourceLogs             { 1: Resource, 2: ScopeLogs }
//! ScopeLogs                { 2: LogRecord }
//! LogRecord                { 1: time fixed64, 2: severity, 3: severity text, 5: body, 6: attributes,
//!                            9: trace ID, 10: span ID, 11: observed time fixed64 }
//! ```
//!
//! A test decodes what is written with prost.

use crate::enrich::Reading;
use bytes::Bytes;
use sonde_proto::semconv;

/// One record, about to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    /// Nanoseconds since 1970; 0 where the line does not say.
    pub(crate) time: u64,
    pub(crate) observed: u64,
    pub(crate) body: &'a str,
    pub(crate) reading: &'a Reading,
    /// The file's identity with the stream in it, and the line's offset.
    pub(crate) uid: (u64, u64),
}

/// `log.record.uid`'s text: 16 hex digits, a dash, 16 hex digits.
const UID_LEN: usize = 33;
/// The key and value of the attribute, each a tag and a length before its bytes.
const UID_ATTRIBUTE_LEN: usize = 2 + semconv::LOG_RECORD_UID.len() + 2 + 2 + UID_LEN;

/// Appends `record` as one of a ScopeLogs' records.
pub(crate) fn record(out: &mut Vec<u8>, record: &Record<'_>) {
    let body_value = 1 + varint_len(record.body.len()) + record.body.len();
    let severity = record.reading.severity;
    let mut len = 9 + 1 + varint_len(body_value) + body_value + 2 + UID_ATTRIBUTE_LEN;
    len += if record.time == 0 { 0 } else { 9 };
    len += severity.map_or(0, |s| 2 + 2 + s.text().len());
    len += record.reading.trace_id.map_or(0, |_| 18) + record.reading.span_id.map_or(0, |_| 10);

    out.reserve(1 + varint_len(len) + len);
    out.push(0x12);
    varint(out, len);
    if record.time != 0 {
        out.push(0x09);
        out.extend_from_slice(&record.time.to_le_bytes());
    }
    if let Some(severity) = severity {
        out.extend_from_slice(&[0x10, severity as u8]);
        short(out, 0x1a, severity.text().as_bytes());
    }
    out.push(0x2a);
    varint(out, body_value);
    out.push(0x0a);
    varint(out, record.body.len());
    out.extend_from_slice(record.body.as_bytes());
    uid(out, record.uid);
    if let Some(id) = &record.reading.trace_id {
        short(out, 0x4a, id.as_bytes());
    }
    if let Some(id) = &record.reading.span_id {
        short(out, 0x52, id.as_bytes());
    }
    out.push(0x59);
    out.extend_from_slice(&record.observed.to_le_bytes());
}

fn uid(out: &mut Vec<u8>, (identity, offset): (u64, u64)) {
    out.extend_from_slice(&[0x32, UID_ATTRIBUTE_LEN as u8]);
    short(out, 0x0a, semconv::LOG_RECORD_UID.as_bytes());
    out.extend_from_slice(&[0x12, 2 + UID_LEN as u8]);
    let mut text = [b'-'; UID_LEN];
    hex(&mut text[..16], identity);
    hex(&mut text[17..], offset);
    short(out, 0x0a, &text);
}

fn hex(out: &mut [u8], mut value: u64) {
    for digit in out.iter_mut().rev() {
        *digit = b"0123456789abcdef"[(value & 0xf) as usize];
        value >>= 4;
    }
}

/// A field of fewer than 128 bytes.
fn short(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.extend_from_slice(&[tag, bytes.len() as u8]);
    out.extend_from_slice(bytes);
}

fn bytes_field(out: &mut Vec<u8>, tag: u8, bytes: &[u8]) {
    out.push(tag);
    varint(out, bytes.len());
    out.extend_from_slice(bytes);
}

/// A Resource, as the field of a ResourceLogs.
pub(crate) fn resource<'a>(attributes: impl Iterator<Item = (&'a str, &'a str)>) -> Bytes {
    let (mut resource, mut attribute, mut value) = (Vec::new(), Vec::new(), Vec::new());
    for (key, text) in attributes {
        value.clear();
        attribute.clear();
        bytes_field(&mut value, 0x0a, text.as_bytes());
        bytes_field(&mut attribute, 0x0a, key.as_bytes());
        bytes_field(&mut attribute, 0x12, &value);
        bytes_field(&mut resource, 0x0a, &attribute);
    }
    let mut field = Vec::with_capacity(resource.len() + 4);
    bytes_field(&mut field, 0x0a, &resource);
    field.into()
}

/// What stands before the records of one resource in a request.
pub(crate) fn section_header(resource: &[u8], records_len: usize) -> Bytes {
    let scope_logs = 1 + varint_len(records_len) + records_len;
    let mut header = Vec::with_capacity(resource.len() + 12);
    // A ScopeLogs without a scope: its only content is the records.
    header.push(0x0a);
    varint(&mut header, resource.len() + scope_logs);
    header.extend_from_slice(resource);
    header.push(0x12);
    varint(&mut header, records_len);
    header.into()
}

/// Where the first record of `records`, written by [`record`], ends.
pub(crate) fn record_end(records: &[u8]) -> Option<usize> {
    let (mut len, mut shift, mut at) = (0_usize, 0, 1);
    loop {
        let byte = *records.get(at)?;
        at += 1;
        len |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return (at + len <= records.len()).then_some(at + len);
        }
        shift += 7;
        if shift > 56 {
            return None;
        }
    }
}

fn varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn varint_len(value: usize) -> usize {
    ((usize::BITS - (value | 1).leading_zeros()) as usize).div_ceil(7)
}

#[cfg(test)]
mod tests;

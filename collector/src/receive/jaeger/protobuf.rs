//! `jaeger.api_v2.PostSpansRequest`, read in place.
//!
//! ```text
//! PostSpansRequest { batch: Batch = 1 }
//! Batch     { spans: Span[] = 1, process: Process = 2 }
//! Span      { trace_id: bytes = 1, span_id: bytes = 2, operation_name: string = 3,
//!             references: SpanRef[] = 4, flags: uint32 = 5, start_time: Timestamp = 6,
//!             duration: Duration = 7, tags: KeyValue[] = 8, logs: Log[] = 9,
//!             process: Process = 10, process_id: string = 11, warnings: string[] = 12 }
//! SpanRef   { trace_id: bytes = 1, span_id: bytes = 2, ref_type: CHILD_OF | FOLLOWS_FROM = 3 }
//! KeyValue  { key: string = 1, v_type: STRING | BOOL | INT64 | FLOAT64 | BINARY = 2,
//!             v_str = 3, v_bool = 4, v_int64 = 5, v_float64 = 6, v_binary = 7 }
//! Log       { timestamp: Timestamp = 1, fields: KeyValue[] = 2 }
//! Process   { service_name: string = 1, tags: KeyValue[] = 2 }
//! ```

use super::super::protobuf::{self, CutOff, Wire, fields, messages};
use super::super::translated::{PART_BYTES, Room, Translated};
use super::{JaegerSpan, Log, Process, Reference, SPAN_BYTES, put, tag};
use sonde_proto::otlp::common::{KeyValue, any_value::Value};

/// Reads a request.
pub(in crate::receive) fn read(bytes: &[u8]) -> Result<Translated, String> {
    let mut reader = Reader(Room::of(bytes.len()));
    let mut all = Translated::default();
    let mut number = 0;
    for batch in messages(bytes, 1) {
        let batch = batch?;
        let mut process = Process::default();
        for inside in messages(batch, 2) {
            process = reader.process(inside?)?;
        }
        let shared = all.resource(process.into_attributes());
        for span in messages(batch, 1) {
            number += 1;
            let (span, own) = reader.span(span?)?;
            let resource = own.map_or(shared, |own| all.resource(own.into_attributes()));
            put(&mut all, resource, number, span);
        }
    }
    Ok(all)
}

/// Reads messages as long as there is room.
struct Reader(Room);

impl Reader {
    fn span(&mut self, bytes: &[u8]) -> Result<(JaegerSpan, Option<Process>), String> {
        self.0.take(SPAN_BYTES)?;
        let mut process = None;
        let mut span = JaegerSpan {
            start: Some(0),
            duration: Some(0),
            ..JaegerSpan::default()
        };
        for field in fields(bytes) {
            match field? {
                (1, Wire::Bytes(id)) => span.trace_id = id.to_vec(),
                (2, Wire::Bytes(id)) => span.span_id = id.to_vec(),
                (3, Wire::Bytes(name)) => span.name = text(name)?,
                (4, Wire::Bytes(reference)) => span.references.push(self.reference(reference)?),
                (5, Wire::Number(flags)) => span.flags = (flags & 0xff) as u32,
                (6, Wire::Bytes(time)) => span.start = nanos(time)?,
                (7, Wire::Bytes(time)) => span.duration = nanos(time)?,
                (8, Wire::Bytes(tag)) => span.tags.push(self.tag(tag)?),
                (9, Wire::Bytes(log)) => span.logs.push(self.log(log)?),
                (10, Wire::Bytes(own)) => process = Some(self.process(own)?),
                (12, Wire::Bytes(warning)) => {
                    self.0.take(PART_BYTES)?;
                    span.warnings.push(text(warning)?);
                }
                _ => {}
            }
        }
        Ok((span, process))
    }

    fn process(&mut self, bytes: &[u8]) -> Result<Process, String> {
        self.0.take(PART_BYTES)?;
        let mut process = Process::default();
        for field in fields(bytes) {
            match field? {
                (1, Wire::Bytes(service)) => process.service = text(service)?,
                (2, Wire::Bytes(tag)) => process.tags.push(self.tag(tag)?),
                _ => {}
            }
        }
        Ok(process)
    }

    fn reference(&mut self, bytes: &[u8]) -> Result<Reference, String> {
        self.0.take(PART_BYTES)?;
        let mut reference = Reference::default();
        for field in fields(bytes) {
            match field? {
                (1, Wire::Bytes(id)) => reference.trace_id = id.to_vec(),
                (2, Wire::Bytes(id)) => reference.span_id = id.to_vec(),
                (3, Wire::Number(kind)) => reference.follows_from = kind == 1,
                _ => {}
            }
        }
        Ok(reference)
    }

    fn log(&mut self, bytes: &[u8]) -> Result<Log, String> {
        self.0.take(PART_BYTES)?;
        let mut log = Log::default();
        for field in fields(bytes) {
            match field? {
                (1, Wire::Bytes(time)) => log.time = nanos(time)?.unwrap_or_default(),
                (2, Wire::Bytes(tag)) => log.fields.push(self.tag(tag)?),
                _ => {}
            }
        }
        Ok(log)
    }

    fn tag(&mut self, bytes: &[u8]) -> Result<KeyValue, String> {
        self.0.take(PART_BYTES)?;
        let (mut key, mut kind, mut number, mut float) = (String::new(), 0, 0, 0.0);
        let (mut words, mut binary, mut is) = (&[][..], &[][..], false);
        for field in fields(bytes) {
            match field? {
                (1, Wire::Bytes(name)) => key = text(name)?,
                (2, Wire::Number(n)) => kind = n,
                (3, Wire::Bytes(value)) => words = value,
                (4, Wire::Number(n)) => is = n != 0,
                (5, Wire::Number(n)) => number = n.cast_signed(),
                (6, Wire::Fixed(bits)) => float = f64::from_bits(bits),
                (7, Wire::Bytes(value)) => binary = value,
                _ => {}
            }
        }
        let value = match kind {
            1 => Value::BoolValue(is),
            2 => Value::IntValue(number),
            3 => Value::DoubleValue(float),
            4 => Value::BytesValue(binary.to_vec()),
            _ => Value::StringValue(text(words)?),
        };
        Ok(tag(key, value))
    }
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8")?;
    Ok(text.to_owned())
}

/// A `Timestamp` or `Duration` in nanoseconds; `None` where it is negative or too large.
fn nanos(bytes: &[u8]) -> Result<Option<u64>, String> {
    Ok(u64::try_from(protobuf::nanos(bytes)?).ok())
}

impl From<CutOff> for String {
    fn from(_: CutOff) -> Self {
        "it is no PostSpansRequest in protobuf, or is cut off".into()
    }
}

//! `jaeger.thrift`'s `Batch` in Thrift's binary protocol
//! (<https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md>), read in
//! place.
//!
//! ```text
//! struct   (type u8, id i16, value)* 0        big endian
//! list     type u8, count i32, values         string  length i32, bytes
//!
//! Batch    1 process, 2 spans
//! Span     1 traceIdLow, 2 traceIdHigh, 3 spanId, 4 parentSpanId, 5 operationName,
//!          6 references, 7 flags, 8 startTime (µs), 9 duration (µs), 10 tags, 11 logs
//! SpanRef  1 refType: CHILD_OF | FOLLOWS_FROM, 2 traceIdLow, 3 traceIdHigh, 4 spanId
//! Tag      1 key, 2 vType: STRING | DOUBLE | BOOL | LONG | BINARY,
//!          3 vStr, 4 vDouble, 5 vBool, 6 vLong, 7 vBinary
//! Log      1 timestamp (µs), 2 fields         Process  1 serviceName, 2 tags
//! ```

use super::super::translated::{PART_BYTES, Room, Translated, nanos_of_micros};
use super::{JaegerSpan, Log, Process, Reference, SPAN_BYTES, put, tag};
use sonde_proto::otlp::common::{KeyValue, any_value::Value};

/// How deep unknown fields may be nested.
const DEPTH_MAX: usize = 16;

const BOOL: u8 = 2;
const BYTE: u8 = 3;
const DOUBLE: u8 = 4;
const I16: u8 = 6;
const I32: u8 = 8;
const I64: u8 = 10;
const STRING: u8 = 11;
const STRUCT: u8 = 12;
const MAP: u8 = 13;
const SET: u8 = 14;
const LIST: u8 = 15;

/// Reads a batch.
pub(super) fn read(bytes: &[u8]) -> Result<Translated, String> {
    let mut reader = Reader {
        rest: bytes,
        room: Room::of(bytes.len()),
    };
    let mut process = Process::default();
    let mut spans = Vec::new();
    while let Some(field) = reader.field()? {
        match field {
            (STRUCT, 1) => process = reader.process()?,
            (LIST, 2) => spans = reader.list(SPAN_BYTES, Reader::span)?,
            (kind, _) => reader.skip(kind, DEPTH_MAX)?,
        }
    }
    let mut all = Translated::default();
    let resource = all.resource(process.into_attributes());
    for (number, span) in spans.into_iter().enumerate() {
        put(&mut all, resource, number + 1, span);
    }
    Ok(all)
}

/// What is not read yet, and the room for it.
struct Reader<'a> {
    rest: &'a [u8],
    room: Room,
}

impl<'a> Reader<'a> {
    fn span(&mut self) -> Result<JaegerSpan, String> {
        let mut span = JaegerSpan::default();
        let (mut low, mut high) = (0, 0);
        while let Some(field) = self.field()? {
            match field {
                (I64, 1) => low = self.number()?,
                (I64, 2) => high = self.number()?,
                (I64, 3) => span.span_id = self.number()?.to_be_bytes().to_vec(),
                (I64, 4) => {
                    let parent = self.number()?;
                    span.parent_span_id = (parent != 0).then(|| parent.to_be_bytes().to_vec());
                }
                (STRING, 5) => span.name = self.text()?,
                (LIST, 6) => span.references = self.list(PART_BYTES, Self::reference)?,
                (I32, 7) => span.flags = u32::from_be_bytes(self.array()?),
                (I64, 8) => span.start = self.nanos()?,
                (I64, 9) => span.duration = self.nanos()?,
                (LIST, 10) => span.tags = self.list(PART_BYTES, Self::tag)?,
                (LIST, 11) => span.logs = self.list(PART_BYTES, Self::log)?,
                (kind, _) => self.skip(kind, DEPTH_MAX)?,
            }
        }
        span.trace_id = trace_id(high, low);
        Ok(span)
    }

    fn process(&mut self) -> Result<Process, String> {
        let mut process = Process::default();
        while let Some(field) = self.field()? {
            match field {
                (STRING, 1) => process.service = self.text()?,
                (LIST, 2) => process.tags = self.list(PART_BYTES, Self::tag)?,
                (kind, _) => self.skip(kind, DEPTH_MAX)?,
            }
        }
        Ok(process)
    }

    fn reference(&mut self) -> Result<Reference, String> {
        let mut reference = Reference::default();
        let (mut low, mut high) = (0, 0);
        while let Some(field) = self.field()? {
            match field {
                (I32, 1) => reference.follows_from = i32::from_be_bytes(self.array()?) == 1,
                (I64, 2) => low = self.number()?,
                (I64, 3) => high = self.number()?,
                (I64, 4) => reference.span_id = self.number()?.to_be_bytes().to_vec(),
                (kind, _) => self.skip(kind, DEPTH_MAX)?,
            }
        }
        reference.trace_id = trace_id(high, low);
        Ok(reference)
    }

    fn log(&mut self) -> Result<Log, String> {
        let mut log = Log::default();
        while let Some(field) = self.field()? {
            match field {
                (I64, 1) => log.time = self.nanos()?.unwrap_or_default(),
                (LIST, 2) => log.fields = self.list(PART_BYTES, Self::tag)?,
                (kind, _) => self.skip(kind, DEPTH_MAX)?,
            }
        }
        Ok(log)
    }

    fn tag(&mut self) -> Result<KeyValue, String> {
        let (mut key, mut kind, mut float, mut is, mut number) = (String::new(), 0, 0.0, false, 0);
        let (mut words, mut binary) = (&[][..], &[][..]);
        while let Some(field) = self.field()? {
            match field {
                (STRING, 1) => key = self.text()?,
                (I32, 2) => kind = i32::from_be_bytes(self.array()?),
                (STRING, 3) => words = self.bytes()?,
                (DOUBLE, 4) => float = f64::from_be_bytes(self.array()?),
                (BOOL, 5) => is = self.array::<1>()? != [0],
                (I64, 6) => number = self.number()?,
                (STRING, 7) => binary = self.bytes()?,
                (kind, _) => self.skip(kind, DEPTH_MAX)?,
            }
        }
        let value = match kind {
            1 => Value::DoubleValue(float),
            2 => Value::BoolValue(is),
            3 => Value::IntValue(number),
            4 => Value::BytesValue(binary.to_vec()),
            _ => Value::StringValue(text(words)?),
        };
        Ok(tag(key, value))
    }

    /// The type and number of the next field; `None` at the end of the struct.
    fn field(&mut self) -> Result<Option<(u8, i16)>, String> {
        match self.array::<1>()? {
            [0] => Ok(None),
            [kind] => Ok(Some((kind, i16::from_be_bytes(self.array()?)))),
        }
    }

    /// A list of structs, of which each takes so many bytes at least.
    fn list<T>(
        &mut self,
        bytes: usize,
        mut item: impl FnMut(&mut Self) -> Result<T, String>,
    ) -> Result<Vec<T>, String> {
        let [kind] = self.array()?;
        let count = self.count()?;
        if kind != STRUCT && count > 0 {
            return Err(format!(
                "a list has items of type {kind} where structs should be"
            ));
        }
        let mut items = Vec::new();
        for _ in 0..count {
            self.room.take(bytes)?;
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A number of items, of which each has a byte at least.
    fn count(&mut self) -> Result<usize, String> {
        let count = i32::from_be_bytes(self.array()?);
        let count = usize::try_from(count)
            .ok()
            .filter(|count| *count <= self.rest.len());
        count.ok_or_else(cut_off)
    }

    fn number(&mut self) -> Result<i64, String> {
        Ok(i64::from_be_bytes(self.array()?))
    }

    /// Nanoseconds of microseconds; `None` where they are negative or too many.
    fn nanos(&mut self) -> Result<Option<u64>, String> {
        let micros = u64::try_from(self.number()?).ok();
        Ok(micros.and_then(nanos_of_micros))
    }

    fn text(&mut self) -> Result<String, String> {
        text(self.bytes()?)
    }

    fn bytes(&mut self) -> Result<&'a [u8], String> {
        let len = self.count()?;
        self.split(len)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let (first, rest) = self.rest.split_first_chunk().ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(*first)
    }

    fn split(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (first, rest) = self.rest.split_at_checked(len).ok_or_else(cut_off)?;
        self.rest = rest;
        Ok(first)
    }

    /// Passes over a value.
    fn skip(&mut self, kind: u8, depth_left: usize) -> Result<(), String> {
        let depth_left = depth_left.checked_sub(1);
        let depth_left =
            depth_left.ok_or_else(|| format!("it is nested more than {DEPTH_MAX} deep"))?;
        match kind {
            BOOL | BYTE => self.split(1).map(drop),
            I16 => self.split(2).map(drop),
            I32 => self.split(4).map(drop),
            I64 | DOUBLE => self.split(8).map(drop),
            STRING => self.bytes().map(drop),
            STRUCT => {
                while let Some((kind, _)) = self.field()? {
                    self.skip(kind, depth_left)?;
                }
                Ok(())
            }
            SET | LIST => {
                let [kind] = self.array()?;
                (0..self.count()?).try_for_each(|_| self.skip(kind, depth_left))
            }
            MAP => {
                let [key, value] = self.array()?;
                (0..self.count()?).try_for_each(|_| {
                    self.skip(key, depth_left)?;
                    self.skip(value, depth_left)
                })
            }
            other => Err(format!("type {other} is none of Thrift's")),
        }
    }
}

fn trace_id(high: i64, low: i64) -> Vec<u8> {
    [high.to_be_bytes(), low.to_be_bytes()].concat()
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "a text is not UTF-8")?;
    Ok(text.to_owned())
}

fn cut_off() -> String {
    "it is no Batch in Thrift's binary protocol, or is cut off".into()
}

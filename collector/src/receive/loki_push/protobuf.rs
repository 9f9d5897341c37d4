//! Loki's `logproto.PushRequest`, read in place.
//!
//! ```text
//! PushRequest { streams: Stream[] = 1 }
//! Stream      { labels: string = 1, entries: Entry[] = 2 }
//! Entry       { timestamp: Timestamp = 1, line: string = 2, structured_metadata: Label[] = 3 }
//! Timestamp   { seconds: int64 = 1, nanos: int32 = 2 }
//! Label       { name: string = 1, value: string = 2 }
//! ```

use super::request::Entry;
use super::{METADATA_MAX, Pushed, Stop};
use prost::encoding::{WireType, decode_key, decode_varint};
use std::borrow::Cow;

/// Takes all streams of an uncompressed request.
pub(super) fn read(bytes: &[u8], pushed: &mut Pushed) -> Result<(), Stop> {
    for stream in messages(bytes, 1) {
        read_stream(stream?, pushed)?;
    }
    Ok(())
}

fn read_stream(bytes: &[u8], pushed: &mut Pushed) -> Result<(), Stop> {
    let mut labels: &[u8] = &[];
    for text in messages(bytes, 1) {
        labels = text?;
    }
    let labels = String::from_utf8_lossy(labels);
    if !pushed.begin_stream_of_text(&labels) {
        return Ok(());
    }
    for entry in messages(bytes, 2) {
        let read = read_entry(entry?)?;
        pushed.entry(read)?;
    }
    pushed.end_stream()
}

/// An entry, or what is wrong with it alone.
fn read_entry(bytes: &[u8]) -> Result<Result<Entry<'_>, String>, Stop> {
    let mut entry = Entry::default();
    let mut time = Ok(0);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(timestamp)) => time = read_time(timestamp)?,
            (2, Value::Bytes(line)) => entry.line = Cow::Borrowed(line),
            (3, Value::Bytes(label)) => {
                if entry.metadata.len() >= METADATA_MAX {
                    return Ok(Err(super::too_much_metadata()));
                }
                entry.metadata.push(read_label(label)?);
            }
            _ => {}
        }
    }
    Ok(time.map(|time| Entry { time, ..entry }))
}

fn read_label(bytes: &[u8]) -> Result<(Cow<'_, str>, Cow<'_, str>), Stop> {
    let (mut name, mut value): (&[u8], &[u8]) = (&[], &[]);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Bytes(text)) => name = text,
            (2, Value::Bytes(text)) => value = text,
            _ => {}
        }
    }
    Ok((
        String::from_utf8_lossy(name),
        String::from_utf8_lossy(value),
    ))
}

#[expect(
    clippy::cast_possible_wrap,
    reason = "protobuf writes negative numbers as large ones"
)]
fn read_time(bytes: &[u8]) -> Result<Result<u64, String>, Stop> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in Fields(bytes) {
        match field? {
            (1, Value::Number(n)) => seconds = n as i64,
            (2, Value::Number(n)) => nanos = n as i64,
            _ => {}
        }
    }
    let time = i128::from(seconds) * 1_000_000_000 + i128::from(nanos);
    Ok(u64::try_from(time).map_err(|_| super::no_time(&time.to_string())))
}

/// The value of a field, as far as it is of interest.
enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    Other,
}

/// The fields of a message.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Value<'a>), Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        let cut = || Stop::Malformed("it is no PushRequest in protobuf, or is cut off".into());
        Some(field.ok_or_else(cut))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Value<'a>)> {
        let (number, kind) = decode_key(&mut self.0).ok()?;
        let value = match kind {
            WireType::Varint => Value::Number(decode_varint(&mut self.0).ok()?),
            WireType::LengthDelimited => {
                let len = usize::try_from(decode_varint(&mut self.0).ok()?).ok()?;
                Value::Bytes(self.split(len)?)
            }
            WireType::SixtyFourBit => self.split(8).map(|_| Value::Other)?,
            WireType::ThirtyTwoBit => self.split(4).map(|_| Value::Other)?,
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        Some((number, value))
    }

    fn split(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }
}

/// The messages or texts in the fields of that number.
fn messages(bytes: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], Stop>> {
    Fields(bytes).filter_map(move |field| match field {
        Ok((n, Value::Bytes(inside))) if n == number => Some(Ok(inside)),
        Ok(_) => None,
        Err(stop) => Some(Err(stop)),
    })
}

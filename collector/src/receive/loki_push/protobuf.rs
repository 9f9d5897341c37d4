//! Loki's `logproto.PushRequest`, read in place.
//!
//! ```text
//! PushRequest { streams: Stream[] = 1 }
//! Stream      { labels: string = 1, entries: Entry[] = 2 }
//! Entry       { timestamp: Timestamp = 1, line: string = 2, structured_metadata: Label[] = 3 }
//! Timestamp   { seconds: int64 = 1, nanos: int32 = 2 }
//! Label       { name: string = 1, value: string = 2 }
//! ```

use super::super::protobuf::{CutOff, Wire, fields, messages, nanos};
use super::request::Entry;
use super::{METADATA_MAX, Pushed, Stop};
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
    for field in fields(bytes) {
        match field? {
            (1, Wire::Bytes(timestamp)) => time = read_time(timestamp)?,
            (2, Wire::Bytes(line)) => entry.line = Cow::Borrowed(line),
            (3, Wire::Bytes(label)) => {
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
    for field in fields(bytes) {
        match field? {
            (1, Wire::Bytes(text)) => name = text,
            (2, Wire::Bytes(text)) => value = text,
            _ => {}
        }
    }
    Ok((
        String::from_utf8_lossy(name),
        String::from_utf8_lossy(value),
    ))
}

fn read_time(bytes: &[u8]) -> Result<Result<u64, String>, Stop> {
    let time = nanos(bytes)?;
    Ok(u64::try_from(time).map_err(|_| super::no_time(&time.to_string())))
}

impl From<CutOff> for Stop {
    fn from(_: CutOff) -> Self {
        Self::Malformed("it is no PushRequest in protobuf, or is cut off".into())
    }
}

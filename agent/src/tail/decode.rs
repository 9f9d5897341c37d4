//! From a file's lines to records: takes container lines apart and joins partial ones.
//!
//! A stream's partial lines are joined until its line tagged `F`, whatever the other stream
//! writes between them. A joined record's offset is that of its first line, so the offsets
//! of one stream's records always increase.

use super::cri::{self, STREAMS, Stream};
use crate::config::Format;
use crate::telemetry::Telemetry;

/// One record's text and where it came from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text<'a> {
    /// Nanoseconds since 1970; 0 where the line does not say.
    pub(crate) time: u64,
    pub(crate) stream: Stream,
    /// The offset of its first line.
    pub(crate) offset: u64,
    /// The offset of its last line.
    pub(crate) last: u64,
    pub(crate) bytes: &'a [u8],
}

/// A record that goes on in a later line.
#[derive(Clone, Debug)]
struct Partial {
    time: u64,
    offset: u64,
    last: u64,
    bytes: Vec<u8>,
    cut: bool,
}

/// The state between the lines of one file.
#[derive(Clone, Debug)]
pub(crate) struct Decoder {
    format: Format,
    record_bytes_max: usize,
    partial: [Option<Partial>; STREAMS],
    /// The text of the record joined last, which its reader borrows.
    spent: Vec<u8>,
}

impl Decoder {
    pub(crate) fn new(format: Format, record_bytes_max: usize) -> Self {
        Self {
            format,
            record_bytes_max,
            partial: [const { None }; STREAMS],
            spent: Vec::new(),
        }
    }

    /// Decides the format by the file's first line, where configuration leaves it open.
    pub(crate) fn decide(&mut self, head: &[u8]) {
        if self.format == Format::Auto {
            let line = head.strip_suffix(b"\n").unwrap_or(head);
            self.format = if cri::parse(line).is_some() {
                Format::Cri
            } else {
                Format::Plain
            };
        }
    }

    /// Takes the next line, without its newline, and gives the record that it ends.
    pub(crate) fn line<'a>(
        &'a mut self,
        offset: u64,
        line: &'a [u8],
        telemetry: &Telemetry,
    ) -> Option<Text<'a>> {
        if self.format != Format::Cri {
            return Some(Text {
                time: 0,
                stream: Stream::None,
                offset,
                last: offset,
                bytes: line,
            });
        }
        let Some(parsed) = cri::parse(line) else {
            telemetry.damage("not_cri");
            return Some(Text {
                time: 0,
                stream: Stream::None,
                offset,
                last: offset,
                bytes: line,
            });
        };
        let (time, stream) = (parsed.time, parsed.stream);
        if !parsed.partial && self.partial[stream as usize].is_none() {
            return Some(Text {
                time,
                stream,
                offset,
                last: offset,
                bytes: parsed.text,
            });
        }
        let limit = self.record_bytes_max;
        let whole = self.partial[stream as usize].get_or_insert_with(|| Partial {
            time,
            offset,
            last: offset,
            bytes: Vec::new(),
            cut: false,
        });
        whole.last = offset;
        whole.append(parsed.text, limit, telemetry);
        if parsed.partial {
            None
        } else {
            self.joined(stream)
        }
    }

    /// Ends a record that has no last line.
    pub(crate) fn flush(&mut self, stream: Stream) -> Option<Text<'_>> {
        self.partial[stream as usize].as_ref()?;
        self.joined(stream)
    }

    /// The offset of the oldest line whose record is not ended.
    pub(crate) fn oldest(&self) -> Option<u64> {
        self.partial.iter().flatten().map(|p| p.offset).min()
    }

    fn joined(&mut self, stream: Stream) -> Option<Text<'_>> {
        let done = self.partial[stream as usize].take()?;
        let (time, offset, last) = (done.time, done.offset, done.last);
        self.spent = done.bytes;
        Some(Text {
            time,
            stream,
            offset,
            last,
            bytes: &self.spent,
        })
    }
}

impl Partial {
    fn append(&mut self, text: &[u8], limit: usize, telemetry: &Telemetry) {
        let room = limit.saturating_sub(self.bytes.len());
        if text.len() > room && !self.cut {
            self.cut = true;
            telemetry.damage("record_cut");
        }
        self.bytes.extend_from_slice(&text[..text.len().min(room)]);
    }
}

#[cfg(test)]
mod tests;

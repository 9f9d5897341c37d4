//! Checks a request of any signal as prost would, and says what decoding it would cost.
//!
//! Two bytes can name an empty span, and a decoded span has some 270: a few kilobytes of
//! compressed input would become gigabytes. So whoever takes requests from strangers
//! measures them first. Nothing is built; the walk keeps one small frame for each level of
//! nesting.
//!
//! What counts is the memory behind the decoded request: vectors of messages, texts and
//! numbers with the room they reserve as they double, and the bytes of texts.
//!
//! Invariants, held by differential tests against prost: accepts exactly what prost
//! accepts; the size is exact where every singular field occurs at most once, and at
//! least half the true size otherwise (a repeated occurrence is counted as if it stayed).

use super::WalkError;
use super::shape::{self, Field, REPEATED_MAX, Shape};
use super::text::{PAIR_DEPTH, is_ascii, pair};
use super::unkept::{SPAN_BYTES_MAX, Unkept};
use super::validate::{message, string, unknown};
use super::wire::{Cursor, DEPTH_MAX, Wire};
use crate::{Signal, SpanId, TraceId};

/// What a request holds, and what it would become.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Measure {
    /// How many log records, spans or data points there are in the bytes. Where a metric
    /// has data of several kinds, of which only the last is kept, all of them count.
    pub records: u64,
    /// The bytes of memory behind the request once prost has decoded it. While a vector
    /// grows, its old place may exist beside the new one, so the peak can be half as much
    /// again.
    pub decoded_bytes: u64,
    /// The most attributes that anything has.
    pub attributes_most: u64,
    /// The length of the longest text or bytes, in bytes.
    pub text_most: u64,
    /// The length of the longest name of a plain attribute.
    pub name_most: u64,
    /// What of it no store keeps, however late or early it is: spans.
    pub unkept: Unkept,
}

pub(super) fn measure(signal: Signal, bytes: &[u8]) -> Result<Measure, WalkError> {
    let request = match signal {
        Signal::Logs => &shape::LOGS_REQUEST,
        Signal::Spans => &shape::TRACE_REQUEST,
        Signal::Metrics => &shape::METRICS_REQUEST,
    };
    of(request, bytes)
}

fn of(shape: &'static Shape, bytes: &[u8]) -> Result<Measure, WalkError> {
    let mut measuring = Measuring::default();
    measuring.walk(Cursor::new(bytes), shape, DEPTH_MAX)?;
    Ok(measuring.found)
}

/// A walk that goes on.
#[derive(Default)]
struct Measuring {
    found: Measure,
    /// Whether the span that is walked has a trace ID and one of its own.
    has_trace_id: bool,
    has_span_id: bool,
}

impl Measuring {
    fn walk(&mut self, mut at: Cursor<'_>, shape: &Shape, depth: u32) -> Result<(), WalkError> {
        let mut counts = [0; REPEATED_MAX];
        while let Some((number, wire)) = at.field(depth)? {
            let (field, place) = shape.field(number);
            match (field, wire) {
                (Field::Varint, Wire::Varint(_))
                | (Field::Fixed64, Wire::Fixed64(_))
                | (Field::Fixed32, Wire::Fixed32(_)) => {}
                (Field::Bytes, Wire::Len(inside)) => self.bytes(inside),
                (Field::TraceId, Wire::Len(id)) => {
                    self.has_trace_id = TraceId::from_slice(id.bytes()).is_ok();
                    self.bytes(id);
                }
                (Field::SpanId, Wire::Len(id)) => {
                    self.has_span_id = SpanId::from_slice(id.bytes()).is_ok();
                    self.bytes(id);
                }
                (Field::Text, Wire::Len(inside)) => {
                    string(&at, wire)?;
                    self.bytes(inside);
                }
                (Field::Message(shape), Wire::Len(_)) => {
                    let (inside, depth) = message(&at, wire, depth)?;
                    self.walk(inside, shape, depth)?;
                }
                (Field::Unknown, _) => unknown(&at, depth)?,
                (repeated, wire) => {
                    let count = self.repeated(&at, repeated, wire, depth)?;
                    let (before, size) = (counts[place], size_of_one(repeated));
                    counts[place] = before + count;
                    if matches!(repeated, Field::Pairs(_)) {
                        self.found.attributes_most = self.found.attributes_most.max(before + count);
                    }
                    self.found.decoded_bytes +=
                        (capacity(before + count) - capacity(before)) * size;
                }
            }
        }
        Ok(())
    }

    /// How many elements the occurrence of a repeated field adds.
    #[inline]
    fn repeated(
        &mut self,
        at: &Cursor<'_>,
        field: Field,
        wire: Wire<'_>,
        depth: u32,
    ) -> Result<u64, WalkError> {
        match (field, wire) {
            (Field::Pairs(_), Wire::Len(inside))
                if depth >= PAIR_DEPTH
                    && let Some((name, value)) = pair(inside.bytes())
                    && is_ascii(inside.bytes()) =>
            {
                self.found.name_most = self.found.name_most.max(name.len() as u64);
                self.text_bytes(name.len());
                self.text_bytes(value.len());
                Ok(1)
            }
            (
                Field::Messages(shape) | Field::Records(shape) | Field::Pairs(shape),
                Wire::Len(_),
            ) => {
                self.found.records += u64::from(matches!(field, Field::Records(_)));
                let (inside, depth) = message(at, wire, depth)?;
                self.walk(inside, shape, depth)?;
                Ok(1)
            }
            (Field::Spans(shape), Wire::Len(_)) => {
                self.found.records += 1;
                let (inside, depth) = message(at, wire, depth)?;
                self.span(inside, shape, depth)?;
                Ok(1)
            }
            (Field::Texts, Wire::Len(inside)) => {
                string(at, wire)?;
                self.bytes(inside);
                Ok(1)
            }
            (Field::Fixed64s, Wire::Fixed64(_)) | (Field::Varints, Wire::Varint(_)) => Ok(1),
            (Field::Fixed64s, Wire::Len(inside)) => inside.packed_fixed64s(),
            (Field::Varints, Wire::Len(inside)) => inside.packed_varints(),
            _ => Err(at.error("a field has another wire type than OTLP gives it")),
        }
    }

    /// Walks a span, and notes whether a store will keep it.
    fn span(&mut self, inside: Cursor<'_>, shape: &Shape, depth: u32) -> Result<(), WalkError> {
        (self.has_trace_id, self.has_span_id) = (false, false);
        self.walk(inside, shape, depth)?;
        let unkept = &mut self.found.unkept;
        if !self.has_trace_id {
            unkept.bad_trace_ids += 1;
        } else if !self.has_span_id {
            unkept.bad_span_ids += 1;
        } else if inside.bytes().len() > SPAN_BYTES_MAX {
            unkept.too_large += 1;
        }
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, inside: Cursor<'_>) {
        self.text_bytes(inside.bytes().len());
    }

    #[inline]
    fn text_bytes(&mut self, len: usize) {
        let len = len as u64;
        if len > 0 {
            self.found.text_most = self.found.text_most.max(len);
            self.found.decoded_bytes += len.max(BYTES_CAPACITY_MIN);
        }
    }
}

/// The least that a vector of bytes, or a string, reserves.
const BYTES_CAPACITY_MIN: u64 = 8;
/// The least that other vectors reserve, in elements.
const CAPACITY_MIN: u64 = 4;

/// The room of a vector to which that many elements were pushed.
fn capacity(len: u64) -> u64 {
    if len == 0 {
        0
    } else {
        len.next_power_of_two().max(CAPACITY_MIN)
    }
}

fn size_of_one(field: Field) -> u64 {
    let size = match field {
        Field::Messages(shape)
        | Field::Records(shape)
        | Field::Spans(shape)
        | Field::Pairs(shape) => shape.size,
        Field::Texts => size_of::<String>(),
        _ => size_of::<u64>(),
    };
    size as u64
}

#[cfg(test)]
mod tests;

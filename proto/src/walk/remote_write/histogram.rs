//! One native histogram of a series.
//!
//! ```text
//! Histogram  { count: uint64 = 1 or double = 2, sum: double = 3, schema: sint32 = 4,
//!              zero_threshold: double = 5, zero_count: uint64 = 6 or double = 7,
//!              below zero: spans = 8, deltas: sint64[] = 9, counts: double[] = 10,
//!              above zero: spans = 11, deltas: sint64[] = 12, counts: double[] = 13,
//!              reset_hint: enum = 14, timestamp: int64 = 15, custom_values: double[] = 16,
//!              start_timestamp: int64 = 17 (2.0 only) }
//! BucketSpan { offset: sint32 = 1, length: uint32 = 2 }
//! ```
//!
//! Counts are whole numbers and told as differences of neighbours, or floats and told as they
//! are.

use super::each;
use crate::histogram::{BucketSpan, Buckets, Histogram, HistogramError, ResetHint, SampleValue};
use crate::walk::WalkError;
use crate::walk::wire::{Cursor, DEPTH_MAX, Wire};
use std::sync::Arc;

/// The bits of the sum by which a sender says that the series ended.
const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;

/// So many buckets and spans are read of each side of zero, and so many bounds: one with more
/// is at fault, so that what is read of a request is bounded by its bytes.
pub const BUCKETS_MAX: usize = 4096;

/// A native histogram at a time.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramAt {
    /// Milliseconds since 1970.
    pub time: i64,
    /// Since when it counts, in milliseconds since 1970; 0 where that is not said.
    pub start: i64,
    /// What was counted; the float that marks the end of a series where it ended.
    pub value: Result<SampleValue, HistogramError>,
}

/// One side of zero as it comes.
#[derive(Debug, Default)]
struct Side {
    spans: Vec<BucketSpan>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
    is_cut: bool,
}

/// A number that is whole or not.
#[derive(Clone, Copy, Debug, Default)]
struct Number {
    value: f64,
    is_float: bool,
}

/// Visits the histograms in one field of a series.
pub(super) fn each_histogram(
    series: Cursor<'_>,
    number: u32,
    mut visit: impl FnMut(HistogramAt),
) -> Result<(), WalkError> {
    each(series, number, |message| {
        visit(read(message)?);
        Ok(())
    })
}

fn read(mut at: Cursor<'_>) -> Result<HistogramAt, WalkError> {
    let mut histogram = Histogram::default();
    let (mut count, mut zero_count) = (Number::default(), Number::default());
    let (mut negative, mut positive) = (Side::default(), Side::default());
    let (mut bounds, mut are_cut) = (Vec::new(), false);
    let (mut schema, mut time, mut start) = (0, 0, 0);
    while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
        match (tag, wire) {
            (1, Wire::Varint(n)) => count = Number::whole(n),
            (2, Wire::Fixed64(n)) => count = Number::float(n),
            (3, Wire::Fixed64(n)) => histogram.sum = f64::from_bits(n),
            (4, Wire::Varint(n)) => schema = sint32(n),
            (5, Wire::Fixed64(n)) => histogram.zero_threshold = f64::from_bits(n),
            (6, Wire::Varint(n)) => zero_count = Number::whole(n),
            (7, Wire::Fixed64(n)) => zero_count = Number::float(n),
            (8, Wire::Len(span)) => negative.span(span)?,
            (9, wire) => varints(&at, wire, &mut negative.deltas, &mut negative.is_cut)?,
            (10, wire) => doubles(&at, wire, &mut negative.counts, &mut negative.is_cut)?,
            (11, Wire::Len(span)) => positive.span(span)?,
            (12, wire) => varints(&at, wire, &mut positive.deltas, &mut positive.is_cut)?,
            (13, wire) => doubles(&at, wire, &mut positive.counts, &mut positive.is_cut)?,
            (14, Wire::Varint(n)) => histogram.hint = hint(n),
            (15, Wire::Varint(n)) => time = n.cast_signed(),
            (17, Wire::Varint(n)) => start = n.cast_signed(),
            (16, wire) => doubles(&at, wire, &mut bounds, &mut are_cut)?,
            (1..=8 | 11 | 14 | 15, _) => {
                return Err(at.error("a field of a histogram has another wire type"));
            }
            _ => {}
        }
    }
    let is_float = count.is_float;
    (histogram.count, histogram.zero_count) = (count.value, zero_count.value);
    let is_cut = are_cut || negative.is_cut || positive.is_cut;
    histogram.bounds = bounds.into();
    histogram.negative = negative.buckets(is_float);
    histogram.positive = positive.buckets(is_float);
    let checked = || {
        if histogram.sum.to_bits() == STALE_NAN_BITS {
            return Ok(SampleValue::Float(histogram.sum));
        }
        if is_cut {
            return Err(HistogramError::Many(BUCKETS_MAX));
        }
        let known = i8::try_from(schema).map_err(|_| HistogramError::Schema(schema))?;
        histogram.schema = known;
        histogram.check(BUCKETS_MAX)?;
        Ok(SampleValue::Histogram(Arc::new(histogram)))
    };
    Ok(HistogramAt {
        time,
        start,
        value: checked(),
    })
}

impl Number {
    fn whole(n: u64) -> Self {
        Self {
            value: n as f64,
            is_float: false,
        }
    }

    fn float(n: u64) -> Self {
        Self {
            value: f64::from_bits(n),
            is_float: true,
        }
    }
}

impl Side {
    fn span(&mut self, mut at: Cursor<'_>) -> Result<(), WalkError> {
        let (mut offset, mut length) = (0, 0);
        while let Some((tag, wire)) = at.field(DEPTH_MAX)? {
            match (tag, wire) {
                (1, Wire::Varint(n)) => offset = sint32(n),
                (2, Wire::Varint(n)) => length = n as u32,
                (1 | 2, _) => return Err(at.error("a number of a span has another wire type")),
                _ => {}
            }
        }
        push(
            &mut self.spans,
            BucketSpan { offset, length },
            &mut self.is_cut,
        );
        Ok(())
    }

    /// What each bucket holds.
    fn buckets(self, is_float: bool) -> Buckets {
        let mut count = 0i64;
        let deltas = self.deltas.iter().map(|delta| {
            count = count.wrapping_add(*delta);
            count as f64
        });
        Buckets {
            counts: if is_float {
                self.counts
            } else {
                deltas.collect()
            },
            spans: self.spans,
        }
    }
}

fn push<T>(all: &mut Vec<T>, one: T, is_cut: &mut bool) {
    if all.len() < BUCKETS_MAX {
        all.push(one);
    } else {
        *is_cut = true;
    }
}

fn varints(
    at: &Cursor<'_>,
    wire: Wire<'_>,
    out: &mut Vec<i64>,
    is_cut: &mut bool,
) -> Result<(), WalkError> {
    match wire {
        Wire::Varint(n) => push(out, unzigzag(n), is_cut),
        Wire::Len(mut packed) => {
            while let Some(n) = packed.packed_varint()? {
                push(out, unzigzag(n), is_cut);
            }
        }
        _ => return Err(at.error("a count of a histogram has another wire type")),
    }
    Ok(())
}

fn doubles(
    at: &Cursor<'_>,
    wire: Wire<'_>,
    out: &mut Vec<f64>,
    is_cut: &mut bool,
) -> Result<(), WalkError> {
    match wire {
        Wire::Fixed64(n) => push(out, f64::from_bits(n), is_cut),
        Wire::Len(packed) => {
            packed.packed_fixed64s()?;
            for eight in packed.bytes().as_chunks().0 {
                push(out, f64::from_le_bytes(*eight), is_cut);
            }
        }
        _ => return Err(at.error("a number of a histogram has another wire type")),
    }
    Ok(())
}

fn hint(n: u64) -> ResetHint {
    match n {
        1 => ResetHint::Reset,
        2 => ResetHint::NotReset,
        3 => ResetHint::Gauge,
        _ => ResetHint::Unknown,
    }
}

fn unzigzag(n: u64) -> i64 {
    (n >> 1).cast_signed() ^ -((n & 1).cast_signed())
}

fn sint32(n: u64) -> i32 {
    unzigzag(u64::from(n as u32)) as i32
}

#[cfg(test)]
pub(super) mod tests;

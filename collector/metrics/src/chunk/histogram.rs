//! Native histograms as bytes.
//!
//! ```text
//! column   u8 3 │ u32 count │ parts
//! part     samples that have the same buckets, and hold whole numbers or not
//!          samples │ u8 flags │ schema │ u64 zero threshold │ spans above zero │ spans below │
//!          bounds │ hints │ length, sums (see `columns`) │ length, bits of numbers
//!          flags: 1 counts are whole │ 2 the hints differ
//! spans    count, then of each: offset, length
//! bounds   count, then u64 of each
//! hints    u8, or where they differ one of each sample
//! numbers  of whole ones (see `numbers`): what the count is above all buckets, the zero bucket,
//!          each bucket above zero and below; of others: the count itself, and the same
//!          (numbers base 128, those with a sign zigzag; u64 are bits of a float, little endian)
//! ```
//!
//! Numbers stand by column: what one bucket held in all samples of a part. What is read is
//! exactly what was written, to the bit of every number.

mod layout;
mod numbers;

use super::bits::{BitReader, BitWriter, Damaged};
use super::columns;
use crate::promql::HistogramSample;
use crate::translate::wire::varint;
use layout::Layout;
use sonde_proto::{Buckets, Histogram, ResetHint};
use std::sync::Arc;

/// The first byte of a column of histograms, which no column of floats begins with.
pub(crate) const HISTOGRAMS: u8 = 3;
/// So many buckets and spans a histogram may have on each side of zero.
pub(crate) const BUCKETS_MAX: usize = 4096;
/// A column has at most so many histograms,
const SAMPLES_MAX: usize = 960;
/// and so many numbers in them: what reading it takes is bounded.
const NUMBERS_MAX: usize = 1 << 18;

const WHOLE: u8 = 1;
const HINTS: u8 = 2;
/// Above this, neighbouring whole numbers are no longer all representable.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// Cuts samples into what a column may hold.
pub(crate) fn pieces(samples: &[HistogramSample]) -> impl Iterator<Item = &[HistogramSample]> {
    let mut rest = samples;
    std::iter::from_fn(move || {
        let mut numbers = 0;
        let fits = |sample: &&HistogramSample| {
            numbers += counters(&sample.value);
            numbers <= NUMBERS_MAX
        };
        let fitting = rest.iter().take(SAMPLES_MAX).take_while(fits).count();
        let (piece, after) = rest.split_at(fitting.max(1).min(rest.len()));
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}

/// How many numbers a histogram has.
fn counters(histogram: &Histogram) -> usize {
    2 + histogram.positive.counts.len() + histogram.negative.counts.len()
}

/// Whether a column holds histograms.
pub(crate) fn is_of_histograms(column: &[u8]) -> bool {
    column.first() == Some(&HISTOGRAMS)
}

/// Encodes histograms; of their times nothing is kept.
pub(crate) fn write(samples: &[HistogramSample]) -> Vec<u8> {
    let mut out = vec![HISTOGRAMS];
    out.extend((samples.len() as u32).to_le_bytes());
    let alike = |a: &HistogramSample, b: &HistogramSample| {
        Layout::is_same(&a.value, &b.value) && is_whole(&a.value) == is_whole(&b.value)
    };
    samples
        .chunk_by(alike)
        .for_each(|part| write_part(part, &mut out));
    out
}

fn write_part(part: &[HistogramSample], out: &mut Vec<u8>) {
    let Some(first) = part.first().map(|sample| &*sample.value) else {
        return;
    };
    let whole = is_whole(first);
    let hints: Vec<u8> = part.iter().map(|s| s.value.hint as u8).collect();
    let differ = hints.iter().any(|hint| *hint != hints[0]);
    layout::put(out, part.len() as u64);
    out.push(u8::from(whole) * WHOLE + u8::from(differ) * HINTS);
    layout::write(first, out);
    out.extend(if differ { &hints[..] } else { &hints[..1] });
    let sums: Vec<f64> = part.iter().map(|sample| sample.value.sum).collect();
    put_bytes(out, &columns::write_values(&sums));
    put_bytes(out, &write_numbers(part, whole));
}

fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    layout::put(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn write_numbers(part: &[HistogramSample], whole: bool) -> Vec<u8> {
    let mut bits = BitWriter::default();
    let columns = part.first().map_or(0, |sample| counters(&sample.value));
    let (mut integers, mut floats) = (Vec::new(), Vec::new());
    for column in 0..columns {
        if whole {
            integers.clear();
            integers.extend(part.iter().map(|sample| match column {
                0 => rest_of_count(&sample.value),
                _ => number(&sample.value, column) as i64,
            }));
            numbers::write_whole(&integers, &mut bits);
        } else {
            floats.clear();
            floats.extend(part.iter().map(|sample| number(&sample.value, column)));
            numbers::write_floats(&floats, &mut bits);
        }
    }
    bits.to_bytes()
}

/// The count, the zero bucket, the buckets above zero, those below.
fn number(histogram: &Histogram, column: usize) -> f64 {
    let positive = &histogram.positive.counts;
    match column {
        0 => histogram.count,
        1 => histogram.zero_count,
        at if at - 2 < positive.len() => positive[at - 2],
        at => histogram.negative.counts[at - 2 - positive.len()],
    }
}

/// What the count is above all buckets, which is mostly nothing.
fn rest_of_count(histogram: &Histogram) -> i64 {
    let buckets = (1..counters(histogram)).map(|column| number(histogram, column) as i64);
    buckets.fold(histogram.count as i64, i64::wrapping_sub)
}

fn is_whole(histogram: &Histogram) -> bool {
    let is_whole = |n: &f64| n.abs() < EXACT_MAX && (*n as i64 as f64).to_bits() == n.to_bits();
    let sides = [&histogram.positive, &histogram.negative];
    is_whole(&histogram.count)
        && is_whole(&histogram.zero_count)
        && sides.iter().all(|side| side.counts.iter().all(is_whole))
        && rest_of_count(histogram).unsigned_abs() < EXACT_MAX as u64
}

/// Appends the histograms in `bytes`, which are of these times, to `out`.
pub(crate) fn read(
    bytes: &[u8],
    times: &[i64],
    out: &mut Vec<HistogramSample>,
) -> Result<(), Damaged> {
    let ([HISTOGRAMS, count @ ..], mut rest) = bytes.split_first_chunk::<5>().ok_or(Damaged)?
    else {
        return Err(Damaged);
    };
    if u32::from_le_bytes(*count) as usize != times.len() || times.len() > SAMPLES_MAX {
        return Err(Damaged);
    }
    let (mut times, mut numbers_left) = (times, NUMBERS_MAX + 2 * BUCKETS_MAX + 2);
    while !times.is_empty() {
        let samples = usize::try_from(take(&mut rest)?).map_err(|_| Damaged)?;
        if samples == 0 || samples > times.len() {
            return Err(Damaged);
        }
        let (of_part, after) = times.split_at(samples);
        read_part(&mut rest, of_part, &mut numbers_left, out)?;
        times = after;
    }
    if rest.is_empty() {
        Ok(())
    } else {
        Err(Damaged)
    }
}

fn take(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    varint(bytes).map_err(|_| Damaged)
}

fn take_bytes<'a>(bytes: &mut &'a [u8]) -> Result<&'a [u8], Damaged> {
    let length = usize::try_from(take(bytes)?).map_err(|_| Damaged)?;
    let (taken, rest) = bytes.split_at_checked(length).ok_or(Damaged)?;
    *bytes = rest;
    Ok(taken)
}

fn read_part(
    bytes: &mut &[u8],
    times: &[i64],
    numbers_left: &mut usize,
    out: &mut Vec<HistogramSample>,
) -> Result<(), Damaged> {
    let (flags, rest) = bytes.split_first().ok_or(Damaged)?;
    *bytes = rest;
    let layout = Layout::read(bytes)?;
    let columns = 2 + layout.positive.1 + layout.negative.1;
    let numbers = columns.checked_mul(times.len()).ok_or(Damaged)?;
    *numbers_left = numbers_left.checked_sub(numbers).ok_or(Damaged)?;
    let hints = if flags & HINTS == 0 { 1 } else { times.len() };
    let (hints, rest) = bytes.split_at_checked(hints).ok_or(Damaged)?;
    *bytes = rest;
    let mut sums = Vec::new();
    // Counted before it is unpacked.
    let packed = take_bytes(bytes)?;
    if columns::values(packed)? != times.len() {
        return Err(Damaged);
    }
    columns::read_values(packed, &mut sums)?;
    let mut bits = BitReader::new(take_bytes(bytes)?);
    let mut table = Vec::with_capacity(numbers);
    for _ in 0..columns {
        if flags & WHOLE != 0 {
            numbers::read_whole(&mut bits, times.len(), &mut table)?;
        } else {
            numbers::read_floats(&mut bits, times.len(), &mut table)?;
        }
    }
    for (at, time) in times.iter().enumerate() {
        let hint = hints.get(at).or(hints.first()).ok_or(Damaged)?;
        let mut of_sample = table.iter().skip(at).step_by(times.len()).copied();
        let mut value = layout.histogram(&mut of_sample)?;
        if flags & WHOLE != 0 {
            value.count = count_of(&value);
        }
        value.hint = hint_of(*hint)?;
        value.sum = sums.get(at).copied().ok_or(Damaged)?;
        out.push(HistogramSample {
            time: *time,
            value: Arc::new(value),
            start: 0,
        });
    }
    Ok(())
}

/// The inverse of [`rest_of_count`], which stands where the count is to be.
fn count_of(histogram: &Histogram) -> f64 {
    let buckets = (1..counters(histogram)).map(|column| number(histogram, column) as i64);
    buckets.fold(histogram.count as i64, i64::wrapping_add) as f64
}

fn hint_of(number: u8) -> Result<ResetHint, Damaged> {
    use ResetHint::{Gauge, NotReset, Reset, Unknown};
    let all = [Unknown, Reset, NotReset, Gauge];
    all.into_iter()
        .find(|hint| *hint as u8 == number)
        .ok_or(Damaged)
}

impl Layout {
    /// A histogram of this layout, with the numbers that come.
    fn histogram(&self, numbers: &mut impl Iterator<Item = f64>) -> Result<Histogram, Damaged> {
        let (count, zero_count) = (numbers.next(), numbers.next());
        let mut side = |(spans, counts): &(Vec<_>, usize)| Buckets {
            spans: spans.clone(),
            counts: numbers.take(*counts).collect(),
        };
        Ok(Histogram {
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            positive: side(&self.positive),
            negative: side(&self.negative),
            bounds: Arc::clone(&self.bounds),
            count: count.ok_or(Damaged)?,
            zero_count: zero_count.ok_or(Damaged)?,
            ..Histogram::default()
        })
    }
}

#[cfg(test)]
mod tests;

//! A native histogram as OTLP carries it
//! (`ExponentialHistogramDataPoint` of `opentelemetry/proto/metrics/v1/metrics.proto`).
//!
//! ```text
//! Prometheus    bucket i holds (base^(i-1), base^i], in spans
//! OTLP          bucket i holds (base^i, base^(i+1)], densely from an offset on
//! ```
//!
//! Its counts are whole numbers, so one with fractions has no such form. One whose buckets lie so
//! far apart that all between them would be more than a collector keeps is told in coarser ones,
//! as a client does that has too many.

use super::points::{Point, exemplar, field, fixed, nanos, varint};
use sonde_proto::{BucketSpan, Buckets, Histogram};
use std::borrow::Cow;

/// The most buckets on each side of zero, empty ones among them.
const BUCKETS_MAX: i64 = 4096;
/// Above this, neighbouring whole numbers are no longer all representable.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// The tag of an attribute of a number's point, and of a histogram's.
const NUMBER_ATTRIBUTE: u8 = 7 << 3 | 2;
const ATTRIBUTE: u8 = 1 << 3 | 2;

/// The coarsest buckets there are.
const SCHEMA_MIN: i8 = -4;

/// Whether a histogram can be told: [`fitting`] makes it so.
pub(super) fn can_fit(histogram: &Histogram) -> bool {
    let is_whole = |n: &f64| (0.0..EXACT_MAX).contains(n) && n.fract() == 0.0;
    let sides = [&histogram.positive, &histogram.negative];
    is_whole(&histogram.count)
        && is_whole(&histogram.zero_count)
        && sides.iter().all(|side| side.counts.iter().all(is_whole))
        && steps(histogram).is_some()
        && histogram.bounds.is_empty()
}

/// The histogram as it can be told, in coarser buckets where it is too wide.
pub(super) fn fitting(histogram: &Histogram) -> Cow<'_, Histogram> {
    match steps(histogram) {
        None | Some(0) => Cow::Borrowed(histogram),
        Some(steps) => Cow::Owned(Histogram {
            schema: histogram.schema - steps,
            positive: coarser(&histogram.positive, steps),
            negative: coarser(&histogram.negative, steps),
            ..histogram.clone()
        }),
    }
}

/// How often neighbouring buckets have to be joined until each side is narrow enough; `None`
/// where even the coarsest are too many.
fn steps(histogram: &Histogram) -> Option<i8> {
    let sides = [&histogram.positive, &histogram.negative];
    let coarsest = histogram.schema.saturating_sub(SCHEMA_MIN).max(0);
    let are_narrow = |steps: &i8| sides.iter().all(|side| width(side, *steps) <= BUCKETS_MAX);
    (0..=coarsest).find(are_narrow)
}

/// How many buckets there are from the first to the last.
fn width(side: &Buckets, steps: i8) -> i64 {
    let first = side.indexes().next();
    let both = first.zip(side.indexes().last());
    both.map_or(0, |(first, last)| {
        joined(last, steps) - joined(first, steps) + 1
    })
}

/// Where a bucket goes when neighbours are joined so often.
fn joined(index: i64, steps: i8) -> i64 {
    ((index - 1) >> steps) + 1
}

fn coarser(side: &Buckets, steps: i8) -> Buckets {
    let (mut spans, mut counts): (Vec<BucketSpan>, Vec<f64>) = (Vec::new(), Vec::new());
    let mut next = None;
    for (index, count) in side.indexes().zip(&side.counts) {
        let index = joined(index, steps);
        if let Some(last) = counts.last_mut().filter(|_| next == Some(index + 1)) {
            *last += count;
            continue;
        }
        // It lies within the width, and the first where a bucket may lie.
        let offset = (index - next.unwrap_or_default()) as i32;
        spans.push(BucketSpan { offset, length: 1 });
        counts.push(*count);
        next = Some(index + 1);
    }
    Buckets { spans, counts }
}

/// The message of a point. `attributes` are fields of a number's point.
pub(super) fn data_point(attributes: &[u8], point: &Point<'_>, histogram: &Histogram) -> Vec<u8> {
    let mut message = Vec::with_capacity(attributes.len() + 128);
    push_attributes(&mut message, attributes);
    if point.start > 0 {
        fixed(&mut message, 2, nanos(point.start));
    }
    fixed(&mut message, 3, nanos(point.time));
    fixed(&mut message, 4, histogram.count as u64);
    fixed(&mut message, 5, histogram.sum.to_bits());
    message.push(6 << 3);
    varint(&mut message, zigzag(i64::from(histogram.schema)));
    fixed(&mut message, 7, histogram.zero_count as u64);
    for (number, side) in [(8, &histogram.positive), (9, &histogram.negative)] {
        if let Some(buckets) = buckets(side) {
            field(&mut message, number, &buckets);
        }
    }
    for one in point.exemplars {
        field(&mut message, 11, &exemplar(one));
    }
    fixed(&mut message, 14, histogram.zero_threshold.to_bits());
    message
}

/// A `Buckets` message, with those between them that are empty.
fn buckets(side: &Buckets) -> Option<Vec<u8>> {
    let first = side.indexes().next()?;
    let (mut counts, mut next) = (Vec::new(), first);
    for (index, count) in side.indexes().zip(&side.counts) {
        (next..index).for_each(|_| counts.push(0));
        varint(&mut counts, *count as u64);
        next = index + 1;
    }
    // The bucket that ends at the upper bound `i` is the one that begins at `i - 1`.
    let mut message = vec![1 << 3];
    varint(&mut message, zigzag(first - 1));
    field(&mut message, 2, &counts);
    Some(message)
}

/// Attributes have another number in this message.
fn push_attributes(message: &mut Vec<u8>, attributes: &[u8]) {
    let mut rest = attributes;
    while let Some((&NUMBER_ATTRIBUTE, after)) = rest.split_first() {
        let digits = after.iter().take_while(|byte| **byte >= 0x80).count() + 1;
        let digits = digits.min(after.len()).min(9);
        let length = after[..digits].iter().rev();
        let length = length.fold(0, |sum, byte| sum << 7 | usize::from(byte & 0x7f));
        let end = digits.saturating_add(length).min(after.len());
        message.push(ATTRIBUTE);
        message.extend_from_slice(&after[..end]);
        rest = &after[end..];
    }
}

fn zigzag(n: i64) -> u64 {
    (n << 1 ^ n >> 63).cast_unsigned()
}

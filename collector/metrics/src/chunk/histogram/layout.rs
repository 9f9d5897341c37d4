//! What the histograms of a part have in common: which buckets there are.

use super::{BUCKETS_MAX, Damaged, take};
use crate::chunk::{unzigzag, zigzag};
use sonde_proto::{BucketSpan, Histogram};
use std::sync::Arc;

/// Which buckets there are.
pub(super) struct Layout {
    pub(super) schema: i8,
    pub(super) zero_threshold: f64,
    /// Spans, and how many counts there are.
    pub(super) positive: (Vec<BucketSpan>, usize),
    pub(super) negative: (Vec<BucketSpan>, usize),
    pub(super) bounds: Arc<[f64]>,
}

impl Layout {
    /// Whether two histograms have the same.
    pub(super) fn is_same(a: &Histogram, b: &Histogram) -> bool {
        let bits = |n: &f64| n.to_bits();
        let same_bounds = || a.bounds.iter().map(bits).eq(b.bounds.iter().map(bits));
        a.schema == b.schema
            && a.zero_threshold.to_bits() == b.zero_threshold.to_bits()
            && a.positive.spans == b.positive.spans
            && a.negative.spans == b.negative.spans
            && a.positive.counts.len() == b.positive.counts.len()
            && a.negative.counts.len() == b.negative.counts.len()
            && (Arc::ptr_eq(&a.bounds, &b.bounds) || same_bounds())
    }

    /// Reads what [`write`] wrote.
    pub(super) fn read(bytes: &mut &[u8]) -> Result<Self, Damaged> {
        let schema = i8::try_from(unzigzag(take(bytes)?)).map_err(|_| Damaged)?;
        Ok(Self {
            schema,
            zero_threshold: float(bytes)?,
            positive: side(bytes)?,
            negative: side(bytes)?,
            bounds: {
                let count = count(bytes)?;
                (0..count).map(|_| float(bytes)).collect::<Result<_, _>>()?
            },
        })
    }
}

/// Appends the layout of a histogram.
pub(super) fn write(histogram: &Histogram, out: &mut Vec<u8>) {
    put(out, zigzag(i64::from(histogram.schema)));
    out.extend(histogram.zero_threshold.to_bits().to_le_bytes());
    for side in [&histogram.positive, &histogram.negative] {
        put(out, side.spans.len() as u64);
        for span in &side.spans {
            put(out, zigzag(i64::from(span.offset)));
            put(out, u64::from(span.length));
        }
    }
    put(out, histogram.bounds.len() as u64);
    let bounds = histogram.bounds.iter();
    out.extend(bounds.flat_map(|bound| bound.to_bits().to_le_bytes()));
}

pub(super) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn count(bytes: &mut &[u8]) -> Result<usize, Damaged> {
    let count = usize::try_from(take(bytes)?).map_err(|_| Damaged)?;
    if count <= BUCKETS_MAX.min(bytes.len()) {
        Ok(count)
    } else {
        Err(Damaged)
    }
}

fn float(bytes: &mut &[u8]) -> Result<f64, Damaged> {
    let (bits, rest) = bytes.split_first_chunk().ok_or(Damaged)?;
    *bytes = rest;
    Ok(f64::from_bits(u64::from_le_bytes(*bits)))
}

fn side(bytes: &mut &[u8]) -> Result<(Vec<BucketSpan>, usize), Damaged> {
    let mut buckets = 0usize;
    let mut span = |bytes: &mut &[u8]| {
        let offset = i32::try_from(unzigzag(take(bytes)?)).map_err(|_| Damaged)?;
        let length = u32::try_from(take(bytes)?).map_err(|_| Damaged)?;
        buckets = buckets.saturating_add(length as usize);
        Ok(BucketSpan { offset, length })
    };
    let spans = (0..count(bytes)?).map(|_| span(bytes));
    let spans = spans.collect::<Result<_, Damaged>>()?;
    if buckets <= BUCKETS_MAX {
        Ok((spans, buckets))
    } else {
        Err(Damaged)
    }
}

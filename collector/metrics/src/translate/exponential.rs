//! Exponential histograms as native ones, by the compatibility specification of OpenTelemetry
//! and Prometheus.
//!
//! ```text
//! OTLP          bucket i holds (base^i, base^(i+1)], densely from an offset on
//! Prometheus    bucket i holds (base^(i-1), base^i], in spans
//! ```
//!
//! A scale above 8 is reduced to 8, each step joining two buckets; one below -4 has no native
//! form. What the least and the greatest observation were is not kept. A point without a sum
//! gets one that is no number. What was scraped was native before: it keeps its zero bucket as
//! it was, and of a `gaugehistogram` it is said that it may fall.

use super::wire::{Fields, Malformed, Value, varint};
use crate::chunk::histogram::BUCKETS_MAX;
use crate::telemetry::Reason;
use sonde_proto::{BucketSpan, Buckets, Histogram, ResetHint};

/// The scales that native histograms have.
const SCALES: std::ops::RangeInclusive<i64> = -4..=8;
/// Half of the width of the bucket around zero where a point does not say.
const ZERO_THRESHOLD: f64 = 1e-128;

/// A point as it comes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exponential<'a> {
    pub(crate) count: u64,
    pub(crate) sum: Option<f64>,
    pub(crate) scale: i64,
    pub(crate) zero_count: u64,
    pub(crate) zero_threshold: f64,
    /// `Buckets` messages.
    pub(crate) positive: &'a [u8],
    pub(crate) negative: &'a [u8],
    /// The kind in Prometheus' words, of what was scraped.
    pub(crate) scraped: Option<&'static str>,
}

impl Exponential<'_> {
    /// The point as a native histogram, or why there is none.
    pub(crate) fn native(&self) -> Result<Result<Histogram, Reason>, Malformed> {
        if self.scale < *SCALES.start() {
            return Ok(Err(Reason::Scale));
        }
        let schema = self.scale.min(*SCALES.end());
        let steps = (self.scale - schema).min(63) as u32;
        let (Some(positive), Some(negative)) = (
            buckets(self.positive, steps)?,
            buckets(self.negative, steps)?,
        ) else {
            return Ok(Err(Reason::PartsMax));
        };
        let histogram = Histogram {
            schema: schema as i8,
            zero_threshold: match self.zero_threshold {
                0.0 if self.scraped.is_none() => ZERO_THRESHOLD,
                threshold => threshold,
            },
            hint: match self.scraped {
                Some("gaugehistogram") => ResetHint::Gauge,
                _ => ResetHint::Unknown,
            },
            zero_count: self.zero_count as f64,
            count: self.count as f64,
            sum: self.sum.unwrap_or(f64::NAN),
            positive,
            negative,
            ..Histogram::default()
        };
        let fits = histogram.check(BUCKETS_MAX);
        Ok(fits.map(|()| histogram).map_err(|_| Reason::BadHistogram))
    }
}

/// One side of zero in fewer buckets; `None` if there are too many.
fn buckets(message: &[u8], steps: u32) -> Result<Option<Buckets>, Malformed> {
    let Some((offset, read)) = read(message)? else {
        return Ok(None);
    };
    // The bucket that begins at the lower bound `i` is the one that ends at `i + 1`.
    let index = |at: usize| ((offset + at as i64) >> steps) + 1;
    let mut counts: Vec<f64> = Vec::new();
    let first = index(0);
    for (at, count) in read.into_iter().enumerate() {
        let place = (index(at) - first) as usize;
        if place >= counts.len() {
            counts.push(0.0);
        }
        if let Some(held) = counts.last_mut() {
            *held += count as f64;
        }
    }
    let span = BucketSpan {
        // One beyond has a bucket beyond, which the check finds.
        offset: i32::try_from(first).unwrap_or(i32::MAX),
        length: counts.len() as u32,
    };
    let spans = if counts.is_empty() {
        Vec::new()
    } else {
        vec![span]
    };
    Ok(Some(Buckets { spans, counts }))
}

/// Offset and counts of a `Buckets` message; `None` if there are too many.
fn read(message: &[u8]) -> Result<Option<(i64, Vec<u64>)>, Malformed> {
    let (mut offset, mut counts) = (0, Vec::new());
    let mut fields = Fields::of(message);
    while let Some((number, value)) = fields.next()? {
        match (number, value) {
            (1, Value::Varint(n)) => offset = sint32(n),
            (2, Value::Varint(n)) => counts.push(n),
            (2, Value::Bytes(mut packed)) => {
                while !packed.is_empty() && counts.len() <= BUCKETS_MAX {
                    counts.push(varint(&mut packed)?);
                }
            }
            _ => {}
        }
        if counts.len() > BUCKETS_MAX {
            return Ok(None);
        }
    }
    Ok(Some((offset, counts)))
}

/// A zigzag-encoded 32-bit number.
pub(crate) fn sint32(n: u64) -> i64 {
    let n = n as u32;
    i64::from((n >> 1) as i32 ^ -((n & 1) as i32))
}

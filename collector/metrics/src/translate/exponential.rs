//! Exponential histograms as classic buckets.
//!
//! Every point is folded onto one fixed grid of powers of two, so that all series of a metric
//! have the same `le` labels at all times and deltas can be added up. Exact where the scale
//! is 0 or finer (grid bounds are bucket bounds there); coarser buckets count at their upper
//! bound. Negative values count in every bucket. Native histograms will replace this.

use super::wire::{Fields, Malformed, Value, varint};

/// The exponent of the lowest finite bound: 2^-14, about 61 µs in seconds.
const LEAST: i64 = -14;
/// The exponent of the highest finite bound: 2^26, about 67 MB in bytes.
const MOST: i64 = 26;
/// How many finite bounds there are.
const BOUNDS: usize = (MOST - LEAST + 1) as usize;
/// More buckets than this in one point are refused, as SDKs send at most 160.
const BUCKETS_MAX: usize = 4096;

/// The finite upper bounds.
pub(crate) fn bounds() -> impl Iterator<Item = f64> {
    (LEAST..=MOST).map(|exponent| 2f64.powi(exponent as i32))
}

/// Counts per grid bucket, the last one being above every finite bound.
#[derive(Debug)]
pub(crate) struct Grid([u64; BOUNDS + 1]);

impl Default for Grid {
    fn default() -> Self {
        Self([0; BOUNDS + 1])
    }
}

impl Grid {
    /// Counts observations at or below zero.
    pub(crate) fn add_lowest(&mut self, count: u64) {
        self.0[0] = self.0[0].saturating_add(count);
    }

    /// Counts the positive buckets of a point; `false` if there are too many.
    pub(crate) fn add_positive(&mut self, buckets: &[u8], scale: i64) -> Result<bool, Malformed> {
        let Some((offset, counts)) = read(buckets)? else {
            return Ok(false);
        };
        for (at, count) in counts.into_iter().enumerate() {
            let upper = upper_exponent(offset + at as i64, scale);
            let slot = (upper.clamp(LEAST, MOST + 1) - LEAST) as usize;
            self.0[slot] = self.0[slot].saturating_add(count);
        }
        Ok(true)
    }

    /// Counts the negative buckets of a point; `false` if there are too many.
    pub(crate) fn add_negative(&mut self, buckets: &[u8]) -> Result<bool, Malformed> {
        let Some((_, counts)) = read(buckets)? else {
            return Ok(false);
        };
        counts.into_iter().for_each(|count| self.add_lowest(count));
        Ok(true)
    }

    /// How many observations are at or below each bound, `+Inf` last.
    pub(crate) fn cumulative(&self) -> impl Iterator<Item = f64> + '_ {
        self.0.iter().scan(0u64, |sum, count| {
            *sum = sum.saturating_add(*count);
            Some(*sum as f64)
        })
    }
}

/// The least `k` so that bucket `index` (up to `2^((index + 1) / 2^scale)`) lies below `2^k`.
fn upper_exponent(index: i64, scale: i64) -> i64 {
    let next = index + 1;
    match scale {
        0..=62 => -((-next) >> scale),
        63.. => i64::from(next > 0),
        _ => next.saturating_mul(
            1i64.checked_shl((-scale).min(40) as u32)
                .unwrap_or(i64::MAX),
        ),
    }
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

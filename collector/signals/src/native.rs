//! Durations in native histograms: buckets that grow by a constant factor, as OTLP's
//! exponential histograms have them
//! (<https://opentelemetry.io/docs/specs/otel/metrics/data-model/#exponentialhistogram>).
//!
//! ```text
//! scale s    base = 2^(2^-s)    bucket i holds (base^i, base^(i+1)] seconds
//! ```
//!
//! A histogram begins at scale 4: each bucket is 4.4 % wider than the one before. When it
//! would need more than [`BUCKETS_MAX`] buckets it goes a scale down, which joins buckets two
//! by two and loses no count.
//!
//! Invariant: what is told of a bucket never decreases while the scale stays: each is rounded
//! down by itself. With weights that are not whole, the count told is therefore lower than
//! what was added by less than one for each bucket.

use crate::weight::Count;
use serde::{Deserialize, Serialize};
use sonde_proto::UnixNanos;
use std::collections::VecDeque;

/// How many buckets a histogram has at most.
const BUCKETS_MAX: usize = 160;
const SCALE_FIRST: i32 = 4;
/// At this scale a bucket spans a factor of 16: all durations fit.
const SCALE_LAST: i32 = -2;

/// Counts of durations since a start of its own: natives may be wanted later than the rest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Native {
    pub(crate) start: UnixNanos,
    /// Whether it was ever handed out.
    pub(crate) told: bool,
    scale: i32,
    zeros: Count,
    /// The index of the first bucket.
    offset: i32,
    buckets: VecDeque<Count>,
    sum_nanos: u128,
}

/// What is told of a [`Native`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Told {
    pub(crate) scale: i32,
    pub(crate) zeros: u64,
    pub(crate) offset: i32,
    pub(crate) buckets: Vec<u64>,
    pub(crate) sum_seconds: f64,
}

impl Native {
    pub(crate) fn new(now: UnixNanos) -> Self {
        Self {
            start: now,
            told: false,
            scale: SCALE_FIRST,
            zeros: Count::default(),
            offset: 0,
            buckets: VecDeque::new(),
            sum_nanos: 0,
        }
    }

    /// Adds a duration as often as the weight says.
    pub(crate) fn add(&mut self, nanos: u64, weight: Count) {
        self.sum_nanos = self.sum_nanos.saturating_add(weight.times(nanos));
        if nanos == 0 {
            self.zeros.add(weight);
            return;
        }
        while !self.fits(index(nanos, self.scale)) && self.scale > SCALE_LAST {
            self.join_by_two();
        }
        if let Some(bucket) = self.bucket(index(nanos, self.scale)) {
            bucket.add(weight);
        }
    }

    pub(crate) fn told(&self) -> Told {
        Told {
            scale: self.scale,
            zeros: self.zeros.whole(),
            offset: self.offset,
            buckets: self.buckets.iter().map(|count| count.whole()).collect(),
            sum_seconds: self.sum_nanos as f64 / 1e9,
        }
    }

    fn fits(&self, index: i32) -> bool {
        let (first, last) = match self.buckets.len() {
            0 => (index, index),
            len => (
                self.offset.min(index),
                (self.offset + len as i32 - 1).max(index),
            ),
        };
        ((last - first) as usize) < BUCKETS_MAX
    }

    /// The bucket of an index that fits.
    fn bucket(&mut self, index: i32) -> Option<&mut Count> {
        if self.buckets.is_empty() {
            self.offset = index;
        }
        while index < self.offset {
            self.buckets.push_front(Count::default());
            self.offset -= 1;
        }
        let at = usize::try_from(index - self.offset).ok()?;
        if at >= self.buckets.len() {
            self.buckets.resize(at + 1, Count::default());
        }
        self.buckets.get_mut(at)
    }

    fn join_by_two(&mut self) {
        let (offset, buckets) = (self.offset, std::mem::take(&mut self.buckets));
        self.scale -= 1;
        self.offset = offset >> 1;
        for (index, count) in (offset..).zip(buckets) {
            if let Some(joined) = self.bucket(index >> 1) {
                joined.add(count);
            }
        }
    }
}

/// The index of the bucket a duration that is not zero belongs to.
fn index(nanos: u64, scale: i32) -> i32 {
    let steps = (nanos as f64 / 1e9).log2() * 2_f64.powi(scale);
    steps.ceil() as i32 - 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;
    use std::collections::BTreeMap;

    #[test]
    fn bounds_belong_to_the_bucket_below() {
        for (nanos, scale, expected) in [
            (1_000_000_000, 0, -1),
            (1_000_000_001, 0, 0),
            (2_000_000_000, 0, 0),
            (2_000_000_001, 0, 1),
            (500_000_000, 4, -17),
            (4_000_000_000, 4, 31),
        ] {
            assert_eq!(index(nanos, scale), expected, "{nanos} {scale}");
        }
    }

    #[test]
    fn whatever_comes_in_whatever_order_lies_in_its_bucket_and_nothing_is_lost() {
        for seed in 0..200 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut native = Native::new(UnixNanos(0));
            let widest = rng.random_range(1..64);
            let all: Vec<u64> = (0..300)
                .map(|_| rng.random::<u64>() >> rng.random_range(64 - widest..64))
                .collect();
            for nanos in &all {
                native.add(*nanos, Count::ONE);
            }
            let told = native.told();
            assert!(told.buckets.len() <= BUCKETS_MAX, "seed {seed}");
            let mut expected: BTreeMap<i32, u64> = BTreeMap::new();
            for nanos in all.iter().filter(|nanos| **nanos > 0) {
                // By way of the finest scale, as joining does it.
                let joined = index(*nanos, SCALE_FIRST) >> (SCALE_FIRST - told.scale);
                *expected.entry(joined).or_default() += 1;
            }
            let found: BTreeMap<i32, u64> = (told.offset..)
                .zip(told.buckets.iter().copied())
                .filter(|(_, count)| *count > 0)
                .collect();
            assert_eq!(found, expected, "seed {seed}");
            let sum: f64 = all.iter().map(|nanos| *nanos as f64 / 1e9).sum();
            assert!((told.sum_seconds - sum).abs() <= sum * 1e-9, "seed {seed}");
        }
    }
}

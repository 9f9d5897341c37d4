//! Native histograms for tests.

use crate::promql::HistogramSample;
use proptest::prelude::*;
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use sonde_proto::{BucketSpan, Buckets, CUSTOM_SCHEMA, Histogram, ResetHint};
use std::sync::Arc;

/// Everything of a histogram, as bits: what is equal here is equal in every respect.
pub(crate) type Bits = (i8, ResetHint, [u64; 4], Vec<(i32, u32)>, Vec<u64>);

/// See [`Bits`].
pub(crate) fn bits(h: &Histogram) -> Bits {
    let sides = [&h.positive, &h.negative];
    let spans = sides.iter().flat_map(|side| {
        let ends = BucketSpan {
            offset: i32::MIN,
            length: 0,
        };
        side.spans.iter().copied().chain([ends])
    });
    let counts = sides.iter().flat_map(|side| side.counts.iter());
    let totals = [h.zero_threshold, h.zero_count, h.count, h.sum];
    (
        h.schema,
        h.hint,
        totals.map(f64::to_bits),
        spans.map(|span| (span.offset, span.length)).collect(),
        counts.chain(&*h.bounds).map(|n| n.to_bits()).collect(),
    )
}

/// The times and bits of samples.
pub(crate) fn all_bits(samples: &[HistogramSample]) -> Vec<(i64, Bits)> {
    let both = samples.iter().map(|s| (s.time, bits(&s.value)));
    both.collect()
}

/// Buckets that follow one another.
pub(crate) fn side(offset: i32, counts: &[f64]) -> Buckets {
    let span = BucketSpan {
        offset,
        length: counts.len() as u32,
    };
    Buckets {
        spans: vec![span],
        counts: counts.to_vec(),
    }
}

/// A counter of latencies whose buckets hold so much.
pub(crate) fn counted(offset: i32, counts: &[f64]) -> Histogram {
    let count: f64 = counts.iter().sum();
    Histogram {
        schema: 3,
        zero_threshold: 1e-128,
        count,
        sum: count * 0.25,
        positive: side(offset, counts),
        ..Histogram::default()
    }
}

/// What a service that answers some hundred times between two scrapes, around 50 ms and with a
/// tail, looks like: schema 3, 34 buckets.
pub(crate) fn latencies(seed: u64, samples: usize) -> Vec<HistogramSample> {
    const BUCKETS: usize = 34;
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut counts, mut sum) = ([0f64; BUCKETS], 0.0);
    let mut next = |at: usize| {
        for _ in 0..rng.random_range(250..350) {
            let mut of = |n: usize| (0..n).map(|_| rng.random::<f64>()).sum::<f64>();
            // A bell, and once in a while a long wait.
            let bell = (of(4) - 2.0) * 1.73;
            let log2 = -4.3 + 0.5 * bell + if of(1) < 0.02 { 2.0 * of(1) } else { 0.0 };
            let bucket = ((log2 + 6.0) * 8.0).clamp(0.0, BUCKETS as f64 - 1.0);
            counts[bucket as usize] += 1.0;
            sum += log2.exp2();
        }
        HistogramSample {
            time: 1_700_000_000_000 + at as i64 * 15_000,
            start: 0,
            value: Arc::new(Histogram {
                schema: 3,
                zero_threshold: 1e-128,
                count: counts.iter().sum(),
                sum,
                positive: side(-47, &counts),
                ..Histogram::default()
            }),
        }
    };
    (0..samples).map(&mut next).collect()
}

/// Any histogram that passes [`Histogram::check`].
pub(crate) fn any_histogram() -> impl Strategy<Value = Histogram> {
    let spans = prop::collection::vec((0i32..20, 0u32..6), 0..5);
    let exponential = (-4i8..=8, spans.clone(), spans.clone(), -60i32..60);
    let exponential = exponential.prop_map(|(schema, positive, negative, shift)| Histogram {
        schema,
        positive: shaped(&positive, shift),
        negative: shaped(&negative, -shift),
        ..Histogram::default()
    });
    let custom = (prop::collection::btree_set(-500i16..500, 0..9), spans);
    let custom = custom.prop_map(|(bounds, spans)| {
        let bounds: Arc<[f64]> = bounds.into_iter().map(|n| f64::from(n) / 8.0).collect();
        let mut positive = shaped(&spans, 0);
        let inside = |b: &Buckets| {
            b.indexes()
                .last()
                .is_none_or(|at| at <= bounds.len() as i64)
        };
        while !inside(&positive) {
            let gone = positive.spans.pop().unwrap();
            let left = positive.counts.len() - gone.length as usize;
            positive.counts.truncate(left);
        }
        Histogram {
            schema: CUSTOM_SCHEMA,
            positive,
            bounds,
            ..Histogram::default()
        }
    });
    let shape = prop_oneof![3 => exponential, 1 => custom];
    (shape, any::<u64>(), 0u8..4).prop_map(|(mut h, seed, kind)| {
        fill(&mut h, &mut ChaCha8Rng::seed_from_u64(seed), kind);
        h
    })
}

fn shaped(spans: &[(i32, u32)], shift: i32) -> Buckets {
    let spans = spans.iter().enumerate().map(|(at, (offset, length))| {
        let offset = if at == 0 { offset + shift } else { *offset };
        BucketSpan {
            offset,
            length: *length,
        }
    });
    let spans: Vec<BucketSpan> = spans.collect();
    let counts = spans.iter().map(|span| span.length as usize).sum();
    Buckets {
        spans,
        counts: vec![0.0; counts],
    }
}

/// Gives a histogram counts: small ones, large ones, fractions, or all kinds.
fn fill(h: &mut Histogram, rng: &mut ChaCha8Rng, kind: u8) {
    let mut number = || match kind {
        0 => f64::from(rng.random_range(0..50u8)),
        1 => rng.random_range(0..1u64 << 54) as f64,
        2 => f64::from(rng.random_range(0..1000u16)) / 7.0,
        _ => f64::from_bits(rng.random::<u64>() >> 2),
    };
    let mut total = 0.0;
    for side in [&mut h.positive, &mut h.negative] {
        for count in &mut side.counts {
            *count = number();
            total += *count;
        }
    }
    h.count = if kind == 3 { number() } else { total };
    h.sum = number();
    if h.schema != CUSTOM_SCHEMA {
        (h.zero_count, h.zero_threshold) = (number(), number());
        h.count += if kind == 3 { 0.0 } else { h.zero_count };
    }
    let hints = [
        ResetHint::Unknown,
        ResetHint::Reset,
        ResetHint::NotReset,
        ResetHint::Gauge,
    ];
    h.hint = hints[rng.random_range(0..hints.len())];
    if rng.random_range(0..8u8) == 0 {
        h.sum = f64::from_bits(rng.random());
    }
}

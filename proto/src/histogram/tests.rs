//! What contradicts in a histogram is found.

use super::*;

const MAX: usize = 100;

fn buckets(spans: &[(i32, u32)], counts: &[f64]) -> Buckets {
    let span = |&(offset, length): &(i32, u32)| BucketSpan { offset, length };
    Buckets {
        spans: spans.iter().map(span).collect(),
        counts: counts.to_vec(),
    }
}

fn sound() -> Histogram {
    Histogram {
        schema: 3,
        zero_threshold: 0.001,
        zero_count: 1.0,
        count: 7.0,
        sum: 9.5,
        positive: buckets(&[(-2, 1), (3, 2)], &[1.0, 2.0, 3.0]),
        ..Histogram::default()
    }
}

fn custom() -> Histogram {
    Histogram {
        schema: CUSTOM_SCHEMA,
        count: 3.0,
        positive: buckets(&[(0, 3)], &[1.0, 1.0, 1.0]),
        bounds: [5.0, 10.0].into(),
        ..Histogram::default()
    }
}

#[test]
fn sound_histograms_pass() {
    assert_eq!(sound().check(MAX), Ok(()));
    assert_eq!(custom().check(MAX), Ok(()));
    assert_eq!(Histogram::default().check(0), Ok(()));
    let indexes: Vec<i64> = sound().positive.indexes().collect();
    assert_eq!(indexes, [-2, 2, 3]);
}

#[test]
fn each_contradiction_is_named() {
    let check = |change: fn(&mut Histogram), of: Histogram, expected: HistogramError| {
        let mut histogram = of;
        change(&mut histogram);
        assert_eq!(histogram.check(MAX), Err(expected));
    };
    check(|h| h.schema = 9, sound(), HistogramError::Schema(9));
    check(|h| h.schema = -5, sound(), HistogramError::Schema(-5));
    check(|h| h.zero_threshold = -1.0, sound(), HistogramError::Zero);
    check(|h| h.zero_count = -1.0, sound(), HistogramError::Count);
    check(|h| h.count = f64::NAN, sound(), HistogramError::Count);
    check(
        |h| h.positive.counts[0] = -1.0,
        sound(),
        HistogramError::Count,
    );
    let spans = HistogramError::Spans {
        spans: 3,
        counts: 2,
    };
    check(|h| h.positive.counts.truncate(2), sound(), spans);
    let overlaps = HistogramError::Offset(1);
    check(|h| h.positive.spans[1].offset = -1, sound(), overlaps);
    let beyond = HistogramError::Offset(0);
    check(|h| h.positive.spans[0].offset = i32::MAX, sound(), beyond);
    check(|h| h.bounds = [1.0].into(), sound(), HistogramError::Bounds);
    check(
        |h| h.bounds = [2.0, 1.0].into(),
        custom(),
        HistogramError::Bounds,
    );
    check(
        |h| h.bounds = [1.0].into(),
        custom(),
        HistogramError::Bounds,
    );
    check(|h| h.zero_count = 1.0, custom(), HistogramError::Bounds);
    let below = |h: &mut Histogram| h.positive.spans[0].offset = -1;
    check(below, custom(), HistogramError::Bounds);
    assert_eq!(sound().check(2), Err(HistogramError::Many(2)));
}

//! Exponential histograms become native ones.

use crate::Config;
use crate::is_stale;
use crate::telemetry::Reason;
use crate::testing::native::{bits, side};
use crate::testing::*;
use sonde_proto::otlp::metrics::exponential_histogram_data_point::Buckets;
use sonde_proto::otlp::metrics::{ExponentialHistogram, ExponentialHistogramDataPoint, metric};
use sonde_proto::{Histogram, ResetHint, UnixNanos};

fn exponential(scale: i32, offset: i32, counts: &[u64]) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        time_unix_nano: NOW.0,
        scale,
        zero_count: 1,
        count: 1 + counts.iter().sum::<u64>(),
        sum: Some(3.0),
        positive: Some(Buckets {
            offset,
            bucket_counts: counts.to_vec(),
        }),
        min: Some(0.5),
        max: Some(9.0),
        ..Default::default()
    }
}

fn send(bed: &Bed, temporality: i32, data_points: Vec<ExponentialHistogramDataPoint>) {
    let data = ExponentialHistogram {
        data_points,
        aggregation_temporality: temporality,
    };
    let metric = named("e", metric::Data::ExponentialHistogram(data));
    bed.send(&[], vec![metric]);
}

/// What a target shows as it was, zero bucket and all.
#[test]
fn what_was_scraped_keeps_its_zero_bucket_and_says_whether_it_may_fall() {
    for (kind, hint) in [
        ("histogram", ResetHint::Unknown),
        ("gaugehistogram", ResetHint::Gauge),
    ] {
        let bed = Bed::new(&Config::default());
        let data = ExponentialHistogram {
            data_points: vec![exponential(2, 3, &[4, 0, 5])],
            aggregation_temporality: CUMULATIVE,
        };
        let mut metric = named("e.1", metric::Data::ExponentialHistogram(data));
        metric.unit = "s".into();
        metric.metadata = attributes(&[("prometheus.type", kind)]);
        bed.send(&[], vec![metric]);
        let found = bed.histograms(r#"{"e.1"}"#);
        let (zero, found_hint) = (found[0].1.zero_threshold, found[0].1.hint);
        assert_eq!((zero, found_hint), (0.0, hint));
    }
}

/// What becomes of one point.
fn native(point: ExponentialHistogramDataPoint) -> Histogram {
    let bed = Bed::new(&Config::default());
    send(&bed, CUMULATIVE, vec![point]);
    let found = bed.histograms("e");
    assert_eq!((found.len(), found[0].0), (1, 0));
    (*found[0].1).clone()
}

#[test]
fn buckets_are_named_by_their_upper_bounds() {
    let point = ExponentialHistogramDataPoint {
        negative: Some(Buckets {
            offset: -2,
            bucket_counts: vec![7],
        }),
        zero_threshold: 0.125,
        ..exponential(-4, 3, &[4, 0, 5])
    };
    let wanted = Histogram {
        schema: -4,
        zero_threshold: 0.125,
        zero_count: 1.0,
        count: 10.0,
        sum: 3.0,
        positive: side(4, &[4.0, 0.0, 5.0]),
        negative: side(-1, &[7.0]),
        ..Histogram::default()
    };
    assert_eq!(bits(&native(point)), bits(&wanted));
}

#[test]
fn what_a_point_does_not_say_has_its_default() {
    let point = ExponentialHistogramDataPoint {
        sum: None,
        positive: None,
        ..exponential(8, 0, &[])
    };
    let found = native(point);
    assert_eq!((found.schema, found.zero_threshold), (8, 1e-128));
    assert!(found.sum.is_nan() && !is_stale(found.sum));
    assert!(found.positive.spans.is_empty() && found.positive.counts.is_empty());
}

/// An oracle that puts each bucket where its bounds say.
#[test]
fn a_finer_scale_is_reduced_and_a_coarser_one_is_refused() {
    for (scale, offset) in [(9, -5), (9, 4), (10, -7), (12, 100), (20, -1000), (20, 999)] {
        let counts: Vec<u64> = (1..=40).collect();
        let found = native(exponential(scale, offset, &counts));
        assert_eq!(found.schema, 8);
        let width = 1i64 << (scale - 8);
        let mut wanted = std::collections::BTreeMap::new();
        for (at, count) in (i64::from(offset)..).zip(&counts) {
            // The upper bound of the bucket is (at + 1) / width steps of scale 8.
            let upper = (at + 1).div_euclid(width) + i64::from((at + 1).rem_euclid(width) > 0);
            *wanted.entry(upper).or_insert(0.0) += *count as f64;
        }
        let held = found.positive.indexes().zip(found.positive.counts.clone());
        assert_eq!(
            held.collect::<std::collections::BTreeMap<_, _>>(),
            wanted,
            "{scale} {offset}"
        );
    }
    let bed = Bed::new(&Config::default());
    send(
        &bed,
        CUMULATIVE,
        vec![exponential(-5, 0, &[1]), exponential(i32::MIN, 0, &[1])],
    );
    assert!(bed.all().is_empty());
    assert_eq!(bed.store.refused(Reason::Scale), 2);
}

#[test]
fn buckets_beyond_all_numbers_are_refused_or_lie_somewhere() {
    for scale in [-4, 0, 8, 9, 40, i32::MAX] {
        for offset in [i32::MIN, -1, 0, 1, i32::MAX - 1, i32::MAX] {
            let bed = Bed::new(&Config::default());
            send(&bed, CUMULATIVE, vec![exponential(scale, offset, &[1, 1])]);
            let kept = bed.all().len() as u64;
            assert_eq!(
                kept + bed.store.refused(Reason::BadHistogram),
                1,
                "{scale} {offset}"
            );
        }
    }
}

#[test]
fn a_point_that_ended_is_the_marker_of_floats() {
    let bed = Bed::new(&Config::default());
    let ended = ExponentialHistogramDataPoint {
        time_unix_nano: UnixNanos::from_millis(NOW_MS + 5).0,
        flags: 1,
        ..Default::default()
    };
    send(&bed, CUMULATIVE, vec![exponential(0, 0, &[1]), ended]);
    let samples = bed.samples("e");
    assert_eq!((samples.len(), samples[0].0), (1, 5));
    assert!(is_stale(samples[0].1));
    assert_eq!(bed.histograms("e").len(), 1);
}

fn at(after: i64, point: ExponentialHistogramDataPoint) -> ExponentialHistogramDataPoint {
    ExponentialHistogramDataPoint {
        time_unix_nano: UnixNanos::from_millis(NOW_MS + after).0,
        ..point
    }
}

#[test]
fn deltas_are_added_up_across_seals_restarts_and_changes_of_scale() {
    let mut bed = Bed::new(&Config::default());
    send(&bed, DELTA, vec![at(0, exponential(1, 0, &[1, 2]))]);
    send(&bed, DELTA, vec![at(10, exponential(1, 1, &[1, 2]))]);
    bed.store.seal(NOW).unwrap();
    let late = vec![at(5, exponential(1, 0, &[1]))];
    send(&bed, DELTA, late.clone());
    send(&bed, DELTA, vec![at(20, exponential(1, 0, &[1]))]);
    bed.reopen();
    send(&bed, DELTA, late);
    assert_eq!(bed.store.refused(Reason::DeltaOutOfOrder), 1);
    send(&bed, DELTA, vec![at(20, exponential(1, 0, &[1]))]);
    send(&bed, DELTA, vec![at(30, exponential(0, 0, &[1]))]);
    let found = bed.histograms("e");
    let told = found.iter().map(|(after, h)| {
        let held = h.positive.indexes().zip(h.positive.counts.clone());
        (
            *after,
            h.schema,
            h.count,
            h.sum,
            h.zero_count,
            held.collect::<Vec<_>>(),
        )
    });
    assert_eq!(
        told.collect::<Vec<_>>(),
        [
            (0, 1, 4.0, 3.0, 1.0, vec![(1, 1.0), (2, 2.0)]),
            (10, 1, 8.0, 6.0, 2.0, vec![(1, 1.0), (2, 3.0), (3, 2.0)]),
            (20, 1, 10.0, 9.0, 3.0, vec![(1, 2.0), (2, 3.0), (3, 2.0)]),
            (30, 0, 12.0, 12.0, 4.0, vec![(1, 6.0), (2, 2.0)]),
        ]
    );
}

/// Deltas that lie far apart must not add up to a histogram without bounds.
#[test]
fn a_total_of_too_many_buckets_begins_anew() {
    let bed = Bed::new(&Config::default());
    for n in 0..3 {
        send(
            &bed,
            DELTA,
            vec![at(n, exponential(0, n as i32 * 10_000, &[1; 2000]))],
        );
    }
    let counts = bed.histograms("e").into_iter().map(|(_, h)| h.count);
    assert_eq!(counts.collect::<Vec<_>>(), [2001.0, 4002.0, 2001.0]);
}

//! Histograms on the wire: what is written is walked, what contradicts itself is told.

use super::*;
use crate::histogram::CUSTOM_SCHEMA;
use crate::remote_write::{HistogramMessage, Span};
use proptest::prelude::*;
use prost::Message as _;

/// A histogram of any kind that passes the check.
pub(crate) fn any_histogram() -> impl Strategy<Value = Histogram> {
    let side = || prop::collection::vec((0i32..9, prop::collection::vec(0u32..999, 0..4)), 0..4);
    let hint = prop::sample::select(vec![
        ResetHint::Unknown,
        ResetHint::Reset,
        ResetHint::NotReset,
        ResetHint::Gauge,
    ]);
    let numbers = (-4i8..=9, 0u32..100, any::<f64>(), hint, prop::bool::ANY);
    let made = (side(), side(), numbers).prop_map(
        |(positive, negative, (schema, zero, sum, hint, is_whole))| {
            let per = if is_whole { 1.0 } else { 8.0 };
            let is_custom = schema == 9;
            let zero = if is_custom { 0.0 } else { f64::from(zero) };
            Histogram {
                schema: if is_custom { CUSTOM_SCHEMA } else { schema },
                hint,
                zero_threshold: zero / 1e3,
                zero_count: zero / per,
                count: 7.0 / per,
                sum,
                positive: buckets(&positive, per),
                negative: if is_custom {
                    Buckets::default()
                } else {
                    buckets(&negative, per)
                },
                bounds: if is_custom {
                    (0..60).map(f64::from).collect()
                } else {
                    [].into()
                },
            }
        },
    );
    made.prop_filter("no end of a series", |h| h.sum.to_bits() != STALE_NAN_BITS)
}

fn buckets(spans: &[(i32, Vec<u32>)], per: f64) -> Buckets {
    let counts = spans.iter().flat_map(|(_, counts)| counts);
    Buckets {
        counts: counts.map(|n| f64::from(*n) / per).collect(),
        spans: spans
            .iter()
            .map(|(offset, counts)| BucketSpan {
                offset: *offset,
                length: counts.len() as u32,
            })
            .collect(),
    }
}

fn walked(message: &HistogramMessage) -> HistogramAt {
    read(Cursor::new(&message.encode_to_vec())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_walked(histogram in any_histogram(), time in any::<i64>()) {
        histogram.check(BUCKETS_MAX).unwrap();
        let found = walked(&HistogramMessage::of(time, &histogram));
        prop_assert_eq!(found.time, time);
        let Ok(SampleValue::Histogram(value)) = found.value else {
            return Err(TestCaseError::fail("it is no histogram"));
        };
        prop_assert_eq!(value.sum.to_bits(), histogram.sum.to_bits());
        let sum = 0.0;
        prop_assert_eq!(Histogram { sum, ..(*value).clone() }, Histogram { sum, ..histogram });
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = read(Cursor::new(&bytes));
    }
}

#[test]
fn what_contradicts_itself_is_told() {
    let good = HistogramMessage {
        count_int: Some(3),
        positive_spans: vec![Span {
            offset: -2,
            length: 2,
        }],
        positive_deltas: vec![2, -1],
        ..HistogramMessage::default()
    };
    let check = |change: fn(&mut HistogramMessage), expected: &str| {
        let mut message = good.clone();
        change(&mut message);
        let error = walked(&message).value.unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let Ok(SampleValue::Histogram(found)) = walked(&good).value else {
        panic!("it is fine");
    };
    assert_eq!(found.positive.counts, [2.0, 1.0]);
    check(|m| m.schema = 9, "schema is 9");
    check(|m| m.schema = 300, "schema is 300");
    check(|m| m.positive_deltas = vec![2, -3], "");
    check(|m| m.positive_deltas = vec![2], "1 have a count");
    check(
        |m| m.positive_deltas = vec![0; BUCKETS_MAX + 1],
        "more than 4096",
    );
    check(|m| m.custom_values = vec![1.0], "custom bounds");
    check(|m| m.count_float = Some(-1.0), "");
    check(|m| m.zero_threshold = f64::NAN, "");
}

#[test]
fn a_sum_that_is_the_marker_ends_the_series_whatever_else_there_is() {
    let ended = HistogramMessage {
        sum: Some(f64::from_bits(STALE_NAN_BITS)),
        schema: 77,
        count_float: Some(f64::NAN),
        timestamp: 5,
        ..HistogramMessage::default()
    };
    let found = walked(&ended);
    let Ok(SampleValue::Float(value)) = found.value else {
        panic!("{found:?}");
    };
    assert_eq!((found.time, value.to_bits()), (5, STALE_NAN_BITS));
}

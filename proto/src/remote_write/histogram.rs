//! A native histogram, as both versions of remote write and remote read write it.

#![expect(missing_docs, reason = "the protocol describes its fields")]

use crate::histogram::{Buckets, Histogram};

/// Above this, neighbouring whole numbers are no longer all floats.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// A native histogram at a time.
#[derive(Clone, PartialEq, prost::Message)]
pub struct HistogramMessage {
    #[prost(uint64, optional, tag = "1")]
    pub count_int: Option<u64>,
    #[prost(double, optional, tag = "2")]
    pub count_float: Option<f64>,
    #[prost(double, optional, tag = "3")]
    pub sum: Option<f64>,
    #[prost(sint32, tag = "4")]
    pub schema: i32,
    #[prost(double, tag = "5")]
    pub zero_threshold: f64,
    #[prost(uint64, optional, tag = "6")]
    pub zero_count_int: Option<u64>,
    #[prost(double, optional, tag = "7")]
    pub zero_count_float: Option<f64>,
    #[prost(message, repeated, tag = "8")]
    pub negative_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "9")]
    pub negative_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "10")]
    pub negative_counts: Vec<f64>,
    #[prost(message, repeated, tag = "11")]
    pub positive_spans: Vec<Span>,
    #[prost(sint64, repeated, tag = "12")]
    pub positive_deltas: Vec<i64>,
    #[prost(double, repeated, tag = "13")]
    pub positive_counts: Vec<f64>,
    #[prost(int32, tag = "14")]
    pub reset_hint: i32,
    #[prost(int64, tag = "15")]
    pub timestamp: i64,
    #[prost(double, repeated, tag = "16")]
    pub custom_values: Vec<f64>,
    /// Since when it counts, from 2.0 only.
    #[prost(int64, tag = "17")]
    pub start_timestamp: i64,
}

/// Buckets that follow each other.
#[derive(Clone, Copy, PartialEq, Eq, prost::Message)]
pub struct Span {
    #[prost(sint32, tag = "1")]
    pub offset: i32,
    #[prost(uint32, tag = "2")]
    pub length: u32,
}

impl HistogramMessage {
    /// A histogram at so many milliseconds since 1970. Whole counts are written as such.
    #[must_use]
    pub fn of(timestamp: i64, histogram: &Histogram) -> Self {
        let sides = [&histogram.negative, &histogram.positive];
        let is_whole = is_whole(histogram.count)
            && is_whole(histogram.zero_count)
            && sides
                .iter()
                .all(|side| side.counts.iter().all(|n| is_whole(*n)));
        let [negative_spans, positive_spans] = sides.map(spans);
        let [negative_deltas, positive_deltas] =
            sides.map(|side| if is_whole { deltas(side) } else { Vec::new() });
        let [negative_counts, positive_counts] = sides.map(|side| {
            if is_whole {
                Vec::new()
            } else {
                side.counts.clone()
            }
        });
        let whole = |n: f64| is_whole.then_some(n as u64);
        let float = |n: f64| (!is_whole).then_some(n);
        Self {
            count_int: whole(histogram.count),
            count_float: float(histogram.count),
            sum: Some(histogram.sum),
            schema: i32::from(histogram.schema),
            zero_threshold: histogram.zero_threshold,
            zero_count_int: whole(histogram.zero_count),
            zero_count_float: float(histogram.zero_count),
            negative_spans,
            negative_deltas,
            negative_counts,
            positive_spans,
            positive_deltas,
            positive_counts,
            reset_hint: histogram.hint as i32,
            timestamp,
            custom_values: histogram.bounds.to_vec(),
            start_timestamp: 0,
        }
    }
}

fn is_whole(n: f64) -> bool {
    (0.0..EXACT_MAX).contains(&n) && n.fract() == 0.0 && n.is_sign_positive()
}

fn spans(side: &Buckets) -> Vec<Span> {
    let spans = side.spans.iter().map(|span| Span {
        offset: span.offset,
        length: span.length,
    });
    spans.collect()
}

/// Each count less the one before.
fn deltas(side: &Buckets) -> Vec<i64> {
    let mut before = 0;
    let counts = side.counts.iter().map(|count| *count as i64);
    counts
        .map(|count| count - std::mem::replace(&mut before, count))
        .collect()
}

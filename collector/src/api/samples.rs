//! Samples as Prometheus' API writes them, and Loki's after it.

use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use sonde_metrics::promql::{histogram_buckets, label_number, sample_number};
use sonde_proto::{Histogram, Labels, SampleValue, UnixNanos};
use std::sync::Arc;

/// A series with one value.
#[derive(serde::Serialize)]
pub(super) struct Instantly<'a, M = Labels> {
    pub(super) metric: &'a M,
    pub(super) value: Point,
}

/// A series with values over time.
#[derive(serde::Serialize)]
pub(super) struct Ranged<'a, M = Labels, V = Points<'a>> {
    pub(super) metric: &'a M,
    pub(super) values: V,
}

/// Writes the points of a series one by one, without a copy of the whole.
pub(super) struct Points<'a>(pub(super) &'a [(UnixNanos, f64)]);

impl Serialize for Points<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|(time, value)| point(*time, *value)))
    }
}

/// The same as Prometheus writes samples: with an exponent where a number is very large or
/// very small.
pub(super) struct SamplePoints<'a>(pub(super) &'a [(UnixNanos, f64)]);

impl SamplePoints<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for SamplePoints<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|(time, value)| sample(*time, *value)))
    }
}

/// The value of a series at one time: a number or a histogram.
#[derive(serde::Serialize)]
pub(super) struct Either<'a> {
    pub(super) metric: &'a Labels,
    #[serde(flatten)]
    pub(super) value: OneSample,
}

/// A sample under the key that says what it is.
#[derive(serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum OneSample {
    Value(Point),
    Histogram(HistogramPoint),
}

/// A time and a histogram.
pub(super) type HistogramPoint = (Box<RawValue>, HistogramBody);

/// The sample of a vector.
pub(super) fn one_sample(time: UnixNanos, value: &SampleValue) -> OneSample {
    match value {
        SampleValue::Float(value) => OneSample::Value(sample(time, *value)),
        SampleValue::Histogram(histogram) => OneSample::Histogram(histogram_point(time, histogram)),
    }
}

fn histogram_point(time: UnixNanos, histogram: &Histogram) -> HistogramPoint {
    (seconds(time), HistogramBody::of(histogram))
}

/// A histogram as Prometheus writes it: of each bucket which bounds are in it, the bounds, and
/// the count.
#[derive(serde::Serialize)]
pub(super) struct HistogramBody {
    count: String,
    sum: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    buckets: Vec<(u8, String, String, String)>,
}

impl HistogramBody {
    fn of(histogram: &Histogram) -> Self {
        let buckets = histogram_buckets(histogram).into_iter().map(|bucket| {
            (
                bucket.rule(),
                sample_number(bucket.lower),
                sample_number(bucket.upper),
                sample_number(bucket.count),
            )
        });
        Self {
            count: sample_number(histogram.count),
            sum: sample_number(histogram.sum),
            buckets: buckets.collect(),
        }
    }
}

/// The values of a series over time, numbers and histograms apart.
#[derive(serde::Serialize)]
pub(super) struct Mixed<'a> {
    pub(super) metric: &'a Labels,
    #[serde(skip_serializing_if = "SamplePoints::is_empty")]
    pub(super) values: SamplePoints<'a>,
    #[serde(skip_serializing_if = "HistogramPoints::is_empty")]
    pub(super) histograms: HistogramPoints<'a>,
}

/// Writes the histograms of a series one by one.
pub(super) struct HistogramPoints<'a>(pub(super) &'a [(UnixNanos, Arc<Histogram>)]);

impl HistogramPoints<'_> {
    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for HistogramPoints<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|(time, h)| histogram_point(*time, h)))
    }
}

/// Writes items one by one, each as what the function makes of it.
pub(super) struct Each<'a, T, R: 'a>(pub(super) &'a [T], pub(super) fn(&'a T) -> R);

impl<'a, T, R: Serialize + 'a> Serialize for Each<'a, T, R> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(self.1))
    }
}

/// A time and a value.
pub(super) type Point = (Box<RawValue>, String);

/// With all digits of the number, as Loki writes values and Prometheus scalars.
pub(super) fn point(time: UnixNanos, value: f64) -> Point {
    (seconds(time), label_number(value))
}

/// As Prometheus writes the samples of a vector or matrix.
pub(super) fn sample(time: UnixNanos, value: f64) -> Point {
    (seconds(time), sample_number(value))
}

/// Seconds with at most three decimals, as Prometheus writes times.
pub(super) fn seconds(time: UnixNanos) -> Box<RawValue> {
    let millis = time.as_millis();
    let text = match millis % 1000 {
        0 => format!("{}", millis / 1000),
        rest => format!("{}.{rest:03}", millis / 1000)
            .trim_end_matches('0')
            .to_owned(),
    };
    RawValue::from_string(text).expect("digits around a point are a JSON number")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_proto::{BucketSpan, Buckets};

    #[test]
    fn histograms_are_written_bucket_by_bucket() {
        let side = |offset, counts: &[f64]| Buckets {
            spans: vec![BucketSpan {
                offset,
                length: counts.len() as u32,
            }],
            counts: counts.to_vec(),
        };
        let histogram = Arc::new(Histogram {
            count: 7.0,
            sum: 2.5,
            zero_threshold: 0.25,
            zero_count: 1.0,
            positive: side(1, &[2.0, 0.0, 3.0]),
            negative: side(0, &[1.0]),
            ..Histogram::default()
        });
        let at = UnixNanos::from_secs(1);
        let body = r#"{"count":"7","sum":"2.5","buckets":[[1,"-1","-0.5","1"],[3,"-0.25","0.25","1"],[0,"1","2","2"],[0,"4","8","3"]]}"#;
        let metric = [("a", "b")].into_iter().collect();
        let json = |value: &SampleValue| {
            let value = one_sample(at, value);
            let metric = &metric;
            serde_json::to_string(&Either { metric, value }).unwrap()
        };
        assert_eq!(
            json(&SampleValue::Histogram(histogram.clone())),
            format!(r#"{{"metric":{{"a":"b"}},"histogram":[1,{body}]}}"#)
        );
        let float = r#"{"metric":{"a":"b"},"value":[1,"2"]}"#;
        assert_eq!(json(&SampleValue::Float(2.0)), float);
        let mixed = |values, histograms| {
            let (values, histograms) = (SamplePoints(values), HistogramPoints(histograms));
            let metric = &metric;
            let mixed = Mixed {
                metric,
                values,
                histograms,
            };
            serde_json::to_string(&mixed).unwrap()
        };
        let points = [(at, histogram)];
        assert_eq!(
            mixed(&[], &points),
            format!(r#"{{"metric":{{"a":"b"}},"histograms":[[1,{body}]]}}"#)
        );
        assert_eq!(
            mixed(&[(at, 2.0)], &points),
            format!(r#"{{"metric":{{"a":"b"}},"values":[[1,"2"]],"histograms":[[1,{body}]]}}"#)
        );
    }

    #[test]
    fn numbers_and_times_are_written_as_prometheus_writes_them() {
        let at = UnixNanos::from_secs(1);
        let check = |value: f64, scalar: &str, in_vector: &str| {
            assert_eq!(point(at, value).1, scalar);
            assert_eq!(sample(at, value).1, in_vector);
        };
        check(0.1, "0.1", "0.1");
        check(1e21, "1000000000000000000000", "1e+21");
        check(1e-7, "0.0000001", "1e-07");
        let time = |millis, expected: &str| {
            assert_eq!(seconds(UnixNanos::from_millis(millis)).get(), expected);
        };
        time(1_435_781_451_781, "1435781451.781");
        time(1_435_781_451_000, "1435781451");
        time(1_435_781_451_080, "1435781451.08");
    }
}

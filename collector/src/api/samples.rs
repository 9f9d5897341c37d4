//! Samples as Prometheus' API writes them, and Loki's after it.

use serde::ser::{Serialize, Serializer};
use serde_json::value::RawValue;
use sonde_metrics::promql::{label_number, sample_number};
use sonde_proto::{Labels, UnixNanos};

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

impl Serialize for SamplePoints<'_> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_seq(self.0.iter().map(|(time, value)| sample(*time, *value)))
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

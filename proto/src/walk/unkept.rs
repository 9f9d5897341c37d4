//! Which spans and data points of a valid request a store would leave out.
//!
//! The stores refuse single spans and points after the request is durable, when nobody waits
//! for an answer any more. So the door looks first, by the same rules, and tells the sender:
//! [`super::measure`] looks at spans while it walks them, and this at data points, of which only
//! the fields that decide are looked at.

use super::wire::{Cursor, DEPTH_MAX, Wire};
use crate::UnixNanos;

/// A single span of more bytes is not kept.
pub const SPAN_BYTES_MAX: usize = 32 << 20;

/// When data points have to be.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// The earliest time, in milliseconds since 1970.
    pub earliest_millis: i64,
    /// The latest.
    pub latest_millis: i64,
}

/// What would be left out of a request, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unkept {
    /// Spans whose trace ID is not 16 bytes that are not all zero.
    pub bad_trace_ids: u64,
    /// Other spans whose own ID is not 8 bytes that are not all zero.
    pub bad_span_ids: u64,
    /// Other spans that are larger than [`SPAN_BYTES_MAX`].
    pub too_large: u64,
    /// Data points from before the earliest time.
    pub too_old: u64,
    /// Data points from after the latest time.
    pub too_new: u64,
    /// Exponential histograms whose buckets are wider than native ones can be.
    pub too_coarse: u64,
}

/// The least scale that native histograms have.
const SCALE_MIN: i32 = -4;
/// The bit of a point's flags that says that its series ended: it has no buckets.
const NO_RECORDED_VALUE: u64 = 1;

impl Unkept {
    /// How many spans or data points that are.
    #[must_use]
    pub fn count(&self) -> u64 {
        let of_spans = self.bad_trace_ids + self.bad_span_ids + self.too_large;
        of_spans + self.too_old + self.too_new + self.too_coarse
    }
}

/// Looks at metrics that [`super::measure`] accepted.
pub(super) fn points(bytes: &[u8], bounds: Bounds) -> Unkept {
    let mut unkept = Unkept::default();
    let metrics = Cursor::new(bytes);
    each(metrics, &[1, 2, 2], &mut |metric| {
        unkept.metric(metric, bounds);
    });
    unkept
}

/// Calls `found` for each message at a path of field numbers.
fn each<'a>(mut at: Cursor<'a>, path: &[u32], found: &mut impl FnMut(Cursor<'a>)) {
    let Some((number, rest)) = path.split_first() else {
        return found(at);
    };
    while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
        if let Wire::Len(inside) = wire
            && tag == *number
        {
            each(inside, rest, found);
        }
    }
}

impl Unkept {
    /// Gauge, sum, histogram, exponential histogram and summary: the points of each are its
    /// field 1, and a point's time is its field 3.
    fn metric(&mut self, mut at: Cursor<'_>, bounds: Bounds) {
        while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
            if let Wire::Len(data) = wire
                && matches!(tag, 5 | 7 | 9 | 10 | 11)
            {
                each(data, &[1], &mut |point| {
                    if tag == 10 && is_too_coarse(point) {
                        self.too_coarse += 1;
                    } else {
                        self.point(point, bounds);
                    }
                });
            }
        }
    }

    fn point(&mut self, mut at: Cursor<'_>, bounds: Bounds) {
        let mut time = 0;
        while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
            if let (3, Wire::Fixed64(nanos)) = (tag, wire) {
                time = nanos;
            }
        }
        // One without a time is of when it arrived.
        if time == 0 {
            return;
        }
        let millis = UnixNanos(time).as_millis();
        if millis > bounds.latest_millis {
            self.too_new += 1;
        } else if millis < bounds.earliest_millis {
            self.too_old += 1;
        }
    }
}

/// Whether an exponential histogram has a scale that no native one has.
fn is_too_coarse(mut at: Cursor<'_>) -> bool {
    let (mut scale, mut flags) = (0, 0);
    while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
        match (tag, wire) {
            (6, Wire::Varint(n)) => scale = n as u32,
            (10, Wire::Varint(n)) => flags = n,
            _ => {}
        }
    }
    let scale = (scale >> 1).cast_signed() ^ -(scale & 1).cast_signed();
    flags & NO_RECORDED_VALUE == 0 && scale < SCALE_MIN
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::metrics::{
        ExponentialHistogram, ExponentialHistogramDataPoint, Gauge, Histogram, HistogramDataPoint,
        Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric,
    };
    use crate::otlp::metrics_service::ExportMetricsServiceRequest;
    use prost::Message as _;

    const BOUNDS: Bounds = Bounds {
        earliest_millis: 1_000,
        latest_millis: 2_000,
    };

    #[test]
    fn exponential_histograms_with_buckets_that_are_too_wide_are_counted_once() {
        let point = |scale, time_unix_nano, flags| ExponentialHistogramDataPoint {
            scale,
            time_unix_nano,
            flags,
            ..Default::default()
        };
        let kept = 1_500_000_000;
        let data = ExponentialHistogram {
            data_points: vec![
                point(-4, kept, 0),
                point(20, kept, 0),
                point(-5, kept, 0),
                point(i32::MIN, 1, 0),
                point(-9, kept, 1),
                point(0, 1, 0),
            ],
            ..Default::default()
        };
        let metric = Metric {
            name: "m".into(),
            data: Some(metric::Data::ExponentialHistogram(data)),
            ..Default::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                scope_metrics: vec![ScopeMetrics {
                    metrics: vec![metric],
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        let found = points(&request.encode_to_vec(), BOUNDS);
        let expected = Unkept {
            too_old: 1,
            too_coarse: 2,
            ..Unkept::default()
        };
        assert_eq!((found, found.count()), (expected, 3));
    }

    #[test]
    fn points_outside_the_bounds_are_counted_in_every_kind_of_metric() {
        let millis = |ms: u64| ms * 1_000_000;
        let number = |ms| NumberDataPoint {
            time_unix_nano: millis(ms),
            ..Default::default()
        };
        let histogram = |ms| HistogramDataPoint {
            time_unix_nano: millis(ms),
            ..Default::default()
        };
        let metric = |data| Metric {
            name: "m".into(),
            data: Some(data),
            ..Default::default()
        };
        let gauge = metric::Data::Gauge(Gauge {
            data_points: [0, 999, 1_000, 2_000, 2_001].map(number).to_vec(),
        });
        let histogram = metric::Data::Histogram(Histogram {
            data_points: vec![histogram(1), histogram(1_500)],
            ..Default::default()
        });
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![ResourceMetrics {
                scope_metrics: vec![ScopeMetrics {
                    metrics: vec![metric(gauge), metric(histogram)],
                    ..Default::default()
                }],
                ..Default::default()
            }],
        };
        let found = points(&request.encode_to_vec(), BOUNDS);
        let expected = Unkept {
            too_old: 2,
            too_new: 1,
            ..Unkept::default()
        };
        assert_eq!(found, expected);
    }
}

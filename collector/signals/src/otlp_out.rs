//! Counters as OTLP metrics: cumulative, with start times and examples, without resource
//! attributes, so that the labels come out exactly as they stand here.

use crate::histogram::{Bounds, Example, Histogram, Life};
use crate::native::{Native, Told};
use sonde_proto::UnixNanos;
use sonde_proto::otlp::metrics::exemplar::Value as ExemplarValue;
use sonde_proto::otlp::metrics::exponential_histogram_data_point::Buckets;
use sonde_proto::otlp::metrics::number_data_point::Value;
use sonde_proto::otlp::metrics::{
    AggregationTemporality, Exemplar, ExponentialHistogram, ExponentialHistogramDataPoint,
    Histogram as WireHistogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics,
    ScopeMetrics, Sum, metric::Data,
};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::otlp::{common::KeyValue, kv};

/// `DataPointFlags`: there is no value any more.
const NO_RECORDED_VALUE: u32 = 1;
/// How many data points one request carries.
const POINTS_MAX: usize = 2_000;

/// Labels of one series, in the order of the dialect they come from.
pub(crate) type Pairs<'a> = &'a [(&'static str, &'a str)];

/// Gathers the data points of one counter.
#[derive(Debug)]
pub(crate) struct Counters {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    points: Vec<NumberDataPoint>,
}

/// Gathers the data points of one histogram.
#[derive(Debug)]
pub(crate) struct Histograms<'a> {
    pub(crate) name: &'static str,
    pub(crate) help: &'static str,
    bounds: &'a Bounds,
    points: Vec<HistogramDataPoint>,
    natives: Vec<ExponentialHistogramDataPoint>,
}

impl Counters {
    pub(crate) fn new(name: &'static str, help: &'static str) -> Self {
        Self {
            name,
            help,
            points: Vec::new(),
        }
    }

    /// Adds a series: its value, before the first value a zero at its start, so that the
    /// first calls count as an increase, and at its end the mark that it ended.
    pub(crate) fn add(
        &mut self,
        labels: Pairs<'_>,
        life: Life,
        now: UnixNanos,
        value: Option<u64>,
        example: Option<&Example>,
    ) {
        let point = |time: UnixNanos, value: Option<u64>| NumberDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: life.start.min(now).0,
            time_unix_nano: time.0,
            // A counter stops at the largest number that can be told.
            value: Some(Value::AsInt(
                value.map_or(0, |n| i64::try_from(n).unwrap_or(i64::MAX)),
            )),
            flags: flags(value.is_some()),
            exemplars: Vec::new(),
        };
        if !life.told && life.start < now {
            self.points.push(point(life.start, Some(0)));
        }
        let exemplars = example
            .map(|example| exemplar(example, 1.0))
            .into_iter()
            .collect();
        self.points.push(NumberDataPoint {
            exemplars,
            ..point(now, value)
        });
    }

    pub(crate) fn into_metrics(self) -> Vec<Metric> {
        let data = |points: Vec<NumberDataPoint>| {
            Data::Sum(Sum {
                data_points: points,
                aggregation_temporality: AggregationTemporality::Cumulative as i32,
                is_monotonic: true,
            })
        };
        chunks(self.points)
            .map(|points| metric(self.name, self.help, data(points)))
            .collect()
    }
}

impl<'a> Histograms<'a> {
    pub(crate) fn new(name: &'static str, help: &'static str, bounds: &'a Bounds) -> Self {
        Self {
            name,
            help,
            bounds,
            points: Vec::new(),
            natives: Vec::new(),
        }
    }

    /// Adds a series, as [`Counters::add`] does, and its native histogram where it has one.
    pub(crate) fn add(
        &mut self,
        labels: Pairs<'_>,
        life: Life,
        now: UnixNanos,
        histogram: &mut Histogram,
        live: bool,
        example: Option<&Example>,
    ) {
        let exemplars: Vec<_> = example
            .map(|example| exemplar(example, example.nanos as f64 / 1e9))
            .into_iter()
            .collect();
        if let Some(native) = &mut histogram.native {
            self.add_native(labels, now, native, live, exemplars.clone());
        }
        let zero = Histogram::default();
        let point = |time: UnixNanos, value: &Histogram| {
            let mut bucket_counts = value.by_bucket();
            bucket_counts.resize(self.bounds.buckets(), 0);
            HistogramDataPoint {
                attributes: attributes(labels),
                start_time_unix_nano: life.start.min(now).0,
                time_unix_nano: time.0,
                count: value.count(),
                sum: Some(value.sum_seconds()),
                bucket_counts,
                explicit_bounds: self.bounds.seconds().to_vec(),
                ..Default::default()
            }
        };
        if !life.told && life.start < now {
            self.points.push(point(life.start, &zero));
        }
        self.points.push(HistogramDataPoint {
            exemplars,
            flags: flags(live),
            ..point(now, if live { histogram } else { &zero })
        });
    }

    fn add_native(
        &mut self,
        labels: Pairs<'_>,
        now: UnixNanos,
        native: &mut Native,
        live: bool,
        exemplars: Vec<Exemplar>,
    ) {
        let start = native.start;
        let point = |time: UnixNanos, told: Told| ExponentialHistogramDataPoint {
            attributes: attributes(labels),
            start_time_unix_nano: start.min(now).0,
            time_unix_nano: time.0,
            count: told
                .buckets
                .iter()
                .fold(told.zeros, |sum, n| sum.saturating_add(*n)),
            sum: Some(told.sum_seconds),
            scale: told.scale,
            zero_count: told.zeros,
            positive: Some(Buckets {
                offset: told.offset,
                bucket_counts: told.buckets,
            }),
            ..Default::default()
        };
        let zero = || Native::new(start).told();
        if !native.told && start < now {
            self.natives.push(point(start, zero()));
        }
        self.natives.push(ExponentialHistogramDataPoint {
            exemplars,
            flags: flags(live),
            ..point(now, if live { native.told() } else { zero() })
        });
        native.told = true;
    }

    pub(crate) fn into_metrics(self) -> Vec<Metric> {
        let classic = |points: Vec<HistogramDataPoint>| {
            Data::Histogram(WireHistogram {
                data_points: points,
                aggregation_temporality: AggregationTemporality::Cumulative as i32,
            })
        };
        let native = |points: Vec<ExponentialHistogramDataPoint>| {
            Data::ExponentialHistogram(ExponentialHistogram {
                data_points: points,
                aggregation_temporality: AggregationTemporality::Cumulative as i32,
            })
        };
        let classic = chunks(self.points).map(classic);
        classic
            .chain(chunks(self.natives).map(native))
            .map(|data| metric(self.name, self.help, data))
            .collect()
    }
}

fn flags(live: bool) -> u32 {
    if live { 0 } else { NO_RECORDED_VALUE }
}

/// One request for each metric, so that none grows with the number of series.
pub(crate) fn request(metric: Metric) -> ExportMetricsServiceRequest {
    // No scope: it would become labels of every series.
    let scope_metrics = ScopeMetrics {
        metrics: vec![metric],
        ..Default::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![ResourceMetrics {
            scope_metrics: vec![scope_metrics],
            ..Default::default()
        }],
    }
}

fn metric(name: &str, help: &str, data: Data) -> Metric {
    Metric {
        name: name.to_owned(),
        description: help.to_owned(),
        data: Some(data),
        ..Default::default()
    }
}

fn chunks<T>(points: Vec<T>) -> impl Iterator<Item = Vec<T>> {
    let mut points = points.into_iter().peekable();
    std::iter::from_fn(move || {
        points
            .peek()
            .is_some()
            .then(|| points.by_ref().take(POINTS_MAX).collect())
    })
}

fn attributes(labels: Pairs<'_>) -> Vec<KeyValue> {
    labels
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| kv(name, *value))
        .collect()
}

fn exemplar(example: &Example, value: f64) -> Exemplar {
    Exemplar {
        time_unix_nano: example.time.0,
        trace_id: example.trace_id.as_bytes().to_vec(),
        span_id: example.span_id.as_bytes().to_vec(),
        value: Some(ExemplarValue::AsDouble(value)),
        ..Default::default()
    }
}

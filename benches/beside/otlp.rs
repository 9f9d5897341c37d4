//! The same samples by OTLP over HTTP, as a collector sends what it has scraped: a resource for
//! each host, a metric for each name, and histograms as such instead of their parts.

use crate::Failure;
use crate::data::{Host, SERIES_PER_HOST, STEP, Series, Size};
use crate::program::Program;
use crate::write::{SAMPLES_PER_REQUEST, SENDERS};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value};
use opentelemetry_proto::tonic::metrics::v1::{
    AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint,
    ResourceMetrics, ScopeMetrics, Sum, metric, number_data_point,
};
use opentelemetry_proto::tonic::resource::v1::Resource;
use prost::Message as _;

/// What a histogram's parts are called beside its name.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// A host, and what is sent of it.
struct Sender {
    host: Host,
    values: Vec<f64>,
    /// Where its values go; those of a step stand in it.
    sent: ResourceMetrics,
}

/// Sends all samples up to `last`, a step of all hosts after the other as scrapes come.
pub(crate) async fn send_all(program: &Program, size: Size, last: i64) -> Result<(), Failure> {
    let senders = (0..SENDERS).map(|sender| send_share(program, size, last, sender));
    futures::future::try_join_all(senders).await?;
    Ok(())
}

async fn send_share(
    program: &Program,
    size: Size,
    last: i64,
    sender: usize,
) -> Result<(), Failure> {
    let hosts = (sender..size.hosts()).step_by(SENDERS);
    let mut hosts: Vec<_> = hosts.map(|n| Sender::new(Host::new(n))).collect();
    for step in 0..size.steps {
        let timestamp = last - (size.steps - 1 - step) as i64 * STEP;
        for together in hosts.chunks_mut(SAMPLES_PER_REQUEST.div_ceil(SERIES_PER_HOST)) {
            let mut request = ExportMetricsServiceRequest::default();
            for sender in &mut *together {
                sender.step(timestamp);
                request
                    .resource_metrics
                    .push(std::mem::take(&mut sender.sent));
            }
            send(program, &request).await?;
            for (sender, sent) in together.iter_mut().zip(request.resource_metrics) {
                sender.sent = sent;
            }
        }
    }
    Ok(())
}

async fn send(program: &Program, request: &ExportMetricsServiceRequest) -> Result<(), Failure> {
    let answer = program
        .http()
        .post(program.url("/api/v1/otlp/v1/metrics"))
        .header("content-type", "application/x-protobuf")
        .body(request.encode_to_vec())
        .send()
        .await?;
    let (status, body) = (answer.status(), answer.bytes().await?);
    // What was not kept would be told in it.
    if status.is_success() && body.is_empty() {
        return Ok(());
    }
    let why = String::from_utf8_lossy(&body);
    Err(format!("{} refused samples: {status} {why}", program.name()).into())
}

impl Sender {
    fn new(host: Host) -> Self {
        let mut metrics: Vec<Metric> = Vec::new();
        for series in &host.series {
            add(&mut metrics, series);
        }
        let of = |name: &str| {
            let labels = host.series.first().map(|series| &series.labels);
            let found = labels
                .into_iter()
                .flatten()
                .find(|(label, _)| *label == name);
            found.map(|(_, value)| value.clone()).unwrap_or_default()
        };
        let resource = Resource {
            attributes: vec![
                attribute("service.name", &of("job")),
                attribute("service.instance.id", &of("instance")),
            ],
            ..Resource::default()
        };
        let scope_metrics = vec![ScopeMetrics {
            scope: Some(InstrumentationScope::default()),
            metrics,
            ..ScopeMetrics::default()
        }];
        Self {
            host,
            values: Vec::new(),
            sent: ResourceMetrics {
                resource: Some(resource),
                scope_metrics,
                ..ResourceMetrics::default()
            },
        }
    }

    /// Puts the values of the next step into what is sent.
    fn step(&mut self, timestamp: i64) {
        self.host.step(&mut self.values);
        let time = timestamp as u64 * 1_000_000;
        let mut values = self.values.iter().copied();
        let mut next = || values.next().unwrap_or_default();
        let scopes = &mut self.sent.scope_metrics;
        for metric in scopes.iter_mut().flat_map(|scope| &mut scope.metrics) {
            match &mut metric.data {
                Some(
                    metric::Data::Gauge(Gauge { data_points })
                    | metric::Data::Sum(Sum { data_points, .. }),
                ) => {
                    for point in data_points {
                        point.time_unix_nano = time;
                        point.value = Some(number_data_point::Value::AsDouble(next()));
                    }
                }
                Some(metric::Data::Histogram(histogram)) => {
                    for point in &mut histogram.data_points {
                        point.time_unix_nano = time;
                        let mut below = 0;
                        for count in &mut point.bucket_counts {
                            let upto = next() as u64;
                            *count = upto.saturating_sub(below);
                            below = upto;
                        }
                        // Its count is what all buckets have; the other one is not sent.
                        (point.sum, point.count) = (Some(next()), below);
                        next();
                    }
                }
                _ => {}
            }
        }
    }
}

/// Adds a series to the metric of its name, which is the last one if it is there.
fn add(metrics: &mut Vec<Metric>, series: &Series) {
    let label = |name: &str| {
        let found = series.labels.iter().find(|(label, _)| *label == name);
        found.map(|(_, value)| value.as_str())
    };
    let name = label("__name__").unwrap_or_default();
    let is_own = |label: &str| !["__name__", "instance", "job", "le"].contains(&label);
    let own = series.labels.iter().filter(|(label, _)| is_own(label));
    let attributes: Vec<_> = own.map(|(label, value)| attribute(label, value)).collect();
    let part = PARTS.iter().find_map(|part| name.strip_suffix(part));
    let name = part.unwrap_or(name);
    if metrics.last().is_none_or(|metric| metric.name != name) {
        let data = match (part.is_some(), name.ends_with("_total")) {
            (true, _) => metric::Data::Histogram(Histogram {
                aggregation_temporality: AggregationTemporality::Cumulative as i32,
                ..Histogram::default()
            }),
            (false, true) => metric::Data::Sum(Sum {
                aggregation_temporality: AggregationTemporality::Cumulative as i32,
                is_monotonic: true,
                ..Sum::default()
            }),
            (false, false) => metric::Data::Gauge(Gauge::default()),
        };
        metrics.push(Metric {
            name: name.to_owned(),
            data: Some(data),
            ..Metric::default()
        });
    }
    let points = metrics.last_mut().and_then(|metric| metric.data.as_mut());
    match points {
        Some(
            metric::Data::Gauge(Gauge { data_points }) | metric::Data::Sum(Sum { data_points, .. }),
        ) => {
            data_points.push(NumberDataPoint {
                attributes,
                ..NumberDataPoint::default()
            });
        }
        Some(metric::Data::Histogram(histogram)) => {
            let points = &mut histogram.data_points;
            if points
                .last()
                .is_none_or(|point| point.attributes != attributes)
            {
                points.push(HistogramDataPoint {
                    attributes,
                    ..HistogramDataPoint::default()
                });
            }
            if let (Some(point), Some(bound)) = (points.last_mut(), label("le")) {
                point.bucket_counts.push(0);
                point
                    .explicit_bounds
                    .extend(bound.parse::<f64>().ok().filter(|le| le.is_finite()));
            }
        }
        _ => {}
    }
}

fn attribute(name: &str, value: &str) -> KeyValue {
    let value = any_value::Value::StringValue(value.to_owned());
    KeyValue {
        key: name.to_owned(),
        value: Some(AnyValue { value: Some(value) }),
        ..KeyValue::default()
    }
}

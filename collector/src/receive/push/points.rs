//! Groups as OTLP whose metrics say `prometheus.type`: their names and labels stay as they are.

use super::body::{Family, Sample};
use super::groups::Group;
use bytes::Bytes;
use prost::Message as _;
use sonde_proto::otlp::metrics::{
    Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, metric, number_data_point,
};
use sonde_proto::otlp::{self, metrics_service::ExportMetricsServiceRequest};
use sonde_proto::{UnixNanos, semconv};
use std::collections::{BTreeMap, HashSet};

/// A request is full at so many points.
const POINTS_MAX: usize = 5_000;
/// And at about so many bytes.
const BYTES_MAX: usize = 2 << 20;
/// The flag of a point that says that its series has ended.
const NO_RECORDED_VALUE: u32 = 1;

/// Points by metric.
#[derive(Default)]
pub(super) struct Points {
    metrics: BTreeMap<String, Metric>,
    count: usize,
    bytes: usize,
}

impl Points {
    /// Adds all samples of a group, at a time in milliseconds.
    pub(super) fn group(&mut self, group: &Group, time: i64) {
        self.bytes += bytes_of(group);
        for family in group.families.iter().chain(&group.times()) {
            for sample in &family.samples {
                self.put(family, sample, time, true);
            }
        }
    }

    /// Ends what was among `before` and is not in the group.
    pub(super) fn ended(&mut self, before: &[Family], group: &Group, time: i64) {
        let all = group.families.iter().flat_map(|family| &family.samples);
        let there: HashSet<_> = all.map(|sample| (&sample.name, &sample.labels)).collect();
        for family in before {
            for sample in &family.samples {
                if !there.contains(&(&sample.name, &sample.labels)) {
                    self.put(family, sample, time, false);
                }
            }
        }
    }

    /// Ends all samples of a group.
    pub(super) fn end(&mut self, group: &Group, time: i64) {
        for family in group.families.iter().chain(&group.times()) {
            for sample in &family.samples {
                self.put(family, sample, time, false);
            }
        }
    }

    /// Whether a group may come on top. One that is large goes alone, as it came.
    pub(super) fn has_room_for(&self, group: &Group) -> bool {
        let samples = group.families.iter().map(|family| family.samples.len());
        self.count + samples.sum::<usize>() <= POINTS_MAX
            && self.bytes + bytes_of(group) <= BYTES_MAX
    }

    fn put(&mut self, family: &Family, sample: &Sample, time: i64, is_there: bool) {
        let labels = sample.labels.iter();
        let value = number_data_point::Value::AsDouble(sample.value());
        let point = NumberDataPoint {
            attributes: labels
                .map(|(name, value)| otlp::kv(name, value.as_str()))
                .collect(),
            time_unix_nano: UnixNanos::from_millis(time).0,
            value: is_there.then_some(value),
            flags: if is_there { 0 } else { NO_RECORDED_VALUE },
            ..NumberDataPoint::default()
        };
        let metric = self
            .metrics
            .entry(sample.name.clone())
            .or_insert_with(|| Metric {
                name: sample.name.clone(),
                description: family.help.clone(),
                unit: family.unit.clone(),
                metadata: vec![otlp::kv(semconv::PROMETHEUS_TYPE, family.kind.as_str())],
                data: Some(metric::Data::Gauge(Gauge::default())),
            });
        if let Some(metric::Data::Gauge(gauge)) = &mut metric.data {
            gauge.data_points.push(point);
            self.count += 1;
        }
    }

    /// The request that carries them.
    pub(super) fn request(self) -> Bytes {
        let scope = ScopeMetrics {
            metrics: self.metrics.into_values().collect(),
            ..ScopeMetrics::default()
        };
        let resource = ResourceMetrics {
            scope_metrics: vec![scope],
            ..ResourceMetrics::default()
        };
        let request = ExportMetricsServiceRequest {
            resource_metrics: vec![resource],
        };
        request.encode_to_vec().into()
    }
}

/// About how many bytes a group's samples are.
fn bytes_of(group: &Group) -> usize {
    let samples = group.families.iter().flat_map(|family| &family.samples);
    let texts = |sample: &Sample| -> usize {
        let labels = sample.labels.iter();
        labels.map(|(n, v)| n.len() + v.len() + 8).sum::<usize>() + 32
    };
    samples.map(texts).sum()
}

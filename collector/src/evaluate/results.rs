//! Rule results as OTLP gauges: attributes are the labels, and there is no resource, so
//! that the series come back with exactly the labels the rule gave them.

use sonde_proto::otlp::common::KeyValue;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::metric::Data;
use sonde_proto::otlp::metrics::number_data_point::Value;
use sonde_proto::otlp::metrics::{
    DataPointFlags, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_rules::RuleSample;
use std::collections::BTreeMap;

const NAME: &str = "__name__";
/// The NaN by which Prometheus says that a series has ended (`model/value`, `StaleNaN`).
const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;

/// One request with every sample, grouped by metric name.
pub(super) fn to_otlp(samples: &[RuleSample]) -> ExportMetricsServiceRequest {
    let mut by_name: BTreeMap<&str, Vec<NumberDataPoint>> = BTreeMap::new();
    for sample in samples {
        by_name
            .entry(sample.labels.get(NAME))
            .or_default()
            .push(point(sample));
    }
    let metrics = by_name.into_iter().map(|(name, data_points)| Metric {
        name: name.into(),
        data: Some(Data::Gauge(Gauge { data_points })),
        ..Metric::default()
    });
    let scope = ScopeMetrics {
        metrics: metrics.collect(),
        ..ScopeMetrics::default()
    };
    let resource = ResourceMetrics {
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: vec![resource],
    }
}

fn point(sample: &RuleSample) -> NumberDataPoint {
    let stale = sample.value.to_bits() == STALE_NAN;
    NumberDataPoint {
        attributes: attributes(sample),
        time_unix_nano: sample.time.0,
        value: (!stale).then_some(Value::AsDouble(sample.value)),
        flags: if stale {
            DataPointFlags::NoRecordedValueMask as u32
        } else {
            0
        },
        ..NumberDataPoint::default()
    }
}

fn attributes(sample: &RuleSample) -> Vec<KeyValue> {
    sample
        .labels
        .iter()
        .filter(|(name, _)| *name != NAME)
        .map(|(name, value)| kv(name, value))
        .collect()
}

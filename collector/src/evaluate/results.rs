//! Rule results as OTLP gauges: attributes are the labels, and there is no resource, so
//! that the series come back with exactly the labels the rule gave them. OTLP has no words for
//! native histograms that are no whole numbers; they are written as a Prometheus would.

use sonde_proto::otlp::common::KeyValue;
use sonde_proto::otlp::kv;
use sonde_proto::otlp::metrics::metric::Data;
use sonde_proto::otlp::metrics::number_data_point::Value;
use sonde_proto::otlp::metrics::{
    DataPointFlags, Gauge, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics,
};
use sonde_proto::otlp::metrics_service::ExportMetricsServiceRequest;
use sonde_proto::remote_write::{Series, Version, body};
use sonde_proto::{Entry, Labels, SampleValue, Tenant, UnixNanos};
use sonde_rules::RuleSample;
use std::collections::BTreeMap;

const NAME: &str = "__name__";
/// The NaN by which Prometheus says that a series has ended (`model/value`, `StaleNaN`).
const STALE_NAN: u64 = 0x7ff0_0000_0000_0002;

/// One request with every sample that is a number, grouped by metric name.
pub(super) fn to_otlp(samples: &[RuleSample]) -> ExportMetricsServiceRequest {
    let mut by_name: BTreeMap<&str, Vec<NumberDataPoint>> = BTreeMap::new();
    for sample in samples {
        if let SampleValue::Float(value) = sample.value {
            by_name
                .entry(sample.labels.get(NAME))
                .or_default()
                .push(point(sample, value));
        }
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
    let has_metrics = !scope.metrics.is_empty();
    let resource = ResourceMetrics {
        scope_metrics: vec![scope],
        ..ResourceMetrics::default()
    };
    ExportMetricsServiceRequest {
        resource_metrics: has_metrics.then_some(resource).into_iter().collect(),
    }
}

/// One entry with every sample that is a histogram; `None` where there is none.
pub(super) fn histograms(samples: &[RuleSample], tenant: Tenant, now: UnixNanos) -> Option<Entry> {
    let histogram = |sample: &RuleSample| match &sample.value {
        SampleValue::Float(_) => None,
        SampleValue::Histogram(histogram) => Some(Series {
            labels: pairs(&sample.labels),
            histograms: vec![(sample.time.as_millis(), (**histogram).clone())],
            ..Series::default()
        }),
    };
    let series: Vec<Series> = samples.iter().filter_map(histogram).collect();
    if series.is_empty() {
        return None;
    }
    // It fails at 4 GiB, which answers are kept far below.
    let body = body(Version::V2, &series).ok()?;
    Some(Entry::remote_write(tenant, Version::V2, now, body.into()))
}

fn pairs(labels: &Labels) -> Vec<(String, String)> {
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    labels.iter().map(own).collect()
}

fn point(sample: &RuleSample, value: f64) -> NumberDataPoint {
    let stale = value.to_bits() == STALE_NAN;
    NumberDataPoint {
        attributes: attributes(sample),
        time_unix_nano: sample.time.0,
        value: (!stale).then_some(Value::AsDouble(value)),
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

#[cfg(test)]
mod tests {
    use super::*;
    use prometheus_client::registry::Registry;
    use sonde_metrics::{MetricStore, QueryLimits, QueryValue};
    use sonde_proto::Histogram;

    #[test]
    fn a_histogram_comes_back_with_the_labels_that_the_rule_gave_it() {
        let now = UnixNanos::from_secs(1_700_000_000);
        let histogram = Histogram {
            count: 2.5,
            sum: 0.125,
            hint: sonde_proto::ResetHint::Gauge,
            ..Histogram::default()
        };
        let value = SampleValue::Histogram(histogram.into());
        let labels: Labels = [("__name__", "job:latency:rate5m"), ("a.b", "ö")]
            .into_iter()
            .collect();
        let samples = [RuleSample {
            labels: labels.clone(),
            time: now,
            value: value.clone(),
        }];
        assert!(to_otlp(&samples).resource_metrics.is_empty());
        let entry = histograms(&samples, Tenant::default(), now).unwrap();
        let dir = tempfile::tempdir().unwrap();
        let config = sonde_metrics::Config::default();
        let store = MetricStore::open(dir.path(), &config, &mut Registry::default(), now).unwrap();
        store.apply(&[(store.applied_to(), entry)]);
        let (tenant, limits) = (Tenant::default(), QueryLimits::default());
        let found = store.instant(&tenant, "{__name__=~\".+\"}", now, &limits);
        let QueryValue::Vector(found) = found.unwrap().value else {
            panic!("it is a vector");
        };
        assert_eq!(found.len(), 1);
        assert_eq!((&found[0].labels, &found[0].value), (&labels, &value));
    }
}

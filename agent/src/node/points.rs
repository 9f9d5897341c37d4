//! One sample's points, gathered by metric.

use super::names::{Name, Shape};
use sonde_proto::UnixNanos;
use sonde_proto::otlp;
use sonde_proto::otlp::common::{KeyValue, any_value};
use sonde_proto::otlp::metrics::{
    AggregationTemporality, Gauge, Metric, NumberDataPoint, Sum, metric, number_data_point,
};
use std::collections::BTreeMap;

/// A point's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Count(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Value {
    fn from(real: f64) -> Self {
        Self::Real(real)
    }
}

/// An attribute's value.
#[derive(Clone, Copy, Debug)]
pub(super) enum Text<'a> {
    Word(&'a str),
    Number(u32),
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(word: &'a str) -> Self {
        Self::Word(word)
    }
}

/// The points of one sample.
pub(crate) struct Points {
    now: UnixNanos,
    boot: UnixNanos,
    metrics: BTreeMap<&'static str, (Name, Vec<NumberDataPoint>)>,
}

impl Points {
    pub(super) fn new(now: UnixNanos, boot: UnixNanos) -> Self {
        Self {
            now,
            boot,
            metrics: BTreeMap::new(),
        }
    }

    /// Adds a point.
    pub(super) fn put(
        &mut self,
        name: &Name,
        attributes: &[(&str, Text<'_>)],
        value: impl Into<Value>,
    ) {
        let is_gauge = name.shape == Shape::Gauge;
        let point = NumberDataPoint {
            attributes: attributes.iter().map(|(k, v)| attribute(k, *v)).collect(),
            start_time_unix_nano: if is_gauge { 0 } else { self.boot.0 },
            time_unix_nano: self.now.0,
            value: Some(match value.into() {
                Value::Count(count) => {
                    number_data_point::Value::AsInt(i64::try_from(count).unwrap_or(i64::MAX))
                }
                Value::Real(real) => number_data_point::Value::AsDouble(real),
            }),
            ..NumberDataPoint::default()
        };
        let metric = self.metrics.entry(name.name);
        metric.or_insert((*name, Vec::new())).1.push(point);
    }

    /// How many points there are.
    pub(super) fn count(&self) -> u64 {
        self.metrics.values().map(|(_, p)| p.len() as u64).sum()
    }

    pub(super) fn into_metrics(self) -> Vec<Metric> {
        self.metrics
            .into_values()
            .map(|(name, points)| metric(&name, points))
            .collect()
    }
}

fn attribute(key: &str, text: Text<'_>) -> KeyValue {
    match text {
        Text::Word(word) => otlp::kv(key, word),
        Text::Number(number) => otlp::any_kv(key, any_value::Value::IntValue(number.into())),
    }
}

fn metric(name: &Name, data_points: Vec<NumberDataPoint>) -> Metric {
    let sum = |is_monotonic, data_points| {
        metric::Data::Sum(Sum {
            data_points,
            aggregation_temporality: AggregationTemporality::Cumulative as i32,
            is_monotonic,
        })
    };
    Metric {
        name: name.name.into(),
        unit: name.unit.into(),
        description: name.help.into(),
        data: Some(match name.shape {
            Shape::Gauge => metric::Data::Gauge(Gauge { data_points }),
            Shape::Amount => sum(false, data_points),
            Shape::Total => sum(true, data_points),
        }),
        ..Metric::default()
    }
}

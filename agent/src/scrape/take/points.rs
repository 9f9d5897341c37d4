//! Points gathered by metric, written as OTLP while they come
//! (`opentelemetry/proto/metrics/v1/metrics.proto`).
//!
//! Every series travels under the name it has, with its labels as attributes: a histogram as
//! its buckets, sum and count. OTLP's own histograms have whole numbers of observations and
//! bounds that are numbers; what a target writes need not, and has to arrive as it is written.
//! A native histogram is one series, and travels as OTLP's exponential one ([`exponential`]).

use super::exponential;
use super::series::{Described, One};
use crate::scrape::Labels;
use bytes::Bytes;
use sonde_exposition::{Exemplar, Kind};
use sonde_proto::semconv::{PROMETHEUS_TYPE, SERVICE_INSTANCE_ID, SERVICE_NAME};
use sonde_proto::{Histogram, METRIC_NAME};
use std::collections::HashMap;
use std::sync::Arc;

/// A request is full at this many bytes.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// Labels that the resource tells, and how it calls them.
const IDENTITY: [(&str, &str); 2] = [("job", SERVICE_NAME), ("instance", SERVICE_INSTANCE_ID)];

/// One point, in milliseconds since 1970.
#[derive(Clone, Copy, Debug)]
pub(super) struct Point<'a> {
    pub(super) time: i64,
    /// 0 where it is not known.
    pub(super) start: i64,
    pub(super) value: Value<'a>,
    pub(super) exemplars: &'a [Exemplar<'a>],
}

/// What a point tells.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    Number(f64),
    /// One that [fits](exponential::fits).
    Histogram(&'a Histogram),
    /// The series has ended.
    Ended,
}

impl Point<'_> {
    pub(super) const fn of(time: i64, value: f64) -> Self {
        Self {
            time,
            start: 0,
            value: Value::Number(value),
            exemplars: &[],
        }
    }

    pub(super) const fn ended(time: i64) -> Self {
        Self {
            time,
            start: 0,
            value: Value::Ended,
            exemplars: &[],
        }
    }
}

/// The points of one scrape.
#[derive(Debug)]
pub(super) struct Points {
    /// The field of a `ResourceMetrics`.
    resource: Vec<u8>,
    /// By name: of metrics of numbers, and of those of histograms.
    numbers: [HashMap<Box<str>, usize>; 2],
    metrics: Vec<Metric>,
    count: u64,
}

#[derive(Debug)]
struct Metric {
    name: Box<str>,
    described: Arc<Described>,
    is_native: bool,
    /// `data_points` fields, one after the other.
    points: Vec<u8>,
    ends: Vec<usize>,
}

impl Points {
    pub(super) fn new(target: &Labels) -> Self {
        let mut attributes = Vec::new();
        for (label, name) in IDENTITY {
            if let Some(value) = target.get(label) {
                field(&mut attributes, 1, &key_value(name, value));
            }
        }
        let mut resource = Vec::new();
        field(&mut resource, 1, &attributes);
        Self {
            resource,
            numbers: Default::default(),
            metrics: Vec::new(),
            count: 0,
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn clear(&mut self) {
        self.numbers.iter_mut().for_each(HashMap::clear);
        self.metrics.clear();
        self.count = 0;
    }

    /// Adds a point. All points of a name are told as what the first of them was said to be.
    pub(super) fn put(&mut self, series: &One, point: Point<'_>) {
        let is_native = matches!(point.value, Value::Histogram(_));
        let numbers = &mut self.numbers[usize::from(is_native)];
        let number = match numbers.get(&series.name) {
            Some(number) => *number,
            None => {
                let number = self.metrics.len();
                numbers.insert(series.name.clone(), number);
                self.metrics.push(Metric {
                    name: series.name.clone(),
                    described: Arc::clone(&series.described),
                    is_native,
                    points: Vec::new(),
                    ends: Vec::new(),
                });
                number
            }
        };
        let metric = &mut self.metrics[number];
        let written = data_point(&series.attributes, point);
        field(&mut metric.points, 1, &written);
        metric.ends.push(metric.points.len());
        self.count += 1;
    }

    /// The requests that carry all points; none are left.
    pub(super) fn take(&mut self) -> Vec<Bytes> {
        let (mut requests, mut scope) = (Vec::new(), Vec::new());
        for metric in std::mem::take(&mut self.metrics) {
            let mut from = 0;
            for (at, &end) in metric.ends.iter().enumerate() {
                let is_last = at + 1 == metric.ends.len();
                let bytes = scope.len() + end - from;
                if is_last || bytes >= REQUEST_BYTES_MAX {
                    let points = &metric.points[from..end];
                    let written = metric.message(points);
                    field(&mut scope, 2, &written);
                    from = end;
                }
                if scope.len() >= REQUEST_BYTES_MAX {
                    requests.push(self.request(&std::mem::take(&mut scope)));
                }
            }
        }
        if !scope.is_empty() {
            requests.push(self.request(&scope));
        }
        self.clear();
        requests
    }

    fn request(&self, scope: &[u8]) -> Bytes {
        let mut resource = self.resource.clone();
        field(&mut resource, 2, scope);
        let mut request = Vec::with_capacity(resource.len() + 8);
        field(&mut request, 1, &resource);
        request.into()
    }
}

impl Metric {
    /// The message, with some of its points.
    fn message(&self, points: &[u8]) -> Vec<u8> {
        let (name, described) = (&self.name, &self.described);
        let mut metric = Vec::with_capacity(points.len() + described.help.len() + 128);
        field(&mut metric, 1, name.as_bytes());
        field(&mut metric, 2, described.help.as_bytes());
        field(&mut metric, 3, described.unit.as_bytes());
        if self.is_native {
            // Temporality (2): cumulative (2).
            let histogram = [points, &[0x10, 2]].concat();
            field(&mut metric, 10, &histogram);
        } else if only_rises(described.kind, name) {
            // The same, and monotonic (3).
            let sum = [points, &[0x10, 2, 0x18, 1]].concat();
            field(&mut metric, 7, &sum);
        } else {
            field(&mut metric, 5, points);
        }
        let kind = key_value(PROMETHEUS_TYPE, described.kind.word());
        field(&mut metric, 12, &kind);
        metric
    }
}

/// Whether the samples of that name only rise, or start anew.
fn only_rises(kind: Kind, name: &str) -> bool {
    match kind {
        Kind::Counter => !name.ends_with("_created"),
        Kind::Histogram | Kind::Summary => name.ends_with("_bucket") || name.ends_with("_count"),
        _ => false,
    }
}

/// The attributes of a series, as fields of a data point. `job` and `instance` are left to the
/// resource where it says the same.
pub(super) fn attributes(labels: &Labels, target: &Labels) -> Vec<u8> {
    let mut attributes = Vec::new();
    for (name, value) in labels.iter().filter(|(name, _)| *name != METRIC_NAME) {
        let is_told = IDENTITY.iter().any(|(label, _)| label == name);
        if !(is_told && target.get(name) == Some(value)) {
            field(&mut attributes, 7, &key_value(name, value));
        }
    }
    for (label, _) in IDENTITY {
        if target.contains_key(label) && !labels.contains_key(label) {
            field(&mut attributes, 7, &key_value(label, ""));
        }
    }
    attributes
}

/// A `NumberDataPoint` message, or that of a histogram.
fn data_point(attributes: &[u8], point: Point<'_>) -> Vec<u8> {
    if let Value::Histogram(histogram) = point.value {
        return exponential::data_point(attributes, &point, histogram);
    }
    let mut message = Vec::with_capacity(attributes.len() + 32);
    message.extend_from_slice(attributes);
    if point.start > 0 {
        fixed(&mut message, 2, nanos(point.start));
    }
    fixed(&mut message, 3, nanos(point.time));
    match point.value {
        Value::Number(value) => fixed(&mut message, 4, value.to_bits()),
        // Flags (8): no recorded value.
        Value::Ended | Value::Histogram(_) => message.extend_from_slice(&[0x40, 1]),
    }
    for one in point.exemplars {
        field(&mut message, 5, &exemplar(one));
    }
    message
}

/// An `Exemplar` message; the trace is told by its identifiers.
pub(super) fn exemplar(exemplar: &Exemplar<'_>) -> Vec<u8> {
    let mut message = Vec::new();
    for label in &exemplar.labels {
        match (label.name.as_ref(), unhex(&label.value)) {
            ("trace_id", Some(id)) if id.len() == 16 => field(&mut message, 5, &id),
            ("span_id", Some(id)) if id.len() == 8 => field(&mut message, 4, &id),
            (name, _) => field(&mut message, 7, &key_value(name, &label.value)),
        }
    }
    if let Some(time) = exemplar.time {
        fixed(&mut message, 2, nanos(time));
    }
    fixed(&mut message, 3, exemplar.value.to_bits());
    message
}

/// What lower-case hex says; anything else stays text.
fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    let byte = |[high, low]: &[u8; 2]| Some(digit(high)? << 4 | digit(low)?);
    if !rest.is_empty() {
        return None;
    }
    pairs.iter().map(byte).collect()
}

/// A `KeyValue` message with text.
fn key_value(key: &str, text: &str) -> Vec<u8> {
    let (mut value, mut message) = (Vec::new(), Vec::new());
    field(&mut value, 1, text.as_bytes());
    field(&mut message, 1, key.as_bytes());
    field(&mut message, 2, &value);
    message
}

pub(super) fn nanos(millis: i64) -> u64 {
    u64::try_from(millis)
        .unwrap_or_default()
        .saturating_mul(1_000_000)
}

/// A field of bytes.
pub(super) fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// A number base 128.
pub(super) fn varint(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// A field of eight bytes.
pub(super) fn fixed(out: &mut Vec<u8>, number: u8, value: u64) {
    out.push(number << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

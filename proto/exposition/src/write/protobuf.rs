//! Protobuf: samples put together into metrics again.

use crate::family::{Exemplar, Family, Kind, Label, Sample};
use crate::names::Escaping;
use crate::number;
use sonde_proto::{Buckets, Histogram, SampleValue};

/// The largest whole number below which a double tells every one.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The family under way.
pub(super) struct Metrics {
    escaping: Escaping,
    head: Vec<u8>,
    /// Its metrics, and what follows them.
    body: Vec<u8>,
    /// The labels of the group under way, as they are written.
    labels: Vec<u8>,
    next_labels: Vec<u8>,
    /// The value of the group under way, as it is written.
    value: Vec<u8>,
    group: Option<Group>,
}

/// What is kept of a group until its end.
struct Group {
    field: u32,
    time: Option<i64>,
    start: Option<i64>,
    /// The field of the start in the value.
    start_field: u32,
    /// What the last bucket counts, where it reaches to +Inf and no count was given.
    reach: Option<f64>,
    has_count: bool,
}

impl Metrics {
    pub(super) fn new(escaping: Escaping) -> Self {
        Self {
            escaping,
            head: Vec::new(),
            body: Vec::new(),
            labels: Vec::new(),
            next_labels: Vec::new(),
            value: Vec::new(),
            group: None,
        }
    }

    /// Begins a family whose first sample has this name.
    pub(super) fn begin(&mut self, family: &Family<'_>, sample: &str) {
        let (name, kind) = match family.kind {
            Kind::Counter if family.created_name_is(sample) => (family.name.as_ref(), 0),
            Kind::Counter => (sample, 0),
            Kind::Gauge => (family.name.as_ref(), 1),
            Kind::Info | Kind::StateSet => (sample, 1),
            Kind::Summary => (family.name.as_ref(), 2),
            Kind::Unknown => (family.name.as_ref(), 3),
            Kind::Histogram => (family.name.as_ref(), 4),
            Kind::GaugeHistogram => (family.name.as_ref(), 5),
        };
        self.head.clear();
        self.body.clear();
        bytes(
            &mut self.head,
            1,
            self.escaping.metric_name(name).as_bytes(),
        );
        if !family.help.is_empty() {
            bytes(&mut self.head, 2, family.help.as_bytes());
        }
        varint_field(&mut self.head, 3, kind);
        if !family.unit.is_empty() {
            bytes(&mut self.body, 5, family.unit.as_bytes());
        }
    }

    pub(super) fn add(&mut self, family: &Family<'_>, sample: &Sample<'_>) {
        let bound = family.kind.bound_label();
        self.next_labels.clear();
        for label in sample.labels {
            if Some(label.name.as_ref()) != bound {
                push_label(&mut self.next_labels, 1, label, self.escaping);
            }
        }
        match &sample.value {
            SampleValue::Histogram(histogram) => {
                self.next_group(sample, 7, 15, false);
                native(&mut self.value, histogram);
                for exemplar in sample.exemplars {
                    push_exemplar(&mut self.value, 16, exemplar, self.escaping);
                }
                self.has_count();
                self.end_group();
            }
            SampleValue::Float(value) => self.float(family, sample, *value),
        }
    }

    fn float(&mut self, family: &Family<'_>, sample: &Sample<'_>, value: f64) {
        let suffix = sample
            .name
            .strip_prefix(family.name.as_ref())
            .unwrap_or_default();
        match family.kind {
            Kind::Histogram | Kind::GaugeHistogram => {
                self.next_group(sample, 7, 15, true);
                self.of_histogram(suffix, sample, value);
            }
            Kind::Summary => {
                self.next_group(sample, 4, 4, true);
                self.of_summary(suffix, sample, value);
            }
            _ => {
                let field = match family.kind {
                    Kind::Counter => 3,
                    Kind::Unknown => 5,
                    _ => 2,
                };
                self.next_group(sample, field, 3, false);
                double(&mut self.value, 1, value);
                if let Some(exemplar) = sample.exemplars.first().filter(|_| field == 3) {
                    push_exemplar(&mut self.value, 2, exemplar, self.escaping);
                }
                self.end_group();
            }
        }
    }

    fn of_histogram(&mut self, suffix: &str, sample: &Sample<'_>, value: f64) {
        match suffix {
            "_sum" | "_gsum" => double(&mut self.value, 2, value),
            "_count" | "_gcount" => {
                self.has_count();
                whole_or_double(&mut self.value, 1, 4, value);
            }
            _ => {
                let bound = bound_of(sample, "le");
                let mut bucket = Vec::new();
                whole_or_double(&mut bucket, 1, 4, value);
                double(&mut bucket, 2, bound);
                if let Some(exemplar) = sample.exemplars.first() {
                    push_exemplar(&mut bucket, 3, exemplar, self.escaping);
                }
                bytes(&mut self.value, 3, &bucket);
                if let Some(group) = self.group.as_mut().filter(|_| bound == f64::INFINITY) {
                    group.reach = Some(value);
                }
            }
        }
    }

    fn of_summary(&mut self, suffix: &str, sample: &Sample<'_>, value: f64) {
        match suffix {
            "_sum" => double(&mut self.value, 2, value),
            "_count" => {
                self.has_count();
                varint_field(&mut self.value, 1, value as u64);
            }
            _ => {
                let mut quantile = Vec::new();
                double(&mut quantile, 1, bound_of(sample, "quantile"));
                double(&mut quantile, 2, value);
                bytes(&mut self.value, 3, &quantile);
            }
        }
    }

    fn has_count(&mut self) {
        if let Some(group) = &mut self.group {
            group.has_count = true;
        }
    }

    /// Ends the group before, unless `joins` and the sample is one of it.
    fn next_group(&mut self, sample: &Sample<'_>, field: u32, start_field: u32, joins: bool) {
        let same = self
            .group
            .as_ref()
            .is_some_and(|group| joins && group.time == sample.time && group.start == sample.start);
        if same && self.next_labels == self.labels {
            return;
        }
        self.end_group();
        std::mem::swap(&mut self.labels, &mut self.next_labels);
        self.group = Some(Group {
            field,
            time: sample.time,
            start: sample.start,
            start_field,
            reach: None,
            has_count: false,
        });
    }

    fn end_group(&mut self) {
        let Some(group) = self.group.take() else {
            return;
        };
        if let Some(reach) = group.reach.filter(|_| !group.has_count) {
            whole_or_double(&mut self.value, 1, 4, reach);
        }
        let has_start = matches!(group.field, 3 | 4 | 7);
        if let Some(start) = group.start.filter(|_| has_start) {
            bytes(&mut self.value, group.start_field, &timestamp(start));
        }
        let mut metric = std::mem::take(&mut self.labels);
        bytes(&mut metric, group.field, &self.value);
        if let Some(time) = group.time {
            varint_field(&mut metric, 6, time.cast_unsigned());
        }
        bytes(&mut self.body, 4, &metric);
        metric.clear();
        self.labels = metric;
        self.value.clear();
    }

    /// Ends the family and adds it to `out`, after its length.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        self.end_group();
        if self.head.is_empty() {
            return;
        }
        varint(out, (self.head.len() + self.body.len()) as u64);
        out.append(&mut self.head);
        out.append(&mut self.body);
    }
}

fn bound_of(sample: &Sample<'_>, name: &str) -> f64 {
    let label = sample.labels.iter().find(|label| label.name == name);
    label
        .and_then(|label| number::read(&label.value))
        .unwrap_or(f64::NAN)
}

fn native(out: &mut Vec<u8>, histogram: &Histogram) {
    let sides = [&histogram.negative, &histogram.positive];
    let mut counts = sides.iter().flat_map(|side| &side.counts);
    let is_whole = is_whole(histogram.count)
        && is_whole(histogram.zero_count)
        && counts.all(|&count| is_whole(count));
    if is_whole {
        varint_field(out, 1, histogram.count as u64);
        varint_field(out, 7, histogram.zero_count as u64);
    } else {
        double(out, 4, histogram.count);
        double(out, 8, histogram.zero_count);
    }
    double(out, 2, histogram.sum);
    varint_field(out, 5, zigzag(i64::from(histogram.schema)));
    double(out, 6, histogram.zero_threshold);
    side(out, &histogram.negative, 9, is_whole);
    side(out, &histogram.positive, 12, is_whole);
    let is_told = histogram.zero_threshold > 0.0
        || histogram.zero_count > 0.0
        || sides.iter().any(|side| !side.spans.is_empty());
    if !is_told {
        // A span of no length says that this is a native histogram.
        bytes(out, 12, &[]);
    }
}

fn side(out: &mut Vec<u8>, buckets: &Buckets, field: u32, is_whole: bool) {
    for span in &buckets.spans {
        let mut message = Vec::new();
        varint_field(&mut message, 1, zigzag(i64::from(span.offset)));
        varint_field(&mut message, 2, u64::from(span.length));
        bytes(out, field, &message);
    }
    let mut packed = Vec::new();
    let mut before = 0;
    for &count in &buckets.counts {
        if is_whole {
            let count = count as i64;
            varint(&mut packed, zigzag(count - before));
            before = count;
        } else {
            packed.extend_from_slice(&count.to_le_bytes());
        }
    }
    if !packed.is_empty() {
        bytes(out, field + if is_whole { 1 } else { 2 }, &packed);
    }
}

fn is_whole(count: f64) -> bool {
    (0.0..=WHOLE_MAX).contains(&count) && count.fract() == 0.0
}

fn whole_or_double(out: &mut Vec<u8>, whole: u32, float: u32, value: f64) {
    if is_whole(value) {
        varint_field(out, whole, value as u64);
    } else {
        double(out, float, value);
    }
}

fn push_label(out: &mut Vec<u8>, field: u32, label: &Label<'_>, escaping: Escaping) {
    let mut message = Vec::with_capacity(label.name.len() + label.value.len() + 8);
    bytes(&mut message, 1, escaping.label_name(&label.name).as_bytes());
    bytes(&mut message, 2, label.value.as_bytes());
    bytes(out, field, &message);
}

fn push_exemplar(out: &mut Vec<u8>, field: u32, exemplar: &Exemplar<'_>, escaping: Escaping) {
    let mut message = Vec::new();
    for label in &exemplar.labels {
        push_label(&mut message, 1, label, escaping);
    }
    double(&mut message, 2, exemplar.value);
    if let Some(time) = exemplar.time {
        bytes(&mut message, 3, &timestamp(time));
    }
    bytes(out, field, &message);
}

/// A `google.protobuf.Timestamp`.
fn timestamp(millis: i64) -> Vec<u8> {
    let mut message = Vec::new();
    varint_field(&mut message, 1, millis.div_euclid(1_000).cast_unsigned());
    varint_field(
        &mut message,
        2,
        millis.rem_euclid(1_000).cast_unsigned() * 1_000_000,
    );
    message
}

fn bytes(out: &mut Vec<u8>, field: u32, value: &[u8]) {
    varint(out, u64::from(field) << 3 | 2);
    varint(out, value.len() as u64);
    out.extend_from_slice(value);
}

fn double(out: &mut Vec<u8>, field: u32, value: f64) {
    varint(out, u64::from(field) << 3 | 1);
    out.extend_from_slice(&value.to_le_bytes());
}

fn varint_field(out: &mut Vec<u8>, field: u32, value: u64) {
    varint(out, u64::from(field) << 3);
    varint(out, value);
}

fn varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

//! `io.prometheus.client.MetricFamily`, each after its length.
//!
//! ```text
//! body      = (varint(length) MetricFamily)*
//! family      1 name · 2 help · 3 type · 4 metric* · 5 unit
//! metric      1 label* · 2 gauge · 3 counter · 4 summary · 5 untyped · 6 time (ms) · 7 histogram
//! gauge, untyped   1 value
//! counter     1 value · 2 exemplar · 3 created
//! summary     1 count · 2 sum · 3 quantile* (1 quantile · 2 value) · 4 created
//! ```
//!
//! Fields may come in any order, so a family is gone over twice: for what is said of it, and
//! for its metrics. As Prometheus does, counts and sums come before buckets and quantiles, a
//! bucket up to +Inf is added where there is none, and what is missing is zero.

mod exemplar;
mod histogram;

use super::Out;
use super::wire::{Field, Wire};
use crate::bounds::Options;
use crate::error::{Halt, Malformed, Place};
use crate::family::{Exemplar, Family, Kind, Label, Sample};
use crate::number;
use sonde_proto::SampleValue;
use std::borrow::Cow;

pub(super) fn read(body: &[u8], options: Options, out: Out<'_>) -> Result<(), Halt> {
    let mut reader = Reader {
        options,
        out,
        labels: Vec::new(),
        exemplars: Vec::new(),
        bound: String::new(),
        scratch: histogram::Scratch::default(),
    };
    let mut wire = Wire::new(body);
    while !wire.is_empty() {
        let family = wire.delimited()?;
        reader.family(family)?;
    }
    Ok(())
}

struct Reader<'a, 's> {
    options: Options,
    out: Out<'s>,
    labels: Vec<Label<'a>>,
    exemplars: Vec<Exemplar<'a>>,
    /// The text of a bound, written again for each bucket.
    bound: String,
    scratch: histogram::Scratch<'a>,
}

/// A family, and the names of its samples.
struct Head<'a> {
    family: Family<'a>,
    count: String,
    sum: String,
    bucket: String,
}

/// What all samples of one metric share.
#[derive(Clone, Copy)]
struct Shared {
    time: Option<i64>,
    start: Option<i64>,
    /// Where the metric is.
    place: Place,
}

impl<'a> Reader<'a, '_> {
    fn family(&mut self, wire: Wire<'a>) -> Result<(), Halt> {
        let head = self.head(wire)?;
        self.out.family(&head.family)?;
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            if number == 4 {
                self.metric(field.bytes(&rest)?, &head)?;
            }
        }
        Ok(())
    }

    fn head(&self, wire: Wire<'a>) -> Result<Head<'a>, Malformed> {
        let mut family = Family {
            kind: Kind::Counter,
            ..Family::default()
        };
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            match number {
                1 => family.name = Cow::Borrowed(self.name(field.bytes(&rest)?)?),
                2 => family.help = Cow::Borrowed(field.bytes(&rest)?.text()?),
                3 => family.kind = kind(field.varint(&rest)?, &rest)?,
                5 => family.unit = Cow::Borrowed(field.bytes(&rest)?.text()?),
                _ => {}
            }
        }
        if family.name.is_empty() {
            return Err(wire.error("the family has no name"));
        }
        let is_grouped = matches!(
            family.kind,
            Kind::Summary | Kind::Histogram | Kind::GaugeHistogram
        );
        let with = |suffix: &str| {
            if is_grouped {
                format!("{}{suffix}", family.name)
            } else {
                String::new()
            }
        };
        Ok(Head {
            count: with("_count"),
            sum: with("_sum"),
            bucket: with("_bucket"),
            family,
        })
    }

    fn name(&self, wire: Wire<'a>) -> Result<&'a str, Malformed> {
        let max = self.options.bounds.label_bytes;
        if wire.len() > max {
            return Err(wire.error(format!("the text is longer than {max} bytes")));
        }
        wire.text()
    }

    fn metric(&mut self, wire: Wire<'a>, head: &Head<'a>) -> Result<(), Halt> {
        self.labels.clear();
        let wanted = value_field(head.family.kind);
        let mut shared = Shared {
            time: None,
            start: None,
            place: Place::Byte(wire.offset()),
        };
        let mut value = None;
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            match number {
                1 => {
                    let label = label(field.bytes(&rest)?, self.options.bounds.label_bytes)?;
                    add(&mut self.labels, label, self.options.bounds.labels, &rest)?;
                }
                6 => shared.time = Some(field.varint(&rest)?.cast_signed()),
                _ if number == wanted => value = Some(field.bytes(&rest)?),
                _ => {}
            }
        }
        let Some(value) = value else {
            let message = format!(
                "a metric of family {:?} has no {}",
                shown(&head.family.name),
                head.family.kind.word()
            );
            return Err(wire.error(message).into());
        };
        match head.family.kind {
            Kind::Histogram | Kind::GaugeHistogram => self.histogram(value, head, shared),
            Kind::Summary => self.summary(value, head, shared),
            _ => self.single(value, head, shared),
        }
    }

    /// A counter, a gauge or what has no type.
    fn single(&mut self, wire: Wire<'a>, head: &Head<'a>, mut shared: Shared) -> Result<(), Halt> {
        let is_counter = head.family.kind == Kind::Counter;
        let (mut value, mut exemplars) = (0.0, 0);
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            match number {
                1 => value = field.double(&rest)?,
                2 if is_counter => {
                    let wire = field.bytes(&rest)?;
                    exemplar::read(wire, self.options.bounds, &mut self.exemplars, 0)?;
                    exemplars = 1;
                }
                3 if is_counter => shared.start = Some(millis(field.bytes(&rest)?)?),
                _ => {}
            }
        }
        self.give(
            &head.family.name,
            SampleValue::Float(number::plain(value)),
            shared,
            exemplars,
        )
    }

    fn summary(&mut self, wire: Wire<'a>, head: &Head<'a>, mut shared: Shared) -> Result<(), Halt> {
        let (mut count, mut sum) = (0.0, 0.0);
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            match number {
                1 => count = field.varint(&rest)? as f64,
                2 => sum = field.double(&rest)?,
                4 => shared.start = Some(millis(field.bytes(&rest)?)?),
                _ => {}
            }
        }
        self.float(&head.count, count, shared)?;
        self.float(&head.sum, sum, shared)?;
        let mut rest = wire;
        while let Some((number, field)) = rest.field()? {
            if number == 3 {
                let (quantile, value) = two_doubles(field.bytes(&rest)?)?;
                self.bounded(
                    &head.family.name,
                    "quantile",
                    quantile,
                    value,
                    shared,
                    0,
                    &rest,
                )?;
            }
        }
        Ok(())
    }

    fn float(&mut self, name: &str, value: f64, shared: Shared) -> Result<(), Halt> {
        self.give(name, SampleValue::Float(number::plain(value)), shared, 0)
    }

    /// A sample with one more label, whose value is a number.
    #[expect(
        clippy::too_many_arguments,
        reason = "a bucket and a quantile have nothing to name together"
    )]
    fn bounded(
        &mut self,
        name: &str,
        label: &'static str,
        bound: f64,
        value: f64,
        shared: Shared,
        exemplars: usize,
        at: &Wire<'_>,
    ) -> Result<(), Halt> {
        let mut text = std::mem::take(&mut self.bound).into_bytes();
        text.clear();
        number::write(&mut text, bound + 0.0, true);
        let text = String::from_utf8(text).unwrap_or_default();
        let bound = Label {
            name: Cow::Borrowed(label),
            value: Cow::Owned(text),
        };
        add(&mut self.labels, bound, self.options.bounds.labels, at)?;
        let given = self.give(
            name,
            SampleValue::Float(number::plain(value)),
            shared,
            exemplars,
        );
        if let Some(Label {
            value: Cow::Owned(text),
            ..
        }) = self.labels.pop()
        {
            self.bound = text;
        }
        given
    }

    /// Gives a sample with the labels at hand and the first of the exemplars at hand.
    fn give(
        &mut self,
        name: &str,
        value: SampleValue,
        shared: Shared,
        exemplars: usize,
    ) -> Result<(), Halt> {
        let sample = Sample {
            name,
            labels: &self.labels,
            time: shared.time,
            start: shared.start,
            value,
            exemplars: self.exemplars.get(..exemplars).unwrap_or_default(),
        };
        self.out.sample(&sample, || shared.place)
    }
}

fn kind(number: u64, at: &Wire<'_>) -> Result<Kind, Malformed> {
    Ok(match number {
        0 => Kind::Counter,
        1 => Kind::Gauge,
        2 => Kind::Summary,
        3 => Kind::Unknown,
        4 => Kind::Histogram,
        5 => Kind::GaugeHistogram,
        _ => {
            let message = format!("{number} is no type of metric: 0 to 5 are known");
            return Err(at.error(message));
        }
    })
}

/// The field of a metric that holds its value.
fn value_field(kind: Kind) -> u32 {
    match kind {
        Kind::Gauge => 2,
        Kind::Counter => 3,
        Kind::Summary => 4,
        Kind::Histogram | Kind::GaugeHistogram => 7,
        Kind::Unknown | Kind::Info | Kind::StateSet => 5,
    }
}

fn label<'a>(wire: Wire<'a>, bytes_max: usize) -> Result<Label<'a>, Malformed> {
    let (mut name, mut value) = ("", "");
    let mut rest = wire;
    while let Some((number, field)) = rest.field()? {
        let text = match number {
            1 => &mut name,
            2 => &mut value,
            _ => continue,
        };
        let bytes = field.bytes(&rest)?;
        if bytes.len() > bytes_max {
            return Err(bytes.error(format!("the text is longer than {bytes_max} bytes")));
        }
        *text = bytes.text()?;
    }
    if name.is_empty() || name == "__name__" {
        return Err(wire.error(format!("a label cannot have the name {name:?}")));
    }
    Ok(Label {
        name: Cow::Borrowed(name),
        value: Cow::Borrowed(value),
    })
}

fn add<'a>(
    labels: &mut Vec<Label<'a>>,
    label: Label<'a>,
    most: usize,
    at: &Wire<'_>,
) -> Result<(), Malformed> {
    if labels.len() == most {
        return Err(at.error(format!("there are more than {most} labels")));
    }
    if labels.iter().any(|other| other.name == label.name) {
        return Err(at.error(format!("label {:?} stands here twice", shown(&label.name))));
    }
    labels.push(label);
    Ok(())
}

/// A message of two doubles.
fn two_doubles(mut wire: Wire<'_>) -> Result<(f64, f64), Malformed> {
    let (mut first, mut second) = (0.0, 0.0);
    while let Some((number, field)) = wire.field()? {
        match number {
            1 => first = field.double(&wire)?,
            2 => second = field.double(&wire)?,
            _ => {}
        }
    }
    Ok((first, second))
}

/// A `google.protobuf.Timestamp` (1 seconds · 2 nanoseconds) in milliseconds.
fn millis(mut wire: Wire<'_>) -> Result<i64, Malformed> {
    let at = wire;
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    while let Some((number, field)) = wire.field()? {
        let value = match (number, field) {
            (1, Field::Varint(value)) => (&mut seconds, value),
            (2, Field::Varint(value)) => (&mut nanos, value),
            _ => continue,
        };
        *value.0 = value.1.cast_signed();
    }
    let millis = seconds.checked_mul(1_000);
    let millis = millis.and_then(|millis| millis.checked_add(nanos / 1_000_000));
    millis.ok_or_else(|| at.error("the time is out of range"))
}

/// The start of a name, for a message.
fn shown(text: &str) -> String {
    text.chars().take(100).collect()
}

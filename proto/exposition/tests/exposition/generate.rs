//! Bodies made up: families of every kind with any names, labels and values.

use proptest::prelude::*;
use sonde_exposition::{
    Answer, BucketSpan, Buckets, Escaping, Exemplar, Family, Histogram, Kind, Label, Protocol,
    Sample, SampleValue, Writer,
};
use std::borrow::Cow;
use std::sync::Arc;

/// A sample that owns all it has.
#[derive(Clone, Debug)]
pub(crate) struct Made {
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) time: Option<i64>,
    pub(crate) start: Option<i64>,
    pub(crate) value: SampleValue,
    pub(crate) exemplars: Vec<Exemplar<'static>>,
}

#[derive(Clone, Debug)]
pub(crate) struct MadeFamily {
    pub(crate) family: Family<'static>,
    pub(crate) samples: Vec<Made>,
}

pub(crate) fn label((name, value): &(String, String)) -> Label<'static> {
    Label {
        name: Cow::Owned(name.clone()),
        value: Cow::Owned(value.clone()),
    }
}

pub(crate) fn write(protocol: Protocol, escaping: Escaping, families: &[MadeFamily]) -> Vec<u8> {
    let mut body = Vec::new();
    let mut writer = Writer::new(Answer { protocol, escaping }, &mut body);
    for made in families {
        writer.family(&made.family).unwrap();
        for sample in &made.samples {
            let labels: Vec<_> = sample.labels.iter().map(label).collect();
            let sample = Sample {
                name: &sample.name,
                labels: &labels,
                time: sample.time,
                start: sample.start,
                value: sample.value.clone(),
                exemplars: &sample.exemplars,
            };
            writer.sample(&sample).unwrap();
        }
    }
    writer.end().unwrap();
    body
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<u64>().prop_map(f64::from_bits),
        any::<i32>().prop_map(f64::from),
        Just(0.0),
        Just(f64::INFINITY)
    ]
}

fn count() -> impl Strategy<Value = f64> {
    prop_oneof![
        (0_u32..1_000).prop_map(f64::from),
        (0_u64..1 << 53).prop_map(|n| n as f64),
        0.0..1e6_f64
    ]
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z_]{0,6}", "[a-z.]{0,6}", "\\PC{0,5}", ".{0,4}"]
}

fn labels() -> impl Strategy<Value = Vec<(String, String)>> {
    let value = prop_oneof!["[a-z]{0,5}", "\\PC{0,8}", "[\\\\\"n\n ]{0,6}"];
    prop::collection::vec((name(), value), 0..4).prop_map(|pairs| {
        let unique =
            |(at, (name, value)): (usize, (String, String))| (format!("l{at}{name}"), value);
        pairs.into_iter().enumerate().map(unique).collect()
    })
}

fn exemplar(timed: bool) -> impl Strategy<Value = Exemplar<'static>> {
    let time = if timed {
        any::<i64>().prop_map(Some).boxed()
    } else {
        any::<Option<i64>>().boxed()
    };
    let parts = (labels(), number(), time);
    parts.prop_map(|(labels, value, time)| Exemplar {
        labels: labels.iter().map(label).collect(),
        value,
        time,
    })
}

fn buckets() -> impl Strategy<Value = Buckets> {
    let span = (0..20_i32, 1..4_u32);
    let spans = (-50..50_i32, prop::collection::vec(span, 0..4));
    spans.prop_flat_map(|(first, mut spans)| {
        if let Some(span) = spans.first_mut() {
            span.0 = first;
        }
        let total: u32 = spans.iter().map(|span| span.1).sum();
        let as_span = |(offset, length)| BucketSpan { offset, length };
        let spans: Vec<_> = spans.into_iter().map(as_span).collect();
        let counts = prop::collection::vec(count(), total as usize);
        counts.prop_map(move |counts| Buckets {
            spans: spans.clone(),
            counts,
        })
    })
}

pub(crate) fn native() -> impl Strategy<Value = Histogram> {
    let parts = (
        -4..=8_i8,
        0.0..1.0_f64,
        count(),
        count(),
        number(),
        buckets(),
        buckets(),
    );
    parts.prop_map(
        |(schema, zero_threshold, zero_count, count, sum, positive, negative)| Histogram {
            schema,
            zero_threshold,
            zero_count,
            count,
            sum,
            positive,
            negative,
            ..Histogram::default()
        },
    )
}

/// One metric: what its labels, times and values are, before it is put into a family.
type Parts = (
    Vec<(String, String)>,
    Option<i64>,
    Option<i64>,
    Vec<f64>,
    Histogram,
    Vec<Exemplar<'static>>,
);

fn parts() -> impl Strategy<Value = Parts> {
    let time = || {
        prop_oneof![
            any::<Option<i64>>(),
            (0..2_000_000_000_000_i64).prop_map(Some)
        ]
    };
    let exemplars = prop::collection::vec(exemplar(true), 0..3);
    let values = prop::collection::vec(number(), 8);
    (labels(), time(), time(), values, native(), exemplars)
}

/// Families with names of their own.
pub(crate) fn families() -> impl Strategy<Value = Vec<MadeFamily>> {
    let family = (
        0..8_usize,
        name(),
        "\\PC{0,10}|[\\\\\"\n]{1,4}",
        prop::collection::vec(parts(), 1..4),
    );
    prop::collection::vec(family, 0..5).prop_map(|families| {
        let made = families.into_iter().enumerate();
        made.map(|(at, (kind, name, help, metrics))| {
            family_of(kind, format!("m{at}{name}"), help, metrics)
        })
        .collect()
    })
}

fn family_of(kind: usize, name: String, help: String, metrics: Vec<Parts>) -> MadeFamily {
    let kind = [
        Kind::Unknown,
        Kind::Counter,
        Kind::Gauge,
        Kind::Histogram,
        Kind::Summary,
        Kind::Info,
        Kind::StateSet,
        // A histogram again, native.
        Kind::Histogram,
    ]
    .into_iter()
    .nth(kind)
    .map(|of| (of, kind == 7))
    .unwrap();
    let mut samples = Vec::new();
    for (at, mut parts) in metrics.into_iter().enumerate() {
        parts.0.push(("unique".to_owned(), at.to_string()));
        samples_of(kind, &name, parts, &mut samples);
    }
    MadeFamily {
        family: Family {
            name: Cow::Owned(name),
            kind: kind.0,
            help: Cow::Owned(help),
            unit: Cow::Borrowed(""),
        },
        samples,
    }
}

fn samples_of((kind, is_native): (Kind, bool), name: &str, parts: Parts, out: &mut Vec<Made>) {
    let (labels, time, start, values, native, exemplars) = parts;
    let made = |suffix: &str, bound: Option<(&str, &str)>, value: f64| {
        let mut labels = labels.clone();
        labels.extend(bound.map(|(name, value)| (name.to_owned(), value.to_owned())));
        Made {
            name: format!("{name}{suffix}"),
            labels,
            time,
            start: start
                .filter(|_| matches!(kind, Kind::Counter | Kind::Histogram | Kind::Summary)),
            value: SampleValue::Float(value),
            exemplars: Vec::new(),
        }
    };
    let first = || exemplars.first().cloned().into_iter().collect::<Vec<_>>();
    match kind {
        Kind::Histogram if is_native => out.push(Made {
            value: SampleValue::Histogram(Arc::new(native)),
            exemplars,
            ..made("", None, 0.0)
        }),
        Kind::Histogram => {
            let mut below = 0.0;
            for (at, bound) in ["0.0", "0.25", "1e+06", "+Inf"].into_iter().enumerate() {
                below += native.positive.counts.get(at).copied().unwrap_or(1.0);
                out.push(Made {
                    exemplars: first(),
                    ..made("_bucket", Some(("le", bound)), below)
                });
            }
            out.push(made("_sum", None, values[0]));
            out.push(made("_count", None, below));
        }
        Kind::Summary => {
            for (at, bound) in ["0.5", "0.99"].into_iter().enumerate() {
                out.push(made("", Some(("quantile", bound)), values[at]));
            }
            out.push(made("_sum", None, values[2]));
            out.push(made("_count", None, native.count.trunc()));
        }
        Kind::Counter => out.push(Made {
            exemplars: first(),
            ..made("_total", None, values[0])
        }),
        Kind::Info => out.push(made("_info", None, 1.0)),
        _ => out.push(made("", None, values[0])),
    }
}

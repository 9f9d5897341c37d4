//! A sink that keeps all it is given.

use sonde_exposition::{
    Exemplar, Family, Format, Histogram, Kind, Label, Malformed, Options, Sample, SampleValue,
    Sink, read,
};
use std::borrow::Cow;
use std::ops::ControlFlow;
use std::sync::Arc;

/// A value that is equal to itself, even NaN.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Float(u64),
    Histogram(Arc<Histogram>),
}

impl Value {
    pub(crate) fn float(number: f64) -> Self {
        Self::Float(number.to_bits())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub(crate) kind: Kind,
    pub(crate) name: String,
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) time: Option<i64>,
    pub(crate) start: Option<i64>,
    pub(crate) value: Value,
    pub(crate) exemplars: Vec<KeptExemplar>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct KeptExemplar {
    pub(crate) labels: Vec<(String, String)>,
    pub(crate) value: u64,
    pub(crate) time: Option<i64>,
}

#[derive(Default)]
pub(crate) struct Collected {
    pub(crate) families: Vec<Family<'static>>,
    pub(crate) samples: Vec<Kept>,
    /// Breaks after so many samples.
    pub(crate) most: Option<usize>,
}

pub(crate) fn pairs(labels: &[Label<'_>]) -> Vec<(String, String)> {
    let owned = |label: &Label<'_>| (label.name.to_string(), label.value.to_string());
    labels.iter().map(owned).collect()
}

pub(crate) fn own(family: &Family<'_>) -> Family<'static> {
    Family {
        name: Cow::Owned(family.name.to_string()),
        kind: family.kind,
        help: Cow::Owned(family.help.to_string()),
        unit: Cow::Owned(family.unit.to_string()),
    }
}

impl Sink for Collected {
    fn family(&mut self, family: &Family<'_>) -> ControlFlow<()> {
        self.families.push(own(family));
        ControlFlow::Continue(())
    }

    fn sample(&mut self, sample: &Sample<'_>) -> ControlFlow<()> {
        let family = self.families.last().expect("a family comes first");
        assert!(family.has(sample.name), "{} in {family:?}", sample.name);
        let exemplar = |exemplar: &Exemplar<'_>| KeptExemplar {
            labels: pairs(&exemplar.labels),
            value: exemplar.value.to_bits(),
            time: exemplar.time,
        };
        self.samples.push(Kept {
            kind: family.kind,
            name: sample.name.to_owned(),
            labels: pairs(sample.labels),
            time: sample.time,
            start: sample.start,
            value: match &sample.value {
                SampleValue::Float(number) => Value::float(*number),
                SampleValue::Histogram(histogram) => Value::Histogram(Arc::clone(histogram)),
            },
            exemplars: sample.exemplars.iter().map(exemplar).collect(),
        });
        match self.most {
            Some(most) if self.samples.len() >= most => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

pub(crate) fn collect_with(
    format: Format,
    body: &[u8],
    options: &Options,
) -> Result<Collected, Malformed> {
    let mut collected = Collected::default();
    read(format, body, options, &mut collected)?;
    Ok(collected)
}

pub(crate) fn collect(format: Format, body: impl AsRef<[u8]>) -> Result<Collected, Malformed> {
    collect_with(format, body.as_ref(), &Options::default())
}

/// One line a sample, for tables: `name{a="b"} value @time ^start #exemplar`.
pub(crate) fn lines(collected: &Collected) -> Vec<String> {
    collected.samples.iter().map(line).collect()
}

fn line(kept: &Kept) -> String {
    let mut text = format!("{}{}", kept.name, braces(&kept.labels));
    match &kept.value {
        Value::Float(bits) => text += &format!(" {}", f64::from_bits(*bits)),
        Value::Histogram(histogram) => text += &format!(" {histogram:?}"),
    }
    if let Some(time) = kept.time {
        text += &format!(" @{time}");
    }
    if let Some(start) = kept.start {
        text += &format!(" ^{start}");
    }
    for exemplar in &kept.exemplars {
        let value = f64::from_bits(exemplar.value);
        text += &format!(" #{}{value}", braces(&exemplar.labels));
        if let Some(time) = exemplar.time {
            text += &format!("@{time}");
        }
    }
    text
}

fn braces(labels: &[(String, String)]) -> String {
    let pair = |(name, value): &(String, String)| format!("{name}={value:?}");
    let inside: Vec<_> = labels.iter().map(pair).collect();
    format!("{{{}}}", inside.join(","))
}

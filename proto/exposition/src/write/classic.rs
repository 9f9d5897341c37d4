//! Custom buckets as the classic histogram that they are.

use crate::family::{Label, Sample};
use crate::number;
use sonde_proto::{Histogram, SampleValue};
use std::borrow::Cow;
use std::io;

/// Gives `add` the samples of the classic histogram: buckets, sum, count.
pub(super) fn expand(
    sample: &Sample<'_>,
    histogram: &Histogram,
    mut add: impl FnMut(&Sample<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let named = |suffix: &str| format!("{}{suffix}", sample.name);
    let name = named("_bucket");
    let mut labels = sample.labels.to_vec();
    labels.retain(|label| label.name != "le");
    let mut counts = histogram
        .positive
        .indexes()
        .zip(&histogram.positive.counts)
        .peekable();
    let mut below = 0.0;
    for (at, bound) in histogram.bounds.iter().enumerate() {
        while let Some((_, count)) = counts.next_if(|(index, _)| *index <= at as i64) {
            below += count;
        }
        bucket(sample, &name, &mut labels, *bound, below, &mut add)?;
    }
    bucket(
        sample,
        &name,
        &mut labels,
        f64::INFINITY,
        histogram.count,
        &mut add,
    )?;
    for (suffix, value) in [("_sum", histogram.sum), ("_count", histogram.count)] {
        let name = named(suffix);
        add(&float(sample, &name, &labels, value))?;
    }
    Ok(())
}

fn bucket<'s>(
    of: &Sample<'s>,
    name: &str,
    labels: &mut Vec<Label<'s>>,
    bound: f64,
    value: f64,
    add: &mut impl FnMut(&Sample<'_>) -> io::Result<()>,
) -> io::Result<()> {
    let mut text = Vec::new();
    number::write(&mut text, bound, true);
    labels.push(Label {
        name: Cow::Borrowed("le"),
        value: Cow::Owned(String::from_utf8(text).unwrap_or_default()),
    });
    let added = add(&float(of, name, labels, value));
    labels.pop();
    added
}

fn float<'s>(of: &Sample<'_>, name: &'s str, labels: &'s [Label<'s>], value: f64) -> Sample<'s> {
    Sample {
        name,
        labels,
        time: of.time,
        start: of.start,
        value: SampleValue::Float(value),
        exemplars: &[],
    }
}

//! Series and answers as rows of values, read from text and compared.

use super::{Memory, literal};
use crate::{RangeSeries, Samples, histogram, parse_selector, stale_nan};
use sonde_proto::{Labels, SampleValue, UnixNanos};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) fn load(step: i64, lines: &[&str]) -> Memory {
    let mut memory: Vec<(Labels, Samples)> = Vec::new();
    for line in lines {
        if let Some(starts) = line.strip_prefix("since ") {
            since(&mut memory.last_mut().unwrap().1, step, starts);
            continue;
        }
        let (labels, values) = labelled(line);
        let mut samples = Samples::default();
        for (n, value) in (0..).zip(values) {
            match value {
                Some(SampleValue::Float(value)) => samples.push(n * step, value),
                Some(SampleValue::Histogram(value)) => samples.push_histogram(n * step, value),
                None => {}
            }
        }
        memory.push((labels, samples));
    }
    Memory(memory)
}

/// Since when the samples at each step count, in seconds before them.
fn since(samples: &mut Samples, step: i64, starts: &str) {
    let starts = starts.split_whitespace().flat_map(values);
    for (n, start) in (0..).zip(starts) {
        let Some(SampleValue::Float(before)) = start else {
            continue;
        };
        let time = n * step;
        let start = time - (before * 1e3) as i64;
        if let Ok(at) = samples.times.binary_search(&time) {
            samples.set_start(at, start);
        }
        let mut histograms = samples.histograms.iter_mut();
        if let Some(histogram) = histograms.find(|h| h.time == time) {
            histogram.start = start;
        }
    }
}

/// `m{a="1"} 1 2 3`
pub(super) fn labelled(line: &str) -> Row {
    let head = line.find("{{").map_or(line, |at| &line[..at]);
    let end = head
        .rfind('}')
        .map_or_else(|| line.find(' ').unwrap(), |at| at + 1);
    let (series, rest) = line.split_at(end);
    let labels = if series == "{}" {
        Labels::empty()
    } else {
        let matchers = parse_selector(series).unwrap();
        matchers
            .iter()
            .map(|m| (m.name.as_str(), m.value.as_str()))
            .collect()
    };
    let words = literal::words(rest);
    (labels, words.iter().flat_map(|word| values(word)).collect())
}

/// One word of values.
fn values(word: &str) -> Vec<Option<SampleValue>> {
    if word.starts_with("{{") {
        return repeated(word);
    }
    let (first, times) = word.rsplit_once('x').unwrap_or((word, "0"));
    let times: usize = times.parse().unwrap();
    if first == "_" {
        return vec![None; times + usize::from(times == 0)];
    }
    // A sign behind the first digit begins the step.
    let sign = first
        .char_indices()
        .skip(1)
        .find(|(at, c)| ['+', '-'].contains(c) && !first[..*at].ends_with('e'));
    let (start, step) = sign.map_or((first, "0"), |(at, _)| first.split_at(at));
    let (start, step) = (number(start), number(step));
    (0..=times)
        .map(|n| {
            Some(SampleValue::Float(if n == 0 {
                start
            } else {
                start + step * n as f64
            }))
        })
        .collect()
}

/// `{{…}}x3` repeats it, `{{…}}+{{…}}x3` adds to it each time.
fn repeated(word: &str) -> Vec<Option<SampleValue>> {
    let (first, times) = match word.rsplit_once("}}x") {
        Some((first, times)) => (format!("{first}}}}}"), times.parse().unwrap()),
        None => (word.to_owned(), 0),
    };
    let (start, step) = match first.split_once("}}+") {
        Some((start, step)) => (format!("{start}}}}}"), Some(literal::histogram(step))),
        None => (first, None),
    };
    let mut now = literal::histogram(&start);
    let mut all = vec![Some(SampleValue::Histogram(Arc::new(now.clone())))];
    for _ in 0..times {
        if let Some(step) = &step {
            histogram::add(&mut now, step).unwrap();
        }
        all.push(Some(SampleValue::Histogram(Arc::new(now.clone()))));
    }
    all
}

pub(super) fn number(text: &str) -> f64 {
    match text {
        "stale" => stale_nan(),
        "Inf" | "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        other => other
            .parse()
            .unwrap_or_else(|_| panic!("{other} is no number")),
    }
}

pub(super) fn is_close(a: f64, b: f64) -> bool {
    let near = (a - b).abs() <= 1e-9 * a.abs().max(b.abs());
    a == b || (a.is_nan() && b.is_nan()) || (a.is_finite() && b.is_finite() && near)
}

pub(super) fn by_time(series: &RangeSeries) -> BTreeMap<UnixNanos, SampleValue> {
    let floats = series.samples.iter();
    let floats = floats.map(|(time, value)| (*time, SampleValue::Float(*value)));
    let histograms = series.histograms.iter();
    let histograms = histograms.map(|(time, h)| (*time, SampleValue::Histogram(h.clone())));
    floats.chain(histograms).collect()
}

pub(super) type Row = (Labels, Vec<Option<SampleValue>>);

pub(super) fn compare(found: &[Row], wanted: &[Row]) -> Result<(), String> {
    let same_value = |pair: (&Option<SampleValue>, &Option<SampleValue>)| match pair {
        (Some(SampleValue::Float(a)), Some(SampleValue::Float(b))) => is_close(*a, *b),
        (Some(SampleValue::Histogram(a)), Some(SampleValue::Histogram(b))) => {
            literal::is_close(a, b)
        }
        (a, b) => a.is_none() && b.is_none(),
    };
    let same_row = |(found, wanted): (&Row, &Row)| {
        found.0 == wanted.0
            && found.1.len() == wanted.1.len()
            && found.1.iter().zip(&wanted.1).all(same_value)
    };
    if found.len() == wanted.len() && found.iter().zip(wanted).all(same_row) {
        return Ok(());
    }
    let shown = |value: &Option<SampleValue>| match value {
        None => " _".to_owned(),
        Some(SampleValue::Float(value)) => format!(" {value}"),
        Some(SampleValue::Histogram(h)) => {
            let (schema, hint, zero) = (h.schema, h.hint, h.zero_threshold);
            let text = histogram::text(h);
            format!(
                " {text} schema {schema} {hint:?} zero {zero} {:?}",
                h.bounds
            )
        }
    };
    let lines = found.iter().map(|(labels, values)| {
        let values: String = values.iter().map(shown).collect();
        format!("\n      {labels}{values}")
    });
    Err(format!("gives{}", lines.collect::<String>()))
}

//! Histograms in the language of tests.
//!
//! ```text
//! {{schema:0 sum:5 count:4 buckets:[1 2 1]}}     buckets above zero, from index `offset` on
//! offset: n_buckets: n_offset:                    the first index; buckets below zero
//! z_bucket: z_bucket_w:                           the zero bucket and its width
//! custom_values:[5 10]                            with schema -53
//! counter_reset_hint:gauge                        or unknown, reset, not_reset
//! ```

use sonde_proto::{BucketSpan, Buckets, Histogram, ResetHint};

/// Cuts a line into words; what stands in double braces is one.
pub(super) fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut inside = false;
    for (at, c) in line.char_indices() {
        inside |= line[at..].starts_with("{{");
        if inside && line[..at].ends_with("}}") && !line[at..].starts_with('}') {
            inside = false;
        }
        match words.last_mut() {
            Some(word) if inside || !c.is_whitespace() => word.push(c),
            _ => words.push(String::new()),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

pub(super) fn histogram(text: &str) -> Histogram {
    let body = text
        .strip_prefix("{{")
        .and_then(|rest| rest.strip_suffix("}}"));
    let body = body.unwrap_or_else(|| panic!("{text} is no histogram"));
    let mut made = Histogram::default();
    let (mut offsets, mut counts) = ([0, 0], [Vec::new(), Vec::new()]);
    for (key, value) in fields(body) {
        let number = || super::number(value);
        let list = || {
            let list = value.trim_start_matches('[').trim_end_matches(']');
            list.split_whitespace().map(super::number).collect()
        };
        match key {
            "schema" => made.schema = value.parse().unwrap(),
            "sum" => made.sum = number(),
            "count" => made.count = number(),
            "z_bucket" => made.zero_count = number(),
            "z_bucket_w" => made.zero_threshold = number(),
            "offset" => offsets[0] = value.parse().unwrap(),
            "n_offset" => offsets[1] = value.parse().unwrap(),
            "buckets" => counts[0] = list(),
            "n_buckets" => counts[1] = list(),
            "custom_values" => made.bounds = list().into(),
            "counter_reset_hint" => made.hint = hint(value),
            other => panic!("what is {other:?} in {text}?"),
        }
    }
    let [positive, negative] = counts;
    made.positive = side(offsets[0], positive);
    made.negative = side(offsets[1], negative);
    made
}

/// `key:value`, where a value may be a list in brackets.
fn fields(body: &str) -> Vec<(&str, &str)> {
    let mut fields = Vec::new();
    let mut rest = body.trim();
    while let Some((key, after)) = rest.split_once(':') {
        let end = if after.starts_with('[') {
            after.find(']').unwrap() + 1
        } else {
            after.find(' ').unwrap_or(after.len())
        };
        fields.push((key.trim(), &after[..end]));
        rest = &after[end..];
    }
    fields
}

fn hint(text: &str) -> ResetHint {
    match text {
        "unknown" => ResetHint::Unknown,
        "reset" => ResetHint::Reset,
        "not_reset" => ResetHint::NotReset,
        "gauge" => ResetHint::Gauge,
        other => panic!("{other} is no hint"),
    }
}

fn side(offset: i32, counts: Vec<f64>) -> Buckets {
    if counts.is_empty() {
        return Buckets::default();
    }
    let length = counts.len() as u32;
    Buckets {
        spans: vec![BucketSpan { offset, length }],
        counts,
    }
}

/// Whether an answer is as it was wanted: numbers nearly, and the hint where one is wanted.
pub(super) fn is_close(found: &Histogram, wanted: &Histogram) -> bool {
    let pairs = [
        (found.count, wanted.count),
        (found.sum, wanted.sum),
        (found.zero_count, wanted.zero_count),
        (found.zero_threshold, wanted.zero_threshold),
    ];
    let sides = [
        (&found.positive, &wanted.positive),
        (&found.negative, &wanted.negative),
    ];
    let held = |side: &Buckets| -> Vec<(i64, f64)> {
        let held = side.indexes().zip(side.counts.iter().copied());
        held.filter(|(_, count)| *count != 0.0).collect()
    };
    let same_side = |(a, b): (&Buckets, &Buckets)| {
        let (a, b) = (held(a), held(b));
        a.len() == b.len()
            && a.iter()
                .zip(&b)
                .all(|(a, b)| a.0 == b.0 && super::is_close(a.1, b.1))
    };
    found.schema == wanted.schema
        && found.bounds == wanted.bounds
        && (wanted.hint == ResetHint::Unknown || found.hint == wanted.hint)
        && pairs.iter().all(|(a, b)| super::is_close(*a, *b))
        && sides.into_iter().all(same_side)
}

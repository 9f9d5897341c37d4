//! Functions over ranges that have histograms in them, alone or beside floats.

use super::Window;
use super::counters::{Begin, stretch};
use super::starts::{Counted, are_apart};
use crate::histogram::{self, Total, Unlike, divide, is_custom, scale};
use crate::notes::{About, Note, Operation};
use crate::sample::HistogramSample;
use sonde_proto::{Histogram, ResetHint, SampleValue};
use std::sync::Arc;

/// Computes a range with at least one histogram in it.
pub(crate) type Apply = fn(&Window<'_>, &About<'_>) -> Option<SampleValue>;

/// What a function makes of ranges with histograms.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Native {
    /// It takes floats only, which is said where there are both.
    Ignored,
    /// It computes them.
    Computed(Apply),
}

pub(super) const RATE: Native = Native::Computed(|w, about| rated(w, about, true, true));
pub(super) const INCREASE: Native = Native::Computed(|w, about| rated(w, about, true, false));
pub(super) const DELTA: Native = Native::Computed(|w, about| rated(w, about, false, false));
pub(super) const IRATE: Native = Native::Computed(|w, about| last_change(w, about, true));
pub(super) const IDELTA: Native = Native::Computed(|w, about| last_change(w, about, false));
pub(super) const CHANGES: Native =
    Native::Computed(|w, _| count_pairs(w, is_change, w.dropped.changes));
pub(super) const RESETS: Native =
    Native::Computed(|w, _| count_pairs(w, begins_anew, w.dropped.resets));
pub(super) const SUM: Native = Native::Computed(|w, about| totalled(w, about, false));
pub(super) const AVG: Native = Native::Computed(|w, about| totalled(w, about, true));
pub(super) const COUNT: Native = Native::Computed(|w, _| {
    let count = (w.values.len() + w.histograms.len()) as f64 + w.dropped.count;
    Some(SampleValue::Float(count.round()))
});
pub(super) const PRESENT: Native = Native::Computed(|_, _| Some(SampleValue::Float(1.0)));
pub(super) const FIRST: Native = Native::Computed(|w, _| Some(one(merged(w).first()?)));
pub(super) const LAST: Native = Native::Computed(|w, _| Some(one(merged(w).last()?)));
pub(super) const TIME_OF_FIRST: Native = Native::Computed(|w, _| Some(time(merged(w).first()?)));
pub(super) const TIME_OF_LAST: Native = Native::Computed(|w, _| Some(time(merged(w).last()?)));

/// One sample of a range.
#[derive(Clone, Copy)]
enum Seen<'w> {
    Float(Counted, f64),
    Histogram(&'w HistogramSample),
}

impl Seen<'_> {
    fn time(&self) -> i64 {
        match self {
            Self::Float(counted, _) => counted.time,
            Self::Histogram(sample) => sample.time,
        }
    }
}

/// Floats and histograms by time.
fn merged<'w>(w: &Window<'w>) -> Vec<Seen<'w>> {
    let floats = w.values.iter().enumerate();
    let floats = floats.map(|(at, value)| Seen::Float(w.counted(at), *value));
    let mut all: Vec<Seen<'w>> = floats
        .chain(w.histograms.iter().map(Seen::Histogram))
        .collect();
    all.sort_by_key(Seen::time);
    all
}

fn one(seen: &Seen<'_>) -> SampleValue {
    match seen {
        Seen::Float(_, value) => SampleValue::Float(*value),
        Seen::Histogram(sample) => SampleValue::Histogram(Arc::clone(&sample.value)),
    }
}

fn time(seen: &Seen<'_>) -> SampleValue {
    SampleValue::Float(seen.time() as f64 / 1e3)
}

fn made(mut histogram: Histogram) -> SampleValue {
    histogram::compact(&mut histogram);
    SampleValue::Histogram(Arc::new(histogram))
}

/// Whether floats are in the range too, which is said.
fn is_mixed(w: &Window<'_>, about: &About<'_>) -> bool {
    if !w.values.is_empty() {
        about.add(Note::MixedRange(about.metric));
    }
    !w.values.is_empty()
}

fn totalled(w: &Window<'_>, about: &About<'_>, is_mean: bool) -> Option<SampleValue> {
    if is_mixed(w, about) {
        return None;
    }
    let mut total = Total::default();
    for sample in w.histograms {
        if total.add(&sample.value).is_err() {
            about.add(Note::MixedSchemas(about.metric));
            return None;
        }
    }
    let note = |note| about.add(note);
    let found = if is_mean {
        total.mean(note)
    } else {
        total.sum(note)
    };
    found.ok().map(made)
}

/// The change over the range, stretched to its edges as that of floats.
fn rated(
    w: &Window<'_>,
    about: &About<'_>,
    is_counter: bool,
    per_second: bool,
) -> Option<SampleValue> {
    if is_mixed(w, about) {
        return None;
    }
    let (first, last) = (w.histograms.first()?, w.histograms.last()?);
    let zero = w.zero(first.into()).filter(|_| is_counter);
    let change = match (w.histograms, zero) {
        ([_], None) => None,
        ([only], Some(_)) => Some(Histogram::clone(&only.value)),
        _ => changed(w.histograms, about, is_counter),
    };
    let mut change = change?;
    let begin = match zero {
        Some(zero) => {
            if w.histograms.len() > 1 {
                add_noting(&mut change, &first.value, about)?;
            }
            Begin::Zero(zero)
        }
        None if is_counter => Begin::Counter(first.value.count, change.count),
        None => Begin::Gauge,
    };
    let times = (first.time, last.time);
    let samples = w.histograms.len() as f64 + w.dropped.count;
    let mut factor = stretch(w, times, samples, begin);
    if per_second {
        factor /= (w.end - w.start) as f64 / 1e3;
    }
    scale(&mut change, factor);
    change.hint = ResetHint::Gauge;
    Some(made(change))
}

/// Adds what was counted before the first sample.
fn add_noting(change: &mut Histogram, first: &Histogram, about: &About<'_>) -> Option<()> {
    match histogram::add(change, first) {
        Ok(combined) => {
            if combined.other_bounds {
                about.add(Note::OtherBounds(Operation::Addition));
            }
            Some(())
        }
        Err(Unlike) => {
            about.add(Note::MixedSchemas(about.metric));
            None
        }
    }
}

/// The last of at least two samples less the first, and what was lost in resets.
fn changed(samples: &[HistogramSample], about: &About<'_>, is_counter: bool) -> Option<Histogram> {
    let (first, rest) = samples.split_first()?;
    let last = rest.last()?;
    let is_gauge = |sample: &HistogramSample| sample.value.hint == ResetHint::Gauge;
    if is_counter && samples.iter().any(is_gauge) {
        about.add(Note::NotCounter(about.metric));
    }
    let are_gauges = is_gauge(first) && is_gauge(last);
    if !is_counter && !are_gauges {
        about.add(Note::NotGauge(about.metric));
    }
    // What came before a reset right behind it needs no look at how its buckets are.
    let starts_anew = is_counter && are_apart(first, rest.first()?);
    let custom = is_custom(&last.value);
    let between = if is_counter {
        rest
    } else {
        std::slice::from_ref(last)
    };
    let looked_at = std::iter::once(first)
        .filter(|_| !starts_anew)
        .chain(between);
    let mut coarsest = last.value.schema;
    for sample in looked_at {
        if is_custom(&sample.value) != custom {
            about.add(Note::MixedSchemas(about.metric));
            return None;
        }
        coarsest = coarsest.min(sample.value.schema);
    }
    let mut change = Histogram::clone(&last.value);
    histogram::reduce(&mut change, coarsest);
    let mut combined = Ok(false);
    if !starts_anew {
        combined = histogram::subtract(&mut change, &first.value).map(|c| c.other_bounds);
    }
    if is_counter {
        let pairs = samples.windows(2).skip(usize::from(starts_anew));
        for pair in pairs.filter(|pair| are_apart(&pair[0], &pair[1])) {
            let added = histogram::add(&mut change, &pair[0].value).map(|c| c.other_bounds);
            combined = combined.and_then(|before| added.map(|now| before | now));
        }
    }
    match combined {
        Ok(other_bounds) => {
            if other_bounds {
                about.add(Note::OtherBounds(Operation::Subtraction));
            }
            Some(change)
        }
        Err(Unlike) => {
            about.add(Note::MixedSchemas(about.metric));
            None
        }
    }
}

/// Between the last two samples.
fn last_change(w: &Window<'_>, about: &About<'_>, is_counter: bool) -> Option<SampleValue> {
    let all = merged(w);
    let [.., before, now] = all.as_slice() else {
        return None;
    };
    let seconds = (now.time() - before.time()) as f64 / 1e3;
    if seconds <= 0.0 {
        return None;
    }
    match (before, now) {
        (Seen::Float(_, start), Seen::Float(_, value)) => {
            let change = if is_counter && begins_anew(*before, *now) {
                *value
            } else {
                value - start
            };
            let per = if is_counter { seconds } else { 1.0 };
            Some(SampleValue::Float(change / per))
        }
        (Seen::Histogram(before), Seen::Histogram(now)) => {
            let mut change = histogram_change(before, now, about, is_counter)?;
            if is_counter {
                divide(&mut change, seconds);
            }
            change.hint = ResetHint::Gauge;
            Some(made(change))
        }
        _ => {
            about.add(Note::MixedRange(about.metric));
            None
        }
    }
}

fn histogram_change(
    before: &HistogramSample,
    now: &HistogramSample,
    about: &About<'_>,
    is_counter: bool,
) -> Option<Histogram> {
    let gauges = [before, now].map(|h| h.value.hint == ResetHint::Gauge);
    if is_counter && gauges.contains(&true) {
        about.add(Note::NotCounter(about.metric));
    }
    if !is_counter && gauges.contains(&false) {
        about.add(Note::NotGauge(about.metric));
    }
    let mut change = Histogram::clone(&now.value);
    if is_counter && are_apart(before, now) {
        return Some(change);
    }
    match histogram::subtract(&mut change, &before.value) {
        Ok(combined) => {
            if combined.other_bounds {
                about.add(Note::OtherBounds(Operation::Subtraction));
            }
            Some(change)
        }
        Err(Unlike) => {
            about.add(Note::MixedSchemas(about.metric));
            None
        }
    }
}

/// How many neighbours count, and what is known of floats among those that were dropped.
fn count_pairs(
    w: &Window<'_>,
    counts: fn(Seen<'_>, Seen<'_>) -> bool,
    dropped: f64,
) -> Option<SampleValue> {
    let all = merged(w);
    let pairs = all.windows(2).filter(|pair| counts(pair[0], pair[1]));
    Some(SampleValue::Float((pairs.count() as f64 + dropped).round()))
}

fn is_change(before: Seen<'_>, now: Seen<'_>) -> bool {
    match (before, now) {
        (Seen::Float(_, a), Seen::Float(_, b)) => a != b && !(a.is_nan() && b.is_nan()),
        (Seen::Histogram(a), Seen::Histogram(b)) => !histogram::equal(&a.value, &b.value),
        _ => true,
    }
}

fn begins_anew(before: Seen<'_>, now: Seen<'_>) -> bool {
    match (before, now) {
        (Seen::Float(earlier, before), Seen::Float(later, now)) => {
            now < before || later.begins_after(earlier)
        }
        (Seen::Histogram(before), Seen::Histogram(now)) => are_apart(before, now),
        _ => true,
    }
}

//! The series that a rule has made, and the marker that ends those it makes no more.

use crate::query::RuleSample;
use sonde_proto::{Labels, SampleValue, UnixNanos};
use std::collections::BTreeSet;

pub(crate) const NAME: &str = "__name__";

/// The value that ends a series (Prometheus' `model/value`, `StaleNaN`).
const STALE: f64 = f64::from_bits(0x7ff0_0000_0000_0002);

/// A marker for each series of `before` that is not among those made now.
pub(crate) fn ended<'a>(
    before: &'a BTreeSet<Labels>,
    now: &'a BTreeSet<Labels>,
    time: UnixNanos,
) -> impl Iterator<Item = RuleSample> + 'a {
    before.difference(now).map(move |labels| RuleSample {
        labels: labels.clone(),
        time,
        value: SampleValue::Float(STALE),
    })
}

/// The label sets of samples.
pub(crate) fn of(samples: &[RuleSample]) -> BTreeSet<Labels> {
    samples.iter().map(|sample| sample.labels.clone()).collect()
}

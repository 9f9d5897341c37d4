//! Many histograms added up, so that small parts beside large ones are not lost (Kahan and
//! Neumaier): what each count and the sum lost to rounding is kept beside them, in a histogram
//! of the same buckets.

use super::combine::{align, join_hints};
use super::layout::{rebound, reduce, widen_zero};
use super::{Unlike, divide, side};
use crate::notes::{Note, Operation};
use sonde_proto::{Buckets, Histogram, ResetHint};
use std::borrow::Cow;

/// The sum of the histograms so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    sum: Option<Histogram>,
    /// What `sum` lacks.
    lost: Histogram,
    count: u32,
    is_unlike: bool,
    other_bounds: bool,
    after_reset: bool,
    after_none: bool,
}

impl Total {
    /// Adds one; those that cannot be added spoil the sum.
    pub(crate) fn add(&mut self, histogram: &Histogram) -> Result<(), Unlike> {
        self.count += 1;
        self.after_reset |= histogram.hint == ResetHint::Reset;
        self.after_none |= histogram.hint == ResetHint::NotReset;
        let Some(sum) = &mut self.sum else {
            self.sum = Some(histogram.clone());
            self.lost = nothing_in(histogram);
            return Ok(());
        };
        let mut other = Cow::Borrowed(histogram);
        let aligned = align(sum, &mut other);
        self.is_unlike |= aligned.is_err();
        self.other_bounds |= aligned?;
        let lost = &mut self.lost;
        like(lost, sum);
        add_to(&mut sum.count, &mut lost.count, other.count);
        add_to(&mut sum.sum, &mut lost.sum, other.sum);
        add_to(&mut sum.zero_count, &mut lost.zero_count, other.zero_count);
        add_side(&mut sum.positive, &mut lost.positive, &other.positive);
        add_side(&mut sum.negative, &mut lost.negative, &other.negative);
        join_hints(sum, other.hint);
        Ok(())
    }

    /// How many bytes the sum takes.
    pub(crate) fn bytes(&self) -> u64 {
        let lost = super::bytes(&self.lost);
        self.sum.as_ref().map_or(0, |sum| super::bytes(sum) + lost)
    }

    /// The sum, unless exponential and custom ones were added, or none at all.
    pub(crate) fn sum(self, note: impl Fn(Note<'static>)) -> Result<Histogram, Unlike> {
        if self.after_reset && self.after_none {
            note(Note::HintsCollide(Operation::Aggregation));
        }
        if self.other_bounds {
            note(Note::OtherBounds(Operation::Aggregation));
        }
        let mut sum = self.sum.filter(|_| !self.is_unlike).ok_or(Unlike)?;
        give_back(&mut sum, &self.lost);
        Ok(sum)
    }

    /// The mean, as [`Self::sum`].
    pub(crate) fn mean(self, note: impl Fn(Note<'static>)) -> Result<Histogram, Unlike> {
        let count = f64::from(self.count);
        let mut sum = self.sum(note)?;
        divide(&mut sum, count);
        Ok(sum)
    }
}

/// The same buckets, with nothing in them.
fn nothing_in(h: &Histogram) -> Histogram {
    let mut nothing = h.clone();
    (nothing.count, nothing.sum, nothing.zero_count) = (0.0, 0.0, 0.0);
    nothing.positive.counts.fill(0.0);
    nothing.negative.counts.fill(0.0);
    nothing
}

/// Changes buckets as those of the sum were changed.
fn like(lost: &mut Histogram, sum: &Histogram) {
    if lost.bounds != sum.bounds {
        rebound(lost, &sum.bounds);
    }
    if lost.zero_threshold < sum.zero_threshold {
        widen_zero(lost, sum.zero_threshold);
    }
    reduce(lost, sum.schema);
}

fn add_to(sum: &mut f64, lost: &mut f64, value: f64) {
    let next = *sum + value;
    if next.is_infinite() {
        *lost = 0.0;
    } else if sum.abs() >= value.abs() {
        *lost += (*sum - next) + value;
    } else {
        *lost += (value - next) + *sum;
    }
    *sum = next;
}

fn add_side(sum: &mut Buckets, lost: &mut Buckets, other: &Buckets) {
    let as_long = sum.counts.len();
    let same = |buckets: &Buckets| buckets.spans == sum.spans && buckets.counts.len() == as_long;
    if !(same(lost) && same(other)) {
        (*sum, *lost) = spread(sum, lost, other);
    }
    if sum.spans == other.spans {
        let counts = sum.counts.iter_mut().zip(&mut lost.counts);
        return counts
            .zip(&other.counts)
            .for_each(|((sum, lost), value)| add_to(sum, lost, *value));
    }
    let mut values = side::entries(other).peekable();
    let indexes: Vec<i64> = sum.indexes().collect();
    let counts = sum.counts.iter_mut().zip(&mut lost.counts);
    for (index, (sum, lost)) in indexes.into_iter().zip(counts) {
        if let Some((_, value)) = values.next_if(|(at, _)| *at == index) {
            add_to(sum, lost, value);
        }
    }
}

/// Both with the buckets of any of the three.
fn spread(sum: &Buckets, lost: &Buckets, other: &Buckets) -> (Buckets, Buckets) {
    let mut indexes: Vec<i64> = sum
        .indexes()
        .chain(lost.indexes())
        .chain(other.indexes())
        .collect();
    indexes.sort_unstable();
    indexes.dedup();
    let over = |buckets: &Buckets| {
        let mut held = side::entries(buckets).peekable();
        let at = |index: &i64| {
            let count = held.next_if(|(at, _)| at == index);
            (*index, count.map_or(0.0, |(_, count)| count))
        };
        side::collect_all(indexes.iter().map(at))
    };
    (over(sum), over(lost))
}

/// Adds what was lost.
fn give_back(sum: &mut Histogram, lost: &Histogram) {
    sum.count += lost.count;
    sum.sum += lost.sum;
    sum.zero_count += lost.zero_count;
    for (sum, lost) in [
        (&mut sum.positive, &lost.positive),
        (&mut sum.negative, &lost.negative),
    ] {
        // They have the same buckets as soon as anything was added.
        let counts = sum.counts.iter_mut().zip(&lost.counts);
        counts.for_each(|(count, lost)| *count += lost);
    }
}

//! Many histograms added up.

use super::{Unlike, add, divide};
use crate::notes::{Note, Operation};
use sonde_proto::{Histogram, ResetHint};

/// The sum of the histograms so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Total {
    sum: Option<Histogram>,
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
            return Ok(());
        };
        let added = add(sum, histogram);
        self.is_unlike |= added.is_err();
        self.other_bounds |= added?.other_bounds;
        Ok(())
    }

    /// How many bytes the sum takes.
    pub(crate) fn bytes(&self) -> u64 {
        self.sum.as_ref().map_or(0, super::bytes)
    }

    /// The sum, unless exponential and custom ones were added, or none at all.
    pub(crate) fn sum(self, note: impl Fn(Note<'static>)) -> Result<Histogram, Unlike> {
        if self.after_reset && self.after_none {
            note(Note::HintsCollide(Operation::Aggregation));
        }
        if self.other_bounds {
            note(Note::OtherBounds(Operation::Aggregation));
        }
        self.sum.filter(|_| !self.is_unlike).ok_or(Unlike)
    }

    /// The mean, as [`Self::sum`].
    pub(crate) fn mean(self, note: impl Fn(Note<'static>)) -> Result<Histogram, Unlike> {
        let count = f64::from(self.count);
        let mut sum = self.sum(note)?;
        divide(&mut sum, count);
        Ok(sum)
    }
}

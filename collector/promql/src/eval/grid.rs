//! The times of an evaluation.

use super::is_absent;

/// `len` times, `step` apart, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Grid {
    pub(crate) start: i64,
    pub(crate) step: i64,
    pub(crate) len: usize,
}

impl Grid {
    /// One time.
    pub(crate) fn single(time: i64) -> Self {
        Self {
            start: time,
            step: 1,
            len: 1,
        }
    }

    /// The time of a step.
    pub(crate) fn time(&self, step: usize) -> i64 {
        self.start + step as i64 * self.step
    }

    /// The last time; the first if there is none.
    pub(crate) fn end(&self) -> i64 {
        self.time(self.len.saturating_sub(1))
    }

    pub(crate) fn times(&self) -> impl Iterator<Item = i64> + '_ {
        (0..self.len).map(|step| self.time(step))
    }

    /// Times and values of the steps that have one.
    pub(crate) fn present<'v>(
        &self,
        values: &'v [f64],
    ) -> impl Iterator<Item = (i64, f64)> + use<'_, 'v> {
        let values = values.iter().copied();
        self.times()
            .zip(values)
            .filter(|(_, value)| !is_absent(*value))
    }
}

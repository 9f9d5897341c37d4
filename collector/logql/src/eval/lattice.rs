//! Windows cut into buckets.
//!
//! An aggregation looks at one window `(t - range, t]` per time of the grid. All edges of all
//! windows cut time into buckets, so that each window is a run of whole buckets and a record
//! is added to one bucket only, however many windows overlap.
//!
//! ```text
//! narrow, range < the grid's length: every step has a lower edge at its end and an upper edge
//! `rest = range % step` behind its start
//!        ├──┼────┼──┼────┼──┼────┼──┤     two buckets a step, one where rest is 0;
//!        (──window 0──]                   where step > range, every other bucket is a gap
//!               (──window 1──]
//! wide, the last window begins before the first one ends:
//!        ├──┼──┼──┼──────────┼──┼──┼──┤   lower edges, one bucket, upper edges
//! ```
//!
//! Times are counted from the start of the first window, which itself is outside of it.

use crate::value::Grid;
use sonde_proto::UnixNanos;
use std::ops::Range;

/// How windows lie over buckets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Lattice {
    /// The start of the first window, in nanoseconds modulo 2^64: it may lie before 1970.
    origin: u64,
    /// From there to the end of the last window.
    span: u64,
    step: u64,
    per_ns: f64,
    range: u64,
    /// `range` in steps, and what is left of it.
    whole: u64,
    rest: u64,
    windows: u64,
    is_wide: bool,
}

/// A stretch of time that one bucket covers, or that no window does: `(after, after + width]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    after: u64,
    width: u64,
    /// The bucket's number.
    pub(crate) bucket: Option<u32>,
}

impl Slot {
    /// No time is in it.
    pub(crate) const NONE: Self = Self {
        after: 0,
        width: 0,
        bucket: None,
    };

    /// Whether a time, counted from the origin, is in it.
    #[inline]
    pub(crate) fn has(&self, at: u64) -> bool {
        at.wrapping_sub(self.after).wrapping_sub(1) < self.width
    }
}

impl Lattice {
    /// The windows of `range` nanoseconds, `offset` nanoseconds before each time of a grid.
    ///
    /// There is none where the range is not above zero, or where the windows reach over more
    /// time than a signed number of nanoseconds holds.
    pub(crate) fn new(grid: &Grid, range: i64, offset: i64) -> Option<Self> {
        let range = u64::try_from(range).ok().filter(|range| *range > 0)?;
        let origin = i128::from(grid.start().0) - i128::from(offset) - i128::from(range);
        let steps = (grid.len() as u64 - 1).checked_mul(grid.step())?;
        let span = steps.checked_add(range)?;
        let end = origin + i128::from(span);
        let fits = span <= i64::MAX as u64 && origin >= -(1 << 64) && end < 1 << 65;
        (fits && u32::try_from(grid.len()).is_ok_and(|n| n < u32::MAX / 4)).then_some(Self {
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "modulo 2^64 is meant"
            )]
            origin: origin as u64,
            span,
            step: grid.step(),
            per_ns: 1.0 / grid.step() as f64,
            range,
            whole: range / grid.step(),
            rest: range % grid.step(),
            windows: grid.len() as u64,
            is_wide: range >= steps,
        })
    }

    /// The times that any window has: from the first to before the last.
    pub(crate) fn bounds(&self, grid: &Grid, offset: i64) -> (UnixNanos, UnixNanos) {
        let last = i128::from(grid.end().0) - i128::from(offset);
        let first = last - i128::from(self.span);
        let time = |at: i128| UnixNanos(u64::try_from(at.max(0)).unwrap_or(u64::MAX));
        (time(first + 1), time(last + 1))
    }

    /// A time, counted from the start of the first window; beyond the span where the time is
    /// in no window.
    #[inline]
    pub(crate) fn at(&self, time: UnixNanos) -> u64 {
        time.0.wrapping_sub(self.origin)
    }

    /// How many buckets there are.
    pub(crate) fn buckets(&self) -> usize {
        let buckets = if self.is_wide {
            2 * self.windows - 1
        } else {
            self.run(self.windows - 1).1
        };
        buckets as usize
    }

    /// The buckets of a window.
    pub(crate) fn window(&self, at: usize) -> Range<usize> {
        let (from, to) = self.run(at as u64);
        from as usize..to as usize
    }

    fn run(&self, window: u64) -> (u64, u64) {
        if self.is_wide {
            return (window, window + self.windows);
        }
        if self.rest == 0 {
            return (window, window + self.whole);
        }
        (2 * window, 2 * (window + self.whole) + 1)
    }

    /// Where a time, counted from the origin, lies.
    pub(crate) fn locate(&self, at: u64) -> Slot {
        if at == 0 || at > self.span {
            // Time zero and all that is beyond the span, which wraps around to zero.
            return Slot {
                after: self.span,
                width: 0u64.wrapping_sub(self.span),
                bucket: None,
            };
        }
        if self.is_wide {
            self.locate_wide(at)
        } else {
            self.locate_narrow(at)
        }
    }

    fn locate_wide(&self, at: u64) -> Slot {
        let head = self.span - self.range;
        let (after, width, bucket) = if at <= head {
            let period = self.period(at);
            (period * self.step, self.step, period)
        } else if at <= self.range {
            (head, self.range - head, self.windows - 1)
        } else {
            let period = self.period(at - self.range);
            let after = self.range + period * self.step;
            (after, self.step, self.windows + period)
        };
        Slot {
            after,
            width,
            bucket: u32::try_from(bucket).ok(),
        }
    }

    fn locate_narrow(&self, at: u64) -> Slot {
        let rest = self.rest;
        let period = self.period(at);
        let after = period * self.step;
        let (after, width, bucket) = if rest == 0 {
            (after, self.step, period)
        } else if at - after <= rest {
            (after, rest, 2 * period)
        } else {
            (after + rest, self.step - rest, 2 * period + 1)
        };
        let is_gap = self.range < self.step && bucket % 2 == 1;
        Slot {
            after,
            width,
            bucket: u32::try_from(bucket).ok().filter(|_| !is_gap),
        }
    }

    /// In which step `(n * step, (n + 1) * step]` a time above zero lies. A multiplication is
    /// several times faster than a division, and at most one off.
    #[inline]
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "not negative, and below 2^32 by the number of windows"
    )]
    fn period(&self, at: u64) -> u64 {
        let before = at - 1;
        let mut period = (before as f64 * self.per_ns) as u64;
        while period * self.step > before {
            period -= 1;
        }
        while before - period * self.step >= self.step {
            period += 1;
        }
        period
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_record_is_in_a_window_if_and_only_if_its_bucket_is(
            start in 0u64..400,
            step in 1u64..40,
            len in 1usize..12,
            range in 1i64..300,
            offset in -200i64..200,
        ) {
            let end = UnixNanos(start + step * (len as u64 - 1));
            let grid = Grid::range(UnixNanos(start), end, step).unwrap();
            let lattice = Lattice::new(&grid, range, offset).unwrap();
            let bounds = lattice.bounds(&grid, offset);
            for time in 0..1200u64 {
                let at = lattice.at(UnixNanos(time));
                let slot = lattice.locate(at);
                prop_assert!(slot.has(at) , "{time} {slot:?}");
                let mut is_in_any = false;
                for window in 0..len {
                    let t = i128::from(grid.time(window).0) - i128::from(offset);
                    let time = i128::from(time);
                    let expected = time > t - i128::from(range) && time <= t;
                    is_in_any |= expected;
                    let found = slot.bucket.is_some_and(|b| lattice.window(window).contains(&(b as usize)));
                    prop_assert_eq!(found, expected, "time {} window {} {:?}", time, window, slot);
                }
                prop_assert_eq!(slot.bucket.is_some(), is_in_any);
                prop_assert!(slot.bucket.is_none_or(|b| (b as usize) < lattice.buckets()));
                prop_assert!(!is_in_any || (bounds.0 <= UnixNanos(time) && UnixNanos(time) < bounds.1));
                // Each time that the slot says it has is in the same bucket.
                for other in (time % 17..1200).step_by(17) {
                    let at = lattice.at(UnixNanos(other));
                    if slot.has(at) {
                        prop_assert_eq!(lattice.locate(at).bucket, slot.bucket, "{} {}", time, other);
                    }
                }
            }
        }
    }

    #[test]
    fn what_cannot_be_counted_is_refused() {
        let instant = Grid::instant(UnixNanos(5));
        assert_eq!(Lattice::new(&instant, 0, 0), None);
        assert_eq!(Lattice::new(&instant, -1, 0), None);
        for time in [0, 5, u64::MAX] {
            for offset in [i64::MIN, 0, i64::MAX] {
                let grid = Grid::instant(UnixNanos(time));
                let lattice = Lattice::new(&grid, i64::MAX, offset).unwrap();
                let (start, end) = lattice.bounds(&grid, offset);
                assert!(start <= end);
            }
        }
        let long = Grid::range(UnixNanos(0), UnixNanos(u64::MAX), 1 << 60).unwrap();
        assert_eq!(Lattice::new(&long, 5, 0), None);
    }
}

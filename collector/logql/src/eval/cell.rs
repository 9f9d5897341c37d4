//! What is kept of the records of one bucket.
//!
//! Cells of neighbouring buckets merge, in order of time, into what a window needs. Sums carry
//! their rounding error along (Neumaier), spreads are merged by their means (Chan), so that
//! results do not depend on the order in which records come.

use crate::ast::RangeOp;
use crate::eval::limits::Budget;
use crate::source::Stop;
use sonde_proto::UnixNanos;

/// What is kept of a bucket.
pub(crate) trait Cell: Clone + Default + Send {
    /// Whether no record is in it.
    fn is_blank(&self) -> bool;

    /// Adds one record: its value, where one is unwrapped, or its line's length.
    ///
    /// # Errors
    /// Where the value itself must be kept, and there is no room.
    fn take(&mut self, op: RangeOp, taken: Taken, budget: &Budget) -> Result<(), Stop>;

    /// Adds records of which nothing but their number and their lines' lengths counts.
    fn take_many(&mut self, count: u64, bytes: u64);

    /// Takes in what a later bucket has, or another sink for the same bucket.
    fn merge(&mut self, later: &Self);
}

/// What counts of a record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) time: UnixNanos,
    pub(crate) bytes: u64,
    pub(crate) value: f64,
}

/// How many records, and how many bytes of lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) bytes: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, count: u64, bytes: u64) {
        self.count += count;
        self.bytes = self.bytes.saturating_add(bytes);
    }

    /// Takes out an earlier bucket that was taken in.
    pub(crate) fn remove(&mut self, earlier: Self) {
        self.count -= earlier.count;
        self.bytes = self.bytes.saturating_sub(earlier.bytes);
    }

    /// The value of a window over lines.
    pub(crate) fn value(self, op: RangeOp, seconds: f64) -> f64 {
        match op {
            RangeOp::Rate => self.count as f64 / seconds,
            RangeOp::Bytes => self.bytes as f64,
            RangeOp::BytesRate => self.bytes as f64 / seconds,
            RangeOp::Absent => 1.0,
            _ => self.count as f64,
        }
    }
}

impl Cell for Tally {
    fn is_blank(&self) -> bool {
        self.count == 0
    }

    fn take(&mut self, _: RangeOp, taken: Taken, _: &Budget) -> Result<(), Stop> {
        self.add(1, taken.bytes);
        Ok(())
    }

    fn take_many(&mut self, count: u64, bytes: u64) {
        self.add(count, bytes);
    }

    fn merge(&mut self, later: &Self) {
        self.add(later.count, later.bytes);
    }
}

/// What is kept of unwrapped values, by what is asked of them.
#[derive(Clone, Debug, Default)]
pub(crate) enum State {
    /// Nothing came yet.
    #[default]
    Blank,
    /// For sums and means.
    Sum { count: u64, sum: Sum },
    /// The least or the most.
    Edge { is_max: bool, value: f64 },
    /// Mean and sum of squared distances.
    Spread { count: u64, mean: f64, squares: f64 },
    /// The first or the last.
    One {
        is_last: bool,
        time: UnixNanos,
        value: f64,
    },
    /// All of them.
    All(Vec<(UnixNanos, f64)>),
}

/// A sum and what was lost of it by rounding. It is scaled down where a mean is wanted, so
/// that it cannot overflow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let sum = self.sum + value;
        if !sum.is_finite() {
            *self = Self { sum, lost: 0.0 };
            return;
        }
        self.lost += if self.sum.abs() >= value.abs() {
            (self.sum - sum) + value
        } else {
            (value - sum) + self.sum
        };
        self.sum = sum;
    }

    fn merge(&mut self, other: Self) {
        self.add(other.sum);
        if self.sum.is_finite() {
            self.lost += other.lost;
        }
    }

    fn value(self) -> f64 {
        self.sum + self.lost
    }
}

/// 2^-64: no number of records adds up to too much, and no bit is lost.
const SCALE: f64 = 5.421_010_862_427_522e-20;

/// What an unwrapped value takes that is kept, in bytes, with the room that a list grows by.
const VALUE_BYTES: usize = 2 * size_of::<(UnixNanos, f64)>();

impl State {
    /// Adds a value.
    pub(crate) fn add(&mut self, op: RangeOp, time: UnixNanos, value: f64) {
        match self {
            Self::Blank => *self = Self::of(op, time, value),
            Self::Sum { count, sum } => {
                *count += 1;
                sum.add(scaled(op, value));
            }
            Self::Edge {
                is_max,
                value: edge,
            } => *edge = outer(*is_max, *edge, value),
            Self::Spread {
                count,
                mean,
                squares,
            } => {
                *count += 1;
                let delta = value - *mean;
                *mean += delta / *count as f64;
                *squares += delta * (value - *mean);
            }
            Self::One {
                is_last,
                time: at,
                value: kept,
            } => {
                // Of one time, the one that came first is the first, the other the last.
                if (*is_last && time >= *at) || (!*is_last && time < *at) {
                    (*at, *kept) = (time, value);
                }
            }
            Self::All(values) => values.push((time, value)),
        }
    }

    fn of(op: RangeOp, time: UnixNanos, value: f64) -> Self {
        match op {
            RangeOp::Min | RangeOp::Max => Self::Edge {
                is_max: op == RangeOp::Max,
                value,
            },
            RangeOp::Stddev | RangeOp::Stdvar => Self::Spread {
                count: 1,
                mean: value,
                squares: if value.is_finite() { 0.0 } else { f64::NAN },
            },
            RangeOp::First | RangeOp::Last => Self::One {
                is_last: op == RangeOp::Last,
                time,
                value,
            },
            RangeOp::Quantile | RangeOp::RateCounter => Self::All(vec![(time, value)]),
            _ => {
                let mut sum = Sum::default();
                sum.add(scaled(op, value));
                Self::Sum { count: 1, sum }
            }
        }
    }

    /// The value of a window over unwrapped values, where one value a bucket is enough.
    pub(crate) fn value(&self, op: RangeOp, seconds: f64) -> f64 {
        match self {
            Self::Sum { count, sum } => match op {
                RangeOp::Avg => sum.value() / *count as f64 / SCALE,
                RangeOp::Rate => sum.value() / seconds,
                RangeOp::Count => *count as f64,
                _ => sum.value(),
            },
            Self::Edge { value, .. } | Self::One { value, .. } => *value,
            Self::Spread { count, squares, .. } => {
                let variance = squares / *count as f64;
                if op == RangeOp::Stddev {
                    variance.sqrt()
                } else {
                    variance
                }
            }
            Self::Blank | Self::All(_) => f64::NAN,
        }
    }
}

fn scaled(op: RangeOp, value: f64) -> f64 {
    if op == RangeOp::Avg {
        value * SCALE
    } else {
        value
    }
}

/// The lesser or the greater of two; a NaN only where there is nothing else.
fn outer(is_max: bool, edge: f64, value: f64) -> f64 {
    let is_further = if is_max { value > edge } else { value < edge };
    if is_further || edge.is_nan() {
        value
    } else {
        edge
    }
}

impl Cell for State {
    fn is_blank(&self) -> bool {
        matches!(self, Self::Blank)
    }

    fn take(&mut self, op: RangeOp, taken: Taken, budget: &Budget) -> Result<(), Stop> {
        if matches!(op, RangeOp::Quantile | RangeOp::RateCounter) {
            budget.keep_values(1)?;
            budget.keep_state(VALUE_BYTES)?;
        }
        self.add(op, taken.time, taken.value);
        Ok(())
    }

    /// Never asked of unwrapped values: their sources give records.
    fn take_many(&mut self, _: u64, _: u64) {}

    fn merge(&mut self, later: &Self) {
        match (&mut *self, later) {
            (_, Self::Blank) => {}
            (Self::Blank, _) => *self = later.clone(),
            (
                Self::Sum { count, sum },
                Self::Sum {
                    count: more,
                    sum: other,
                },
            ) => {
                *count += more;
                sum.merge(*other);
            }
            (Self::Edge { is_max, value }, Self::Edge { value: other, .. }) => {
                *value = outer(*is_max, *value, *other);
            }
            (
                Self::Spread {
                    count,
                    mean,
                    squares,
                },
                Self::Spread {
                    count: more,
                    mean: other,
                    squares: others,
                },
            ) => {
                let (ours, theirs) = (*count as f64, *more as f64);
                let delta = other - *mean;
                *mean += delta * (theirs / (ours + theirs));
                *squares += others + delta * delta * (ours * theirs / (ours + theirs));
                *count += more;
            }
            (
                Self::One {
                    is_last,
                    time,
                    value,
                },
                Self::One {
                    time: at,
                    value: other,
                    ..
                },
            ) => {
                if (*is_last && *at >= *time) || (!*is_last && *at < *time) {
                    (*time, *value) = (*at, *other);
                }
            }
            (Self::All(values), Self::All(more)) => values.extend_from_slice(more),
            // One scan has one kind of cells.
            (_, _) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(op: RangeOp, values: &[f64], cut: usize) -> f64 {
        let mut halves = [State::Blank, State::Blank];
        for (at, value) in values.iter().enumerate() {
            halves[usize::from(at >= cut)].add(op, UnixNanos(at as u64), *value);
        }
        let [mut all, later] = halves;
        all.merge(&later);
        all.value(op, 2.0)
    }

    #[test]
    fn halves_give_what_the_whole_gives() {
        let values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0];
        let check = |op, expected: f64| {
            for cut in 0..=values.len() {
                let found = value(op, &values, cut);
                assert!((found - expected).abs() < 1e-12, "{op:?} {cut} {found}");
            }
        };
        check(RangeOp::Sum, 31.0);
        check(RangeOp::Rate, 15.5);
        check(RangeOp::Avg, 3.875);
        check(RangeOp::Min, 1.0);
        check(RangeOp::Max, 9.0);
        check(RangeOp::Stdvar, 6.609_375);
        check(RangeOp::Stddev, 6.609_375_f64.sqrt());
        check(RangeOp::First, 3.0);
        check(RangeOp::Last, 6.0);
    }

    #[test]
    fn large_and_strange_values_keep_their_meaning() {
        for cut in 0..=3 {
            assert_eq!(value(RangeOp::Avg, &[f64::MAX; 3], cut), f64::MAX);
            assert_eq!(value(RangeOp::Sum, &[1e16, 1.0, -1e16], cut), 1.0);
            let infinite = [1.0, f64::INFINITY, 2.0];
            assert_eq!(value(RangeOp::Avg, &infinite, cut), f64::INFINITY);
            assert_eq!(value(RangeOp::Sum, &infinite, cut), f64::INFINITY);
            assert!(value(RangeOp::Stdvar, &infinite, cut).is_nan());
            let opposite = [f64::INFINITY, 1.0, f64::NEG_INFINITY];
            assert!(value(RangeOp::Sum, &opposite, cut).is_nan());
            assert_eq!(value(RangeOp::Max, &[f64::NAN, 1.0, f64::NAN], cut), 1.0);
            assert!(value(RangeOp::Min, &[f64::NAN; 3], cut).is_nan());
        }
    }

    #[test]
    fn of_one_time_the_first_to_come_is_the_first() {
        let mut first = State::Blank;
        let mut last = State::Blank;
        for value in [1.0, 2.0, 3.0] {
            first.add(RangeOp::First, UnixNanos(7), value);
            last.add(RangeOp::Last, UnixNanos(7), value);
        }
        assert_eq!(first.value(RangeOp::First, 1.0), 1.0);
        assert_eq!(last.value(RangeOp::Last, 1.0), 3.0);
    }
}

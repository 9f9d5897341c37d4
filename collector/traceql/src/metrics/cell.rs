//! What is kept of the spans of one series in one interval.

use crate::ast::{Aggregate, Function};
use std::collections::BTreeMap;

/// Each bucket of a sketch ends so much above where it begins.
const GROWTH: f64 = 1.02;

/// Counts and sums.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    /// How many there were.
    Count(u64),
    /// One number of all.
    One {
        aggregate: Aggregate,
        count: u64,
        value: f64,
    },
    /// How many lie in each bucket.
    Sketch(BTreeMap<i32, u64>),
}

impl Cell {
    /// An empty one.
    pub(super) fn of(function: &Function) -> Self {
        match function {
            Function::OverTime(aggregate, _) => Self::One {
                aggregate: *aggregate,
                count: 0,
                value: 0.0,
            },
            Function::Quantile(..) => Self::Sketch(BTreeMap::new()),
            Function::Rate
            | Function::CountOverTime
            | Function::Histogram(_)
            | Function::Compare { .. } => Self::Count(0),
        }
    }

    pub(super) fn add(&mut self, number: f64) {
        match self {
            Self::Count(count) => *count += 1,
            Self::One {
                aggregate,
                count,
                value,
            } => {
                *value = match aggregate {
                    _ if *count == 0 => number,
                    Aggregate::Avg | Aggregate::Sum => *value + number,
                    Aggregate::Min => value.min(number),
                    Aggregate::Max => value.max(number),
                };
                *count += 1;
            }
            Self::Sketch(buckets) => *buckets.entry(bucket(number)).or_default() += 1,
        }
    }

    /// The number that is told of it, in an interval of so many seconds.
    pub(super) fn value(&self) -> f64 {
        match self {
            Self::Count(count) => *count as f64,
            Self::One {
                aggregate: Aggregate::Avg,
                count,
                value,
            } => value / *count as f64,
            Self::One { value, .. } => *value,
            Self::Sketch(_) => f64::NAN,
        }
    }

    /// The value below which so much of all lies.
    pub(super) fn quantile(&self, quantile: f64) -> f64 {
        let Self::Sketch(buckets) = self else {
            return f64::NAN;
        };
        let all: u64 = buckets.values().sum();
        let wanted = (quantile * all as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        for (bucket, count) in buckets {
            below += count;
            if below >= wanted {
                return middle(*bucket);
            }
        }
        f64::NAN
    }
}

/// The bucket of a value: those of negative ones are below zero, and that of nothing is zero.
fn bucket(value: f64) -> i32 {
    // Between the smallest and the largest exponent there are some 70,000 buckets.
    let place = |magnitude: f64| (magnitude.max(1e-12).ln() / GROWTH.ln()).floor() as i32 + 100_000;
    if value > 0.0 {
        place(value)
    } else if value < 0.0 {
        -place(-value)
    } else {
        0
    }
}

fn middle(bucket: i32) -> f64 {
    let magnitude = || GROWTH.powf(f64::from(bucket.abs() - 100_000) + 0.5);
    match bucket {
        0 => 0.0,
        _ if bucket > 0 => magnitude(),
        _ => -magnitude(),
    }
}

/// The smallest power of two that is not below a value; zero for what is not positive.
pub(super) fn power_of_two(value: f64) -> f64 {
    if value > 0.0 {
        value.log2().ceil().exp2()
    } else {
        0.0
    }
}

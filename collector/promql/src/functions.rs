//! The functions, one family per file, each with its table.

pub(crate) mod counters;
pub(crate) mod starts;
pub(crate) mod over_time;
pub(crate) mod regression;
pub(crate) mod math;
pub(crate) mod calendar;
pub(crate) mod shape;
pub(crate) mod histogram;
pub(crate) mod labels;
pub(crate) mod natural;
pub(crate) mod native;

use super::ast::Type;
#[cfg(doc)]
use super::features::Features;
use super::rest::Rest;
use super::sample::HistogramSample;
use native::Native;
use sonde_proto::Histogram;

/// A function of the language.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// What it gives.
    pub returns: Type,
    pub(crate) args: &'static [Type],
    /// How many arguments may be left out at the end.
    pub(crate) optional: usize,
    /// How many more times the last argument may be repeated.
    pub(crate) repeats: usize,
    /// Whether it must be enabled by [`Features::experimental_functions`].
    pub(crate) experimental: bool,
    /// What is wrong with scalar arguments at a step at which there are samples.
    pub(crate) check: Option<Check>,
    /// Where samples were dropped, what is taken to have been between the others.
    pub(crate) between: Between,
    pub(crate) kind: Kind,
}

/// What is taken to have been between two samples between which others were dropped, where a
/// range begins or ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Between {
    /// Nothing: only what was written counts.
    Nothing,
    /// A straight line.
    Line,
    /// A straight line, which rises from zero where it would fall.
    Counter,
}

impl Between {
    /// What a range begins with.
    pub(crate) fn left(self, mut before: (i64, f64), after: (i64, f64), at: i64) -> f64 {
        if self == Self::Counter && after.1 < before.1 {
            before.1 = 0.0;
        }
        on_line(before, after, at)
    }

    /// What a range ends with.
    pub(crate) fn right(self, before: (i64, f64), mut after: (i64, f64), at: i64) -> f64 {
        if self == Self::Counter && after.1 < before.1 {
            after.1 += before.1;
        }
        on_line(before, after, at)
    }
}

/// On the line between two points.
pub(crate) fn on_line(before: (i64, f64), after: (i64, f64), at: i64) -> f64 {
    let (passed, whole) = ((at - before.0) as f64, (after.0 - before.0) as f64);
    before.1 + (after.1 - before.1) * passed / whole
}

/// Says what is wrong with scalar arguments.
pub(crate) type Check = fn(&[f64]) -> Result<(), String>;

/// By name: there is one of each.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

/// What most functions have in common.
const PLAIN: Function = Function {
    name: "",
    returns: Type::Vector,
    args: &[],
    optional: 0,
    repeats: 0,
    experimental: false,
    check: None,
    between: Between::Nothing,
    kind: Kind::Shape(Shape::Vector),
};

/// How a function is computed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    /// From the samples of each range; keeps the metric's name or not.
    Window {
        apply: fn(&Window<'_>) -> Option<f64>,
        native: Native,
        keeps_name: bool,
    },
    /// From each value and scalar arguments.
    Math(fn(f64, &[f64]) -> f64),
    /// From each histogram.
    Histogram(fn(&Histogram) -> f64),
    /// From each value as a time.
    Calendar(fn(&calendar::Moment) -> f64),
    /// From the whole vector or from nothing.
    Shape(Shape),
}

/// Functions that are computed in a way of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Absent,
    AbsentOverTime,
    Clamp,
    End,
    HistogramFraction,
    HistogramQuantile,
    HistogramQuantiles,
    Info,
    LabelJoin,
    LabelReplace,
    MaxOf,
    MinOf,
    Pi,
    Range,
    Scalar,
    Sort,
    SortDesc,
    SortByLabel,
    SortByLabelDesc,
    Start,
    StartTimestamp,
    Step,
    Time,
    Timestamp,
    Vector,
}

/// The samples of one range of one series: at least one float or histogram.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Window<'w> {
    /// Milliseconds since 1970.
    pub(crate) times: &'w [i64],
    pub(crate) values: &'w [f64],
    /// Since when the first values count; empty where no value of the series says it.
    pub(crate) starts: &'w [i64],
    pub(crate) histograms: &'w [HistogramSample],
    /// Whether any value of the series is less than the one before it: where not, counters
    /// need no look for resets in each of their overlapping ranges.
    pub(crate) falls: bool,
    /// Where the range begins (not in it) and ends, offset included.
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// The time of evaluation.
    pub(crate) now: i64,
    /// Scalar arguments.
    pub(crate) params: &'w [f64],
    /// What was dropped of the range when its samples got old.
    pub(crate) dropped: Rest,
}

impl Window<'_> {
    /// A scalar argument, or what stands for it.
    pub(crate) fn param(&self, n: usize, default: f64) -> f64 {
        self.params.get(n).copied().unwrap_or(default)
    }
}

impl Function {
    /// The function of that name.
    pub(crate) fn named(name: &str) -> Option<&'static Self> {
        Self::all().find(|f| f.name == name)
    }

    /// All there are.
    pub(crate) fn all() -> impl Iterator<Item = &'static Self> {
        let families = [
            counters::TABLE,
            over_time::TABLE,
            regression::TABLE,
            math::TABLE,
            calendar::TABLE,
            shape::TABLE,
            histogram::TABLE,
            labels::TABLE,
        ];
        families.into_iter().flatten()
    }

    /// Whether the order of its answer means something.
    pub(crate) fn is_sort(&self) -> bool {
        let Kind::Shape(shape) = self.kind else {
            return false;
        };
        matches!(
            shape,
            Shape::Sort | Shape::SortDesc | Shape::SortByLabel | Shape::SortByLabelDesc
        )
    }

    pub(crate) fn is_shape(&self, shape: Shape) -> bool {
        matches!(self.kind, Kind::Shape(own) if own == shape)
    }

    /// How many arguments it takes at least and at most.
    pub(crate) fn arg_counts(&self) -> (usize, usize) {
        let most = self.args.len().saturating_add(self.repeats);
        (self.args.len() - self.optional, most)
    }

    /// The type of an argument.
    pub(crate) fn arg(&self, n: usize) -> Type {
        self.args
            .get(n)
            .or(self.args.last())
            .copied()
            .unwrap_or(Type::Scalar)
    }
}

/// A function over ranges that takes nothing else.
const fn window(name: &'static str, apply: fn(&Window<'_>) -> Option<f64>) -> Function {
    window_of_both(name, apply, Native::Ignored)
}

/// The same, of histograms too.
const fn window_of_both(
    name: &'static str,
    apply: fn(&Window<'_>) -> Option<f64>,
    native: Native,
) -> Function {
    let kind = Kind::Window {
        apply,
        native,
        keeps_name: false,
    };
    Function {
        name,
        args: &[Type::Matrix],
        kind,
        ..PLAIN
    }
}

/// A function of each value.
const fn math(name: &'static str, apply: fn(f64, &[f64]) -> f64) -> Function {
    Function {
        name,
        args: &[Type::Vector],
        kind: Kind::Math(apply),
        ..PLAIN
    }
}

/// A function computed in a way of its own.
const fn shaped(
    name: &'static str,
    returns: Type,
    args: &'static [Type],
    shape: Shape,
) -> Function {
    Function {
        name,
        returns,
        args,
        kind: Kind::Shape(shape),
        ..PLAIN
    }
}

/// A sum that does not lose small parts beside large ones (Kahan and Neumaier).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    sum: f64,
    lost: f64,
}

impl Sum {
    pub(crate) fn add(&mut self, value: f64) {
        let next = self.sum + value;
        if next.is_infinite() {
            self.lost = 0.0;
        } else if self.sum.abs() >= value.abs() {
            self.lost += (self.sum - next) + value;
        } else {
            self.lost += (value - next) + self.sum;
        }
        self.sum = next;
    }

    pub(crate) fn value(self) -> f64 {
        if self.sum.is_infinite() {
            self.sum
        } else {
            self.sum + self.lost
        }
    }
}

#[cfg(test)]
mod tests;

//! Series of numbers over the spans that a query finds.
//!
//! A span counts in the interval in which it begins, and a sample bears the time at which its
//! interval begins. Durations are told in seconds. Quantiles are right to about a hundredth:
//! values are counted in buckets, each of which ends a fiftieth above where it begins.

mod cell;
mod compare;
mod finish;

use crate::ast::{Field, Function, Metrics, Query};
use crate::eval::Context;
use crate::source::Trace;
use crate::value::{Static, Value};
use ahash::AHashMap;
use cell::Cell;
use compare::Sides;
use serde::Serialize;
use sonde_proto::{Deadline, SpanId, TraceId, UnixNanos};
use std::collections::BTreeMap;

/// How many samples a series has at most.
const INTERVALS_MAX: u64 = 11_000;
/// How many series an answer has at most.
const SERIES_MAX: usize = 2_000;
/// How many samples all series together have at most.
const SAMPLES_MAX: usize = 1_000_000;
/// How many bytes the labels of all series have at most.
const LABEL_BYTES_MAX: usize = 32 << 20;
/// What a sample that is made of buckets counts.
const SKETCH_SAMPLES: usize = 10;

/// The time that is asked about, in intervals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    start: u64,
    end: u64,
    step: u64,
}

/// Numbers over time.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Series {
    /// What its spans have in common.
    pub labels: Vec<(String, Static)>,
    /// Times in milliseconds since 1970, ascending, and values.
    pub samples: Vec<(i64, f64)>,
    /// Some of its spans.
    pub exemplars: Vec<Exemplar>,
}

/// A span that counted in a series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Exemplar {
    /// Its trace.
    pub trace_id: TraceId,
    /// The span.
    pub span_id: SpanId,
    /// When it began, in milliseconds since 1970.
    pub time_ms: i64,
    /// The value that counted: that of the field, else how long it took in seconds.
    pub value: f64,
}

/// Counts the spans of one trace after the other.
#[derive(Clone, Debug)]
pub struct Counting<'q> {
    query: &'q Query,
    metrics: &'q Metrics,
    window: Window,
    exemplars_max: usize,
    exemplars: usize,
    series: AHashMap<String, Counted>,
    label_bytes: usize,
    sides: Sides,
    dropped: bool,
    deadline: Deadline,
    cut: Option<&'static str>,
}

/// One series while it is counted.
#[derive(Clone, Debug)]
struct Counted {
    labels: Vec<(String, Static)>,
    cells: BTreeMap<u64, Cell>,
    exemplars: Vec<Exemplar>,
}

impl Window {
    /// From `start` up to `end` in intervals of `step` nanoseconds that begin at its multiples.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn range(start: UnixNanos, end: UnixNanos, step: u64) -> Result<Self, String> {
        if step == 0 || start >= end {
            return Err("a range needs a step above zero and a start before its end".to_owned());
        }
        let start = start.0 - start.0 % step;
        let intervals = (end.0 - start).div_ceil(step);
        if intervals > INTERVALS_MAX {
            return Err(format!(
                "the range has {intervals} steps, and {INTERVALS_MAX} is the most; use a longer step"
            ));
        }
        let end = end.0.checked_next_multiple_of(step).unwrap_or(u64::MAX);
        Ok(Self { start, end, step })
    }

    /// From `start` up to `end` as one interval.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn instant(start: UnixNanos, end: UnixNanos) -> Result<Self, String> {
        if start >= end {
            return Err("a period starts before it ends".to_owned());
        }
        let (start, end) = (start.0, end.0);
        Ok(Self {
            start,
            end,
            step: end - start,
        })
    }

    /// The time in which spans count.
    #[must_use]
    pub fn times(&self) -> (UnixNanos, UnixNanos) {
        (UnixNanos(self.start), UnixNanos(self.end))
    }

    fn intervals(&self) -> u64 {
        (self.end - self.start).div_ceil(self.step)
    }

    /// The interval of a time.
    fn interval(&self, time: u64) -> Option<u64> {
        (self.start..self.end)
            .contains(&time)
            .then(|| (time - self.start) / self.step)
    }

    fn time_ms(&self, interval: u64) -> i64 {
        millis(
            self.start
                .saturating_add(interval.saturating_mul(self.step)),
        )
    }
}

fn millis(nanos: u64) -> i64 {
    i64::try_from(nanos / 1_000_000).unwrap_or(i64::MAX)
}

impl<'q> Counting<'q> {
    /// Counts nothing yet; `None` where the query asks for spans and not for numbers.
    #[must_use]
    pub fn new(query: &'q Query, window: Window, exemplars_max: usize) -> Option<Self> {
        Some(Self {
            query,
            metrics: query.metrics.as_ref()?,
            window,
            exemplars_max,
            exemplars: 0,
            series: AHashMap::new(),
            label_bytes: 0,
            sides: Sides::default(),
            dropped: false,
            deadline: Deadline::never(),
            cut: None,
        })
    }

    /// The same, which gives up a trace when the time is over.
    #[must_use]
    pub fn until(self, deadline: Deadline) -> Self {
        Self { deadline, ..self }
    }

    /// Counts the spans that the query finds in a trace.
    pub fn add(&mut self, trace: &dyn Trace) {
        let context = Context::new(trace, &self.deadline);
        let (start, end) = self.window.times();
        let spans = context.spans(&self.query.pipeline, start, end);
        self.cut = self.cut.or(context.effort.why_cut());
        if context.effort.is_late() {
            return;
        }
        let metrics = self.metrics;
        if let Function::Compare {
            selection, period, ..
        } = &metrics.function
        {
            let selected = context.spansets(selection, &spans);
            self.cut = self.cut.or(context.effort.why_cut());
            if context.effort.is_late() {
                return;
            }
            for at in spans {
                let start = trace.span(at).start;
                let time = i64::try_from(start).unwrap_or(i64::MAX);
                let is_in = period.is_none_or(|(from, to)| (from..to).contains(&time));
                let is_selected = is_in && selected.binary_search(&at).is_ok();
                if let Some(interval) = self.window.interval(start) {
                    self.sides.add(trace, at, is_selected, interval);
                }
            }
            return;
        }
        for at in spans {
            self.count(&context, at);
        }
    }

    fn count(&mut self, context: &Context<'_>, at: usize) {
        let span = context.trace.span(at);
        let Some(interval) = self.window.interval(span.start) else {
            return;
        };
        let field = match &self.metrics.function {
            Function::OverTime(_, field)
            | Function::Quantile(field, _)
            | Function::Histogram(field) => Some(field),
            Function::Rate | Function::CountOverTime | Function::Compare { .. } => None,
        };
        let value = match field {
            None => span.nanos() as f64 / 1e9,
            Some(field) => match told(&context.value(field, at)) {
                Some(value) => value,
                None => return,
            },
        };
        let mut labels: Vec<(String, Static)> = Vec::new();
        for field in &self.metrics.by {
            labels.push((label(field), context.value(field, at).into_static()));
        }
        if let Function::Histogram(_) = self.metrics.function {
            labels.push((
                "__bucket".to_owned(),
                Value::Float(cell::power_of_two(value)),
            ));
        }
        let key = key_of(&labels);
        if !self.series.contains_key(&key) {
            // The key has the texts of all values once more.
            let bytes = key.len() + labels_bytes(&labels);
            let is_full = self.series.len() >= self.series_max();
            if is_full || self.label_bytes + bytes > LABEL_BYTES_MAX {
                self.dropped = true;
                return;
            }
            self.label_bytes += bytes;
        }
        let counted = self.series.entry(key).or_insert_with(|| Counted {
            labels,
            cells: BTreeMap::new(),
            exemplars: Vec::new(),
        });
        let is_first = !counted.cells.contains_key(&interval);
        let function = &self.metrics.function;
        let cell = counted.cells.entry(interval);
        cell.or_insert_with(|| Cell::of(function)).add(value);
        if is_first && self.exemplars < self.exemplars_max {
            self.exemplars += 1;
            counted.exemplars.push(Exemplar {
                trace_id: context.trace.id(),
                span_id: span.id,
                time_ms: millis(span.start),
                value,
            });
        }
    }
}

impl Counting<'_> {
    /// How many series may be counted: fewer where each has many samples, or large ones.
    fn series_max(&self) -> usize {
        let sketch = matches!(self.metrics.function, Function::Quantile(..));
        let samples_max = SAMPLES_MAX / if sketch { SKETCH_SAMPLES } else { 1 };
        let intervals = usize::try_from(self.window.intervals()).unwrap_or(usize::MAX);
        SERIES_MAX.min(samples_max / intervals.max(1)).max(1)
    }
}

/// A number as it is told: a duration in seconds.
fn told(value: &Value<'_>) -> Option<f64> {
    let number = value.number().filter(|number| number.is_finite())?;
    Some(match value {
        Value::Duration(_) => number / 1e9,
        _ => number,
    })
}

fn label(field: &Field) -> String {
    match field {
        Field::Intrinsic(intrinsic) => intrinsic.label().to_owned(),
        other => other.to_string(),
    }
}

/// What labels take, beside the room of their list.
fn labels_bytes(labels: &[(String, Static)]) -> usize {
    let of = |(name, value): &(String, Static)| {
        size_of::<(String, Static)>() + name.len() + value.bytes()
    };
    labels.iter().map(of).sum()
}

fn key_of(labels: &[(String, Static)]) -> String {
    let mut key = String::new();
    for (_, value) in labels {
        let text = value.to_string();
        key.push_str(&format!("{} {} {text} ", value.type_name(), text.len()));
    }
    key
}

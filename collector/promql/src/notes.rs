//! What an answer should be read with: warnings and infos, in Prometheus' words.
//!
//! Each is kept once, however often it comes up, and at most [`KEPT_MAX`] of each kind; an
//! answer shows [`SHOWN_MAX`] and says how many more there are.

use crate::ast::Span;
use crate::error::ParseError;
use crate::functions::calendar::Moment;
use crate::functions::histogram::Forced;
use crate::number::{short_number, two_digits};
use ahash::{AHashMap, AHashSet};
use sonde_proto::period;
use std::cell::RefCell;

/// So many of a kind are told apart.
const KEPT_MAX: usize = 1000;

/// So many of a kind are shown.
const SHOWN_MAX: usize = 10;

/// Something worth saying.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Note<'a> {
    /// A quantile that is not between 0 and 1.
    Quantile(f64),
    /// A ratio that is not between -1 and 1, and what it was taken for.
    Ratio(f64, f64),
    /// A classic bucket without a bound.
    BucketLabel { label: &'a str, metric: &'a str },
    /// Floats and histograms in one range.
    MixedRange(&'a str),
    /// Floats and histograms in one group.
    MixedGroup,
    /// Classic and native histograms with the same labels.
    ClassicAndNative(&'a str),
    /// A gauge where a counter is needed.
    NotCounter(&'a str),
    /// A counter where a gauge is needed.
    NotGauge(&'a str),
    /// Exponential and custom buckets.
    MixedSchemas(&'a str),
    /// Exponential and custom buckets on both sides of an operator.
    UnlikeOperands(&'a str),
    /// One came after a reset, the other not.
    HintsCollide(Operation),
    /// A name that is not that of a counter.
    MaybeNoCounter(&'a str),
    /// Classic buckets of which a wider one held less.
    NotMonotonic {
        metric: &'a str,
        forced: Forced,
        /// When, in milliseconds since 1970.
        at: i64,
    },
    /// An operator that is nothing to these two.
    Types {
        left: &'a str,
        op: &'a str,
        right: &'a str,
    },
    /// Histograms in an aggregation of floats.
    IgnoredInGroup(&'a str),
    /// Histograms in a function of floats.
    IgnoredInRange(&'a str),
    /// The quantile is among what is not a number.
    NanResult(&'a str),
    /// What is not a number counts as very large.
    NanSkew(&'a str),
    /// What is not a number is nowhere.
    NanFraction(&'a str),
    /// Custom bounds were not the same.
    OtherBounds(Operation),
    /// Samples were thinned to so many milliseconds.
    Thinned(i64),
}

/// What was computed of histograms.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    Addition,
    Subtraction,
    Aggregation,
}

impl Operation {
    fn word(self) -> &'static str {
        match self {
            Self::Addition => "addition",
            Self::Subtraction => "subtraction",
            Self::Aggregation => "aggregation",
        }
    }
}

impl Note<'_> {
    fn is_warning(self) -> bool {
        !matches!(
            self,
            Self::MaybeNoCounter(_)
                | Self::NotMonotonic { .. }
                | Self::Types { .. }
                | Self::IgnoredInGroup(_)
                | Self::IgnoredInRange(_)
                | Self::NanResult(_)
                | Self::NanSkew(_)
                | Self::NanFraction(_)
                | Self::OtherBounds(_)
                | Self::Thinned(_)
        )
    }

    fn text(self) -> String {
        let number = short_number;
        match self {
            Self::Quantile(q) => {
                let got = number(q);
                format!("quantile value should be between 0 and 1, got {got}")
            }
            Self::Ratio(got, capped) => format!(
                "ratio value should be between -1 and 1, got {}, capping to {}",
                number(got),
                number(capped)
            ),
            Self::BucketLabel { label, metric } => named(
                &format!("bucket label \"le\" is missing or has a malformed value of {label:?}"),
                metric,
            ),
            Self::MixedRange(metric) => {
                format!("encountered a mix of histograms and floats for metric name {metric:?}")
            }
            Self::MixedGroup => "encountered a mix of histograms and floats for aggregation".into(),
            Self::ClassicAndNative(metric) => named(
                "vector contains a mix of classic and native histograms",
                metric,
            ),
            Self::NotCounter(metric) => {
                format!("this native histogram metric is not a counter: {metric:?}")
            }
            Self::NotGauge(metric) => {
                format!("this native histogram metric is not a gauge: {metric:?}")
            }
            Self::MixedSchemas(metric) => format!(
                "vector contains a mix of histograms with exponential and custom buckets schemas for metric name {metric:?}"
            ),
            Self::UnlikeOperands(op) => {
                format!("incompatible bucket layout encountered for binary operator {op}")
            }
            Self::HintsCollide(operation) => format!(
                "conflicting counter resets during histogram {}",
                operation.word()
            ),
            Self::MaybeNoCounter(metric) => format!(
                "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: {metric:?}"
            ),
            Self::NotMonotonic { metric, .. } => named(
                "input to histogram_quantile needed to be fixed for monotonicity (see https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)",
                metric,
            ),
            Self::Types { left, op, right } => format!(
                "incompatible sample types encountered for binary operator {op:?}: {left} {op} {right}"
            ),
            Self::IgnoredInGroup(op) => format!("ignored histogram in {op} aggregation"),
            Self::IgnoredInRange(metric) => format!(
                "ignored histograms in a range containing both floats and histograms for metric name {metric:?}"
            ),
            Self::NanResult(metric) => named(
                "input to histogram_quantile has NaN observations, result is NaN",
                metric,
            ),
            Self::NanSkew(metric) => named(
                "input to histogram_quantile has NaN observations, result is skewed higher",
                metric,
            ),
            Self::NanFraction(metric) => named(
                "input to histogram_fraction has NaN observations, which are excluded from all fractions",
                metric,
            ),
            Self::Thinned(millis) => format!(
                "part of the answer comes from samples that were downsampled to {}",
                period::text(millis.unsigned_abs())
            ),
            Self::OtherBounds(operation) => format!(
                "mismatched custom buckets were reconciled during {}",
                operation.word()
            ),
        }
    }
}

fn named(text: &str, metric: &str) -> String {
    if metric.is_empty() {
        text.into()
    } else {
        format!("{text} for metric name {metric:?}")
    }
}

/// The notes of one evaluation.
#[derive(Default)]
pub(crate) struct Notes {
    warnings: RefCell<Kept>,
    infos: RefCell<Kept>,
}

#[derive(Default)]
struct Kept {
    known: AHashSet<String>,
    in_order: Vec<(String, Span)>,
    /// What those of some text come to, over all times.
    forced: AHashMap<String, AllForced>,
}

/// Buckets that had to be changed, over several times.
struct AllForced {
    forced: Forced,
    count: u64,
    first: i64,
    last: i64,
}

impl Notes {
    pub(crate) fn add(&self, note: Note<'_>, at: Span) {
        let kept = if note.is_warning() {
            &self.warnings
        } else {
            &self.infos
        };
        let mut kept = kept.borrow_mut();
        if let Note::NotMonotonic { forced, at, .. } = note {
            kept.add_forced(note.text(), forced, at);
        }
        if kept.in_order.len() >= KEPT_MAX {
            return;
        }
        let text = note.text();
        if !kept.known.contains(&text) {
            kept.known.insert(text.clone());
            kept.in_order.push((text, at));
        }
    }

    /// Warnings and infos, each with the place in the query.
    pub(crate) fn finish(self, query: &str) -> (Vec<String>, Vec<String>) {
        (
            self.warnings.into_inner().shown("warning", query),
            self.infos.into_inner().shown("info", query),
        )
    }
}

impl Kept {
    fn add_forced(&mut self, text: String, forced: Forced, at: i64) {
        if self.forced.len() >= KEPT_MAX && !self.forced.contains_key(&text) {
            return;
        }
        let all = self.forced.entry(text).or_insert(AllForced {
            forced,
            count: 0,
            first: at,
            last: at,
        });
        all.forced = all.forced.and(forced);
        all.count += 1;
        (all.first, all.last) = (all.first.min(at), all.last.max(at));
    }

    fn shown(self, kind: &str, query: &str) -> Vec<String> {
        let more = self.in_order.len().saturating_sub(SHOWN_MAX);
        let mut shown: Vec<String> = self
            .in_order
            .into_iter()
            .take(SHOWN_MAX)
            .map(|(text, at)| {
                let range = self.forced.get(&text).map(AllForced::text);
                let text = text + &range.unwrap_or_default();
                let place = ParseError::new(query, at.start as usize, "");
                format!("PromQL {kind}: {text} ({}:{})", place.line, place.column)
            })
            .collect();
        if more > 0 {
            shown.push(format!("{more} more {kind} annotations omitted"));
        }
        shown
    }
}

impl AllForced {
    fn text(&self) -> String {
        let Forced { from, to, most } = self.forced;
        let time = |millis: i64| Moment::at(millis.div_euclid(1000) as f64).text();
        format!(
            ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
            short_number(from),
            short_number(to),
            two_digits(most),
            self.count,
            time(self.first),
            time(self.last)
        )
    }
}

/// Notes about one argument and one metric.
#[derive(Clone, Copy)]
pub(crate) struct About<'n> {
    pub(crate) notes: &'n Notes,
    pub(crate) metric: &'n str,
    pub(crate) at: Span,
}

impl About<'_> {
    pub(crate) fn add(&self, note: Note<'_>) {
        self.notes.add(note, self.at);
    }
}

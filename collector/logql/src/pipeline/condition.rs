//! Label filters: `| status >= 500 and method = "GET"`.
//!
//! A label that is missing satisfies no comparison of numbers, durations, sizes or addresses;
//! compared with a text it is empty. A label whose text is no number satisfies the comparison
//! and marks the record with `LabelFilterErr`, so that it is seen rather than lost.

use super::convert;
use super::labels::{LabelSet, LabelsView, Mistake};
use crate::ast::{CompareOp, Comparison, LabelFilter};
use crate::filter::{AddressRange, CompileError};
use crate::source::Record;
use sonde_proto::{MatchOp, Matcher};

/// A label filter, compiled.
#[derive(Clone, Debug)]
pub(super) enum Condition {
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
    Text(Matcher),
    Compare {
        name: String,
        op: CompareOp,
        value: f64,
        read: Reading,
    },
    Address {
        name: String,
        is_negated: bool,
        range: AddressRange,
    },
}

/// How the text of a label is read.
#[derive(Clone, Copy, Debug)]
pub(super) enum Reading {
    Number,
    Duration,
    Bytes,
}

impl Condition {
    pub(super) fn compile(filter: &LabelFilter) -> Result<Self, CompileError> {
        let both = |a: &LabelFilter, b: &LabelFilter| {
            Ok::<_, CompileError>((Box::new(Self::compile(a)?), Box::new(Self::compile(b)?)))
        };
        Ok(match filter {
            LabelFilter::And(a, b) => {
                let (a, b) = both(a, b)?;
                Self::And(a, b)
            }
            LabelFilter::Or(a, b) => {
                let (a, b) = both(a, b)?;
                Self::Or(a, b)
            }
            LabelFilter::Text(matcher) => Self::Text(matcher.clone()),
            LabelFilter::Number(comparison) => Self::compare(comparison, Reading::Number),
            LabelFilter::Duration(comparison) => Self::compare(comparison, Reading::Duration),
            LabelFilter::Bytes(comparison) => Self::compare(comparison, Reading::Bytes),
            LabelFilter::Ip {
                name,
                is_negated,
                range,
            } => Self::Address {
                name: name.clone(),
                is_negated: *is_negated,
                range: AddressRange::parse(range)
                    .map_err(|reason| CompileError::new(format!("| {name}=ip(…)"), reason))?,
            },
        })
    }

    fn compare(comparison: &Comparison<f64>, read: Reading) -> Self {
        Self::Compare {
            name: comparison.name.clone(),
            op: comparison.op,
            value: comparison.value,
            read,
        }
    }

    /// The labels it looks at.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::And(a, b) | Self::Or(a, b) => [a.names(), b.names()].concat(),
            Self::Text(matcher) => vec![&matcher.name],
            Self::Compare { name, .. } | Self::Address { name, .. } => vec![name],
        }
    }

    /// What it demands that labels exactly are, whatever else it demands.
    pub(super) fn equalities(&self) -> Vec<(&str, &str)> {
        match self {
            Self::And(a, b) => [a.equalities(), b.equalities()].concat(),
            Self::Text(m) if m.op == MatchOp::Equal && !m.value.is_empty() => {
                vec![(&m.name, &m.value)]
            }
            Self::Text(_) | Self::Or(..) | Self::Compare { .. } | Self::Address { .. } => vec![],
        }
    }

    /// Whether the record satisfies it. Both sides of an `and` are looked at even if the
    /// first is not satisfied: within an `or`, the second may still mark the record.
    pub(super) fn holds(&self, record: &Record<'_>, labels: &mut LabelSet) -> bool {
        match self {
            Self::And(a, b) => {
                let first = a.holds(record, labels);
                b.holds(record, labels) && first
            }
            Self::Or(a, b) => a.holds(record, labels) || b.holds(record, labels),
            Self::Text(matcher) => {
                matcher.matches(get(record, labels, &matcher.name).unwrap_or_default())
            }
            Self::Compare {
                name,
                op,
                value,
                read,
            } => {
                let Some(text) = get(record, labels, name) else {
                    return false;
                };
                match read.number(text) {
                    Ok(number) => op.holds(number, *value),
                    Err(_) if labels.has_failed() => true,
                    Err(reason) => {
                        labels.fail(Mistake::LabelFilter, &reason);
                        true
                    }
                }
            }
            Self::Address {
                name,
                is_negated,
                range,
            } => {
                labels.has_failed()
                    || get(record, labels, name)
                        .is_some_and(|text| range.is_in(text.as_bytes()) != *is_negated)
            }
        }
    }
}

fn get<'s>(record: &Record<'s>, labels: &'s LabelSet, name: &str) -> Option<&'s str> {
    let view = LabelsView {
        record: *record,
        set: labels,
    };
    view.get(name)
}

impl Reading {
    fn number(self, text: &str) -> Result<f64, String> {
        match self {
            Self::Number => convert::number(text),
            Self::Duration => convert::nanos(text),
            Self::Bytes => convert::bytes(text),
        }
    }
}

impl CompareOp {
    #[expect(clippy::float_cmp, reason = "the language compares exactly")]
    fn holds(self, a: f64, b: f64) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Greater => a > b,
            Self::GreaterOrEqual => a >= b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
        }
    }
}

//! Operators where one of the operands is a histogram.
//!
//! | | float | histogram |
//! |---|---|---|
//! | float | | `*` |
//! | histogram | `*` `/` `</` `>/` | `+` `-` `==` `!=` |
//!
//! All others give nothing, which is said.

use super::column::Sparse;
use super::{Column, Engine, is_absent};
use crate::ast::{Binary, BinaryOp, Span};
use crate::histogram::{self, Combined, Keep, Unlike, trim};
use crate::notes::{Note, Operation};
use crate::source::{Source, Stop};
use sonde_proto::{Histogram, ResetHint, SampleValue};
use std::sync::Arc;

/// One side at a step.
#[derive(Clone, Copy)]
pub(super) enum Operand<'a> {
    Float(f64),
    Histogram(&'a Arc<Histogram>),
}

impl Operand<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::Float(_) => "float",
            Self::Histogram(_) => "histogram",
        }
    }
}

impl<S: Source> Engine<'_, S> {
    /// The results at the steps at which one side or both have a histogram. Numbers go to
    /// `values`.
    pub(super) fn pair_histograms(
        &self,
        b: &Binary,
        (left, right): (&Column, &Column),
        values: &mut [f64],
    ) -> Result<Sparse, Stop> {
        let mut results = Sparse::default();
        let mut at: Vec<usize> = left.histograms.iter().map(|(step, _)| step).collect();
        at.extend(right.histograms.iter().map(|(step, _)| step));
        at.sort_unstable();
        at.dedup();
        for step in at {
            if let (Some(l), Some(r)) = (operand(left, step), operand(right, step)) {
                self.place(b, (l, r), step, values, &mut results)?;
            }
        }
        Ok(results)
    }

    /// The same with a number on one side.
    pub(super) fn scale_histograms(
        &self,
        b: &Binary,
        column: &mut Column,
        scalar: &[f64],
        scalar_is_left: bool,
    ) -> Result<(), Stop> {
        let histograms = std::mem::take(&mut column.histograms);
        for (step, histogram) in histograms.iter() {
            let (own, other) = (Operand::Histogram(histogram), Operand::Float(scalar[step]));
            let pair = if scalar_is_left {
                (other, own)
            } else {
                (own, other)
            };
            let (values, results) = (&mut column.values, &mut column.histograms);
            self.place(b, pair, step, values, results)?;
        }
        Ok(())
    }

    fn place(
        &self,
        b: &Binary,
        pair: (Operand<'_>, Operand<'_>),
        step: usize,
        values: &mut [f64],
        results: &mut Sparse,
    ) -> Result<(), Stop> {
        for side in [pair.0, pair.1] {
            if let Operand::Histogram(histogram) = side {
                self.work(histogram::bytes(histogram) / 16)?;
            }
        }
        match self.computed(b, pair) {
            Some(SampleValue::Float(value)) => values[step] = value,
            Some(SampleValue::Histogram(histogram)) => {
                self.keep_value_bytes(histogram::bytes(&histogram))?;
                results.push(step, histogram);
            }
            None => {}
        }
        Ok(())
    }

    fn computed(&self, b: &Binary, (l, r): (Operand<'_>, Operand<'_>)) -> Option<SampleValue> {
        use Operand::{Float, Histogram};
        let (op, at) = (b.op, b.lhs.span);
        match (l, op, r) {
            (Histogram(l), BinaryOp::Add | BinaryOp::Sub, Histogram(r)) => {
                self.combined(op, at, l, r)
            }
            (Histogram(l), BinaryOp::Equal | BinaryOp::NotEqual, Histogram(r)) => {
                let holds = histogram::equal(l, r) == (op == BinaryOp::Equal);
                if b.is_bool {
                    return Some(SampleValue::Float(f64::from(holds)));
                }
                holds.then(|| SampleValue::Histogram(Arc::clone(l)))
            }
            (Histogram(h), BinaryOp::Mul, Float(by)) | (Float(by), BinaryOp::Mul, Histogram(h)) => {
                Some(changed(h, |h| histogram::scale(h, by)))
            }
            (Histogram(h), BinaryOp::TrimUpper, Float(at)) => {
                Some(changed(h, |h| trim(h, Keep::Below, at)))
            }
            (Histogram(h), BinaryOp::TrimLower, Float(at)) => {
                Some(changed(h, |h| trim(h, Keep::Above, at)))
            }
            (Histogram(h), BinaryOp::Div, Float(by)) => {
                Some(changed(h, |h| histogram::divide(h, by)))
            }
            _ => {
                let (left, right) = (l.word(), r.word());
                let op = op.as_str();
                self.notes.add(Note::Types { left, op, right }, at);
                None
            }
        }
    }

    fn combined(
        &self,
        op: BinaryOp,
        at: Span,
        l: &Histogram,
        r: &Histogram,
    ) -> Option<SampleValue> {
        let mut result = l.clone();
        let (combined, operation) = if op == BinaryOp::Add {
            (histogram::add(&mut result, r), Operation::Addition)
        } else {
            let combined = histogram::subtract(&mut result, r);
            result.hint = ResetHint::Gauge;
            (combined, Operation::Subtraction)
        };
        match combined {
            Ok(Combined {
                other_bounds,
                hints_collide,
            }) => {
                if other_bounds {
                    self.notes.add(Note::OtherBounds(operation), at);
                }
                if hints_collide {
                    self.notes.add(Note::HintsCollide(operation), at);
                }
                histogram::compact(&mut result);
                Some(SampleValue::Histogram(Arc::new(result)))
            }
            Err(Unlike) => {
                self.notes.add(Note::UnlikeOperands(op.as_str()), at);
                None
            }
        }
    }
}

fn operand(column: &Column, step: usize) -> Option<Operand<'_>> {
    let histogram = column.histograms.get(step).map(Operand::Histogram);
    let value = column.values[step];
    histogram.or((!is_absent(value)).then_some(Operand::Float(value)))
}

fn changed(histogram: &Histogram, change: impl Fn(&mut Histogram)) -> SampleValue {
    let mut changed = histogram.clone();
    change(&mut changed);
    SampleValue::Histogram(Arc::new(changed))
}

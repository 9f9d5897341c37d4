//! Operators between two vectors, or a vector and a number.
//!
//! Series belong together by their signature: the labels of `on`, or all but those of
//! `ignoring`. At each step, one side may have one series per signature only; the other one
//! too, unless `group_left` or `group_right` says that it may have many.

use crate::ast::{Binary, BinaryOp, CompareOp, Group, Matching};
use crate::eval::column::{ABSENT, Column, is_absent, label_bytes};
use crate::eval::limits::{Budget, EvalError, Work};
use crate::source::Stop;
use ahash::AHashMap;
use sonde_proto::Labels;

/// What an operator does to two numbers; a comparison gives 1 or 0.
pub(crate) fn apply(op: BinaryOp, l: f64, r: f64) -> f64 {
    match op {
        BinaryOp::Add => l + r,
        BinaryOp::Subtract => l - r,
        BinaryOp::Multiply => l * r,
        // The language has no infinity here.
        BinaryOp::Divide | BinaryOp::Modulo if r == 0.0 => f64::NAN,
        BinaryOp::Divide => l / r,
        BinaryOp::Modulo => l % r,
        BinaryOp::Power => l.powf(r),
        BinaryOp::Compare(op) => f64::from(match op {
            CompareOp::Equal => l == r,
            CompareOp::NotEqual => l != r,
            CompareOp::Greater => l > r,
            CompareOp::GreaterOrEqual => l >= r,
            CompareOp::Less => l < r,
            CompareOp::LessOrEqual => l <= r,
        }),
        // The parser lets no set operator see numbers.
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => f64::NAN,
    }
}

/// What becomes of two values: a comparison that does not give a number keeps or drops `kept`.
fn outcome(b: &Binary, l: f64, r: f64, kept: f64) -> f64 {
    let value = apply(b.op, l, r);
    match b.op {
        BinaryOp::Compare(_) if !b.return_bool && value == 1.0 => kept,
        BinaryOp::Compare(_) if !b.return_bool => ABSENT,
        _ => value,
    }
}

/// On which side of an operator a number stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// Each value of a vector and one number.
pub(crate) fn with_number(
    b: &Binary,
    number: f64,
    side: Side,
    mut columns: Vec<Column>,
) -> Vec<Column> {
    for column in &mut columns {
        for value in column.values.iter_mut().filter(|value| !is_absent(**value)) {
            *value = match side {
                Side::Left => outcome(b, number, *value, *value),
                Side::Right => outcome(b, *value, number, *value),
            };
        }
    }
    columns.retain(|column| !column.is_blank());
    columns
}

/// The labels that must be equal.
pub(crate) fn signature(labels: &Labels, matching: &Matching) -> Labels {
    if !matching.is_on && matching.labels.is_empty() {
        return labels.clone();
    }
    let mut builder = labels.to_builder();
    builder.retain(|name| matching.labels.iter().any(|l| l == name) == matching.is_on);
    builder.build()
}

/// Pairs of series of two vectors.
pub(crate) fn vectors(
    b: &Binary,
    left: Vec<Column>,
    right: Vec<Column>,
    budget: &Budget,
) -> Result<Vec<Column>, EvalError> {
    let (many, one) = match b.matching.group {
        Group::OneToOne | Group::Left(_) => (left, right),
        Group::Right(_) => (right, left),
    };
    let ones = Ones::new(b, &one, budget)?;
    let mut work = Work::default();
    let mut results = Results::default();
    for column in &many {
        work.add(budget, 1 + column.values.len())?;
        let Some((at, same)) = ones.find(&signature(&column.labels, &b.matching)) else {
            continue;
        };
        // The result's number for each of the other side's series.
        let mut last: Option<(u32, usize)> = None;
        for (step, value) in column.values.iter().enumerate() {
            let other = same[step];
            if is_absent(*value) || other == NOBODY {
                continue;
            }
            let partner = &one[other as usize];
            let result = match last {
                Some((seen, result)) if seen == other => result,
                _ => {
                    let labels = result_labels(&b.matching, &column.labels, &partner.labels);
                    results.get(at, labels, column.values.len(), budget)?
                }
            };
            last = Some((other, result));
            let other = partner.values[step];
            let value = match b.matching.group {
                Group::Right(_) => outcome(b, other, *value, other),
                Group::OneToOne | Group::Left(_) => outcome(b, *value, other, *value),
            };
            results.set(result, step, value, &b.matching)?;
        }
    }
    Ok(results.finish())
}

/// No series of the side that has one.
const NOBODY: u32 = u32::MAX;

/// The series of the side that has one per signature: which one at each step.
struct Ones {
    index: AHashMap<Labels, usize>,
    at: Vec<Vec<u32>>,
}

impl Ones {
    fn new(b: &Binary, columns: &[Column], budget: &Budget) -> Result<Self, EvalError> {
        let mut ones = Self {
            index: AHashMap::new(),
            at: Vec::new(),
        };
        let mut work = Work::default();
        for (number, column) in columns.iter().enumerate() {
            work.add(budget, 1 + column.values.len())?;
            let next = ones.at.len();
            let signature = signature(&column.labels, &b.matching);
            let at = *ones.index.entry(signature).or_insert(next);
            if at == next {
                budget.keep_results(column.values.len().div_ceil(2))?;
                ones.at.push(vec![NOBODY; column.values.len()]);
            }
            let number = u32::try_from(number).unwrap_or(NOBODY);
            for (step, slot) in ones.at[at].iter_mut().enumerate() {
                if is_absent(column.values[step]) {
                    continue;
                }
                if *slot != NOBODY {
                    return Err(many_to_many(b, &columns[*slot as usize], column));
                }
                *slot = number;
            }
        }
        Ok(ones)
    }

    fn find(&self, signature: &Labels) -> Option<(usize, &[u32])> {
        let at = *self.index.get(signature)?;
        Some((at, &self.at[at]))
    }
}

fn many_to_many(b: &Binary, first: &Column, second: &Column) -> EvalError {
    let (side, remedy) = match b.matching.group {
        Group::Right(_) => ("left", "make them unique with more labels in on (…)"),
        Group::Left(_) => ("right", "make them unique with more labels in on (…)"),
        Group::OneToOne => (
            "right",
            "make them unique with more labels in on (…), or say group_right where the right side may have many",
        ),
    };
    EvalError::Series(format!(
        "two series of the {side} side have the same matching labels: {} and {}; many-to-many matching is not allowed; {remedy}",
        first.labels, second.labels
    ))
}

/// Result columns, by signature and labels.
#[derive(Default)]
struct Results {
    index: AHashMap<(usize, Labels), usize>,
    columns: Vec<Made>,
    /// Between single series: at which steps a signature has given a result, by signature.
    taken: AHashMap<usize, Vec<bool>>,
}

/// A result and the steps at which it was made, although a comparison may have dropped it.
struct Made {
    signature: usize,
    column: Column,
    taken: Vec<bool>,
}

impl Results {
    fn get(
        &mut self,
        signature: usize,
        labels: Labels,
        steps: usize,
        budget: &Budget,
    ) -> Result<usize, Stop> {
        let key = (signature, labels);
        if let Some(found) = self.index.get(&key) {
            return Ok(*found);
        }
        budget.keep_labels(label_bytes(&key.1))?;
        budget.keep_results(steps + steps.div_ceil(4))?;
        self.taken
            .entry(signature)
            .or_insert_with(|| vec![false; steps]);
        self.columns.push(Made {
            signature,
            column: Column {
                labels: key.1.clone(),
                values: vec![ABSENT; steps],
            },
            taken: vec![false; steps],
        });
        self.index.insert(key, self.columns.len() - 1);
        Ok(self.columns.len() - 1)
    }

    fn set(
        &mut self,
        at: usize,
        step: usize,
        value: f64,
        matching: &Matching,
    ) -> Result<(), EvalError> {
        let result = &mut self.columns[at];
        if matching.group == Group::OneToOne {
            let taken = self.taken.get_mut(&result.signature);
            if taken.is_some_and(|taken| std::mem::replace(&mut taken[step], true)) {
                return Err(EvalError::Series(format!(
                    "several series of the left side match {} on the right side; say group_left to allow it, or match more labels",
                    result.column.labels
                )));
            }
        } else if std::mem::replace(&mut result.taken[step], true) {
            return Err(EvalError::Series(format!(
                "several results have the labels {}; the labels of group_left or group_right must keep them apart",
                result.column.labels
            )));
        }
        result.column.values[step] = value;
        Ok(())
    }

    fn finish(self) -> Vec<Column> {
        let columns = self.columns.into_iter().map(|result| result.column);
        columns.filter(|column| !column.is_blank()).collect()
    }
}

/// The labels of a pair's result.
fn result_labels(matching: &Matching, many: &Labels, one: &Labels) -> Labels {
    let mut builder = many.to_builder();
    match &matching.group {
        Group::OneToOne => {
            builder.retain(|name| matching.labels.iter().any(|l| l == name) == matching.is_on);
        }
        Group::Left(include) | Group::Right(include) => {
            for name in include {
                builder.set(name, one.get(name));
            }
        }
    }
    builder.build()
}

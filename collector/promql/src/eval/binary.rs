//! Operators between vectors, or a vector and a number.

use super::{ABSENT, Column, Engine, Grid, arithmetic, is_absent, without_name};
use crate::ast::{Binary, Many, Matching, Type};
use crate::notes::Note;
use crate::source::{Source, Stop};
use ahash::AHashMap;
use sonde_proto::Labels;
use sonde_proto::METRIC_NAME as NAME;
use std::collections::hash_map::Entry;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn binary(&self, b: &Binary, grid: &Grid) -> Result<Vec<Column>, Stop> {
        match (b.lhs.returns(), b.rhs.returns()) {
            (Type::Vector, Type::Vector) => {
                let (lhs, rhs) = (self.vector(&b.lhs, grid)?, self.vector(&b.rhs, grid)?);
                if b.op.is_set() {
                    self.set(b, lhs, rhs, grid)
                } else {
                    self.paired(b, lhs, rhs, grid)
                }
            }
            (Type::Vector, _) => {
                let (columns, scalar) = (self.vector(&b.lhs, grid)?, self.scalar(&b.rhs, grid)?);
                self.with_scalar(b, columns, &scalar, false)
            }
            _ => {
                let (scalar, columns) = (self.scalar(&b.lhs, grid)?, self.vector(&b.rhs, grid)?);
                self.with_scalar(b, columns, &scalar, true)
            }
        }
    }

    fn with_scalar(
        &self,
        b: &Binary,
        mut columns: Vec<Column>,
        scalar: &[f64],
        scalar_is_left: bool,
    ) -> Result<Vec<Column>, Stop> {
        for column in &mut columns {
            self.work(scalar.len() as u64)?;
            self.note_trimmed_floats(b, &column.values, scalar);
            for (value, scalar) in column.values.iter_mut().zip(scalar) {
                if !is_absent(*value) {
                    let result = if scalar_is_left {
                        arithmetic::scalar(b.op, *scalar, *value)
                    } else {
                        arithmetic::scalar(b.op, *value, *scalar)
                    };
                    *value = outcome(b, result, *value);
                }
            }
            if !column.histograms.is_empty() {
                self.scale_histograms(b, column, scalar, scalar_is_left)?;
            }
            if drops_name(b) {
                column.labels = without_name(&column.labels);
            }
        }
        columns.retain(|column| !column.is_blank());
        self.merge_same(columns)
    }

    /// Pairs series of both sides by their signature, step by step.
    fn paired(
        &self,
        b: &Binary,
        lhs: Vec<Column>,
        rhs: Vec<Column>,
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        let (mut many, mut one) = if b.matching.many == Some(Many::Right) {
            (rhs, lhs)
        } else {
            (lhs, rhs)
        };
        self.fill(b, &mut many, &mut one, grid)?;
        let mut ones: AHashMap<Labels, Vec<&Column>> = AHashMap::new();
        for column in &one {
            let same = match ones.entry(self.signature(&column.labels, &b.matching)?) {
                Entry::Occupied(same) => same.into_mut(),
                Entry::Vacant(place) => {
                    self.keep_subset(place.key())?;
                    place.insert(Vec::new())
                }
            };
            same.push(column);
        }
        let active = self.presence_of_any(&many, grid)?;
        let mut twice = Vec::new();
        for (signature, same) in &mut ones {
            self.work((same.len() as u64).saturating_mul(grid.len as u64))?;
            twice.extend(second(same, &active).map(|second| (second, signature.clone())));
        }
        let first = |(a, _): &(Second<'_>, _), (b, _): &(Second<'_>, _)| {
            (a.step, &a.column.labels).cmp(&(b.step, &b.column.labels))
        };
        if let Some((second, signature)) = twice.into_iter().min_by(first) {
            return Err(second.as_stop(b, &signature));
        }
        let mut results = Vec::new();
        let mut taken: AHashMap<Labels, Vec<bool>> = AHashMap::new();
        for column in &many {
            let key = self.signature(&column.labels, &b.matching)?;
            for other in ones.get(&key).into_iter().flatten() {
                self.spend(grid.len as u64)?;
                self.note_trimmed_floats(b, &column.values, &other.values);
                let mut values = pair_values(b, column, other);
                let sides = match b.matching.many {
                    Some(Many::Right) => (*other, column),
                    _ => (column, *other),
                };
                let histograms = self.pair_histograms(b, sides, &mut values)?;
                let result = Column {
                    labels: Labels::empty(),
                    values,
                    histograms,
                };
                if b.matching.many.is_none() {
                    let taken = match taken.entry(key.clone()) {
                        Entry::Occupied(taken) => taken.into_mut(),
                        Entry::Vacant(place) => {
                            self.keep_value_bytes(grid.len as u64)?;
                            place.insert(vec![false; grid.len])
                        }
                    };
                    take_steps(taken, &result)?;
                }
                if !result.is_blank() {
                    self.keep_values(grid.len)?;
                    let labels = self.result_labels(b, &column.labels, &other.labels)?;
                    results.push(Column { labels, ..result });
                }
            }
        }
        self.merge_same(results).map_err(|stop| match stop {
            Stop::Expression(_) => Stop::Expression(
                "multiple matches for labels: grouping labels must ensure unique matches".into(),
            ),
            other => other,
        })
    }

    /// Of two numbers nothing can be trimmed.
    fn note_trimmed_floats(&self, b: &Binary, values: &[f64], others: &[f64]) {
        let mut pairs = values.iter().zip(others);
        if b.op.is_trim() && pairs.any(|(l, r)| !is_absent(*l) && !is_absent(*r)) {
            let (left, op, right) = ("float", b.op.as_str(), "float");
            self.notes.add(Note::Types { left, op, right }, b.lhs.span);
        }
    }

    /// At which steps any series has a value.
    fn presence_of_any(&self, columns: &[Column], grid: &Grid) -> Result<Vec<bool>, Stop> {
        self.keep_value_bytes(grid.len as u64)?;
        let mut present = vec![false; grid.len];
        for column in columns {
            self.work(grid.len as u64)?;
            mark_present(&mut present, column);
        }
        Ok(present)
    }

    /// The labels that must be equal.
    pub(crate) fn signature(&self, labels: &Labels, matching: &Matching) -> Result<Labels, Stop> {
        self.work(1 + (labels.len() * matching.labels.len()) as u64)?;
        Ok(signature(labels, matching))
    }

    /// The labels of a pair's result; those it takes from `one` are charged with their texts.
    fn result_labels(&self, b: &Binary, many: &Labels, one: &Labels) -> Result<Labels, Stop> {
        let named = b.matching.labels.len() + b.matching.include.len();
        self.work(1 + (many.len() * named) as u64)?;
        let text = |name: &String| name.len() + one.get(name).len();
        let texts = b.matching.include.iter().map(text).sum();
        self.keep_labels(many.len() + b.matching.include.len(), texts)?;
        Ok(result_labels(b, many, one))
    }
}

/// Marks the steps that have a value.
pub(crate) fn mark_present(present: &mut [bool], column: &Column) {
    column.each_present(|step| present[step] = true);
}

/// A series that is not the only one of its signature at a step.
struct Second<'c> {
    step: usize,
    column: &'c Column,
    before: &'c Column,
}

/// On the side of which there is one, there must be only one at every step, unless there is
/// nothing at all on the other side. By labels, so that it is always the same that is told.
fn second<'c>(same: &mut [&'c Column], active: &[bool]) -> Option<Second<'c>> {
    if same.len() < 2 {
        return None;
    }
    same.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut steps = (0..active.len()).filter(|step| active[*step]);
    steps.find_map(|step| {
        let mut present = same.iter().copied().filter(|c| c.is_present(step));
        let (before, column) = (present.next()?, present.next()?);
        Some(Second {
            step,
            column,
            before,
        })
    })
}

impl Second<'_> {
    fn as_stop(&self, b: &Binary, signature: &Labels) -> Stop {
        let side = if b.matching.many == Some(Many::Right) {
            "left"
        } else {
            "right"
        };
        Stop::Expression(format!(
            "found duplicate series for the match group {signature} on the {side} hand-side of the operation: [{}, {}];many-to-many matching not allowed: matching labels must be unique on one side",
            self.column.labels, self.before.labels
        ))
    }
}

/// Between single series, a signature may give one result at a step.
fn take_steps(taken: &mut [bool], column: &Column) -> Result<(), Stop> {
    for (step, taken) in taken.iter_mut().enumerate() {
        let present = column.is_present(step);
        if *taken && present {
            let message = "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)";
            return Err(Stop::Expression(message.into()));
        }
        *taken |= present;
    }
    Ok(())
}

fn pair_values(b: &Binary, many: &Column, one: &Column) -> Vec<f64> {
    let swapped = b.matching.many == Some(Many::Right);
    let pairs = many.values.iter().zip(&one.values);
    pairs
        .map(|(many, one)| {
            if is_absent(*many) || is_absent(*one) {
                return ABSENT;
            }
            let (l, r) = if swapped {
                (*one, *many)
            } else {
                (*many, *one)
            };
            outcome(b, arithmetic::scalar(b.op, l, r), l)
        })
        .collect()
}

/// A comparison that does not give a number keeps or drops the left value.
fn outcome(b: &Binary, result: f64, kept: f64) -> f64 {
    if b.op.is_trim() {
        return ABSENT;
    }
    match (b.op.is_comparison() && !b.is_bool, result == 1.0) {
        (false, _) => result,
        (true, true) => kept,
        (true, false) => ABSENT,
    }
}

/// Only a comparison that filters gives the metric itself.
fn drops_name(b: &Binary) -> bool {
    !(b.op.is_trim() || b.op.is_comparison()) || b.is_bool
}

fn signature(labels: &Labels, matching: &Matching) -> Labels {
    let named = |name: &str| matching.labels.iter().any(|l| l == name);
    let mut builder = labels.to_builder();
    builder.retain(|name| {
        if matching.on {
            named(name)
        } else {
            name != NAME && !named(name)
        }
    });
    builder.build()
}

fn result_labels(b: &Binary, many: &Labels, one: &Labels) -> Labels {
    let mut builder = many.to_builder();
    if drops_name(b) {
        builder.remove(NAME);
    }
    if b.matching.many.is_none() {
        let named = |name: &str| b.matching.labels.iter().any(|l| l == name);
        builder.retain(|name| named(name) == b.matching.on);
    }
    for name in &b.matching.include {
        builder.set(name, one.get(name));
    }
    builder.build()
}

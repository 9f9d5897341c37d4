//! Operators between vectors, or a vector and a number.

use super::{ABSENT, Column, Engine, Grid, arithmetic, is_absent, merge_same, without_name};
use crate::promql::ast::{Binary, BinaryOp, Many, Matching, Type};
use crate::promql::source::{Source, Stop};
use crate::translate::labels::NAME;
use ahash::AHashMap;
use sonde_proto::Labels;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn binary(&self, b: &Binary, grid: &Grid) -> Result<Vec<Column>, Stop> {
        match (b.lhs.returns(), b.rhs.returns()) {
            (Type::Vector, Type::Vector) => {
                let (lhs, rhs) = (self.vector(&b.lhs, grid)?, self.vector(&b.rhs, grid)?);
                if b.op.is_set() {
                    Ok(set(b, lhs, rhs)?)
                } else {
                    self.paired(b, lhs, rhs, grid)
                }
            }
            (Type::Vector, _) => {
                let (columns, scalar) = (self.vector(&b.lhs, grid)?, self.scalar(&b.rhs, grid)?);
                with_scalar(b, columns, &scalar, |op, vector, scalar| {
                    arithmetic::scalar(op, vector, scalar)
                })
            }
            _ => {
                let (scalar, columns) = (self.scalar(&b.lhs, grid)?, self.vector(&b.rhs, grid)?);
                with_scalar(b, columns, &scalar, |op, vector, scalar| {
                    arithmetic::scalar(op, scalar, vector)
                })
            }
        }
    }

    /// Pairs series of both sides by their signature, step by step.
    fn paired(
        &self,
        b: &Binary,
        lhs: Vec<Column>,
        rhs: Vec<Column>,
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        let (many, one) = if b.matching.many == Some(Many::Right) {
            (rhs, lhs)
        } else {
            (lhs, rhs)
        };
        let mut ones: AHashMap<Labels, Vec<&Column>> = AHashMap::new();
        for column in &one {
            ones.entry(signature(&column.labels, &b.matching))
                .or_default()
                .push(column);
        }
        let active = presence_of_any(&many, grid.len);
        ones.iter()
            .try_for_each(|(signature, same)| check_unique(b, signature, same, &active))?;
        let mut results = Vec::new();
        let mut taken: AHashMap<Labels, Vec<bool>> = AHashMap::new();
        for column in &many {
            let key = signature(&column.labels, &b.matching);
            for other in ones.get(&key).into_iter().flatten() {
                self.spend(grid.len as u64)?;
                let values = pair_values(b, column, other);
                if b.matching.many.is_none() {
                    take_steps(
                        taken
                            .entry(key.clone())
                            .or_insert_with(|| vec![false; grid.len]),
                        &values,
                    )?;
                }
                if !values.iter().all(|v| is_absent(*v)) {
                    results.push(Column {
                        labels: result_labels(b, &column.labels, &other.labels),
                        values,
                    });
                }
            }
        }
        merge_same(results).map_err(|_| {
            Stop::Expression(
                "multiple matches for labels: grouping labels must ensure unique matches".into(),
            )
        })
    }
}

/// At which steps any series has a value.
fn presence_of_any(columns: &[Column], steps: usize) -> Vec<bool> {
    (0..steps)
        .map(|step| columns.iter().any(|c| !is_absent(c.values[step])))
        .collect()
}

/// On the side of which there is one, there must be only one at every step, unless there is
/// nothing at all on the other side.
fn check_unique(
    b: &Binary,
    signature: &Labels,
    same: &[&Column],
    active: &[bool],
) -> Result<(), Stop> {
    if same.len() < 2 {
        return Ok(());
    }
    for step in (0..active.len()).filter(|step| active[*step]) {
        let mut present = same.iter().filter(|c| !is_absent(c.values[step]));
        if let (Some(first), Some(second)) = (present.next(), present.next()) {
            let side = if b.matching.many == Some(Many::Right) {
                "left"
            } else {
                "right"
            };
            return Err(Stop::Expression(format!(
                "found duplicate series for the match group {signature} on the {side} hand-side of the operation: [{}, {}]; many-to-many matching not allowed: matching labels must be unique on one side",
                first.labels, second.labels
            )));
        }
    }
    Ok(())
}

/// Between single series, a signature may give one result at a step.
fn take_steps(taken: &mut [bool], values: &[f64]) -> Result<(), Stop> {
    for (taken, value) in taken.iter_mut().zip(values) {
        let present = !is_absent(*value);
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
    match (b.op.is_comparison() && !b.is_bool, result == 1.0) {
        (false, _) => result,
        (true, true) => kept,
        (true, false) => ABSENT,
    }
}

fn with_scalar(
    b: &Binary,
    mut columns: Vec<Column>,
    scalar: &[f64],
    apply: fn(BinaryOp, f64, f64) -> f64,
) -> Result<Vec<Column>, Stop> {
    for column in &mut columns {
        for (value, scalar) in column.values.iter_mut().zip(scalar) {
            if !is_absent(*value) {
                *value = outcome(b, apply(b.op, *value, *scalar), *value);
            }
        }
        if drops_name(b) {
            column.labels = without_name(&column.labels);
        }
    }
    columns.retain(|column| !column.values.iter().all(|v| is_absent(*v)));
    merge_same(columns)
}

/// Only a comparison that filters gives the metric itself.
fn drops_name(b: &Binary) -> bool {
    !b.op.is_comparison() || b.is_bool
}

/// The labels that must be equal.
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

/// `and`, `or`, `unless`: step by step, by signature.
fn set(b: &Binary, mut lhs: Vec<Column>, mut rhs: Vec<Column>) -> Result<Vec<Column>, Stop> {
    let steps = lhs
        .iter()
        .chain(&rhs)
        .map(|c| c.values.len())
        .next()
        .unwrap_or_default();
    let keep_left = b.op == BinaryOp::And;
    if b.op == BinaryOp::Or {
        let present = presence(&lhs, &b.matching, steps);
        hide(&mut rhs, &present, &b.matching, false);
        lhs.append(&mut rhs);
    } else {
        let present = presence(&rhs, &b.matching, steps);
        hide(&mut lhs, &present, &b.matching, keep_left);
    }
    lhs.retain(|column| !column.values.iter().all(|v| is_absent(*v)));
    merge_same(lhs)
}

/// At which steps a signature has a value.
fn presence(columns: &[Column], matching: &Matching, steps: usize) -> AHashMap<Labels, Vec<bool>> {
    let mut present: AHashMap<Labels, Vec<bool>> = AHashMap::new();
    for column in columns {
        let seen = present
            .entry(signature(&column.labels, matching))
            .or_insert_with(|| vec![false; steps]);
        seen.iter_mut()
            .zip(&column.values)
            .for_each(|(seen, value)| *seen |= !is_absent(*value));
    }
    present
}

/// Removes values where the presence of their signature is not `wanted`.
fn hide(
    columns: &mut [Column],
    present: &AHashMap<Labels, Vec<bool>>,
    matching: &Matching,
    wanted: bool,
) {
    for column in columns {
        let seen = present.get(&signature(&column.labels, matching));
        for (step, value) in column.values.iter_mut().enumerate() {
            if seen.is_some_and(|seen| seen[step]) != wanted {
                *value = ABSENT;
            }
        }
    }
}

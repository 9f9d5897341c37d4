//! `and`, `or`, `unless`: step by step, by signature.

use crate::ast::{BinaryOp, Matching};
use crate::eval::binary::signature;
use crate::eval::column::{ABSENT, Column, is_absent};
use crate::eval::limits::{Budget, Work};
use crate::source::Stop;
use ahash::AHashMap;
use sonde_proto::Labels;

/// At which steps a signature has a value.
type Presence = AHashMap<Labels, Vec<bool>>;

pub(crate) fn combine(
    op: BinaryOp,
    matching: &Matching,
    mut left: Vec<Column>,
    mut right: Vec<Column>,
    budget: &Budget,
) -> Result<Vec<Column>, Stop> {
    if op == BinaryOp::Or {
        let present = presence(&left, matching, budget)?;
        keep_where(&mut right, &present, false, matching, budget)?;
        left.append(&mut right);
    } else {
        let present = presence(&right, matching, budget)?;
        keep_where(&mut left, &present, op == BinaryOp::And, matching, budget)?;
    }
    left.retain(|column| !column.is_blank());
    Ok(left)
}

fn presence(columns: &[Column], matching: &Matching, budget: &Budget) -> Result<Presence, Stop> {
    let mut all = Presence::new();
    let mut work = Work::default();
    for column in columns {
        let steps = column.values.len();
        work.add(budget, 1 + steps)?;
        let signature = signature(&column.labels, matching);
        if !all.contains_key(&signature) {
            budget.keep_results(steps.div_ceil(8))?;
        }
        let present = all.entry(signature).or_insert_with(|| vec![false; steps]);
        for (present, value) in present.iter_mut().zip(&column.values) {
            *present |= !is_absent(*value);
        }
    }
    Ok(all)
}

/// Removes the values whose signature's presence on the other side is not as `wanted`.
fn keep_where(
    columns: &mut [Column],
    present: &Presence,
    wanted: bool,
    matching: &Matching,
    budget: &Budget,
) -> Result<(), Stop> {
    let mut work = Work::default();
    for column in columns {
        work.add(budget, 1 + column.values.len())?;
        let seen = present.get(&signature(&column.labels, matching));
        for (step, value) in column.values.iter_mut().enumerate() {
            if seen.is_some_and(|seen| seen[step]) != wanted {
                *value = ABSENT;
            }
        }
    }
    Ok(())
}

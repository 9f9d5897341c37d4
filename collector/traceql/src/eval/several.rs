//! Comparing lists without looking at every pair: a span may have a million events, and two
//! lists of that length have more pairs than can be looked at.
//!
//! Values of one [`rank`] are in one order, and those of another either stand to all of them or
//! to none. So an ordering holds between some two elements just where it holds between two
//! outermost ones, and an equal element is found by halving.

use crate::ast::Compare;
use crate::value::Value;
use std::cmp::Ordering;

const RANKS: usize = 6;

/// Of which order a value is; `None` where it stands to nothing.
fn rank(value: &Value<'_>) -> Option<usize> {
    match value {
        Value::Str(_) => Some(0),
        Value::Bool(_) => Some(1),
        Value::Status(_) => Some(2),
        Value::Kind(_) => Some(3),
        // Apart, since whole numbers that differ may be the same as one that is not whole.
        Value::Int(_) | Value::Duration(_) => Some(4),
        Value::Float(n) => (!n.is_nan()).then_some(5),
        Value::Nil | Value::List(_) => None,
    }
}

/// Whether two values compare so of which one is a list at least.
pub(super) fn holds(op: Compare, left: &Value<'_>, right: &Value<'_>) -> bool {
    let (left, right) = (elements(left), elements(right));
    match op {
        Compare::Equal => any_equal(left, right),
        Compare::NotEqual => any_outermost(left, right, |_| true) && !any_equal(left, right),
        _ => any_outermost(left, right, |ordering| op.accepts(ordering)),
    }
}

fn elements<'a, 'v>(value: &'v Value<'a>) -> &'v [Value<'a>] {
    match value {
        Value::List(values) => values,
        other => std::slice::from_ref(other),
    }
}

fn any_equal(left: &[Value<'_>], right: &[Value<'_>]) -> bool {
    let (few, many) = match left.len() <= right.len() {
        true => (left, right),
        false => (right, left),
    };
    let mut sorted: [Vec<&Value<'_>>; RANKS] = Default::default();
    for value in few {
        if let Some(rank) = rank(value) {
            sorted[rank].push(value);
        }
    }
    for values in &mut sorted {
        values.sort_unstable_by(|a, b| a.compare(b).unwrap_or(Ordering::Equal));
    }
    let has = |values: &Vec<&Value<'_>>, wanted: &Value<'_>| {
        let first_not_less =
            values.partition_point(|value| value.compare(wanted).is_some_and(Ordering::is_lt));
        let found = values.get(first_not_less);
        found.is_some_and(|found| found.compare(wanted).is_some_and(Ordering::is_eq))
    };
    many.iter()
        .any(|value| sorted.iter().any(|values| has(values, value)))
}

/// Whether some two outermost elements stand to one another in such a way.
fn any_outermost(
    left: &[Value<'_>],
    right: &[Value<'_>],
    accepts: impl Fn(Ordering) -> bool,
) -> bool {
    let (left, right) = (outermost(left), outermost(right));
    let mut pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
    pairs.any(|(left, right)| left.compare(right).is_some_and(&accepts))
}

/// The least and the greatest value of every rank.
fn outermost<'a, 'v>(values: &'v [Value<'a>]) -> Vec<&'v Value<'a>> {
    let mut found: [Option<[&Value<'a>; 2]>; RANKS] = [None; RANKS];
    for value in values {
        let Some(rank) = rank(value) else { continue };
        let [least, greatest] = found[rank].get_or_insert([value; 2]);
        if value.compare(least).is_some_and(Ordering::is_lt) {
            *least = value;
        }
        if value.compare(greatest).is_some_and(Ordering::is_gt) {
            *greatest = value;
        }
    }
    found.into_iter().flatten().flatten().collect()
}

#[cfg(test)]
mod tests;

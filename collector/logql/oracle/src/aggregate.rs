//! Aggregations over series, and `label_replace`.

use crate::Key;
use crate::binary::Refused;
use crate::metric::{Context, Vector, grouped, variance, vectors, windows};
use sonde_logql::ast::{
    Grouping, LabelReplace, MetricExpr, RangeAggregation, RangeOp, VectorAggregation, VectorOp,
};
use std::collections::BTreeMap;

/// No grouping is one group.
static ONE: Grouping = Grouping {
    is_without: false,
    labels: Vec::new(),
};

fn adds_up(op: VectorOp, range: &RangeAggregation) -> bool {
    let is_sum = matches!(
        range.op,
        RangeOp::Count | RangeOp::Rate | RangeOp::Bytes | RangeOp::BytesRate | RangeOp::Sum
    );
    op == VectorOp::Sum && is_sum && range.grouping.is_none()
}

pub(crate) fn aggregate(
    context: &Context<'_>,
    aggregation: &VectorAggregation,
) -> Result<Vec<Vector>, Refused> {
    let inner = match &aggregation.expr {
        // A sum right above its records groups the records themselves: also by the label that
        // was unwrapped, which the series do not have.
        MetricExpr::Range(range) if adds_up(aggregation.op, range) => {
            let mut range = range.clone();
            range.grouping = Some(aggregation.grouping.clone().unwrap_or_else(|| ONE.clone()));
            windows(context, &range)?
        }
        other => vectors(context, other)?,
    };
    Ok(inner
        .into_iter()
        .map(|vector| at_one_time(context, aggregation, vector))
        .collect())
}

fn at_one_time(context: &Context<'_>, aggregation: &VectorAggregation, vector: Vector) -> Vector {
    let grouping = aggregation.grouping.as_ref().unwrap_or(&ONE);
    let mut groups: BTreeMap<Key, Vector> = BTreeMap::new();
    for (key, value) in vector {
        groups
            .entry(grouped(&key, Some(grouping)))
            .or_default()
            .push((key, value));
    }
    let mut out = Vec::new();
    for (key, group) in groups {
        let values: Vec<f64> = group.iter().map(|(_, value)| *value).collect();
        let count = values.len() as f64;
        values.iter().for_each(|value| context.note(*value));
        let folded = match aggregation.op {
            VectorOp::Sum => values.iter().sum(),
            VectorOp::Avg => values.iter().sum::<f64>() / count,
            VectorOp::Min => values.iter().copied().fold(f64::NAN, f64::min),
            VectorOp::Max => values.iter().copied().fold(f64::NAN, f64::max),
            VectorOp::Count => count,
            VectorOp::Stddev | VectorOp::Stdvar => {
                values.iter().for_each(|value| context.note(value * value));
                let variance = variance(&values);
                if aggregation.op == VectorOp::Stdvar {
                    variance
                } else {
                    variance.sqrt()
                }
            }
            VectorOp::Topk | VectorOp::ApproxTopk | VectorOp::SortDesc => {
                out.extend(first(context, aggregation, group, false));
                continue;
            }
            VectorOp::Bottomk | VectorOp::Sort => {
                out.extend(first(context, aggregation, group, true));
                continue;
            }
        };
        out.push((key, folded));
    }
    out
}

/// The first k of a group, with their labels.
fn first(
    context: &Context<'_>,
    aggregation: &VectorAggregation,
    mut group: Vector,
    ascending: bool,
) -> Vector {
    group.sort_by(|(_, a), (_, b)| {
        let order = if ascending {
            a.total_cmp(b)
        } else {
            b.total_cmp(a)
        };
        // What is no number comes last in both directions.
        a.is_nan().cmp(&b.is_nan()).then(order)
    });
    if matches!(aggregation.op, VectorOp::Sort | VectorOp::SortDesc) {
        return group;
    }
    let k = usize::try_from(aggregation.parameter.unwrap_or(0)).unwrap_or(usize::MAX);
    if group.len() > k && k > 0 {
        let (last, next) = (group[k - 1].1, group[k].1);
        // Sums in another order may differ in the last digit.
        if (last - next).abs() <= 1e-9 * last.abs().max(next.abs()) || next.is_nan() {
            context.has_ties.set(true);
        }
    }
    group.truncate(k);
    group
}

pub(crate) fn label_replace(
    context: &Context<'_>,
    replace: &LabelReplace,
) -> Result<Vec<Vector>, Refused> {
    let regex = crate::filters::re2(&format!("^(?s:{})$", replace.regex));
    let mut out = Vec::new();
    for vector in vectors(context, &replace.expr)? {
        let mut replaced: Vector = Vec::new();
        for (mut key, value) in vector {
            let source = key.get(&replace.source).cloned().unwrap_or_default();
            if let Some(found) = regex.captures(&source) {
                let mut text = String::new();
                found.expand(&replace.replacement, &mut text);
                key.remove(&replace.destination);
                if !text.is_empty() {
                    key.insert(replace.destination.clone(), text);
                }
            }
            if replaced.iter().any(|(other, _)| *other == key) {
                return Err(Refused::Undefined("label_replace made two series one"));
            }
            replaced.push((key, value));
        }
        out.push(replaced);
    }
    Ok(out)
}

//! Operators between two expressions.

use crate::Key;
use crate::filters::compare;
use crate::metric::{Context, Values, Vector, values};
use sonde_logql::ast::{Binary, BinaryOp, Group, Matching};

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// A record has this error.
    Pipeline(String),
    /// Which series belong together is not clear.
    Matching(&'static str),
    /// The documentation does not say what the answer is.
    Undefined(&'static str),
}

pub(crate) fn binary(context: &Context<'_>, binary: &Binary) -> Result<Values, Refused> {
    let left = values(context, &binary.left)?;
    let right = values(context, &binary.right)?;
    let vectors = match (left, right) {
        (Values::Scalar(left), Values::Scalar(right)) => {
            let value = apply(binary, left, right).map_or(f64::NAN, |(value, _)| value);
            return Ok(Values::Scalar(value));
        }
        (Values::Scalar(left), Values::Vectors(right)) => {
            each(right, |value| with_number(binary, left, value, value))
        }
        (Values::Vectors(left), Values::Scalar(right)) => {
            each(left, |value| with_number(binary, value, right, value))
        }
        (Values::Vectors(left), Values::Vectors(right)) => {
            let mut out = Vec::new();
            for (left, right) in left.into_iter().zip(right) {
                out.push(two(binary, left, right)?);
            }
            out
        }
    };
    for (_, value) in vectors.iter().flatten() {
        context.note(*value);
    }
    Ok(Values::Vectors(vectors))
}

fn each(vectors: Vec<Vector>, f: impl Fn(f64) -> Option<f64>) -> Vec<Vector> {
    let one = |vector: Vector| {
        let kept = vector
            .into_iter()
            .filter_map(|(key, value)| Some((key, f(value)?)));
        kept.collect()
    };
    vectors.into_iter().map(one).collect()
}

/// A comparison keeps the value of the series, whichever side it is on.
fn with_number(binary: &Binary, left: f64, right: f64, series: f64) -> Option<f64> {
    let (value, is_filter) = apply(binary, left, right)?;
    Some(if is_filter { series } else { value })
}

/// The result, and whether it is that of a comparison that filters; none where that drops.
fn apply(binary: &Binary, left: f64, right: f64) -> Option<(f64, bool)> {
    let value = match binary.op {
        BinaryOp::Add => left + right,
        BinaryOp::Subtract => left - right,
        BinaryOp::Multiply => left * right,
        // Nothing is divided by 0.
        BinaryOp::Divide if right == 0.0 => f64::NAN,
        BinaryOp::Modulo if right == 0.0 => f64::NAN,
        BinaryOp::Divide => left / right,
        BinaryOp::Modulo => left % right,
        BinaryOp::Power => left.powf(right),
        BinaryOp::Compare(op) => {
            let holds = compare(op, left, right);
            if binary.return_bool {
                return Some((f64::from(u8::from(holds)), false));
            }
            return holds.then_some((left, true));
        }
        BinaryOp::And | BinaryOp::Or | BinaryOp::Unless => return None,
    };
    Some((value, false))
}

/// What two series must have in common to belong together.
fn signature(matching: &Matching, key: &Key) -> Key {
    let mut key = key.clone();
    key.retain(|name, _| matching.labels.contains(name) == matching.is_on);
    key
}

fn two(binary: &Binary, left: Vector, right: Vector) -> Result<Vector, Refused> {
    let sign = |key: &Key| signature(&binary.matching, key);
    let has = |side: &Vector, key: &Key| side.iter().any(|(other, _)| sign(other) == sign(key));
    match binary.op {
        BinaryOp::And => Ok(left
            .into_iter()
            .filter(|(key, _)| has(&right, key))
            .collect()),
        BinaryOp::Unless => Ok(left
            .into_iter()
            .filter(|(key, _)| !has(&right, key))
            .collect()),
        BinaryOp::Or => {
            let others: Vector = right
                .into_iter()
                .filter(|(key, _)| !has(&left, key))
                .collect();
            let mut all = left;
            all.extend(others);
            unique(all)
        }
        _ => pairs(binary, left, right),
    }
}

fn pairs(binary: &Binary, left: Vector, right: Vector) -> Result<Vector, Refused> {
    let matching = &binary.matching;
    let is_right = matches!(matching.group, Group::Right(_));
    let (many, one) = if is_right {
        (right, left)
    } else {
        (left, right)
    };
    let signs: Vec<Key> = one
        .iter()
        .map(|(key, _)| signature(matching, key))
        .collect();
    for (at, sign) in signs.iter().enumerate() {
        if signs[..at].contains(sign) {
            return Err(Refused::Matching(
                "two series of the side that must have one",
            ));
        }
    }
    let mut used: Vec<(usize, Key)> = Vec::new();
    let mut out: Vector = Vec::new();
    for (key, value) in &many {
        let sign = signature(matching, key);
        let Some(at) = signs.iter().position(|other| *other == sign) else {
            continue;
        };
        let (one_key, one_value) = &one[at];
        let labels = result_labels(matching, key, one_key);
        let is_taken = used.iter().any(|(other, used)| {
            *other == at && (matching.group == Group::OneToOne || *used == labels)
        });
        if is_taken {
            return Err(Refused::Matching("two series belong to one"));
        }
        used.push((at, labels.clone()));
        let (left, right) = if is_right {
            (*one_value, *value)
        } else {
            (*value, *one_value)
        };
        if let Some((value, _)) = apply(binary, left, right) {
            out.push((labels, value));
        }
    }
    unique(out)
}

fn result_labels(matching: &Matching, many: &Key, one: &Key) -> Key {
    let mut labels = many.clone();
    match &matching.group {
        Group::OneToOne => return signature(matching, many),
        Group::Left(taken) | Group::Right(taken) => {
            for name in taken {
                labels.remove(name);
                if let Some(value) = one.get(name) {
                    labels.insert(name.clone(), value.clone());
                }
            }
        }
    }
    labels
}

fn unique(vector: Vector) -> Result<Vector, Refused> {
    for (at, (key, _)) in vector.iter().enumerate() {
        if vector[..at].iter().any(|(other, _)| other == key) {
            return Err(Refused::Undefined("two series with the same labels"));
        }
    }
    Ok(vector)
}

//! The stages of a pipeline.

use super::effort::Room;
use super::{Comparing as _, Context};
use crate::ast::{Aggregate, Field, Pipeline, Scalar, SetOp, Spansets, Stage};
use crate::value::{Static, Value};
use ahash::AHashMap;

/// Spans of one trace, in order.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Set {
    pub(super) spans: Vec<usize>,
    pub(super) attributes: Vec<(String, Static)>,
}

/// The spans of all sets, each once, in order.
pub(super) fn union(sets: Vec<Set>) -> Vec<usize> {
    let mut spans: Vec<usize> = sets.into_iter().flat_map(|set| set.spans).collect();
    spans.sort_unstable();
    spans.dedup();
    spans
}

impl Context<'_> {
    pub(super) fn pipeline(&self, pipeline: &Pipeline, mut sets: Vec<Set>) -> Vec<Set> {
        for stage in &pipeline.stages {
            sets = self.stage(stage, sets);
            sets.retain(|set| !set.spans.is_empty());
        }
        sets
    }

    fn stage(&self, stage: &Stage, sets: Vec<Set>) -> Vec<Set> {
        match stage {
            Stage::Spansets(spansets) => {
                let filter = |set: Set| Set {
                    spans: self.spansets(spansets, &set.spans),
                    attributes: set.attributes,
                };
                sets.into_iter().map(filter).collect()
            }
            Stage::Scalar { left, op, right } => {
                let passes = |mut set: Set| {
                    let (a, b) = (self.scalar(left, &set), self.scalar(right, &set));
                    let holds = op.holds(&a, &b);
                    for (scalar, value) in [(left, a), (right, b)] {
                        if !matches!(scalar, Scalar::Literal(_)) {
                            set.attributes.push((scalar.to_string(), value));
                        }
                    }
                    holds.then_some(set)
                };
                sets.into_iter().filter_map(passes).collect()
            }
            Stage::By(field) => {
                let mut room = Room::new();
                sets.into_iter()
                    .flat_map(|set| self.by(field, &set, &mut room))
                    .collect()
            }
            Stage::Coalesce => vec![Set {
                spans: union(sets),
                attributes: Vec::new(),
            }],
            Stage::Select(_) => sets,
        }
    }

    /// The set parted by the values of a field, in the order in which they come; spans of values
    /// for which there is no room are left out.
    fn by(&self, field: &Field, set: &Set, room: &mut Room) -> Vec<Set> {
        let mut parts: Vec<Set> = Vec::new();
        let mut places: AHashMap<u64, usize> = AHashMap::new();
        let hasher = ahash::RandomState::new();
        for at in set.spans.iter().take_while(|_| self.effort.goes_on()) {
            let value = self.value(field, *at);
            // Whole values may be large, and those for which there is no room are many.
            let key = hasher.hash_one((value.type_name(), value.to_string()));
            if let Some(place) = places.get(&key) {
                parts[*place].spans.push(*at);
                continue;
            }
            let mut attributes = set.attributes.clone();
            attributes.push((format!("by({field})"), value.into_told()));
            let part = Set {
                spans: vec![*at],
                attributes,
            };
            if !room.take(&part) {
                self.effort.note_sets();
                continue;
            }
            places.insert(key, parts.len());
            parts.push(part);
        }
        parts
    }

    /// What is left of the spans of one set.
    pub(crate) fn spansets(&self, spansets: &Spansets, spans: &[usize]) -> Vec<usize> {
        match spansets {
            Spansets::Filter(None) => spans.to_vec(),
            Spansets::Filter(Some(field)) => {
                let in_time = spans.iter().take_while(|_| self.effort.goes_on());
                let holds = |at: &&usize| self.holds(field, **at);
                in_time.filter(holds).copied().collect()
            }
            Spansets::Pipeline(pipeline) => {
                let set = Set {
                    spans: spans.to_vec(),
                    attributes: Vec::new(),
                };
                union(self.pipeline(pipeline, vec![set]))
            }
            Spansets::Binary { left, op, right } => {
                let left = self.spansets(left, spans);
                if left.is_empty() && *op == SetOp::And {
                    return left;
                }
                let right = self.spansets(right, spans);
                match op {
                    SetOp::And if right.is_empty() => right,
                    SetOp::And | SetOp::Or => merge(left, right),
                    SetOp::Structural(..) if !self.effort.goes_on_over_all() => Vec::new(),
                    SetOp::Structural(relation, form) => {
                        self.related(&left, *relation, *form, &right)
                    }
                }
            }
        }
    }

    fn scalar(&self, scalar: &Scalar, set: &Set) -> Static {
        match scalar {
            Scalar::Literal(value) => value.clone(),
            Scalar::Count => Value::Int(i64::try_from(set.spans.len()).unwrap_or(i64::MAX)),
            Scalar::Aggregate(aggregate, field) => {
                let values = set.spans.iter().map(|at| self.value(field, *at));
                aggregate.of(values)
            }
            Scalar::Binary { left, op, right } => {
                op.of(&self.scalar(left, set), &self.scalar(right, set))
            }
        }
    }
}

fn merge(mut left: Vec<usize>, right: Vec<usize>) -> Vec<usize> {
    left.extend(right);
    left.sort_unstable();
    left.dedup();
    left
}

impl Aggregate {
    /// One number of those among the values; nothing where there is none.
    fn of<'a>(self, values: impl Iterator<Item = Value<'a>>) -> Static {
        let (mut count, mut sum, mut all_durations) = (0_u64, 0.0, true);
        let mut best: Option<(f64, Static)> = None;
        for value in values {
            let Some(number) = value.number() else {
                continue;
            };
            count += 1;
            sum += number;
            all_durations &= matches!(value, Value::Duration(_));
            let is_better = best.as_ref().is_none_or(|(known, _)| match self {
                Self::Min => number < *known,
                _ => number > *known,
            });
            if is_better {
                best = Some((number, value.into_static()));
            }
        }
        let number = match self {
            Self::Min | Self::Max => return best.map_or(Value::Nil, |(_, value)| value),
            _ if count == 0 => return Value::Nil,
            Self::Sum => sum,
            Self::Avg => sum / count as f64,
        };
        // A number beyond what a duration can hold stays a number.
        if all_durations && number.abs() < i64::MAX as f64 {
            Value::Duration(number.round() as i64)
        } else {
            Value::Float(number)
        }
    }
}

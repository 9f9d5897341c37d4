//! The evaluation that is obviously right: every span against every other, no tree, no
//! numbering, nothing kept.

use crate::plain::Plain;
use sonde_traceql::{
    Aggregate, Attribute, Compare, Field, FieldOp, Form, Intrinsic, Math, Pipeline, Query,
    Relation, Scalar, SetOp, Spansets, Stage, Static, Value,
};
use std::cmp::Ordering;

/// The places of the spans of a set, and its attributes.
pub type Found = (Vec<usize>, Vec<(String, Static)>);

impl Plain {
    /// What a query finds among the spans that run from `start` up to `end`.
    #[must_use]
    pub fn search(&self, query: &Query, start: u64, end: u64) -> Vec<Found> {
        let all = (0..self.spans.len())
            .filter(|at| self.spans[*at].start < end && self.spans[*at].end >= start)
            .collect();
        self.pipeline(&query.pipeline, vec![(all, Vec::new())])
    }

    fn pipeline(&self, pipeline: &Pipeline, mut sets: Vec<Found>) -> Vec<Found> {
        for stage in &pipeline.stages {
            let mut next: Vec<Found> = Vec::new();
            if *stage == Stage::Coalesce {
                let mut all: Vec<usize> = sets.drain(..).flat_map(|set| set.0).collect();
                all.sort_unstable();
                all.dedup();
                next.push((all, Vec::new()));
            }
            for (spans, mut attributes) in sets {
                match stage {
                    Stage::Spansets(s) => next.push((self.spansets(s, &spans), attributes)),
                    Stage::Select(_) => next.push((spans, attributes)),
                    Stage::Coalesce => {}
                    Stage::By(field) => next.extend(self.by(field, &spans, &attributes)),
                    Stage::Scalar { left, op, right } => {
                        let a = self.scalar(left, &spans);
                        let b = self.scalar(right, &spans);
                        if holds(&a, *op, &b) {
                            for (scalar, value) in [(left, a), (right, b)] {
                                if !matches!(scalar, Scalar::Literal(_)) {
                                    attributes.push((scalar.to_string(), value));
                                }
                            }
                            next.push((spans, attributes));
                        }
                    }
                }
            }
            sets = next.into_iter().filter(|set| !set.0.is_empty()).collect();
        }
        sets
    }

    fn by(&self, field: &Field, spans: &[usize], had: &[(String, Static)]) -> Vec<Found> {
        let mut parts: Vec<(Static, Found)> = Vec::new();
        for at in spans {
            let value = self.value(field, *at);
            // Numbers that are written alike and of one type are one.
            let same = |known: &Static| {
                known.type_name() == value.type_name() && known.to_string() == value.to_string()
            };
            if let Some((_, found)) = parts.iter_mut().find(|(known, _)| same(known)) {
                found.0.push(*at);
            } else {
                let mut attributes = had.to_vec();
                attributes.push((format!("by({field})"), value.clone()));
                parts.push((value, (vec![*at], attributes)));
            }
        }
        parts.into_iter().map(|(_, found)| found).collect()
    }

    fn spansets(&self, spansets: &Spansets, spans: &[usize]) -> Vec<usize> {
        match spansets {
            Spansets::Filter(None) => spans.to_vec(),
            Spansets::Filter(Some(field)) => {
                let holds = |at: &usize| self.value(field, *at) == Value::Bool(true);
                spans.iter().copied().filter(holds).collect()
            }
            Spansets::Pipeline(pipeline) => {
                let sets = self.pipeline(pipeline, vec![(spans.to_vec(), Vec::new())]);
                let is_in = |at: &usize| sets.iter().any(|set| set.0.contains(at));
                spans.iter().copied().filter(is_in).collect()
            }
            Spansets::Binary { left, op, right } => {
                let (a, b) = (self.spansets(left, spans), self.spansets(right, spans));
                let both = |at: &usize| a.contains(at) || b.contains(at);
                let related =
                    |relation, left: usize, right: usize| self.related(relation, left, right);
                let keep = |at: &usize| match op {
                    SetOp::And => both(at) && !a.is_empty() && !b.is_empty(),
                    SetOp::Or => both(at),
                    SetOp::Structural(r, Form::Plain) => {
                        b.contains(at) && a.iter().any(|left| related(*r, *left, *at))
                    }
                    SetOp::Structural(r, Form::Not) => {
                        b.contains(at) && !a.iter().any(|left| related(*r, *left, *at))
                    }
                    SetOp::Structural(r, Form::Union) => {
                        (b.contains(at) && a.iter().any(|left| related(*r, *left, *at)))
                            || (a.contains(at) && b.iter().any(|right| related(*r, *at, *right)))
                    }
                };
                spans.iter().copied().filter(keep).collect()
            }
        }
    }

    /// Whether `right` stands so to `left`.
    fn related(&self, relation: Relation, left: usize, right: usize) -> bool {
        match relation {
            Relation::Child => self.parent(right) == Some(left),
            Relation::Parent => self.parent(left) == Some(right),
            Relation::Descendant => self.ancestors(right).contains(&left),
            Relation::Ancestor => self.ancestors(left).contains(&right),
            Relation::Sibling => {
                let parent = self.spans[left].parent;
                left != right && parent.is_some() && parent == self.spans[right].parent
            }
        }
    }

    /// The parent as it is named.
    fn named_parent(&self, at: usize) -> Option<usize> {
        let parent = self.spans[at].parent?;
        self.spans.iter().position(|span| span.id == parent)
    }

    /// The parent, except of the first span of a cycle.
    fn parent(&self, at: usize) -> Option<usize> {
        let mut cycle = vec![at];
        let mut next = self.named_parent(at);
        while let Some(place) = next {
            if place == at {
                let is_first = cycle.iter().min() == Some(&at);
                return self.named_parent(at).filter(|_| !is_first);
            }
            if cycle.contains(&place) {
                break;
            }
            cycle.push(place);
            next = self.named_parent(place);
        }
        self.named_parent(at)
    }

    fn ancestors(&self, at: usize) -> Vec<usize> {
        let (mut found, mut next) = (Vec::new(), self.parent(at));
        while let Some(place) = next {
            found.push(place);
            next = self.parent(place);
        }
        found
    }

    fn value(&self, field: &Field, at: usize) -> Static {
        match field {
            Field::Literal(value) => value.clone(),
            Field::Attribute(attribute) => self.attribute(attribute, at),
            Field::Intrinsic(intrinsic) => self.intrinsic(*intrinsic, at),
            Field::Minus(inner) => calculate(&Value::Int(0), Math::Sub, &self.value(inner, at)),
            Field::Not(inner) => match self.value(inner, at) {
                Value::Bool(is) => Value::Bool(!is),
                _ => Value::Nil,
            },
            Field::Match {
                field,
                pattern,
                negated,
            } => {
                let texts: Vec<String> = flat(self.value(field, at))
                    .into_iter()
                    .filter_map(|value| match value {
                        Value::Str(text) => Some(text.into_owned()),
                        _ => None,
                    })
                    .collect();
                let any = texts.iter().any(|text| pattern.matches(text));
                Value::Bool(!texts.is_empty() && any != *negated)
            }
            Field::Binary { left, op, right } => {
                let (a, b) = (self.value(left, at), self.value(right, at));
                match op {
                    FieldOp::And => Value::Bool(a == Value::Bool(true) && b == Value::Bool(true)),
                    FieldOp::Or => Value::Bool(a == Value::Bool(true) || b == Value::Bool(true)),
                    FieldOp::Math(op) => calculate(&a, *op, &b),
                    FieldOp::Compare(op) => {
                        let nil = Field::Literal(Value::Nil);
                        if **left == nil || **right == nil {
                            let other = if **left == nil { b } else { a };
                            let is_nil = other == Value::Nil;
                            return Value::Bool(match op {
                                Compare::Equal => is_nil,
                                Compare::NotEqual => !is_nil,
                                _ => false,
                            });
                        }
                        Value::Bool(holds(&a, *op, &b))
                    }
                }
            }
        }
    }

    fn attribute(&self, attribute: &Attribute, at: usize) -> Static {
        let at = if attribute.of_parent {
            self.parent(at)
        } else {
            Some(at)
        };
        at.map_or(Value::Nil, |at| {
            self.spans[at].attribute(attribute.scope, &attribute.name)
        })
    }

    fn intrinsic(&self, intrinsic: Intrinsic, at: usize) -> Static {
        let span = &self.spans[at];
        let text = |text: &str| Value::Str(text.to_owned().into());
        let some = |found: &str| {
            if found.is_empty() {
                Value::Nil
            } else {
                text(found)
            }
        };
        let list = |all: Vec<Static>| {
            if all.is_empty() {
                Value::Nil
            } else {
                Value::List(all)
            }
        };
        let orphan = |s: &&crate::PlainSpan| {
            s.parent
                .is_none_or(|id| self.spans.iter().all(|span| span.id != id))
        };
        let root = || {
            let declared = self.spans.iter().find(|span| span.parent.is_none());
            declared
                .or_else(|| self.spans.iter().find(orphan))
                .unwrap_or(&self.spans[0])
        };
        match intrinsic {
            Intrinsic::Duration => Value::Duration((span.end - span.start) as i64),
            Intrinsic::Name => text(&span.name),
            Intrinsic::Status => Value::Status(span.status),
            Intrinsic::StatusMessage => text(&span.message),
            Intrinsic::Kind => Value::Kind(span.kind),
            Intrinsic::Id => text(&span.id.to_string()),
            Intrinsic::ParentId => span.parent.map_or(Value::Nil, |id| text(&id.to_string())),
            Intrinsic::Parent => span.parent.map_or(Value::Nil, |_| Value::Bool(true)),
            Intrinsic::ChildCount => {
                let of = |other: &usize| self.parent(*other) == Some(at);
                Value::Int((0..self.spans.len()).filter(of).count() as i64)
            }
            Intrinsic::NestedSetLeft => Value::Int(self.walk(at).0),
            Intrinsic::NestedSetRight => Value::Int(self.walk(at).1),
            Intrinsic::NestedSetParent => Value::Int(match self.parent(at) {
                Some(parent) => self.walk(parent).0,
                None if span.parent.is_none() => -1,
                None => 0,
            }),
            Intrinsic::TraceDuration => {
                let last = self.spans.iter().map(|span| span.end).max().unwrap_or(0);
                Value::Duration((last - self.spans[0].start) as i64)
            }
            Intrinsic::RootName => text(&root().name),
            Intrinsic::RootService => text(&root().service),
            Intrinsic::TraceId => text(&self.id.to_string()),
            Intrinsic::EventName => list(span.events.iter().map(|e| text(&e.0)).collect()),
            Intrinsic::EventTimeSinceStart => {
                let since = |time: u64| Value::Duration(time as i64 - span.start as i64);
                list(span.events.iter().map(|e| since(e.1)).collect())
            }
            Intrinsic::LinkTraceId => {
                list(span.links.iter().map(|l| text(&l.0.to_string())).collect())
            }
            Intrinsic::LinkSpanId => {
                list(span.links.iter().map(|l| text(&l.1.to_string())).collect())
            }
            Intrinsic::InstrumentationName => some(&span.instrumentation.0),
            Intrinsic::InstrumentationVersion => some(&span.instrumentation.1),
        }
    }

    /// The numbers at which a walk comes to a span and leaves it.
    fn walk(&self, wanted: usize) -> (i64, i64) {
        fn visit(trace: &Plain, at: usize, next: &mut i64, numbers: &mut [(i64, i64)]) {
            numbers[at].0 = *next;
            *next += 1;
            for child in 0..trace.spans.len() {
                if trace.parent(child) == Some(at) {
                    visit(trace, child, next, numbers);
                }
            }
            numbers[at].1 = *next;
            *next += 1;
        }
        let mut numbers = vec![(0, 0); self.spans.len()];
        let mut next = 1;
        // Cycles come last.
        for is_cut in [false, true] {
            for root in 0..self.spans.len() {
                let is_root = self.parent(root).is_none();
                if is_root && self.named_parent(root).is_some() == is_cut {
                    visit(self, root, &mut next, &mut numbers);
                }
            }
        }
        numbers[wanted]
    }

    fn scalar(&self, scalar: &Scalar, spans: &[usize]) -> Static {
        match scalar {
            Scalar::Literal(value) => value.clone(),
            Scalar::Count => Value::Int(spans.len() as i64),
            Scalar::Binary { left, op, right } => {
                calculate(&self.scalar(left, spans), *op, &self.scalar(right, spans))
            }
            Scalar::Aggregate(aggregate, field) => {
                let values = spans.iter().map(|at| self.value(field, *at));
                let numbers: Vec<Static> = values.filter(|v| v.number().is_some()).collect();
                let Some(first) = numbers.first() else {
                    return Value::Nil;
                };
                let sum: f64 = numbers.iter().filter_map(Value::number).sum();
                let best = |wanted: Ordering| {
                    let mut best = first;
                    for value in &numbers {
                        if value.number().partial_cmp(&best.number()) == Some(wanted) {
                            best = value;
                        }
                    }
                    best.clone()
                };
                let number = match aggregate {
                    Aggregate::Min => return best(Ordering::Less),
                    Aggregate::Max => return best(Ordering::Greater),
                    Aggregate::Sum => sum,
                    Aggregate::Avg => sum / numbers.len() as f64,
                };
                if numbers.iter().all(|v| matches!(v, Value::Duration(_))) && number.abs() < 9e18 {
                    Value::Duration(number.round() as i64)
                } else {
                    Value::Float(number)
                }
            }
        }
    }
}

fn flat(value: Static) -> Vec<Static> {
    match value {
        Value::List(values) => values,
        Value::Nil => Vec::new(),
        value => vec![value],
    }
}

fn holds(left: &Static, op: Compare, right: &Static) -> bool {
    let mut orderings = Vec::new();
    for a in flat(left.clone()) {
        for b in flat(right.clone()) {
            let ordering = match (&a, &b) {
                (Value::Str(a), Value::Str(b)) => a.partial_cmp(b),
                (Value::Bool(a), Value::Bool(b)) => a.partial_cmp(b),
                (Value::Status(a), Value::Status(b)) => a.partial_cmp(b),
                (Value::Kind(a), Value::Kind(b)) => a.partial_cmp(b),
                (a, b) => match (a.number(), b.number()) {
                    (Some(a), Some(b)) => a.partial_cmp(&b),
                    _ => None,
                },
            };
            orderings.extend(ordering);
        }
    }
    match op {
        Compare::Equal => orderings.contains(&Ordering::Equal),
        Compare::NotEqual => !orderings.is_empty() && !orderings.contains(&Ordering::Equal),
        Compare::Less => orderings.contains(&Ordering::Less),
        Compare::Greater => orderings.contains(&Ordering::Greater),
        Compare::LessEqual => orderings.iter().any(|o| *o != Ordering::Greater),
        Compare::GreaterEqual => orderings.iter().any(|o| *o != Ordering::Less),
    }
}

/// Tests keep to small numbers, where whole ones do not overflow.
fn calculate(left: &Static, op: Math, right: &Static) -> Static {
    let (Some(a), Some(b)) = (left.number(), right.number()) else {
        return Value::Nil;
    };
    let number = match op {
        Math::Add => a + b,
        Math::Sub => a - b,
        Math::Mul => a * b,
        Math::Div => a / b,
        Math::Mod => a % b,
        Math::Pow => a.powf(b),
    };
    let is_float = |value: &Static| matches!(value, Value::Float(_));
    let stays_whole = !is_float(left) && !is_float(right) && ![Math::Div, Math::Pow].contains(&op);
    if !stays_whole || !number.is_finite() || number.abs() >= 9e15 {
        return Value::Float(number);
    }
    let is_duration = |value: &Static| matches!(value, Value::Duration(_));
    if is_duration(left) || is_duration(right) {
        Value::Duration(number as i64)
    } else {
        Value::Int(number as i64)
    }
}

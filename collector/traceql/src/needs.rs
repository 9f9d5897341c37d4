//! What a trace must have to be found: what a store can look up before it reads a trace.
//!
//! ```text
//! { a && b } >> ({ c } || { d })     clauses  [a b]  and  [c] or [d]
//! ```
//!
//! Of every clause ([`Query::clauses`]), some span within the time searched satisfies all
//! needs of at least one alternative. Clauses narrow and decide nothing.

use crate::ast::{
    Attribute, Compare, Field, FieldOp, Form, Intrinsic, Pipeline, Query, Scope, SetOp, Spansets,
    Stage,
};
use crate::pattern::Pattern;
use crate::value::{Kind, Status, Value};
use sonde_proto::semconv;

/// How many alternatives a clause has; where there are more, it says nothing.
const ALTERNATIVES_MAX: usize = 16;
/// How many clauses are told.
const CLAUSES_MAX: usize = 8;
/// Numbers above this stand for several whole numbers.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// What one way of being found needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alternative {
    /// All of these.
    pub needs: Vec<Need>,
}

/// What a span must have.
#[derive(Clone, Debug, PartialEq)]
pub enum Need {
    /// This service.
    Service(String),
    /// This name.
    Name(String),
    /// This status.
    Status(Status),
    /// This kind.
    Kind(Kind),
    /// This ID, in lower-case hex.
    SpanId(String),
    /// An attribute of this name, on the span or its resource, whose value, or an element of
    /// it, is this as text.
    Attribute(String, String),
    /// At least so many nanoseconds.
    AtLeast(u64),
    /// At most so many.
    AtMost(u64),
}

impl Query {
    /// What a trace needs to be found. A clause without alternatives can never be satisfied.
    #[must_use]
    pub fn clauses(&self) -> Vec<Vec<Alternative>> {
        let mut clauses = of_pipeline(&self.pipeline);
        // Those that say nothing, and those that others say.
        clauses.retain(|clause| !clause.iter().any(|a| a.needs.is_empty()));
        let mut told: Vec<Vec<Alternative>> = Vec::new();
        for clause in clauses {
            if !told.contains(&clause) && told.len() < CLAUSES_MAX {
                told.push(clause);
            }
        }
        told
    }
}

fn anything() -> Vec<Alternative> {
    vec![Alternative::default()]
}

fn one(need: Need) -> Vec<Alternative> {
    vec![Alternative { needs: vec![need] }]
}

fn of_pipeline(pipeline: &Pipeline) -> Vec<Vec<Alternative>> {
    let of_stage = |stage: &Stage| match stage {
        Stage::Spansets(spansets) => of_spansets(spansets),
        Stage::Scalar { .. } | Stage::By(_) | Stage::Coalesce | Stage::Select(_) => Vec::new(),
    };
    pipeline.stages.iter().flat_map(of_stage).collect()
}

fn of_spansets(spansets: &Spansets) -> Vec<Vec<Alternative>> {
    match spansets {
        Spansets::Filter(None) => Vec::new(),
        Spansets::Filter(Some(field)) => vec![of_field(field)],
        Spansets::Pipeline(pipeline) => of_pipeline(pipeline),
        Spansets::Binary { left, op, right } => {
            let right = of_spansets(right);
            match op {
                SetOp::Structural(_, Form::Not) => right,
                SetOp::And | SetOp::Structural(_, Form::Plain | Form::Union) => {
                    let mut clauses = of_spansets(left);
                    clauses.extend(right);
                    clauses
                }
                SetOp::Or => {
                    let mut clauses = Vec::new();
                    for left in of_spansets(left).iter().take(CLAUSES_MAX) {
                        for right in right.iter().take(CLAUSES_MAX) {
                            clauses.push(either(left.clone(), right.clone()));
                        }
                    }
                    clauses.truncate(CLAUSES_MAX);
                    clauses
                }
            }
        }
    }
}

fn either(mut left: Vec<Alternative>, right: Vec<Alternative>) -> Vec<Alternative> {
    for alternative in right {
        if !left.contains(&alternative) {
            left.push(alternative);
        }
    }
    let is_anything = left.iter().any(|alternative| alternative.needs.is_empty());
    if is_anything || left.len() > ALTERNATIVES_MAX {
        return anything();
    }
    left
}

fn both(left: Vec<Alternative>, right: Vec<Alternative>) -> Vec<Alternative> {
    if left.len() * right.len() > ALTERNATIVES_MAX {
        // Either side alone narrows as well.
        return if left.len() < right.len() {
            left
        } else {
            right
        };
    }
    let mut all = Vec::new();
    for a in &left {
        for b in &right {
            let mut needs = a.needs.clone();
            needs.extend(
                b.needs
                    .iter()
                    .filter(|need| !a.needs.contains(need))
                    .cloned(),
            );
            all.push(Alternative { needs });
        }
    }
    all
}

fn of_field(field: &Field) -> Vec<Alternative> {
    match field {
        Field::Literal(value) if !value.is_true() => Vec::new(),
        Field::Binary { left, op, right } => match op {
            FieldOp::And => both(of_field(left), of_field(right)),
            FieldOp::Or => either(of_field(left), of_field(right)),
            FieldOp::Compare(op) => match (&**left, &**right) {
                (field, Field::Literal(value)) => of_comparison(field, *op, value),
                (Field::Literal(value), field) => of_comparison(field, op.turned(), value),
                _ => anything(),
            },
            FieldOp::Math(_) => anything(),
        },
        Field::Match {
            field,
            pattern,
            negated: false,
        } => match texts(pattern) {
            Some(texts) => texts
                .into_iter()
                .map(|text| of_comparison(field, Compare::Equal, &Value::Str(text.into())))
                .fold(Vec::new(), either),
            None => anything(),
        },
        _ => anything(),
    }
}

fn of_comparison(field: &Field, op: Compare, value: &Value<'_>) -> Vec<Alternative> {
    let need = match (field, op, value) {
        (Field::Intrinsic(Intrinsic::Duration), op, value) => {
            return value.number().map_or_else(anything, |n| of_duration(op, n));
        }
        (Field::Attribute(attribute), Compare::Equal, value) => of_attribute(attribute, value),
        (Field::Intrinsic(Intrinsic::Name), Compare::Equal, Value::Str(name)) => {
            Some(Need::Name(name.to_string()))
        }
        (Field::Intrinsic(Intrinsic::Id), Compare::Equal, Value::Str(id)) => {
            Some(Need::SpanId(id.to_string()))
        }
        (Field::Intrinsic(Intrinsic::Status), Compare::Equal, Value::Status(status)) => {
            Some(Need::Status(*status))
        }
        (Field::Intrinsic(Intrinsic::Kind), Compare::Equal, Value::Kind(kind)) => {
            Some(Need::Kind(*kind))
        }
        _ => None,
    };
    need.map_or_else(anything, one)
}

fn of_attribute(attribute: &Attribute, value: &Value<'_>) -> Option<Need> {
    let is_own = [Scope::Any, Scope::Span, Scope::Resource].contains(&attribute.scope);
    if !is_own || attribute.of_parent {
        return None;
    }
    // Nothing is looked up by an empty value.
    let text = text(value).filter(|text| !text.is_empty())?;
    let is_service = attribute.scope == Scope::Resource && attribute.name == semconv::SERVICE_NAME;
    Some(if is_service && matches!(value, Value::Str(_)) {
        Need::Service(text)
    } else {
        Need::Attribute(attribute.name.clone(), text)
    })
}

fn of_duration(op: Compare, number: f64) -> Vec<Alternative> {
    // Rounded so that the bound keeps what the comparison keeps.
    let (low, high) = (
        number.floor().max(0.0) as u64,
        number.ceil().max(0.0) as u64,
    );
    match op {
        Compare::Greater | Compare::GreaterEqual => one(Need::AtLeast(low)),
        Compare::Less | Compare::LessEqual => one(Need::AtMost(high)),
        Compare::Equal => vec![Alternative {
            needs: vec![Need::AtLeast(low), Need::AtMost(high)],
        }],
        Compare::NotEqual => anything(),
    }
}

/// The one text that every attribute has whose value is equal to this.
fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Str(text) => Some(text.to_string()),
        Value::Bool(is) => Some(is.to_string()),
        Value::Int(_) | Value::Float(_) | Value::Duration(_) => {
            let number = value.number()?;
            // Zero may have a sign, and large numbers are equal to others.
            let is_one_text = number != 0.0 && number.abs() < EXACT_MAX;
            is_one_text.then(|| number.to_string())
        }
        Value::Nil | Value::Status(_) | Value::Kind(_) | Value::List(_) => None,
    }
}

/// The texts that a pattern such as `a|b` names.
fn texts(pattern: &Pattern) -> Option<Vec<String>> {
    let mut texts = vec![String::new()];
    let mut chars = pattern.text().chars();
    while let Some(c) = chars.next() {
        let c = match c {
            '|' => {
                texts.push(String::new());
                continue;
            }
            '\\' => chars.next().filter(char::is_ascii_punctuation)?,
            c if "^$.*+?()[]{}".contains(c) => return None,
            c => c,
        };
        texts.last_mut()?.push(c);
    }
    (texts.len() <= ALTERNATIVES_MAX).then_some(texts)
}

impl Compare {
    /// The same comparison with its sides exchanged.
    fn turned(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            same => same,
        }
    }
}

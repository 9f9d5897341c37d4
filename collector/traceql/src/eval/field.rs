//! Conditions and values of a span.
//!
//! - What is missing satisfies no comparison, `!=` and `!~` included; only `= nil` asks for it.
//! - Values of types that cannot be compared satisfy none either.
//! - Of a list, one element is enough for `=`, `=~` and an ordering; for `!=` and `!~` no
//!   element may be equal or match.

use super::{Context, several};
use crate::ast::{Attribute, Compare, Field, FieldOp, Intrinsic, Math};
use crate::pattern::Pattern;
use crate::value::Value;
use std::cmp::Ordering;

impl Context<'_> {
    /// Whether a span satisfies a condition.
    pub(crate) fn holds(&self, field: &Field, at: usize) -> bool {
        match field {
            Field::Binary { left, op, right } => match op {
                FieldOp::And => self.holds(left, at) && self.holds(right, at),
                FieldOp::Or => self.holds(left, at) || self.holds(right, at),
                FieldOp::Compare(op) => self.compares(left, *op, right, at),
                FieldOp::Math(_) => false,
            },
            Field::Match {
                field,
                pattern,
                negated,
            } => matches(&self.value(field, at), pattern, *negated),
            Field::Not(inner) => self.value(inner, at) == Value::Bool(false),
            _ => self.value(field, at).is_true(),
        }
    }

    fn compares(&self, left: &Field, op: Compare, right: &Field, at: usize) -> bool {
        let of_nil = match (left, right) {
            (Field::Literal(Value::Nil), other) | (other, Field::Literal(Value::Nil)) => {
                Some(self.value(other, at).is_nil())
            }
            _ => None,
        };
        match (of_nil, op) {
            (Some(is_nil), Compare::Equal) => is_nil,
            (Some(is_nil), Compare::NotEqual) => !is_nil,
            (Some(_), _) => false,
            (None, op) => op.holds(&self.value(left, at), &self.value(right, at)),
        }
    }

    /// A span's value of a field.
    pub(crate) fn value<'b>(&'b self, field: &'b Field, at: usize) -> Value<'b> {
        match field {
            Field::Literal(value) => borrowed(value),
            Field::Attribute(attribute) => self.attribute(attribute, at),
            Field::Intrinsic(intrinsic) => self.intrinsic(*intrinsic, at),
            Field::Binary {
                left,
                op: FieldOp::Math(op),
                right,
            } => op.of(&self.value(left, at), &self.value(right, at)),
            Field::Minus(inner) => Math::Sub.of(&Value::Int(0), &self.value(inner, at)),
            Field::Binary { .. } | Field::Match { .. } => Value::Bool(self.holds(field, at)),
            Field::Not(inner) => match self.value(inner, at) {
                Value::Bool(is) => Value::Bool(!is),
                _ => Value::Nil,
            },
        }
    }

    fn attribute(&self, attribute: &Attribute, at: usize) -> Value<'_> {
        let at = if attribute.of_parent {
            self.tree().parents[at]
        } else {
            Some(at)
        };
        at.map_or(Value::Nil, |at| {
            self.trace.attribute(at, attribute.scope, &attribute.name)
        })
    }

    fn intrinsic(&self, intrinsic: Intrinsic, at: usize) -> Value<'_> {
        let span = self.trace.span(at);
        let nanos = |nanos: u64| Value::Duration(i64::try_from(nanos).unwrap_or(i64::MAX));
        let number = |at: usize| self.tree().numbers[at];
        let root = || self.tree().root.map(|root| self.trace.span(root));
        match intrinsic {
            Intrinsic::Duration => nanos(span.nanos()),
            Intrinsic::Name => Value::text(span.name),
            Intrinsic::Status => Value::Status(span.status),
            Intrinsic::StatusMessage => Value::text(span.status_message),
            Intrinsic::Kind => Value::Kind(span.kind),
            Intrinsic::Id => owned(span.id.to_string()),
            Intrinsic::ParentId => span.parent.map_or(Value::Nil, |id| owned(id.to_string())),
            Intrinsic::ChildCount => Value::Int(self.tree().children[at]),
            Intrinsic::Parent => span.parent.map_or(Value::Nil, |_| Value::Bool(true)),
            Intrinsic::NestedSetLeft => Value::Int(number(at).0),
            Intrinsic::NestedSetRight => Value::Int(number(at).1),
            Intrinsic::NestedSetParent => Value::Int(match self.tree().parents[at] {
                Some(parent) => number(parent).0,
                None if span.parent.is_none() => -1,
                None => 0,
            }),
            Intrinsic::TraceDuration => nanos(self.tree().nanos),
            Intrinsic::RootName => root().map_or(Value::Nil, |root| Value::text(root.name)),
            Intrinsic::RootService => root().map_or(Value::Nil, |root| Value::text(root.service)),
            Intrinsic::TraceId => owned(self.trace.id().to_string()),
            Intrinsic::EventName => {
                let mut names = Vec::new();
                let each = &mut |name, _| names.push(Value::text(name));
                self.trace.each_event(at, each);
                list(names)
            }
            Intrinsic::EventTimeSinceStart => {
                let mut times = Vec::new();
                let each = &mut |_: &str, time: u64| {
                    let since = i128::from(time) - i128::from(span.start);
                    let least = if since < 0 { i64::MIN } else { i64::MAX };
                    times.push(Value::Duration(i64::try_from(since).unwrap_or(least)));
                };
                self.trace.each_event(at, each);
                list(times)
            }
            Intrinsic::LinkTraceId | Intrinsic::LinkSpanId => {
                let mut ids = Vec::new();
                self.trace.each_link(at, &mut |trace, span| {
                    ids.push(owned(if intrinsic == Intrinsic::LinkTraceId {
                        trace.to_string()
                    } else {
                        span.to_string()
                    }));
                });
                list(ids)
            }
            Intrinsic::InstrumentationName => text_or_nil(span.instrumentation.0),
            Intrinsic::InstrumentationVersion => text_or_nil(span.instrumentation.1),
        }
    }
}

fn owned<'a>(text: String) -> Value<'a> {
    Value::Str(text.into())
}

fn text_or_nil(text: &str) -> Value<'_> {
    if text.is_empty() {
        Value::Nil
    } else {
        Value::text(text)
    }
}

fn list(values: Vec<Value<'_>>) -> Value<'_> {
    if values.is_empty() {
        Value::Nil
    } else {
        Value::List(values)
    }
}

/// The same value without a copy of its text.
fn borrowed<'a>(value: &'a Value<'a>) -> Value<'a> {
    match value {
        Value::Str(text) => Value::text(text),
        other => other.clone(),
    }
}

/// Comparing and calculating with values.
pub(crate) trait Comparing {
    /// Whether two values compare so.
    fn holds(self, left: &Value<'_>, right: &Value<'_>) -> bool;
}

impl Comparing for Compare {
    fn holds(self, left: &Value<'_>, right: &Value<'_>) -> bool {
        if !matches!(left, Value::List(_)) && !matches!(right, Value::List(_)) {
            let ordering = left.compare(right);
            return ordering.is_some_and(|ordering| self.accepts(ordering));
        }
        several::holds(self, left, right)
    }
}

impl Compare {
    /// Whether it holds of values that stand so to one another.
    pub(super) fn accepts(self, ordering: Ordering) -> bool {
        match self {
            Self::Equal => ordering.is_eq(),
            Self::NotEqual => ordering.is_ne(),
            Self::Less => ordering.is_lt(),
            Self::LessEqual => ordering.is_le(),
            Self::Greater => ordering.is_gt(),
            Self::GreaterEqual => ordering.is_ge(),
        }
    }
}

fn matches(value: &Value<'_>, pattern: &Pattern, negated: bool) -> bool {
    match value {
        Value::Str(text) => pattern.matches(text) != negated,
        Value::List(values) => {
            let mut texts = values
                .iter()
                .filter(|v| matches!(v, Value::Str(_)))
                .peekable();
            if negated {
                texts.peek().is_some() && texts.all(|text| matches(text, pattern, true))
            } else {
                texts.any(|text| matches(text, pattern, false))
            }
        }
        _ => false,
    }
}

impl Math {
    /// What two numbers make; nothing where one is none. Whole numbers stay whole except in a
    /// quotient or a power, and what is calculated from a duration is one.
    pub(crate) fn of<'a>(self, left: &Value<'_>, right: &Value<'_>) -> Value<'a> {
        let (Some(a), Some(b)) = (left.number(), right.number()) else {
            return Value::Nil;
        };
        let is_duration = |value: &Value<'_>| matches!(value, Value::Duration(_));
        if let (Value::Int(a) | Value::Duration(a), Value::Int(b) | Value::Duration(b)) =
            (left, right)
        {
            let whole = match self {
                Self::Add => a.checked_add(*b),
                Self::Sub => a.checked_sub(*b),
                Self::Mul => a.checked_mul(*b),
                Self::Mod => a.checked_rem(*b),
                Self::Div | Self::Pow => None,
            };
            if let Some(whole) = whole {
                let is_duration = is_duration(left) || is_duration(right);
                return if is_duration {
                    Value::Duration(whole)
                } else {
                    Value::Int(whole)
                };
            }
        }
        Value::Float(match self {
            Self::Add => a + b,
            Self::Sub => a - b,
            Self::Mul => a * b,
            Self::Div => a / b,
            Self::Mod => a % b,
            Self::Pow => a.powf(b),
        })
    }
}

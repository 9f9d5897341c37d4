//! Values: what an attribute holds, what an intrinsic is, what a query writes.
//!
//! One type for both sides, borrowed from the spans or owned by the query. Numbers, whole or
//! not, and durations (in nanoseconds) compare with one another; everything else only with
//! its own type.

use serde::{Serialize, Serializer};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value<'a> {
    /// Nothing: the attribute is missing.
    Nil,
    /// Text.
    Str(Cow<'a, str>),
    /// A whole number.
    Int(i64),
    /// A number.
    Float(f64),
    /// Yes or no.
    Bool(bool),
    /// Nanoseconds.
    Duration(i64),
    /// How a span ended.
    Status(Status),
    /// What part a span plays.
    Kind(Kind),
    /// Several values: a list, or what several events say.
    List(Vec<Value<'a>>),
}

/// How many bytes of a text are told with a found span; nobody reads more in a list of spans,
/// and a sender may send megabytes.
const TOLD_BYTES_MAX: usize = 4 << 10;

/// A text as it is told: of a long one the beginning.
pub(crate) fn told(text: &str) -> String {
    if text.len() <= TOLD_BYTES_MAX {
        return text.to_owned();
    }
    let starts = text.char_indices().map(|(at, _)| at);
    let end = starts.take_while(|at| *at <= TOLD_BYTES_MAX).last();
    format!("{}…", &text[..end.unwrap_or(0)])
}

/// A value that borrows nothing.
pub type Static = Value<'static>;

/// How a span ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Nothing was said.
    Unset,
    /// Declared good.
    Ok,
    /// Failed.
    Error,
}

/// What part a span plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing was said.
    Unspecified,
    /// Work inside a process.
    Internal,
    /// The answering side of a call.
    Server,
    /// The asking side of a call.
    Client,
    /// Sends a message.
    Producer,
    /// Takes a message.
    Consumer,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Unset, Self::Ok, Self::Error];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Ok => "ok",
            Self::Error => "error",
        }
    }

    /// That of a span of OTLP.
    #[must_use]
    pub fn of_code(code: i32) -> Self {
        match code {
            1 => Self::Ok,
            2 => Self::Error,
            _ => Self::Unset,
        }
    }
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Unspecified,
        Self::Internal,
        Self::Server,
        Self::Client,
        Self::Producer,
        Self::Consumer,
    ];

    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Internal => "internal",
            Self::Server => "server",
            Self::Client => "client",
            Self::Producer => "producer",
            Self::Consumer => "consumer",
        }
    }

    /// That of a span of OTLP.
    #[must_use]
    pub fn of_code(code: i32) -> Self {
        let at = usize::try_from(code).unwrap_or(0);
        Self::ALL.get(at).copied().unwrap_or(Self::Unspecified)
    }
}

impl<'a> Value<'a> {
    /// A text without a copy.
    #[must_use]
    pub fn text(text: &'a str) -> Self {
        Self::Str(Cow::Borrowed(text))
    }

    /// The same, borrowing nothing.
    #[must_use]
    pub fn into_static(self) -> Static {
        match self {
            Self::Nil => Value::Nil,
            Self::Str(text) => Value::Str(Cow::Owned(text.into_owned())),
            Self::Int(n) => Value::Int(n),
            Self::Float(n) => Value::Float(n),
            Self::Bool(is) => Value::Bool(is),
            Self::Duration(nanos) => Value::Duration(nanos),
            Self::Status(status) => Value::Status(status),
            Self::Kind(kind) => Value::Kind(kind),
            Self::List(values) => Value::List(values.into_iter().map(Self::into_static).collect()),
        }
    }

    /// The same to be told, borrowing nothing: of a long text or list the beginning.
    pub(crate) fn into_told(self) -> Static {
        match self {
            Self::Str(text) if text.len() > TOLD_BYTES_MAX => Value::Str(told(&text).into()),
            Self::List(values) => {
                let mut left = TOLD_BYTES_MAX;
                let fits = |value: &Static| {
                    left = left.saturating_sub(value.bytes());
                    left > 0
                };
                let values = values.into_iter().map(Self::into_told).take_while(fits);
                Value::List(values.collect())
            }
            other => other.into_static(),
        }
    }

    /// About how much memory it takes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Str(text) => text.len(),
                Self::List(values) => values.iter().map(Value::bytes).sum(),
                _ => 0,
            }
    }

    /// Whether it is nothing.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        matches!(self, Self::Nil)
    }

    /// Whether it is a boolean that is true.
    #[must_use]
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }

    /// As a number, where it is one; a duration in nanoseconds.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self {
            Self::Int(n) | Self::Duration(n) => Some(*n as f64),
            Self::Float(n) => Some(*n),
            _ => None,
        }
    }

    /// The type as the interfaces name it: `string`, `int`, `float`, `bool`, `duration`,
    /// `status`, `kind`, `nil`, `list`.
    #[must_use]
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "nil",
            Self::Str(_) => "string",
            Self::Int(_) => "int",
            Self::Float(_) => "float",
            Self::Bool(_) => "bool",
            Self::Duration(_) => "duration",
            Self::Status(_) => "status",
            Self::Kind(_) => "kind",
            Self::List(_) => "list",
        }
    }

    /// How two single values stand to one another; `None` where they cannot be compared.
    #[must_use]
    pub fn compare(&self, other: &Value<'_>) -> Option<Ordering> {
        match (self, other) {
            (Self::Str(a), Value::Str(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (Self::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Self::Status(a), Value::Status(b)) => Some(a.cmp(b)),
            (Self::Kind(a), Value::Kind(b)) => Some(a.cmp(b)),
            (Self::Int(a) | Self::Duration(a), Value::Int(b) | Value::Duration(b)) => {
                Some(a.cmp(b))
            }
            _ => self.number()?.partial_cmp(&other.number()?),
        }
    }
}

/// As a person reads it: text as it is, without quotes.
impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Str(text) => f.write_str(text),
            Self::Int(n) => n.fmt(f),
            Self::Float(n) => f.write_str(&sonde_lex::number_text(*n)),
            Self::Bool(is) => is.fmt(f),
            Self::Duration(nanos) => f.write_str(&sonde_lex::duration_text(*nanos)),
            Self::Status(status) => f.write_str(status.name()),
            Self::Kind(kind) => f.write_str(kind.name()),
            Self::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    f.write_str(if at > 0 { ", " } else { "" })?;
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
        }
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nil => serializer.serialize_none(),
            Self::Int(n) => serializer.serialize_i64(*n),
            Self::Float(n) => serializer.serialize_f64(*n),
            Self::Bool(is) => serializer.serialize_bool(*is),
            Self::List(values) => serializer.collect_seq(values),
            Self::Str(_) | Self::Duration(_) | Self::Status(_) | Self::Kind(_) => {
                serializer.collect_str(self)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_long_texts_and_lists_the_beginning_is_told() {
        let short = Value::List(vec![Value::text("é"), Value::Int(1)]);
        assert_eq!(short.clone().into_told(), short);
        let long = format!("x{}", "é".repeat(1 << 20));
        let Value::Str(cut) = Value::text(&long).into_told() else {
            panic!("a text stays one");
        };
        assert_eq!(cut.len(), 4095 + '…'.len_utf8());
        assert!(long.starts_with(cut.trim_end_matches('…')));
        let Value::List(few) = Value::List(vec![Value::text(&long); 1000]).into_told() else {
            panic!("a list stays one");
        };
        assert!(few.len() <= 1);
        let Value::List(some) = Value::List(vec![Value::Int(7); 1 << 20]).into_told() else {
            panic!("a list stays one");
        };
        assert!((10..1000).contains(&some.len()));
    }
}

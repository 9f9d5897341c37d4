//! The values that templates work on.
//!
//! They stand for Go's: `Str` for every kind of string, `Int` for every kind of integer,
//! `Map` for maps with string keys, [`Object`] for types with fields and methods.

mod from;

use crate::limits::Limits;
use crate::time::Time;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// A value in a template. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// No value: Go's untyped nil, or a key that is missing. Printed as `<no value>`.
    #[default]
    Nil,
    /// `bool`.
    Bool(bool),
    /// Any integer.
    Int(i64),
    /// `float64`.
    Float(f64),
    /// A string.
    Str(Arc<str>),
    /// A string that is HTML already, and is not escaped by
    /// [`Set::execute_html`](crate::Set::execute_html).
    Html(Arc<str>),
    /// A URL that is safe whatever its scheme is.
    Url(Arc<str>),
    /// A point in time.
    Time(Time),
    /// A span of time in nanoseconds: an integer with a unit when printed.
    Duration(i64),
    /// A slice.
    List(Arc<[Value]>),
    /// A map with string keys.
    Map(Arc<Map>),
    /// A type with fields and methods.
    Object(Arc<dyn Object>),
}

/// A map with string keys, ranged over by key.
#[derive(Clone, Debug, Default)]
pub struct Map {
    /// The entries.
    pub entries: BTreeMap<Arc<str>, Value>,
    /// What a missing key yields: `""` for a map of strings, nothing otherwise.
    pub missing: Value,
}

impl Map {
    /// The value of a key, or what stands for a missing one.
    #[must_use]
    pub fn get(&self, key: &str) -> Value {
        self.entries.get(key).unwrap_or(&self.missing).clone()
    }
}

/// A type with fields and methods, like a Go struct, or a Go map or slice with methods.
pub trait Object: Send + Sync {
    /// The name that messages use.
    fn type_name(&self) -> &str;

    /// A field (with no arguments) or a method. `None` when it has no such member; then
    /// [`Object::underlying`] is asked.
    fn member(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>>;

    /// The list or map that it is beneath its methods: what is ranged over, counted,
    /// indexed and printed. [`Value::Nil`] for a struct, which is none of these.
    fn underlying(&self) -> Value {
        Value::Nil
    }

    /// How it is printed, when not as what it is beneath.
    fn print(&self) -> Option<String> {
        None
    }
}

impl fmt::Debug for dyn Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.type_name())
    }
}

impl Value {
    /// A string.
    #[must_use]
    pub fn str(text: impl Into<Arc<str>>) -> Self {
        Self::Str(text.into())
    }

    /// The text, if this is a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Str(text) | Self::Html(text) | Self::Url(text) => Some(text),
            Self::Nil | Self::Bool(_) | Self::Int(_) | Self::Float(_) | Self::Time(_) => None,
            Self::Duration(_) | Self::List(_) | Self::Map(_) | Self::Object(_) => None,
        }
    }

    /// The number, if this is one.
    #[must_use]
    #[expect(
        clippy::cast_precision_loss,
        reason = "Go converts constants the same way"
    )]
    pub fn as_float(&self) -> Option<f64> {
        match self {
            Self::Float(number) => Some(*number),
            Self::Int(number) | Self::Duration(number) => Some(*number as f64),
            Self::Nil | Self::Bool(_) | Self::Str(_) | Self::Html(_) | Self::Url(_) => None,
            Self::Time(_) | Self::List(_) | Self::Map(_) | Self::Object(_) => None,
        }
    }

    /// What an object is beneath its methods; every other value as it is.
    #[must_use]
    pub fn underlying(&self) -> Self {
        match self {
            Self::Object(object) => object.underlying(),
            other => other.clone(),
        }
    }

    /// Whether it counts as true: not false, not zero, not empty.
    #[must_use]
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(yes) => *yes,
            Self::Int(number) | Self::Duration(number) => *number != 0,
            Self::Float(number) => *number != 0.0,
            Self::Str(text) | Self::Html(text) | Self::Url(text) => !text.is_empty(),
            Self::Time(_) => true,
            Self::List(items) => !items.is_empty(),
            Self::Map(map) => !map.entries.is_empty(),
            Self::Object(object) => match object.underlying() {
                Self::Nil => true,
                beneath => beneath.truth(),
            },
        }
    }

    /// The name of its type in Go's words, for messages.
    #[must_use]
    pub fn type_name(&self) -> &str {
        match self {
            Self::Nil => "nil",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Float(_) => "float64",
            Self::Str(_) => "string",
            Self::Html(_) => "template.HTML",
            Self::Url(_) => "template.URL",
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::List(_) => "[]interface {}",
            Self::Map(map) if matches!(map.missing, Self::Str(_)) => "map[string]string",
            Self::Map(_) => "map[string]interface {}",
            Self::Object(object) => object.type_name(),
        }
    }
}

/// As Go prints it; cut where it is longer than any output may be by default.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::format::print_cut(
            self,
            Limits::default().output_bytes,
        ))
    }
}

//! Rust's values as a template's.

use super::{Map, Object, Value};
use crate::time::Time;
use std::collections::BTreeMap;
use std::sync::Arc;

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

/// Counts beyond `i64` become its maximum.
impl From<usize> for Value {
    fn from(value: usize) -> Self {
        Self::Int(i64::try_from(value).unwrap_or(i64::MAX))
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Str(value.into())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::Str(value.into())
    }
}

impl From<Time> for Value {
    fn from(value: Time) -> Self {
        Self::Time(value)
    }
}

impl<T: Into<Value>> From<Vec<T>> for Value {
    fn from(values: Vec<T>) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

/// A map of anything: a missing key has no value.
impl From<BTreeMap<String, Value>> for Value {
    fn from(values: BTreeMap<String, Value>) -> Self {
        let entries = values
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect();
        Self::Map(Arc::new(Map {
            entries,
            missing: Self::Nil,
        }))
    }
}

/// A map of strings: a missing key is `""`.
impl From<BTreeMap<String, String>> for Value {
    fn from(values: BTreeMap<String, String>) -> Self {
        Self::strings(values)
    }
}

impl Value {
    /// A map of strings, as labels are: a missing key is `""`.
    #[must_use]
    pub fn strings<K: Into<Arc<str>>, V: Into<Arc<str>>>(
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        let entries = pairs
            .into_iter()
            .map(|(key, value)| (key.into(), Self::Str(value.into())));
        Self::Map(Arc::new(Map {
            entries: entries.collect(),
            missing: Self::from(""),
        }))
    }

    /// A type with fields and methods.
    #[must_use]
    pub fn object(object: impl Object + 'static) -> Self {
        Self::Object(Arc::new(object))
    }
}

/// JSON's numbers without a fraction are integers.
impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        use serde_json::Value as Json;
        match value {
            Json::Null => Self::Nil,
            Json::Bool(yes) => Self::Bool(yes),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Self::Int(whole),
                None => Self::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Self::from(text),
            Json::Array(items) => Self::from(items),
            Json::Object(entries) => Self::from(
                entries
                    .into_iter()
                    .map(|(k, v)| (k, Self::from(v)))
                    .collect::<BTreeMap<_, _>>(),
            ),
        }
    }
}

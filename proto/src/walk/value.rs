//! Attribute values and bodies, borrowed.

use super::wire::{Cursor, DEPTH_MAX, Wire};
use crate::otlp::{self, common};
use common::any_value::Value as Owned;
use std::borrow::Cow;

/// A value as it lies in the request.
#[derive(Clone, Copy, Debug, Default)]
pub enum Value<'a> {
    /// No value, or one that only the profiling signal may use.
    #[default]
    Empty,
    /// Text.
    Str(&'a str),
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Double(f64),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list.
    List(List<'a>),
    /// Names with values.
    Map(Attributes<'a>),
}

/// A value that nobody has looked at yet: for whoever wants no more than its bytes, and need
/// not find out once more that a text is one.
#[derive(Clone, Copy, Debug)]
pub struct Unread<'a>(Cursor<'a>);

/// A named value.
#[derive(Clone, Copy, Debug, Default)]
pub struct Attribute<'a> {
    /// The name.
    pub key: &'a str,
    /// The value.
    pub value: Value<'a>,
}

/// A named value that nobody has looked at yet.
#[derive(Clone, Copy, Debug)]
pub struct UnreadAttribute<'a> {
    /// The bytes of the name.
    pub key: &'a [u8],
    /// The value.
    pub value: Unread<'a>,
}

/// Named values as [`Attributes`] has them, not looked at yet.
#[derive(Clone, Copy, Debug)]
pub struct UnreadAttributes<'a>(Attributes<'a>);

/// The values of a list, in order.
#[derive(Clone, Copy, Debug)]
pub struct List<'a>(Cursor<'a>);

/// Named values, in order. Names may repeat where a sender let them.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    at: Cursor<'a>,
    /// The field that holds an attribute in the message at `at`.
    tag: u32,
}

/// Text that was checked before; text that was not and is damaged reads as empty.
pub(super) fn text(bytes: Cursor<'_>) -> &str {
    std::str::from_utf8(bytes.bytes()).unwrap_or_default()
}

impl<'a> Value<'a> {
    /// Reads an `AnyValue`; the last of several wins.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "protobuf's int64 is its varint's two's complement"
    )]
    pub(super) fn read(mut at: Cursor<'a>) -> Self {
        let mut value = Self::Empty;
        while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
            value = match (tag, wire) {
                (1, Wire::Len(s)) => Self::Str(text(s)),
                (2, Wire::Varint(n)) => Self::Bool(n != 0),
                (3, Wire::Varint(n)) => Self::Int(n as i64),
                (4, Wire::Fixed64(n)) => Self::Double(f64::from_bits(n)),
                (5, Wire::Len(list)) => Self::List(List(list)),
                (6, Wire::Len(map)) => Self::Map(Attributes::new(map, 1)),
                (7, Wire::Len(b)) => Self::Bytes(b.bytes()),
                (8, _) => Self::Empty,
                _ => value,
            };
        }
        value
    }

    /// The value as text, as [`otlp::text`] writes it; borrowed where it is text.
    #[must_use]
    pub fn text(&self) -> Cow<'a, str> {
        match *self {
            Self::Empty => Cow::Borrowed(""),
            Self::Str(s) => Cow::Borrowed(s),
            Self::Bool(b) => Cow::Borrowed(if b { "true" } else { "false" }),
            Self::Int(n) => Cow::Owned(n.to_string()),
            Self::Double(_) | Self::Bytes(_) | Self::List(_) | Self::Map(_) => {
                Cow::Owned(otlp::text(&self.to_any()).into_owned())
            }
        }
    }

    /// The value as prost's type.
    #[must_use]
    pub fn to_any(&self) -> common::AnyValue {
        self.owned(DEPTH_MAX)
    }

    fn owned(&self, depth_left: u32) -> common::AnyValue {
        let Some(depth_left) = depth_left.checked_sub(1) else {
            return common::AnyValue::default();
        };
        let value = match *self {
            Self::Empty => None,
            Self::Str(s) => Some(Owned::StringValue(s.into())),
            Self::Bool(b) => Some(Owned::BoolValue(b)),
            Self::Int(n) => Some(Owned::IntValue(n)),
            Self::Double(n) => Some(Owned::DoubleValue(n)),
            Self::Bytes(b) => Some(Owned::BytesValue(b.into())),
            Self::List(list) => Some(Owned::ArrayValue(common::ArrayValue {
                values: list.map(|v| v.owned(depth_left)).collect(),
            })),
            Self::Map(map) => Some(Owned::KvlistValue(common::KeyValueList {
                values: map.map(|kv| kv.owned(depth_left)).collect(),
            })),
        };
        common::AnyValue { value }
    }
}

/// No value.
impl Default for Unread<'_> {
    fn default() -> Self {
        Self(Cursor::new(&[]))
    }
}

impl<'a> Unread<'a> {
    pub(super) fn new(at: Cursor<'a>) -> Self {
        Self(at)
    }

    /// What a value is that is written in two parts: the second, where that says anything.
    #[inline]
    fn then(self, mut second: Self) -> Self {
        if self.0.bytes().is_empty() {
            return second;
        }
        let says = second;
        while let Ok(Some((tag, _))) = second.0.field(DEPTH_MAX) {
            if (1..=8).contains(&tag) {
                return says;
            }
        }
        self
    }

    /// Looks at it.
    #[must_use]
    pub fn read(self) -> Value<'a> {
        Value::read(self.0)
    }

    /// The bytes of [`Value::text`].
    #[must_use]
    pub fn text(self) -> Cow<'a, [u8]> {
        match self.only_text() {
            Some(text) => Cow::Borrowed(text),
            None => bytes_of(self.read().text()),
        }
    }

    /// Text and bytes as they came, anything else as the bytes of its text.
    #[must_use]
    pub fn bytes(self) -> Cow<'a, [u8]> {
        if let Some(text) = self.only_text() {
            return Cow::Borrowed(text);
        }
        match self.read() {
            Value::Bytes(bytes) => Cow::Borrowed(bytes),
            other => bytes_of(other.text()),
        }
    }

    /// The text, where it is nothing else.
    #[inline]
    fn only_text(mut self) -> Option<&'a [u8]> {
        match self.0.field(DEPTH_MAX) {
            Ok(Some((1, Wire::Len(text)))) if self.0.bytes().is_empty() => Some(text.bytes()),
            _ => None,
        }
    }
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

impl<'a> UnreadAttribute<'a> {
    #[inline]
    fn read(at: Cursor<'a>) -> Self {
        let mut attribute = Self {
            key: &[],
            value: Unread::default(),
        };
        let mut fields = at;
        while let Ok(Some((tag, wire))) = fields.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Len(key)) => attribute.key = key.bytes(),
                (2, Wire::Len(value)) => attribute.value = attribute.value.then(Unread(value)),
                _ => {}
            }
        }
        attribute
    }
}

impl<'a> UnreadAttributes<'a> {
    pub(super) fn new(attributes: Attributes<'a>) -> Self {
        Self(attributes)
    }
}

impl<'a> Iterator for UnreadAttributes<'a> {
    type Item = UnreadAttribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        next_inside(&mut self.0.at, self.0.tag).map(UnreadAttribute::read)
    }
}

impl<'a> Attribute<'a> {
    fn read(mut at: Cursor<'a>) -> Self {
        let mut attribute = Self::default();
        while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Len(key)) => attribute.key = text(key),
                (2, Wire::Len(value)) => attribute.value = Value::read(value),
                _ => {}
            }
        }
        attribute
    }

    /// The attribute as prost's type.
    #[must_use]
    pub fn to_key_value(&self) -> common::KeyValue {
        self.owned(DEPTH_MAX)
    }

    fn owned(&self, depth_left: u32) -> common::KeyValue {
        common::KeyValue {
            key: self.key.into(),
            value: Some(self.value.owned(depth_left)),
            ..Default::default()
        }
    }
}

impl<'a> Attributes<'a> {
    pub(super) fn new(at: Cursor<'a>, tag: u32) -> Self {
        Self { at, tag }
    }

    /// The first value under a name.
    #[must_use]
    pub fn get(mut self, key: &str) -> Option<Value<'a>> {
        self.find(|a| a.key == key).map(|a| a.value)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next_inside(&mut self.at, self.tag).map(Attribute::read)
    }
}

impl<'a> Iterator for List<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        next_inside(&mut self.0, 1).map(Value::read)
    }
}

/// The next field of this number that holds bytes.
#[inline]
pub(super) fn next_inside<'a>(at: &mut Cursor<'a>, tag: u32) -> Option<Cursor<'a>> {
    loop {
        match at.field(DEPTH_MAX) {
            Ok(Some((found, Wire::Len(inside)))) if found == tag => return Some(inside),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
    }
}

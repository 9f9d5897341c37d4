//! Attribute values and bodies, borrowed.

use super::wire::{Cursor, DEPTH_MAX, Wire};
use crate::otlp::{self, common};
use common::any_value::Value as Owned;
use std::borrow::Cow;
use std::num::NonZeroU8;

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
pub struct Unread<'a> {
    at: Cursor<'a>,
    /// Where the value is written in parts, the field that each is in the message at `at`;
    /// otherwise `at` is the value itself.
    part: Option<NonZeroU8>,
}

/// A value whose parts are come by one after the other.
#[derive(Default)]
pub(super) struct Gathered<'a> {
    value: Unread<'a>,
    /// Where the field of the first part begins.
    first: Option<Cursor<'a>>,
}

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
pub struct List<'a>(Elements<'a>);

/// Named values, in order. Names may repeat where a sender let them.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a>(Elements<'a>);

/// The messages in one field of another. Protobuf lets a message be written in parts, and then it
/// holds what all of them do: a list may be, and the value that is one. So it is read on from part
/// to part.
///
/// ```text
/// holder … ┌ value ──────────────────────────────────────┐ … ┌ value ─────────────┐ …
///          │ … ┌ list ─────────────────┐ … ┌ list ─────┐ │   │ … ┌ list ─────┐ …  │
///          │   │ element │ element … │     │ element … │ │   │   │ element … │    │
///                        └─ rest ────┘ └─ value ─────────┘ └─ holder ─────────────────
/// ```
#[derive(Clone, Copy, Debug)]
struct Elements<'a> {
    rest: Cursor<'a>,
    /// The field that holds an element in a list, a list in a value, and a value in its holder;
    /// there may be no further ones.
    element: u8,
    list: Option<NonZeroU8>,
    part: Option<NonZeroU8>,
    value: &'a [u8],
    holder: &'a [u8],
}

/// Text that was checked before; text that was not and is damaged reads as empty.
pub(super) fn text(bytes: Cursor<'_>) -> &str {
    std::str::from_utf8(bytes.bytes()).unwrap_or_default()
}

impl<'a> Value<'a> {
    /// Reads an `AnyValue`: the last thing that it says wins, but parts of one list are one list.
    #[expect(
        clippy::cast_possible_wrap,
        reason = "protobuf's int64 is its varint's two's complement"
    )]
    fn read(unread: Unread<'a>) -> Self {
        let mut value = Self::Empty;
        let (mut at, mut holder) = unread.begin();
        loop {
            while let Ok(Some((tag, wire))) = at.field(DEPTH_MAX) {
                let elements = |rest| Elements {
                    rest,
                    element: 1,
                    list: NonZeroU8::new(tag as u8),
                    part: unread.part,
                    value: at.bytes(),
                    holder,
                };
                value = match (tag, wire) {
                    (1, Wire::Len(s)) => Self::Str(text(s)),
                    (2, Wire::Varint(n)) => Self::Bool(n != 0),
                    (3, Wire::Varint(n)) => Self::Int(n as i64),
                    (4, Wire::Fixed64(n)) => Self::Double(f64::from_bits(n)),
                    // What was begun goes on here by itself.
                    (5, Wire::Len(_)) if matches!(value, Self::List(_)) => value,
                    (6, Wire::Len(_)) if matches!(value, Self::Map(_)) => value,
                    (5, Wire::Len(list)) => Self::List(List(elements(list))),
                    (6, Wire::Len(map)) => Self::Map(Attributes(elements(map))),
                    (7, Wire::Len(b)) => Self::Bytes(b.bytes()),
                    (8, _) => Self::Empty,
                    _ => value,
                };
            }
            let Some(part) = next_part(&mut holder, unread.part) else {
                return value;
            };
            at = part;
        }
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
        Self {
            at: Cursor::new(&[]),
            part: None,
        }
    }
}

impl<'a> Unread<'a> {
    /// The value itself or its first part, and what comes behind that in what holds them.
    fn begin(self) -> (Cursor<'a>, &'a [u8]) {
        if self.part.is_none() {
            return (self.at, &[]);
        }
        let mut holder = self.at.bytes();
        let first = next_part(&mut holder, self.part);
        (first.unwrap_or(Cursor::new(&[])), holder)
    }

    /// Looks at it.
    #[must_use]
    pub fn read(self) -> Value<'a> {
        Value::read(self)
    }

    /// The bytes of [`Value::text`].
    #[must_use]
    pub fn text(self) -> Cow<'a, [u8]> {
        match self.only_text() {
            Some(text) => Cow::Borrowed(text),
            None => bytes_of(self.read().text()),
        }
    }

    /// What `take` makes of the bytes of [`Value::text`]. Texts and whole numbers, which most
    /// values are, need no memory for it.
    #[inline]
    pub fn with_text<T>(self, take: impl FnOnce(&[u8]) -> T) -> T {
        if let Some(text) = self.only_text() {
            return take(text);
        }
        match self.read() {
            Value::Int(n) => take(decimal(n, &mut [0; DIGITS_MAX])),
            other => take(other.text().as_bytes()),
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
    fn only_text(self) -> Option<&'a [u8]> {
        let mut at = self.at;
        match at.field(DEPTH_MAX) {
            Ok(Some((1, Wire::Len(text)))) if at.bytes().is_empty() && self.part.is_none() => {
                Some(text.bytes())
            }
            _ => None,
        }
    }
}

/// How long the text of a number is at most: a sign and nineteen digits.
const DIGITS_MAX: usize = 20;

/// The text of a number, at the end of the room.
fn decimal(n: i64, room: &mut [u8; DIGITS_MAX]) -> &[u8] {
    let (mut left, mut at) = (n.unsigned_abs(), DIGITS_MAX);
    loop {
        at -= 1;
        room[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if n < 0 {
        at -= 1;
        room[at] = b'-';
    }
    &room[at..]
}

fn bytes_of(text: Cow<'_, str>) -> Cow<'_, [u8]> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

impl<'a> Gathered<'a> {
    /// Adds the part in the field `tag`, which begins at `field`.
    #[inline]
    pub(super) fn add(&mut self, tag: u8, field: Cursor<'a>, part: Cursor<'a>) {
        self.value = match self.first {
            None => Unread {
                at: part,
                part: None,
            },
            Some(first) => Unread {
                at: first,
                part: NonZeroU8::new(tag),
            },
        };
        self.first.get_or_insert(field);
    }

    /// All of it.
    #[inline]
    pub(super) fn value(self) -> Unread<'a> {
        self.value
    }
}

impl<'a> UnreadAttribute<'a> {
    #[inline]
    fn read(at: Cursor<'a>) -> Self {
        let (mut key, mut value): (&[u8], _) = (&[], Gathered::default());
        let (mut fields, mut before) = (at, at);
        while let Ok(Some((tag, wire))) = fields.field(DEPTH_MAX) {
            match (tag, wire) {
                (1, Wire::Len(name)) => key = name.bytes(),
                (2, Wire::Len(part)) => value.add(2, before, part),
                _ => {}
            }
            before = fields;
        }
        Self {
            key,
            value: value.value(),
        }
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
        self.0.0.next().map(UnreadAttribute::read)
    }
}

impl<'a> Attribute<'a> {
    fn read(at: Cursor<'a>) -> Self {
        let UnreadAttribute { key, value } = UnreadAttribute::read(at);
        Self {
            key: std::str::from_utf8(key).unwrap_or_default(),
            value: value.read(),
        }
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
    /// Those in the field `tag` of a message.
    pub(super) fn new(at: Cursor<'a>, tag: u8) -> Self {
        Self(Elements {
            rest: at,
            element: tag,
            list: None,
            part: None,
            value: &[],
            holder: &[],
        })
    }

    /// Those in the field `tag` of a message that may be in parts, each in the field `part` of
    /// another.
    pub(super) fn of_parts(at: Cursor<'a>, part: u8, tag: u8) -> Self {
        Self(Elements {
            list: NonZeroU8::new(part),
            value: at.bytes(),
            ..Self::new(Cursor::new(&[]), tag).0
        })
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
        self.0.next().map(Attribute::read)
    }
}

impl<'a> Iterator for List<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = |at| Value::read(Unread { at, part: None });
        self.0.next().map(value)
    }
}

impl<'a> Elements<'a> {
    #[inline]
    fn next(&mut self) -> Option<Cursor<'a>> {
        loop {
            match next_inside(&mut self.rest, self.element.into()) {
                Some(element) => return Some(element),
                None => self.rest = self.next_list()?,
            }
        }
    }

    /// The next part of the list, in this part of the value or a later one.
    fn next_list(&mut self) -> Option<Cursor<'a>> {
        loop {
            match next_part(&mut self.value, self.list) {
                Some(list) => return Some(list),
                None => self.value = next_part(&mut self.holder, self.part)?.bytes(),
            }
        }
    }
}

/// The next part of a message, where there may be several.
fn next_part<'a>(rest: &mut &'a [u8], tag: Option<NonZeroU8>) -> Option<Cursor<'a>> {
    let mut at = Cursor::new(rest);
    let part = next_inside(&mut at, tag?.get().into());
    *rest = at.bytes();
    part
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_text_that_they_have_elsewhere() {
        let edges = [0, 1, -1, 9, 10, -10, 200, i64::MIN, i64::MIN + 1, i64::MAX];
        let powers = (0..63).flat_map(|bit| [1_i64 << bit, -(1_i64 << bit), (1_i64 << bit) - 1]);
        for n in edges.into_iter().chain(powers) {
            let text = n.to_string();
            assert_eq!(decimal(n, &mut [0; DIGITS_MAX]), text.as_bytes());
        }
    }
}

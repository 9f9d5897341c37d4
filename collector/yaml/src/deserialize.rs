//! Tree → `T` by serde, with the place of what serde refuses.

use std::fmt;

use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, Error as _, IntoDeserializer,
    MapAccess, SeqAccess, Unexpected, VariantAccess, Visitor,
};
use serde::forward_to_deserialize_any;

use crate::tree::{Content, Entry, Kind, Node, Place, Scalar, is_secret};

/// Makes a value of a tree that fits its schema.
pub(crate) fn value<T: DeserializeOwned>(root: &Node) -> Result<T, (Place, String)> {
    let cursor = Cursor {
        node: root,
        secret: false,
    };
    cursor
        .seeded(std::marker::PhantomData)
        .map_err(|error| (error.place.unwrap_or(root.place), error.message))
}

/// A node on its way to serde.
#[derive(Clone, Copy)]
struct Cursor<'a> {
    node: &'a Node,
    secret: bool,
}

#[derive(Debug)]
struct Refusal {
    place: Option<Place>,
    message: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}

impl serde::de::Error for Refusal {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self {
            place: None,
            message: message.to_string(),
        }
    }
}

impl Cursor<'_> {
    /// Hands the value to a type; what the type itself refuses is placed here.
    fn seeded<'de, S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        seed.deserialize(self)
            .map_err(|refusal| self.placed(refusal))
    }

    /// Gives a refusal its place, and keeps a secret out of it.
    ///
    /// A refusal that has a place went through here already, nearer to its cause.
    fn placed(self, mut refusal: Refusal) -> Refusal {
        if refusal.place.is_some() {
            return refusal;
        }
        refusal.place = Some(self.node.place);
        if self.leaks(&refusal.message) {
            let kind = match &self.node.content {
                Content::Scalar(scalar) => scalar.kind.name(),
                Content::List(_) => "a list",
                Content::Map(_) => "a mapping",
            };
            refusal.message =
                format!("{kind} that is not accepted here; it is not shown, it may be secret");
        }
        refusal
    }

    /// Whether a message may quote a secret of this value. A type's own error may quote any
    /// piece of the text it refused, so next to a secret text none is passed on.
    fn leaks(self, message: &str) -> bool {
        match &self.node.content {
            Content::Scalar(scalar) => self.secret || scalar.substituted,
            Content::List(items) => items.iter().any(|node| {
                Cursor {
                    node,
                    secret: self.secret,
                }
                .is_quoted(message)
            }),
            Content::Map(entries) => entries.iter().any(|entry| {
                let secret = self.secret || is_secret(&entry.key);
                Cursor {
                    node: &entry.value,
                    secret,
                }
                .is_quoted(message)
            }),
        }
    }

    /// Whether a message quotes a secret of this value, a part of what was refused.
    fn is_quoted(self, message: &str) -> bool {
        match &self.node.content {
            Content::Scalar(scalar) => {
                let escaped = scalar.text.escape_debug().to_string();
                let quoted = message.contains(&scalar.text) || message.contains(&escaped);
                (self.secret || scalar.substituted) && !scalar.text.is_empty() && quoted
            }
            Content::List(_) | Content::Map(_) => self.leaks(message),
        }
    }

    fn scalar<'de, V: Visitor<'de>>(scalar: &Scalar, visitor: V) -> Result<V::Value, Refusal> {
        match scalar.kind {
            Kind::Null | Kind::Unset => visitor.visit_unit(),
            Kind::Bool(value) => visitor.visit_bool(value),
            Kind::Int(int) => match (u64::try_from(int), i64::try_from(int)) {
                (Ok(int), _) => visitor.visit_u64(int),
                (Err(_), Ok(int)) => visitor.visit_i64(int),
                (Err(_), Err(_)) => Err(Refusal::custom("the number is too large")),
            },
            Kind::Float(float) => visitor.visit_f64(float),
            Kind::Text => visitor.visit_str(&scalar.text),
        }
    }

    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::Scalar(scalar) => Self::scalar(scalar, visitor),
            Content::List(items) => visitor.visit_seq(Items {
                rest: items.iter(),
                secret: self.secret,
            }),
            Content::Map(entries) => visitor.visit_map(Entries {
                rest: entries.iter(),
                value: None,
                secret: self.secret,
            }),
        }
    }

    fn variant<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match &self.node.content {
            Content::Scalar(scalar) => visitor.visit_enum(Variant {
                name: &scalar.text,
                value: None,
                secret: self.secret,
            }),
            Content::Map(entries) if entries.len() == 1 => visitor.visit_enum(Variant {
                name: &entries[0].key,
                value: Some(&entries[0].value),
                secret: self.secret,
            }),
            Content::Map(_) => Err(Refusal::custom("expected a mapping with one key")),
            Content::List(_) => Err(Refusal::invalid_type(Unexpected::Seq, &"a word")),
        }
    }
}

impl<'de> Deserializer<'de> for Cursor<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.any(visitor).map_err(|refusal| self.placed(refusal))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        if self.node.is_null() {
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor
            .visit_newtype_struct(self)
            .map_err(|refusal| self.placed(refusal))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.variant(visitor)
            .map_err(|refusal| self.placed(refusal))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Items<'a> {
    rest: std::slice::Iter<'a, Node>,
    secret: bool,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Refusal;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        let Some(node) = self.rest.next() else {
            return Ok(None);
        };
        Cursor {
            node,
            secret: self.secret,
        }
        .seeded(seed)
        .map(Some)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

struct Entries<'a> {
    rest: std::slice::Iter<'a, Entry>,
    value: Option<&'a Entry>,
    secret: bool,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Refusal;

    fn next_key_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Refusal> {
        let Some(entry) = self.rest.next() else {
            return Ok(None);
        };
        self.value = Some(entry);
        let key = seed
            .deserialize(KeyText(&entry.key))
            .map_err(|mut refusal| {
                refusal.place = Some(entry.place);
                refusal
            })?;
        Ok(Some(key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Refusal> {
        let entry = self
            .value
            .take()
            .ok_or_else(|| Refusal::custom("a value was asked for before its key"))?;
        Cursor {
            node: &entry.value,
            secret: self.secret || is_secret(&entry.key),
        }
        .seeded(seed)
    }

    fn size_hint(&self) -> Option<usize> {
        Some(self.rest.len())
    }
}

/// A key: text, or a number where a number is wanted.
struct KeyText<'a>(&'a str);

impl<'de> Deserializer<'de> for KeyText<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_str(self.0)
    }

    fn deserialize_u64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0.parse() {
            Ok(number) => visitor.visit_u64(number),
            Err(_) => visitor.visit_str(self.0),
        }
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        match self.0.parse() {
            Ok(number) => visitor.visit_i64(number),
            Err(_) => visitor.visit_str(self.0),
        }
    }

    fn deserialize_u32<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_u16<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        self.deserialize_u64(visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_enum(Variant {
            name: self.0,
            value: None,
            secret: false,
        })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i128 u8 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

struct Variant<'a> {
    name: &'a str,
    value: Option<&'a Node>,
    secret: bool,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a> {
    type Error = Refusal;
    type Variant = VariantValue<'a>;

    fn variant_seed<S: DeserializeSeed<'de>>(
        self,
        seed: S,
    ) -> Result<(S::Value, VariantValue<'a>), Refusal> {
        let name: StrDeserializer<'_, Refusal> = self.name.into_deserializer();
        let variant = seed.deserialize(name)?;
        Ok((
            variant,
            VariantValue(self.value.map(|node| Cursor {
                node,
                secret: self.secret,
            })),
        ))
    }
}

struct VariantValue<'a>(Option<Cursor<'a>>);

impl<'a> VariantValue<'a> {
    fn cursor(self) -> Result<Cursor<'a>, Refusal> {
        self.0
            .ok_or_else(|| Refusal::custom("this word needs a value: write `word: value`"))
    }
}

impl<'de> VariantAccess<'de> for VariantValue<'_> {
    type Error = Refusal;

    fn unit_variant(self) -> Result<(), Refusal> {
        match self.0 {
            Some(cursor) if !cursor.node.is_null() => {
                Err(cursor.placed(Refusal::custom("this word takes no value")))
            }
            _ => Ok(()),
        }
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Refusal> {
        self.cursor()?.seeded(seed)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Refusal> {
        self.cursor()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        self.cursor()?.deserialize_any(visitor)
    }
}

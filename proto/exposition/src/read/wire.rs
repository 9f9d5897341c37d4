//! Protobuf's wire format, read in place.
//!
//! ```text
//! field = varint(number << 3 | type) value
//!         type 0 varint · 1 eight bytes · 2 varint(length) bytes · 5 four bytes
//! ```

use crate::error::{Malformed, Place};

/// The bytes of one message that are not read yet.
#[derive(Clone, Copy)]
pub(super) struct Wire<'a> {
    rest: &'a [u8],
    /// The offset of the end of `rest` in the body.
    end: usize,
}

/// The value of one field.
#[derive(Clone, Copy)]
pub(super) enum Field<'a> {
    Varint(u64),
    Fixed64(u64),
    Bytes(Wire<'a>),
    Fixed32,
}

impl<'a> Wire<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self {
            rest: body,
            end: body.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn offset(&self) -> usize {
        self.end - self.rest.len()
    }

    #[cold]
    pub(super) fn error(&self, message: impl Into<String>) -> Malformed {
        Malformed {
            place: Place::Byte(self.offset()),
            message: message.into(),
        }
    }

    /// The next field, or `None` at the end of the message.
    #[inline]
    pub(super) fn field(&mut self) -> Result<Option<(u32, Field<'a>)>, Malformed> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let at = *self;
        let key = self.varint()?;
        let number = u32::try_from(key >> 3).unwrap_or(0);
        if number == 0 || number >= 1 << 29 {
            return Err(at.error("there is no such field number"));
        }
        let value = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(self.fixed64()?),
            2 => Field::Bytes(self.delimited()?),
            5 => {
                self.take(4)?;
                Field::Fixed32
            }
            _ => return Err(at.error("groups and unknown wire types are not read")),
        };
        Ok(Some((number, value)))
    }

    #[inline(always)]
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        // Nearly every key and length has one byte.
        match self.rest.split_first() {
            Some((&byte, rest)) if byte < 0x80 => {
                self.rest = rest;
                Ok(u64::from(byte))
            }
            _ => self.varint_long(),
        }
    }

    #[inline(never)]
    fn varint_long(&mut self) -> Result<u64, Malformed> {
        let at = *self;
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let Some((&byte, rest)) = self.rest.split_first() else {
                return Err(at.error("the body ends inside of a number: send it whole"));
            };
            self.rest = rest;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && byte > 1 {
                break;
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(at.error("a number has more than 64 bits"))
    }

    pub(super) fn fixed64(&mut self) -> Result<u64, Malformed> {
        let bytes = self.take(8)?;
        Ok(bytes.try_into().map_or(0, u64::from_le_bytes))
    }

    /// Bytes after their length.
    #[inline]
    pub(super) fn delimited(&mut self) -> Result<Self, Malformed> {
        let at = *self;
        let len = self.varint()?;
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        if len > self.rest.len() {
            let message = format!(
                "{len} bytes should follow and {} do: the body is cut or damaged",
                self.rest.len()
            );
            return Err(at.error(message));
        }
        let rest = self.take(len)?;
        Ok(Self {
            rest,
            end: self.offset(),
        })
    }

    #[inline]
    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let Some((taken, rest)) = self.rest.split_at_checked(len) else {
            return Err(self.error("the body ends inside of a field: send it whole"));
        };
        self.rest = rest;
        Ok(taken)
    }

    /// All of it as text.
    #[inline]
    pub(super) fn text(&self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.rest).map_err(|wrong| {
            let place = Place::Byte(self.offset() + wrong.valid_up_to());
            let message = "the text is not UTF-8 here".to_owned();
            Malformed { place, message }
        })
    }

    /// The places of messages that come again: how many bytes are left tells no more than
    /// their number can be.
    pub(super) fn len(&self) -> usize {
        self.rest.len()
    }
}

impl<'a> Field<'a> {
    /// What to complain about where the field has another type.
    fn mismatch(at: &Wire<'_>, wanted: &str) -> Malformed {
        at.error(format!("the field before this place is not {wanted}"))
    }

    #[inline]
    pub(super) fn varint(self, at: &Wire<'_>) -> Result<u64, Malformed> {
        match self {
            Self::Varint(value) => Ok(value),
            _ => Err(Self::mismatch(at, "a varint")),
        }
    }

    #[inline]
    pub(super) fn double(self, at: &Wire<'_>) -> Result<f64, Malformed> {
        match self {
            Self::Fixed64(bits) => Ok(f64::from_bits(bits)),
            _ => Err(Self::mismatch(at, "a double")),
        }
    }

    #[inline]
    pub(super) fn bytes(self, at: &Wire<'_>) -> Result<Wire<'a>, Malformed> {
        match self {
            Self::Bytes(wire) => Ok(wire),
            _ => Err(Self::mismatch(at, "a message or a text")),
        }
    }
}

/// A signed number written so that small ones are short.
pub(super) const fn zigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

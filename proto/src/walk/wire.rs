//! Protobuf's wire format: keys, varints, lengths.
//!
//! ```text
//! field = varint(tag << 3 | type) value
//!         type 0 varint · 1 eight bytes · 2 varint(length) bytes · 3..4 group · 5 four bytes
//! ```

use super::WalkError;

/// The deepest nesting of messages that is read; prost's limit, so that both agree.
pub(super) const DEPTH_MAX: u32 = 100;

/// The bytes of one message that are not read yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    /// The offset of the end of `rest` in the whole request.
    end: usize,
}

/// The value of one field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire<'a> {
    Varint(u64),
    Fixed64(u64),
    Len(Cursor<'a>),
    Fixed32(u32),
    Group,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            rest: bytes,
            end: bytes.len(),
        }
    }

    /// The part of `bytes` at a place, which must be inside.
    pub(super) fn at(bytes: &'a [u8], place: std::ops::Range<usize>) -> Option<Self> {
        Some(Self {
            end: place.end,
            rest: bytes.get(place)?,
        })
    }

    /// Where the bytes that are not read yet lie in the whole request.
    pub(super) fn place(&self) -> std::ops::Range<usize> {
        self.end - self.rest.len()..self.end
    }

    /// The bytes that are not read yet.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn error(&self, message: &'static str) -> WalkError {
        WalkError {
            offset: self.end - self.rest.len(),
            message,
        }
    }

    /// Reads the next field, or `None` at the end of the message. `depth_left` bounds the
    /// nesting of groups, which are skipped.
    ///
    /// Nearly every field has a key of one byte and a length of one or two, so these are read
    /// where the caller stands: half of the time of a call for each field.
    #[inline(always)]
    pub(super) fn field(&mut self, depth_left: u32) -> Result<Option<(u32, Wire<'a>)>, WalkError> {
        let Some((&key, rest)) = self.rest.split_first() else {
            return Ok(None);
        };
        if (8..0x80).contains(&key) {
            let tag = u32::from(key >> 3);
            let found = match (key & 7, rest) {
                (0, [number, rest @ ..]) if *number < 0x80 => {
                    Some((Wire::Varint(u64::from(*number)), rest))
                }
                (1, _) => rest
                    .split_first_chunk()
                    .map(|(number, rest)| (Wire::Fixed64(u64::from_le_bytes(*number)), rest)),
                (2, _) => self.short(rest),
                _ => None,
            };
            if let Some((value, rest)) = found {
                self.rest = rest;
                return Ok(Some((tag, value)));
            }
        }
        self.field_long(depth_left)
    }

    /// Bytes whose length is written in one byte or two, and what follows them.
    #[inline(always)]
    fn short(&self, after_key: &'a [u8]) -> Option<(Wire<'a>, &'a [u8])> {
        let (len, rest) = match after_key {
            [len, rest @ ..] if *len < 0x80 => (usize::from(*len), rest),
            [low, high, rest @ ..] if *high < 0x80 => {
                (usize::from(*low & 0x7f) | usize::from(*high) << 7, rest)
            }
            _ => return None,
        };
        let (inside, rest) = rest.split_at_checked(len)?;
        let end = self.end - rest.len();
        Some((Wire::Len(Self { rest: inside, end }), rest))
    }

    /// Reads any field, and says what is wrong with one that cannot be read.
    #[inline(never)]
    fn field_long(&mut self, depth_left: u32) -> Result<Option<(u32, Wire<'a>)>, WalkError> {
        let (tag, kind) = self.key()?;
        let value = match kind {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => Wire::Len(self.delimited()?),
            3 => {
                self.skip_group(tag, depth_left)?;
                Wire::Group
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.array()?)),
            _ => return Err(self.error("a group ends that was not begun")),
        };
        Ok(Some((tag, value)))
    }

    #[inline]
    fn key(&mut self) -> Result<(u32, u8), WalkError> {
        let at = *self;
        let key =
            u32::try_from(self.varint()?).map_err(|_| at.error("a field key is too large"))?;
        let (tag, kind) = (key >> 3, (key & 7) as u8);
        if tag == 0 || kind > 5 {
            return Err(at.error("a field key has no field number or an unknown wire type"));
        }
        Ok((tag, kind))
    }

    #[inline]
    fn varint(&mut self) -> Result<u64, WalkError> {
        if let Some((&byte, rest)) = self.rest.split_first()
            && byte < 0x80
        {
            self.rest = rest;
            return Ok(u64::from(byte));
        }
        self.varint_long()
    }

    fn varint_long(&mut self) -> Result<u64, WalkError> {
        let mut value = 0;
        for (at, &byte) in self.rest.iter().take(10).enumerate() {
            value |= u64::from(byte & 0x7f) << (at * 7);
            if byte < 0x80 {
                if at == 9 && byte > 1 {
                    break;
                }
                self.rest = &self.rest[at + 1..];
                return Ok(value);
            }
        }
        Err(self.error("a varint is cut off or too long"))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WalkError> {
        let (array, rest) = self
            .rest
            .split_first_chunk()
            .ok_or_else(|| self.error("a number is cut off"))?;
        self.rest = rest;
        Ok(*array)
    }

    #[inline]
    fn delimited(&mut self) -> Result<Self, WalkError> {
        let at = *self;
        let len = self.varint()?;
        let inside = usize::try_from(len)
            .ok()
            .and_then(|len| self.rest.split_at_checked(len));
        let (inside, rest) =
            inside.ok_or_else(|| at.error("a length reaches beyond its message"))?;
        let end = self.end - rest.len();
        self.rest = rest;
        Ok(Self { rest: inside, end })
    }

    /// The next of several varints without keys between them, or `None` at their end.
    #[inline]
    pub(super) fn packed_varint(&mut self) -> Result<Option<u64>, WalkError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.varint().map(Some)
    }

    /// How many numbers of eight bytes the rest is, without keys between them.
    pub(super) fn packed_fixed64s(self) -> Result<u64, WalkError> {
        let len = self.rest.len();
        if len.is_multiple_of(size_of::<u64>()) {
            Ok((len / size_of::<u64>()) as u64)
        } else {
            Err(self.error("the last of several numbers is cut off"))
        }
    }

    /// How many varints the rest is, without keys between them.
    pub(super) fn packed_varints(mut self) -> Result<u64, WalkError> {
        let mut count = 0;
        while !self.rest.is_empty() {
            self.varint()?;
            count += 1;
        }
        Ok(count)
    }

    fn skip_group(&mut self, tag: u32, depth_left: u32) -> Result<(), WalkError> {
        let depth_left = depth_left
            .checked_sub(1)
            .ok_or_else(|| self.error(TOO_DEEP))?;
        loop {
            let at = *self;
            let (inner, kind) = self.key()?;
            match kind {
                4 if inner == tag => return Ok(()),
                4 => return Err(at.error("a group ends that was not begun")),
                _ if depth_left == 0 => return Err(at.error(TOO_DEEP)),
                0 => drop(self.varint()?),
                1 => drop(self.array::<8>()?),
                2 => drop(self.delimited()?),
                3 => self.skip_group(inner, depth_left)?,
                _ => drop(self.array::<4>()?),
            }
        }
    }
}

/// The message of every refusal for nesting.
pub(super) const TOO_DEEP: &str = "messages are nested too deeply";

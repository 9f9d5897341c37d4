//! Protobuf fields, one after the other, borrowed from the bytes they lie in.

/// Bytes that are no protobuf, or not the message they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid OTLP message: {0}")]
pub(crate) struct WireError(pub(crate) &'static str);

/// The value of one field.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Field<'a> {
    /// A number in groups of seven bits.
    Varint(u64),
    /// Eight bytes.
    Fixed64(u64),
    /// Four bytes.
    Fixed32,
    /// Text, bytes, or a message.
    Bytes(&'a [u8]),
    /// Fields between two marks, as protobuf had them long ago. OTLP has none.
    Group,
}

/// How deep groups lie in each other at most, as for the doors.
const GROUPS_MAX: usize = 100;

/// The fields of one message; ends after the first error.
pub(crate) struct Fields<'a>(&'a [u8]);

/// Walks the fields of a message.
pub(crate) fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

impl<'a> Fields<'a> {
    fn step(&mut self) -> Option<(u64, Field<'a>)> {
        let tag = self.varint()?;
        let field = match tag & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Fixed64(u64::from_le_bytes(self.0.split_off(..8)?.try_into().ok()?)),
            2 => {
                let len = usize::try_from(self.varint()?).ok()?;
                Field::Bytes(self.0.split_off(..len)?)
            }
            5 => {
                self.0.split_off(..4)?;
                Field::Fixed32
            }
            3 => {
                self.skip_group(tag >> 3)?;
                Field::Group
            }
            _ => return None,
        };
        Some((tag >> 3, field))
    }

    /// Skips what is left of a group that began.
    fn skip_group(&mut self, number: u64) -> Option<()> {
        let mut open = vec![number];
        while let Some(innermost) = open.last() {
            let tag = self.varint()?;
            match tag & 7 {
                0 => drop(self.varint()?),
                1 => drop(self.0.split_off(..8)?),
                2 => {
                    let len = usize::try_from(self.varint()?).ok()?;
                    self.0.split_off(..len)?;
                }
                3 if open.len() < GROUPS_MAX => open.push(tag >> 3),
                4 if *innermost == tag >> 3 => drop(open.pop()),
                5 => drop(self.0.split_off(..4)?),
                _ => return None,
            }
        }
        Some(())
    }

    fn varint(&mut self) -> Option<u64> {
        match self.0 {
            [byte, rest @ ..] if *byte < 0x80 => {
                self.0 = rest;
                Some(u64::from(*byte))
            }
            _ => sonde_segment::blocks::take_varint(&mut self.0),
        }
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Field<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let step = self.step();
        if step.is_none() {
            self.0 = &[];
        }
        Some(step.ok_or(WireError("a field is cut short or of an unknown kind")))
    }
}

/// Appends a field of text, bytes or a message.
pub(crate) fn put_bytes(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    put_head(out, number, bytes.len());
    out.extend_from_slice(bytes);
}

/// Appends the head of such a field, whose `len` bytes follow.
pub(crate) fn put_head(out: &mut Vec<u8>, number: u8, len: usize) {
    debug_assert!(number < 16, "the tag is one byte");
    out.push(number << 3 | 2);
    sonde_segment::blocks::put_varint(out, len as u64);
}

/// How long such a field is altogether.
pub(crate) fn field_len(len: usize) -> usize {
    let bits = usize::BITS - (len | 1).leading_zeros();
    1 + bits.div_ceil(7) as usize + len
}

//! Fields of protobuf messages, borrowed from the bytes in which they lie. What a door reads so
//! takes no memory before it has decided to keep it.

use prost::encoding::{WireType, decode_key, decode_varint};

/// The value of a field, as far as any door reads it.
#[derive(Debug, PartialEq)]
pub(super) enum Wire<'a> {
    Number(u64),
    /// Eight bytes.
    Fixed(u64),
    /// A text, bytes or a message.
    Bytes(&'a [u8]),
    Other,
}

/// Bytes that end within a field, or are none of protobuf.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct CutOff;

/// The fields of a message. The first that is cut off is the last.
pub(super) struct Fields<'a>(&'a [u8]);

pub(super) fn fields(message: &[u8]) -> Fields<'_> {
    Fields(message)
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u32, Wire<'a>), CutOff>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field.ok_or(CutOff))
    }
}

impl<'a> Fields<'a> {
    fn field(&mut self) -> Option<(u32, Wire<'a>)> {
        let (number, kind) = decode_key(&mut self.0).ok()?;
        let value = match kind {
            WireType::Varint => Wire::Number(decode_varint(&mut self.0).ok()?),
            WireType::LengthDelimited => {
                let len = usize::try_from(decode_varint(&mut self.0).ok()?).ok()?;
                Wire::Bytes(self.split(len)?)
            }
            WireType::SixtyFourBit => {
                let bits = self.split(8)?.try_into().ok()?;
                Wire::Fixed(u64::from_le_bytes(bits))
            }
            WireType::ThirtyTwoBit => self.split(4).map(|_| Wire::Other)?,
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        Some((number, value))
    }

    fn split(&mut self, len: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(first)
    }
}

/// The messages or texts in the fields of that number.
pub(super) fn messages(message: &[u8], number: u32) -> impl Iterator<Item = Result<&[u8], CutOff>> {
    fields(message).filter_map(move |field| match field {
        Ok((n, Wire::Bytes(inside))) if n == number => Some(Ok(inside)),
        Ok(_) => None,
        Err(cut_off) => Some(Err(cut_off)),
    })
}

/// A `Timestamp` or `Duration`, whose seconds are its first field and nanoseconds its second,
/// in nanoseconds.
pub(super) fn nanos(message: &[u8]) -> Result<i128, CutOff> {
    let (mut seconds, mut nanos) = (0_i64, 0_i64);
    for field in fields(message) {
        match field? {
            // Negative numbers are written as large ones.
            (1, Wire::Number(n)) => seconds = n.cast_signed(),
            (2, Wire::Number(n)) => nanos = n.cast_signed(),
            _ => {}
        }
    }
    Ok(i128::from(seconds) * 1_000_000_000 + i128::from(nanos))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use prost::Message;

    #[derive(Clone, PartialEq, Message)]
    struct All {
        #[prost(sint64, tag = "1")]
        number: i64,
        #[prost(fixed64, tag = "2")]
        fixed: u64,
        #[prost(string, repeated, tag = "3")]
        texts: Vec<String>,
        #[prost(fixed32, tag = "4")]
        small: u32,
        #[prost(int64, tag = "200")]
        last: i64,
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn fields_are_those_that_were_written(
            number: i64, fixed: u64, texts in prop::collection::vec(".{0,20}", 0..4), small: u32, last: i64
        ) {
            let all = All { number, fixed, texts: texts.clone(), small, last };
            let bytes = all.encode_to_vec();
            let found: Vec<_> = fields(&bytes).map(Result::unwrap).collect();
            let mut expected = Vec::new();
            // What is zero is not written.
            if number != 0 {
                expected.push((1, Wire::Number(((number << 1) ^ (number >> 63)).cast_unsigned())));
            }
            if fixed != 0 {
                expected.push((2, Wire::Fixed(fixed)));
            }
            expected.extend(texts.iter().map(|text| (3, Wire::Bytes(text.as_bytes()))));
            if small != 0 {
                expected.push((4, Wire::Other));
            }
            if last != 0 {
                expected.push((200, Wire::Number(last.cast_unsigned())));
            }
            prop_assert_eq!(found, expected);
            let found: Vec<_> = messages(&bytes, 3).map(Result::unwrap).collect();
            let expected: Vec<_> = texts.iter().map(String::as_bytes).collect();
            prop_assert_eq!(found, expected);
            // Wherever it is cut off, nothing comes after the cut, and nothing panics.
            for end in 0..bytes.len() {
                let found: Vec<_> = fields(&bytes[..end]).collect();
                let cuts = found.iter().filter(|field| field.is_err()).count();
                prop_assert!(cuts == 0 || (cuts == 1 && found[found.len() - 1].is_err()));
            }
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            fields(&bytes).for_each(drop);
            messages(&bytes, 1).for_each(drop);
            let _ = nanos(&bytes);
        }
    }

    #[test]
    fn times_are_seconds_and_nanoseconds_of_either_sign() {
        #[derive(Clone, Copy, PartialEq, Message)]
        struct Time {
            #[prost(int64, tag = "1")]
            seconds: i64,
            #[prost(int32, tag = "2")]
            nanos: i32,
        }
        for (seconds, part) in [
            (0, 0),
            (5, 7),
            (-5, -7),
            (i64::MAX, i32::MAX),
            (i64::MIN, i32::MIN),
        ] {
            let bytes = Time {
                seconds,
                nanos: part,
            }
            .encode_to_vec();
            let expected = i128::from(seconds) * 1_000_000_000 + i128::from(part);
            assert_eq!(nanos(&bytes), Ok(expected));
        }
        assert_eq!(nanos(&[8]), Err(CutOff));
    }
}

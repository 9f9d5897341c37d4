//! Bytes in, numbers out: how headers are written and read back.

use crate::damage::Damage;

/// Appends a number in groups of seven bits, lowest first.
pub(crate) fn put_varint(out: &mut Vec<u8>, mut n: u64) {
    while n >= 0x80 {
        out.push((n as u8) | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}

/// What is left to be read.
#[derive(Clone, Copy)]
pub(crate) struct Wire<'a>(pub(crate) &'a [u8]);

impl<'a> Wire<'a> {
    pub(crate) fn byte(&mut self) -> Result<u8, Damage> {
        let (first, rest) = self.0.split_first().ok_or(Damage("a header is cut off"))?;
        self.0 = rest;
        Ok(*first)
    }

    pub(crate) fn varint(&mut self) -> Result<u64, Damage> {
        let mut n = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            n |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(Damage("a number is longer than 64 bits"))
    }

    /// A number that must not be above `max`.
    pub(crate) fn up_to(&mut self, max: usize) -> Result<usize, Damage> {
        match usize::try_from(self.varint()?) {
            Ok(n) if n <= max => Ok(n),
            _ => Err(Damage("a number is larger than an encoder writes it")),
        }
    }

    pub(crate) fn fixed64(&mut self) -> Result<u64, Damage> {
        let (first, rest) = self
            .0
            .split_first_chunk::<8>()
            .ok_or(Damage("a header is cut off"))?;
        self.0 = rest;
        Ok(u64::from_le_bytes(*first))
    }

    pub(crate) fn take(&mut self, bytes: usize) -> Result<&'a [u8], Damage> {
        let (first, rest) = self
            .0
            .split_at_checked(bytes)
            .ok_or(Damage("a column is cut off"))?;
        self.0 = rest;
        Ok(first)
    }
}

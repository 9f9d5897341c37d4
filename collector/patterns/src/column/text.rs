//! Texts of any length, one after the other.

use crate::bits::{Packed, bytes_of};
use crate::damage::Damage;
use crate::limits::BLOCK_BYTES_MAX;
use crate::unzip::unzip;
use crate::wire::Wire;
use std::borrow::Cow;

/// Texts as they lie in a column.
pub(crate) struct TextBytes<'a> {
    count: usize,
    shortest: u64,
    lengths: Packed<'a>,
    raw_bytes: usize,
    zipped: bool,
    bytes: &'a [u8],
}

impl<'a> TextBytes<'a> {
    pub(crate) fn read(
        wire: &mut Wire<'a>,
        count: usize,
        raw_bytes: usize,
    ) -> Result<Self, Damage> {
        let shortest = wire.up_to(BLOCK_BYTES_MAX)? as u64;
        let width = wire.byte()?;
        let zipped_bytes = wire.up_to(BLOCK_BYTES_MAX)?;
        let lengths = wire.take(bytes_of(count, width))?;
        let lengths = Packed::new(lengths, count, width);
        let zipped = zipped_bytes > 0;
        Ok(Self {
            count,
            shortest,
            lengths: lengths.ok_or(Damage("the lengths of a column of text are damaged"))?,
            raw_bytes,
            zipped,
            bytes: wire.take(if zipped { zipped_bytes } else { raw_bytes })?,
        })
    }

    pub(crate) fn decode(&self) -> Result<Text<'a>, Damage> {
        const WRONG: Damage = Damage("the lengths of a column of text do not add up");
        let mut ends = Vec::with_capacity(self.count);
        let mut end = 0_u64;
        for at in 0..self.count {
            let length = self.shortest.checked_add(self.lengths.get(at));
            end = length.and_then(|n| end.checked_add(n)).ok_or(WRONG)?;
            if end > self.raw_bytes as u64 {
                return Err(WRONG);
            }
            ends.push(end as u32);
        }
        if end != self.raw_bytes as u64 {
            return Err(WRONG);
        }
        let bytes = if self.zipped {
            Cow::Owned(unzip(self.bytes, self.raw_bytes)?)
        } else {
            Cow::Borrowed(self.bytes)
        };
        Ok(Text { ends, bytes })
    }
}

/// Texts as they are searched: every end is inside of `bytes`, and none is before the last.
pub(crate) struct Text<'a> {
    pub(crate) ends: Vec<u32>,
    pub(crate) bytes: Cow<'a, [u8]>,
}

impl Text<'_> {
    /// Text number `at`; `None` beyond the last.
    #[inline]
    pub(crate) fn get(&self, at: usize) -> Option<&[u8]> {
        let to = *self.ends.get(at)? as usize;
        let from = match at {
            0 => 0,
            _ => self.ends[at - 1] as usize,
        };
        Some(&self.bytes[from..to])
    }
}

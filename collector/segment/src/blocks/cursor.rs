//! Walks entries in order without a handle on each: what it stands on is borrowed until the next
//! step. Beside [`super::Scan`], whose entries may be kept, it spares counting who holds a block,
//! which for small entries is more than all the rest.

use super::{BlockError, Reader, take_varint};
use bytes::Bytes;
use std::ops::Range;

/// Stands on an entry of a file once [`Cursor::step`] said so.
#[derive(Debug)]
pub struct Cursor<'a> {
    reader: &'a Reader,
    next_block: usize,
    block: Bytes,
    /// Where the next entry begins.
    next: usize,
    key: Range<usize>,
    value: Range<usize>,
    /// Entries before this key are left out; empty once there can be none.
    from: Vec<u8>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(reader: &'a Reader, from: &[u8]) -> Self {
        Self {
            next_block: reader.first_block_for(from),
            reader,
            block: Bytes::new(),
            next: 0,
            key: 0..0,
            value: 0..0,
            from: from.to_vec(),
        }
    }

    /// Goes on to the next entry; false past the last.
    ///
    /// # Errors
    /// [`BlockError`] when a block cannot be read or is damaged; there is no entry behind it.
    pub fn step(&mut self) -> Result<bool, BlockError> {
        let stepped = self.try_step();
        if !matches!(stepped, Ok(true)) {
            (self.block, self.next) = (Bytes::new(), 0);
            (self.key, self.value) = (0..0, 0..0);
            self.next_block = self.reader.blocks();
        }
        stepped
    }

    /// The key of the entry it stands on; empty where it stands on none.
    #[must_use]
    pub fn key(&self) -> &[u8] {
        &self.block[self.key.clone()]
    }

    /// The value of the entry it stands on; empty where it stands on none.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.block[self.value.clone()]
    }

    fn try_step(&mut self) -> Result<bool, BlockError> {
        loop {
            if self.next == self.block.len() {
                let Some(block) = self.reader.block(self.next_block)? else {
                    return Ok(false);
                };
                (self.block, self.next) = (block, 0);
                self.next_block += 1;
                continue;
            }
            self.take()
                .ok_or(BlockError::Damaged("an entry is cut short"))?;
            if self.from.is_empty() || self.key() >= &self.from[..] {
                self.from.clear();
                return Ok(true);
            }
        }
    }

    fn take(&mut self) -> Option<()> {
        let mut rest = &self.block[self.next..];
        let key_len = usize::try_from(take_varint(&mut rest)?).ok()?;
        let value_len = usize::try_from(take_varint(&mut rest)?).ok()?;
        if key_len.checked_add(value_len)? > rest.len() {
            return None;
        }
        let key = self.block.len() - rest.len();
        self.key = key..key + key_len;
        self.value = key + key_len..key + key_len + value_len;
        self.next = self.value.end;
        Some(())
    }
}

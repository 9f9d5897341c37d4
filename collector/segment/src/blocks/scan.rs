//! Walks entries in order, a block at a time.

use super::{BlockError, Reader, take_varint};
use bytes::Bytes;
use std::ops::Bound;

/// An iterator over the entries of a file from some key on. Ends after the first error.
#[derive(Debug)]
pub struct Scan<'a> {
    reader: &'a Reader,
    from: Bound<Vec<u8>>,
    next_block: usize,
    entries: Entries,
    failed: bool,
}

impl<'a> Scan<'a> {
    pub(super) fn new(reader: &'a Reader, from: Bound<&[u8]>) -> Self {
        let next_block = match from {
            Bound::Included(key) | Bound::Excluded(key) => reader.first_block_for(key),
            Bound::Unbounded => 0,
        };
        Self {
            reader,
            from: from.map(<[u8]>::to_vec),
            next_block,
            entries: Entries::new(Bytes::new()),
            failed: false,
        }
    }

    fn step(&mut self) -> Result<Option<(Bytes, Bytes)>, BlockError> {
        loop {
            for entry in self.entries.by_ref() {
                let entry = entry?;
                let past = match &self.from {
                    Bound::Included(from) => entry.0[..] >= from[..],
                    Bound::Excluded(from) => entry.0[..] > from[..],
                    Bound::Unbounded => true,
                };
                if past {
                    self.from = Bound::Unbounded;
                    return Ok(Some(entry));
                }
            }
            let Some(block) = self.reader.block(self.next_block)? else {
                return Ok(None);
            };
            self.entries = Entries::new(block);
            self.next_block += 1;
        }
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<(Bytes, Bytes), BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed {
            return None;
        }
        let item = self.step().transpose();
        self.failed = matches!(item, Some(Err(_)));
        item
    }
}

/// The entries of one raw block.
#[derive(Debug)]
pub(super) struct Entries {
    block: Bytes,
}

impl Entries {
    pub(super) fn new(block: Bytes) -> Self {
        Self { block }
    }

    fn take(&mut self) -> Option<(Bytes, Bytes)> {
        let mut rest = &self.block[..];
        let key_len = usize::try_from(take_varint(&mut rest)?).ok()?;
        let value_len = usize::try_from(take_varint(&mut rest)?).ok()?;
        let head = self.block.len() - rest.len();
        if key_len.checked_add(value_len)? > rest.len() {
            return None;
        }
        let mut entry = self
            .block
            .split_to(head + key_len + value_len)
            .split_off(head);
        let key = entry.split_to(key_len);
        Some((key, entry))
    }
}

impl Iterator for Entries {
    type Item = Result<(Bytes, Bytes), BlockError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.block.is_empty() {
            return None;
        }
        let entry = self.take();
        if entry.is_none() {
            self.block = Bytes::new();
        }
        Some(entry.ok_or(BlockError::Damaged("an entry is cut short")))
    }
}

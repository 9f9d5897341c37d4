//! The sparse index: the last key of every block, and where the block lies.

use super::{BlockError, KEY_BYTES_MAX, MAGIC, RAW_BYTES_MAX, put_varint, take_varint};

/// Where one block lies and what it must hash to.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockPlace {
    pub(super) offset: u64,
    pub(super) stored: usize,
    pub(super) raw: usize,
    pub(super) checksum: u32,
}

/// All blocks of a file, by last key. The keys lie in one piece of memory.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: Vec<u8>,
    key_ends: Vec<usize>,
    places: Vec<BlockPlace>,
}

impl Index {
    /// The place of block `at`, where there is one.
    pub(super) fn place(&self, at: usize) -> Option<BlockPlace> {
        self.places.get(at).copied()
    }

    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// The first block that can hold `key` or a higher one.
    pub(super) fn first_block_for(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.places.len());
        while low < high {
            let middle = low.midpoint(high);
            if self.last_key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// How much memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.keys.len() + self.places.len() * (size_of::<usize>() + size_of::<BlockPlace>())
    }

    fn last_key(&self, at: usize) -> &[u8] {
        let start = at.checked_sub(1).map_or(0, |before| self.key_ends[before]);
        &self.keys[start..self.key_ends[at]]
    }

    /// Reads the raw bytes of an index of `blocks` blocks that end at `blocks_end`.
    pub(super) fn decode(mut raw: &[u8], blocks: u32, blocks_end: u64) -> Result<Self, BlockError> {
        let mut index = Self::default();
        let mut offset = MAGIC.len() as u64;
        while !raw.is_empty() {
            let place = index
                .decode_item(&mut raw, offset)
                .ok_or(BlockError::Damaged("its index is cut short"))?;
            offset = offset
                .checked_add(place.stored as u64)
                .ok_or(BlockError::Damaged("its index overflows"))?;
            index.places.push(place);
        }
        if offset != blocks_end || index.places.len() as u64 != u64::from(blocks) {
            return Err(BlockError::Damaged("its index does not match its blocks"));
        }
        Ok(index)
    }

    fn decode_item(&mut self, raw: &mut &[u8], offset: u64) -> Option<BlockPlace> {
        let key_len = usize::try_from(take_varint(raw)?)
            .ok()
            .filter(|n| *n <= KEY_BYTES_MAX)?;
        self.keys.extend_from_slice(raw.split_off(..key_len)?);
        self.key_ends.push(self.keys.len());
        let stored = usize::try_from(take_varint(raw)?).ok()?;
        let raw_len = usize::try_from(take_varint(raw)?)
            .ok()
            .filter(|n| *n <= RAW_BYTES_MAX)?;
        let checksum = raw
            .split_off(..4)?
            .try_into()
            .ok()
            .map(u32::from_le_bytes)?;
        Some(BlockPlace {
            offset,
            stored,
            raw: raw_len,
            checksum,
        })
    }
}

/// Appends one block's item to the raw index.
pub(super) fn put_item(
    out: &mut Vec<u8>,
    last_key: &[u8],
    stored: usize,
    raw: usize,
    checksum: u32,
) {
    put_varint(out, last_key.len() as u64);
    out.extend_from_slice(last_key);
    put_varint(out, stored as u64);
    put_varint(out, raw as u64);
    out.extend_from_slice(&checksum.to_le_bytes());
}

//! The parts of a segment: neighbouring blocks that were written together.
//!
//! ```text
//! part   20 bytes in `directory`: first block u32 │ its dictionary in `templates`: offset u64
//!        │ length u32 (0: it has none) │ CRC-32C u32
//! ```
//!
//! The records of a part lie in the order of their streams and keys, and its templated bodies
//! have one dictionary. A segment as sealed is one part; merging puts the parts of several
//! segments one after the other where it moves blocks as they are (`join`). Everything else,
//! the streams, the words and the identifiers, is one for all parts.

use super::Damage;
use super::directory::FILE;
use std::ops::Range;

/// One of the parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Its blocks begin here, and end where the next part's begin.
    pub(super) first_block: u32,
    pub(super) dictionary: Place,
}

/// Where the dictionary of a part lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) checksum: u32,
}

impl Part {
    pub(super) const BYTES: usize = 20;

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let Place {
            offset,
            length,
            checksum,
        } = self.dictionary;
        out.extend_from_slice(&self.first_block.to_le_bytes());
        out.extend_from_slice(&offset.to_le_bytes());
        out.extend_from_slice(&length.to_le_bytes());
        out.extend_from_slice(&checksum.to_le_bytes());
    }

    pub(super) fn read(bytes: &[u8; Self::BYTES]) -> Self {
        let short = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        Self {
            first_block: short(0),
            dictionary: Place {
                offset: u64::from(short(8)) << 32 | u64::from(short(4)),
                length: short(12),
                checksum: short(16),
            },
        }
    }
}

impl Place {
    /// Where the dictionary lies in `templates`; nothing where that is beyond any file.
    pub(super) fn range(&self) -> Option<Range<usize>> {
        let to = self.offset.checked_add(u64::from(self.length))?;
        Some(usize::try_from(self.offset).ok()?..usize::try_from(to).ok()?)
    }
}

/// Whether parts divide so many blocks among them: each has some, and none is in no part.
pub(super) fn check(parts: impl Iterator<Item = Part>, blocks: u32) -> Result<(), Damage> {
    let mut next = 0;
    for part in parts {
        // The first part begins with block 0, each other one behind the one before.
        let right = if next == 0 {
            part.first_block == 0
        } else {
            part.first_block >= next
        };
        if !right || part.first_block >= blocks {
            return Err(Damage(format!("{FILE} has parts without blocks")));
        }
        next = part.first_block + 1;
    }
    match next > 0 || blocks == 0 {
        true => Ok(()),
        false => Err(Damage(format!("{FILE} has blocks of no part"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_reads_back() {
        let part = Part {
            first_block: 0x0102_0304,
            dictionary: Place {
                offset: 0x1122_3344_5566_7788,
                length: 7,
                checksum: u32::MAX - 1,
            },
        };
        let mut bytes = Vec::new();
        part.write(&mut bytes);
        assert_eq!(Part::read(bytes.as_slice().try_into().unwrap()), part);
        assert_eq!(part.dictionary.range().unwrap().len(), 7);
        let beyond = Place {
            offset: u64::MAX,
            ..part.dictionary
        };
        assert_eq!(beyond.range(), None);
    }

    #[test]
    fn parts_begin_with_the_first_block_and_each_has_one() {
        let check = |first_blocks: &[u32], blocks: u32| {
            let parts = first_blocks.iter().map(|first_block| Part {
                first_block: *first_block,
                ..Part::default()
            });
            super::check(parts, blocks).is_ok()
        };
        assert!(check(&[], 0) && check(&[0], 1) && check(&[0, 1, 5], 6));
        assert!(!check(&[], 1) && !check(&[0], 0) && !check(&[1], 2));
        assert!(!check(&[0, 0], 2) && !check(&[0, 2, 1], 4) && !check(&[0, 6], 6));
        assert!(!check(&[0, u32::MAX], u32::MAX));
    }
}

//! `tokens`: in which blocks an identifier is, by its hash.
//!
//! ```text
//! chunk*    up to 128 hashes: count varint │ numbers: the differences of the hashes
//!           │ numbers: in how many places each is, less one │ numbers: those places
//! index     per chunk: first hash u32 │ offset u64 │ CRC-32C u32
//! end       bits u8 │ page bits u8 │ 0 u16 │ chunks u32 │ CRC-32C of index and end u32
//! ```
//!
//! A place is a block, and in the lowest `page bits`, 0 or 2, a page of its bodies: that of a
//! block that is not in pages is 0. Where no block is, no list has these bits.
//!
//! Of every hash the upper `bits` are kept: with six bits more than the number of hashes
//! has, one look-up in 64 names a block too many, and neighbours differ by about a byte. What
//! was left out cannot be had again when lists are joined, so a list keeps at least as many
//! bits as one of some millions of hashes needs.
//!
//! A look-up is a binary search in the index where it lies and the reading of one chunk.

mod build;
mod join;

pub(super) use build::TokensBuilder;
pub(super) use join::{ListError, Source, join, stays_selective};

use super::Damage;
use super::handle::Checked;
use super::numbers::{take, take_count};
use tantivy::directory::OwnedBytes;

pub(super) const FILE: &str = "tokens";
const CHUNK: usize = 128;
const ENTRY: usize = 16;
const END: usize = 12;
/// How many bits are kept at least: a joined list of eight million hashes still names one
/// block too many in 32 look-ups. A segment of 32 MiB is 1 % larger for it.
const BITS_MIN: u32 = 28;
const BITS_MAX: u32 = 32;
/// The bits of a page, where any block is in pages.
const PAGE_BITS: u32 = 2;
/// So many blocks can be listed.
pub(super) const BLOCKS_MAX: u32 = 1 << (32 - PAGE_BITS);

/// Where an identifier may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) block: u32,
    /// The page of its bodies; 0 where these are in no pages.
    pub(super) page: u8,
}

impl Place {
    fn read(place: u32, page_bits: u32) -> Self {
        Self {
            block: place >> page_bits,
            page: (place & ((1 << page_bits) - 1)) as u8,
        }
    }

    /// The number that it has in a list with so many bits for pages; nothing where there is none.
    fn number(self, page_bits: u32) -> Option<u32> {
        let number = u64::from(self.block) << page_bits | u64::from(self.page);
        u32::try_from(number).ok()
    }
}

/// How many bits of so many hashes are kept.
fn bits_for(hashes: u64) -> u32 {
    (64 - hashes.leading_zeros() + 6).clamp(BITS_MIN, BITS_MAX)
}

/// The identifiers of an open segment.
pub(super) struct Tokens {
    bytes: OwnedBytes,
    /// Where the index begins.
    index: usize,
    bits: u32,
    page_bits: u32,
    checked: Checked,
}

/// Where a chunk lies.
struct Entry {
    first: u32,
    from: usize,
    checksum: u32,
}

impl Tokens {
    /// Takes the bytes of the file.
    pub(super) fn open(bytes: OwnedBytes) -> Result<Self, Damage> {
        let damaged = || Damage(format!("{FILE} is no list of identifiers"));
        let end: &[u8; END] = bytes.last_chunk().ok_or_else(damaged)?;
        let number =
            |at: usize| u32::from_le_bytes([end[at], end[at + 1], end[at + 2], end[at + 3]]);
        let [bits, page_bits, zeros @ ..] = number(0).to_le_bytes();
        let (bits, page_bits) = (u32::from(bits), u32::from(page_bits));
        let chunks = number(4) as usize;
        let index = chunks
            .checked_mul(ENTRY)
            .and_then(|n| bytes.len().checked_sub(n + END));
        let index = index
            .filter(|_| (1..=BITS_MAX).contains(&bits) && zeros == [0, 0])
            .filter(|_| page_bits == 0 || page_bits == PAGE_BITS)
            .ok_or_else(damaged)?;
        Ok(Self {
            bytes,
            index,
            bits,
            page_bits,
            checked: Checked::default(),
        })
    }

    /// Takes what is known of the checksum of the index, or will be, from `checked`.
    pub(super) fn with(mut self, checked: &Checked) -> Self {
        self.checked = Checked::clone(checked);
        self
    }

    /// Calls `each` with the places that may hold the identifier with this hash.
    pub(super) fn look_up(&self, hash: u32, mut each: impl FnMut(Place)) -> Result<(), Damage> {
        self.check_index()?;
        let hash = hash >> (32 - self.bits);
        let Some(chunk) = self.chunk_before(hash) else {
            return Ok(());
        };
        let (bytes, first) = self.checked_chunk(chunk)?;
        let mut each = |place| each(Place::read(place, self.page_bits));
        places_of(bytes, hash - first, &mut each).ok_or_else(|| damaged_chunk(chunk))
    }

    /// The bytes of a chunk, and its first hash.
    fn checked_chunk(&self, chunk: usize) -> Result<(&[u8], u32), Damage> {
        let entry = self.entry(chunk);
        let bytes = self.chunk(chunk);
        bytes
            .filter(|bytes| crc32c::crc32c(bytes) == entry.checksum)
            .map(|bytes| (bytes, entry.first))
            .ok_or_else(|| damaged_chunk(chunk))
    }

    /// Whether all of the file is as it was written.
    pub(super) fn check(&self) -> Result<(), Damage> {
        self.check_index()?;
        let right = |n: usize| {
            let bytes = self.chunk(n);
            bytes.is_some_and(|bytes| crc32c::crc32c(bytes) == self.entry(n).checksum)
        };
        match (0..self.chunks()).all(right) {
            true => Ok(()),
            false => Err(Damage(format!("a checksum of {FILE} does not hold"))),
        }
    }

    fn check_index(&self) -> Result<(), Damage> {
        let right = self.checked.get_or_init(|| {
            let (all, checksum) = self.bytes.split_at(self.bytes.len() - 4);
            crc32c::crc32c(&all[self.index..]).to_le_bytes() == checksum
        });
        match right {
            true => Ok(()),
            false => Err(Damage(format!("the checksum of {FILE} does not hold"))),
        }
    }

    /// How many hashes there are, or a few more.
    fn hashes_max(&self) -> u64 {
        (self.chunks() * CHUNK) as u64
    }

    fn chunks(&self) -> usize {
        (self.bytes.len() - END - self.index) / ENTRY
    }

    /// The last chunk that begins at or before `hash`.
    fn chunk_before(&self, hash: u32) -> Option<usize> {
        let (mut low, mut high) = (0, self.chunks());
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle).first <= hash {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low.checked_sub(1)
    }

    fn entry(&self, chunk: usize) -> Entry {
        let at = self.index + chunk * ENTRY;
        let short = |at: usize| {
            let bytes = self.bytes[at..].first_chunk().copied();
            u32::from_le_bytes(bytes.unwrap_or_default())
        };
        let from = u64::from(short(at + 8)) << 32 | u64::from(short(at + 4));
        Entry {
            first: short(at),
            from: usize::try_from(from).unwrap_or(usize::MAX),
            checksum: short(at + 12),
        }
    }

    fn chunk(&self, chunk: usize) -> Option<&[u8]> {
        let to = match chunk + 1 < self.chunks() {
            true => self.entry(chunk + 1).from,
            false => self.index,
        };
        self.bytes.get(self.entry(chunk).from..to)
    }
}

fn damaged_chunk(chunk: usize) -> Damage {
    Damage(format!(
        "the checksum of chunk {chunk} of {FILE} does not hold"
    ))
}

/// Reads the places of the hash that is `wanted` more than the chunk's first.
fn places_of(chunk: &[u8], wanted: u32, each: &mut impl FnMut(u32)) -> Option<()> {
    let mut at = chunk;
    let count = take_count(&mut at)?;
    let (mut steps, mut more, mut places) = (Vec::new(), Vec::new(), Vec::new());
    take(&mut at, count, &mut steps)?;
    let mut hash = 0_i64;
    let place = steps.iter().position(|step| {
        hash = hash.wrapping_add(*step);
        hash == i64::from(wanted)
    });
    let Some(place) = place else { return Some(()) };
    take(&mut at, count, &mut more)?;
    let size = |n: &i64| usize::try_from(*n).ok()?.checked_add(1);
    let sum = |sizes: &[i64]| {
        sizes
            .iter()
            .try_fold(0_usize, |sum, n| sum.checked_add(size(n)?))
    };
    let before = sum(&more[..place])?;
    let end = before.checked_add(size(more.get(place)?)?)?;
    take(&mut at, sum(&more)?, &mut places)?;
    for place in places.get(before..end)? {
        each(u32::try_from(*place).ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests;

//! Parts of a segment that are read one by one.

use super::{SECTION_BYTES_MAX, SegmentError};
use crate::chunk::Damaged;
use crate::translate::wire::varint;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// Where a section is, and what it must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) unpacked: u32,
    pub(super) checksum: u32,
}

impl Place {
    /// Packs a section that is to be at `offset`.
    pub(super) fn pack(offset: u64, section: &[u8]) -> io::Result<(Self, Vec<u8>)> {
        let too_large = || io::Error::other("a section of the index is larger than 1 GiB");
        let unpacked = u32::try_from(section.len()).ok();
        let unpacked = unpacked.filter(|n| *n <= SECTION_BYTES_MAX);
        let packed = zstd::bulk::compress(section, 1)?;
        let place = Self {
            offset,
            length: u32::try_from(packed.len()).map_err(|_| too_large())?,
            unpacked: unpacked.ok_or_else(too_large)?,
            checksum: crc32c::crc32c(&packed),
        };
        Ok((place, packed))
    }

    /// Reads the section, checks it and unpacks it.
    pub(super) fn read(&self, file: &File) -> Result<Vec<u8>, SegmentError> {
        let packed = self.read_packed(file)?;
        let unpacked = zstd::bulk::decompress(&packed, self.unpacked as usize);
        Ok(unpacked.map_err(|_| Damaged)?)
    }

    /// Reads the section and checks it.
    pub(super) fn read_packed(&self, file: &File) -> Result<Vec<u8>, SegmentError> {
        let mut packed = vec![0; self.length as usize];
        file.read_exact_at(&mut packed, self.offset)?;
        if crc32c::crc32c(&packed) != self.checksum {
            return Err(SegmentError::Checksum);
        }
        Ok(packed)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put(out, self.offset);
        for number in [self.length, self.unpacked, self.checksum] {
            put(out, u64::from(number));
        }
    }

    /// Takes a place that lies before `end`.
    pub(super) fn take(bytes: &mut &[u8], end: u64) -> Result<Self, SegmentError> {
        let place = Self {
            offset: take(bytes)?,
            length: small(bytes)?,
            unpacked: small(bytes)?,
            checksum: small(bytes)?,
        };
        let ends = place.offset.checked_add(u64::from(place.length));
        let fits = ends.is_some_and(|at| at <= end) && place.unpacked <= SECTION_BYTES_MAX;
        if fits { Ok(place) } else { Err(Damaged.into()) }
    }
}

pub(crate) fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

pub(super) fn take(bytes: &mut &[u8]) -> Result<u64, SegmentError> {
    varint(bytes).map_err(|_| Damaged.into())
}

pub(super) fn small(bytes: &mut &[u8]) -> Result<u32, SegmentError> {
    u32::try_from(take(bytes)?).map_err(|_| Damaged.into())
}

/// How many there are of something that takes at least `least` bytes each.
pub(super) fn count(bytes: &mut &[u8], least: usize) -> Result<usize, SegmentError> {
    let count = usize::try_from(take(bytes)?).map_err(|_| Damaged)?;
    if count <= bytes.len() / least {
        Ok(count)
    } else {
        Err(Damaged.into())
    }
}

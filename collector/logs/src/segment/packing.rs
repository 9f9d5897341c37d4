//! Compression of sections: zstd at level 1, each piece by itself.

use super::numbers::{put_varint, take_count};
use std::io;

const LEVEL: i32 = 1;

/// Packs pieces; its tables are used again for every piece.
pub(super) struct Packer(zstd::bulk::Compressor<'static>);

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        zstd::bulk::Compressor::new(LEVEL).map(Self)
    }

    /// Appends `bytes`, packed.
    pub(super) fn pack(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        out.resize(start + zstd::zstd_safe::compress_bound(bytes.len()), 0);
        let length = self
            .0
            .compress_to_buffer(bytes, &mut out[start..])
            .expect("a buffer of the bound that the library itself gives holds every result");
        out.truncate(start + length);
    }

    /// Appends `bytes`, packed and after their length.
    pub(super) fn pack_sized(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        put_varint(bytes.len() as u64, out);
        self.pack(bytes, out);
    }
}

/// Unpacks pieces.
pub(super) struct Unpacker(zstd::bulk::Decompressor<'static>);

impl Unpacker {
    pub(super) fn new() -> io::Result<Self> {
        zstd::bulk::Decompressor::new().map(Self)
    }

    /// Unpacks a piece that fills `into`; nothing where it is damaged.
    pub(super) fn unpack(&mut self, packed: &[u8], into: &mut [u8]) -> Option<()> {
        let length = self.0.decompress_to_buffer(packed, into).ok()?;
        (length == into.len()).then_some(())
    }

    /// Unpacks what [`Packer::pack_sized`] wrote. The length it says is believed: callers
    /// have looked at its checksum.
    pub(super) fn unpack_sized(&mut self, mut packed: &[u8], into: &mut Vec<u8>) -> Option<()> {
        let length = take_count(&mut packed)?;
        into.try_reserve(length.saturating_sub(into.len())).ok()?;
        into.resize(length, 0);
        self.unpack(packed, into)
    }
}

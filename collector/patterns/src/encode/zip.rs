//! Compression with one context for the whole of a segment.

use zstd::bulk::Compressor;

/// Higher levels were measured to buy nothing: little is left when templates are out.
const LEVEL: i32 = 1;

pub(crate) struct Zip {
    /// `None` when zstd has no memory: then bytes are kept as they are.
    compressor: Option<Compressor<'static>>,
    zipped: Vec<u8>,
}

impl Zip {
    pub(crate) fn new() -> Self {
        Self {
            compressor: Compressor::new(LEVEL).ok(),
            zipped: Vec::new(),
        }
    }

    /// The bytes compressed, if that makes them fewer.
    pub(crate) fn zip(&mut self, bytes: &[u8]) -> Option<&[u8]> {
        let compressor = self.compressor.as_mut()?;
        self.zipped.clear();
        self.zipped
            .reserve(zstd::zstd_safe::compress_bound(bytes.len()));
        let length = compressor
            .compress_to_buffer(bytes, &mut self.zipped)
            .ok()?;
        (length < bytes.len()).then_some(&self.zipped)
    }

    /// A zstd frame of the bytes.
    pub(super) fn always(&self, bytes: &[u8]) -> Vec<u8> {
        zstd::bulk::compress(bytes, LEVEL).unwrap_or_else(|_| stored_frame(bytes))
    }
}

/// A frame of blocks that are not compressed, for when zstd has no memory.
fn stored_frame(bytes: &[u8]) -> Vec<u8> {
    const BLOCK_BYTES_MAX: usize = 128 << 10;
    const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];
    /// One segment, content size of eight bytes, no checksum, no dictionary.
    const DESCRIPTOR: u8 = 0b1110_0000;
    let mut frame = Vec::with_capacity(bytes.len() + bytes.len() / 1024 + 64);
    frame.extend_from_slice(&MAGIC);
    frame.push(DESCRIPTOR);
    frame.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    let blocks = bytes.len().div_ceil(BLOCK_BYTES_MAX).max(1);
    for at in 0..blocks {
        let from = at * BLOCK_BYTES_MAX;
        let block = &bytes[from..bytes.len().min(from + BLOCK_BYTES_MAX)];
        let last = u32::from(at + 1 == blocks);
        let header = (block.len() as u32) << 3 | last;
        frame.extend_from_slice(&header.to_le_bytes()[..3]);
        frame.extend_from_slice(block);
    }
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stored_frame_is_read_by_zstd() {
        for length in [0, 1, 300_000] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let frame = stored_frame(&bytes);
            assert_eq!(crate::unzip::unzip(&frame, bytes.len()).unwrap(), bytes);
        }
    }
}

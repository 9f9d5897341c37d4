//! Writes a sorted-block file.

use super::{
    BLOCK_BYTES, BlockError, CHECKED_LEN, FOOTER_LEN, INDEX_RAW_BYTES_MAX, KEY_BYTES_MAX, LEVEL,
    MAGIC, VALUE_BYTES_MAX, filter, hash64, index, io_error, put_varint,
};
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

/// Takes entries in the order of their keys. Memory: one block, the index, 8 bytes a key.
pub struct Writer<W: Write = BufWriter<File>> {
    out: W,
    written: u64,
    compressor: zstd::bulk::Compressor<'static>,
    stored: Vec<u8>,
    block: Vec<u8>,
    last_key: Vec<u8>,
    index: Vec<u8>,
    blocks: u32,
    hashes: Vec<u64>,
    entries: u64,
    raw_bytes: u64,
}

/// What a finished file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its size.
    pub bytes: u64,
    /// How many entries it holds.
    pub entries: u64,
    /// How many bytes of keys and values went in.
    pub raw_bytes: u64,
    /// A checksum over the checksums of everything in it.
    pub checksum: u32,
}

impl Writer {
    /// Starts a file, replacing what is there.
    ///
    /// # Errors
    /// [`BlockError::Io`] when it cannot be created.
    pub fn create(path: &Path) -> Result<Self, BlockError> {
        let file = File::create(path).map_err(io_error("create"))?;
        Self::new(BufWriter::with_capacity(256 * 1024, file))
    }

    /// Finishes the file and syncs it. Its directory is the caller's to sync.
    ///
    /// # Errors
    /// [`BlockError::Io`] when it cannot be written or synced.
    pub fn finish(self) -> Result<Written, BlockError> {
        let (written, out) = self.finish_into()?;
        let file = out
            .into_inner()
            .map_err(|error| io_error("write")(error.into_error()))?;
        file.sync_all().map_err(io_error("sync"))?;
        Ok(written)
    }
}

impl<W: Write> Writer<W> {
    /// Starts a file in any sink of bytes.
    ///
    /// # Errors
    /// [`BlockError::Io`] when the first bytes cannot be written.
    pub fn new(mut out: W) -> Result<Self, BlockError> {
        out.write_all(&MAGIC).map_err(io_error("write"))?;
        Ok(Self {
            out,
            written: MAGIC.len() as u64,
            compressor: zstd::bulk::Compressor::new(LEVEL).map_err(io_error("compress"))?,
            stored: Vec::new(),
            block: Vec::with_capacity(BLOCK_BYTES * 2),
            last_key: Vec::new(),
            index: Vec::new(),
            blocks: 0,
            hashes: Vec::new(),
            entries: 0,
            raw_bytes: 0,
        })
    }

    /// Adds an entry. The same key may come again; a lower one may not.
    ///
    /// # Errors
    /// [`BlockError::Order`], [`BlockError::TooLarge`], or [`BlockError::Io`].
    pub fn add(&mut self, key: &[u8], value: &[u8]) -> Result<(), BlockError> {
        if key.len() > KEY_BYTES_MAX || value.len() > VALUE_BYTES_MAX {
            return Err(BlockError::TooLarge(key.len().max(value.len())));
        }
        if self.entries > 0 && key < self.last_key.as_slice() {
            return Err(BlockError::Order);
        }
        if !self.block.is_empty() && self.block.len() + key.len() + value.len() > BLOCK_BYTES {
            self.end_block()?;
        }
        if self.entries == 0 || key != self.last_key.as_slice() {
            self.hashes.push(hash64(key));
            self.last_key.clear();
            self.last_key.extend_from_slice(key);
        }
        put_varint(&mut self.block, key.len() as u64);
        put_varint(&mut self.block, value.len() as u64);
        self.block.extend_from_slice(key);
        self.block.extend_from_slice(value);
        self.entries += 1;
        self.raw_bytes += (key.len() + value.len()) as u64;
        Ok(())
    }

    /// Has [`super::Reader::may_contain`] say "perhaps" of a key that gets no entry.
    pub fn also_filter(&mut self, key: &[u8]) {
        self.hashes.push(hash64(key));
    }

    /// How many bytes are in the file so far, not counting the block under way.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.written
    }

    /// Finishes and returns the sink, flushed of nothing: that is its owner's to do.
    ///
    /// # Errors
    /// [`BlockError::Io`] when the rest cannot be written.
    pub fn finish_into(mut self) -> Result<(Written, W), BlockError> {
        if !self.block.is_empty() {
            self.end_block()?;
        }
        if self.index.len() > INDEX_RAW_BYTES_MAX {
            return Err(BlockError::TooLarge(self.index.len()));
        }
        let index_offset = self.written;
        let index = self
            .compressor
            .compress(&self.index)
            .map_err(io_error("compress"))?;
        self.put(&index)?;
        let filter = filter::encode(std::mem::take(&mut self.hashes));
        self.put(&filter)?;
        let footer = self.footer(index_offset, &index, &filter)?;
        self.put(&footer)?;
        let checksum = crc32c::crc32c(&footer[..CHECKED_LEN]);
        let written = Written {
            bytes: self.written,
            entries: self.entries,
            raw_bytes: self.raw_bytes,
            checksum,
        };
        Ok((written, self.out))
    }

    fn end_block(&mut self) -> Result<(), BlockError> {
        self.stored.clear();
        self.stored
            .reserve(zstd::zstd_safe::compress_bound(self.block.len()));
        self.compressor
            .compress_to_buffer(&self.block, &mut self.stored)
            .map_err(io_error("compress"))?;
        index::put_item(
            &mut self.index,
            &self.last_key,
            self.stored.len(),
            self.block.len(),
            crc32c::crc32c(&self.stored),
        );
        self.out
            .write_all(&self.stored)
            .map_err(io_error("write"))?;
        self.written += self.stored.len() as u64;
        self.blocks += 1;
        self.block.clear();
        Ok(())
    }

    fn footer(
        &self,
        index_offset: u64,
        index: &[u8],
        filter: &[u8],
    ) -> Result<Vec<u8>, BlockError> {
        let len = |bytes: &[u8]| {
            u32::try_from(bytes.len()).map_err(|_| BlockError::TooLarge(bytes.len()))
        };
        let mut out = Vec::with_capacity(FOOTER_LEN);
        out.extend_from_slice(&index_offset.to_le_bytes());
        for n in [
            len(index)?,
            len(&self.index)?,
            crc32c::crc32c(index),
            len(filter)?,
            crc32c::crc32c(filter),
            self.blocks,
        ] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&self.entries.to_le_bytes());
        out.extend_from_slice(&self.raw_bytes.to_le_bytes());
        out.extend_from_slice(&0_u32.to_le_bytes());
        out.extend_from_slice(&crc32c::crc32c(&out).to_le_bytes());
        out.extend_from_slice(&MAGIC);
        Ok(out)
    }

    fn put(&mut self, bytes: &[u8]) -> Result<(), BlockError> {
        self.written += bytes.len() as u64;
        self.out.write_all(bytes).map_err(io_error("write"))
    }
}

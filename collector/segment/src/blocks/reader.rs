//! Reads a sorted-block file. The index and the filter live in memory; blocks are read
//! when they are asked for, so that a reader costs little and many threads may share it.
//!
//! Several may lie in one file, one behind the other, each whole in itself and copied as it lies
//! ([`Reader::copy_to`]): the last one's footer says where it begins, and so where the one before
//! it ends.

use super::cursor::Cursor;
use super::filter::Filter;
use super::index::{BlockPlace, Index};
use super::scan::{Entries, Scan};
use super::{BlockError, CHECKED_LEN, FOOTER_LEN, INDEX_RAW_BYTES_MAX, MAGIC, hash64, io_error};
use bytes::Bytes;
use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::ops::Bound;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use zstd::bulk::Decompressor;

/// So many bytes of blocks are copied at once, or one block.
const COPY_BYTES: usize = 1 << 20;

/// An open sorted-block file.
#[derive(Debug)]
pub struct Reader {
    file: Arc<File>,
    /// Where it begins in the file.
    base: u64,
    /// Where its blocks end, from there.
    blocks_end: u64,
    index: Index,
    filter: Option<Filter>,
    entries: u64,
    raw_bytes: u64,
    bytes: u64,
    checksum: u32,
}

/// The footer's numbers.
struct Footer {
    index_offset: u64,
    index_stored: usize,
    index_raw: usize,
    index_checksum: u32,
    filter_len: usize,
    filter_checksum: u32,
    blocks: u32,
    entries: u64,
    raw_bytes: u64,
    checksum: u32,
}

impl Reader {
    /// Opens a file and checks all of it but the blocks.
    ///
    /// # Errors
    /// [`BlockError::Io`] when it cannot be read, [`BlockError::Damaged`] when it is not
    /// what was written.
    pub fn open(path: &Path) -> Result<Self, BlockError> {
        let (file, bytes) = open_file(path)?;
        let reader = Self::ending_at(&file, bytes)?;
        match reader.base {
            0 => Ok(reader),
            _ => Err(BlockError::Damaged("its parts do not add up to its length")),
        }
    }

    /// Opens all that lie one behind the other in a file, in this order; at least one.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_all(path: &Path) -> Result<Vec<Self>, BlockError> {
        let (file, mut end) = open_file(path)?;
        let mut all = Vec::new();
        loop {
            let reader = Self::ending_at(&file, end)?;
            end = reader.base;
            all.push(reader);
            if end == 0 {
                all.reverse();
                return Ok(all);
            }
        }
    }

    /// Opens the one that ends somewhere in a file.
    fn ending_at(file: &Arc<File>, end: u64) -> Result<Self, BlockError> {
        if end < (MAGIC.len() + FOOTER_LEN) as u64 {
            return Err(BlockError::Damaged("it is too short"));
        }
        let footer = Footer::decode(&read_at(file, end - FOOTER_LEN as u64, FOOTER_LEN)?)?;
        let base = footer.bytes().and_then(|bytes| end.checked_sub(bytes));
        let base = base.ok_or(BlockError::Damaged("its parts do not add up to its length"))?;
        if read_at(file, base, MAGIC.len())? != MAGIC {
            return Err(BlockError::Damaged("it does not start as one"));
        }
        let stored = read_at(file, base + footer.index_offset, footer.index_stored)?;
        check(&stored, footer.index_checksum, INDEX_DAMAGED)?;
        let raw = decompress(&stored, footer.index_raw)?;
        let index = Index::decode(&raw, footer.blocks, footer.index_offset)?;
        let filter_at = base + footer.index_offset + footer.index_stored as u64;
        let filter = read_at(file, filter_at, footer.filter_len)?;
        check(&filter, footer.filter_checksum, FILTER_DAMAGED)?;
        Ok(Self {
            file: Arc::clone(file),
            base,
            blocks_end: footer.index_offset,
            index,
            filter: Filter::decode(&filter)?,
            entries: footer.entries,
            raw_bytes: footer.raw_bytes,
            bytes: end - base,
            checksum: footer.checksum,
        })
    }

    /// `false` only when the key is surely not in the file. Touches no disk.
    #[must_use]
    pub fn may_contain(&self, key: &[u8]) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.may_contain(hash64(key)))
    }

    /// The first value of the key. Reads one block, seldom two.
    ///
    /// # Errors
    /// [`BlockError`] when a block cannot be read or is damaged.
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, BlockError> {
        let mut first = None;
        self.each(key, |value| {
            first = Some(value);
            false
        })?;
        Ok(first)
    }

    /// All values of the key, in the order they were written.
    ///
    /// # Errors
    /// [`BlockError`] when a block cannot be read or is damaged.
    pub fn get_all(&self, key: &[u8]) -> Result<Vec<Bytes>, BlockError> {
        let mut all = Vec::new();
        self.each(key, |value| {
            all.push(value);
            true
        })?;
        Ok(all)
    }

    /// Entries from `from` on, in order; `Scan` ends where the caller stops asking.
    #[must_use]
    pub fn scan(&self, from: Bound<&[u8]>) -> Scan<'_> {
        Scan::new(self, from)
    }

    /// Walks entries from a key on without a handle on each.
    #[must_use]
    pub fn cursor(&self, from: &[u8]) -> Cursor<'_> {
        Cursor::new(self, from)
    }

    /// Writes all of it as it lies. Every checksum is looked at on the way, so that damage does
    /// not spread. `wrote` hears of every piece, by its bytes, and may end it.
    ///
    /// # Errors
    /// [`BlockError`] when it cannot be read or written, or is damaged; or the one of `wrote`.
    pub fn copy_to(
        &self,
        out: &mut impl Write,
        mut wrote: impl FnMut(u64) -> Result<(), BlockError>,
    ) -> Result<(), BlockError> {
        let mut put = |bytes: &[u8]| {
            out.write_all(bytes).map_err(io_error("write"))?;
            wrote(bytes.len() as u64)
        };
        put(&MAGIC)?;
        let mut first = 0;
        while let Some(place) = self.index.place(first) {
            let (from, mut last, mut len) = (place.offset, first, 0);
            while let Some(place) = self.index.place(last)
                && (last == first || len + place.stored <= COPY_BYTES)
            {
                (last, len) = (last + 1, len + place.stored);
            }
            let stored = read_at(&self.file, self.base + from, len)?;
            let mut rest = &stored[..];
            for place in (first..last).filter_map(|at| self.index.place(at)) {
                let (block, later) = rest.split_at(place.stored);
                check(block, place.checksum, BLOCK_DAMAGED)?;
                rest = later;
            }
            put(&stored)?;
            first = last;
        }
        let end = self.read_end()?;
        put(&end)
    }

    /// What lies behind the blocks, as it still has to be.
    fn read_end(&self) -> Result<Vec<u8>, BlockError> {
        let len = self.bytes - self.blocks_end;
        let len = usize::try_from(len).map_err(|_| BlockError::TooLarge(usize::MAX))?;
        let end = read_at(&self.file, self.base + self.blocks_end, len)?;
        let (parts, footer) = end.split_at(len.saturating_sub(FOOTER_LEN));
        let footer = Footer::decode(footer)?;
        if footer.checksum != self.checksum {
            return Err(BlockError::Damaged("it is another file than was opened"));
        }
        let (index, filter) = parts.split_at(footer.index_stored.min(parts.len()));
        check(index, footer.index_checksum, INDEX_DAMAGED)?;
        check(filter, footer.filter_checksum, FILTER_DAMAGED)?;
        Ok(end)
    }

    /// Reads every block and what lies behind them, and compares the count of entries: whether
    /// the file is whole.
    ///
    /// # Errors
    /// [`BlockError`] at the first thing that is wrong.
    pub fn verify(&self) -> Result<(), BlockError> {
        let mut entries = 0;
        for entry in self.scan(Bound::Unbounded) {
            entry?;
            entries += 1;
        }
        if entries != self.entries {
            return Err(BlockError::Damaged(
                "it has another number of entries than it says",
            ));
        }
        self.read_end().map(drop)
    }

    /// How many entries the file holds.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many bytes of keys and values the file holds.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        self.raw_bytes
    }

    /// The file's size.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The checksum that [`super::Written::checksum`] named.
    #[must_use]
    pub fn checksum(&self) -> u32 {
        self.checksum
    }

    /// How much memory the reader holds: index and filter.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.index.bytes() + self.filter.as_ref().map_or(0, Filter::bytes)
    }

    fn each(&self, key: &[u8], mut visit: impl FnMut(Bytes) -> bool) -> Result<(), BlockError> {
        if !self.may_contain(key) {
            return Ok(());
        }
        let mut at = self.index.first_block_for(key);
        while let Some(block) = self.block(at)? {
            for entry in Entries::new(block) {
                let (found, value) = entry?;
                match found[..].cmp(key) {
                    std::cmp::Ordering::Less => {}
                    std::cmp::Ordering::Equal if visit(value) => {}
                    std::cmp::Ordering::Equal | std::cmp::Ordering::Greater => return Ok(()),
                }
            }
            at += 1;
        }
        Ok(())
    }

    pub(super) fn first_block_for(&self, key: &[u8]) -> usize {
        self.index.first_block_for(key)
    }

    pub(super) fn blocks(&self) -> usize {
        self.index.len()
    }

    /// The raw bytes of block `at`; `None` past the last.
    pub(super) fn block(&self, at: usize) -> Result<Option<Bytes>, BlockError> {
        debug_assert!(
            at <= self.index.len(),
            "blocks are asked for one after the other"
        );
        let Some(BlockPlace {
            offset,
            stored,
            raw,
            checksum,
        }) = self.index.place(at)
        else {
            return Ok(None);
        };
        let stored = read_at(&self.file, self.base + offset, stored)?;
        check(&stored, checksum, BLOCK_DAMAGED)?;
        decompress(&stored, raw).map(|raw| Some(raw.into()))
    }
}

impl Footer {
    fn decode(bytes: &[u8]) -> Result<Self, BlockError> {
        let u32_at = |at: usize| {
            u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | (u64::from(u32_at(at + 4)) << 32);
        if bytes[FOOTER_LEN - MAGIC.len()..] != MAGIC {
            return Err(BlockError::Damaged(
                "it does not end as one; it may be of another version",
            ));
        }
        check(
            &bytes[..CHECKED_LEN],
            u32_at(CHECKED_LEN),
            "its footer's checksum does not hold",
        )?;
        let footer = Self {
            index_offset: u64_at(0),
            index_stored: u32_at(8) as usize,
            index_raw: u32_at(12) as usize,
            index_checksum: u32_at(16),
            filter_len: u32_at(20) as usize,
            filter_checksum: u32_at(24),
            blocks: u32_at(28),
            entries: u64_at(32),
            raw_bytes: u64_at(40),
            checksum: u32_at(CHECKED_LEN),
        };
        if footer.index_raw > INDEX_RAW_BYTES_MAX {
            return Err(BlockError::Damaged("its parts do not add up to its length"));
        }
        Ok(footer)
    }

    /// How long the whole is.
    fn bytes(&self) -> Option<u64> {
        let parts = self.index_stored as u64 + self.filter_len as u64 + FOOTER_LEN as u64;
        self.index_offset.checked_add(parts)
    }
}

const BLOCK_DAMAGED: &str = "a block's checksum does not hold";
const INDEX_DAMAGED: &str = "its index's checksum does not hold";
const FILTER_DAMAGED: &str = "its filter's checksum does not hold";

fn open_file(path: &Path) -> Result<(Arc<File>, u64), BlockError> {
    let file = File::open(path).map_err(io_error("open"))?;
    let bytes = file.metadata().map_err(io_error("read"))?.len();
    Ok((Arc::new(file), bytes))
}

fn read_at(file: &File, offset: u64, len: usize) -> Result<Vec<u8>, BlockError> {
    let mut out = vec![0; len];
    file.read_exact_at(&mut out, offset)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => BlockError::Damaged("it is cut short"),
            _ => io_error("read")(error),
        })?;
    Ok(out)
}

fn check(bytes: &[u8], checksum: u32, what: &'static str) -> Result<(), BlockError> {
    if crc32c::crc32c(bytes) == checksum {
        Ok(())
    } else {
        Err(BlockError::Damaged(what))
    }
}

thread_local! {
    /// Making one for each block costs as much as unpacking it.
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

fn decompress(stored: &[u8], raw_len: usize) -> Result<Vec<u8>, BlockError> {
    let raw = DECOMPRESSOR.with_borrow_mut(|kept| {
        let mut decompressor = match kept.take() {
            Some(decompressor) => decompressor,
            None => Decompressor::new().map_err(io_error("unpack"))?,
        };
        let raw = decompressor.decompress(stored, raw_len);
        *kept = Some(decompressor);
        Ok(raw)
    })?;
    match raw {
        Ok(raw) if raw.len() == raw_len => Ok(raw),
        _ => Err(BlockError::Damaged(
            "a block does not decompress to its length",
        )),
    }
}

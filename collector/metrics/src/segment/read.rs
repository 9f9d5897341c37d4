//! Reads segments; indexes are loaded when needed and kept within a budget.

use super::{ChunkRef, FOOTER, INDEX_BYTES_MAX, MAGIC, SegmentIndex, VERSION};
use crate::Samples;
use crate::chunk::{Damaged, columns};
use parking_lot::Mutex;
use sonde_segment::SegmentMeta;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Why a segment cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SegmentError {
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Damaged(#[from] Damaged),
    #[error("a checksum does not hold")]
    Checksum,
    #[error("its footer is not that of a metric segment of version {VERSION}")]
    Footer,
    #[error("the store is closing")]
    Closing,
}

impl SegmentError {
    /// Whether reading it again cannot help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::UnexpectedEof,
            Self::Damaged(_) | Self::Checksum | Self::Footer => true,
            Self::Closing => false,
        }
    }
}

/// One open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) meta: SegmentMeta,
    file: File,
    footer: Footer,
    damaged: AtomicBool,
}

#[derive(Clone, Copy, Debug)]
struct Footer {
    offset: u64,
    packed: u32,
    unpacked: u32,
    checksum: u32,
}

impl Segment {
    /// Opens the file and checks that its footer is ours.
    pub(crate) fn open(path: &Path, meta: SegmentMeta) -> Result<Self, SegmentError> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        let at = length
            .checked_sub(FOOTER as u64)
            .ok_or(SegmentError::Footer)?;
        let mut bytes = [0; FOOTER];
        file.read_exact_at(&mut bytes, at)?;
        let footer = Footer::read(&bytes, at)?;
        Ok(Self {
            meta,
            file,
            footer,
            damaged: AtomicBool::new(false),
        })
    }

    /// Whether the index is as it was written.
    pub(crate) fn check_index(&self) -> Result<(), SegmentError> {
        self.packed_index().map(drop)
    }

    fn packed_index(&self) -> Result<Vec<u8>, SegmentError> {
        let mut packed = vec![0; self.footer.packed as usize];
        self.file.read_exact_at(&mut packed, self.footer.offset)?;
        if crc32c::crc32c(&packed) != self.footer.checksum {
            return Err(SegmentError::Checksum);
        }
        Ok(packed)
    }

    /// Reads and checks the index.
    pub(crate) fn load_index(&self) -> Result<SegmentIndex, SegmentError> {
        let packed = self.packed_index()?;
        let bytes =
            zstd::bulk::decompress(&packed, self.footer.unpacked as usize).map_err(|_| Damaged)?;
        SegmentIndex::decode(&bytes)
    }

    /// Appends the samples of a chunk to `out`.
    pub(crate) fn read(&self, chunk: &ChunkRef, out: &mut Samples) -> Result<(), SegmentError> {
        let before = out.len();
        let result = self
            .column(chunk.times)
            .and_then(|bytes| Ok(columns::read_times(&bytes, &mut out.times)?))
            .and_then(|()| self.column(chunk.values))
            .and_then(|bytes| Ok(columns::read_values(&bytes, &mut out.values)?));
        let whole =
            out.times.len() == out.values.len() && out.len() == before + chunk.count as usize;
        if result.is_err() || !whole {
            out.times.truncate(before);
            out.values.truncate(before);
            return Err(result.err().unwrap_or(SegmentError::Damaged(Damaged)));
        }
        Ok(())
    }

    fn column(&self, (offset, length): (u64, u32)) -> Result<Vec<u8>, SegmentError> {
        let end = offset.checked_add(u64::from(length) + 4);
        if end.is_none_or(|end| end > self.footer.offset) {
            return Err(SegmentError::Damaged(Damaged));
        }
        let mut bytes = vec![0; length as usize + 4];
        self.file.read_exact_at(&mut bytes, offset)?;
        let (column, checksum) = bytes.split_at(length as usize);
        if crc32c::crc32c(column).to_le_bytes() != checksum {
            return Err(SegmentError::Checksum);
        }
        bytes.truncate(length as usize);
        Ok(bytes)
    }

    /// Remembers that the segment is damaged, so that it is moved aside soon. Returns whether
    /// this is news.
    pub(crate) fn mark_damaged(&self) -> bool {
        !self.damaged.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.damaged.load(Ordering::Relaxed)
    }

    /// Whether it may have samples in the range.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.meta.start.as_millis() <= end && self.meta.end.as_millis() >= start
    }
}

impl Footer {
    fn read(bytes: &[u8; FOOTER], at: u64) -> Result<Self, SegmentError> {
        let number = |from: usize| {
            let mut four = [0; 4];
            four.copy_from_slice(&bytes[from..from + 4]);
            u32::from_le_bytes(four)
        };
        let offset = u64::from(number(0)) | u64::from(number(4)) << 32;
        let footer = Self {
            offset,
            packed: number(8),
            unpacked: number(12),
            checksum: number(16),
        };
        let fits = offset.checked_add(u64::from(footer.packed)) == Some(at);
        let ours = bytes[24..] == MAGIC && number(20) == VERSION;
        if ours && fits && footer.unpacked <= INDEX_BYTES_MAX {
            Ok(footer)
        } else {
            Err(SegmentError::Footer)
        }
    }
}

/// Indexes of the segments that were asked last.
#[derive(Debug)]
pub(crate) struct IndexCache {
    bytes_max: u64,
    /// The least recently used first.
    indexes: Mutex<Vec<(u64, Arc<SegmentIndex>)>>,
}

impl IndexCache {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self {
            bytes_max,
            indexes: Mutex::default(),
        }
    }

    /// The index of a segment, from memory or its file.
    pub(crate) fn get(&self, segment: &Segment) -> Result<Arc<SegmentIndex>, SegmentError> {
        let id = segment.meta.id;
        if let Some(index) = self.touch(id) {
            return Ok(index);
        }
        let index = Arc::new(segment.load_index()?);
        let mut indexes = self.indexes.lock();
        indexes.retain(|(other, _)| *other != id);
        indexes.push((id, Arc::clone(&index)));
        let mut bytes: u64 = indexes.iter().map(|(_, index)| index.bytes()).sum();
        while bytes > self.bytes_max && indexes.len() > 1 {
            bytes -= indexes.remove(0).1.bytes();
        }
        Ok(index)
    }

    /// Forgets segments that are gone.
    pub(crate) fn forget(&self, gone: &[u64]) {
        self.indexes.lock().retain(|(id, _)| !gone.contains(id));
    }

    fn touch(&self, id: u64) -> Option<Arc<SegmentIndex>> {
        let mut indexes = self.indexes.lock();
        let at = indexes.iter().position(|(other, _)| *other == id)?;
        let entry = indexes.remove(at);
        let index = Arc::clone(&entry.1);
        indexes.push(entry);
        Some(index)
    }
}

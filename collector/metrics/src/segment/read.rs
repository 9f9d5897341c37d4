//! Reads segments.

use super::directory::Directory;
use super::sections::Place;
use super::{
    ChunkRef, FOOTER, MAGIC, RESTS_VERSION, SECTION_BYTES_MAX, SegmentIndex, VERSION, VERSIONS,
};
use crate::Samples;
use crate::chunk::{Damaged, columns, histogram, rests, starts};
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
    #[error("its footer is not that of a metric segment")]
    Footer,
    #[error(
        "it is of version {0} of the format, and this program reads versions {VERSION} to {RESTS_VERSION}"
    )]
    Version(u32),
    #[error("the store is closing")]
    Closing,
}

impl SegmentError {
    /// Whether reading it again cannot help.
    pub(crate) fn is_damage(&self) -> bool {
        match self {
            Self::Io(error) => error.kind() == io::ErrorKind::UnexpectedEof,
            Self::Damaged(_) | Self::Checksum | Self::Footer => true,
            Self::Version(_) | Self::Closing => false,
        }
    }
}

/// One open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) meta: SegmentMeta,
    shared: Arc<Shared>,
    directory: Place,
}

/// What a segment and its index have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) file: File,
    pub(super) id: u64,
    damaged: AtomicBool,
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
        let directory = read_footer(&bytes, at)?;
        let shared = Shared {
            file,
            id: meta.id,
            damaged: AtomicBool::new(false),
        };
        Ok(Self {
            meta,
            shared: Arc::new(shared),
            directory,
        })
    }

    /// Whether the directory is as it was written.
    pub(crate) fn check_directory(&self) -> Result<(), SegmentError> {
        self.directory.read_packed(&self.shared.file).map(drop)
    }

    /// The index, of which nothing was read yet but the directory.
    pub(crate) fn index(&self) -> Result<SegmentIndex, SegmentError> {
        let bytes = self.directory.read(&self.shared.file)?;
        let directory = Directory::decode(&bytes, self.directory.offset)?;
        Ok(SegmentIndex::new(Arc::clone(&self.shared), directory))
    }

    /// Appends the samples of a chunk to `out`.
    pub(crate) fn read(&self, chunk: &ChunkRef, out: &mut Samples) -> Result<(), SegmentError> {
        let (floats, histograms) = (out.times.len(), out.histograms.len());
        let rests = out.rests.len();
        let result = self.read_columns(chunk, out);
        let count = out.len() + out.rests.len() - floats - histograms - rests;
        let whole = out.times.len() == out.values.len() && count == chunk.count as usize;
        if result.is_err() || !whole {
            out.truncate(floats, histograms);
            out.rests.truncate(rests);
            return Err(result.err().unwrap_or(SegmentError::Damaged(Damaged)));
        }
        Ok(())
    }

    fn read_columns(&self, chunk: &ChunkRef, out: &mut Samples) -> Result<(), SegmentError> {
        let (times, values) = (self.column(chunk.times)?, self.column(chunk.values)?);
        let (starts, values) = starts::split(&values)?;
        if histogram::is_of_histograms(values) {
            let (mut of_histograms, before) = (Vec::new(), out.histograms.len());
            columns::read_times(&times, &mut of_histograms)?;
            histogram::read(values, &of_histograms, &mut out.histograms)?;
            let added = &mut out.histograms[before..];
            starts::read(starts, &of_histograms, |at, start| added[at].start = start)?;
            return Ok(());
        }
        if rests::is_of_rests(values) {
            let mut ends = Vec::new();
            columns::read_times(&times, &mut ends)?;
            rests::read(values, &ends, &mut out.rests)?;
            return Ok(());
        }
        let before = out.times.len();
        columns::read_times(&times, &mut out.times)?;
        columns::read_values(values, &mut out.values)?;
        if !starts.is_empty() {
            let of_floats = out.times[before..].to_vec();
            starts::read(starts, &of_floats, |at, start| {
                out.set_start(before + at, start);
            })?;
        }
        Ok(())
    }

    fn column(&self, (offset, length): (u64, u32)) -> Result<Vec<u8>, SegmentError> {
        let end = offset.checked_add(u64::from(length) + 4);
        if end.is_none_or(|end| end > self.directory.offset) {
            return Err(SegmentError::Damaged(Damaged));
        }
        let mut bytes = vec![0; length as usize + 4];
        self.shared.file.read_exact_at(&mut bytes, offset)?;
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
        !self.shared.damaged.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_damaged(&self) -> bool {
        self.shared.damaged.load(Ordering::Relaxed)
    }

    /// What its samples were thinned to, in milliseconds; 0 where all are as they were written.
    pub(crate) fn resolution(&self) -> i64 {
        resolution(&self.meta)
    }

    /// Whether it may have samples in the range.
    pub(crate) fn overlaps(&self, start: i64, end: i64) -> bool {
        self.meta.start.as_millis() <= end && self.meta.end.as_millis() >= start
    }
}

/// What the samples of a segment were thinned to, as the manifest lists it.
pub(crate) fn resolution(meta: &SegmentMeta) -> i64 {
    meta.extra["resolution_ms"].as_i64().unwrap_or(0).max(0)
}

impl Shared {
    /// Remembers that the segment is damaged, so that it is moved aside soon.
    pub(super) fn note_damage(&self, error: &SegmentError) {
        if !self.damaged.swap(true, Ordering::Relaxed) {
            tracing::error!(segment = self.id, %error, "a metric segment is damaged; it is left out and will be moved aside");
        }
    }
}

/// Where the directory is, which ends where the footer begins.
fn read_footer(bytes: &[u8; FOOTER], at: u64) -> Result<Place, SegmentError> {
    let number = |from: usize| {
        let mut four = [0; 4];
        four.copy_from_slice(&bytes[from..from + 4]);
        u32::from_le_bytes(four)
    };
    if bytes[24..] != MAGIC {
        return Err(SegmentError::Footer);
    }
    if !VERSIONS.contains(&number(20)) {
        return Err(SegmentError::Version(number(20)));
    }
    let place = Place {
        offset: u64::from(number(0)) | u64::from(number(4)) << 32,
        length: number(8),
        unpacked: number(12),
        checksum: number(16),
    };
    let fits = place.offset.checked_add(u64::from(place.length)) == Some(at);
    if fits && place.unpacked <= SECTION_BYTES_MAX {
        Ok(place)
    } else {
        Err(SegmentError::Footer)
    }
}

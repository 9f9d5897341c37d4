//! Writes a segment, series by series, in the order of their labels.

use super::{CHUNK_SAMPLES_MAX, ChunkRef, MAGIC, SegmentIndex, VERSION};
use crate::Samples;
use crate::chunk::columns::{write_times, write_values};
use ahash::AHashMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// How many different columns of times are remembered to be shared.
const SHARED_MAX: usize = 4096;

/// A segment under construction.
pub(crate) struct SegmentWriter {
    file: BufWriter<File>,
    offset: u64,
    shared: AHashMap<Vec<u8>, (u64, u32)>,
    index: SegmentIndex,
    summary: Summary,
}

/// What a finished segment holds.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Summary {
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) samples: u64,
    pub(crate) series: u64,
    pub(crate) bytes: u64,
    pub(crate) checksum: u32,
}

impl SegmentWriter {
    pub(crate) fn create(path: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, File::create(path)?),
            offset: 0,
            shared: AHashMap::new(),
            index: SegmentIndex::default(),
            summary: Summary {
                first: i64::MAX,
                last: i64::MIN,
                ..Summary::default()
            },
        })
    }

    /// Adds a series with its samples, which are in the order of time.
    pub(crate) fn add<'a>(
        &mut self,
        labels: impl Iterator<Item = (&'a str, &'a str)>,
        samples: &Samples,
    ) -> io::Result<()> {
        let mut chunks = Vec::with_capacity(1);
        let pieces = samples
            .times
            .chunks(CHUNK_SAMPLES_MAX)
            .zip(samples.values.chunks(CHUNK_SAMPLES_MAX));
        for (times, values) in pieces {
            let (Some(first), Some(last)) = (times.first(), times.last()) else {
                continue;
            };
            let (first, last, count) = (*first, *last, times.len() as u32);
            let (times, values) = (
                self.times(write_times(times))?,
                self.column(&write_values(values))?,
            );
            chunks.push(ChunkRef {
                first,
                last,
                count,
                times,
                values,
            });
            self.summary.first = self.summary.first.min(first);
            self.summary.last = self.summary.last.max(last);
        }
        self.summary.samples += samples.len() as u64;
        self.summary.series += 1;
        self.index.add(labels, &chunks);
        Ok(())
    }

    /// How many bytes were written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.offset
    }

    /// Writes index and footer. Making it durable is the directory's business.
    pub(crate) fn finish(mut self) -> io::Result<Summary> {
        let index = self.index.encode();
        let packed = zstd::bulk::compress(&index, 3)?;
        let checksum = crc32c::crc32c(&packed);
        let mut footer = Vec::with_capacity(super::FOOTER);
        footer.extend(self.offset.to_le_bytes());
        footer.extend((packed.len() as u32).to_le_bytes());
        footer.extend((index.len() as u32).to_le_bytes());
        footer.extend(checksum.to_le_bytes());
        footer.extend(VERSION.to_le_bytes());
        footer.extend(MAGIC);
        self.file.write_all(&packed)?;
        self.file.write_all(&footer)?;
        self.file.flush()?;
        let bytes = self.offset + (packed.len() + footer.len()) as u64;
        Ok(Summary {
            bytes,
            checksum,
            ..self.summary
        })
    }

    fn times(&mut self, times: Vec<u8>) -> io::Result<(u64, u32)> {
        if let Some(place) = self.shared.get(&times) {
            return Ok(*place);
        }
        let place = self.column(&times)?;
        if self.shared.len() >= SHARED_MAX {
            self.shared.clear();
        }
        self.shared.insert(times, place);
        Ok(place)
    }

    fn column(&mut self, bytes: &[u8]) -> io::Result<(u64, u32)> {
        let place = (self.offset, bytes.len() as u32);
        self.file.write_all(bytes)?;
        self.file.write_all(&crc32c::crc32c(bytes).to_le_bytes())?;
        self.offset += bytes.len() as u64 + 4;
        Ok(place)
    }
}

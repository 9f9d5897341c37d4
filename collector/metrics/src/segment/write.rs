//! Writes a segment, series by series, in the order of their labels.

use super::VERSION;
use super::directory::Directory;
use super::sections::{Place, put};
use super::values::Values;
use super::{
    BLOCK_SERIES, CHUNK_SAMPLES_MAX, ChunkRef, HISTOGRAMS_VERSION, MAGIC, RESTS_VERSION,
    STARTS_VERSION, SeriesBlock,
};
use crate::Samples;
use crate::chunk::columns::{write_times, write_values};
use crate::chunk::{histogram, rests, starts};
use crate::postings::Pairs;
use crate::symbols::{Symbol, Symbols};
use ahash::AHashMap;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufWriter, Write as _};
use std::path::Path;

/// How many different columns of times are remembered to be shared.
const SHARED_MAX: usize = 4096;

/// A segment under construction. What it keeps of a series that is written are the symbols of
/// its values.
pub(crate) struct SegmentWriter<'a> {
    file: BufWriter<File>,
    offset: u64,
    shared: AHashMap<Vec<u8>, (u64, u32)>,
    symbols: &'a Symbols,
    block: SeriesBlock,
    /// Of each label: its values and the series that have them.
    labels: BTreeMap<Symbol, Vec<(Symbol, u32)>>,
    directory: Directory,
    summary: Summary,
    version: u32,
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

impl<'a> SegmentWriter<'a> {
    /// Begins a segment of series whose labels are among these texts, which are sorted.
    pub(crate) fn create(path: &Path, symbols: &'a Symbols) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::with_capacity(1 << 20, File::create(path)?),
            offset: 0,
            shared: AHashMap::new(),
            symbols,
            block: SeriesBlock::default(),
            labels: BTreeMap::new(),
            directory: Directory::default(),
            summary: Summary {
                first: i64::MAX,
                last: i64::MIN,
                ..Summary::default()
            },
            version: VERSION,
        })
    }

    /// Adds the next series with its samples, which are in the order of time.
    pub(crate) fn add(&mut self, labels: &Pairs, samples: &Samples) -> io::Result<()> {
        let mut chunks = Vec::with_capacity(1);
        let pieces = samples
            .times
            .chunks(CHUNK_SAMPLES_MAX)
            .zip(samples.values.chunks(CHUNK_SAMPLES_MAX));
        let (has_starts, mut from) = (samples.has_starts(), 0);
        for (times, values) in pieces {
            let mut column = write_values(values);
            if has_starts {
                let starts = (from..from + times.len()).map(|at| samples.start(at));
                column = self.with_starts(&starts.collect::<Vec<_>>(), times, column);
            }
            chunks.extend(self.chunk(times, &column)?);
            from += times.len();
        }
        for piece in histogram::pieces(&samples.histograms) {
            let times: Vec<i64> = piece.iter().map(|sample| sample.time).collect();
            let starts: Vec<i64> = piece.iter().map(|sample| sample.start).collect();
            self.version = self.version.max(HISTOGRAMS_VERSION);
            let column = self.with_starts(&starts, &times, histogram::write(piece));
            chunks.extend(self.chunk(&times, &column)?);
        }
        for piece in rests::pieces(&samples.rests) {
            let ends: Vec<i64> = piece.iter().map(|rest| rest.end).collect();
            chunks.extend(self.chunk(&ends, &rests::write(piece))?);
            self.version = RESTS_VERSION;
        }
        self.summary.samples += samples.len() as u64;
        self.summary.series += 1;
        for (name, value) in labels {
            let values = self.labels.entry(*name).or_default();
            values.push((*value, self.directory.series));
        }
        self.block.add(labels, &chunks);
        self.directory.series += 1;
        if self.block.len() >= BLOCK_SERIES as usize {
            self.close_block()?;
        }
        Ok(())
    }

    fn with_starts(&mut self, starts: &[i64], times: &[i64], column: Vec<u8>) -> Vec<u8> {
        let (column, has_any) = starts::with(starts, times, column);
        if has_any {
            self.version = self.version.max(STARTS_VERSION);
        }
        column
    }

    /// Writes what is at some times.
    fn chunk(&mut self, times: &[i64], values: &[u8]) -> io::Result<Option<ChunkRef>> {
        let (Some(&first), Some(&last)) = (times.first(), times.last()) else {
            return Ok(None);
        };
        self.summary.first = self.summary.first.min(first);
        self.summary.last = self.summary.last.max(last);
        Ok(Some(ChunkRef {
            first,
            last,
            count: times.len() as u32,
            times: self.times(write_times(times))?,
            values: self.column(values)?,
        }))
    }

    fn close_block(&mut self) -> io::Result<()> {
        let place = self.section(&self.block.encode())?;
        self.directory.blocks.push(place);
        self.block.clear();
        Ok(())
    }

    fn section(&mut self, section: &[u8]) -> io::Result<Place> {
        let (place, packed) = Place::pack(self.offset, section)?;
        self.file.write_all(&packed)?;
        self.offset += packed.len() as u64;
        Ok(place)
    }

    /// How many bytes were written so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.offset
    }

    /// Writes the rest of the index and the footer. Making it durable is the directory's business.
    pub(crate) fn finish(mut self) -> io::Result<Summary> {
        if self.block.len() > 0 {
            self.close_block()?;
        }
        for (name, mut values) in std::mem::take(&mut self.labels) {
            values.sort_unstable();
            let place = self.section(&Values::encode(&values))?;
            self.directory.labels.push((name, place));
        }
        let mut symbols = Vec::new();
        put(&mut symbols, self.symbols.len() as u64);
        for text in self.symbols.iter() {
            put(&mut symbols, text.len() as u64);
            symbols.extend_from_slice(text.as_bytes());
        }
        self.directory.symbols = self.section(&symbols)?;
        self.directory.texts = self.symbols.len() as u32;
        let place = self.section(&self.directory.encode())?;
        let mut footer = Vec::with_capacity(super::FOOTER);
        footer.extend(place.offset.to_le_bytes());
        for number in [place.length, place.unpacked, place.checksum, self.version] {
            footer.extend(number.to_le_bytes());
        }
        footer.extend(MAGIC);
        self.file.write_all(&footer)?;
        self.file.flush()?;
        let (bytes, checksum) = (self.offset + footer.len() as u64, place.checksum);
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

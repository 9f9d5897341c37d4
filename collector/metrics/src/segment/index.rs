//! The index of a segment: which series it has and where their columns are. Sections are read
//! when something of them is wanted, and stay as long as the index does.
//!
//! What cannot be read is noted and left out, as a whole segment is that cannot be opened:
//! every question is answered from the rest.

use super::directory::Directory;
use super::read::Shared;
use super::series::{ChunkRef, SeriesBlock};
use super::values::Values;
use super::{BLOCK_SERIES, SegmentError};
use crate::chunk::Damaged;
use crate::postings::{Index, Pairs, Postings};
use crate::segment::sections::{count, take};
use crate::symbols::{Symbol, Symbols};
use parking_lot::Mutex;
use sonde_proto::Labels;
use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

/// What was read of an index so far, and where the rest is.
#[derive(Debug)]
pub(crate) struct SegmentIndex {
    segment: Arc<Shared>,
    directory: Directory,
    symbols: OnceLock<Symbols>,
    labels: Vec<OnceLock<Values>>,
    blocks: Vec<OnceLock<SeriesBlock>>,
    /// Everything the labels have, for those who want to see all of it.
    postings: OnceLock<Postings>,
    /// One reader at a time: what two want is read once.
    reading: Mutex<()>,
    bytes: AtomicU64,
    is_noted: AtomicBool,
}

impl SegmentIndex {
    pub(super) fn new(segment: Arc<Shared>, directory: Directory) -> Self {
        fn slots<T>(count: usize) -> Vec<OnceLock<T>> {
            std::iter::repeat_with(OnceLock::new).take(count).collect()
        }
        let bytes = directory.bytes() + (directory.blocks.len() + directory.labels.len()) * 96;
        Self {
            segment,
            symbols: OnceLock::new(),
            labels: slots(directory.labels.len()),
            blocks: slots(directory.blocks.len()),
            postings: OnceLock::new(),
            reading: Mutex::default(),
            bytes: AtomicU64::new(bytes as u64),
            is_noted: AtomicBool::new(false),
            directory,
        }
    }

    /// The chunks of a series.
    pub(crate) fn chunks(&self, series: u32) -> &[ChunkRef] {
        let (block, at) = place(series);
        self.block(block).map_or(&[], |block| block.chunks(at))
    }

    /// The series with exactly these labels.
    pub(crate) fn series(&self, labels: &Labels) -> Option<u32> {
        let symbols = self.symbols();
        let pair = |(name, value): (&str, &str)| Some((symbols.find(name)?, symbols.find(value)?));
        let wanted: Vec<(Symbol, Symbol)> = labels.iter().map(pair).collect::<Option<_>>()?;
        let (mut low, mut high) = (0, self.count());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.pairs(middle).cmp(&wanted) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// About how much memory the index takes now.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// How many sections of series there are.
    pub(crate) fn blocks(&self) -> usize {
        self.directory.blocks.len()
    }

    /// Reads a section of series, which is not kept.
    pub(crate) fn read_block(&self, block: usize) -> Result<SeriesBlock, SegmentError> {
        let place = self.directory.blocks.get(block).ok_or(Damaged)?;
        let read = SeriesBlock::decode(&place.read(&self.segment.file)?, self.directory.texts)?;
        let from = block as u32 * BLOCK_SERIES;
        let wanted = (self.directory.series - from).min(BLOCK_SERIES);
        if read.len() == wanted as usize {
            Ok(read)
        } else {
            Err(Damaged.into())
        }
    }

    /// Reads the symbols, which are not kept.
    pub(crate) fn read_symbols(&self) -> Result<Symbols, SegmentError> {
        let bytes = self.directory.symbols.read(&self.segment.file)?;
        decode_symbols(&bytes, self.directory.texts)
    }

    fn read_values(&self, label: usize) -> Result<Values, SegmentError> {
        let (_, place) = self.directory.labels.get(label).ok_or(Damaged)?;
        Values::decode(&place.read(&self.segment.file)?, self.directory.texts)
    }

    fn block(&self, block: usize) -> Option<&SeriesBlock> {
        let slot = self.blocks.get(block)?;
        self.get(slot, || self.read_block(block), SeriesBlock::bytes)
    }

    fn values(&self, label: usize) -> Option<&Values> {
        let slot = self.labels.get(label)?;
        self.get(slot, || self.read_values(label), Values::bytes)
    }

    /// What is there, or what is read then.
    fn get<'s, T>(
        &self,
        slot: &'s OnceLock<T>,
        read: impl FnOnce() -> Result<T, SegmentError>,
        bytes: impl FnOnce(&T) -> usize,
    ) -> Option<&'s T> {
        if let Some(there) = slot.get() {
            return Some(there);
        }
        let _one = self.reading.lock();
        if slot.get().is_none() {
            let read = self.noted(read())?;
            self.bytes.fetch_add(bytes(&read) as u64, Ordering::Relaxed);
            let _ = slot.set(read);
        }
        slot.get()
    }

    /// Says what cannot be read, once.
    fn noted<T>(&self, read: Result<T, SegmentError>) -> Option<T> {
        match read {
            Ok(read) => Some(read),
            Err(error) => {
                if error.is_damage() {
                    self.segment.note_damage(&error);
                } else if !self.is_noted.swap(true, Ordering::Relaxed) {
                    tracing::warn!(segment = self.segment.id, %error, "the index of a metric segment cannot be read now; the answer is without some of it");
                }
                None
            }
        }
    }

    /// The values of a label, and the place of one of them.
    fn place_of(&self, name: &str, value: &str) -> Option<(&Values, usize)> {
        let symbols = self.symbols();
        let label = self.directory.label(symbols.find(name)?)?;
        let values = self.values(label)?;
        Some((values, values.find(symbols.find(value)?)?))
    }
}

impl Index for SegmentIndex {
    fn symbols(&self) -> &Symbols {
        static NONE: OnceLock<Symbols> = OnceLock::new();
        self.get(&self.symbols, || self.read_symbols(), Symbols::bytes)
            .unwrap_or_else(|| NONE.get_or_init(Symbols::default))
    }

    fn postings(&self) -> &Postings {
        self.postings.get_or_init(|| {
            let (mut postings, mut bytes) = (Postings::default(), 0);
            for series in 0..self.count() {
                let pairs = self.pairs(series);
                postings.add(series, pairs);
                bytes += pairs.len() as u64 * 6;
            }
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
            postings
        })
    }

    fn count(&self) -> u32 {
        self.directory.series
    }

    fn pairs(&self, series: u32) -> &Pairs {
        let (block, at) = place(series);
        self.block(block).map_or(&[], |block| block.pairs(at))
    }

    fn count_with(&self, name: &str, value: &str) -> usize {
        let place = self.place_of(name, value);
        place.map_or(0, |(values, at)| values.count(at) as usize)
    }

    fn list_with(&self, name: &str, value: &str) -> Cow<'_, [u32]> {
        let place = self.place_of(name, value);
        let list = place.map(|(values, at)| values.list(at, self.count()));
        let list = list.and_then(|list| self.noted(list));
        Cow::Owned(list.unwrap_or_default())
    }
}

fn place(series: u32) -> (usize, usize) {
    let (block, at) = (series / BLOCK_SERIES, series % BLOCK_SERIES);
    (block as usize, at as usize)
}

/// Reads texts as [`super::write`] wrote them.
pub(super) fn decode_symbols(mut bytes: &[u8], texts: u32) -> Result<Symbols, SegmentError> {
    let bytes = &mut bytes;
    let mut all = Vec::new();
    for _ in 0..count(bytes, 1)? {
        let length = usize::try_from(take(bytes)?).map_err(|_| Damaged)?;
        let (text, rest) = bytes.split_at_checked(length).ok_or(Damaged)?;
        all.push(std::str::from_utf8(text).map_err(|_| Damaged)?);
        *bytes = rest;
    }
    if all.len() == texts as usize && bytes.is_empty() && all.is_sorted_by(|a, b| a < b) {
        Ok(Symbols::sorted(all.into_iter()))
    } else {
        Err(Damaged.into())
    }
}

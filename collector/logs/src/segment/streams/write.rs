//! Writes a list of streams, a section at a time.

use super::super::numbers::{put_sized, put_varint};
use super::super::packing::Packer;
use super::summary::Seen;
use super::{ENTRY, SECTION_BYTES, SECTION_STREAMS, pairs};
use crate::stream::{FETCHED, Stream, fetch};
use std::io;
use std::sync::Arc;

/// The file of these streams, which are in their order; nothing where there are too many.
pub(in crate::segment) fn write(streams: &[Arc<Stream>]) -> io::Result<Option<Vec<u8>>> {
    let (mut list, mut raw) = (ListWriter::new()?, Vec::new());
    let mut fits = Some(());
    for near in streams.chunks(FETCHED) {
        fetch(near);
        for stream in near {
            raw.clear();
            put(stream, &mut raw);
            fits = fits.and_then(|()| list.add(&raw));
        }
    }
    Ok(fits.and_then(|()| list.finish()))
}

fn put(stream: &Stream, raw: &mut Vec<u8>) {
    raw.push(stream.level as u8);
    put_varint(stream.labels.len() as u64, raw);
    for text in stream.labels.iter().flat_map(|(name, value)| [name, value]) {
        put_sized(text.as_bytes(), raw);
    }
    put_varint(stream.resource.len() as u64, raw);
    let resource = stream.resource.iter();
    for text in resource.flat_map(|(name, value)| [name, value]) {
        put_sized(text.as_bytes(), raw);
    }
}

/// A list being written.
pub(super) struct ListWriter {
    packer: Packer,
    /// The sections that are complete.
    file: Vec<u8>,
    /// The one that is not, and how many streams it has.
    raw: Vec<u8>,
    in_raw: u32,
    entries: Vec<u8>,
    summaries: Vec<u8>,
    streams: u32,
}

impl ListWriter {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            packer: Packer::new()?,
            file: Vec::new(),
            raw: Vec::new(),
            in_raw: 0,
            entries: Vec::new(),
            summaries: Vec::new(),
            streams: 0,
        })
    }

    /// Adds the next stream, as it lies in a section. Nothing where there are too many.
    pub(super) fn add(&mut self, stream: &[u8]) -> Option<()> {
        if self.in_raw >= SECTION_STREAMS || self.raw.len() >= SECTION_BYTES {
            self.end_section()?;
        }
        self.raw.extend_from_slice(stream);
        self.in_raw += 1;
        Some(())
    }

    fn end_section(&mut self) -> Option<()> {
        let mut seen = Seen::default();
        let mut at = &self.raw[..];
        while !at.is_empty() {
            at = at.get(1..)?;
            let labels = pairs(&mut at)?;
            seen.add(&labels, &pairs(&mut at)?);
        }
        let from = self.file.len();
        self.packer.pack(&self.raw, &mut self.file);
        let packed = self.file.get(from..)?;
        let summary = seen.put(&mut self.summaries).start;
        let numbers = [
            u32::try_from(packed.len()).ok()?,
            u32::try_from(self.raw.len()).ok()?,
            u32::try_from(summary).ok()?,
            crc32c::crc32c(packed),
        ];
        self.entries.extend_from_slice(&self.streams.to_le_bytes());
        self.entries.extend_from_slice(&(from as u64).to_le_bytes());
        let numbers = numbers.iter().flat_map(|n| n.to_le_bytes());
        self.entries.extend(numbers);
        self.streams = self.streams.checked_add(self.in_raw)?;
        self.raw.clear();
        self.in_raw = 0;
        Some(())
    }

    /// The file; nothing where there are too many streams.
    pub(super) fn finish(mut self) -> Option<Vec<u8>> {
        if self.in_raw > 0 {
            self.end_section()?;
        }
        let index = self.file.len();
        let sections = u32::try_from(self.entries.len() / ENTRY).ok()?;
        let summaries = u32::try_from(self.summaries.len()).ok()?;
        let mut file = self.file;
        file.append(&mut self.entries);
        file.append(&mut self.summaries);
        for n in [sections, self.streams, summaries] {
            file.extend_from_slice(&n.to_le_bytes());
        }
        let checksum = crc32c::crc32c(&file[index..]);
        file.extend_from_slice(&checksum.to_le_bytes());
        Some(file)
    }
}

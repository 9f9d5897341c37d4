//! `streams`: the streams of a segment, in the order of their content, in sections.
//!
//! ```text
//! section*   zstd( stream* ): up to 256 neighbours
//! entry*     28 bytes a section: first stream u32 │ offset u64 │ bytes, packed u32 and
//!            unpacked u32 │ summary at u32 │ CRC-32C of the section u32
//! summary*   what the labels of a section's streams are (`summary`)
//! end        sections u32 │ streams u32 │ bytes of summaries u32 │ CRC-32C u32 of entries,
//!            summaries and the end before it
//!
//! stream = level u8 │ count varint, labels │ count varint, resource attributes
//!          each a name and a value, as (length varint, bytes)
//! ```
//!
//! A query looks at summaries where they lie, in a mapping of the file. They mostly say for a
//! whole section that it is asked for or that it is not; only where they do not, or where
//! something of the streams is shown, a section is unpacked. What was unpacked stays in memory
//! within the bytes of the [`StreamPool`], which all segments have in common.

mod join;
mod summary;
mod write;

pub(super) use join::{ListsError, join};
pub(crate) use summary::{Summary, Values};
pub(super) use write::write;

use super::Damage;
use super::handle::Checked;
use super::numbers::{take_count, take_sized};
use super::packing::Unpacker;
use crate::stream::{KeptStreams, Level, Stream, StreamPool};
use sonde_proto::{Labels, LabelsBuilder};
use std::ops::Range;
use std::sync::Arc;
use tantivy::directory::OwnedBytes;

pub(super) const FILE: &str = "streams";
const ENTRY: usize = 28;
const END: usize = 16;
/// A section has no more streams than this, and begins no further one beyond so many bytes.
const SECTION_STREAMS: u32 = 256;
const SECTION_BYTES: usize = 128 << 10;

/// Streams of a segment, by their ordinals.
pub(crate) type StreamList = Arc<[Arc<Stream>]>;

/// The streams of an open segment.
pub(super) struct Streams {
    bytes: OwnedBytes,
    sections: u32,
    streams: u32,
    /// Where entries and summaries begin, and summaries end.
    entries: usize,
    summaries: Range<usize>,
    pool: Arc<StreamPool>,
    kept: Arc<KeptStreams>,
    checked: Checked,
}

/// Where a section lies.
struct Entry {
    first: u32,
    range: Range<usize>,
    unpacked: usize,
    summary: usize,
    checksum: u32,
}

impl Streams {
    /// Takes the bytes of the file; whether they are as written is seen by `check_index`.
    /// Sections that are read are kept in `kept`, within the bytes of `pool`.
    pub(super) fn open(
        bytes: OwnedBytes,
        pool: &Arc<StreamPool>,
        kept: &Arc<KeptStreams>,
    ) -> Result<Self, Damage> {
        let damaged = || Damage(format!("{FILE} is no list of streams"));
        let end: &[u8; END] = bytes.last_chunk().ok_or_else(damaged)?;
        let (sections, streams) = (short(end, 0), short(end, 4));
        let to = bytes.len() - END;
        let summaries = to.checked_sub(short(end, 8) as usize);
        let entries = summaries.and_then(|at| {
            let entries = (sections as usize).checked_mul(ENTRY)?;
            Some((at.checked_sub(entries)?, at))
        });
        let (entries, summaries) = entries.ok_or_else(damaged)?;
        Ok(Self {
            bytes,
            sections,
            streams,
            entries,
            summaries: summaries..to,
            pool: Arc::clone(pool),
            kept: Arc::clone(kept),
            checked: Checked::default(),
        })
    }

    /// Takes what is known of the checksum of the index, or will be, from `checked`.
    pub(super) fn with(mut self, checked: &Checked) -> Self {
        self.checked = Checked::clone(checked);
        self
    }

    /// Looks at the checksum of all but the sections, once.
    pub(super) fn check_index(&self) -> Result<(), Damage> {
        let right = self.checked.get_or_init(|| {
            let (all, checksum) = self.bytes.split_at(self.bytes.len() - 4);
            crc32c::crc32c(&all[self.entries..]).to_le_bytes() == checksum
        });
        match right {
            true => Ok(()),
            false => Err(Damage(format!("the checksum of {FILE} does not hold"))),
        }
    }

    /// Whether all of the file is as it was written: no byte is of no section.
    pub(super) fn check(&self) -> Result<(), Damage> {
        self.check_index()?;
        let (mut end, mut next) = (0, 0);
        for section in 0..self.sections {
            let entry = self.entry(section)?;
            self.packed(section, &entry)?;
            if entry.range.start != end || entry.first < next || entry.first >= self.streams {
                return Err(unreadable());
            }
            (end, next) = (entry.range.end, entry.first + 1);
        }
        let begins = self.sections == 0 || self.entry(0)?.first == 0;
        let right = end == self.entries && begins && (self.sections > 0 || self.streams == 0);
        right.then_some(()).ok_or_else(unreadable)
    }

    /// How many streams there are.
    pub(super) fn len(&self) -> u32 {
        self.streams
    }

    /// How many sections there are.
    pub(super) fn sections(&self) -> u32 {
        self.sections
    }

    /// The ordinals of the streams of a section.
    pub(super) fn ordinals(&self, section: u32) -> Result<Range<u32>, Damage> {
        let first = self.entry(section)?.first;
        let next = match section + 1 < self.sections {
            true => self.entry(section + 1)?.first,
            false => self.streams,
        };
        (first < next).then_some(first..next).ok_or_else(unreadable)
    }

    /// What the labels of a section's streams are.
    pub(super) fn summary(&self, section: u32) -> Result<Summary<'_>, Damage> {
        let at = self.entry(section)?.summary;
        let all = self.bytes.get(self.summaries.clone());
        let summary = all.and_then(|all| Summary::read(all.get(at..)?));
        summary.ok_or_else(unreadable)
    }

    /// The streams of a section.
    pub(super) fn section(&self, section: u32) -> Result<StreamList, Damage> {
        if let Some(kept) = self.kept.get(section) {
            return Ok(kept);
        }
        let mut raw = Vec::new();
        self.unpack(section, &mut Unpacker::new()?, &mut raw)?;
        let streams = parse(&raw).ok_or_else(unreadable)?;
        let ordinals = self.ordinals(section)?;
        if streams.len() != ordinals.len() {
            return Err(unreadable());
        }
        Ok(self
            .pool
            .keep(streams, (&self.kept, section, self.sections)))
    }

    /// All streams, by their ordinal.
    pub(super) fn all(&self) -> Result<StreamList, Damage> {
        self.check_index()?;
        if self.sections == 1 {
            return self.section(0);
        }
        let mut all = Vec::new();
        for section in 0..self.sections {
            all.extend_from_slice(&self.section(section)?);
        }
        let right = all.len() == self.streams as usize;
        right.then(|| all.into()).ok_or_else(unreadable)
    }

    /// Unpacks the streams of a section, as they lie.
    fn unpack(
        &self,
        section: u32,
        unpacker: &mut Unpacker,
        into: &mut Vec<u8>,
    ) -> Result<(), Damage> {
        let entry = self.entry(section)?;
        let packed = self.packed(section, &entry)?;
        let room = entry.unpacked.saturating_sub(into.len());
        into.try_reserve(room).map_err(|_| unreadable())?;
        into.resize(entry.unpacked, 0);
        unpacker.unpack(packed, into).ok_or_else(unreadable)
    }

    fn packed(&self, section: u32, entry: &Entry) -> Result<&[u8], Damage> {
        let bytes = self.bytes.get(..self.entries);
        let bytes = bytes.and_then(|bytes| bytes.get(entry.range.clone()));
        let bytes = bytes.filter(|bytes| crc32c::crc32c(bytes) == entry.checksum);
        bytes.ok_or_else(|| {
            Damage(format!(
                "the checksum of section {section} of {FILE} does not hold"
            ))
        })
    }

    fn entry(&self, section: u32) -> Result<Entry, Damage> {
        let at = self.entries + section as usize * ENTRY;
        let bytes = self.bytes.get(at..).and_then(<[u8]>::first_chunk);
        let bytes = bytes.filter(|_| section < self.sections);
        bytes.and_then(Entry::read).ok_or_else(unreadable)
    }
}

impl Entry {
    fn read(bytes: &[u8; ENTRY]) -> Option<Self> {
        let offset = u64::from(short(bytes, 8)) << 32 | u64::from(short(bytes, 4));
        let from = usize::try_from(offset).ok()?;
        Some(Self {
            first: short(bytes, 0),
            range: from..from.checked_add(short(bytes, 12) as usize)?,
            unpacked: short(bytes, 16) as usize,
            summary: short(bytes, 20) as usize,
            checksum: short(bytes, 24),
        })
    }
}

/// Holds a file against its checksums.
pub(super) fn check_file(bytes: Vec<u8>) -> Result<(), Damage> {
    let (pool, kept) = (Arc::new(StreamPool::new(0)), Arc::default());
    Streams::open(OwnedBytes::new(bytes), &pool, &kept)?.check()
}

fn unreadable() -> Damage {
    Damage(format!("{FILE} cannot be read"))
}

fn short(bytes: &[u8], at: usize) -> u32 {
    let bytes = bytes.get(at..).and_then(<[u8]>::first_chunk);
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

/// Reads the streams. Neighbours are much alike: where a text is the one at the same place
/// of the stream before, it is kept once.
fn parse(raw: &[u8]) -> Option<Vec<Arc<Stream>>> {
    let mut at = raw;
    let mut streams = Vec::new();
    let mut before = Texts::default();
    while !at.is_empty() {
        let (level, rest) = at.split_first()?;
        let level = Level::of_number(*level)?;
        at = rest;
        let labels = before.labels(&pairs(&mut at)?);
        let resource = before.resource(&pairs(&mut at)?);
        streams.push(Arc::new(Stream {
            labels,
            resource,
            level,
        }));
    }
    Some(streams)
}

/// The texts of a stream, for the next one.
#[derive(Default)]
struct Texts {
    labels: Vec<(Arc<str>, Arc<str>)>,
    resource: Arc<[(String, String)]>,
}

impl Texts {
    fn labels(&mut self, pairs: &[(&str, &str)]) -> Labels {
        self.labels.truncate(pairs.len());
        let mut builder = LabelsBuilder::default();
        for (n, (name, value)) in pairs.iter().enumerate() {
            match self.labels.get_mut(n) {
                Some(known) => {
                    for (known, text) in [(&mut known.0, name), (&mut known.1, value)] {
                        if **known != **text {
                            *known = (*text).into();
                        }
                    }
                }
                None => self.labels.push(((*name).into(), (*value).into())),
            }
            let (name, value) = &self.labels[n];
            builder.set_shared(name, value);
        }
        builder.build()
    }

    fn resource(&mut self, pairs: &[(&str, &str)]) -> Arc<[(String, String)]> {
        let own = self.resource.iter().map(|(n, v)| (n.as_str(), v.as_str()));
        if !own.eq(pairs.iter().copied()) {
            let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            self.resource = pairs.iter().map(owned).collect();
        }
        Arc::clone(&self.resource)
    }
}

fn pairs<'a>(at: &mut &'a [u8]) -> Option<Vec<(&'a str, &'a str)>> {
    let count = take_count(at)?;
    (0..count).map(|_| pair(at)).collect()
}

fn pair<'a>(at: &mut &'a [u8]) -> Option<(&'a str, &'a str)> {
    let text = |at: &mut &'a [u8]| std::str::from_utf8(take_sized(at)?).ok();
    Some((text(at)?, text(at)?))
}

#[cfg(test)]
mod tests;

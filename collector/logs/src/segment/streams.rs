//! `streams`: the streams of a segment, in the order of their content.
//!
//! ```text
//! CRC-32C u32 of the rest │ length varint │ zstd( count varint, stream* )
//! stream = level u8 │ count varint, labels │ count varint, resource attributes
//!          each a name and a value, as (length varint, bytes)
//! ```
//!
//! Where lists were joined, the count is a frame of zstd by itself.
//!
//! They are read when somebody asks for them first, and then stay in memory, shared with
//! other segments, as long as there is room for the streams of all segments; after that
//! they are read anew by whoever asks.

mod join;

pub(super) use join::{ListsError, join};

use super::Damage;
use super::numbers::{put_sized, put_varint, take_count, take_sized};
use super::packing::{Packer, Unpacker};
use crate::stream::{FETCHED, Level, Stream, StreamPool, fetch};
use sonde_proto::{Labels, LabelsBuilder};
use std::sync::{Arc, OnceLock};
use tantivy::directory::OwnedBytes;

pub(super) const FILE: &str = "streams";
const CHECKSUM: usize = 4;

/// All streams of a segment, by their ordinal.
pub(crate) type StreamList = Arc<[Arc<Stream>]>;

/// The streams of an open segment.
pub(super) struct Streams {
    bytes: OwnedBytes,
    pool: Arc<StreamPool>,
    kept: Arc<OnceLock<StreamList>>,
}

/// The file.
pub(super) fn write(streams: &[Arc<Stream>], packer: &mut Packer) -> Vec<u8> {
    let mut raw = Vec::new();
    put_varint(streams.len() as u64, &mut raw);
    for near in streams.chunks(FETCHED) {
        fetch(near);
        near.iter().for_each(|stream| put(stream, &mut raw));
    }
    write_raw(&raw, packer)
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

/// The file, of its content.
fn write_raw(raw: &[u8], packer: &mut Packer) -> Vec<u8> {
    let mut out = vec![0; CHECKSUM];
    packer.pack_sized(raw, &mut out);
    seal(out)
}

/// Puts the checksum in its place.
fn seal(mut file: Vec<u8>) -> Vec<u8> {
    let checksum = crc32c::crc32c(&file[CHECKSUM..]);
    file[..CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    file
}

impl Streams {
    /// Takes the bytes of the file. Once they are read, the streams are in `kept`.
    pub(super) fn new(
        bytes: OwnedBytes,
        pool: &Arc<StreamPool>,
        kept: &Arc<OnceLock<StreamList>>,
    ) -> Self {
        Self {
            bytes,
            pool: Arc::clone(pool),
            kept: Arc::clone(kept),
        }
    }

    /// All streams, by their ordinal.
    pub(super) fn all(&self) -> Result<StreamList, Damage> {
        if let Some(kept) = self.kept.get() {
            return Ok(Arc::clone(kept));
        }
        let mut streams = self.read()?;
        let shared = self.pool.share(&mut streams);
        let streams: StreamList = streams.into();
        if shared {
            return Ok(Arc::clone(self.kept.get_or_init(|| streams)));
        }
        Ok(streams)
    }

    /// Whether the file is as it was written.
    pub(super) fn check(&self) -> Result<(), Damage> {
        self.packed().map(drop)
    }

    fn packed(&self) -> Result<&[u8], Damage> {
        checked(&self.bytes)
    }

    fn read(&self) -> Result<Vec<Arc<Stream>>, Damage> {
        parse(&self.raw()?).ok_or_else(|| Damage(format!("{FILE} cannot be read")))
    }

    /// The content of the file.
    fn raw(&self) -> Result<Vec<u8>, Damage> {
        let packed = self.packed()?;
        let mut raw = Vec::new();
        let unpacked = Unpacker::new()?.unpack_sized(packed, &mut raw);
        unpacked.ok_or_else(|| Damage(format!("{FILE} cannot be read")))?;
        Ok(raw)
    }
}

/// What is in the file, if that is as it was written.
pub(super) fn checked(file: &[u8]) -> Result<&[u8], Damage> {
    let damaged = || Damage(format!("the checksum of {FILE} does not hold"));
    let (checksum, rest) = file.split_at_checked(CHECKSUM).ok_or_else(damaged)?;
    let right = crc32c::crc32c(rest).to_le_bytes() == checksum;
    right.then_some(rest).ok_or_else(damaged)
}

/// Reads the streams. Neighbours are much alike: where a text is the one at the same place
/// of the stream before, it is kept once.
fn parse(raw: &[u8]) -> Option<Vec<Arc<Stream>>> {
    let mut at = raw;
    let mut streams = Vec::new();
    let mut before = Texts::default();
    for _ in 0..take_count(&mut at)? {
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

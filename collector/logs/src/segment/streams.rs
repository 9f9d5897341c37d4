//! `streams.json`: the streams of a segment.
//!
//! They stay in memory, shared with other segments, as long as there is room for the streams
//! of all segments; after that they are read anew by whoever asks.

use super::Damage;
use crate::stream::{Stream, StreamPool};
use std::borrow::Cow;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "streams.json";

/// The streams of an open segment.
pub(super) enum Streams {
    InMemory(Vec<Arc<Stream>>),
    /// The open file: it can be read also when the segment was let go meanwhile.
    OnDisk(File),
}

/// Writes the streams into the segment's directory.
pub(super) fn write(dir: &Path, streams: &[Arc<Stream>]) -> io::Result<()> {
    let json = serde_json::to_vec(streams)?;
    let mut bytes = format!("{:08x}\n", crc32c::crc32c(&json)).into_bytes();
    bytes.extend_from_slice(&json);
    std::fs::write(dir.join(FILE), bytes)
}

impl Streams {
    /// Reads the streams of a segment and keeps them where `pool` has room.
    pub(super) fn open(dir: &Path, pool: &StreamPool) -> Result<Self, Damage> {
        let file = File::open(dir.join(FILE)).map_err(|error| unreadable(&error))?;
        let mut streams = read(&file)?;
        Ok(match pool.share(&mut streams) {
            true => Self::InMemory(streams),
            false => Self::OnDisk(file),
        })
    }

    /// All streams, by their row.
    pub(super) fn all(&self) -> Result<Cow<'_, [Arc<Stream>]>, Damage> {
        match self {
            Self::InMemory(streams) => Ok(Cow::Borrowed(streams)),
            Self::OnDisk(file) => read(file).map(Cow::Owned),
        }
    }
}

fn read(file: &File) -> Result<Vec<Arc<Stream>>, Damage> {
    let length = file.metadata().map_err(|error| unreadable(&error))?.len();
    let length = usize::try_from(length).map_err(|error| Damage(format!("{FILE}: {error}")))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)
        .map_err(|error| unreadable(&error))?;
    let damaged = || Damage(format!("the checksum of {FILE} does not hold"));
    let (head, json) = bytes.split_at_checked(9).ok_or_else(damaged)?;
    if head != format!("{:08x}\n", crc32c::crc32c(json)).as_bytes() {
        return Err(damaged());
    }
    serde_json::from_slice(json).map_err(|error| Damage(format!("{FILE}: {error}")))
}

fn unreadable(error: &io::Error) -> Damage {
    Damage(format!("cannot read {FILE}: {error}"))
}

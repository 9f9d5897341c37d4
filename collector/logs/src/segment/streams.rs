//! `streams.json`: the streams of a segment.

use super::Damage;
use crate::stream::Stream;
use std::io;
use std::path::Path;
use std::sync::Arc;

const FILE: &str = "streams.json";

/// Writes the streams into the segment's directory.
pub(super) fn write(dir: &Path, streams: &[Arc<Stream>]) -> io::Result<()> {
    let json = serde_json::to_vec(streams)?;
    let mut bytes = format!("{:08x}\n", crc32c::crc32c(&json)).into_bytes();
    bytes.extend_from_slice(&json);
    std::fs::write(dir.join(FILE), bytes)
}

/// Reads the streams of a segment.
pub(super) fn read(dir: &Path) -> Result<Vec<Arc<Stream>>, Damage> {
    let bytes = std::fs::read(dir.join(FILE))
        .map_err(|error| Damage(format!("cannot read {FILE}: {error}")))?;
    let damaged = || Damage(format!("the checksum of {FILE} does not hold"));
    let (head, json) = bytes.split_at_checked(9).ok_or_else(damaged)?;
    if head != format!("{:08x}\n", crc32c::crc32c(json)).as_bytes() {
        return Err(damaged());
    }
    serde_json::from_slice(json).map_err(|error| Damage(format!("{FILE}: {error}")))
}

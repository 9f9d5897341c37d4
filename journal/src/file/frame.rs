//! Frames of the file journal.
//!
//! ```text
//! ┌────────┬────────┬─────────────┬────────────────┬────────┬────────────┬────────┬─────────┐
//! │ len u32│ crc u32│ position u64│ received_at u64│ sig. u8│ tenant len │ tenant │ payload │
//! └────────┴────────┴─────────────┴────────────────┴────────┴── u8 ──────┴────────┴─────────┘
//!                    └──────────────────────── len bytes ─────────────────────────┘
//! ```
//!
//! Little endian; crc = CRC-32C of `len` and of the `len` bytes. A frame is readable if and
//! only if its checksum holds. The position tells a frame from one that an earlier use of
//! the file has left behind.

use bytes::Bytes;
use sonde_proto::{Entry, Position, Signal, Tenant, UnixNanos};

/// The bytes before what `len` counts.
pub(super) const PREFIX: usize = 8;
/// The bytes of a frame around tenant and payload.
const FIXED: usize = 8 + 8 + 1 + 1;

/// One frame, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) position: Position,
    pub(super) entry: Entry,
    /// How many bytes it takes in the file.
    pub(super) bytes: usize,
}

/// What stands at a place of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// A whole frame whose checksum holds.
    Frame(Frame),
    /// The bytes end before the frame does, which needs this many.
    Short(usize),
    /// No frame: the end of what was written, or damage.
    Nothing,
}

/// The bytes an entry takes in a file.
pub(super) fn len_of(entry: &Entry) -> usize {
    PREFIX + FIXED + entry.tenant.as_str().len() + entry.payload.len()
}

/// Appends an entry's frame to `out`.
pub(super) fn write(out: &mut Vec<u8>, position: Position, entry: &Entry) {
    let start = out.len();
    let tenant = entry.tenant.as_str().as_bytes();
    let len = u32::try_from(len_of(entry) - PREFIX).expect("the journal refuses entries of 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&position.0.to_le_bytes());
    out.extend_from_slice(&entry.received_at.0.to_le_bytes());
    out.push(entry.signal as u8);
    out.push(u8::try_from(tenant.len()).expect("a tenant's name has at most 150 bytes"));
    out.extend_from_slice(tenant);
    out.extend_from_slice(&entry.payload);
    let crc = checksum(&out[start..start + 4], &out[start + PREFIX..]);
    out[start + 4..start + PREFIX].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(len: &[u8], rest: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(len), rest)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Reads the frame at `at`, sharing the payload with `bytes`.
pub(super) fn read(bytes: &Bytes, at: usize, entry_bytes_max: usize) -> Found {
    let Some(len) = u32_at(bytes, at) else {
        return Found::Short(PREFIX);
    };
    let len = len as usize;
    if len < FIXED || len > entry_bytes_max + FIXED + usize::from(u8::MAX) {
        return Found::Nothing;
    }
    let Some(rest) = bytes.get(at + PREFIX..at + PREFIX + len) else {
        return Found::Short(PREFIX + len);
    };
    let crc = u32_at(bytes, at + 4);
    if crc != Some(checksum(&bytes[at..at + 4], rest)) {
        return Found::Nothing;
    }
    parse(bytes, at + PREFIX, len).map_or(Found::Nothing, Found::Frame)
}

/// The position that would be at `at`, whether or not a frame stands there.
pub(super) fn position_at(bytes: &[u8], at: usize) -> Option<Position> {
    u64_at(bytes, at + PREFIX).map(Position)
}

fn parse(bytes: &Bytes, start: usize, len: usize) -> Option<Frame> {
    let position = Position(u64_at(bytes, start)?);
    let received_at = UnixNanos(u64_at(bytes, start + 8)?);
    let signal = Signal::from_u8(*bytes.get(start + 16)?)?;
    let tenant_end = start + FIXED + usize::from(*bytes.get(start + 17)?);
    let tenant = std::str::from_utf8(bytes.get(start + FIXED..tenant_end)?).ok()?;
    let tenant = Tenant::new(tenant).ok()?;
    if tenant_end > start + len {
        return None;
    }
    let payload = bytes.slice(tenant_end..start + len);
    Some(Frame {
        position,
        entry: Entry {
            tenant,
            signal,
            received_at,
            payload,
        },
        bytes: PREFIX + len,
    })
}

#[cfg(test)]
mod tests;

//! Frames of the file journal.
//!
//! ```text
//! ┌────────┬────────┬─────────────┬────────────────┬────────┬────────────┬────────┬─────────┐
//! │ len u32│ crc u32│ position u64│ received_at u64│ sig. u8│ tenant len │ tenant │ payload │
//! └────────┴────────┴─────────────┴────────────────┴────────┴── u8 ──────┴────────┴─────────┘
//!                    └──────────────────────── len bytes ─────────────────────────┘
//! ```
//!
//! Little endian; the position is stored XOR the journal's key; crc = CRC-32C of the key, of
//! `len` and of the `len` bytes. A frame is readable if and only if its checksum holds. The
//! position tells a frame from one that an earlier use of the file has left behind.
//!
//! The key is random and leaves the machine with nothing: whoever sends a payload that looks
//! like frames cannot know what makes a frame of this journal, so that the search for the
//! next frame behind damage finds none inside of payloads.
//!
//! The lower four bits of `sig.` are the signal, the upper four the format of the payload.
//! Frames from before there were formats have zeros there, which is OTLP, as they are.

use bytes::Bytes;
use sonde_proto::{Entry, Format, Position, Signal, Tenant, UnixNanos};

/// The largest entry that any configuration allows. Reading is bound by this alone: a limit
/// that was lowered must not hide what was acknowledged before.
pub(super) const ENTRY_BYTES_MAX: usize = 1 << 30;
/// The bytes before what `len` counts.
pub(super) const PREFIX: usize = 8;
/// The bytes of a frame around tenant and payload.
const FIXED: usize = 8 + 8 + 1 + 1;

/// Where in the byte of the signal the payload's format stands.
const FORMAT_SHIFT: u8 = 4;

/// What tells this journal's frames from bytes that only look like them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key(pub(super) u64);

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
pub(super) fn write(out: &mut Vec<u8>, key: Key, position: Position, entry: &Entry) {
    let start = out.len();
    let tenant = entry.tenant.as_str().as_bytes();
    let len = u32::try_from(len_of(entry) - PREFIX).expect("the journal refuses entries of 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(position.0 ^ key.0).to_le_bytes());
    out.extend_from_slice(&entry.received_at.0.to_le_bytes());
    out.push(entry.signal as u8 | (entry.format as u8) << FORMAT_SHIFT);
    out.push(u8::try_from(tenant.len()).expect("a tenant's name has at most 150 bytes"));
    out.extend_from_slice(tenant);
    out.extend_from_slice(&entry.payload);
    let crc = checksum(key, &out[start..start + 4], &out[start + PREFIX..]);
    out[start + 4..start + PREFIX].copy_from_slice(&crc.to_le_bytes());
}

fn checksum(key: Key, len: &[u8], rest: &[u8]) -> u32 {
    let begun = crc32c::crc32c_append(crc32c::crc32c(&key.0.to_le_bytes()), len);
    crc32c::crc32c_append(begun, rest)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

/// Reads the frame at `at`, sharing the payload with `bytes`.
pub(super) fn read(bytes: &Bytes, at: usize, key: Key) -> Found {
    let Some(len) = u32_at(bytes, at) else {
        return Found::Short(PREFIX);
    };
    let len = len as usize;
    if !(FIXED..=ENTRY_BYTES_MAX).contains(&len) {
        return Found::Nothing;
    }
    let Some(rest) = bytes.get(at + PREFIX..at + PREFIX + len) else {
        return Found::Short(PREFIX + len);
    };
    let crc = u32_at(bytes, at + 4);
    if crc != Some(checksum(key, &bytes[at..at + 4], rest)) {
        return Found::Nothing;
    }
    parse(bytes, at + PREFIX, len, key).map_or(Found::Nothing, Found::Frame)
}

/// The position that would be at `at`, whether or not a frame stands there.
pub(super) fn position_at(bytes: &[u8], at: usize, key: Key) -> Option<Position> {
    u64_at(bytes, at + PREFIX).map(|stored| Position(stored ^ key.0))
}

fn parse(bytes: &Bytes, start: usize, len: usize, key: Key) -> Option<Frame> {
    let position = Position(u64_at(bytes, start)? ^ key.0);
    let received_at = UnixNanos(u64_at(bytes, start + 8)?);
    let kinds = *bytes.get(start + 16)?;
    let signal = Signal::from_u8(kinds & ((1 << FORMAT_SHIFT) - 1))?;
    let format = Format::from_u8(kinds >> FORMAT_SHIFT)?;
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
            format,
            received_at,
            payload,
        },
        bytes: PREFIX + len,
    })
}

#[cfg(test)]
mod tests;

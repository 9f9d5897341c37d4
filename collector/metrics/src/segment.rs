//! Sealed samples of one tenant in one immutable file.
//!
//! ```text
//! ┌─────────────┬───┬───────────────────┬────────┐
//! │ columns     │ … │ index, zstd       │ footer │
//! └─────────────┴───┴───────────────────┴────────┘
//! column  bytes (see `chunk::columns`) │ u32 CRC-32C
//! index   symbols: count, then length and text of each
//!         series, by labels: count, then
//!           labels: count, then name and value symbol of each
//!           chunks: count, then first − last of the chunk before, last − first (zigzag, ms),
//!             samples, times offset, times length, values offset, values length
//!         (every number base 128)
//! footer  u64 index offset │ u32 index length │ u32 index length unpacked │ u32 CRC-32C of
//!         the packed index │ u32 version │ "SNDM"; little endian
//! ```
//!
//! Every column is checked when it is read; the index when the segment is opened. Times that
//! several series share are stored once.

mod index;
mod read;
mod write;

pub(crate) use index::{ChunkRef, SegmentIndex};
pub(crate) use read::{IndexCache, Segment, SegmentError};
pub(crate) use write::{SegmentWriter, Summary};

/// The format version in the footer.
const VERSION: u32 = 1;
/// The last bytes of every segment.
const MAGIC: [u8; 4] = *b"SNDM";
/// The length of the footer.
const FOOTER: usize = 28;
/// How many samples a sealed chunk takes at most.
const CHUNK_SAMPLES_MAX: usize = 960;
/// An index unpacked is never larger.
const INDEX_BYTES_MAX: u32 = 1 << 30;

#[cfg(test)]
mod tests;

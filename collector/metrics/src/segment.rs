//! Sealed samples of one tenant in one immutable file.
//!
//! ```text
//! ┌─────────┬───┬──────────┬───┬────────────┬───┬─────────┬───────────┬────────┐
//! │ columns │ … │ series   │ … │ series of  │ … │ symbols │ directory │ footer │
//! │         │   │ (by 512) │   │ each label │   │         │           │        │
//! └─────────┴───┴──────────┴───┴────────────┴───┴─────────┴───────────┴────────┘
//! column     bytes (see `chunk::columns`) │ u32 CRC-32C
//! series     by labels, 512 in each section: count, then of each
//!              labels: count, then name and value symbol of each
//!              chunks: count, then of each: first − last of the chunk before (of the first chunk:
//!                − first of the series before), last − first, samples, times offset − that before,
//!                times length, values offset − end of the column before, values length
//!                (differences zigzag; times in ms)
//! of a label values: count, then of each: symbol − that before, series, bytes of its list;
//!            then the lists: number of each series − that before
//! symbols    in order: count, then length and text of each
//! directory  how many series, symbols, places of: the symbols, each label's values
//!              (count, then name symbol and place of each), each section of series (count, …)
//! place      offset, length, length unpacked, CRC-32C of the packed bytes
//!            (every number base 128; everything but columns and footer is zstd)
//! footer     u64 directory offset │ u32 its length │ u32 its length unpacked │ u32 CRC-32C of
//!            the packed directory │ u32 version │ "SNDM"; little endian
//! ```
//!
//! A chunk of histograms has its times and, in the place of values, one column of histograms
//! (see `chunk::histogram`); a series may have chunks of both kinds, which overlap. Where it is
//! known since when samples of a chunk count, that stands before its values or histograms (see
//! `chunk::starts`). One that is downsampled has chunks of what is known of the samples that were
//! dropped (see `chunk::rests`), whose times are the ends of the intervals. The version says the
//! most that a segment has: 5 what was dropped, 4 starts, 3 histograms, 2 none of these.
//!
//! Opening reads the directory. The other sections are read, and checked, when a query wants
//! something of them: one that asks for a few series of a million reads the symbols, what the
//! labels it names have, and the sections where those series are. Times that several series
//! share are stored once.

mod sections;
mod directory;
mod series;
mod values;
mod index;
mod cache;
mod read;
mod write;

pub(crate) use cache::IndexCache;
pub(crate) use index::SegmentIndex;
pub(crate) use read::{Segment, SegmentError, resolution};
pub(crate) use sections::put;
pub(crate) use series::{ChunkRef, SeriesBlock};
pub(crate) use write::{SegmentWriter, Summary};

/// The format version in the footer of a segment without histograms. Version 1 had its index
/// in one piece.
const VERSION: u32 = 2;
/// The version of one with histograms, which is else the same. A program that does not know
/// them must not take them for damage.
const HISTOGRAMS_VERSION: u32 = 3;
/// The version of one with samples that say since when they count, for the same reason.
const STARTS_VERSION: u32 = 4;
/// The version of one that is downsampled.
const RESTS_VERSION: u32 = 5;
/// Those that are read.
const VERSIONS: [u32; 4] = [VERSION, HISTOGRAMS_VERSION, STARTS_VERSION, RESTS_VERSION];
/// The last bytes of every segment.
const MAGIC: [u8; 4] = *b"SNDM";
/// The length of the footer.
const FOOTER: usize = 28;
/// How many samples a sealed chunk takes at most.
const CHUNK_SAMPLES_MAX: usize = 960;
/// How many series a section has.
pub(crate) const BLOCK_SERIES: u32 = 512;
/// A section unpacked is never larger.
const SECTION_BYTES_MAX: u32 = 1 << 30;

#[cfg(test)]
mod tests;

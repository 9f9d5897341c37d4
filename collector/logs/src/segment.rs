//! A sealed segment: one directory, written once, never changed.
//!
//! ```text
//! streams.json     CRC-32C (8 hex) of the rest, newline, the streams as JSON
//! words.txt        the distinct words of the bodies (see `wordlist`)
//! meta.json, …     a tantivy index of one segment, a document per record in the order of
//!                  their keys, so that a range of time is a range of documents
//!   time, stream   columns: nanoseconds, row in streams.json
//!   body           the words of the body (see `words`), no positions, no frequencies
//!   attributes     the words of the attributes' values
//!   trace          the trace ID's 16 bytes
//!   record         the packed record (see `record`), stored in 64 KiB zstd blocks
//! ```
//!
//! The whole seam to the rest of the store: [`SegmentWriter`], and [`Segment`] with
//! `open`, `visit` and `cursor`. Damage is a [`Damage`], whatever the layer that found it.

mod schema;
mod streams;
mod wordlist;
mod writer;
mod candidates;
mod reader;

pub(crate) use reader::{Cursor, SealedRecord, Segment, Visit};
pub(crate) use writer::SegmentWriter;

/// What is wrong with a segment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Damage(pub(crate) String);

impl From<tantivy::TantivyError> for Damage {
    fn from(error: tantivy::TantivyError) -> Self {
        Self(error.to_string())
    }
}

impl From<std::io::Error> for Damage {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

//! A sealed segment: one directory, written once, never changed.
//!
//! ```text
//! blocks      the records, in blocks; every block as columns
//! directory   per block: times, streams, and where its columns lie
//! tokens      identifier → blocks, by hash
//! words/      plain word → blocks, a tantivy index of one document a block
//! templates   the texts of templated bodies around their variables, where there are any
//! streams     the streams, in the order of their content
//! ```
//!
//! A segment as sealed is one part, where records lie in the order of their streams, those of
//! a stream in the order of their keys; merging may put several parts into one segment
//! (`parts`). A block is up to 256 KiB of bodies of one stream, or of several small ones that are
//! neighbours: streams are in the order of their content, so similar text lies together,
//! and thousands of small streams cost a few bytes each.
//!
//! A query looks at the directory, narrows by words (`candidates`), and reads of the blocks
//! that are left the columns it needs: times first, bodies where lines are asked for, the
//! rest for records that are shown. Every column has its own checksum, looked at whenever it
//! is read.
//!
//! The whole seam to the rest of the store: [`SegmentWriter`]; [`Handle`], by which a segment is
//! known and opened; and [`Segment`], an open one, with `streams`, `candidates`, `scan`, `fetch`,
//! `cursor` and `join`. Damage is a [`Damage`], whatever the layer that found it.

mod numbers;
mod packing;
mod streams;
mod ids;
mod attributes;
mod bodies;
mod templates;
mod common;
mod terms;
mod block;
mod tokens;
mod vocabulary;
mod parts;
mod directory;
mod writer;
mod proof;
mod reader;
mod mapped;
mod handle;
mod candidates;
mod pick;
mod stages;
mod scan;
mod feed;
mod fetch;
mod cursor;
mod join;
mod visible;
mod patterns;

pub(crate) use candidates::Candidate;
pub(crate) use common::Common;
pub(crate) use cursor::Cursor;
pub(crate) use feed::{Ended, Fed, Feeding};
pub(crate) use fetch::Wanted;
pub(crate) use handle::{Handle, ReadError, Reader, Readers};
pub(crate) use join::{JoinError, JoinSource, join, join_well};
pub(crate) use mapped::Mapped;
pub(crate) use patterns::{Alike, Steps};
pub(crate) use proof::{Proof, prove};
pub(crate) use reader::Segment;
pub(crate) use scan::Bar;
pub(crate) use streams::{StreamList, Summary, Values};
pub(crate) use writer::{SegmentWriter, WriteError, Written};

use std::panic::{AssertUnwindSafe, catch_unwind};

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

/// The files are input: where tantivy panics over damaged ones, that is damage too.
fn guarded<T, E: From<Damage>>(work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(work))
        .unwrap_or_else(|_| Err(Damage("reading it panicked".into()).into()))
}

#[cfg(test)]
mod tests;

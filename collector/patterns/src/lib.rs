//! Bodies of a block as templates and columns of variables: small, exact, searched mostly
//! without touching text, and the patterns that people look at for little.
//!
//! ```text
//! bodies ──▶ split ──▶ template  ─ second sighting ─▶ the segment's dictionary
//!              │  └──▶ variables ─▶ a column by what stands before them, encoded per block
//!              └─ a new template, or none worth it ─▶ the raw column
//! ```
//!
//! [`Encoder`] writes a segment's blocks and their dictionary; [`Dictionary`] and [`Block`]
//! read them. A [`Needle`] is compiled for a dictionary: it knows for each template
//! whether all its rows contain the needle, none does, or which of its variables decide, so
//! that a block's header often answers alone. [`Clusters`] make the patterns.
//!
//! Invariants:
//! - Every body comes back byte for byte, whatever it was.
//! - A search says exactly what a scan of the bodies would say.
//! - Bytes that no encoder wrote are a [`Damage`] or give wrong rows, but never a panic, and
//!   never more memory than [`BLOCK_BYTES_MAX`] and [`ROWS_MAX`] call for.
//!
//! Nothing here knows what a record, a stream or a file is.

mod damage;
mod limits;
mod wire;
mod bits;
mod text;
mod class;
mod tokens;
mod split;
mod dictionary;
mod encode;
mod unzip;
mod column;
mod block;
mod rows;
mod search;
mod patterns;

#[cfg(test)]
mod testing;

pub use block::{Block, TemplateRows};
pub use damage::Damage;
pub use dictionary::Dictionary;
pub use encode::{Encoder, TooLarge};
pub use limits::{BLOCK_BYTES_MAX, Limits, ROWS_MAX};
pub use patterns::{
    ClusterLimits, Clusters, Pattern, PatternTexts, RowPatterns, VARIABLE, pattern_of,
};
pub use rows::RowSet;
pub use search::Needle;
pub use tokens::{needle_tokens, tokens};

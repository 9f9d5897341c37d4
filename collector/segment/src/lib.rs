//! Immutable segments, their blocks, and the manifest that makes them visible.
//!
//! A store owns one directory, opened with [`SegmentDir::open`]:
//!
//! ```text
//! manifest.json                 which segments exist, and the journal position they cover
//! manifest.copy.json            the same bytes again, for when a disk damages the first
//! segments/<tenant>/<16 hex>    one immutable segment: a file or a directory
//! quarantine/<16 hex>-<reason>  damaged segments, moved aside for a person; never deleted
//! ```
//!
//! Invariants:
//! - A segment is visible if and only if the manifest lists it. What the manifest does not
//!   list is rubbish of a crash and is deleted at open.
//! - [`SegmentDir::swap`] replaces the manifest in one step: after a crash at any instant,
//!   either the old or the new one is found, whole.
//! - Progress (`covers`) and visibility (`segments`) are one file, so they cannot disagree.
//!
//! [`blocks`] is the file format most segments are made of; [`plan`] decides what to merge
//! and what to let go; [`work`] does it beside the thread that takes records. Nothing here
//! knows what a record is.

mod manifest;
mod dir;

pub mod blocks;
pub mod plan;
pub mod work;

pub use dir::{Aside, OpenError, SegmentDir, SwapError};
pub use manifest::{FORMAT_VERSION, Manifest, ManifestError, SegmentMeta};

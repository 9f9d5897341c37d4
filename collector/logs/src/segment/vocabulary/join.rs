//! Joins the words of several segments whose blocks lie one after the other from now on, by
//! tantivy's own merging: it puts documents one after the other, so a document's number is
//! its block's again.

use super::unsynced::Unsynced;
use super::{DIR, checksum, map_all};
use std::path::{Path, PathBuf};
use tantivy::index::{Index, IndexSettings};
use tantivy::indexer::merge_filtered_segments;

/// Writes the words of the segments in `sources` as those of the segment in `dir`; the
/// checksum of the files. What the sources have was held against their checksums before.
pub(in crate::segment) fn join(dir: &Path, sources: &[PathBuf]) -> tantivy::Result<u32> {
    let dir = dir.join(DIR);
    std::fs::create_dir_all(&dir)?;
    let mut segments = Vec::with_capacity(sources.len());
    for source in sources {
        segments.extend(Index::open_in_dir(source.join(DIR))?.searchable_segments()?);
    }
    let settings = IndexSettings {
        docstore_compress_dedicated_thread: false,
        ..IndexSettings::default()
    };
    let all = segments.iter().map(|_| None).collect();
    merge_filtered_segments(&segments, settings, all, Unsynced::open(&dir)?)?;
    Ok(checksum(&map_all(&dir)?))
}

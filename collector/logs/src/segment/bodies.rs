//! The bodies of a block: the seam for how they are encoded.
//!
//! ```text
//! section = encoding u8 │ …
//!   0     = pages varint │ (records varint, bytes varint, packed bytes varint)* │ zstd frames
//! ```
//!
//! A page is about [`PAGE_BYTES`] of bodies, so that a few records of a block cost no more
//! than their pages, while a scan unpacks all pages into one piece and searches that.

use super::numbers::{put_varint, take_bytes, take_count};
use super::packing::{Packer, Unpacker};
use crate::query::LineFilter;
use std::ops::Range;

const PLAIN: u8 = 0;
/// Smaller pages are unpacked sooner for a few records and compress less: 64 KiB instead of
/// 256 KiB cost about 4 % of the bodies' size.
const PAGE_BYTES: usize = 64 << 10;

/// Appends the section of a block's bodies, which lie in `bytes` one after the other.
pub(super) fn put(bytes: &[u8], ends: &[usize], packer: &mut Packer, out: &mut Vec<u8>) {
    out.push(PLAIN);
    let (mut pages, mut frames) = (Vec::new(), Vec::new());
    let (mut from, mut records) = (0, 0_u64);
    for (row, end) in ends.iter().enumerate() {
        records += 1;
        if *end - from >= PAGE_BYTES || row + 1 == ends.len() {
            let before = frames.len();
            packer.pack(&bytes[from..*end], &mut frames);
            pages.extend([records, (end - from) as u64, (frames.len() - before) as u64]);
            (from, records) = (*end, 0);
        }
    }
    put_varint(pages.len() as u64 / 3, out);
    pages.iter().for_each(|n| put_varint(*n, out));
    out.extend_from_slice(&frames);
}

/// The bodies of a block, not unpacked yet.
#[derive(Debug)]
pub(super) struct Bodies<'a> {
    pages: Vec<Page<'a>>,
    /// Where each body ends among all bodies.
    ends: &'a [usize],
}

#[derive(Debug)]
struct Page<'a> {
    rows: Range<usize>,
    bytes: Range<usize>,
    packed: &'a [u8],
}

impl<'a> Bodies<'a> {
    /// Reads the section of bodies that end at `ends`; nothing where the bytes are none.
    pub(super) fn read(section: &'a [u8], ends: &'a [usize]) -> Option<Self> {
        let (encoding, mut at) = section.split_first()?;
        if *encoding != PLAIN {
            return None;
        }
        let mut sizes = Vec::new();
        for _ in 0..take_count(&mut at)? {
            sizes.push((
                take_count(&mut at)?,
                take_count(&mut at)?,
                take_count(&mut at)?,
            ));
        }
        let (mut pages, mut row, mut byte) = (Vec::new(), 0_usize, 0_usize);
        for (records, bytes, packed) in sizes {
            let rows = row..row.checked_add(records)?;
            let bytes = byte..byte.checked_add(bytes)?;
            (row, byte) = (rows.end, bytes.end);
            pages.push(Page {
                rows,
                bytes,
                packed: take_bytes(&mut at, packed)?,
            });
        }
        (row == ends.len() && byte == ends.last().copied().unwrap_or(0)).then_some(())?;
        Some(Self { pages, ends })
    }

    /// Unpacks all bodies into `into`; nothing where they are damaged.
    pub(super) fn all(&self, unpacker: &mut Unpacker, into: &mut Vec<u8>) -> Option<()> {
        let bytes = self.ends.last().copied().unwrap_or(0);
        if into.len() < bytes {
            into.resize(bytes, 0);
        }
        into.truncate(bytes);
        for page in &self.pages {
            unpacker.unpack(page.packed, into.get_mut(page.bytes.clone())?)?;
        }
        Some(())
    }

    /// Calls `each` with the bodies of `rows` (ascending); unpacks their pages only. The
    /// bytes that were unpacked; nothing where they are damaged.
    pub(super) fn some(
        &self,
        rows: &[usize],
        unpacker: &mut Unpacker,
        page_bytes: &mut Vec<u8>,
        mut each: impl FnMut(usize, &[u8]),
    ) -> Option<usize> {
        let (mut rows, mut unpacked) = (rows.iter().copied().peekable(), 0);
        for page in &self.pages {
            if rows.peek().is_none_or(|row| *row >= page.rows.end) {
                continue;
            }
            page_bytes.resize(page.bytes.len(), 0);
            unpacker.unpack(page.packed, page_bytes)?;
            unpacked += page.bytes.len();
            while let Some(row) = rows.next_if(|row| *row < page.rows.end) {
                let body = self.range(row);
                let within = body.start.checked_sub(page.bytes.start)?;
                each(row, page_bytes.get(within..within + body.len())?);
            }
        }
        Some(unpacked)
    }

    fn range(&self, row: usize) -> Range<usize> {
        let start = row.checked_sub(1).map_or(0, |before| self.ends[before]);
        start..self.ends[row]
    }
}

/// Keeps of `rows` (ascending) those whose body satisfies all `filters`; the bodies lie in
/// `bytes` and end at `ends`.
///
/// One needle is searched for in all bodies at once: what is common to all rows, finding
/// out that a row has nothing, is then done once a block and not once a row.
pub(super) fn filter(filters: &[LineFilter], bytes: &[u8], ends: &[usize], rows: &mut Vec<usize>) {
    let body = |row: usize| {
        let start = if row == 0 { 0 } else { ends[row - 1] };
        &bytes[start..ends[row]]
    };
    let wide = filters.iter().position(|f| f.finder().is_some());
    if let Some(finder) = wide.and_then(|at| filters[at].finder()) {
        keep_rows_with(finder, bytes, ends, rows);
    }
    let rest = filters
        .iter()
        .enumerate()
        .filter(|(at, _)| Some(*at) != wide);
    for (_, filter) in rest {
        rows.retain(|row| filter.matches(body(*row)));
    }
}

fn keep_rows_with(
    finder: &memchr::memmem::Finder<'_>,
    bytes: &[u8],
    ends: &[usize],
    rows: &mut Vec<usize>,
) {
    let length = finder.needle().len();
    if length == 0 {
        return;
    }
    let (mut kept, mut read, mut at, mut next) = (0, 0, 0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| finder.find(rest)) {
        let found = at + found;
        // Usually the row of the next match is near.
        let row = match ends.get(next) {
            Some(end) if found < *end => next,
            Some(_) => next + ends[next..].partition_point(|end| *end <= found),
            None => break,
        };
        let Some(end) = ends.get(row) else { break };
        (at, next) = if found + length > *end {
            // It goes on into the next body, so it is none.
            (found + 1, row)
        } else {
            while rows.get(read).is_some_and(|r| *r < row) {
                read += 1;
            }
            if rows.get(read) == Some(&row) {
                rows[kept] = row;
                kept += 1;
            }
            (*end, row + 1)
        };
        if read == rows.len() {
            break;
        }
    }
    rows.truncate(kept);
}

#[cfg(test)]
mod tests;

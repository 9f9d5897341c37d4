//! Bodies as they are, in compressed pages.
//!
//! ```text
//! pages varint │ (records varint, bytes varint, packed bytes varint)* │ zstd frames
//! ```
//!
//! A page is about [`PAGE_BYTES`] of bodies, so that a few records of a block cost no more
//! than their pages, while a scan unpacks all pages into one piece and searches that.

use super::super::numbers::{put_varint, take_bytes, take_count};
use super::super::packing::{Packer, Unpacker};
use super::{Pages, filter, range};
use sonde_logql::LineFilter;
use std::ops::Range;

/// Smaller pages are unpacked sooner for a few records and compress less: 64 KiB instead of
/// 256 KiB cost about 4 % of the bodies' size.
const PAGE_BYTES: usize = 64 << 10;

/// The rows of each page of bodies that end at `ends`.
pub(super) fn rows_of_pages(ends: &[usize]) -> impl Iterator<Item = Range<usize>> {
    let (mut from, mut first) = (0, 0);
    ends.iter().enumerate().filter_map(move |(row, end)| {
        let is_last = *end - from >= PAGE_BYTES || row + 1 == ends.len();
        is_last.then(|| {
            from = *end;
            std::mem::replace(&mut first, row + 1)..row + 1
        })
    })
}

/// Appends bodies, which lie in `bytes` one after the other.
pub(super) fn put(bytes: &[u8], ends: &[usize], packer: &mut Packer, out: &mut Vec<u8>) {
    let (mut pages, mut frames, mut from) = (Vec::new(), Vec::new(), 0);
    for rows in rows_of_pages(ends) {
        let (to, before) = (ends[rows.end - 1], frames.len());
        packer.pack(&bytes[from..to], &mut frames);
        let packed = (frames.len() - before) as u64;
        pages.extend([rows.len() as u64, (to - from) as u64, packed]);
        from = to;
    }
    put_varint(pages.len() as u64 / 3, out);
    pages.iter().for_each(|n| put_varint(*n, out));
    out.extend_from_slice(&frames);
}

/// Plain bodies, not unpacked yet.
pub(in crate::segment) struct Plain<'a> {
    pages: Vec<Page<'a>>,
    /// Where each body ends among all bodies.
    ends: &'a [usize],
}

struct Page<'a> {
    rows: Range<usize>,
    bytes: Range<usize>,
    packed: &'a [u8],
}

impl<'a> Plain<'a> {
    /// Reads bodies that end at `ends`; nothing where the bytes are none.
    pub(super) fn read(mut at: &'a [u8], ends: &'a [usize]) -> Option<Self> {
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

    /// Keeps of `rows` (ascending) those on `pages` whose bodies satisfy all `filters`, and
    /// leaves the bodies of these in their places in `text`. Pages without any of the rows are
    /// not unpacked. The bytes that were; nothing where they are damaged.
    pub(super) fn keep(
        &self,
        pages: Pages,
        filters: &[LineFilter],
        rows: &mut Vec<usize>,
        unpacker: &mut Unpacker,
        text: &mut Vec<u8>,
    ) -> Option<usize> {
        self.make_room(text);
        let (mut kept, mut of_page, mut unpacked) = (Vec::new(), Vec::new(), 0);
        let mut rest = rows.iter().copied().peekable();
        for (number, page) in self.pages.iter().enumerate() {
            of_page.clear();
            of_page.extend(std::iter::from_fn(|| {
                rest.next_if(|row| *row < page.rows.end)
            }));
            if of_page.is_empty() || !pages.has(number) {
                continue;
            }
            unpacker.unpack(page.packed, text.get_mut(page.bytes.clone())?)?;
            unpacked += page.bytes.len();
            let before = (page.bytes.start, page.rows.start);
            let upto = text.get(..page.bytes.end)?;
            filter(filters.iter(), upto, self.ends, before, &mut of_page);
            kept.extend_from_slice(&of_page);
        }
        *rows = kept;
        Some(unpacked)
    }

    fn make_room(&self, text: &mut Vec<u8>) {
        let bytes = self.ends.last().copied().unwrap_or(0);
        if text.len() < bytes {
            text.resize(bytes, 0);
        }
        text.truncate(bytes);
    }

    /// Unpacks all bodies into `into`; nothing where they are damaged.
    pub(super) fn all(&self, unpacker: &mut Unpacker, into: &mut Vec<u8>) -> Option<()> {
        self.make_room(into);
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
                let body = range(self.ends, row)?;
                let within = body.start.checked_sub(page.bytes.start)?;
                each(row, page_bytes.get(within..within + body.len())?);
            }
        }
        Some(unpacked)
    }
}

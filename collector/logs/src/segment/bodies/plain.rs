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
use super::range;
use std::ops::Range;

/// Smaller pages are unpacked sooner for a few records and compress less: 64 KiB instead of
/// 256 KiB cost about 4 % of the bodies' size.
const PAGE_BYTES: usize = 64 << 10;

/// Appends bodies, which lie in `bytes` one after the other.
pub(super) fn put(bytes: &[u8], ends: &[usize], packer: &mut Packer, out: &mut Vec<u8>) {
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

    /// Where each body ends among all bodies.
    pub(super) fn ends(&self) -> &'a [usize] {
        self.ends
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
                let body = range(self.ends, row)?;
                let within = body.start.checked_sub(page.bytes.start)?;
                each(row, page_bytes.get(within..within + body.len())?);
            }
        }
        Some(unpacked)
    }
}

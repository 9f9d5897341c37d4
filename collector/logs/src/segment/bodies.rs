//! The bodies of a block, and how they are encoded.
//!
//! ```text
//! section = encoding u8 │ …
//!   0     = plain: compressed pages (`plain`)
//!   1     = templated: a block of `sonde_patterns`, whose templates are the segment's
//! ```
//!
//! Whatever the encoding, a reader asks for rows that satisfy filters, for some bodies, or
//! for all. What templates decide needs no text.

mod plain;
mod templated;
mod encoders;
mod needles;
mod statics;
mod write;

pub(super) use encoders::Encoders;
pub(super) use needles::Needles;
pub(super) use templated::decide;
pub(super) use write::BodyWriter;

use super::packing::Unpacker;
use plain::Plain;
use sonde_logql::LineFilter;
use sonde_patterns::Dictionary;
use std::ops::Range;
use std::sync::Arc;
use templated::Templated;

const PLAIN: u8 = 0;
const TEMPLATED: u8 = 1;

/// Whether a section of bodies needs the templates of its segment.
pub(super) fn is_templated(section: &[u8]) -> bool {
    section.first() == Some(&TEMPLATED)
}

/// The bodies of a block, not unpacked yet.
pub(super) enum Bodies<'a> {
    Plain(Plain<'a>),
    Templated(Box<Templated<'a>>),
}

/// So few rows of a block have their bodies put together by who found them.
pub(super) const ROWS_FEW: usize = 4;

/// What [`Bodies::keep`] needs room for.
pub(super) struct Room<'s> {
    pub(super) unpacker: &'s mut Unpacker,
    /// The bodies of the rows that are kept in their places among all, where they were unpacked.
    pub(super) text: &'s mut Vec<u8>,
    pub(super) needles: &'s mut Needles,
    /// The bodies of no more rows than this are put together as soon as it is known which these
    /// are, because they are wanted: later all that was decoded for the search is gone.
    pub(super) few: usize,
}

/// What it took to look at bodies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Kept {
    /// How many bytes were looked at.
    pub(super) bytes: usize,
    /// Whether the bodies of the rows that are kept lie in [`Room::text`].
    pub(super) has_text: bool,
}

/// Pages of a block's bodies, a bit each; the last of [`Pages::MAX`] has all that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Pages(pub(super) u8);

impl Pages {
    /// How many are told apart.
    pub(super) const MAX: usize = 4;
    pub(super) const ALL: Self = Self((1 << Self::MAX) - 1);

    /// One page.
    pub(super) fn only(page: u8) -> Self {
        Self(1 << usize::from(page).min(Self::MAX - 1))
    }

    fn has(self, page: usize) -> bool {
        self.0 >> page.min(Self::MAX - 1) & 1 == 1
    }
}

impl<'a> Bodies<'a> {
    /// Reads the section of plain bodies that end at `ends`; nothing where the bytes are none.
    pub(super) fn read(section: &'a [u8], ends: &'a [usize]) -> Option<Self> {
        match section.split_first()? {
            (&PLAIN, rest) => Plain::read(rest, ends).map(Self::Plain),
            _ => None,
        }
    }

    /// Reads the section of templated bodies.
    pub(super) fn read_templated(
        section: &'a [u8],
        ends: &'a [usize],
        dictionary: &'a Arc<Dictionary>,
    ) -> Option<Self> {
        match section.split_first()? {
            (&TEMPLATED, rest) => {
                let read = Templated::read(rest, ends, dictionary)?;
                Some(Self::Templated(Box::new(read)))
            }
            _ => None,
        }
    }

    /// Keeps of `rows` (ascending) those whose bodies satisfy all `filters`, which only some on
    /// `pages` do; nothing where the bodies are damaged.
    pub(super) fn keep(
        &self,
        filters: &[LineFilter],
        pages: Pages,
        rows: &mut Vec<usize>,
        room: Room<'_>,
    ) -> Option<Kept> {
        if filters.is_empty() || rows.is_empty() {
            return Some(Kept::default());
        }
        match self {
            Self::Templated(bodies) => bodies.keep(filters, rows, room),
            Self::Plain(bodies) => {
                let Room { unpacker, text, .. } = room;
                let bytes = bodies.keep(pages, filters, rows, unpacker, text)?;
                Some(Kept {
                    bytes,
                    has_text: true,
                })
            }
        }
    }

    /// Unpacks all bodies into `into`; nothing where they are damaged.
    pub(super) fn all(&self, unpacker: &mut Unpacker, into: &mut Vec<u8>) -> Option<()> {
        match self {
            Self::Plain(bodies) => bodies.all(unpacker, into),
            Self::Templated(bodies) => bodies.all(into),
        }
    }

    /// Calls `each` with the bodies of `rows` (ascending), and unpacks as little more as can
    /// be. The bytes that were unpacked; nothing where they are damaged.
    pub(super) fn some(
        &self,
        rows: &[usize],
        unpacker: &mut Unpacker,
        text: &mut Vec<u8>,
        each: impl FnMut(usize, &[u8]),
    ) -> Option<usize> {
        match self {
            Self::Plain(bodies) => bodies.some(rows, unpacker, text, each),
            Self::Templated(bodies) => bodies.some(rows, text, each),
        }
    }
}

/// Where a body lies among all, which end at `ends`.
fn range(ends: &[usize], row: usize) -> Option<Range<usize>> {
    let start = match row.checked_sub(1) {
        None => 0,
        Some(before) => *ends.get(before)?,
    };
    Some(start..*ends.get(row)?)
}

/// Keeps of `rows` (ascending) those whose body satisfies all `filters`; the bodies lie in
/// `bytes` and end at `ends`. No row lies before the byte and row `from`.
///
/// One needle is searched for in all bodies at once: what is common to all rows, finding
/// out that a row has nothing, is then done once a block and not once a row.
fn filter<'f>(
    filters: impl Iterator<Item = &'f LineFilter> + Clone,
    bytes: &[u8],
    ends: &[usize],
    from: (usize, usize),
    rows: &mut Vec<usize>,
) {
    let body = |row: usize| {
        let start = if row == 0 { 0 } else { ends[row - 1] };
        &bytes[start..ends[row]]
    };
    let text = |filter: &'f LineFilter| match filter.as_contains() {
        Some((text, false)) if !text.is_empty() => Some(text),
        _ => None,
    };
    let wide = filters.clone().position(|f| text(f).is_some());
    if let Some(text) = filters.clone().find_map(text) {
        keep_rows_with(&memchr::memmem::Finder::new(text), bytes, ends, from, rows);
    }
    let rest = filters.enumerate().filter(|(at, _)| Some(*at) != wide);
    for (_, filter) in rest {
        rows.retain(|row| filter.matches(body(*row)));
    }
}

fn keep_rows_with(
    finder: &memchr::memmem::Finder<'_>,
    bytes: &[u8],
    ends: &[usize],
    (mut at, mut next): (usize, usize),
    rows: &mut Vec<usize>,
) {
    let length = finder.needle().len();
    let (mut kept, mut read) = (0, 0);
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

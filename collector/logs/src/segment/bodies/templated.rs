//! Bodies as templates and their variables: filters ask the templates first.

use super::{Kept, Needles, Room, range};
use sonde_logql::LineFilter;
use sonde_patterns::{Block, Dictionary, RowPatterns, RowSet};
use std::sync::Arc;

/// Of a filter that asks for one of more texts than this, every row is looked at.
const TEXTS_MAX: usize = 8;

/// Makes `rows` those of a section of so many templated bodies that satisfy all filters, which ask
/// whether lines contain a text or not. No body is put together for it, and nothing but the section
/// is needed; nothing where that is damaged.
pub(in crate::segment) fn decide(
    section: &[u8],
    bodies: usize,
    dictionary: &Arc<Dictionary>,
    filters: &[LineFilter],
    needles: &mut Needles,
    rows: &mut RowSet,
) -> Option<()> {
    let block = Block::read(dictionary, section.split_first()?.1).ok()?;
    (block.rows() == bodies).then_some(())?;
    let mut found = RowSet::default();
    for (n, filter) in filters.iter().enumerate() {
        let (text, negated) = filter.as_contains()?;
        let into = if n == 0 { &mut *rows } else { &mut found };
        let needle = needles.of(dictionary, text);
        block.rows_containing(needle, into).ok()?;
        if negated {
            into.invert();
        }
        if n > 0 {
            rows.intersect(&found);
        }
        if rows.is_empty() {
            break;
        }
    }
    Some(())
}

/// Templated bodies, not put together yet.
pub(in crate::segment) struct Templated<'a> {
    dictionary: &'a Arc<Dictionary>,
    block: Block<'a>,
    bytes: usize,
    /// Where each body ends among all bodies.
    ends: &'a [usize],
}

impl<'a> Templated<'a> {
    /// Reads bodies that end at `ends`; nothing where the bytes are none of these.
    pub(super) fn read(
        bytes: &'a [u8],
        ends: &'a [usize],
        dictionary: &'a Arc<Dictionary>,
    ) -> Option<Self> {
        let block = Block::read(dictionary, bytes).ok()?;
        let agrees =
            block.rows() == ends.len() && block.bytes() == ends.last().copied().unwrap_or(0);
        agrees.then_some(Self {
            dictionary,
            block,
            bytes: bytes.len(),
            ends,
        })
    }

    /// Keeps of `rows` those whose bodies satisfy all `filters`.
    pub(super) fn keep(
        &self,
        filters: &[LineFilter],
        rows: &mut Vec<usize>,
        room: Room<'_>,
    ) -> Option<Kept> {
        let Room {
            text, needles, few, ..
        } = room;
        let mut found = RowSet::default();
        let mut open = Vec::new();
        for filter in filters {
            let is_decided = match filter.as_contains() {
                Some((text, negated)) => {
                    let needle = needles.of(self.dictionary, text);
                    self.block.rows_containing(needle, &mut found).ok()?;
                    rows.retain(|row| found.contains(*row) != negated);
                    true
                }
                None => {
                    self.narrow(filter, rows, needles)?;
                    false
                }
            };
            if rows.is_empty() {
                return Some(self.kept(0));
            }
            if !is_decided {
                open.push(filter);
            }
        }
        if open.is_empty() {
            return self.kept_few(rows, few, 0, text);
        }
        if rows.len() > self.ends.len() / 2 {
            self.all(text)?;
            super::filter(open.iter().copied(), text, self.ends, (0, 0), rows);
            return Some(Kept {
                has_text: true,
                ..self.kept(text.len())
            });
        }
        let mut kept = Vec::new();
        let looked = self.some(rows, text, |row, body| {
            if open.iter().all(|filter| filter.matches(body)) {
                kept.push(row);
            }
        })?;
        *rows = kept;
        self.kept_few(rows, few, looked, text)
    }

    /// Keeps the rows that contain one of the texts without which the filter cannot hold.
    fn narrow(
        &self,
        filter: &LineFilter,
        rows: &mut Vec<usize>,
        needles: &mut Needles,
    ) -> Option<()> {
        let texts = filter.any_of().unwrap_or_default();
        if !(1..=TEXTS_MAX).contains(&texts.len()) || texts.iter().any(Vec::is_empty) {
            return Some(());
        }
        let (mut any, mut found) = (RowSet::none(self.ends.len()), RowSet::default());
        for text in &texts {
            let needle = needles.of(self.dictionary, text);
            self.block.rows_containing(needle, &mut found).ok()?;
            any.unite(&found);
        }
        rows.retain(|row| any.contains(*row));
        Some(())
    }

    /// What it took, with the bodies of the rows if they are no more than `few`.
    fn kept_few(
        &self,
        rows: &[usize],
        few: usize,
        looked: usize,
        text: &mut Vec<u8>,
    ) -> Option<Kept> {
        if rows.len() > few {
            return Some(self.kept(looked));
        }
        let end = match rows.last() {
            Some(row) => *self.ends.get(*row)?,
            None => 0,
        };
        if text.len() < end {
            text.resize(end, 0);
        }
        let (mut body, mut bytes) = (Vec::new(), looked);
        for row in rows {
            body.clear();
            self.block.body(*row, &mut body).ok()?;
            let place = text.get_mut(range(self.ends, *row)?)?;
            (place.len() == body.len()).then(|| place.copy_from_slice(&body))?;
            bytes += body.len();
        }
        Some(Kept {
            has_text: true,
            ..self.kept(bytes)
        })
    }

    fn kept(&self, text: usize) -> Kept {
        Kept {
            bytes: self.bytes + text,
            has_text: false,
        }
    }

    /// Puts all bodies together in `into`.
    pub(super) fn all(&self, into: &mut Vec<u8>) -> Option<()> {
        let mut ends = Vec::new();
        into.clear();
        self.block.bodies(into, &mut ends).ok()?;
        (ends == self.ends).then_some(())
    }

    /// Calls `each` with the bodies of `rows`; the bytes that these have.
    pub(super) fn some(
        &self,
        rows: &[usize],
        text: &mut Vec<u8>,
        mut each: impl FnMut(usize, &[u8]),
    ) -> Option<usize> {
        let (mut set, mut ends) = (RowSet::none(self.ends.len()), Vec::new());
        rows.iter().for_each(|row| set.insert(*row));
        text.clear();
        self.block.bodies_of(&set, text, &mut ends).ok()?;
        if ends.len() != rows.len() {
            return None;
        }
        let mut from = 0;
        for (row, end) in rows.iter().zip(ends) {
            let body = text.get(from..end)?;
            if body.len() != range(self.ends, *row)?.len() {
                return None;
            }
            each(*row, body);
            from = end;
        }
        Some(text.len())
    }

    /// The pattern of each of `rows`.
    pub(in crate::segment) fn patterns(&self, rows: &[usize]) -> Option<RowPatterns> {
        self.block.patterns(rows).ok()
    }
}

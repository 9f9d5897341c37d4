//! A block's header, read at once, and its columns, decoded when they are asked for.
//!
//! ```text
//! block   rows varint, bytes of all bodies varint,
//!         templates varint, each: number − previous number varint, rows varint
//!         columns varint, bytes of their heads varint, their heads (see `column`)
//!         for each row the place of its template in that list, packed
//!         the columns' data
//! ```
//!
//! Variables of a column stand in the order of their rows, whatever their templates: value
//! number n of a column belongs to the n-th slot that takes from it. So a row's variables are
//! found by counting the slots of the rows before it.

mod bodies;

use crate::bits::{Packed, bytes_of, width_of};
use crate::column::{Column, Decoded, View};
use crate::damage::Damage;
use crate::dictionary::{Dictionary, RAW_TEMPLATE};
use crate::limits::{BLOCK_BYTES_MAX, ROWS_MAX, VALUES_MAX};
use crate::wire::Wire;
use std::sync::OnceLock;

/// Bodies of one block, as `Encoder::encode` wrote it.
pub struct Block<'a> {
    pub(crate) dictionary: &'a Dictionary,
    rows: usize,
    bytes: usize,
    templates: Vec<TemplateRows>,
    pub(crate) columns: Vec<Column<'a>>,
    row_places: Packed<'a>,
    places: OnceLock<Vec<u16>>,
    layout: OnceLock<Layout>,
    decoded: OnceLock<Box<[OnceLock<Decoded<'a>>]>>,
}

/// How many rows of a block have a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateRows {
    /// The template's number in the dictionary; 0 for rows that are kept raw.
    pub template: u32,
    /// How many rows.
    pub rows: u32,
}

/// Which columns of the block the templates' slots take from.
pub(crate) struct Layout {
    /// Of each template in use, where its slots begin in `slots`; then the end of all.
    starts: Vec<u32>,
    /// The place of each slot's column among the block's.
    slots: Vec<u32>,
}

impl Layout {
    /// The columns of the slots of the template at a place of the block's list.
    #[inline]
    pub(crate) fn slots(&self, place: usize) -> &[u32] {
        &self.slots[self.starts[place] as usize..self.starts[place + 1] as usize]
    }
}

impl<'a> Block<'a> {
    /// Reads a block's header.
    ///
    /// # Errors
    /// When the header is damaged, or the block belongs to another dictionary. Damage of what
    /// is decoded later is found then.
    pub fn read(dictionary: &'a Dictionary, bytes: &'a [u8]) -> Result<Self, Damage> {
        let mut wire = Wire(bytes);
        let rows = wire.up_to(ROWS_MAX)?;
        let body_bytes = wire.up_to(BLOCK_BYTES_MAX)?;
        let templates = read_templates(&mut wire, dictionary, rows)?;
        let columns = wire.up_to(wire.0.len())?;
        let heads = wire.up_to(wire.0.len())?;
        let mut heads = Wire(wire.take(heads)?);
        let width = width_of(templates.len().saturating_sub(1) as u64);
        let row_places = wire.take(bytes_of(rows, width))?;
        let row_places = Packed::new(row_places, rows, width).ok_or(Damage(
            "the list of the rows' templates has the wrong length",
        ))?;
        let columns = read_columns(columns, &mut heads, &mut wire, body_bytes)?;
        if !heads.0.is_empty() || !wire.0.is_empty() {
            return Err(Damage("a block is longer than its header says"));
        }
        Ok(Self {
            dictionary,
            rows,
            bytes: body_bytes,
            templates,
            columns,
            row_places,
            places: OnceLock::new(),
            layout: OnceLock::new(),
            decoded: OnceLock::new(),
        })
    }

    /// How many bodies it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// How many bytes its bodies have together.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The templates in use and their rows, by number.
    #[must_use]
    pub fn templates(&self) -> &[TemplateRows] {
        &self.templates
    }

    /// For each row the place of its template in [`Block::templates`].
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn template_of_rows(&self) -> Result<&[u16], Damage> {
        if self.places.get().is_none() {
            let mut places = Vec::new();
            if !self.row_places.unpack(self.rows, &mut places) {
                return Err(Damage("a block has more templates than rows can name"));
            }
            let mut counts = vec![0; self.templates.len()];
            for place in &places {
                match counts.get_mut(usize::from(*place)) {
                    Some(count) => *count += 1,
                    None => return Err(Damage("a row has a template that the block has not")),
                }
            }
            let agrees = counts
                .iter()
                .zip(&self.templates)
                .all(|(n, t)| *n == t.rows);
            if !agrees {
                return Err(Damage("a block's rows do not add up to its header"));
            }
            // Another thread may have been quicker, with the same.
            let _ = self.places.set(places);
        }
        Ok(self.places.get().map_or(&[], Vec::as_slice))
    }

    /// Which columns the slots take from. Once it is made, every slot has a column, and no
    /// column has fewer values than its slots ask for.
    pub(crate) fn layout(&self) -> Result<&Layout, Damage> {
        const MISSING: Damage = Damage("a template takes from a column that the block has not");
        if let Some(layout) = self.layout.get() {
            return Ok(layout);
        }
        let mut layout = Layout {
            starts: vec![0],
            slots: Vec::new(),
        };
        let mut asked = vec![0_usize; self.columns.len()];
        for used in &self.templates {
            for slot in self.dictionary.slots(used.template) {
                let place = self.place_of_column(slot.column).ok_or(MISSING)?;
                asked[place] = asked[place].saturating_add(used.rows as usize);
                layout.slots.push(place as u32);
            }
            layout.starts.push(layout.slots.len() as u32);
        }
        if asked.iter().zip(&self.columns).any(|(n, c)| *n != c.values) {
            return Err(Damage(
                "a column has not as many variables as its slots take",
            ));
        }
        Ok(self.layout.get_or_init(|| layout))
    }

    pub(crate) fn place_of_column(&self, number: u32) -> Option<usize> {
        self.columns
            .binary_search_by_key(&number, |c| c.number)
            .ok()
    }

    /// The values of the column at a place of the block's list.
    pub(crate) fn view(&self, place: usize) -> Result<View<'_>, Damage> {
        let none = || self.columns.iter().map(|_| OnceLock::new()).collect();
        let decoded = &self.decoded.get_or_init(none)[place];
        let column = &self.columns[place];
        if let Some(decoded) = decoded.get() {
            return column.view(decoded);
        }
        let new = column.decode()?;
        column.view(decoded.get_or_init(|| new))
    }
}

fn read_templates(
    wire: &mut Wire<'_>,
    dictionary: &Dictionary,
    rows: usize,
) -> Result<Vec<TemplateRows>, Damage> {
    let mut templates = Vec::new();
    let (mut template, mut left) = (u64::from(RAW_TEMPLATE), rows);
    let count = wire.up_to(dictionary.templates().min(rows).min(wire.0.len()))?;
    templates.reserve(count);
    for at in 0..count {
        let step = wire.varint()?;
        if at > 0 && step == 0 {
            return Err(Damage("a block names a template twice"));
        }
        template = template.saturating_add(step);
        if template >= dictionary.templates() as u64 {
            return Err(Damage("a block has a template that its dictionary has not"));
        }
        let rows = wire.up_to(left)?;
        left -= rows;
        templates.push(TemplateRows {
            template: template as u32,
            rows: rows as u32,
        });
    }
    if left > 0 || templates.len() > usize::from(u16::MAX) + 1 {
        return Err(Damage("a block's templates do not add up to its rows"));
    }
    Ok(templates)
}

/// All columns. Together they hold no more than the bodies, so that decoding them all is
/// bounded.
fn read_columns<'a>(
    count: usize,
    heads: &mut Wire<'a>,
    data: &mut Wire<'a>,
    body_bytes: usize,
) -> Result<Vec<Column<'a>>, Damage> {
    // A head has at least four bytes, so a false count does not make room for many.
    let mut columns: Vec<Column<'a>> = Vec::with_capacity(count.min(heads.0.len() / 4));
    let (mut values, mut raw_bytes) = (0_usize, 0_usize);
    for _ in 0..count {
        let previous = columns.last().map(|column| column.number);
        let column = Column::read(heads, data, previous.unwrap_or(0))?;
        if previous.is_some_and(|previous| column.number <= previous) {
            return Err(Damage("a block has a column twice"));
        }
        values = values.saturating_add(column.values);
        raw_bytes = raw_bytes.saturating_add(column.raw_bytes);
        columns.push(column);
    }
    if values > VALUES_MAX || raw_bytes > body_bytes {
        return Err(Damage("a block's columns hold more than its bodies"));
    }
    Ok(columns)
}

#[cfg(test)]
mod tests;

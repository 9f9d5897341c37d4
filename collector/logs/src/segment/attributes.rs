//! The attributes of a block's records: a column a name.
//!
//! ```text
//! attributes = count varint, names (length varint, bytes)       of the columns
//!              count varint, shapes (count varint, column varint …)
//!              numbers: the shape of every record               the names it has, in order
//!              column*                                           by their names
//! column     = kind u8 │ values in the order of the records
//!   0        = texts
//!   1        = count varint │ different texts │ numbers: the place in these
//!   2        = numbers, numbers: what 16 lower hex digits, '-', 16 lower hex digits say
//!              (a file and a place in it), as differences
//! texts      = numbers: lengths │ the bytes, one after the other
//! ```
//!
//! At most [`COLUMNS_MAX`] names of a block have a column; the values of the others are in
//! one more column without a name, as (length varint, name, value). So any number of names
//! costs a bounded number of columns, and everything comes back in order, repeated names
//! included.

mod build;
mod uid;

pub(super) use build::{AttributesBuilder, Terms};

use super::numbers::{take, take_bytes, take_count, take_sized};

/// How many names of a block have a column of their own.
pub(super) const COLUMNS_MAX: usize = 256;
/// A column of so many different values is not worth a dictionary.
pub(super) const DICTIONARY_MAX: usize = 4096;

/// A block's attributes, read.
#[derive(Debug)]
pub(super) struct Attributes<'a> {
    names: Vec<&'a [u8]>,
    shapes: Vec<Vec<u32>>,
    of_records: Vec<i64>,
    columns: Vec<Column<'a>>,
}

/// The values of one name.
#[derive(Debug)]
struct Column<'a> {
    texts: Texts<'a>,
    /// The places in `texts`, where these are a dictionary.
    places: Option<Vec<i64>>,
}

#[derive(Debug)]
enum Texts<'a> {
    Borrowed(Vec<&'a [u8]>),
    Uids(Vec<[u8; uid::BYTES]>),
}

impl<'a> Attributes<'a> {
    /// Reads the attributes of `count` records; nothing where the bytes are none.
    pub(super) fn read(bytes: &'a [u8], count: usize) -> Option<Self> {
        let mut at = bytes;
        let mut names = Vec::new();
        for _ in 0..take_count(&mut at)? {
            names.push(take_sized(&mut at)?);
        }
        let columns_count = names.len().min(COLUMNS_MAX + 1);
        let mut shapes = Vec::new();
        for _ in 0..take_count(&mut at)? {
            let mut shape = Vec::new();
            for _ in 0..take_count(&mut at)? {
                let column = u32::try_from(take_count(&mut at)?).ok()?;
                shape.push((usize::try_from(column).ok()? < columns_count).then_some(column)?);
            }
            shapes.push(shape);
        }
        let mut of_records = Vec::new();
        take(&mut at, count, &mut of_records)?;
        let mut lengths = vec![0_usize; columns_count];
        for shape in &of_records {
            for column in shapes.get(usize::try_from(*shape).ok()?)? {
                lengths[*column as usize] += 1;
            }
        }
        let columns = lengths.iter().map(|length| Column::read(&mut at, *length));
        Some(Self {
            columns: columns.collect::<Option<_>>()?,
            names,
            shapes,
            of_records,
        })
    }

    /// The names that have a column of their own.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a [u8]> {
        self.names.iter().take(COLUMNS_MAX).copied()
    }

    /// Whether there are names without a column of their own.
    pub(super) fn has_more_names(&self) -> bool {
        self.names.len() > COLUMNS_MAX
    }

    /// Calls `each` with the records that have `value` under a name that `is_it`.
    pub(super) fn rows_with(
        &self,
        is_it: impl Fn(&[u8]) -> bool,
        value: &[u8],
        mut each: impl FnMut(usize),
    ) {
        let may_have = |(at, column): (usize, &Column<'_>)| {
            at >= COLUMNS_MAX || (is_it(self.names[at]) && column.has(value))
        };
        let may_have: Vec<bool> = self.columns.iter().enumerate().map(may_have).collect();
        if !may_have.contains(&true) {
            return;
        }
        let mut next = vec![0_usize; self.columns.len()];
        for (row, shape) in self.of_records.iter().enumerate() {
            let shape = usize::try_from(*shape)
                .ok()
                .and_then(|s| self.shapes.get(s));
            for column in shape.into_iter().flatten() {
                let column = *column as usize;
                let place = next[column];
                next[column] += 1;
                if may_have[column] {
                    let (name, own) = self.value(column, place);
                    if own == value && (column < COLUMNS_MAX || is_it(name)) {
                        each(row);
                    }
                }
            }
        }
    }

    /// Calls `each` for every attribute of the records in `rows` (ascending), in order.
    pub(super) fn for_each<'s>(
        &'s self,
        rows: &[usize],
        mut each: impl FnMut(usize, &'s [u8], &'s [u8]),
    ) {
        self.for_each_in_column(rows, |row, _, name, value| each(row, name, value));
    }

    /// The same, with the place of the name among [`Self::names`]; beyond them for a name
    /// without a column of its own.
    pub(super) fn for_each_in_column<'s>(
        &'s self,
        rows: &[usize],
        mut each: impl FnMut(usize, usize, &'s [u8], &'s [u8]),
    ) {
        let mut next = vec![0_usize; self.columns.len()];
        let mut rows = rows.iter().copied().peekable();
        for (row, shape) in self.of_records.iter().enumerate() {
            let Some(wanted) = rows.peek() else { return };
            let wanted = *wanted == row;
            let shape = usize::try_from(*shape)
                .ok()
                .and_then(|s| self.shapes.get(s));
            for column in shape.into_iter().flatten() {
                let column = *column as usize;
                let place = next[column];
                next[column] += 1;
                if wanted {
                    let (name, value) = self.value(column, place);
                    each(row, column, name, value);
                }
            }
            if wanted {
                rows.next();
            }
        }
    }

    fn value(&self, column: usize, place: usize) -> (&[u8], &[u8]) {
        let value = self.columns[column].get(place);
        if column < COLUMNS_MAX {
            return (self.names[column], value);
        }
        let mut rest = value;
        let name = take_sized(&mut rest).unwrap_or_default();
        (name, rest)
    }
}

impl<'a> Column<'a> {
    fn read(at: &mut &'a [u8], length: usize) -> Option<Self> {
        let (kind, rest) = at.split_first()?;
        *at = rest;
        let mut places = None;
        let texts = match kind {
            0 => Texts::Borrowed(texts(at, length)?),
            1 => {
                let distinct = take_count(at)?;
                let texts = texts(at, distinct)?;
                let mut read = Vec::new();
                take(at, length, &mut read)?;
                let right = |p: &i64| usize::try_from(*p).is_ok_and(|p| p < texts.len());
                read.iter().all(right).then_some(())?;
                places = Some(read);
                Texts::Borrowed(texts)
            }
            2 => Texts::Uids(uid::read(at, length)?),
            _ => return None,
        };
        Some(Self { texts, places })
    }

    /// Whether any record may have this value.
    fn has(&self, value: &[u8]) -> bool {
        match (&self.texts, &self.places) {
            (Texts::Borrowed(texts), Some(_)) => texts.contains(&value),
            (Texts::Borrowed(_), None) | (Texts::Uids(_), _) => true,
        }
    }

    fn get(&self, at: usize) -> &[u8] {
        let at = match &self.places {
            Some(places) => places.get(at).and_then(|p| usize::try_from(*p).ok()),
            None => Some(at),
        };
        let text = at.and_then(|at| match &self.texts {
            Texts::Borrowed(texts) => texts.get(at).copied(),
            Texts::Uids(texts) => texts.get(at).map(<[u8; uid::BYTES]>::as_slice),
        });
        text.unwrap_or_default()
    }
}

fn texts<'a>(at: &mut &'a [u8], count: usize) -> Option<Vec<&'a [u8]>> {
    let mut lengths = Vec::new();
    take(at, count, &mut lengths)?;
    let texts = lengths
        .iter()
        .map(|length| take_bytes(at, usize::try_from(*length).ok()?));
    texts.collect()
}

#[cfg(test)]
mod tests;

//! Collects the attributes of a block's records.

use super::{COLUMNS_MAX, DICTIONARY_MAX, uid};
use crate::record::append;
use crate::segment::numbers::{put, put_sized, put_varint};
use ahash::AHashMap;
use sonde_proto::semconv;

/// The attributes of a block's records, being collected.
#[derive(Debug, Default)]
pub(in crate::segment) struct AttributesBuilder {
    columns: Vec<Values>,
    by_name: AHashMap<Box<[u8]>, u32>,
    shapes: AHashMap<Box<[u32]>, i64>,
    of_records: Vec<i64>,
    /// The shape of the record before, which most records have too.
    before: Vec<u32>,
    before_id: i64,
    shape: Vec<u32>,
    bytes: usize,
    scratch: Vec<u8>,
}

/// The values of one name, as they come.
#[derive(Debug, Default)]
struct Values {
    name: Box<[u8]>,
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Values {
    fn push(&mut self, value: &[u8]) {
        append(value, &mut self.bytes);
        self.ends.push(self.bytes.len());
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> + Clone {
        let starts = [0].iter().chain(&self.ends);
        starts
            .zip(&self.ends)
            .map(|(from, to)| &self.bytes[*from..*to])
    }
}

/// What a block's attributes are indexed by.
pub(in crate::segment) trait Terms {
    /// A value to be found by its words.
    fn value(&mut self, value: &[u8]);
    /// A name with one of its few values.
    fn pair(&mut self, name: &[u8], value: &[u8]);
}

impl AttributesBuilder {
    /// Takes the attributes of the next record.
    pub(in crate::segment) fn push<'a>(
        &mut self,
        attributes: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    ) {
        self.shape.clear();
        for (name, value) in attributes {
            let column = self.column(name);
            self.shape.push(column);
            self.bytes += name.len() + value.len();
            let values = &mut self.columns[column as usize];
            if (column as usize) < COLUMNS_MAX {
                values.push(value);
            } else {
                self.scratch.clear();
                put_sized(name, &mut self.scratch);
                self.scratch.extend_from_slice(value);
                values.push(&self.scratch);
            }
        }
        if self.of_records.is_empty() || self.shape != self.before {
            let next = self.shapes.len() as i64;
            self.before_id = match self.shapes.get(self.shape.as_slice()) {
                Some(id) => *id,
                None => {
                    self.shapes.insert(self.shape.as_slice().into(), next);
                    next
                }
            };
            std::mem::swap(&mut self.shape, &mut self.before);
        }
        self.of_records.push(self.before_id);
    }

    /// The column of a name, which is usually that of the record before.
    fn column(&mut self, name: &[u8]) -> u32 {
        if let Some(column) = self.before.get(self.shape.len())
            && (*column as usize) < COLUMNS_MAX
            && *self.columns[*column as usize].name == *name
        {
            return *column;
        }
        if let Some(column) = self.by_name.get(name) {
            return *column;
        }
        let next = self.columns.len().min(COLUMNS_MAX);
        if next == self.columns.len() {
            self.columns.push(Values::default());
        }
        if next < COLUMNS_MAX {
            self.columns[next].name = name.into();
            self.by_name.insert(name.into(), next as u32);
        }
        next as u32
    }

    /// How many bytes of names and values were taken.
    pub(in crate::segment) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Appends the block's attributes, says what they are found by, and begins the next.
    pub(in crate::segment) fn finish(&mut self, out: &mut Vec<u8>, terms: &mut impl Terms) {
        put_varint(self.columns.len() as u64, out);
        for column in &self.columns {
            put_sized(&column.name, out);
        }
        let mut shapes: Vec<_> = self.shapes.iter().collect();
        shapes.sort_unstable_by_key(|(_, id)| **id);
        put_varint(shapes.len() as u64, out);
        for (shape, _) in shapes {
            put_varint(shape.len() as u64, out);
            shape
                .iter()
                .for_each(|column| put_varint(u64::from(*column), out));
        }
        put(&self.of_records, out);
        for (n, column) in self.columns.iter().enumerate() {
            put_column(column, n >= COLUMNS_MAX, out, terms);
        }
        self.columns.clear();
        self.by_name.clear();
        self.shapes.clear();
        self.of_records.clear();
        self.before.clear();
        self.bytes = 0;
    }
}

fn put_column(column: &Values, has_names: bool, out: &mut Vec<u8>, terms: &mut impl Terms) {
    // The record's own identifier would be a term of its own in every record.
    let is_uid = *column.name == *semconv::LOG_RECORD_UID.as_bytes();
    let start = out.len();
    out.push(2);
    if is_uid && uid::put_all(column.iter(), out) {
        return;
    }
    out.truncate(start);
    let Some((distinct, places)) = dictionary(column) else {
        out.push(0);
        put_texts(column.iter(), out);
        if !is_uid {
            column
                .iter()
                .for_each(|value| index(value, has_names, terms));
        }
        return;
    };
    out.push(1);
    put_varint(distinct.len() as u64, out);
    put_texts(distinct.iter().copied(), out);
    put(&places, out);
    if is_uid {
        return;
    }
    for value in &distinct {
        index(value, has_names, terms);
        if distinct.len() <= 64 && !has_names {
            terms.pair(&column.name, value);
        }
    }
}

fn index(value: &[u8], has_name: bool, terms: &mut impl Terms) {
    let mut rest = value;
    if has_name {
        crate::segment::numbers::take_sized(&mut rest);
    }
    terms.value(rest);
}

/// The different values and the place of every value in these, where there are few.
fn dictionary(column: &Values) -> Option<(Vec<&[u8]>, Vec<i64>)> {
    let (mut distinct, mut places) = (Vec::new(), Vec::with_capacity(column.ends.len()));
    let mut known = AHashMap::new();
    let few = DICTIONARY_MAX.min(column.ends.len() / 2 + 1);
    for value in column.iter() {
        let next = distinct.len();
        let place = *known.entry(value).or_insert(next);
        if place == next {
            distinct.push(value);
            if distinct.len() > few {
                return None;
            }
        }
        places.push(place as i64);
    }
    Some((distinct, places))
}

fn put_texts<'v>(texts: impl Iterator<Item = &'v [u8]> + Clone, out: &mut Vec<u8>) {
    let lengths: Vec<i64> = texts.clone().map(|text| text.len() as i64).collect();
    put(&lengths, out);
    texts.for_each(|text| append(text, out));
}

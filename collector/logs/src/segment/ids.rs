//! Columns of trace and span IDs, where a record may have none.
//!
//! ```text
//! column = 0                                               no record has one
//!        | 1 │ numbers: 1 where a record has one │ those, one after the other
//!        | 2 │ count varint │ distinct ones │ numbers: 0, or the place in these from 1
//! ```

use super::numbers::{put, put_varint, take, take_bytes, take_count};
use ahash::AHashMap;

/// IDs of `N` bytes, being collected.
#[derive(Debug, Default)]
pub(super) struct IdsBuilder<const N: usize> {
    /// The place in `distinct` from 1, or 0, of every record.
    places: Vec<i64>,
    distinct: Vec<[u8; N]>,
    known: AHashMap<[u8; N], i64>,
}

impl<const N: usize> IdsBuilder<N> {
    pub(super) fn push(&mut self, id: Option<[u8; N]>) {
        let Some(id) = id else {
            return self.places.push(0);
        };
        let next = self.distinct.len() as i64 + 1;
        let place = *self.known.entry(id).or_insert(next);
        if place == next {
            self.distinct.push(id);
        }
        self.places.push(place);
    }

    /// The different ones.
    pub(super) fn distinct(&self) -> &[[u8; N]] {
        &self.distinct
    }

    /// Appends the column and begins the next.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) {
        let present = self.places.iter().filter(|p| **p > 0).count();
        let (distinct, rows) = (self.distinct.len(), self.places.len());
        // A place takes about as many bits as there are places.
        let place_bytes = rows * (64 - (distinct as u64).leading_zeros() as usize) / 8;
        if present == 0 {
            out.push(0);
        } else if distinct * N + place_bytes < present * N + rows / 8 {
            out.push(2);
            put_varint(distinct as u64, out);
            out.extend_from_slice(self.distinct.as_flattened());
            put(&self.places, out);
        } else {
            out.push(1);
            let flags: Vec<i64> = self.places.iter().map(|p| i64::from(*p > 0)).collect();
            put(&flags, out);
            for place in self
                .places
                .iter()
                .filter_map(|p| usize::try_from(p - 1).ok())
            {
                out.extend_from_slice(&self.distinct[place]);
            }
        }
        self.places.clear();
        self.distinct.clear();
        self.known.clear();
    }
}

/// A column of IDs, read.
#[derive(Debug)]
pub(super) struct Ids<'a, const N: usize> {
    /// The place in `ids` from 1, or 0, of every record.
    places: Vec<i64>,
    ids: &'a [[u8; N]],
}

impl<'a, const N: usize> Ids<'a, N> {
    /// Reads a column of `count` records; nothing where the bytes are none.
    pub(super) fn read(bytes: &'a [u8], count: usize) -> Option<Self> {
        let (mode, mut at) = bytes.split_first()?;
        let (mut places, mut ids) = (Vec::new(), &[][..]);
        match mode {
            0 => {}
            1 => {
                take(&mut at, count, &mut places)?;
                let mut present = 0;
                for place in &mut places {
                    present += i64::from(*place != 0);
                    *place = if *place != 0 { present } else { 0 };
                }
                ids = at.as_chunks().0;
                usize::try_from(present).ok().filter(|n| *n == ids.len())?;
            }
            2 => {
                let distinct = take_count(&mut at)?;
                ids = take_bytes(&mut at, distinct.checked_mul(N)?)?.as_chunks().0;
                take(&mut at, count, &mut places)?;
                let right = |p: &i64| usize::try_from(*p).is_ok_and(|p| p <= ids.len());
                places.iter().all(right).then_some(())?;
            }
            _ => return None,
        }
        Some(Self { places, ids })
    }

    /// The ID of a record.
    pub(super) fn get(&self, row: usize) -> Option<&'a [u8; N]> {
        let place = usize::try_from(*self.places.get(row)?).ok()?;
        self.ids.get(place.checked_sub(1)?)
    }

    /// The records with this ID.
    pub(super) fn rows_of(&self, id: &[u8; N]) -> Vec<usize> {
        let rows = 0..self.places.len();
        rows.filter(|row| self.get(*row) == Some(id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn a_column_reads_back(
            ids in prop::collection::vec(prop::option::weighted(0.7, any::<[u8; 8]>()), 0..300),
            different in 1_usize..300,
        ) {
            let ids: Vec<_> = (0..ids.len()).map(|n| ids[n % different.min(ids.len())]).collect();
            let (mut builder, mut bytes) = (IdsBuilder::default(), Vec::new());
            for _ in 0..2 {
                ids.iter().for_each(|id| builder.push(*id));
                bytes.clear();
                builder.finish(&mut bytes);
            }
            let read = Ids::read(&bytes, ids.len()).unwrap();
            let back: Vec<_> = (0..ids.len()).map(|row| read.get(row).copied()).collect();
            prop_assert_eq!(&back, &ids);
            for id in ids.iter().flatten().take(3) {
                let expected: Vec<_> = (0..ids.len()).filter(|row| ids[*row] == Some(*id)).collect();
                prop_assert_eq!(read.rows_of(id), expected);
            }
        }

        #[test]
        fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60), count in 0_usize..1000) {
            if let Some(ids) = Ids::<16>::read(&bytes, count) {
                (0..count).for_each(|row| { ids.get(row); });
            }
        }
    }
}

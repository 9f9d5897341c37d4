//! A set of a block's rows.

use std::ops::Range;

/// Rows of one block, a bit each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowSet {
    words: Vec<u64>,
    rows: usize,
}

impl RowSet {
    /// No row of a block of that many.
    #[must_use]
    pub fn none(rows: usize) -> Self {
        let mut set = Self::default();
        set.reset(rows);
        set
    }

    /// Every row of a block of that many.
    #[must_use]
    pub fn all(rows: usize) -> Self {
        let mut set = Self::none(rows);
        set.fill();
        set
    }

    /// Makes it the set of no row of a block of that many.
    pub fn reset(&mut self, rows: usize) {
        self.words.clear();
        self.words.resize(rows.div_ceil(64), 0);
        self.rows = rows;
    }

    /// Adds every row.
    pub fn fill(&mut self) {
        self.words.fill(u64::MAX);
        self.clear_beyond();
    }

    /// Clears the bits behind the last row.
    fn clear_beyond(&mut self) {
        let beyond = self.words.len() * 64 - self.rows;
        if let Some(last) = self.words.last_mut() {
            *last &= u64::MAX >> beyond;
        }
    }

    /// Makes it those that it has not been.
    pub fn invert(&mut self) {
        self.words.iter_mut().for_each(|word| *word = !*word);
        self.clear_beyond();
    }

    /// Adds a row; one that the block does not have is left out.
    pub fn insert(&mut self, row: usize) {
        if row < self.rows {
            self.words[row / 64] |= 1 << (row % 64);
        }
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: usize) {
        if row < self.rows {
            self.words[row / 64] &= !(1 << (row % 64));
        }
    }

    /// Whether the row is one of them.
    #[must_use]
    pub fn contains(&self, row: usize) -> bool {
        let word = self.words.get(row / 64);
        word.is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// How many they are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.words.iter().map(|w| w.count_ones() as usize).sum()
    }

    /// How many of them are in a range.
    #[must_use]
    pub fn count_in(&self, range: Range<usize>) -> usize {
        let words = self.words_in(range);
        words.map(|(_, word)| word.count_ones() as usize).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.iter().all(|word| *word == 0)
    }

    /// How many rows the block has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The rows, upwards.
    pub fn iter(&self) -> impl Iterator<Item = usize> {
        self.iter_in(0..self.rows)
    }

    /// Those in a range, upwards.
    pub fn iter_in(&self, range: Range<usize>) -> impl Iterator<Item = usize> {
        self.words_in(range).flat_map(|(at, word)| {
            let mut left = word;
            std::iter::from_fn(move || {
                let bit = left.trailing_zeros() as usize;
                left &= left.wrapping_sub(1);
                (bit < 64).then_some(at * 64 + bit)
            })
        })
    }

    /// The words with a range, without the bits that are not in it.
    fn words_in(&self, range: Range<usize>) -> impl Iterator<Item = (usize, u64)> {
        let (from, to) = (range.start, range.end.min(self.rows).max(range.start));
        let words = from / 64..to.div_ceil(64).min(self.words.len());
        words.map(move |at| {
            let below = |row: usize| match row.saturating_sub(at * 64) {
                bits @ 0..64 => (1 << bits) - 1,
                _ => u64::MAX,
            };
            (at, self.words[at] & below(to) & !below(from))
        })
    }

    /// Makes it those of 64 rows each that `word` says, by the number of the 64.
    pub(crate) fn set_words(&mut self, word: impl FnMut(usize) -> u64) {
        let count = self.words.len();
        self.words.clear();
        self.words.extend((0..count).map(word));
        self.clear_beyond();
    }

    /// Keeps only the rows that `other` has too.
    pub fn intersect(&mut self, other: &Self) {
        for (at, word) in self.words.iter_mut().enumerate() {
            *word &= other.words.get(at).copied().unwrap_or(0);
        }
    }

    /// Takes the rows out that `other` has.
    pub fn subtract(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word &= !other;
        }
    }

    /// Adds the rows that `other` has.
    pub fn unite(&mut self, other: &Self) {
        for (word, other) in self.words.iter_mut().zip(&other.words) {
            *word |= other;
        }
        self.words.truncate(self.rows.div_ceil(64));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn it_is_a_set(rows in 0_usize..200, from in 0_usize..250, to in 0_usize..250, a in prop::collection::vec(0_usize..250, 0..40), b in prop::collection::vec(0_usize..250, 0..40)) {
            let make = |rows_in: &[usize]| {
                let (mut set, mut oracle) = (RowSet::none(rows), BTreeSet::new());
                for row in rows_in {
                    set.insert(*row);
                    if *row < rows { oracle.insert(*row); }
                }
                (set, oracle)
            };
            let ((left, left_oracle), (right, right_oracle)) = (make(&a), make(&b));
            prop_assert_eq!(left.iter().collect::<BTreeSet<_>>(), left_oracle.clone());
            prop_assert_eq!(left.count(), left_oracle.len());
            prop_assert_eq!(left.is_empty(), left_oracle.is_empty());
            for range in [0..rows, from..to, to..from, 0..usize::MAX] {
                let inside: Vec<usize> = left_oracle.iter().copied().filter(|row| range.contains(row)).collect();
                prop_assert_eq!(left.count_in(range.clone()), inside.len());
                prop_assert_eq!(left.iter_in(range).collect::<Vec<_>>(), inside);
            }
            let mut same = RowSet::none(rows);
            same.set_words(|at| left.words[at]);
            prop_assert_eq!(&same, &left);
            same.invert();
            prop_assert_eq!(same.iter().collect::<BTreeSet<_>>(), (0..rows).collect::<BTreeSet<_>>().difference(&left_oracle).copied().collect());
            same.set_words(|_| u64::MAX);
            prop_assert_eq!(same, RowSet::all(rows));
            let check = |of: fn(&mut RowSet, &RowSet), expected: BTreeSet<usize>| {
                let mut set = left.clone();
                of(&mut set, &right);
                assert_eq!(set.iter().collect::<BTreeSet<_>>(), expected);
            };
            check(RowSet::intersect, &left_oracle & &right_oracle);
            check(RowSet::subtract, &left_oracle - &right_oracle);
            check(RowSet::unite, &left_oracle | &right_oracle);
            prop_assert_eq!(RowSet::all(rows).iter().collect::<Vec<_>>(), (0..rows).collect::<Vec<_>>());
        }
    }
}

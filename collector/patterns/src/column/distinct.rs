//! Which values of a column are equal.

use crate::split::Span;
use crate::text::{rest, same};

/// Columns with hardly any equal values are given up after so many.
const TRIED: usize = 256;
/// How many of those may be different.
const TRIED_DISTINCT_MAX: usize = 208;
const TABLE_MIN: usize = 1024;
/// How many entries a value is compared with on average before all is given up: texts can be
/// made that all fall on one place.
const STEPS_MAX: usize = 8;

/// The different values of a column, and which of them each value is.
#[derive(Default)]
pub(super) struct Distinct {
    /// Places in `entries`, plus one; 0 where there is none.
    table: Vec<u32>,
    pub(super) entries: Vec<Span>,
    pub(super) ids: Vec<u32>,
    steps: usize,
}

impl Distinct {
    /// Finds the different values; false when nearly all are different, or their search takes
    /// too long.
    pub(super) fn find(&mut self, values: &[Span], bodies: &[u8]) -> bool {
        self.entries.clear();
        self.ids.clear();
        self.table.clear();
        self.table.resize(TABLE_MIN, 0);
        self.steps = 0;
        let mut before: Option<&[u8]> = None;
        for (at, value) in values.iter().enumerate() {
            let all_differ = at == TRIED && self.entries.len() > TRIED_DISTINCT_MAX;
            if all_differ || self.steps > (at + TRIED) * STEPS_MAX {
                return false;
            }
            let text = value.of(bodies);
            if let (Some(id), Some(before)) = (self.ids.last(), before)
                && same(before, text)
            {
                self.ids.push(*id);
                continue;
            }
            before = Some(text);
            let place = self.place_of(text, bodies);
            let mut id = self.table[place];
            if id == 0 {
                self.entries.push(*value);
                id = self.entries.len() as u32;
                self.table[place] = id;
                if self.entries.len() * 2 > self.table.len() {
                    self.grow(bodies);
                }
            }
            self.ids.push(id - 1);
        }
        true
    }

    /// Where a text is in the table, or would be.
    fn place_of(&mut self, text: &[u8], bodies: &[u8]) -> usize {
        let mask = self.table.len() - 1;
        let mut place = mix(text) as usize & mask;
        loop {
            match self.table[place] {
                0 => return place,
                id if same(self.entries[id as usize - 1].of(bodies), text) => return place,
                _ => place = (place + 1) & mask,
            }
            self.steps += 1;
        }
    }

    fn grow(&mut self, bodies: &[u8]) {
        let size = self.table.len() * 4;
        self.table.clear();
        self.table.resize(size, 0);
        for at in 0..self.entries.len() {
            let place = self.place_of(self.entries[at].of(bodies), bodies);
            self.table[place] = at as u32 + 1;
            if self.steps > self.entries.len() * STEPS_MAX * 8 {
                return;
            }
        }
    }
}

/// A hash of a text, without a secret.
fn mix(text: &[u8]) -> u64 {
    const K: u64 = 0x9e37_79b9_7f4a_7c15;
    let fold = |hash: u64, word: u64| {
        let product = u128::from(hash ^ word) * u128::from(K);
        (product as u64) ^ (product >> 64) as u64
    };
    let (words, _) = text.as_chunks::<8>();
    let hash = words.iter().fold(text.len() as u64, |hash, word| {
        fold(hash, u64::from_le_bytes(*word))
    });
    fold(hash.wrapping_add(K), rest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find(values: &[String]) -> (bool, Distinct) {
        let bodies = values.concat().into_bytes();
        let mut from = 0;
        let spans: Vec<Span> = values
            .iter()
            .map(|value| {
                let to = from + value.len() as u32;
                Span {
                    from: std::mem::replace(&mut from, to),
                    to,
                }
            })
            .collect();
        let mut distinct = Distinct::default();
        (distinct.find(&spans, &bodies), distinct)
    }

    #[test]
    fn equal_values_are_one_entry_however_many_there_are() {
        let values: Vec<String> = (0..9000).map(|n| (n % 3000 / 2).to_string()).collect();
        let (found, distinct) = find(&values);
        assert!(found && distinct.entries.len() == 1500);
        assert!(
            distinct
                .ids
                .iter()
                .zip(0..)
                .all(|(id, n)| *id == n % 3000 / 2)
        );
    }

    #[test]
    fn values_that_hardly_repeat_are_given_up() {
        let values: Vec<String> = (0..9000).map(|n| n.to_string()).collect();
        let (found, distinct) = find(&values);
        assert!(!found && distinct.ids.len() == TRIED);
    }

    #[test]
    fn values_made_to_fall_on_one_place_are_given_up_soon() {
        let on_one_place = |n: &u32| mix(n.to_string().as_bytes()) as usize % TABLE_MIN == 7;
        let values: Vec<String> = (0..)
            .filter(on_one_place)
            .take(200)
            .map(|n: u32| n.to_string())
            .collect();
        let (found, distinct) = find(&values);
        assert!(!found && distinct.steps < 5000, "{} steps", distinct.steps);
    }
}

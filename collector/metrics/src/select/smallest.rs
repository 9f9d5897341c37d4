//! The first so many of what is found, by their order, within a budget of memory.

use crate::promql::source::Stop;
use std::borrow::Borrow;
use std::collections::BTreeSet;

/// How many bytes of what is found may be kept.
const BYTES_MAX: u64 = 256 << 20;

/// The smallest items of those that were offered.
pub(crate) struct Smallest<T> {
    found: BTreeSet<T>,
    limit: usize,
    weigh: fn(&T) -> u64,
    bytes: u64,
    bytes_max: u64,
    is_cut: bool,
}

/// What was found, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limited<T> {
    /// The first ones.
    pub items: Vec<T>,
    /// Whether there are more.
    pub is_cut: bool,
}

impl<T: Ord> Smallest<T> {
    /// At most `limit` items; `weigh` tells about how many bytes one takes.
    pub(crate) fn new(limit: usize, weigh: fn(&T) -> u64) -> Self {
        Self {
            found: BTreeSet::new(),
            limit,
            weigh,
            bytes: 0,
            bytes_max: BYTES_MAX,
            is_cut: false,
        }
    }

    /// Whether an item would be among the first. If not, it is noted that there is more.
    pub(crate) fn wants<Q: Ord + ?Sized>(&mut self, item: &Q) -> bool
    where
        T: Borrow<Q>,
    {
        if self.found.len() < self.limit {
            return true;
        }
        let is_before = self.found.last().is_some_and(|last| item < last.borrow());
        if !is_before && !self.found.contains(item) {
            self.is_cut = true;
        }
        is_before
    }

    /// Keeps an item that is among the first.
    pub(crate) fn add(&mut self, item: T) -> Result<(), Stop> {
        if !self.wants(&item) {
            return Ok(());
        }
        let weight = (self.weigh)(&item);
        if !self.found.insert(item) {
            return Ok(());
        }
        self.bytes += weight;
        if self.found.len() > self.limit
            && let Some(last) = self.found.pop_last()
        {
            self.bytes -= (self.weigh)(&last);
            self.is_cut = true;
        }
        if self.bytes > self.bytes_max {
            return Err(Stop::LabelBytesMax(self.bytes_max));
        }
        Ok(())
    }

    pub(crate) fn finish(self) -> Limited<T> {
        Limited {
            items: self.found.into_iter().collect(),
            is_cut: self.is_cut,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn the_first_are_kept_whatever_the_order(
            items in prop::collection::vec(0_u32..40, 0..60),
            limit in 0_usize..50,
        ) {
            let mut smallest = Smallest::new(limit, |_| 1);
            for item in &items {
                smallest.add(*item).unwrap();
                prop_assert_eq!(smallest.bytes, smallest.found.len() as u64);
            }
            let all: BTreeSet<u32> = items.into_iter().collect();
            let is_cut = all.len() > limit;
            let first: Vec<u32> = all.into_iter().take(limit).collect();
            prop_assert_eq!(smallest.finish(), Limited { items: first, is_cut });
        }
    }

    #[test]
    fn what_takes_too_much_memory_is_refused_and_what_was_let_go_counts_no_more() {
        let mut smallest = Smallest::new(2, |text: &String| text.len() as u64);
        smallest.bytes_max = 8;
        for text in ["dddd", "cccc", "bbbb", "aaaa"] {
            smallest.add(text.into()).unwrap();
        }
        let refused = smallest.add("aaaaa".into());
        assert_eq!(refused, Err(Stop::LabelBytesMax(8)));
    }
}

//! The series of a scan, and their buckets.

use crate::eval::cell::Cell;
use crate::eval::column::label_bytes;
use crate::eval::limits::Budget;
use crate::source::Stop;
use ahash::AHashMap;
use sonde_proto::Labels;

/// How many buckets are made at once, at most: a power of two.
const PAGE: usize = 64;

/// Series by their labels.
#[derive(Debug)]
pub(crate) struct Table<C> {
    /// By the labels' key: see [`Key`](crate::eval::key::Key).
    index: AHashMap<Box<[u8]>, u32>,
    series: Vec<Buckets<C>>,
    shape: Shape,
}

/// How the buckets of each series are divided into pages.
#[derive(Clone, Copy, Debug)]
struct Shape {
    buckets: usize,
    shift: u32,
}

/// A series and its buckets, those pages of them that have any record.
#[derive(Debug)]
pub(crate) struct Buckets<C> {
    pub(crate) labels: Labels,
    pages: Box<[Option<Box<[C]>>]>,
    shift: u32,
}

impl<C: Cell> Table<C> {
    pub(crate) fn new(buckets: usize) -> Self {
        let page = buckets.next_power_of_two().min(PAGE);
        Self {
            index: AHashMap::new(),
            series: Vec::new(),
            shape: Shape {
                buckets,
                shift: page.trailing_zeros(),
            },
        }
    }

    /// The series with a key, where there is one.
    pub(crate) fn find(&self, key: &[u8]) -> Option<u32> {
        self.index.get(key).copied()
    }

    /// The series with a key, which gets labels where it is new.
    pub(crate) fn series(
        &mut self,
        budget: &Budget,
        key: &[u8],
        labels: impl FnOnce() -> Labels,
    ) -> Result<u32, Stop> {
        if let Some(found) = self.find(key) {
            return Ok(found);
        }
        if self.series.len() >= budget.limits.series_max {
            return Err(budget.too_many_series());
        }
        let labels = labels();
        let pages = self.shape.buckets.div_ceil(1 << self.shape.shift);
        budget.keep_labels(key.len() + label_bytes(&labels))?;
        budget.keep_state(pages * size_of::<Option<Box<[C]>>>())?;
        #[expect(clippy::cast_possible_truncation, reason = "below `series_max`")]
        let next = self.series.len() as u32;
        self.series.push(Buckets {
            labels,
            pages: vec![None; pages].into(),
            shift: self.shape.shift,
        });
        self.index.insert(key.into(), next);
        Ok(next)
    }

    /// A bucket of a series.
    #[inline]
    pub(crate) fn cell(
        &mut self,
        budget: &Budget,
        series: u32,
        bucket: u32,
    ) -> Result<&mut C, Stop> {
        self.series[series as usize].cell_mut(budget, bucket as usize)
    }

    /// Takes in what another sink found.
    pub(crate) fn merge(&mut self, budget: &Budget, other: Self) -> Result<(), Stop> {
        let mut keys: Vec<Box<[u8]>> = vec![Box::default(); other.series.len()];
        for (key, at) in other.index {
            keys[at as usize] = key;
        }
        for (series, key) in other.series.into_iter().zip(keys) {
            budget.look()?;
            let at = self.series(budget, &key, || series.labels.clone())?;
            self.series[at as usize].merge(series);
        }
        Ok(())
    }

    pub(crate) fn into_series(self) -> Vec<Buckets<C>> {
        self.series
    }
}

impl<C: Cell> Buckets<C> {
    #[inline]
    fn cell_mut(&mut self, budget: &Budget, bucket: usize) -> Result<&mut C, Stop> {
        let page = &mut self.pages[bucket >> self.shift];
        let within = bucket & ((1 << self.shift) - 1);
        let cells = match page {
            Some(cells) => cells,
            None => {
                budget.keep_state(size_of::<C>() << self.shift)?;
                page.insert(vec![C::default(); 1 << self.shift].into())
            }
        };
        Ok(&mut cells[within])
    }

    /// A bucket, where its page has any record.
    pub(crate) fn cell(&self, bucket: usize) -> Option<&C> {
        let page = self.pages[bucket >> self.shift].as_ref()?;
        Some(&page[bucket & ((1 << self.shift) - 1)])
    }

    /// Every bucket that was made.
    pub(crate) fn cells_mut(&mut self) -> impl Iterator<Item = &mut C> {
        self.pages
            .iter_mut()
            .flatten()
            .flat_map(|page| page.iter_mut())
    }

    fn merge(&mut self, other: Self) {
        for (ours, theirs) in self.pages.iter_mut().zip(other.pages) {
            match (&mut *ours, theirs) {
                (_, None) => {}
                (None, theirs) => *ours = theirs,
                (Some(ours), Some(theirs)) => {
                    for (cell, other) in ours.iter_mut().zip(&theirs) {
                        cell.merge(other);
                    }
                }
            }
        }
    }
}

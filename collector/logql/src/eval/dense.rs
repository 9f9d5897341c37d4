//! Counts of one series that wait to be added to its buckets.
//!
//! Times in any order lie in another bucket each. Here a count is one addition in memory that
//! stays near; the table is looked at when the next series begins.

use crate::eval::cell::{Cell, Tally};
use crate::eval::limits::Budget;
use crate::eval::table::Table;
use crate::source::Stop;

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Dense {
    series: Option<u32>,
    tallies: Vec<Tally>,
    /// The buckets between which there are any.
    from: usize,
    to: usize,
}

impl Dense {
    /// Counts are of this series from now on; those of another are added to the table.
    pub(crate) fn begin<C: Cell>(
        &mut self,
        series: u32,
        buckets: usize,
        table: &mut Table<C>,
        budget: &Budget,
    ) -> Result<(), Stop> {
        if self.series == Some(series) {
            return Ok(());
        }
        self.drain(table, budget)?;
        if self.tallies.is_empty() {
            budget.keep_state(buckets * size_of::<Tally>())?;
            self.tallies = vec![Tally::default(); buckets];
        }
        self.series = Some(series);
        (self.from, self.to) = (buckets, 0);
        Ok(())
    }

    /// Counts one record.
    #[inline]
    pub(crate) fn add(&mut self, bucket: u32, bytes: u32) {
        let bucket = bucket as usize;
        if let Some(tally) = self.tallies.get_mut(bucket) {
            tally.add(1, u64::from(bytes));
            self.from = self.from.min(bucket);
            self.to = self.to.max(bucket + 1);
        }
    }

    /// Adds the counts to the table.
    pub(crate) fn drain<C: Cell>(
        &mut self,
        table: &mut Table<C>,
        budget: &Budget,
    ) -> Result<(), Stop> {
        let Some(series) = self.series.take() else {
            return Ok(());
        };
        for bucket in self.from..self.to {
            let tally = std::mem::take(&mut self.tallies[bucket]);
            if tally.count > 0 {
                #[expect(clippy::cast_possible_truncation, reason = "it came as a u32")]
                let cell = table.cell(budget, series, bucket as u32)?;
                cell.take_many(tally.count, tally.bytes);
            }
        }
        Ok(())
    }
}

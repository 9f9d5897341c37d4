//! `fill`: values for what has nothing to match on the other side.
//!
//! For every match group that is on one side and not on the other, at the steps at which it
//! is not, the other side gets a series of the group's labels. Then the sides are paired as if
//! it had been there; what it does not have are labels to take over.

use super::set::Presence;
use super::{ABSENT, Column, Engine, Grid};
use crate::ast::{Binary, Many};
use crate::source::{Source, Stop};

impl<S: Source> Engine<'_, S> {
    /// Adds what stands for missing series to both sides.
    pub(super) fn fill(
        &self,
        b: &Binary,
        many: &mut Vec<Column>,
        one: &mut Vec<Column>,
        grid: &Grid,
    ) -> Result<(), Stop> {
        let fill = b.matching.fill;
        if fill.is_none() {
            return Ok(());
        }
        let (of_many, of_one) = match b.matching.many {
            Some(Many::Right) => (fill.right, fill.left),
            _ => (fill.left, fill.right),
        };
        let manies = self.presence(many, &b.matching, grid)?;
        let ones = self.presence(one, &b.matching, grid)?;
        self.stand_in(&ones, &manies, of_many, many, grid)?;
        self.stand_in(&manies, &ones, of_one, one, grid)
    }

    /// Adds a series to `side` for each group of the other one that it misses.
    fn stand_in(
        &self,
        other: &Presence,
        own: &Presence,
        value: Option<f64>,
        side: &mut Vec<Column>,
        grid: &Grid,
    ) -> Result<(), Stop> {
        let Some(value) = value else {
            return Ok(());
        };
        for (group, there) in other {
            self.work(grid.len as u64)?;
            let here = own.get(group);
            let is_missing = |step: usize| there[step] && here.is_none_or(|here| !here[step]);
            if !(0..grid.len).any(is_missing) {
                continue;
            }
            self.keep_subset(group)?;
            self.keep_values(grid.len)?;
            let at = |step| if is_missing(step) { value } else { ABSENT };
            let values = (0..grid.len).map(at).collect();
            side.push(Column::of_floats(group.clone(), values));
        }
        Ok(())
    }
}

//! `and`, `or`, `unless`: step by step, by signature.

use super::binary::mark_present;
use super::{Column, Engine, Grid};
use crate::ast::{Binary, BinaryOp, Matching};
use crate::source::{Source, Stop};
use ahash::AHashMap;
use sonde_proto::Labels;
use std::collections::hash_map::Entry;

/// At which steps a signature has a value.
pub(super) type Presence = AHashMap<Labels, Vec<bool>>;

impl<S: Source> Engine<'_, S> {
    pub(crate) fn set(
        &self,
        b: &Binary,
        mut lhs: Vec<Column>,
        mut rhs: Vec<Column>,
        grid: &Grid,
    ) -> Result<Vec<Column>, Stop> {
        if b.op == BinaryOp::Or {
            let present = self.presence(&lhs, &b.matching, grid)?;
            self.hide(&mut rhs, &present, &b.matching, false)?;
            lhs.append(&mut rhs);
        } else {
            let present = self.presence(&rhs, &b.matching, grid)?;
            self.hide(&mut lhs, &present, &b.matching, b.op == BinaryOp::And)?;
        }
        lhs.retain(|column| !column.is_blank());
        self.merge_same(lhs)
    }

    pub(super) fn presence(
        &self,
        columns: &[Column],
        matching: &Matching,
        grid: &Grid,
    ) -> Result<Presence, Stop> {
        let mut present = Presence::new();
        for column in columns {
            self.work(grid.len as u64)?;
            let seen = match present.entry(self.signature(&column.labels, matching)?) {
                Entry::Occupied(seen) => seen.into_mut(),
                Entry::Vacant(place) => {
                    self.keep_subset(place.key())?;
                    self.keep_value_bytes(grid.len as u64)?;
                    place.insert(vec![false; grid.len])
                }
            };
            mark_present(seen, column);
        }
        Ok(present)
    }

    /// Removes values where the presence of their signature is not `wanted`.
    fn hide(
        &self,
        columns: &mut [Column],
        present: &Presence,
        matching: &Matching,
        wanted: bool,
    ) -> Result<(), Stop> {
        for column in columns {
            self.work(column.values.len() as u64)?;
            let seen = present.get(&self.signature(&column.labels, matching)?);
            column.hide(|step| seen.is_some_and(|seen| seen[step]) != wanted);
        }
        Ok(())
    }
}

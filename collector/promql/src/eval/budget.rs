//! What an evaluation may take: samples, time, and memory for what it keeps.
//!
//! Everything is charged before it is made. What is kept is never given back to the budget
//! while the query runs: a chain of operators cannot keep more than one budget at once.

use super::{ABSENT, Column, Engine, Grid};
use crate::source::{Room, Source, Stop};
use crate::value::QueryLimits;
use sonde_proto::{Deadline, Labels};
use std::cell::Cell;

/// How much work is done between two looks at the clock.
const WORK_BETWEEN_LOOKS: u64 = 1 << 16;

/// Ranges overlap, so a sample is looked at once per step that it is in: so many times at most,
/// over all samples that a query may take.
const LOOKS_PER_SAMPLE: u64 = 100;

/// A value of a column, in bytes.
const VALUE_BYTES: u64 = size_of::<f64>() as u64;

/// A label set's own memory, and that of its place in a map.
const SET_BYTES: u64 = 64;

/// One label of a set whose texts it shares with another set: two pointers with lengths.
const LABEL_BYTES: u64 = 32;

/// What a label's two texts take besides their bytes.
const TEXT_BYTES: u64 = 32;

/// Looking at so many bytes of text is as much work as looking at one sample.
const BYTES_PER_LOOK: u64 = 64;

/// What was used so far, and how much there is.
pub(crate) struct Budget {
    samples_max: u64,
    label_bytes_max: u64,
    value_bytes_max: u64,
    deadline: Deadline,
    samples: Cell<u64>,
    label_bytes: Cell<u64>,
    value_bytes: Cell<u64>,
    worked: Cell<u64>,
    next_look: Cell<u64>,
}

impl Budget {
    pub(crate) fn new(limits: &QueryLimits) -> Self {
        Self {
            samples_max: limits.samples_max,
            label_bytes_max: limits.label_bytes_max,
            value_bytes_max: limits.value_bytes_max,
            deadline: limits.deadline.clone(),
            samples: Cell::new(0),
            label_bytes: Cell::new(0),
            value_bytes: Cell::new(0),
            worked: Cell::new(0),
            next_look: Cell::new(0),
        }
    }

    fn look(&self) -> Result<(), Stop> {
        if self.deadline.has_passed() {
            return Err(Stop::Deadline);
        }
        Ok(())
    }

    fn work(&self, looks: u64) -> Result<(), Stop> {
        if add(&self.worked, looks) < self.next_look.get() {
            return Ok(());
        }
        let worked = self.worked.get();
        self.next_look
            .set(worked.saturating_add(WORK_BETWEEN_LOOKS));
        self.look()?;
        if worked > self.samples_max.saturating_mul(LOOKS_PER_SAMPLE) {
            return Err(Stop::SamplesMax(self.samples_max));
        }
        Ok(())
    }
}

impl<S: Source> Engine<'_, S> {
    /// What the source may take now. It is soon gone again: who keeps of it accounts for that.
    pub(crate) fn room(&self) -> Result<Room, Stop> {
        let mut room = self.room.clone();
        room.take_label_bytes(self.budget.label_bytes.get())?;
        room.take_samples(self.budget.samples.get())?;
        Ok(room)
    }

    /// Accounts for samples before they are read or made room for.
    pub(crate) fn spend(&self, samples: u64) -> Result<(), Stop> {
        let max = self.budget.samples_max;
        charge(&self.budget.samples, samples, max, Stop::SamplesMax)?;
        self.work(samples)
    }

    /// Accounts for the values of so many series, all at once, before the first is read.
    pub(crate) fn spend_columns(&self, series: usize, grid: &Grid) -> Result<(), Stop> {
        let values = (series as u64).saturating_mul(grid.len as u64);
        let max = self.budget.samples_max;
        charge(&self.budget.samples, values, max, Stop::SamplesMax)
    }

    /// Accounts for looking at samples, which takes time and no memory.
    pub(crate) fn work(&self, looks: u64) -> Result<(), Stop> {
        self.budget.work(looks)
    }

    /// Looks at the clock, before what may take long for its size.
    pub(crate) fn look(&self) -> Result<(), Stop> {
        self.budget.look()
    }

    /// Accounts for bytes of values that are kept until the query has its answer.
    pub(crate) fn keep_value_bytes(&self, bytes: u64) -> Result<(), Stop> {
        let max = self.budget.value_bytes_max;
        charge(&self.budget.value_bytes, bytes, max, Stop::ValueBytesMax)
    }

    /// Whether bytes of values that are soon gone fit beside those that are kept.
    pub(crate) fn fit_value_bytes(&self, bytes: u64) -> Result<(), Stop> {
        let max = self.budget.value_bytes_max;
        let held = self.budget.value_bytes.get().saturating_add(bytes);
        if held > max {
            return Err(Stop::ValueBytesMax(max));
        }
        Ok(())
    }

    /// Accounts for so many values that are kept.
    pub(crate) fn keep_values(&self, values: usize) -> Result<(), Stop> {
        self.keep_value_bytes((values as u64).saturating_mul(VALUE_BYTES))
    }

    /// Accounts for a label set that is kept, with `text` bytes of names and values of its own.
    pub(crate) fn keep_labels(&self, labels: usize, text: usize) -> Result<(), Stop> {
        let (labels, text) = (labels as u64, text as u64);
        let bytes = SET_BYTES
            .saturating_add(labels.saturating_mul(LABEL_BYTES))
            .saturating_add(text);
        let max = self.budget.label_bytes_max;
        charge(&self.budget.label_bytes, bytes, max, Stop::LabelBytesMax)?;
        self.work(1 + bytes / BYTES_PER_LOOK)
    }

    /// Accounts for a series as it came from the source, which is kept.
    pub(crate) fn keep_column(&self, column: &Column) -> Result<(), Stop> {
        let text = |(name, value): (&str, &str)| name.len() + value.len() + TEXT_BYTES as usize;
        let texts = column.labels.iter().map(text).sum();
        self.keep_labels(column.labels.len(), texts)?;
        self.keep_value_bytes(column.histograms.bytes())?;
        self.keep_values(column.values.len())
    }

    /// Accounts for a label set made of labels of another one.
    pub(crate) fn keep_subset(&self, labels: &Labels) -> Result<(), Stop> {
        self.keep_labels(labels.len(), 0)
    }

    /// A column without values, which is kept.
    pub(crate) fn blank(&self, grid: &Grid) -> Result<Vec<f64>, Stop> {
        self.filled(grid, ABSENT)
    }

    /// A column with one value at every step, which is kept.
    pub(crate) fn filled(&self, grid: &Grid, value: f64) -> Result<Vec<f64>, Stop> {
        self.spend(grid.len as u64)?;
        self.keep_values(grid.len)?;
        Ok(vec![value; grid.len])
    }
}

fn add(used: &Cell<u64>, more: u64) -> u64 {
    used.set(used.get().saturating_add(more));
    used.get()
}

fn charge(used: &Cell<u64>, more: u64, max: u64, stop: fn(u64) -> Stop) -> Result<(), Stop> {
    if add(used, more) > max {
        return Err(stop(max));
    }
    Ok(())
}

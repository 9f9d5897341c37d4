//! One series over a grid: a number, a histogram or nothing at each step.

use super::{ABSENT, is_absent};
use crate::histogram;
use sonde_proto::{Histogram, Labels};
use std::sync::Arc;

/// One value per step of one series.
#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) labels: Labels,
    /// [`ABSENT`] where there is no number.
    pub(crate) values: Vec<f64>,
    /// The histograms, at steps without a number.
    pub(crate) histograms: Sparse,
}

/// Histograms by step. Where there are none it costs nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sparse(Vec<(u32, Arc<Histogram>)>);

impl Column {
    /// A series of numbers.
    pub(crate) fn of_floats(labels: Labels, values: Vec<f64>) -> Self {
        Self {
            labels,
            values,
            histograms: Sparse::default(),
        }
    }

    /// Whether there is anything at a step.
    pub(crate) fn is_present(&self, step: usize) -> bool {
        !is_absent(self.values[step]) || self.histograms.get(step).is_some()
    }

    /// Whether there is nothing at any step.
    pub(crate) fn is_blank(&self) -> bool {
        self.histograms.is_empty() && self.values.iter().all(|value| is_absent(*value))
    }

    /// The steps at which there is something, as 1 in `values`; what is not is [`ABSENT`].
    pub(crate) fn each_present(&self, mut visit: impl FnMut(usize)) {
        let present = self.values.iter().enumerate();
        present
            .filter(|(_, value)| !is_absent(**value))
            .for_each(|(step, _)| visit(step));
        self.histograms.iter().for_each(|(step, _)| visit(step));
    }

    /// Removes what is at a step.
    pub(crate) fn hide(&mut self, is_hidden: impl Fn(usize) -> bool) {
        let values = self.values.iter_mut().enumerate();
        values
            .filter(|(step, _)| is_hidden(*step))
            .for_each(|(_, value)| *value = ABSENT);
        self.histograms.retain(|step| !is_hidden(step));
    }

    /// Takes over what another one has. At a step at which both have something, nothing is
    /// changed and it says so.
    pub(crate) fn fill_from(&mut self, other: Self) -> Result<(), Clash> {
        if !(self.histograms.is_empty() && other.histograms.is_empty()) {
            let mut clash = false;
            other.each_present(|step| clash |= self.is_present(step));
            if clash {
                return Err(Clash);
            }
            self.histograms.0.extend(other.histograms.0);
            self.histograms.0.sort_by_key(|(step, _)| *step);
        }
        for (value, other) in self.values.iter_mut().zip(other.values) {
            if is_absent(*value) {
                *value = other;
            } else if !is_absent(other) {
                return Err(Clash);
            }
        }
        Ok(())
    }
}

/// Two values at one step.
pub(crate) struct Clash;

impl Sparse {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, step: usize) -> Option<&Arc<Histogram>> {
        let at = |(at, _): &(u32, _)| (*at as usize).cmp(&step);
        let found = self.0.binary_search_by(at).ok()?;
        self.0.get(found).map(|(_, histogram)| histogram)
    }

    /// Steps and histograms, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (usize, &Arc<Histogram>)> {
        self.0.iter().map(|(step, h)| (*step as usize, h))
    }

    /// Adds one at a step behind all others.
    pub(crate) fn push(&mut self, step: usize, histogram: Arc<Histogram>) {
        self.0.push((step as u32, histogram));
    }

    pub(crate) fn retain(&mut self, is_kept: impl Fn(usize) -> bool) {
        self.0.retain(|(step, _)| is_kept(*step as usize));
    }

    /// Changes each.
    pub(crate) fn change(&mut self, change: impl Fn(&mut Histogram)) {
        self.0
            .iter_mut()
            .for_each(|(_, histogram)| change(Arc::make_mut(histogram)));
    }

    /// How many bytes they take when no two are one.
    pub(crate) fn bytes_apart(&self) -> u64 {
        self.0.iter().map(|(_, h)| histogram::bytes(h)).sum()
    }

    /// How many bytes they take; one that stands at several steps in a row takes its once.
    pub(crate) fn bytes(&self) -> u64 {
        let mut before: Option<&Arc<Histogram>> = None;
        let mut sum = 0;
        for (_, histogram) in &self.0 {
            sum += size_of::<(u32, Arc<Histogram>)>() as u64;
            if before.is_none_or(|before| !Arc::ptr_eq(before, histogram)) {
                sum += histogram::bytes(histogram);
            }
            before = Some(histogram);
        }
        sum
    }
}

//! From buckets to windows.

use crate::ast::RangeOp;
use crate::eval::cell::{Cell, State, Tally};
use crate::eval::column::ABSENT;
use crate::eval::counter;
use crate::eval::lattice::Lattice;
use crate::eval::limits::{Budget, Work};
use crate::eval::table::Buckets;
use crate::source::Stop;
use sonde_proto::UnixNanos;
use std::ops::Range;

/// What is computed for each window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted {
    pub(crate) op: RangeOp,
    /// The quantile of `quantile_over_time`.
    pub(crate) parameter: f64,
    /// The window's length in nanoseconds.
    pub(crate) range: i64,
}

impl Wanted {
    /// The window's length, rounded as the language's own engine rounds it.
    pub(crate) fn seconds(&self) -> f64 {
        let whole = self.range / 1_000_000_000;
        whole as f64 + (self.range % 1_000_000_000) as f64 / 1e9
    }
}

/// A cell that windows can be computed from.
pub(crate) trait Windowed: Cell {
    /// The value of each window of a series; [`ABSENT`] where no record is in it.
    fn windows(
        series: &mut Buckets<Self>,
        lattice: &Lattice,
        wanted: &Wanted,
        out: &mut [f64],
        budget: &Budget,
        work: &mut Work,
    ) -> Result<(), Stop>;
}

impl Windowed for Tally {
    /// Counts are whole numbers: what leaves the window is subtracted, without a rest.
    fn windows(
        series: &mut Buckets<Self>,
        lattice: &Lattice,
        wanted: &Wanted,
        out: &mut [f64],
        budget: &Budget,
        work: &mut Work,
    ) -> Result<(), Stop> {
        let seconds = wanted.seconds();
        let mut held = 0..0;
        let mut inside = Self::default();
        for (at, value) in out.iter_mut().enumerate() {
            let window = lattice.window(at);
            if window.start >= held.end {
                held = window.start..window.start;
                inside = Self::default();
            }
            work.add(budget, 1 + window.end - held.end)?;
            for bucket in held.end..window.end {
                inside.merge(&series.cell(bucket).copied().unwrap_or_default());
            }
            for bucket in held.start..window.start {
                inside.remove(series.cell(bucket).copied().unwrap_or_default());
            }
            held = window;
            if !inside.is_blank() {
                *value = inside.value(wanted.op, seconds);
            }
        }
        Ok(())
    }
}

impl Windowed for State {
    fn windows(
        series: &mut Buckets<Self>,
        lattice: &Lattice,
        wanted: &Wanted,
        out: &mut [f64],
        budget: &Budget,
        work: &mut Work,
    ) -> Result<(), Stop> {
        if matches!(wanted.op, RangeOp::Quantile | RangeOp::RateCounter) {
            return lists(series, lattice, wanted, out, budget, work);
        }
        let seconds = wanted.seconds();
        let mut queue = Queue::default();
        for (at, value) in out.iter_mut().enumerate() {
            let window = lattice.window(at);
            work.add(budget, 1 + window.end - queue.held.end.max(window.start))?;
            let state = queue.slide(series, window);
            if !state.is_blank() {
                *value = state.value(wanted.op, seconds);
            }
        }
        Ok(())
    }
}

/// The merged states of a window that slides on, with one merge a bucket on average although
/// nothing can be subtracted: the front holds, for each of its buckets, what is from there to
/// the front's end; the back is one state that grows. When the front is used up, the back
/// becomes the front.
#[derive(Default)]
struct Queue {
    held: Range<usize>,
    /// The first bucket behind the front.
    middle: usize,
    /// From a bucket to the front's end; the last is the earliest.
    front: Vec<State>,
    back: State,
}

impl Queue {
    fn slide(&mut self, series: &Buckets<State>, window: Range<usize>) -> State {
        if window.start >= self.held.end {
            // Nothing of the last window is in this one.
            self.held = window.start..window.start;
            self.middle = window.start;
            self.front.clear();
            self.back = State::Blank;
        }
        for bucket in self.held.end..window.end {
            if let Some(cell) = series.cell(bucket) {
                self.back.merge(cell);
            }
        }
        self.held = window;
        if self.held.start >= self.middle {
            self.turn(series);
        } else {
            self.front.truncate(self.middle - self.held.start);
        }
        let mut state = self.front.last().cloned().unwrap_or_default();
        state.merge(&self.back);
        state
    }

    fn turn(&mut self, series: &Buckets<State>) {
        self.front.clear();
        self.back = State::Blank;
        self.middle = self.held.end;
        let mut rest = State::Blank;
        for bucket in self.held.clone().rev() {
            if let Some(cell) = series.cell(bucket).filter(|cell| !cell.is_blank()) {
                let mut longer = cell.clone();
                longer.merge(&rest);
                rest = longer;
            }
            self.front.push(rest.clone());
        }
    }
}

/// Windows for which every value is looked at.
fn lists(
    series: &mut Buckets<State>,
    lattice: &Lattice,
    wanted: &Wanted,
    out: &mut [f64],
    budget: &Budget,
    work: &mut Work,
) -> Result<(), Stop> {
    for cell in series.cells_mut() {
        if let State::All(values) = cell {
            work.add(budget, values.len())?;
            // Stable: of one time, what came first stays first.
            values.sort_by_key(|(time, _)| *time);
        }
    }
    let mut values: Vec<(UnixNanos, f64)> = Vec::new();
    for (at, value) in out.iter_mut().enumerate() {
        values.clear();
        let window = lattice.window(at);
        work.add(budget, 1 + window.len())?;
        for bucket in window {
            if let Some(State::All(more)) = series.cell(bucket) {
                work.add(budget, more.len())?;
                values.extend_from_slice(more);
            }
        }
        *value = match wanted.op {
            _ if values.is_empty() => ABSENT,
            RangeOp::RateCounter => counter::rate(&values, wanted.range, wanted.seconds()),
            _ => counter::quantile(wanted.parameter, &mut values),
        };
    }
    Ok(())
}

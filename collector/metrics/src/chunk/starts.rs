//! Since when samples count: in memory by time, in a segment by sample.
//!
//! ```text
//! column   u8 4 │ length of the starts │ starts │ the column of values or histograms itself
//! starts   runs of samples that follow one another: samples × 4 + kind │ number
//!          kind 0: it is not known, without a number │ 1: all the same, as start − that of the
//!          sample before the run (of the first: − its time) │ 2: each counts from about the
//!          sample before it, as start − that one's time │ 3: start − the sample's own time
//!          (numbers base 128, those with a sign zigzag)
//! ```
//!
//! A process counts from one start for weeks, so a chunk takes some eight bytes for it. A sender
//! that begins anew with every sample, at the one before or shortly before its own, takes as
//! much. A chunk of which nothing is known has no such column.

use super::bits::{Damaged, unzigzag, zigzag};
use crate::Samples;
use crate::translate::wire::varint;
use smallvec::SmallVec;
use std::collections::BTreeMap;

/// The first byte of a column that begins with starts.
const STARTS: u8 = 4;
/// Not known.
const UNKNOWN: u64 = 0;
/// The same for all.
const SAME: u64 = 1;
/// At the sample before.
const AFTER: u64 = 2;
/// Before the own time.
const OWN: u64 = 3;

/// What a late sample takes that has a start of its own, about.
const LATE_BYTES: usize = size_of::<(i64, i64)>() * 3 / 2;

/// Since when the samples of one series count, in memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Starts {
    /// Each for the samples from its time on, up to that of the next. Before the first it is not
    /// known.
    runs: SmallVec<[(i64, i64); 1]>,
    /// Most have none.
    late: Option<Box<Late>>,
}

/// Those of late samples that differ from the run they fall in, by time. They may be as many as
/// samples, so that none costs a look at the others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Late(BTreeMap<i64, i64>);

impl Starts {
    /// Since when the sample at a time counts; 0 where that is not known.
    pub(crate) fn at(&self, time: i64) -> i64 {
        if let Some(start) = self.late.as_ref().and_then(|late| late.0.get(&time)) {
            return *start;
        }
        let after = self.runs.partition_point(|(from, _)| *from <= time);
        let before = after
            .checked_sub(1)
            .and_then(|before| self.runs.get(before));
        before.map_or(0, |(_, start)| *start)
    }

    /// Notes it of a sample that is newer than all before.
    pub(crate) fn push(&mut self, time: i64, start: i64) {
        match self.runs.last() {
            Some((from, _)) if *from >= time => self.insert(time, start),
            Some((_, last)) if *last == start => {}
            None if start == 0 => {}
            _ => self.runs.push((time, start)),
        }
    }

    /// Notes it of a sample among others, whose own stay what they are.
    pub(crate) fn insert(&mut self, time: i64, start: i64) {
        if self.at(time) != start {
            self.late.get_or_insert_default().0.insert(time, start);
        }
    }

    /// About how many bytes they take beside what every one takes.
    pub(crate) fn bytes(&self) -> usize {
        let runs = if self.runs.spilled() {
            self.runs.capacity() * size_of::<(i64, i64)>()
        } else {
            0
        };
        runs + self.late.as_ref().map_or(0, |late| late.0.len()) * LATE_BYTES
    }

    /// Says it of the samples behind the first so many floats and histograms.
    pub(crate) fn tell(&self, samples: &mut Samples, (floats, histograms): (usize, usize)) {
        for at in floats..samples.times.len() {
            samples.set_start(at, self.at(samples.times[at]));
        }
        for sample in samples.histograms.iter_mut().skip(histograms) {
            sample.start = self.at(sample.time);
        }
    }
}

/// A column with the starts of its samples before it; the column itself where none is known.
pub(crate) fn with(starts: &[i64], times: &[i64], column: Vec<u8>) -> (Vec<u8>, bool) {
    if starts.iter().all(|start| *start == 0) {
        return (column, false);
    }
    let encoded = write(starts, times);
    let mut out = vec![STARTS];
    put(&mut out, encoded.len() as u64);
    out.extend(encoded);
    out.extend(column);
    (out, true)
}

/// The starts of a column, empty where there are none, and what stands behind them.
pub(crate) fn split(column: &[u8]) -> Result<(&[u8], &[u8]), Damaged> {
    let Some((&STARTS, mut rest)) = column.split_first() else {
        return Ok((&[], column));
    };
    let length = usize::try_from(take(&mut rest)?).map_err(|_| Damaged)?;
    rest.split_at_checked(length).ok_or(Damaged)
}

fn write(starts: &[i64], times: &[i64]) -> Vec<u8> {
    let (mut out, mut from) = (Vec::new(), 0);
    let mut reference = times.first().copied().unwrap_or_default();
    while from < starts.len() {
        let run = longest(starts, times, from);
        put(&mut out, (run.samples as u64) << 2 | run.kind);
        match run.kind {
            UNKNOWN => {}
            SAME => put(&mut out, zigzag(run.number.wrapping_sub(reference))),
            _ => put(&mut out, zigzag(run.number)),
        }
        from += run.samples;
        reference = starts[from - 1];
    }
    out
}

struct Run {
    samples: usize,
    kind: u64,
    number: i64,
}

/// The kind that says the most of the samples from a place on.
fn longest(starts: &[i64], times: &[i64], from: usize) -> Run {
    let samples = |kind, number| {
        let told =
            (from..starts.len()).take_while(|at| of(kind, number, times, *at) == starts[*at]);
        Run {
            samples: told.count(),
            kind,
            number,
        }
    };
    let start = starts[from];
    if start == 0 {
        return samples(UNKNOWN, 0);
    }
    let mut best = samples(SAME, start);
    let after = from.checked_sub(1).map(|before| times[before]);
    let after = after.map(|time| samples(AFTER, start.wrapping_sub(time)));
    let own = samples(OWN, start.wrapping_sub(times[from]));
    for run in after.into_iter().chain([own]) {
        if run.samples > best.samples {
            best = run;
        }
    }
    best
}

/// Since when the sample at a place counts, by a run that it is in. A run of [`AFTER`] does not
/// begin with the first sample.
fn of(kind: u64, number: i64, times: &[i64], at: usize) -> i64 {
    match kind {
        UNKNOWN => 0,
        SAME => number,
        AFTER => times[at.saturating_sub(1)].wrapping_add(number),
        _ => times[at].wrapping_add(number),
    }
}

/// Reads what [`split`] found: since when each of the samples at these times counts.
pub(crate) fn read(
    mut bytes: &[u8],
    times: &[i64],
    mut visit: impl FnMut(usize, i64),
) -> Result<(), Damaged> {
    if bytes.is_empty() {
        return Ok(());
    }
    let (mut from, mut reference) = (0, times.first().copied().unwrap_or_default());
    while from < times.len() {
        let head = take(&mut bytes)?;
        let samples = usize::try_from(head >> 2).map_err(|_| Damaged)?;
        if samples == 0 || samples > times.len() - from {
            return Err(Damaged);
        }
        let kind = head & 3;
        let number = match kind {
            UNKNOWN => 0,
            SAME => reference.wrapping_add(unzigzag(take(&mut bytes)?)),
            _ => unzigzag(take(&mut bytes)?),
        };
        for at in from..from + samples {
            reference = of(kind, number, times, at);
            visit(at, reference);
        }
        from += samples;
    }
    if bytes.is_empty() {
        Ok(())
    } else {
        Err(Damaged)
    }
}

fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Result<u64, Damaged> {
    varint(bytes).map_err(|_| Damaged)
}

#[cfg(test)]
mod tests;

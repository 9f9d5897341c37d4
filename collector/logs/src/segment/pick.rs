//! Which rows of a block are of streams and times that are asked for.

use super::Damage;
use super::attributes::Attributes;
use super::directory::Section;
use super::fetch::Scratch;
use super::reader::Block;
use crate::record::metadata::{self, name_of};
use crate::search::{ChooseError, Chosen, Lines};
use sonde_proto::{TraceId, UnixNanos};
use std::ops::Range;

/// The rows that are left of a block, by the streams that they are of.
pub(super) struct Picked {
    pub(super) runs: Vec<PickedRun>,
}

/// Rows of one stream.
#[derive(Clone, Debug)]
pub(super) struct PickedRun {
    pub(super) stream: u32,
    pub(super) rows: Range<usize>,
    /// How many bytes of bodies the whole run has.
    pub(super) body_bytes: u64,
    /// The equalities that its records must have by themselves.
    lacking: u32,
}

impl Picked {
    /// The rows of streams that are asked for, where a record of the block may have the
    /// equalities that its stream lacks.
    pub(super) fn of_streams(
        block: &Block<'_>,
        chosen: &Chosen<'_>,
        may_have: u32,
    ) -> Result<Self, ChooseError> {
        let (mut runs, mut at, all) = (Vec::new(), 0_usize, block.records());
        for run in block.runs() {
            chosen.decide(run.stream, block.segment())?;
            let end = at.saturating_add(run.records as usize).min(all);
            if let Some(lacking) = chosen.lacking(run.stream as usize)
                && lacking & !may_have == 0
                && at < end
            {
                runs.push(PickedRun {
                    stream: run.stream,
                    rows: at..end,
                    body_bytes: run.body_bytes,
                    lacking,
                });
            }
            at = end;
        }
        Ok(Self { runs })
    }

    /// Reads the streams that are left.
    pub(super) fn know(&self, block: &Block<'_>, chosen: &Chosen<'_>) -> Result<(), ChooseError> {
        let mut runs = self.runs.iter();
        runs.try_for_each(|run| chosen.know(run.stream, block.segment()))
    }

    /// Reads the streams of some of its rows, ascending.
    pub(super) fn know_streams_of(
        &self,
        rows: &[usize],
        block: &Block<'_>,
        chosen: &Chosen<'_>,
    ) -> Result<(), ChooseError> {
        let mut streams = self.streams_of(rows);
        streams.try_for_each(|stream| chosen.know(stream, block.segment()))
    }

    /// Keeps the rows of a time. The rows of a run are in the order of their times.
    pub(super) fn keep_times(&mut self, times: &[UnixNanos], (start, end): (UnixNanos, UnixNanos)) {
        for run in &mut self.runs {
            let of_run = &times[run.rows.clone()];
            let from = run.rows.start + of_run.partition_point(|time| *time < start);
            let to = run.rows.start + of_run.partition_point(|time| *time < end);
            run.rows = from..to.max(from);
        }
        self.runs.retain(|run| !run.rows.is_empty());
    }

    pub(super) fn records(&self) -> usize {
        self.runs.iter().map(|run| run.rows.len()).sum()
    }

    /// The rows, ascending.
    pub(super) fn rows(&self) -> Vec<usize> {
        self.runs.iter().flat_map(|run| run.rows.clone()).collect()
    }

    /// The stream of each of `rows`, ascending rows that are among the picked.
    pub(super) fn streams_of<'r>(
        &'r self,
        rows: &'r [usize],
    ) -> impl Iterator<Item = u32> + use<'r> {
        self.runs_of(rows).map(|run| run.stream)
    }

    fn runs_of<'r>(&'r self, rows: &'r [usize]) -> impl Iterator<Item = &'r PickedRun> + use<'r> {
        let mut runs = self.runs.iter().peekable();
        rows.iter().map_while(move |row| {
            while runs.next_if(|run| run.rows.end <= *row).is_some() {}
            runs.peek().copied()
        })
    }

    /// Drops of `rows` those that lack an equality which their stream lacks too.
    pub(super) fn keep_equalities(
        &self,
        block: &Block<'_>,
        scratch: &mut Scratch,
        lines: &Lines<'_>,
        chosen: &Chosen<'_>,
        rows: &mut Vec<usize>,
    ) -> Result<(), Damage> {
        let lacking = self.runs.iter().fold(0, |all, run| all | run.lacking);
        if lacking == 0 || chosen.all() {
            return Ok(());
        }
        let records = block.records();
        let mut attributes = None;
        for (n, (name, value)) in lines.equalities.iter().enumerate() {
            let is_column = matches!(name.as_str(), metadata::SPAN_ID | metadata::SEVERITY_NUMBER);
            if lacking >> n & 1 == 0 || is_column || rows.is_empty() {
                continue;
            }
            let mut has = vec![false; records];
            if name == metadata::TRACE_ID
                && let Ok(id) = TraceId::from_hex(value)
            {
                let of_trace = block.traces()?.rows_of(id.as_bytes());
                of_trace.iter().for_each(|row| has[*row] = true);
            }
            if attributes.is_none() {
                let Scratch {
                    unpacker,
                    attributes: bytes,
                    ..
                } = &mut *scratch;
                let nonsense = || block.nonsense(Section::Attributes);
                unpacker
                    .unpack_sized(block.section(Section::Attributes)?, bytes)
                    .ok_or_else(nonsense)?;
                attributes = Some(());
            }
            let read = Attributes::read(&scratch.attributes, records)
                .ok_or_else(|| block.nonsense(Section::Attributes))?;
            let is_it = |own: &[u8]| {
                metadata::is_shown(own)
                    && std::str::from_utf8(own).is_ok_and(|own| name_of(own) == name.as_str())
            };
            read.rows_with(is_it, value.as_bytes(), |row| has[row] = true);
            let mut runs = self.runs.iter().peekable();
            rows.retain(|row| {
                while runs.next_if(|run| run.rows.end <= *row).is_some() {}
                let lacks = runs.peek().is_some_and(|run| run.lacking >> n & 1 == 1);
                !lacks || has[*row]
            });
        }
        Ok(())
    }
}

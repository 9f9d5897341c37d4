//! Gives the records of one block that are asked for to a sink of a query for numbers.
//!
//! As little is read as the sink can do with: a stream's part of a block may lie in one span
//! of time, which the directory says; or its times are enough, which are a column; only where
//! records are needed, bodies and attributes are read.

use super::Damage;
use super::bodies::{Pages, ROWS_FEW};
use super::candidates::Candidate;
use super::directory::Section;
use super::fetch::Scratch;
use super::pick::{Picked, PickedRun};
use super::reader::{Block, Segment};
use super::stages::{Details, Named};
use crate::record::metadata::{self, Metadata};
use crate::search::{ChooseError, Chosen, Lines};
use sonde_logql::source::{Needs, Record, Scan, Sink, Span, Stop};
use sonde_proto::UnixNanos;
use std::ops::Range;

/// Why a block was not given whole.
#[derive(Debug)]
pub(crate) enum Ended {
    /// It cannot be read.
    Damaged(Damage),
    /// The sink has had enough.
    Stopped(Stop),
    /// The query has too many streams in hand: what the answer says then.
    NoRoom(String),
}

impl From<ChooseError> for Ended {
    fn from(error: ChooseError) -> Self {
        match error {
            ChooseError::Damaged(damage) => Self::Damaged(damage),
            ChooseError::NoRoom(why) => Self::NoRoom(why),
        }
    }
}

impl From<Damage> for Ended {
    fn from(damage: Damage) -> Self {
        Self::Damaged(damage)
    }
}

impl From<Stop> for Ended {
    fn from(stop: Stop) -> Self {
        Self::Stopped(stop)
    }
}

/// What was given.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Fed {
    pub(crate) records: u64,
    /// Of the lines of these, where it is known.
    pub(crate) line_bytes: u64,
    /// Bytes that were looked at.
    pub(crate) bytes: u64,
}

/// A question, and what a sink is told about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Feeding<'a> {
    pub(crate) lines: &'a Lines<'a>,
    pub(crate) needs: Needs,
    /// The names of metadata that matter, where they are known.
    pub(crate) names: Option<&'a [String]>,
}

impl<'a> Feeding<'a> {
    pub(crate) fn new(lines: &'a Lines<'a>, scan: &Scan<'a>) -> Self {
        Self {
            lines,
            needs: scan.needs,
            names: scan.metadata,
        }
    }
}

impl Segment {
    /// Gives what of a block is asked for to `sink`.
    pub(crate) fn feed<S: Sink>(
        &self,
        candidate: Candidate,
        feeding: Feeding<'_>,
        chosen: &Chosen<'_>,
        scratch: &mut Scratch,
        sink: &mut S,
    ) -> Result<Fed, Ended> {
        let block = self.block(candidate.block)?;
        let mut feed = Feed {
            picked: Picked::of_streams(&block, chosen, candidate.may_have)?,
            block: &block,
            pages: candidate.pages,
            feeding,
            chosen,
            scratch,
            fed: Fed::default(),
            has: Has::default(),
        };
        feed.run(sink)?;
        Ok(feed.fed)
    }
}

struct Feed<'a, 's> {
    block: &'a Block<'a>,
    /// Where lines may satisfy the filters.
    pages: Pages,
    picked: Picked,
    feeding: Feeding<'a>,
    chosen: &'a Chosen<'s>,
    scratch: &'a mut Scratch,
    fed: Fed,
    has: Has,
}

/// What was read of the block.
#[derive(Clone, Copy, Debug, Default)]
struct Has {
    times: bool,
    ends: bool,
    bodies: bool,
    attributes: bool,
}

impl Feed<'_, '_> {
    fn run<S: Sink>(&mut self, sink: &mut S) -> Result<(), Ended> {
        let lines = self.feeding.lines;
        let (first, last) = (self.block.head.first, self.block.head.last);
        let is_within = lines.start <= first && last < lines.end;
        if self.chosen.veils().is_some() {
            self.picked.know(self.block, self.chosen)?;
        }
        let may_hide = |run: &PickedRun| {
            let veil = self.chosen.veil(run.stream);
            veil.is_some_and(|veil| veil.may_hide(first, last))
        };
        let is_plain = lines.filters.is_empty() && !self.picked.runs.iter().any(may_hide);
        if is_within && is_plain {
            for run in std::mem::take(&mut self.picked.runs) {
                self.give_run(&run, true, sink)?;
            }
            return Ok(());
        }
        if !is_within {
            self.read_times()?;
            let period = (lines.start, lines.end);
            self.picked.keep_times(&self.scratch.times, period);
        }
        if is_plain {
            for run in std::mem::take(&mut self.picked.runs) {
                self.give_run(&run, false, sink)?;
            }
            return Ok(());
        }
        if self.chosen.veils().is_none()
            && !self.picked.runs.is_empty()
            && let Some(bytes) = self.block.decide_lines(lines.filters, self.scratch)?
        {
            self.fed.bytes += bytes as u64;
            for run in std::mem::take(&mut self.picked.runs) {
                self.give_matching(&run, sink)?;
            }
            return Ok(());
        }
        self.read_times()?;
        let mut rows = self.picked.rows();
        if !rows.is_empty() && !lines.filters.is_empty() {
            self.read_ends()?;
            let few = match self.feeding.needs.lines {
                true => ROWS_FEW,
                false => 0,
            };
            let wanted = (&mut rows, few);
            let kept = self
                .block
                .keep_lines(lines.filters, self.pages, wanted, self.scratch)?;
            self.fed.bytes += kept.bytes as u64;
            self.has.bodies = kept.has_text;
        }
        if let Some(veils) = self.chosen.veils() {
            self.block.keep_visible(veils, &mut rows, self.scratch)?;
        }
        for run in std::mem::take(&mut self.picked.runs) {
            let from = rows.partition_point(|row| *row < run.rows.start);
            let to = rows.partition_point(|row| *row < run.rows.end);
            if from < to {
                self.give_rows(&run, &rows[from..to], sink)?;
            }
        }
        Ok(())
    }

    /// Gives all rows of a run; `is_whole` where they are all that the run has.
    fn give_run<S: Sink>(
        &mut self,
        run: &PickedRun,
        is_whole: bool,
        sink: &mut S,
    ) -> Result<(), Ended> {
        let Some(needs) = self.begin(run, sink)? else {
            return Ok(());
        };
        if needs.lines || needs.metadata {
            let rows: Vec<usize> = run.rows.clone().collect();
            self.read_times()?;
            return self.give_records(run, &rows, needs, sink);
        }
        let count = run.rows.len() as u64;
        if is_whole {
            let span = Span {
                count,
                bytes: run.body_bytes,
                first: self.block.head.first,
                last: self.block.head.last,
            };
            if sink.span(span)? {
                self.fed.records += count;
                self.fed.line_bytes += run.body_bytes;
                return Ok(());
            }
        }
        self.read_times()?;
        let lengths = self.lengths(needs, run.rows.clone())?;
        self.fed.records += count;
        sink.times(&self.scratch.times[run.rows.clone()], &lengths)?;
        Ok(())
    }

    /// Gives the rows of a run that are among the matching.
    fn give_matching<S: Sink>(&mut self, run: &PickedRun, sink: &mut S) -> Result<(), Ended> {
        let count = self.scratch.matching.count_in(run.rows.clone());
        if count == 0 {
            return Ok(());
        }
        let Some(needs) = self.begin(run, sink)? else {
            return Ok(());
        };
        self.read_times()?;
        if needs.lines || needs.metadata || needs.lengths {
            let rows: Vec<usize> = self.scratch.matching.iter_in(run.rows.clone()).collect();
            return self.give_needed(run, &rows, needs, sink);
        }
        let Scratch {
            times,
            matching,
            matching_times,
            ..
        } = &mut *self.scratch;
        self.fed.records += count as u64;
        if count == run.rows.len() {
            sink.times(&times[run.rows.clone()], &[])?;
            return Ok(());
        }
        matching_times.clear();
        matching_times.extend(matching.iter_in(run.rows.clone()).map(|row| times[row]));
        sink.times(matching_times, &[])?;
        Ok(())
    }

    /// Gives some rows of a run.
    fn give_rows<S: Sink>(
        &mut self,
        run: &PickedRun,
        rows: &[usize],
        sink: &mut S,
    ) -> Result<(), Ended> {
        match self.begin(run, sink)? {
            Some(needs) => self.give_needed(run, rows, needs, sink),
            None => Ok(()),
        }
    }

    fn give_needed<S: Sink>(
        &mut self,
        run: &PickedRun,
        rows: &[usize],
        needs: Needs,
        sink: &mut S,
    ) -> Result<(), Ended> {
        if needs.lines || needs.metadata {
            return self.give_records(run, rows, needs, sink);
        }
        let lengths = self.lengths(needs, rows.iter().copied())?;
        let times = rows.iter().map(|row| self.scratch.times[*row]);
        self.fed.records += rows.len() as u64;
        sink.times(&times.collect::<Vec<UnixNanos>>(), &lengths)?;
        Ok(())
    }

    /// Turns the sink to a run's stream: what it needs, and nothing where it needs nothing.
    fn begin<S: Sink>(&mut self, run: &PickedRun, sink: &mut S) -> Result<Option<Needs>, Ended> {
        self.chosen.know(run.stream, self.block.segment())?;
        let Some(stream) = self.chosen.view(run.stream as usize) else {
            return Ok(None);
        };
        if !sink.stream(stream)? {
            return Ok(None);
        }
        let mut needs = sink.needs(self.feeding.needs);
        if needs.metadata && !self.has_metadata()? {
            // Without metadata of these names there is nothing that tells records apart.
            needs.metadata = false;
            needs.lines = false;
        }
        Ok(Some(needs))
    }

    /// Whether records may have metadata of a name that matters.
    fn has_metadata(&mut self) -> Result<bool, Ended> {
        let Some(names) = self.feeding.names else {
            return Ok(true);
        };
        let columns = [
            metadata::TRACE_ID,
            metadata::SPAN_ID,
            metadata::SEVERITY_NUMBER,
        ];
        if names.iter().any(|name| columns.contains(&name.as_str())) {
            return Ok(true);
        }
        self.read_attributes()?;
        let named = Named::read(true, &self.scratch.attributes, self.block)?;
        Ok(named.may_have(names))
    }

    fn give_records<S: Sink>(
        &mut self,
        run: &PickedRun,
        rows: &[usize],
        needs: Needs,
        sink: &mut S,
    ) -> Result<(), Ended> {
        let Some(stream) = self.chosen.view(run.stream as usize) else {
            return Ok(());
        };
        if needs.metadata {
            self.read_attributes()?;
        }
        let mut own: Vec<Range<usize>> = Vec::new();
        if needs.lines {
            self.read_ends()?;
            self.read_lines(rows, &mut own)?;
        }
        let details = needs
            .metadata
            .then(|| Details::read(self.block))
            .transpose()?;
        let Scratch {
            times,
            ends,
            bodies,
            lines,
            attributes,
            ..
        } = &*self.scratch;
        let named = Named::read(needs.metadata, attributes, self.block)?;
        let mut pairs = named.pairs(rows);
        let mut metadata = Metadata::default();
        for (n, row) in rows.iter().copied().enumerate() {
            if let Some(details) = &details {
                details.begin(row, &mut metadata);
                pairs.add(row, &mut metadata);
            }
            let line = match (needs.lines, own.get(n)) {
                (false, _) => &[][..],
                (true, Some(range)) => &lines[range.clone()],
                (true, None) => {
                    let start = row.checked_sub(1).map_or(0, |before| ends[before]);
                    &bodies[start..ends[row]]
                }
            };
            self.fed.records += 1;
            self.fed.line_bytes += line.len() as u64;
            sink.record(&Record {
                time: times[row],
                line,
                stream,
                metadata: &metadata.pairs(),
            })?;
        }
        Ok(())
    }

    /// Reads the lines of `rows`: into `own`, or all of the block's where these are most.
    fn read_lines(&mut self, rows: &[usize], own: &mut Vec<Range<usize>>) -> Result<(), Ended> {
        if self.has.bodies {
            return Ok(());
        }
        if rows.len() * 2 >= self.block.records() || self.feeding.lines.filters.is_empty() {
            self.fed.bytes += self.block.unpack_bodies(self.scratch)? as u64;
            self.has.bodies = true;
            return Ok(());
        }
        let Scratch {
            unpacker,
            ends,
            page,
            lines,
            ..
        } = &mut *self.scratch;
        let (ranges, bytes) = self.block.some_bodies(rows, ends, unpacker, page, lines)?;
        *own = ranges;
        self.fed.bytes += bytes as u64;
        Ok(())
    }

    fn read_times(&mut self) -> Result<(), Damage> {
        if !self.has.times {
            let Scratch { numbers, times, .. } = &mut *self.scratch;
            self.block.times(numbers, times)?;
            self.fed.bytes += self.block.section(Section::Times)?.len() as u64;
            self.has.times = true;
        }
        Ok(())
    }

    fn read_ends(&mut self) -> Result<(), Damage> {
        if !self.has.ends {
            let Scratch { numbers, ends, .. } = &mut *self.scratch;
            self.block.ends(numbers, ends)?;
            self.has.ends = true;
        }
        Ok(())
    }

    fn read_attributes(&mut self) -> Result<(), Damage> {
        if !self.has.attributes {
            self.fed.bytes += self.block.unpack_attributes(self.scratch)? as u64;
            self.has.attributes = true;
        }
        Ok(())
    }

    /// The lengths of the rows' lines, where they are needed.
    fn lengths(
        &mut self,
        needs: Needs,
        rows: impl Iterator<Item = usize>,
    ) -> Result<Vec<u32>, Damage> {
        if !needs.lengths {
            return Ok(Vec::new());
        }
        self.read_ends()?;
        let ends = &self.scratch.ends;
        let lengths = rows.map(|row| {
            let start = row.checked_sub(1).map_or(0, |before| ends[before]);
            let length = ends[row] - start;
            self.fed.line_bytes += length as u64;
            u32::try_from(length).unwrap_or(u32::MAX)
        });
        Ok(lengths.collect())
    }
}

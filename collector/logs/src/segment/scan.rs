//! Finds the records of one block that are asked for.
//!
//! Columns are read in the order of their price: times, which may show that nothing is
//! wanted; bodies, where lines are asked for; attributes, where a pipeline looks at them; and
//! the keys of what is left.

use super::Damage;
use super::attributes::Attributes;
use super::bodies::{self, Kept, Pages, ROWS_FEW, Room};
use super::candidates::Candidate;
use super::directory::{BY_PAGE, Section};
use super::fetch::Scratch;
use super::pick::Picked;
use super::reader::{Block, Segment};
use super::stages::Stages;
use crate::record::Key;
use crate::record::metadata::is_shown;
use crate::search::{Ask, ChooseError, Chosen, Direction, Lines};
use crate::words;
use sonde_logql::LineFilter;
use sonde_proto::UnixNanos;

/// What records must beat to be among the best.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bar {
    pub(crate) direction: Direction,
    /// How many records are kept.
    pub(crate) limit: usize,
    /// The worst of those that are kept, where no more than the best are wanted.
    pub(crate) worst: Option<Key>,
}

/// A record that is asked for.
#[derive(Debug)]
pub(crate) struct RowHit {
    pub(crate) key: Key,
    /// The ordinal of its stream.
    pub(crate) stream: u32,
    pub(crate) row: usize,
    pub(crate) body_bytes: usize,
    /// The body, where it was read.
    pub(crate) body: Option<Box<[u8]>>,
}

/// What came of a block.
#[derive(Debug, Default)]
pub(crate) struct Scanned {
    pub(crate) hits: Vec<RowHit>,
    /// How many records of wanted streams and times it has.
    pub(crate) records: u64,
    pub(crate) bytes: usize,
}

impl Bar {
    fn admits(&self, time: UnixNanos) -> bool {
        self.worst.is_none_or(|worst| match self.direction {
            Direction::Backward => time >= worst.time,
            Direction::Forward => time <= worst.time,
        })
    }

    /// Less is better.
    pub(super) fn rank(&self, time: UnixNanos) -> u64 {
        match self.direction {
            Direction::Backward => u64::MAX - time.0,
            Direction::Forward => time.0,
        }
    }

    /// Keeps the best of `rows` by their times, and what is as good as the last of these.
    fn keep_best(&self, rows: &mut Vec<usize>, times: &[UnixNanos]) {
        if rows.len() <= self.limit || self.limit == 0 {
            return;
        }
        let rank = |row: usize| self.rank(times[row]);
        let mut ranks: Vec<u64> = rows.iter().map(|row| rank(*row)).collect();
        let (_, last, _) = ranks.select_nth_unstable(self.limit - 1);
        let last = *last;
        rows.retain(|row| rank(*row) <= last);
    }
}

impl Segment {
    /// The records of a block that are asked for and beat `bar`.
    pub(crate) fn scan(
        &self,
        candidate: Candidate,
        ask: &Ask<'_>,
        chosen: &Chosen<'_>,
        bar: Bar,
        scratch: &mut Scratch,
    ) -> Result<Scanned, ChooseError> {
        let block = self.block(candidate.block)?;
        let mut scan = Scan {
            block: &block,
            bar,
            scratch,
            scanned: Scanned::default(),
        };
        scan.run(ask, chosen, candidate)?;
        Ok(scan.scanned)
    }
}

struct Scan<'a> {
    block: &'a Block<'a>,
    bar: Bar,
    scratch: &'a mut Scratch,
    scanned: Scanned,
}

impl Scan<'_> {
    fn run(
        &mut self,
        ask: &Ask<'_>,
        chosen: &Chosen<'_>,
        candidate: Candidate,
    ) -> Result<(), ChooseError> {
        let mut picked = Picked::of_streams(self.block, chosen, candidate.may_have)?;
        if picked.runs.is_empty() {
            return Ok(());
        }
        let scratch = &mut *self.scratch;
        self.block.times(&mut scratch.numbers, &mut scratch.times)?;
        self.scanned.bytes += self.block.length(Section::Times);
        let times = ask.times();
        picked.keep_times(&scratch.times, times);
        self.scanned.records = picked.records() as u64;
        let bar = self.bar;
        let mut rows = picked.rows();
        rows.retain(|row| bar.admits(scratch.times[*row]));
        if let Some(lines) = ask.lines() {
            self.keep_after(lines, &mut rows)?;
        }
        if rows.is_empty() {
            return Ok(());
        }
        let scratch = &mut *self.scratch;
        self.block.ends(&mut scratch.numbers, &mut scratch.ends)?;
        let mut has_bodies = false;
        match ask {
            Ask::Lines(lines) => {
                picked.keep_equalities(self.block, scratch, lines, chosen, &mut rows)?;
                if !lines.filters.is_empty() && !rows.is_empty() {
                    let (filters, pages) = (lines.filters, candidate.pages);
                    let wanted = (&mut rows, ROWS_FEW.min(self.bar.limit));
                    let kept = self
                        .block
                        .keep_lines(filters, pages, wanted, self.scratch)?;
                    self.scanned.bytes += kept.bytes;
                    has_bodies = kept.has_text;
                }
            }
            Ask::Trace(id) => {
                self.scanned.bytes += self.block.length(Section::Traces);
                let of_trace = self.block.traces()?.rows_of(id.as_bytes());
                rows.retain(|row| of_trace.binary_search(row).is_ok());
            }
            Ask::Token(token) => {
                self.unpack_bodies()?;
                has_bodies = true;
                self.keep_rows_with_token(token.as_bytes(), &mut rows)?;
            }
        }
        if let Some(veils) = chosen.veils() {
            picked.know_streams_of(&rows, self.block, chosen)?;
            self.block.keep_visible(veils, &mut rows, self.scratch)?;
        }
        if let Some(lines) = ask.lines()
            && let Some(pipeline) = &lines.pipeline
            && !rows.is_empty()
        {
            let stages = Stages {
                block: self.block,
                picked: &picked,
                chosen,
                bar: self.bar,
            };
            let read = stages.keep_best(pipeline, &mut rows, has_bodies, self.scratch)?;
            self.scanned.bytes += read;
        }
        self.bar.keep_best(&mut rows, &self.scratch.times);
        picked.know_streams_of(&rows, self.block, chosen)?;
        Ok(self.hits(&rows, &picked, has_bodies)?)
    }

    /// Keeps the rows that come after the last record that was had already.
    fn keep_after(&mut self, lines: &Lines<'_>, rows: &mut Vec<usize>) -> Result<(), Damage> {
        let Some(after) = lines.after else {
            return Ok(());
        };
        let times = &self.scratch.times;
        let of_its_time: Vec<usize> = rows
            .iter()
            .copied()
            .filter(|row| times[*row] == after.time)
            .collect();
        let mut keys = Vec::new();
        if !of_its_time.is_empty() {
            keys = self.block.keys(&of_its_time, times)?;
        }
        let mut keys = keys.into_iter();
        let key = |time| Key { time, ..after };
        rows.retain(|row| match times[*row] {
            time if time == after.time => keys.next().is_some_and(|key| lines.is_after(key)),
            time => lines.is_after(key(time)),
        });
        Ok(())
    }

    fn unpack_bodies(&mut self) -> Result<(), Damage> {
        self.scanned.bytes += self.block.unpack_bodies(self.scratch)?;
        Ok(())
    }

    /// Keeps the rows that have a token in the body or in an attribute's value.
    fn keep_rows_with_token(&mut self, token: &[u8], rows: &mut Vec<usize>) -> Result<(), Damage> {
        let Scratch {
            unpacker,
            ends,
            bodies,
            attributes,
            ..
        } = &mut *self.scratch;
        let nonsense = || self.block.nonsense(Section::Attributes);
        unpacker
            .unpack_sized(self.block.section(Section::Attributes)?, attributes)
            .ok_or_else(nonsense)?;
        self.scanned.bytes += attributes.len();
        let mut has = vec![false; self.block.records()];
        let read = Attributes::read(attributes, has.len()).ok_or_else(nonsense)?;
        read.for_each(&*rows, |row, name, value| {
            has[row] |= is_shown(name) && words::contains_token(value, token);
        });
        rows.retain(|row| {
            let start = row.checked_sub(1).map_or(0, |before| ends[before]);
            has[*row] || words::contains_token(&bodies[start..ends[*row]], token)
        });
        Ok(())
    }

    fn hits(&mut self, rows: &[usize], picked: &Picked, has_bodies: bool) -> Result<(), Damage> {
        if rows.is_empty() {
            return Ok(());
        }
        self.scanned.bytes += self.block.length(Section::Order);
        let keys = self.block.keys(rows, &self.scratch.times)?;
        let Scratch { ends, bodies, .. } = &*self.scratch;
        let streams = picked.streams_of(rows);
        let hits = rows.iter().copied().zip(keys).zip(streams);
        let hits = hits.map(|((row, key), stream)| {
            let start = row.checked_sub(1).map_or(0, |before| ends[before]);
            RowHit {
                key,
                stream,
                row,
                body_bytes: ends[row] - start,
                body: has_bodies.then(|| bodies[start..ends[row]].into()),
            }
        });
        self.scanned.hits = hits.collect();
        Ok(())
    }
}

impl Block<'_> {
    /// Keeps of `rows` those whose lines satisfy all filters, which only some on `pages` do, and
    /// puts their bodies together where they are no more than `few`. The ends of the bodies were
    /// read.
    pub(super) fn keep_lines(
        &self,
        filters: &[LineFilter],
        pages: Pages,
        (rows, few): (&mut Vec<usize>, usize),
        scratch: &mut Scratch,
    ) -> Result<Kept, Damage> {
        let Scratch {
            unpacker,
            ends,
            bodies,
            needles,
            ..
        } = scratch;
        let pages = match self.head.flags & BY_PAGE {
            0 => Pages::ALL,
            _ => pages,
        };
        let room = Room {
            unpacker,
            text: bodies,
            needles,
            few,
        };
        self.bodies(ends)?
            .keep(filters, pages, rows, room)
            .ok_or_else(|| self.nonsense(Section::Bodies))
    }

    /// Makes `matching` all rows whose lines satisfy all filters, without a look at lines or where
    /// they end; how many bytes were looked at. Nothing where that cannot be said without.
    pub(super) fn decide_lines(
        &self,
        filters: &[LineFilter],
        scratch: &mut Scratch,
    ) -> Result<Option<usize>, Damage> {
        let is_open = |filter: &LineFilter| filter.as_contains().is_none();
        if filters.is_empty() || filters.iter().any(is_open) || !self.is_templated() {
            return Ok(None);
        }
        let Scratch {
            needles, matching, ..
        } = scratch;
        let (section, dictionary) = (self.section(Section::Bodies)?, self.dictionary()?);
        bodies::decide(
            section,
            self.records(),
            dictionary,
            filters,
            needles,
            matching,
        )
        .ok_or_else(|| self.nonsense(Section::Bodies))?;
        Ok(Some(section.len()))
    }

    /// Unpacks all bodies, whose ends were read; how many bytes that were.
    pub(super) fn unpack_bodies(&self, scratch: &mut Scratch) -> Result<usize, Damage> {
        let Scratch {
            unpacker,
            ends,
            bodies,
            ..
        } = scratch;
        self.bodies(ends)?
            .all(unpacker, bodies)
            .ok_or_else(|| self.nonsense(Section::Bodies))?;
        Ok(bodies.len())
    }
}

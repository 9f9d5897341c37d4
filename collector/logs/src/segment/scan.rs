//! Finds the records of one block that are asked for.
//!
//! Columns are read in the order of their price: times, which may show that nothing is
//! wanted; bodies, where lines are asked for; and the keys of what is left.

use super::attributes::Attributes;
use super::bodies;
use super::directory::Section;
use super::fetch::Scratch;
use super::reader::{Block, Segment};
use super::{Damage, guarded};
use crate::record::Key;
use crate::search::{Ask, Direction};
use crate::words;

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

impl Bar {
    fn admits(&self, time: u64) -> bool {
        self.worst.is_none_or(|worst| match self.direction {
            Direction::Backward => time >= worst.time.0,
            Direction::Forward => time <= worst.time.0,
        })
    }

    /// Keeps the best of `rows` by their times, and what is as good as the last of these.
    fn keep_best(&self, rows: &mut Vec<usize>, times: &[u64]) {
        if rows.len() <= self.limit || self.limit == 0 {
            return;
        }
        let rank = |row: usize| match self.direction {
            Direction::Backward => u64::MAX - times[row],
            Direction::Forward => times[row],
        };
        let mut ranks: Vec<u64> = rows.iter().map(|row| rank(*row)).collect();
        let (_, last, _) = ranks.select_nth_unstable(self.limit - 1);
        let last = *last;
        rows.retain(|row| rank(*row) <= last);
    }
}

impl Segment {
    /// The records of a block that are asked for and beat `bar`, and how many bytes were
    /// read. `wanted` says which streams are asked for.
    pub(crate) fn scan(
        &self,
        block: u32,
        ask: &Ask<'_>,
        wanted: &[bool],
        bar: Bar,
        scratch: &mut Scratch,
    ) -> Result<(Vec<RowHit>, usize), Damage> {
        guarded(|| {
            let block = self.block(block)?;
            let mut scan = Scan {
                block: &block,
                bar,
                scratch,
                bytes: 0,
            };
            let hits = scan.run(ask, wanted)?;
            Ok((hits, scan.bytes))
        })
    }
}

struct Scan<'a> {
    block: &'a Block<'a>,
    bar: Bar,
    scratch: &'a mut Scratch,
    bytes: usize,
}

impl Scan<'_> {
    fn run(&mut self, ask: &Ask<'_>, wanted: &[bool]) -> Result<Vec<RowHit>, Damage> {
        let (mut rows, streams) = self.rows_of_streams(wanted);
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let scratch = &mut *self.scratch;
        self.block.times(&mut scratch.numbers, &mut scratch.times)?;
        self.bytes += self.block.section(Section::Times)?.len();
        let (start, end) = ask.times();
        let (times, bar) = (&scratch.times, self.bar);
        let in_time = |time: u64| start.0 <= time && time < end.0 && bar.admits(time);
        rows.retain(|row| times.get(*row).is_some_and(|time| in_time(*time)));
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.block.ends(&mut scratch.numbers, &mut scratch.ends)?;
        let mut has_bodies = false;
        match ask {
            Ask::Lines(search) if search.query.filters().is_empty() => {}
            Ask::Lines(search) => {
                self.unpack_bodies()?;
                has_bodies = true;
                let Scratch { bodies, ends, .. } = &mut *self.scratch;
                bodies::filter(search.query.filters(), bodies, ends, &mut rows);
            }
            Ask::Trace(id) => {
                self.bytes += self.block.section(Section::Traces)?.len();
                let of_trace = self.block.traces()?.rows_of(id.as_bytes());
                rows.retain(|row| of_trace.binary_search(row).is_ok());
            }
            Ask::Token(token) => {
                self.unpack_bodies()?;
                has_bodies = true;
                self.keep_rows_with_token(token.as_bytes(), &mut rows)?;
            }
        }
        self.bar.keep_best(&mut rows, &self.scratch.times);
        self.hits(&rows, &streams, has_bodies)
    }

    /// The rows of streams that are asked for, and the stream of every row.
    fn rows_of_streams(&self, wanted: &[bool]) -> (Vec<usize>, Vec<(usize, u32)>) {
        let (mut rows, mut streams, mut at) = (Vec::new(), Vec::new(), 0);
        for run in self.block.runs() {
            let end = at + run.records as usize;
            if wanted.get(run.stream as usize).copied().unwrap_or(false) {
                rows.extend(at..end);
            }
            streams.push((end, run.stream));
            at = end;
        }
        (rows, streams)
    }

    fn unpack_bodies(&mut self) -> Result<(), Damage> {
        let Scratch {
            unpacker,
            ends,
            bodies,
            ..
        } = &mut *self.scratch;
        self.block
            .bodies(ends)?
            .all(unpacker, bodies)
            .ok_or_else(|| self.block.nonsense(Section::Bodies))?;
        self.bytes += bodies.len();
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
        self.bytes += attributes.len();
        let mut has = vec![false; self.block.records()];
        let read = Attributes::read(attributes, has.len()).ok_or_else(nonsense)?;
        read.for_each(&*rows, |row, name, value| {
            has[row] |= is_searched(name) && words::contains_token(value, token);
        });
        rows.retain(|row| {
            let start = row.checked_sub(1).map_or(0, |before| ends[before]);
            has[*row] || words::contains_token(&bodies[start..ends[*row]], token)
        });
        Ok(())
    }

    fn hits(
        &mut self,
        rows: &[usize],
        streams: &[(usize, u32)],
        has_bodies: bool,
    ) -> Result<Vec<RowHit>, Damage> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        self.bytes += self.block.section(Section::Order)?.len();
        let keys = self.block.keys(rows, &self.scratch.times)?;
        let Scratch { ends, bodies, .. } = &*self.scratch;
        let mut runs = streams.iter().peekable();
        let mut hits = Vec::with_capacity(rows.len());
        for (row, key) in rows.iter().copied().zip(keys) {
            while runs.next_if(|(end, _)| *end <= row).is_some() {}
            let Some((_, stream)) = runs.peek() else {
                break;
            };
            let start = row.checked_sub(1).map_or(0, |before| ends[before]);
            hits.push(RowHit {
                key,
                stream: *stream,
                row,
                body_bytes: ends[row] - start,
                body: has_bodies.then(|| bodies[start..ends[row]].into()),
            });
        }
        Ok(hits)
    }
}

/// Whether identifiers are looked for in the values of this name.
pub(super) fn is_searched(name: &[u8]) -> bool {
    name != sonde_proto::semconv::LOG_RECORD_UID.as_bytes()
}

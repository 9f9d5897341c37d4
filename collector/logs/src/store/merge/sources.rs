//! Writes the records of several segments anew as one, in the order of streams and keys,
//! without what is hidden.
//!
//! Of every part of every source a block lies in memory. Where there are more than
//! [`CURSORS_MAX`] parts, the segment gets a part of each so many of them.

use super::{Merged, Rewritten};
use crate::hidden::{Hidden, Place, Veils, VeilsOf as _};
use crate::record::{Key, Packed};
use crate::segment::{Cursor, Damage, Segment, SegmentWriter, StreamList};
use crate::store::seal::Task;
use crate::store::sweep::place;
use crate::stream::{Ordinals, Stream};
use sonde_proto::Position;
use sonde_segment::work::Pace;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

/// How many records are read between two looks at whether to give up.
const RECORDS_PER_LOOK: usize = 1024;
/// How many parts are read at the same time.
const CURSORS_MAX: usize = 32;

impl Task {
    /// Writes the records of `sources` as one segment, in the order of streams and keys, but
    /// for what is hidden: the requests up to `through` are carried out.
    pub(in crate::store) fn merge(
        &self,
        sources: &[Arc<Segment>],
        pace: &Pace,
        hidden: &Hidden,
        through: u64,
    ) -> Result<Merged, String> {
        let about = super::about(sources, through);
        let mut damaged = None;
        let mut left_out = LeftOut::default();
        let written =
            Merge::open(sources, hidden, &mut damaged).and_then(|(mut merge, streams)| {
                self.write(about, streams, |segment| {
                    let run = merge.run(segment, pace, &mut damaged);
                    left_out = merge.left_out;
                    run
                })
            });
        let new = match (written, damaged) {
            (Ok(segment), None) => segment,
            (_, Some((id, damage))) => return Ok(Merged::Damaged { id, damage }),
            (Err(error), None) => return Err(error),
        };
        // Where nothing is left, there is nothing to keep.
        let is_empty = new.meta.records == 0;
        if is_empty {
            self.discard();
        }
        Ok(Merged::Written(Rewritten {
            gone: sources.iter().map(|s| s.meta.id).collect(),
            new: (!is_empty).then_some(new),
            through,
            past: left_out.past,
            deleted: left_out.deleted,
            ..Rewritten::default()
        }))
    }
}

/// Sources on their way into one segment.
struct Merge<'a> {
    sources: Vec<Source<'a>>,
    /// Every part: its source, by place, and its number there.
    parts: Vec<(usize, u32)>,
    left_out: LeftOut,
    records: usize,
    bytes: u64,
    started: Instant,
}

struct Source<'a> {
    segment: &'a Arc<Segment>,
    veils: Option<Veils>,
    /// The ordinal in the new segment of each of its streams.
    ordinals: Vec<u32>,
}

/// A part that is being read.
struct Reading {
    cursor: Cursor,
    /// The place of its source.
    source: usize,
}

/// How many records were not written, and why.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    past: u64,
    deleted: u64,
}

/// What a part has next: the ordinal of the stream, the key, the place of the part.
type Front = Reverse<(u32, Key, usize)>;

impl<'a> Merge<'a> {
    /// Opens the sources; also gives the streams of the new segment.
    fn open(
        segments: &'a [Arc<Segment>],
        hidden: &Hidden,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(Self, Vec<Arc<Stream>>), String> {
        let (mut lists, mut sources, mut parts) =
            (Vec::<StreamList>::new(), Vec::new(), Vec::new());
        for (at, segment) in segments.iter().enumerate() {
            let read = segment.streams().and_then(|s| Ok((s, segment.parts()?)));
            let (streams, count) = read.map_err(|d| met(segment, d, damaged))?;
            parts.extend((0..count).map(|part| (at, part)));
            sources.push(Source {
                segment,
                veils: hidden.at(&place(&segment.meta)).over(&streams),
                ordinals: Vec::new(),
            });
            lists.push(streams);
        }
        let stay = lists.iter().zip(&sources).flat_map(|(streams, source)| {
            let all = (0..).zip(streams.iter());
            all.filter(|(stream, _)| !source.hides_all(*stream))
                .map(|(_, stream)| stream)
        });
        let (streams, ordinals) = Ordinals::of_all(stay);
        for (source, streams) in sources.iter_mut().zip(&lists) {
            source.ordinals = streams.iter().map(|s| ordinals.of(s)).collect();
        }
        let merge = Self {
            sources,
            parts,
            left_out: LeftOut::default(),
            records: 0,
            bytes: 0,
            started: Instant::now(),
        };
        Ok((merge, streams))
    }

    fn run(
        &mut self,
        segment: &mut SegmentWriter,
        pace: &Pace,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(), String> {
        for parts in self.parts.clone().chunks(CURSORS_MAX) {
            self.run_parts(parts, segment, pace, damaged)?;
            segment.end_part().map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    /// Writes the records of some parts as one.
    fn run_parts(
        &mut self,
        parts: &[(usize, u32)],
        segment: &mut SegmentWriter,
        pace: &Pace,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(), String> {
        let (mut readings, mut fronts) = (Vec::with_capacity(parts.len()), BinaryHeap::new());
        for (at, (source, part)) in parts.iter().copied().enumerate() {
            let of = self.sources[source].segment;
            let cursor = of.cursor(part).map_err(|d| met(of, d, damaged))?;
            let mut reading = Reading { cursor, source };
            fronts.extend(self.front(at, &mut reading, pace, damaged)?);
            readings.push(reading);
        }
        while let Some(Reverse((stream, key, at))) = fronts.pop() {
            let reading = &mut readings[at];
            if let Some(record) = reading.cursor.record() {
                segment
                    .add(key, stream, record.packed)
                    .map_err(|error| error.to_string())?;
            }
            self.advance(reading, pace, damaged)?;
            fronts.extend(self.front(at, reading, pace, damaged)?);
        }
        Ok(())
    }

    fn advance(
        &mut self,
        reading: &mut Reading,
        pace: &Pace,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(), String> {
        let cursor = &mut reading.cursor;
        let bytes = cursor.record().map_or(0, |record| record.packed.len());
        self.bytes += bytes as u64;
        self.records += 1;
        let look = self.records.is_multiple_of(RECORDS_PER_LOOK);
        cursor
            .advance()
            .map_err(|damage| met(self.sources[reading.source].segment, damage, damaged))?;
        if look && !pace.may_go_on(self.bytes, self.started) {
            return Err(super::CLOSING.into());
        }
        Ok(())
    }

    /// The next record of a part that is to be seen.
    fn front(
        &mut self,
        at: usize,
        reading: &mut Reading,
        pace: &Pace,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<Option<Front>, String> {
        while self.is_hidden(reading) {
            self.advance(reading, pace, damaged)?;
        }
        let front = reading.cursor.record().and_then(|record| {
            let ordinals = &self.sources[reading.source].ordinals;
            let stream = *ordinals.get(record.stream as usize)?;
            Some(Reverse((stream, record.key, at)))
        });
        Ok(front)
    }

    /// Whether the record that a part stands at is left out; it is counted then.
    fn is_hidden(&mut self, reading: &Reading) -> bool {
        let veils = &self.sources[reading.source].veils;
        let (Some(veils), Some(record)) = (veils, reading.cursor.record()) else {
            return false;
        };
        let Some(veil) = veils.of(record.stream) else {
            return false;
        };
        let key = record.key;
        if veil.is_past(key.time) {
            self.left_out.past += 1;
            return true;
        }
        let is_deleted = veil.may_hide(key.time, key.time)
            && Packed::read(record.packed)
                .is_some_and(|packed| veil.hides(key.time, key.position, packed.body));
        self.left_out.deleted += u64::from(is_deleted);
        is_deleted
    }
}

impl Source<'_> {
    /// Whether nothing of a stream is to be seen, so that not even its labels stay.
    fn hides_all(&self, stream: u32) -> bool {
        let veil = self.veils.as_ref().and_then(|veils| veils.of(stream));
        veil.is_some_and(|veil| {
            let Place {
                times, positions, ..
            } = place(&self.segment.meta);
            let last = Position(positions.1.0.saturating_sub(1));
            veil.hides_all(times, (positions.0, last))
        })
    }
}

/// Notes which source is damaged.
fn met(source: &Segment, damage: Damage, damaged: &mut Option<(u64, Damage)>) -> String {
    let message = damage.to_string();
    *damaged = Some((source.meta.id, damage));
    message
}

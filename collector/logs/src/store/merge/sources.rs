//! Reads several segments as one, in the order of streams and keys, without what is hidden.

use super::{Merged, Rewritten};
use crate::hidden::{Hidden, Place, Veils};
use crate::record::{Key, Packed};
use crate::segment::{Cursor, Damage, Segment, SegmentWriter};
use crate::store::pace::Pace;
use crate::store::seal::{About, Task, last_time};
use crate::store::sweep::{deletes_through, place};
use crate::stream::{Ordinals, Stream};
use sonde_proto::Position;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::time::Instant;

/// How many records are read between two looks at whether to give up.
const RECORDS_PER_LOOK: usize = 1024;

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
        let received = sources.iter().map(|s| last_time(&s.meta)).max();
        let before = sources.iter().map(|s| deletes_through(&s.meta)).min();
        let about = About {
            received: received.unwrap_or_default(),
            deletes_through: through.max(before.unwrap_or(0)),
        };
        let mut damaged = None;
        let mut left_out = LeftOut::default();
        let written =
            Merge::open(sources, hidden, &mut damaged).and_then(|(mut merge, streams)| {
                self.write(about, streams, |segment| {
                    let run = merge.run(segment, pace, sources, &mut damaged);
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
struct Merge {
    cursors: Vec<Cursor>,
    veils: Vec<Option<Veils>>,
    /// The ordinal in the new segment of each source's streams.
    ordinals: Vec<Vec<u32>>,
    left_out: LeftOut,
    records: usize,
    bytes: u64,
    started: Instant,
}

/// How many records were not written, and why.
#[derive(Clone, Copy, Debug, Default)]
struct LeftOut {
    past: u64,
    deleted: u64,
}

/// What a source has next: the ordinal of the stream, the key, the source.
type Front = Reverse<(u32, Key, usize)>;

impl Merge {
    /// Opens the sources; also gives the streams of the new segment.
    fn open(
        sources: &[Arc<Segment>],
        hidden: &Hidden,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(Self, Vec<Arc<Stream>>), String> {
        let (mut cursors, mut veils) = (Vec::new(), Vec::new());
        for source in sources {
            let cursor = source.cursor().map_err(|d| met(source, d, damaged))?;
            veils.push(hidden.at(&place(&source.meta)).over(cursor.streams()));
            cursors.push(cursor);
        }
        let with_veils = cursors.iter().zip(&veils).zip(sources);
        let stay = with_veils.flat_map(|((cursor, veils), source)| {
            let all = (0..).zip(cursor.streams().iter());
            all.filter(move |(stream, _)| !is_all_hidden(*stream, veils.as_ref(), source))
                .map(|(_, stream)| stream)
        });
        let (streams, ordinals) = Ordinals::of_all(stay);
        let of_source = |c: &Cursor| c.streams().iter().map(|s| ordinals.of(s)).collect();
        let merge = Self {
            ordinals: cursors.iter().map(of_source).collect(),
            cursors,
            veils,
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
        sources: &[Arc<Segment>],
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(), String> {
        let mut fronts: BinaryHeap<Front> = BinaryHeap::new();
        for (source, of) in sources.iter().enumerate() {
            fronts.extend(self.front(source, of, pace, damaged)?);
        }
        while let Some(Reverse((stream, key, source))) = fronts.pop() {
            if let Some(record) = self.cursors[source].record() {
                segment
                    .add(key, stream, record.packed)
                    .map_err(|error| error.to_string())?;
            }
            self.advance(source, &sources[source], pace, damaged)?;
            fronts.extend(self.front(source, &sources[source], pace, damaged)?);
        }
        Ok(())
    }

    fn advance(
        &mut self,
        source: usize,
        of: &Segment,
        pace: &Pace,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<(), String> {
        let cursor = &mut self.cursors[source];
        let bytes = cursor.record().map_or(0, |record| record.packed.len());
        self.bytes += bytes as u64;
        self.records += 1;
        let look = self.records.is_multiple_of(RECORDS_PER_LOOK);
        cursor
            .advance()
            .map_err(|damage| met(of, damage, damaged))?;
        if look && !pace.may_go_on(self.bytes, self.started) {
            return Err("the store is closing".into());
        }
        Ok(())
    }

    /// The next record of a source that is to be seen.
    fn front(
        &mut self,
        source: usize,
        of: &Segment,
        pace: &Pace,
        damaged: &mut Option<(u64, Damage)>,
    ) -> Result<Option<Front>, String> {
        while self.is_hidden(source) {
            self.advance(source, of, pace, damaged)?;
        }
        let front = self.cursors[source].record().and_then(|record| {
            let stream = *self.ordinals[source].get(record.stream as usize)?;
            Some(Reverse((stream, record.key, source)))
        });
        Ok(front)
    }

    /// Whether the record that a source stands at is left out; it is counted then.
    fn is_hidden(&mut self, source: usize) -> bool {
        let (Some(veils), Some(record)) = (&self.veils[source], self.cursors[source].record())
        else {
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

/// Whether nothing of a stream is to be seen, so that not even its labels stay.
fn is_all_hidden(stream: u32, veils: Option<&Veils>, source: &Segment) -> bool {
    let veil = veils.and_then(|veils| veils.of(stream));
    veil.is_some_and(|veil| {
        let Place {
            times, positions, ..
        } = place(&source.meta);
        let last = Position(positions.1.0.saturating_sub(1));
        veil.hides_all(times, (positions.0, last))
    })
}

/// Notes which source is damaged.
fn met(source: &Segment, damage: Damage, damaged: &mut Option<(u64, Damage)>) -> String {
    let message = damage.to_string();
    *damaged = Some((source.meta.id, damage));
    message
}

//! Tells of a block's records which are hidden, and of a segment's streams what they have.

use super::directory::{Head, Section};
use super::fetch::Scratch;
use super::reader::{Block, Segment};
use super::{Damage, guarded};
use crate::hidden::{StreamVeil, Veils, VeilsOf};
use sonde_proto::{Position, UnixNanos};
use std::ops::Range;

/// How much of something is hidden.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HiddenShare {
    /// Records.
    pub(crate) all: u64,
    /// Records older than their streams are kept, which nobody asked to delete.
    pub(crate) past: u64,
    /// Records that somebody asked to delete, older than their streams are kept or not: if
    /// these were kept for longer one day, such a record must not come back.
    pub(crate) deleted: u64,
}

impl Head {
    /// The earliest and the latest time.
    pub(super) fn times(&self) -> (UnixNanos, UnixNanos) {
        (self.first, self.last)
    }

    /// The first and the last position.
    pub(super) fn first_and_last(&self) -> (Position, Position) {
        (Position(self.positions.0), Position(self.positions.1))
    }
}

impl Segment {
    /// How much of the segment is hidden; nothing is in blocks that `may_have` excludes.
    /// Stops where something is to be deleted, or where `go_on` (given the bytes that were
    /// looked at) says so.
    pub(crate) fn hidden_share(
        &self,
        veils: &Veils,
        may_have: impl Fn(u32) -> bool,
        mut go_on: impl FnMut(u64) -> bool,
    ) -> Result<Option<HiddenShare>, Damage> {
        guarded(|| {
            self.directory.check()?;
            let (mut share, mut scratch, mut bytes) = (HiddenShare::default(), Scratch::new()?, 0);
            for number in 0..self.directory.blocks() {
                let block = self.block(number)?;
                if !may_have(number) {
                    share.all += block.records() as u64;
                    continue;
                }
                bytes += block.hidden_share(veils, &mut scratch, &mut share)?;
                if share.deleted > 0 {
                    break;
                }
                if !go_on(bytes) {
                    return Ok(None);
                }
            }
            Ok(Some(share))
        })
    }
}

impl Segment {
    /// Calls `each` with every run of a stream's records: the stream, how many records, and
    /// the bytes of their bodies.
    pub(crate) fn stream_uses(&self, mut each: impl FnMut(u32, u64, u64)) -> Result<(), Damage> {
        guarded(|| {
            self.directory.check()?;
            for number in 0..self.directory.blocks() {
                let runs = self.block(number)?.runs();
                runs.for_each(|run| each(run.stream, u64::from(run.records), run.body_bytes));
            }
            Ok(())
        })
    }
}

impl Block<'_> {
    fn hidden_share(
        &self,
        veils: &Veils,
        scratch: &mut Scratch,
        share: &mut HiddenShare,
    ) -> Result<u64, Damage> {
        share.all += self.records() as u64;
        if self.suspects(veils).next().is_none() {
            return Ok(0);
        }
        self.times(&mut scratch.numbers, &mut scratch.times)?;
        let (mut past, mut asked, mut deleted) = (0, Vec::new(), Vec::new());
        for (rows, veil) in self.suspects(veils) {
            for row in rows {
                let time = scratch.times.get(row).copied().unwrap_or_default();
                past += u64::from(veil.is_past(time));
                if veil.may_delete(time, time) {
                    asked.push((row, time, veil));
                }
            }
        }
        self.decide(&asked, &mut deleted, scratch)?;
        let deleted_past = asked
            .iter()
            .filter(|(row, time, veil)| veil.is_past(*time) && deleted.binary_search(row).is_ok());
        share.past += past - deleted_past.count() as u64;
        share.deleted += deleted.len() as u64;
        Ok(self.head.body_bytes)
    }

    /// The rows of the streams of which some may be hidden.
    fn suspects<'v, V: VeilsOf>(
        &self,
        veils: &'v V,
    ) -> impl Iterator<Item = (Range<usize>, &'v StreamVeil)> + use<'v, '_, V> {
        let (first, last) = self.head.times();
        let mut at = 0;
        self.runs().filter_map(move |run| {
            let rows = at..at + run.records as usize;
            at = rows.end;
            let veil = veils.of(run.stream)?;
            veil.may_hide(first, last).then_some((rows, veil))
        })
    }

    /// Takes those of `rows` (ascending) away that are hidden. The times of the block are in
    /// `scratch`, and the streams of these rows are known.
    pub(super) fn keep_visible(
        &self,
        veils: &impl VeilsOf,
        rows: &mut Vec<usize>,
        scratch: &mut Scratch,
    ) -> Result<(), Damage> {
        let (mut hidden, mut undecided) = (Vec::new(), Vec::new());
        let time = |row: usize| scratch.times.get(row).copied().unwrap_or_default();
        for (range, veil) in self.suspects(veils) {
            let from = rows.partition_point(|row| *row < range.start);
            let to = rows.partition_point(|row| *row < range.end);
            for row in rows[from..to].iter().copied() {
                let time = time(row);
                if veil.is_past(time) {
                    hidden.push(row);
                } else if veil.may_delete(time, time) {
                    undecided.push((row, time, veil));
                }
            }
        }
        self.decide(&undecided, &mut hidden, scratch)?;
        hidden.sort_unstable();
        if !hidden.is_empty() {
            let mut hidden = hidden.iter().peekable();
            rows.retain(|row| {
                while hidden.next_if(|next| *next < row).is_some() {}
                hidden.peek() != Some(&row)
            });
        }
        Ok(())
    }

    /// Which of these rows (ascending) somebody asked to delete, added to `deleted`. Looks at
    /// positions and bodies where these decide.
    fn decide(
        &self,
        undecided: &[(usize, UnixNanos, &StreamVeil)],
        deleted: &mut Vec<usize>,
        scratch: &mut Scratch,
    ) -> Result<(), Damage> {
        if undecided.is_empty() {
            return Ok(());
        }
        let rows: Vec<usize> = undecided.iter().map(|(row, ..)| *row).collect();
        let (first, last) = self.head.first_and_last();
        let positions: Vec<Position> =
            match undecided.iter().any(|(.., veil)| veil.needs_position(last)) {
                true => {
                    let keys = self.keys(&rows, &scratch.times)?;
                    keys.iter().map(|key| key.position).collect()
                }
                // Any of them is before every request.
                false => vec![first; rows.len()],
            };
        let mut at = 0;
        let mut decide = |row: usize, body: &[u8]| {
            let ((_, time, veil), position) = (undecided[at], positions[at]);
            if veil.deletes(time, position, body) {
                deleted.push(row);
            }
            at += 1;
        };
        if !undecided.iter().any(|(.., veil)| veil.needs_body()) {
            rows.iter().for_each(|row| decide(*row, b""));
            return Ok(());
        }
        let Scratch {
            unpacker,
            numbers,
            ends,
            ..
        } = scratch;
        self.ends(numbers, ends)?;
        let read = self
            .bodies(ends)?
            .some(&rows, unpacker, &mut Vec::new(), decide);
        read.map(drop).ok_or_else(|| self.nonsense(Section::Bodies))
    }
}

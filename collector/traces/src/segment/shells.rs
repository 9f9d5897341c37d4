//! The list of what the spans of a segment share: each resource and each scope once
//! ([`Shell`]), so that what a hundred thousand traces have in common lies there once.
//!
//! ```text
//! index.blk   key  'd' number u32 big endian     value  a shell; of a large one pieces, one after
//!                                                        the other under the same key
//! ```
//!
//! Numbers are in the order of the bytes. So lists are joined by walking them side by side, and
//! a number says of two which one is greater.

use super::Segment;
use super::merge::each_key;
use crate::raw::{Context, Shell};
use crate::tail::Tail;
use ahash::{AHashMap, AHashSet};
use bytes::Bytes;
use parking_lot::Mutex;
use sonde_segment::blocks::{BlockError, Writer, hash64};
use std::ops::Bound;
use std::sync::Arc;

const LISTED: u8 = b'd';
/// The largest piece of a shell.
const PIECE_BYTES: usize = 1 << 20;

/// The shells of a tail, by number.
pub(super) struct ShellList {
    contents: Vec<Bytes>,
    numbers: AHashMap<*const Shell, u32>,
}

impl ShellList {
    /// Numbers what the spans of a tail share, which has to stay as it is meanwhile.
    pub(super) fn of(tail: &Tail) -> Self {
        let mut contexts: AHashSet<*const Context> = AHashSet::new();
        let mut shells: AHashMap<*const Shell, &Bytes> = AHashMap::new();
        for span in tail.traces.values().flat_map(|trace| &trace.spans) {
            if contexts.insert(Arc::as_ptr(&span.context)) {
                for shell in [&span.context.resource, &span.context.scope] {
                    shells.insert(Arc::as_ptr(shell), &shell.bytes);
                }
            }
        }
        let mut shells: Vec<(*const Shell, &Bytes)> = shells.into_iter().collect();
        shells.sort_unstable_by(|a, b| a.1.cmp(b.1));
        let (mut contents, mut numbers): (Vec<Bytes>, _) = (Vec::new(), AHashMap::new());
        for (shell, bytes) in shells {
            if contents.last() != Some(bytes) {
                contents.push(bytes.clone());
            }
            numbers.insert(shell, contents.len() as u32 - 1);
        }
        Self { contents, numbers }
    }

    pub(super) fn number(&self, shell: &Arc<Shell>) -> Option<u32> {
        self.numbers.get(&Arc::as_ptr(shell)).copied()
    }

    pub(super) fn write(&self, writer: &mut Writer) -> Result<(), BlockError> {
        let mut contents = (0..).zip(&self.contents);
        contents.try_for_each(|(number, bytes)| write_shell(writer, number, bytes))
    }
}

/// What the lists of several segments become as one.
#[derive(Default)]
pub(super) struct JoinedShells {
    /// Of each segment the new number of each old one.
    numbers: Vec<Vec<u32>>,
    /// Of each new one.
    hashes: Vec<u64>,
}

impl JoinedShells {
    pub(super) fn of(inputs: &[Arc<Segment>]) -> Result<Self, BlockError> {
        let mut joined = Self {
            numbers: vec![Vec::new(); inputs.len()],
            hashes: Vec::new(),
        };
        each_shell(inputs, |number, bytes, from| {
            for (input, _) in from {
                joined.numbers[*input].push(number);
            }
            joined.hashes.push(hash64(bytes));
            Ok(())
        })?;
        Ok(joined)
    }

    /// The new number of a shell of one of the segments.
    pub(super) fn number(&self, input: usize, old: u32) -> Result<u32, BlockError> {
        let number = self.numbers[input].get(old as usize);
        number.copied().ok_or(NOT_LISTED)
    }

    /// Stands for a shell of one of the segments, which is not read.
    pub(super) fn stand_in(&self, input: usize, old: u32) -> Result<Arc<Shell>, BlockError> {
        let number = self.number(input, old)?;
        let hash = self.hashes.get(number as usize).copied();
        Ok(Arc::new(Shell::listed(number, hash.unwrap_or_default())))
    }

    /// Writes the list.
    pub(super) fn write(writer: &mut Writer, inputs: &[Arc<Segment>]) -> Result<(), BlockError> {
        each_shell(inputs, |number, bytes, _| {
            write_shell(writer, number, bytes)
        })
    }
}

const NOT_LISTED: BlockError =
    BlockError::Damaged("spans name a resource or a scope that is not listed");

/// Visits every shell of several segments once, with its new number and those that have it.
fn each_shell(
    inputs: &[Arc<Segment>],
    mut visit: impl FnMut(u32, &Bytes, &[(usize, Bytes)]) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let mut number = 0;
    let as_key = |shell: Result<Bytes, BlockError>| shell.map(|bytes| (bytes, Bytes::new()));
    let lists = inputs.iter().map(|s| s.shells().map(as_key)).collect();
    each_key(lists, usize::MAX, |bytes, from| {
        visit(number, bytes, from)?;
        number += 1;
        Ok(())
    })
}

fn write_shell(writer: &mut Writer, number: u32, bytes: &[u8]) -> Result<(), BlockError> {
    let key = key(number);
    if bytes.is_empty() {
        return writer.add(&key, bytes);
    }
    let mut pieces = bytes.chunks(PIECE_BYTES);
    pieces.try_for_each(|piece| writer.add(&key, piece))
}

impl Segment {
    /// All shells, by number.
    fn shells(&self) -> impl Iterator<Item = Result<Bytes, BlockError>> {
        self.shells_from(0)
    }

    /// The shells from one number on.
    fn shells_from(&self, first: u32) -> impl Iterator<Item = Result<Bytes, BlockError>> {
        let mut scan = self.index.scan(Bound::Included(&key(first)));
        let mut ahead = scan.next();
        let (mut number, mut before) = (first, None);
        std::iter::from_fn(move || {
            let mut pieces: Vec<Bytes> = Vec::new();
            loop {
                match ahead.take() {
                    Some(Err(error)) => return Some(Err(error)),
                    Some(Ok((found, piece))) if found[..] == key(number) => {
                        pieces.push(piece);
                        ahead = scan.next();
                    }
                    other => {
                        ahead = other;
                        break;
                    }
                }
            }
            if pieces.is_empty() {
                let is_end = |key: &Bytes| key.first() != Some(&LISTED);
                let is_end = ahead.as_ref().is_none_or(|next| {
                    let key = next.as_ref().ok();
                    key.is_some_and(|(key, _)| is_end(key))
                });
                return (!is_end).then_some(Err(NOT_LISTED));
            }
            let shell = match pieces.as_slice() {
                [piece] => piece.clone(),
                pieces => pieces.concat().into(),
            };
            if before.as_ref().is_some_and(|before| *before >= shell) {
                return Some(Err(BlockError::Damaged(
                    "a list of resources and scopes is out of order",
                )));
            }
            number += 1;
            before = Some(shell.clone());
            Some(Ok(shell))
        })
    }
}

fn key(number: u32) -> [u8; 5] {
    let [a, b, c, d] = number.to_be_bytes();
    [LISTED, a, b, c, d]
}

/// So many shells are read at once, and so many bytes of them.
const AHEAD_MAX: usize = 32;
const AHEAD_BYTES_MAX: usize = 8 << 10;
/// What one shell takes beside its bytes.
const OVERHEAD: usize = 2 * size_of::<((u64, u32), Arc<Shell>)>() + size_of::<Shell>();

/// The shells that were read last, of all segments: those that many traces share are read once.
///
/// Two generations: one that is used goes into the younger, and when that has half of all bytes
/// the older is let go. One shell is kept however large it is.
#[derive(Debug)]
pub(crate) struct ShellCache {
    bytes_max: usize,
    kept: Mutex<Generations>,
}

type Generation = AHashMap<(u64, u32), Arc<Shell>>;

#[derive(Debug, Default)]
struct Generations {
    young: Generation,
    old: Generation,
    young_bytes: usize,
}

impl ShellCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            kept: Mutex::new(Generations::default()),
        }
    }

    /// A shell of a segment, read where it is not kept.
    pub(super) fn get(&self, segment: &Segment, number: u32) -> Result<Arc<Shell>, BlockError> {
        let key = (segment.meta.id, number);
        if let Some(kept) = self.kept.lock().get(key, self.bytes_max) {
            return Ok(kept);
        }
        let read = read_some(segment, number)?;
        let mut kept = self.kept.lock();
        for (number, shell) in (number..).zip(&read) {
            kept.add((segment.meta.id, number), shell, self.bytes_max);
        }
        read.into_iter().next().ok_or(NOT_LISTED)
    }
}

/// Reads a shell, and where they are small those behind it: they lie in the block that had to be
/// unpacked, and say nearly the same, so that one that is wanted is seldom alone.
fn read_some(segment: &Segment, number: u32) -> Result<Vec<Arc<Shell>>, BlockError> {
    let (mut read, mut bytes) = (Vec::new(), 0);
    for shell in segment.shells_from(number).take(AHEAD_MAX) {
        let shell = Bytes::copy_from_slice(&shell?);
        bytes += shell.len();
        read.push(Arc::new(Shell::apart(shell)));
        if bytes > AHEAD_BYTES_MAX {
            break;
        }
    }
    Ok(read)
}

impl Generations {
    fn get(&mut self, key: (u64, u32), bytes_max: usize) -> Option<Arc<Shell>> {
        if let Some(shell) = self.young.get(&key) {
            return Some(Arc::clone(shell));
        }
        let shell = self.old.remove(&key)?;
        self.add(key, &shell, bytes_max);
        Some(shell)
    }

    fn add(&mut self, key: (u64, u32), shell: &Arc<Shell>, bytes_max: usize) {
        let bytes = shell.bytes.len() + OVERHEAD;
        if self.young_bytes + bytes > bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, Arc::clone(shell));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_that_are_used_stay_and_the_others_go_when_there_are_too_many() {
        let mut kept = Generations::default();
        let shell = || Arc::new(Shell::apart(vec![0; 1000].into()));
        let used = shell();
        kept.add((1, 0), &used, 100_000);
        for number in 1..10_000 {
            kept.add((1, number), &shell(), 100_000);
            let found = kept.get((1, 0), 100_000);
            assert!(found.is_some_and(|found| Arc::ptr_eq(&found, &used)));
            let all = kept.young.len() + kept.old.len();
            assert!(all * 1000 <= 100_000, "{all}");
        }
        assert!(kept.get((1, 5), 100_000).is_none());
        let large = Arc::new(Shell::apart(vec![0; 1_000_000].into()));
        kept.add((2, 0), &large, 100_000);
        assert!(kept.get((2, 0), 100_000).is_some());
        kept.add((2, 1), &shell(), 100_000);
        kept.add((2, 2), &large, 100_000);
        assert!(kept.young.len() + kept.old.len() <= 3);
    }
}

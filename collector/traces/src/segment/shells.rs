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
use std::hash::Hash;
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
    /// Of each part of each segment, one after the other, the new number of each that its spans
    /// name.
    numbers: Vec<Vec<u32>>,
    /// Of each new one.
    hashes: Vec<u64>,
}

impl JoinedShells {
    pub(super) fn of(inputs: &[Arc<Segment>]) -> Result<Self, BlockError> {
        let mut joined = Self::default();
        let mut of_segments = vec![Vec::new(); inputs.len()];
        each_shell(inputs, |number, bytes, from| {
            for (input, _) in from {
                of_segments[*input].push(number);
            }
            joined.hashes.push(hash64(bytes));
            Ok(())
        })?;
        for (segment, new) in inputs.iter().zip(of_segments) {
            joined.add_parts(segment, new)?;
        }
        Ok(joined)
    }

    /// Adds the parts of a segment, whose list got new numbers.
    fn add_parts(&mut self, segment: &Segment, new: Vec<u32>) -> Result<(), BlockError> {
        if segment.parts.len() == 1 {
            self.numbers.push(new);
            return Ok(());
        }
        for part in (0..).zip(&segment.parts).map(|(part, _)| part) {
            let mut numbers = segment.numbers_of(part)?;
            for number in &mut numbers {
                *number = *new.get(*number as usize).ok_or(NOT_LISTED)?;
            }
            self.numbers.push(numbers);
        }
        Ok(())
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.hashes.len()
    }

    /// The new number of each that the spans of a part name.
    pub(super) fn numbers(&self, part: usize) -> &[u32] {
        &self.numbers[part]
    }

    /// The new number of a shell that spans of a part name.
    pub(super) fn number(&self, part: usize, old: u32) -> Result<u32, BlockError> {
        let number = self.numbers[part].get(old as usize);
        number.copied().ok_or(NOT_LISTED)
    }

    /// Stands for a shell that spans of a part name, which is not read.
    pub(super) fn stand_in(&self, part: usize, old: u32) -> Result<Arc<Shell>, BlockError> {
        let number = self.number(part, old)?;
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

pub(super) const NOT_LISTED: BlockError =
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
/// And of segments with several parts which numbers these have for them, an eighth as many bytes.
#[derive(Debug)]
pub(crate) struct ShellCache {
    shells: Mutex<Generations<(u64, u32), Shell>>,
    numbers: Mutex<Generations<(u64, u32, u32), [u32]>>,
}

/// Two generations: one that is used goes into the younger, and when that has half of all bytes
/// the older is let go. One is kept however large it is.
#[derive(Debug)]
struct Generations<K, V: ?Sized> {
    young: Generation<K, V>,
    old: Generation<K, V>,
    young_bytes: usize,
    bytes_max: usize,
}

/// Each with its bytes.
type Generation<K, V> = AHashMap<K, (Arc<V>, usize)>;

impl ShellCache {
    pub(crate) fn new(bytes_max: usize) -> Self {
        Self {
            shells: Mutex::new(Generations::new(bytes_max)),
            numbers: Mutex::new(Generations::new(bytes_max / 8)),
        }
    }

    /// A shell of a segment, read where it is not kept.
    pub(super) fn get(&self, segment: &Segment, number: u32) -> Result<Arc<Shell>, BlockError> {
        let key = (segment.meta.id, number);
        if let Some(kept) = self.shells.lock().get(key) {
            return Ok(kept);
        }
        let read = read_some(segment, number)?;
        let mut kept = self.shells.lock();
        for (number, shell) in (number..).zip(&read) {
            let bytes = shell.bytes.len() + OVERHEAD;
            kept.add((segment.meta.id, number), shell, bytes);
        }
        read.into_iter().next().ok_or(NOT_LISTED)
    }

    /// A chunk of the numbers of a segment's part, read where it is not kept.
    pub(super) fn numbers(
        &self,
        segment: &Segment,
        part: u32,
        chunk: u32,
    ) -> Result<Arc<[u32]>, BlockError> {
        let key = (segment.meta.id, part, chunk);
        if let Some(kept) = self.numbers.lock().get(key) {
            return Ok(kept);
        }
        let read: Arc<[u32]> = segment.read_numbers(part, chunk)?.into();
        let bytes = size_of_val(&*read) + OVERHEAD;
        self.numbers.lock().add(key, &read, bytes);
        Ok(read)
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

impl<K: Copy + Eq + Hash, V: ?Sized> Generations<K, V> {
    fn new(bytes_max: usize) -> Self {
        Self {
            young: Generation::new(),
            old: Generation::new(),
            young_bytes: 0,
            bytes_max,
        }
    }

    fn get(&mut self, key: K) -> Option<Arc<V>> {
        if let Some((kept, _)) = self.young.get(&key) {
            return Some(Arc::clone(kept));
        }
        let (kept, bytes) = self.old.remove(&key)?;
        self.add(key, &kept, bytes);
        Some(kept)
    }

    fn add(&mut self, key: K, kept: &Arc<V>, bytes: usize) {
        if self.young_bytes + bytes > self.bytes_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.young_bytes = 0;
        }
        self.young_bytes += bytes;
        self.young.insert(key, (Arc::clone(kept), bytes));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shells_that_are_used_stay_and_the_others_go_when_there_are_too_many() {
        let mut kept = Generations::new(100_000);
        let shell = || Arc::new(Shell::apart(vec![0; 1000].into()));
        let used = shell();
        kept.add((1, 0), &used, 1000);
        for number in 1..10_000 {
            kept.add((1, number), &shell(), 1000);
            let found = kept.get((1, 0));
            assert!(found.is_some_and(|found| Arc::ptr_eq(&found, &used)));
            let all = kept.young.len() + kept.old.len();
            assert!(all * 1000 <= 100_000, "{all}");
        }
        assert!(kept.get((1, 5)).is_none());
        let large = Arc::new(Shell::apart(vec![0; 1_000_000].into()));
        kept.add((2, 0), &large, 1_000_000);
        assert!(kept.get((2, 0)).is_some());
        kept.add((2, 1), &shell(), 1000);
        kept.add((2, 2), &large, 1_000_000);
        assert!(kept.young.len() + kept.old.len() <= 3);
    }
}

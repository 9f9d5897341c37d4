//! The streams of resources that were seen before, so that a record costs a look-up.
//!
//! The texts of fifty thousand resources are a few megabytes; what takes room is everything
//! about them. So a stream is kept at the levels that came, and not without one.

use crate::stream::{LEVELS, Level, Stream, at_level, has_level};
use ahash::AHashMap;
use std::sync::Arc;

/// The streams of the resources and scopes that were seen last. When half of the room is
/// used, what is known becomes what was known, and what was known is forgotten unless it was
/// seen again.
#[derive(Debug)]
pub(super) struct Known {
    /// How many bytes of resources are remembered with their streams.
    bytes_max: usize,
    now: AHashMap<Box<[u8]>, Box<Levels>>,
    before: AHashMap<Box<[u8]>, Box<Levels>>,
    bytes: usize,
}

/// One stream at each of its levels.
#[derive(Debug)]
struct Levels {
    /// The stream without a level, until there is one with a level to make others from.
    base: Option<Stream>,
    /// How many bytes it takes, and how many labels it has.
    base_bytes: u64,
    labels: usize,
    /// Whether the sender set the label of the level.
    has_level: bool,
    at: [Option<AtLevel>; LEVELS],
}

/// A stream, and the tail that it was counted in last.
#[derive(Debug)]
struct AtLevel {
    stream: Arc<Stream>,
    counted_in: u64,
}

/// What a stream at a level takes beside the stream without one, whose texts it shares.
const LEVEL_BYTES: usize = 160;
const LABEL_BYTES: usize = 32;
/// What the label of the level takes in the tail, as [`Stream::bytes`] counts it.
const LEVEL_LABEL_BYTES: u64 = 76;

impl Levels {
    fn new(base: Stream) -> Self {
        Self {
            base_bytes: base.bytes(),
            labels: base.labels.len(),
            has_level: has_level(&base),
            base: Some(base),
            at: Default::default(),
        }
    }

    fn bytes(&self) -> usize {
        let base = usize::try_from(self.base_bytes).unwrap_or(usize::MAX);
        base.saturating_add(self.at.iter().flatten().count() * self.level_bytes())
    }

    /// About how many bytes one more level takes.
    fn level_bytes(&self) -> usize {
        LEVEL_BYTES + self.labels * LABEL_BYTES
    }

    /// Makes the stream at a level, if there is none; whether it was made.
    fn make(&mut self, level: Level) -> bool {
        if self.at[level as usize].is_some() {
            return false;
        }
        let other = self.at.iter().flatten().next();
        let other = other.map(|at| &*at.stream).or(self.base.as_ref());
        let Some(other) = other else { return false };
        let stream = Arc::new(at_level(other, level, self.has_level));
        self.at[level as usize] = Some(AtLevel {
            stream,
            counted_in: 0,
        });
        self.base = None;
        true
    }
}

impl Known {
    /// Nothing yet, and room for so many bytes.
    pub(super) fn within(bytes_max: usize) -> Self {
        Self {
            bytes_max,
            now: AHashMap::new(),
            before: AHashMap::new(),
            bytes: 0,
        }
    }

    /// How many bytes are known, without those that were known before.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether the streams under `key` are known.
    pub(super) fn has(&mut self, key: &[u8]) -> bool {
        if self.now.contains_key(key) {
            return true;
        }
        let Some((key, levels)) = self.before.remove_entry(key) else {
            return false;
        };
        self.insert(key, levels);
        true
    }

    /// Takes the stream of `key`, which is not known, in.
    pub(super) fn add(&mut self, key: Box<[u8]>, base: Stream) {
        self.insert(key, Box::new(Levels::new(base)));
    }

    fn insert(&mut self, key: Box<[u8]>, levels: Box<Levels>) {
        let bytes = key.len().saturating_add(levels.bytes());
        self.bytes = self.bytes.saturating_add(bytes);
        if self.bytes > self.bytes_max / 2 {
            self.before = std::mem::take(&mut self.now);
            self.bytes = bytes;
        }
        self.now.insert(key, levels);
    }

    /// The stream under `key`, which is known, at a level; and how many bytes it takes in the
    /// tail of this number beside what is in there already.
    pub(super) fn at(&mut self, key: &[u8], level: Level, tail: u64) -> (&Arc<Stream>, u64) {
        let levels = self
            .now
            .get_mut(key)
            .expect("find_streams was called for this key just before");
        if levels.make(level) {
            self.bytes += levels.level_bytes();
        }
        let bytes = levels.base_bytes + LEVEL_LABEL_BYTES;
        let at = levels.at[level as usize]
            .as_mut()
            .expect("it was just made, if it was not there");
        let is_counted = std::mem::replace(&mut at.counted_in, tail) == tail;
        let bytes = if is_counted { 0 } else { bytes };
        (&at.stream, bytes)
    }
}

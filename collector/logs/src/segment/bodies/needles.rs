//! The texts that a query asks for, compiled for the templates of the segments it meets.

use sonde_patterns::{Dictionary, Needle};
use std::sync::Arc;

/// The needles of a query, on one of its threads.
pub(in crate::segment) struct Needles {
    entries: Vec<Entry>,
    bytes: usize,
    bytes_max: usize,
}

struct Entry {
    dictionary: Arc<Dictionary>,
    needle: Needle,
    /// How many bytes the needle had when it was last looked at: it grows as it is used.
    needle_bytes: usize,
}

impl Needles {
    /// None yet, and room for so many bytes, with those of the dictionaries that they keep in
    /// memory.
    pub(in crate::segment) fn within(bytes_max: usize) -> Self {
        Self {
            entries: Vec::new(),
            bytes: 0,
            bytes_max,
        }
    }

    /// The needle for `text`.
    pub(super) fn of(&mut self, dictionary: &Arc<Dictionary>, text: &[u8]) -> &Needle {
        let is_it = |e: &Entry| Arc::ptr_eq(&e.dictionary, dictionary) && e.needle.bytes() == text;
        // Mostly it is one of the last.
        let at = match self.entries.iter().rposition(is_it) {
            Some(at) => at,
            None => self.add(dictionary, text),
        };
        let entry = &mut self.entries[at];
        let before = std::mem::replace(&mut entry.needle_bytes, entry.needle.memory());
        self.bytes = self.bytes + entry.needle_bytes - before;
        let at = self.keep_within(at);
        &self.entries[at].needle
    }

    fn add(&mut self, dictionary: &Arc<Dictionary>, text: &[u8]) -> usize {
        let is_kept = |entry: &Entry| Arc::ptr_eq(&entry.dictionary, dictionary);
        if !self.entries.iter().any(is_kept) {
            self.bytes += dictionary.memory();
        }
        let needle = Needle::new(dictionary, text);
        let needle_bytes = needle.memory();
        self.bytes += size_of::<Entry>() + needle_bytes;
        self.entries.push(Entry {
            dictionary: Arc::clone(dictionary),
            needle,
            needle_bytes,
        });
        self.entries.len() - 1
    }

    /// Forgets all but the entry at a place if they are too much together, and says where
    /// that is then.
    fn keep_within(&mut self, at: usize) -> usize {
        if self.bytes <= self.bytes_max {
            return at;
        }
        let entry = self.entries.swap_remove(at);
        self.entries.clear();
        self.bytes = size_of::<Entry>() + entry.dictionary.memory() + entry.needle_bytes;
        self.entries.push(entry);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_patterns::{Block, Encoder, Limits, RowSet};

    /// Lines of as many templates as there are different words, and their dictionary.
    fn encoded(words: usize) -> (Arc<Dictionary>, Vec<u8>) {
        let mut encoder = Encoder::new(Limits::default());
        let lines: Vec<String> = (0..words)
            .map(|n| format!("{} took 12 ms", "x".repeat(n + 1)))
            .collect();
        let (mut out, mut block) = (Vec::new(), Vec::new());
        let lines = lines.iter().map(String::as_bytes);
        let all = lines.flat_map(|line| [(line, 0); 4]);
        encoder.encode(all, &mut block, |_| {}).unwrap();
        encoder.finish(&mut out);
        (Arc::new(Dictionary::read(&out).unwrap()), block)
    }

    #[test]
    fn needles_and_their_dictionaries_stay_within_bytes_and_the_last_is_always_kept() {
        let mut needles = Needles::within(20_000);
        let mut cleared = 0;
        for n in 0..50 {
            let (dictionary, block) = encoded(20 + n);
            let block = Block::read(&dictionary, &block).unwrap();
            for text in ["x took", "took 12", "ms", "took 12"] {
                let before = needles.entries.len();
                let needle = needles.of(&dictionary, text.as_bytes());
                assert_eq!(needle.bytes(), text.as_bytes());
                let mut rows = RowSet::default();
                block.rows_containing(needle, &mut rows).unwrap();
                assert_eq!(rows.count(), block.rows());
                cleared += usize::from(needles.entries.len() < before);
                assert!(needles.bytes <= 20_000 || needles.entries.len() == 1);
            }
            // What needles grew by is seen when they are next asked for.
            for text in ["x took", "took 12", "ms"] {
                needles.of(&dictionary, text.as_bytes());
            }
            let kept = needles.entries.iter().map(|entry| entry.needle.memory());
            assert!(needles.bytes > kept.sum());
        }
        assert!(cleared > 0);
        assert!(Arc::strong_count(&needles.entries[0].dictionary) >= 1);
    }
}

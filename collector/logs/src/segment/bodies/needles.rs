//! The texts that a query asks for, compiled for the templates of the segments it meets.

use sonde_patterns::{Dictionary, Needle};
use std::sync::Arc;

/// To compile a needle takes about as long as to look through so many bytes of bodies for
/// each byte that the dictionary has in memory.
const TEXT_PER_MEMORY: f64 = 0.5;

/// The needles of a query, on one of its threads.
///
/// A needle is compiled when bodies of some bytes were looked through without it: most
/// identifiers are in one block of a segment, and to look through that is quicker.
pub(in crate::segment) struct Needles {
    entries: Vec<Entry>,
    bytes: usize,
    bytes_max: usize,
}

struct Entry {
    dictionary: Arc<Dictionary>,
    text: Box<[u8]>,
    looked_through: usize,
    needle: Option<Needle>,
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

    /// The needle for `text`, where it is worth to have one for another block with so many
    /// bytes of bodies.
    pub(super) fn of(
        &mut self,
        dictionary: &Arc<Dictionary>,
        text: &[u8],
        bytes: usize,
    ) -> Option<&Needle> {
        let is_it = |e: &Entry| Arc::ptr_eq(&e.dictionary, dictionary) && e.text.as_ref() == text;
        let at = match self.entries.iter().position(is_it) {
            Some(at) => at,
            None => self.add(dictionary, text),
        };
        let entry = &mut self.entries[at];
        if entry.needle.is_some() {
            return self.entries[at].needle.as_ref();
        }
        entry.looked_through = entry.looked_through.saturating_add(bytes);
        if (entry.looked_through as f64) < dictionary.memory() as f64 * TEXT_PER_MEMORY {
            return None;
        }
        let needle = Needle::new(dictionary, text);
        self.bytes += needle.memory();
        entry.needle = Some(needle);
        let at = self.keep_within(at);
        self.entries[at].needle.as_ref()
    }

    fn add(&mut self, dictionary: &Arc<Dictionary>, text: &[u8]) -> usize {
        let is_kept = |entry: &Entry| Arc::ptr_eq(&entry.dictionary, dictionary);
        if !self.entries.iter().any(is_kept) {
            self.bytes += dictionary.memory();
        }
        self.bytes += size_of::<Entry>() + text.len();
        self.entries.push(Entry {
            dictionary: Arc::clone(dictionary),
            text: text.into(),
            looked_through: 0,
            needle: None,
        });
        self.keep_within(self.entries.len() - 1)
    }

    /// Forgets all but the entry at a place if they are too much together, and says where
    /// that is then.
    fn keep_within(&mut self, at: usize) -> usize {
        if self.bytes <= self.bytes_max {
            return at;
        }
        let entry = self.entries.swap_remove(at);
        self.entries.clear();
        self.bytes = size_of::<Entry>()
            + entry.text.len()
            + entry.dictionary.memory()
            + entry.needle.as_ref().map_or(0, Needle::memory);
        self.entries.push(entry);
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use sonde_patterns::{Encoder, Limits};

    /// A dictionary of its own: with as many templates as there are different words.
    fn dictionary(words: usize) -> Arc<Dictionary> {
        let mut encoder = Encoder::new(Limits::default());
        let lines: Vec<String> = (0..words)
            .map(|n| format!("{} took 12 ms", "x".repeat(n + 1)))
            .collect();
        let (mut out, mut block) = (Vec::new(), Vec::new());
        let lines = lines.iter().map(String::as_bytes);
        let all = lines.flat_map(|line| [(line, 0); 4]);
        encoder.encode(all, &mut block, |_| {}).unwrap();
        encoder.finish(&mut out);
        Arc::new(Dictionary::read(&out).unwrap())
    }

    #[test]
    fn needles_and_their_dictionaries_stay_within_bytes_and_the_last_is_always_kept() {
        let mut needles = Needles::within(20_000);
        let mut cleared = 0;
        for n in 0..50 {
            let dictionary = dictionary(20 + n);
            for text in ["x took", "took 12", "ms"] {
                let before = needles.entries.len();
                assert!(
                    needles
                        .of(&dictionary, text.as_bytes(), usize::MAX)
                        .is_some()
                );
                cleared += usize::from(needles.entries.len() <= before);
                let last = needles.entries.last().unwrap();
                assert_eq!(last.text.as_ref(), text.as_bytes());
                let kept = needles.entries.iter().map(|entry| {
                    entry.text.len() + entry.needle.as_ref().map_or(0, Needle::memory)
                });
                let kept: usize = kept.sum();
                assert!(needles.bytes > kept);
                assert!(needles.bytes <= 20_000 || needles.entries.len() == 1);
            }
        }
        assert!(cleared > 0);
        assert!(Arc::strong_count(&needles.entries[0].dictionary) >= 1);
    }
}

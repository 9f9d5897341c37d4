//! The texts that a query asks for, compiled for the templates of the segments it meets.

use sonde_patterns::{Dictionary, Needle};
use std::sync::Arc;

/// How many templates the compiled needles of a thread may know something of, all together.
const TEMPLATES_MAX: usize = 1 << 20;

/// To compile a needle takes about as long as to look through so many bytes of bodies for
/// each byte that the dictionary has in memory.
const TEXT_PER_MEMORY: f64 = 0.5;

/// The needles of a query, on one of its threads.
///
/// A needle is compiled when bodies of some bytes were looked through without it: most
/// identifiers are in one block of a segment, and to look through that is quicker.
#[derive(Default)]
pub(in crate::segment) struct Needles {
    entries: Vec<Entry>,
    templates: usize,
}

struct Entry {
    dictionary: Arc<Dictionary>,
    text: Box<[u8]>,
    looked_through: usize,
    needle: Option<Needle>,
}

impl Needles {
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
        if entry.needle.is_none() {
            entry.looked_through = entry.looked_through.saturating_add(bytes);
            if (entry.looked_through as f64) < dictionary.memory() as f64 * TEXT_PER_MEMORY {
                return None;
            }
            entry.needle = Some(Needle::new(dictionary, text));
        }
        entry.needle.as_ref()
    }

    fn add(&mut self, dictionary: &Arc<Dictionary>, text: &[u8]) -> usize {
        let templates = dictionary.templates();
        if self.templates.saturating_add(templates) > TEMPLATES_MAX {
            self.entries.clear();
            self.templates = 0;
        }
        self.templates += templates;
        self.entries.push(Entry {
            dictionary: Arc::clone(dictionary),
            text: text.into(),
            looked_through: 0,
            needle: None,
        });
        self.entries.len() - 1
    }
}

//! The words of a batch, so that most needles need not look at its records.

use super::Batch;
use crate::record::Packed;
use crate::search::Ask;
use crate::words::{Needle, Part, Reach, Whole, for_each_word, hash, hex};

/// The words of all bodies and attributes of a batch.
#[derive(Debug)]
pub(super) struct Summary {
    /// The hashes of all words, ascending.
    hashes: Vec<u32>,
    /// What all words look like.
    reach: Reach,
}

impl Summary {
    pub(super) fn of(batch: &Batch) -> Self {
        let (mut hashes, mut reach) = (Vec::new(), Reach::default());
        let mut add = |text: &[u8]| {
            for_each_word(text, |word, _| {
                hashes.push(hash(word));
                reach.add(word);
            });
        };
        let mut traces = Vec::new();
        for record in batch.records() {
            let Some(packed) = Packed::read(record.packed) else {
                continue;
            };
            add(packed.body);
            packed.attributes().for_each(|(_, value)| add(value));
            traces.extend(packed.trace_id.map(|id| hash(&hex(id.as_bytes()))));
        }
        hashes.append(&mut traces);
        hashes.sort_unstable();
        hashes.dedup();
        hashes.shrink_to_fit();
        Self { hashes, reach }
    }

    /// About how many bytes it takes in memory.
    pub(super) fn bytes(&self) -> usize {
        self.hashes.len() * size_of::<u32>()
    }

    /// Whether the words allow for what is asked for.
    pub(super) fn may_have(&self, ask: &Ask<'_>) -> bool {
        match ask {
            Ask::Lines(lines) => {
                let mut lists = lines.required.iter();
                lists.all(|one_of| one_of.iter().any(|text| self.allows(&Needle::inside(text))))
            }
            Ask::Trace(id) => self.has(hash(&hex(id.as_bytes()))),
            Ask::Token(token) => self.allows(&Needle::token(token.as_bytes())),
        }
    }

    fn allows(&self, needle: &Needle<'_>) -> bool {
        let whole = |whole: &Whole<'_>| match whole {
            Whole::Word(word) => self.has(hash(word.as_bytes())),
            Whole::Identifier(hash) => self.has(*hash),
        };
        let part =
            |part: &Part<'_>| self.has(hash(part.bytes)) || self.reach.goes_beyond(part.bytes);
        needle.whole.iter().all(whole) && needle.parts.iter().all(part)
    }

    fn has(&self, hash: u32) -> bool {
        self.hashes.binary_search(&hash).is_ok()
    }
}

/// Whether words say anything about what is asked for.
pub(super) fn narrows(ask: &Ask<'_>) -> bool {
    match ask {
        Ask::Lines(lines) => !lines.required.is_empty(),
        Ask::Trace(_) | Ask::Token(_) => true,
    }
}

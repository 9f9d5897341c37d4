//! What a block is found by: its different words, identifiers and pairs, each once.

use super::attributes::Terms;
use super::bodies::Pages;
use super::vocabulary::BlockWords;
use crate::words::{IDENTIFIER_BYTES_MIN, Reach, for_each_word, hash, hex, is_identifier};

/// A block with more than one identifier in so many bytes is listed as having any: text
/// that is random would otherwise take more room in the list than in the block.
const BYTES_PER_IDENTIFIER: usize = 12;
/// So many are always listed.
const IDENTIFIERS_MIN: usize = 64;
/// The same for plain words.
const BYTES_PER_WORD: usize = 12;
const WORDS_MIN: usize = 256;

/// How many digits an address has at most before a dot.
const GROUP_BYTES_MAX: usize = 3;

/// A value that is longer is no pair.
const PAIR_VALUE_BYTES_MAX: usize = 64;

/// The terms of a block, being collected.
#[derive(Debug, Default)]
pub(super) struct BlockTerms {
    identifiers: Hashes,
    reach: Reach,
    identifiers_max: usize,
    /// So many are taken. Where there are more on so many pages, one of these has more than
    /// `identifiers_max` different ones.
    identifiers_cap: usize,
    body: Words,
    attributes: Words,
    words_max: usize,
    pairs: Vec<String>,
}

/// What of a block's terms is worth to be kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Summary {
    pub(super) reach: Reach,
    /// Whether identifiers of bodies are listed by the page that they are on.
    pub(super) by_page: bool,
    pub(super) any_identifier: bool,
    pub(super) any_word: bool,
}

impl BlockTerms {
    /// Begins a block of so many bytes of text.
    pub(super) fn begin(&mut self, bytes: usize) {
        self.identifiers.clear();
        self.reach = Reach::default();
        self.identifiers_max = (bytes / BYTES_PER_IDENTIFIER).max(IDENTIFIERS_MIN);
        self.identifiers_cap = self.identifiers_max;
        self.body.clear();
        self.attributes.clear();
        self.words_max = (bytes / BYTES_PER_WORD).max(WORDS_MIN);
        self.pairs.clear();
    }

    /// What follows of bodies is on the next page. The last that is told apart has all that
    /// would be on further ones.
    pub(super) fn next_page(&mut self) {
        if self.identifiers.pages.len() + 1 < Pages::MAX {
            self.identifiers.next_page();
            self.identifiers_cap += self.identifiers_max;
        }
    }

    /// No more bodies follow. What attributes have too is not listed again.
    pub(super) fn end_bodies(&mut self) {
        self.identifiers.know_all();
    }

    /// Takes a body.
    pub(super) fn body(&mut self, body: &[u8]) {
        let Self {
            identifiers,
            reach,
            identifiers_cap,
            body: words,
            words_max,
            ..
        } = self;
        take_words(
            body,
            identifiers,
            reach,
            *identifiers_cap,
            words,
            *words_max,
        );
    }

    /// Takes a word of a body, or an address with dots between its words.
    pub(super) fn word(&mut self, word: &[u8]) {
        // Of words only addresses have dots, and the first of these is near.
        let has_dot = match word.first_chunk::<{ GROUP_BYTES_MAX + 1 }>() {
            Some(near) => near.contains(&b'.'),
            None => word.contains(&b'.'),
        };
        if has_dot {
            return word.split(|b| *b == b'.').for_each(|part| self.word(part));
        }
        let Self {
            identifiers,
            reach,
            identifiers_cap,
            body: words,
            words_max,
            ..
        } = self;
        if is_identifier(word) {
            take_identifier(word, identifiers, reach, *identifiers_cap);
        } else {
            take_plain(word, words, *words_max);
        }
    }

    /// What is to be kept. `traces` are always listed, as 32 hex digits.
    pub(super) fn end(&mut self, traces: &[[u8; 16]]) -> Summary {
        if self.identifiers.list.len() > self.identifiers_max {
            // By page there are too many, but perhaps they are the same ones.
            self.identifiers.forget_pages();
        }
        let by_page = self.identifiers.has_pages();
        let any_identifier = self.identifiers.list.len() > self.identifiers_max;
        if any_identifier {
            self.identifiers.clear();
        }
        for trace in traces {
            self.identifiers.insert(hash(&hex(trace)));
        }
        let any_word = self.body.count > self.words_max || self.attributes.count > self.words_max;
        if any_word {
            self.body.clear();
            self.attributes.clear();
        }
        Summary {
            reach: self.reach,
            by_page,
            any_identifier,
            any_word,
        }
    }

    /// The pages and the hashes of the identifiers; those of attributes alone are on the last.
    pub(super) fn identifiers(&self) -> impl Iterator<Item = (u8, u32)> {
        self.identifiers.by_page()
    }

    /// Takes the words out.
    pub(super) fn words(&mut self) -> BlockWords {
        BlockWords {
            body: self.body.text.clone(),
            attributes: self.attributes.text.clone(),
            pairs: std::mem::take(&mut self.pairs),
        }
    }
}

impl Terms for BlockTerms {
    fn value(&mut self, value: &[u8]) {
        let Self {
            identifiers,
            reach,
            identifiers_cap,
            attributes,
            words_max,
            ..
        } = self;
        take_words(
            value,
            identifiers,
            reach,
            *identifiers_cap,
            attributes,
            *words_max,
        );
    }

    fn pair(&mut self, name: &[u8], value: &[u8]) {
        if value.len() <= PAIR_VALUE_BYTES_MAX
            && let (Ok(name), Ok(value)) = (std::str::from_utf8(name), std::str::from_utf8(value))
        {
            self.pairs.push(format!("{name}={value}"));
        }
    }
}

fn take_words(
    text: &[u8],
    identifiers: &mut Hashes,
    reach: &mut Reach,
    identifiers_max: usize,
    words: &mut Words,
    words_max: usize,
) {
    for_each_word(text, |word, is_identifier| {
        if is_identifier {
            take_identifier(word, identifiers, reach, identifiers_max);
        } else {
            take_plain(word, words, words_max);
        }
    });
}

#[inline]
fn take_plain(word: &[u8], words: &mut Words, words_max: usize) {
    if words.count <= words_max {
        words.insert(word, hash(word));
    }
}

#[inline]
fn take_identifier(
    word: &[u8],
    identifiers: &mut Hashes,
    reach: &mut Reach,
    identifiers_max: usize,
) {
    // Also where its hash is known: that may be another's, which looks different.
    reach.add(word);
    if word.len() >= IDENTIFIER_BYTES_MIN && identifiers.list.len() <= identifiers_max {
        identifiers.insert(hash(word));
    }
}

/// Different hashes of each page.
#[derive(Debug, Default)]
struct Hashes {
    /// 0 where there is none: half of the room of slots that say whether they are in use, and
    /// much of the time goes into fetching them.
    slots: Vec<u32>,
    has_zero: bool,
    list: Vec<u32>,
    /// Where in the list each page but the first begins.
    pages: Vec<usize>,
    /// Where in the list those begin of which the slots know.
    known_from: usize,
}

impl Hashes {
    fn clear(&mut self) {
        self.list.clear();
        self.pages.clear();
        self.forget();
    }

    /// Takes what is in the list already for new.
    fn forget(&mut self) {
        self.slots.fill(0);
        self.has_zero = false;
        self.known_from = self.list.len();
    }

    fn next_page(&mut self) {
        self.pages.push(self.list.len());
        self.forget();
    }

    fn has_pages(&self) -> bool {
        !self.pages.is_empty()
    }

    /// Has everything on one page, each once.
    fn forget_pages(&mut self) {
        if self.has_pages() {
            self.pages.clear();
            self.list.sort_unstable();
            self.list.dedup();
            self.know_all();
        }
    }

    /// Takes nothing for new that is on any page.
    fn know_all(&mut self) {
        if self.known_from > 0 {
            self.known_from = 0;
            self.has_zero = self.list.contains(&0);
            self.fill(self.slots.len());
        }
    }

    fn by_page(&self) -> impl Iterator<Item = (u8, u32)> {
        let mut ends = self.pages.iter().peekable();
        let mut page = 0;
        self.list.iter().enumerate().map(move |(at, hash)| {
            while ends.next_if(|end| **end <= at).is_some() {
                page += 1;
            }
            (page, *hash)
        })
    }

    /// Whether it is new.
    fn insert(&mut self, hash: u32) -> bool {
        if (self.list.len() - self.known_from + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let new = match hash {
            0 => !std::mem::replace(&mut self.has_zero, true),
            _ => self.put(hash),
        };
        if new {
            self.list.push(hash);
        }
        new
    }

    fn put(&mut self, hash: u32) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            match self.slots[at] {
                0 => {
                    self.slots[at] = hash;
                    return true;
                }
                other if other == hash => return false,
                _ => at = (at + 1) & mask,
            }
        }
    }

    fn grow(&mut self) {
        self.fill((self.slots.len() * 2).max(1 << 13));
    }

    /// Puts what is known into so many slots, or more.
    fn fill(&mut self, slots: usize) {
        let known = self.list.len() - self.known_from;
        let slots = slots.max((2 * (known + 1)).next_power_of_two());
        self.slots.clear();
        self.slots.resize(slots, 0);
        for n in self.known_from..self.list.len() {
            let hash = self.list[n];
            if hash != 0 {
                self.put(hash);
            }
        }
    }
}

/// Different words: their bytes decide, for two words may have one hash.
#[derive(Debug, Default)]
struct Words {
    slots: Vec<Slot>,
    round: u32,
    count: usize,
    /// All of them, separated by spaces.
    text: String,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    round: u32,
    hash: u32,
    from: u32,
    length: u32,
}

impl Words {
    fn clear(&mut self) {
        self.text.clear();
        self.count = 0;
        self.round = self.round.wrapping_add(1);
        if self.round == 0 {
            self.slots.fill(Slot::default());
            self.round = 1;
        }
    }

    fn insert(&mut self, word: &[u8], hash: u32) {
        if (self.count + 1) * 2 > self.slots.len() {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        loop {
            let slot = self.slots[at];
            if slot.round != self.round {
                break;
            }
            let from = slot.from as usize;
            if slot.hash == hash && self.text.as_bytes()[from..from + slot.length as usize] == *word
            {
                return;
            }
            at = (at + 1) & mask;
        }
        // Plain words are ASCII.
        let Ok(text) = std::str::from_utf8(word) else {
            return;
        };
        self.slots[at] = Slot {
            round: self.round,
            hash,
            from: self.text.len() as u32,
            length: word.len() as u32,
        };
        self.text.push_str(text);
        self.text.push(' ');
        self.count += 1;
    }

    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(1 << 11);
        let old = std::mem::replace(&mut self.slots, vec![Slot::default(); length]);
        let (round, mask) = (self.round.max(1), length - 1);
        for slot in old
            .into_iter()
            .filter(|slot| slot.round == self.round && self.count > 0)
        {
            let mut at = slot.hash as usize & mask;
            while self.slots[at].round == round {
                at = (at + 1) & mask;
            }
            self.slots[at] = Slot { round, ..slot };
        }
        self.round = round;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    #[test]
    fn an_identifier_whose_hash_is_anothers_is_seen_all_the_same() {
        // Of so many words, some of one kind and one of the other have one hash.
        let digits = (0..1 << 18).map(|n| format!("{n:016}"));
        let by_hash: HashMap<u32, String> = digits.map(|w| (hash(w.as_bytes()), w)).collect();
        let letters = (0..1 << 18).map(|n| format!("x{n:020}y"));
        let mut pairs = letters.filter_map(|word| {
            let other = by_hash.get(&hash(word.as_bytes()))?;
            Some((other, word))
        });
        let (first, second) = pairs.next().unwrap();
        let mut terms = BlockTerms::default();
        terms.begin(1000);
        terms.body(first.as_bytes());
        terms.body(second.as_bytes());
        let summary = terms.end(&[]);
        assert_eq!(terms.identifiers().count(), 1);
        assert!(
            summary
                .reach
                .goes_beyond(&second.as_bytes()[..second.len() - 1])
        );
    }
}

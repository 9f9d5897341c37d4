//! What the words of a needle say about where it can be.
//!
//! A word that is bounded on both sides inside the needle stands whole in every text with
//! the needle. One at the needle's edge is at least a part of a word there: that word is as
//! long as the part or longer, and has all of its bytes.

use super::{IDENTIFIER_BYTES_MIN, hash, is_identifier, is_word_byte};

/// The words of a needle, by what they say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needle<'a> {
    /// These stand whole in every text with the needle.
    pub(crate) whole: Vec<Whole<'a>>,
    /// A word of every text with the needle has this part, for each of them.
    pub(crate) parts: Vec<Part<'a>>,
}

/// A word that has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whole<'a> {
    /// A plain word.
    Word(&'a str),
    /// The hash of an identifier.
    Identifier(u32),
}

/// A part of a word that has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Part<'a> {
    pub(crate) bytes: &'a [u8],
    /// Whether the word begins with it.
    pub(crate) starts: bool,
    /// Whether the word ends with it.
    pub(crate) ends: bool,
}

impl<'a> Needle<'a> {
    /// What `text`, somewhere in a text, says.
    pub(crate) fn inside(text: &'a [u8]) -> Self {
        Self::new(text, false)
    }

    /// What `token` says, with no word going on before or after it.
    pub(crate) fn token(token: &'a [u8]) -> Self {
        Self::new(token, true)
    }

    fn new(text: &'a [u8], bounded: bool) -> Self {
        let mut needle = Self::default();
        let mut at = 0;
        while let Some((from, to)) = next_run(text, at) {
            at = to;
            let bytes = &text[from..to];
            let (starts, ends) = (bounded || from > 0, bounded || to < text.len());
            if starts && ends {
                needle.whole.extend(Whole::of(bytes));
            } else {
                needle.parts.push(Part {
                    bytes,
                    starts,
                    ends,
                });
            }
        }
        needle
    }

    /// Whether it says nothing.
    pub(crate) fn is_empty(&self) -> bool {
        self.whole.is_empty() && self.parts.is_empty()
    }
}

impl<'a> Whole<'a> {
    /// What is known of a whole word; nothing where it is in no index.
    pub(crate) fn of(word: &'a [u8]) -> Option<Self> {
        if is_identifier(word) {
            return (word.len() >= IDENTIFIER_BYTES_MIN).then(|| Self::Identifier(hash(word)));
        }
        std::str::from_utf8(word).ok().map(Self::Word)
    }
}

impl Part<'_> {
    /// Whether a plain word can have it.
    pub(crate) fn fits_plain_words(&self) -> bool {
        !is_identifier(self.bytes)
    }

    /// Whether `word` has it.
    pub(crate) fn is_of(&self, word: &[u8]) -> bool {
        match (self.starts, self.ends) {
            (true, true) => word == self.bytes,
            (true, false) => word.starts_with(self.bytes),
            (false, true) => word.ends_with(self.bytes),
            (false, false) => memchr::memmem::find(word, self.bytes).is_some(),
        }
    }
}

/// The next word at or after `at`.
fn next_run(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    let from = at + bytes[at..].iter().position(|b| is_word_byte(*b))?;
    let length = bytes[from..].iter().position(|b| !is_word_byte(*b));
    Some((from, length.map_or(bytes.len(), |n| from + n)))
}

//! A body cut into its template and its variables.
//!
//! ```text
//! user=42 took 17 ms            template  user=▮ took ▮ ms     variables  42, 17
//! {"user":"bob","n":3}          template  {"user":"▯","n":▯}    variables  bob, 3
//! 12:01 INFO job ran out of …   template  ▮:▮ INFO job ▯        variables  12, 01, ran out of …
//! ```
//!
//! ▮ is a word slot: a word with a digit, or an IPv4 address, so it stands between bytes that
//! belong to no word. ▯ is a text slot: anything. Writing the variables into the slots gives
//! the body back, byte for byte, whatever the body was.

mod fields;
mod json;

use crate::class::{Masks, TEXT_SLOT, WORD_SLOT, has_reserved};
use crate::text::append;
use crate::tokens::address;

/// A longer body is kept raw: its template would hardly come twice.
pub(crate) const BODY_BYTES_MAX: usize = 60_000;
/// A body with more variables is kept raw.
const SLOTS_MAX: usize = 512;
/// A longer template is not worth its place in the dictionary.
pub(crate) const TEMPLATE_BYTES_MAX: usize = 16 << 10;
/// How many words without digits the head of a line has: as a rule its level and the first
/// word of what is said.
const HEAD_WORDS: usize = 2;

/// How a body is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Words with digits are variables, of the whole body; in JSON, the values are.
    Whole,
    /// Fields with digits or punctuation inside are variables.
    Fields,
    /// Words with digits again, but only in the head of a line, up to its third word without a
    /// digit; what is left is one variable.
    Head,
}

/// Where a variable lies in its body.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Span {
    pub(crate) fn len(self) -> usize {
        (self.to - self.from) as usize
    }

    pub(crate) fn of(self, text: &[u8]) -> &[u8] {
        &text[self.from as usize..self.to as usize]
    }
}

/// The template and the variables of one body after the other.
#[derive(Default)]
pub(crate) struct Splitter {
    /// The static text, with a slot byte for each variable.
    pub(crate) template: Vec<u8>,
    /// The variables, in order.
    pub(crate) variables: Vec<Span>,
    masks: Masks,
}

impl Splitter {
    /// Cuts a body; false when it is better kept raw.
    pub(crate) fn split(&mut self, body: &[u8], cut: Cut) -> bool {
        self.template.clear();
        self.variables.clear();
        if body.len() > BODY_BYTES_MAX || has_reserved(body) {
            return false;
        }
        match cut {
            Cut::Whole | Cut::Fields if body.first() == Some(&b'{') => self.json(body),
            Cut::Fields => self.fields(body),
            Cut::Whole => {
                self.masks.read(body);
                self.words(body, body.len());
            }
            Cut::Head => {
                self.masks.read(body);
                let head = self.head(body);
                self.words(body, head);
                if head < body.len() {
                    self.variable(TEXT_SLOT, head, body.len());
                }
            }
        }
        self.variables.len() <= SLOTS_MAX && self.template.len() <= TEMPLATE_BYTES_MAX
    }

    /// Cuts out the words with digits of a text that is no JSON; false as [`Splitter::split`].
    pub(crate) fn split_words(&mut self, text: &[u8]) -> bool {
        self.template.clear();
        self.variables.clear();
        if text.len() > BODY_BYTES_MAX || has_reserved(text) {
            return false;
        }
        self.masks.read(text);
        self.words(text, text.len());
        true
    }

    /// Cuts out the words with digits that begin before `end`.
    fn words(&mut self, body: &[u8], end: usize) {
        let mut at = 0;
        while let Some(digit) = self.masks.digit_from(at).filter(|digit| *digit < end) {
            let from = self.masks.word_start(digit);
            let word_end = self.masks.gap_from(digit).unwrap_or(body.len());
            let to = address(body, from, word_end).unwrap_or(word_end);
            append(&mut self.template, &body[at..from]);
            self.variable(WORD_SLOT, from, to);
            at = to;
        }
        self.template.extend_from_slice(&body[at.min(end)..end]);
    }

    /// Where the head of a line ends.
    fn head(&self, body: &[u8]) -> usize {
        let (mut at, mut plain) = (0, 0);
        while let Some(from) = self.masks.word_from(at) {
            let to = self.masks.gap_from(from).unwrap_or(body.len());
            let has_digit = self.masks.digit_from(from).is_some_and(|digit| digit < to);
            if !has_digit {
                if plain == HEAD_WORDS {
                    return from;
                }
                plain += 1;
            }
            at = to;
        }
        body.len()
    }

    fn variable(&mut self, slot: u8, from: usize, to: usize) {
        self.template.push(slot);
        self.variables.push(Span {
            from: from as u32,
            to: to as u32,
        });
    }
}

#[cfg(test)]
mod tests;

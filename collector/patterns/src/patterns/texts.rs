//! The patterns of many bodies, each once.

use super::{message_cut, message_slot, shown, shown_message};
use crate::split::{Cut, Splitter};
use ahash::AHashMap;

/// Gives bodies their patterns, as [`pattern_of`](crate::pattern_of) does, and numbers these.
///
/// Lines come in few kinds: what makes a pattern is remembered, so that most bodies are only cut.
/// It grows with the patterns and is meant for the bodies of one block.
#[derive(Default)]
pub struct PatternTexts {
    texts: Vec<String>,
    by_text: AHashMap<String, u32>,
    by_cut: AHashMap<Box<[u8]>, Known>,
    by_message: AHashMap<Box<[u8]>, u32>,
    splitter: Splitter,
}

/// What is known of a cut: its pattern, or the slot of its message, which decides.
#[derive(Clone, Copy)]
enum Known {
    Pattern(u32),
    Message(usize),
}

impl PatternTexts {
    /// The number of a body's pattern.
    pub fn of(&mut self, body: &[u8]) -> u32 {
        if !self.splitter.split(body, Cut::Whole) {
            return self.number(shown(body));
        }
        let template = self.splitter.template.as_slice();
        let known = match self.by_cut.get(template) {
            Some(known) => *known,
            None => {
                let key = Box::from(template);
                let new = match message_slot(template) {
                    Some(slot) => Known::Message(slot),
                    None => Known::Pattern(self.number(shown(&key))),
                };
                self.by_cut.insert(key, new);
                new
            }
        };
        match known {
            Known::Pattern(number) => number,
            Known::Message(slot) => {
                let message = self.splitter.variables[slot];
                self.of_message(message.of(body))
            }
        }
    }

    /// The number of the pattern of JSON with this message.
    pub(super) fn of_message(&mut self, message: &[u8]) -> u32 {
        let cut = message_cut(&mut self.splitter, message);
        if let Some(number) = self.by_message.get(cut) {
            return *number;
        }
        let key = Box::from(cut);
        let number = self.number(shown_message(&key));
        self.by_message.insert(key, number);
        number
    }

    /// The number of a pattern: different cuts may be shown alike.
    pub(super) fn number(&mut self, text: String) -> u32 {
        let texts = &mut self.texts;
        *self.by_text.entry(text).or_insert_with_key(|text| {
            texts.push(text.clone());
            texts.len() as u32 - 1
        })
    }

    /// The patterns by their numbers.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        &self.texts
    }

    pub(super) fn into_texts(self) -> Vec<String> {
        self.texts
    }
}

//! What people see of templates: lines with `<_>` where variables were.
//!
//! [`pattern_of`] gives a body its pattern. `Block::patterns` gives each row of a block the
//! same, but looks at text only where a template is cut coarser than people want to see it.
//! [`Clusters`] put those patterns together that are nearly alike.

mod texts;
mod of_block;
mod clusters;

pub use clusters::{ClusterLimits, Clusters, Pattern};
pub use of_block::RowPatterns;
pub use texts::PatternTexts;

use crate::class::{TEXT_SLOT, WORD_SLOT};
use crate::dictionary::Dictionary;
use crate::split::{Cut, Splitter};

/// What stands for a variable.
pub const VARIABLE: &str = "<_>";

/// The names under which JSON logs keep what a person would read: then that is the pattern,
/// and all else is variable.
const MESSAGE_KEYS: [&str; 7] = ["msg", "message", "log", "event", "body", "text", "error"];

impl Dictionary {
    /// A template as people read it. That of raw rows is one variable.
    ///
    /// A number that the dictionary does not have gives nothing.
    #[must_use]
    pub fn pattern(&self, template: u32) -> String {
        if template as usize >= self.templates() {
            return String::new();
        }
        shown(self.text(template))
    }
}

/// The pattern of a body.
#[must_use]
pub fn pattern_of(body: &[u8]) -> String {
    pattern_with(&mut Splitter::default(), body)
}

pub(crate) fn pattern_with(splitter: &mut Splitter, body: &[u8]) -> String {
    if !splitter.split(body, Cut::Whole) {
        return shown(body);
    }
    match message_slot(&splitter.template) {
        Some(slot) => {
            let message = splitter.variables[slot].of(body);
            let cut = message_cut(splitter, message);
            shown_message(cut)
        }
        None => shown(&splitter.template),
    }
}

/// A message of JSON with slots for its variables.
fn message_cut<'a>(splitter: &'a mut Splitter, message: &'a [u8]) -> &'a [u8] {
    match splitter.split_words(message) {
        true => &splitter.template,
        false => message,
    }
}

/// The pattern of JSON with a message, as Loki writes it: its words, and variables around.
fn shown_message(cut: &[u8]) -> String {
    format!("{VARIABLE}{}{VARIABLE}", shown(cut))
}

/// Whether every body with this template is cut to it at words, too, so that the template
/// alone says what [`pattern_of`] says of the body. Where it is cut coarser, or may be, only
/// the body tells.
fn is_finest(template: &[u8]) -> bool {
    let has = |slot| memchr::memchr(slot, template).is_some();
    if template.first() != Some(&b'{') {
        // At words, only words with digits are variables.
        return !has(TEXT_SLOT);
    }
    // In JSON, values are, and a word with a digit is none of its own. A slot at the end is
    // what is left behind the head of a line, or a value that was cut off.
    has(TEXT_SLOT) && !has(WORD_SLOT) && template.last() != Some(&TEXT_SLOT)
}

/// The slot of a JSON template's message.
fn message_slot(template: &[u8]) -> Option<usize> {
    let (mut slot, mut from) = (0, 0);
    for (at, byte) in template.iter().enumerate().filter(|(_, b)| is_slot(**b)) {
        if *byte == TEXT_SLOT && names_message(&template[from..at]) {
            return Some(slot);
        }
        (slot, from) = (slot + 1, at + 1);
    }
    None
}

fn is_slot(byte: u8) -> bool {
    matches!(byte, WORD_SLOT | TEXT_SLOT)
}

/// Text with its slots as people read them.
fn shown(template: &[u8]) -> String {
    let mut text = String::with_capacity(template.len() + 16);
    for (at, piece) in template.split(|b| is_slot(*b)).enumerate() {
        if at > 0 {
            text.push_str(VARIABLE);
        }
        text.push_str(&String::from_utf8_lossy(piece));
    }
    text
}

/// Whether what follows a piece of JSON is the value of a key of [`MESSAGE_KEYS`].
fn names_message(piece: &[u8]) -> bool {
    let Some(key) = piece.strip_suffix(b"\"") else {
        return false;
    };
    let key = key.trim_ascii_end().strip_suffix(b":").unwrap_or_default();
    let key = key.trim_ascii_end().strip_suffix(b"\"").unwrap_or_default();
    MESSAGE_KEYS.iter().any(|name| {
        let before = key.strip_suffix(name.as_bytes());
        before.is_some_and(|before| before.ends_with(b"\""))
    })
}

#[cfg(test)]
mod tests;

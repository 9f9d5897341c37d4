//! What people see of templates: lines with `<_>` where variables were.
//!
//! [`Block::patterns`] gives each row of a block its pattern without looking at its text;
//! [`pattern_of`] does the same for a body that is in no block yet. [`Clusters`] put those
//! together that are nearly alike.

mod clusters;

pub use clusters::{ClusterLimits, Clusters, Pattern};

use crate::block::Block;
use crate::class::{TEXT_SLOT, WORD_SLOT};
use crate::column::View;
use crate::damage::Damage;
use crate::dictionary::{Dictionary, RAW_TEMPLATE};
use crate::split::{Cut, Splitter};
use ahash::AHashMap;

/// What stands for a variable.
pub const VARIABLE: &str = "<_>";

/// The names under which JSON logs keep what a person would read: then that is the pattern,
/// and all else is variable.
const MESSAGE_KEYS: [&str; 7] = ["msg", "message", "log", "event", "body", "text", "error"];

/// The patterns of a block's rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RowPatterns {
    /// The patterns, each once.
    pub texts: Vec<String>,
    /// For each row the place of its pattern in `texts`.
    pub of_rows: Vec<u32>,
}

/// Patterns as they are found, by what makes them.
#[derive(Default)]
struct Found {
    texts: Vec<String>,
    /// Of a template's place in its block and its message's place in its column.
    places: AHashMap<(usize, usize), u32>,
    by_text: AHashMap<String, u32>,
    splitter: Splitter,
}

impl Found {
    fn text(&mut self, text: String) -> u32 {
        let texts = &mut self.texts;
        *self.by_text.entry(text).or_insert_with_key(|text| {
            texts.push(text.clone());
            texts.len() as u32 - 1
        })
    }
}

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

    /// The slot of a template whose variable is what a person would read.
    fn message_slot(&self, template: u32) -> Option<usize> {
        if template == RAW_TEMPLATE {
            return Some(0);
        }
        message_slot(self.text(template))
    }
}

impl Block<'_> {
    /// The pattern of each row: of its template, or of its message where the template is JSON
    /// that has one. Rows that are kept raw have the pattern of their text.
    ///
    /// # Errors
    /// When the block is damaged.
    pub fn patterns(&self) -> Result<RowPatterns, Damage> {
        let (places, layout) = (self.template_of_rows()?, self.layout()?);
        let mut found = Found::default();
        // The slot, column and values of each template's message.
        let mut messages: Vec<Option<(usize, usize, View<'_>)>> = Vec::new();
        for (place, used) in self.templates().iter().enumerate() {
            messages.push(match self.dictionary.message_slot(used.template) {
                Some(slot) => {
                    let column = layout.slots(place)[slot] as usize;
                    Some((slot, column, self.view(column)?))
                }
                None => None,
            });
        }
        let mut cursors = vec![0_usize; self.columns.len()];
        let mut of_rows = Vec::with_capacity(self.rows());
        for place in places {
            let place = usize::from(*place);
            let slots = layout.slots(place);
            let text = match &messages[place] {
                None => self.plain_pattern(place, &mut found),
                Some((slot, column, view)) => {
                    let before = &slots[..*slot];
                    let nth = before.iter().filter(|c| **c as usize == *column).count();
                    let at = cursors[*column] + nth;
                    self.pattern_at(place, at, view, &mut found)?
                }
            };
            of_rows.push(text);
            for column in slots {
                cursors[*column as usize] += 1;
            }
        }
        Ok(RowPatterns {
            texts: found.texts,
            of_rows,
        })
    }

    fn plain_pattern(&self, place: usize, found: &mut Found) -> u32 {
        if let Some(text) = found.places.get(&(place, 0)) {
            return *text;
        }
        let text = self.dictionary.pattern(self.templates()[place].template);
        let text = found.text(text);
        found.places.insert((place, 0), text);
        text
    }

    fn pattern_at(
        &self,
        place: usize,
        at: usize,
        view: &View<'_>,
        found: &mut Found,
    ) -> Result<u32, Damage> {
        let key = (place, view.place(at)?);
        if let Some(text) = found.places.get(&key) {
            return Ok(*text);
        }
        let mut message = Vec::new();
        view.append(at, &mut message)?;
        let template = self.templates()[place].template;
        let text = if template == RAW_TEMPLATE {
            pattern_with(&mut found.splitter, &message)
        } else {
            message_pattern(&mut found.splitter, &message)
        };
        let text = found.text(text);
        found.places.insert(key, text);
        Ok(text)
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
            let message = splitter.variables[slot];
            message_pattern(splitter, message.of(body))
        }
        None => shown(&splitter.template),
    }
}

/// The pattern of JSON with a message, as Loki writes it: its words, and variables around.
fn message_pattern(splitter: &mut Splitter, message: &[u8]) -> String {
    let whole = splitter.split_words(message);
    let message = shown(if whole { &splitter.template } else { message });
    format!("{VARIABLE}{message}{VARIABLE}")
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

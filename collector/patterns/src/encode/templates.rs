//! The dictionary that a segment's encoder fills: templates, and the columns of their slots.
//!
//! A column is keyed by what stands before its variables, not by template: every `rid=▮`,
//! whatever the rest of the line, is one column. A column for each slot of each template
//! would give a block thousands of columns with two values each.

use crate::class::{TEXT_SLOT, WORD_SLOT, is_word_byte};
use crate::dictionary::{RAW_COLUMN, RAW_TEMPLATE};
use crate::limits::Limits;
use crate::wire::put_varint;
use ahash::{AHashMap, RandomState};
use std::ops::Range;

/// How many slots with nothing but separators between them (`10:42:17.123`) have columns of
/// their own; behind them all share the last one's.
const CHAIN_MAX: u8 = 8;

struct Template {
    text: Range<usize>,
    slots: Range<usize>,
    /// Whether a block needs it.
    kept: bool,
}

/// Templates by number, from [`RAW_TEMPLATE`] on.
pub(super) struct Templates {
    hasher: RandomState,
    by_hash: AHashMap<u64, u32>,
    templates: Vec<Template>,
    texts: Vec<u8>,
    slots: Vec<u32>,
    contexts: AHashMap<u64, u32>,
    /// Whether a column's variables may be any text, by column.
    columns: Vec<bool>,
}

impl Templates {
    pub(super) fn new() -> Self {
        let mut new = Self {
            hasher: RandomState::with_seeds(1, 2, 3, 4),
            by_hash: AHashMap::new(),
            templates: Vec::new(),
            texts: Vec::new(),
            slots: Vec::new(),
            contexts: AHashMap::new(),
            columns: Vec::new(),
        };
        new.clear();
        new
    }

    /// Forgets all templates but the raw one.
    pub(super) fn clear(&mut self) {
        self.by_hash.clear();
        self.templates.clear();
        self.texts.clear();
        self.slots.clear();
        self.contexts.clear();
        self.columns.clear();
        debug_assert_eq!((RAW_TEMPLATE, RAW_COLUMN), (0, 0));
        self.columns.push(true);
        self.push(&[TEXT_SLOT], &[RAW_COLUMN]);
    }

    pub(super) fn hash(&self, text: &[u8]) -> u64 {
        self.hasher.hash_one(text)
    }

    /// The number of a template. The text is compared, so equal hashes never mix bodies up.
    pub(super) fn find(&self, hash: u64, text: &[u8]) -> Option<u32> {
        let number = *self.by_hash.get(&hash)?;
        (self.text(number) == text).then_some(number)
    }

    /// Takes a template in, unless a limit is reached or its hash is taken.
    pub(super) fn add(&mut self, hash: u64, text: &[u8], limits: &Limits) -> Option<u32> {
        let full = self.templates.len() >= limits.templates_max
            || self.texts.len() + text.len() > limits.template_bytes_max;
        if full || self.by_hash.contains_key(&hash) {
            return None;
        }
        let slots = self.columns_of(text, limits.columns_max)?;
        let number = self.push(text, &slots);
        self.by_hash.insert(hash, number);
        Some(number)
    }

    fn push(&mut self, text: &[u8], slots: &[u32]) -> u32 {
        let (text_from, slots_from) = (self.texts.len(), self.slots.len());
        self.texts.extend_from_slice(text);
        self.slots.extend_from_slice(slots);
        self.templates.push(Template {
            text: text_from..self.texts.len(),
            slots: slots_from..self.slots.len(),
            kept: false,
        });
        self.templates.len() as u32 - 1
    }

    /// The column of each slot of a template.
    fn columns_of(&mut self, text: &[u8], columns_max: usize) -> Option<Vec<u32>> {
        let (mut columns, mut from, mut before, mut chained) = (Vec::new(), 0, 0, 0);
        for (at, byte) in text.iter().enumerate() {
            if !matches!(*byte, WORD_SLOT | TEXT_SLOT) {
                continue;
            }
            let piece = &text[from..at];
            let context = match last_word(piece) {
                Some(word) => {
                    chained = 0;
                    self.hasher.hash_one((*byte, &piece[word..]))
                }
                None if chained < CHAIN_MAX => {
                    chained += 1;
                    self.hasher.hash_one((*byte, before, piece))
                }
                None => before,
            };
            columns.push(self.column(context, *byte == TEXT_SLOT, columns_max)?);
            (from, before) = (at + 1, context);
        }
        Some(columns)
    }

    fn column(&mut self, context: u64, any_text: bool, columns_max: usize) -> Option<u32> {
        if let Some(column) = self.contexts.get(&context) {
            // Past the end of a chain a word slot may meet the column of a text slot.
            let column = *column;
            self.columns[column as usize] |= any_text;
            return Some(column);
        }
        if self.columns.len() >= columns_max {
            return None;
        }
        let column = self.columns.len() as u32;
        self.contexts.insert(context, column);
        self.columns.push(any_text);
        Some(column)
    }

    pub(super) fn text(&self, template: u32) -> &[u8] {
        &self.texts[self.templates[template as usize].text.clone()]
    }

    pub(super) fn slots(&self, template: u32) -> &[u32] {
        &self.slots[self.templates[template as usize].slots.clone()]
    }

    /// Whether the variables of a column may be any text, not only words.
    pub(super) fn is_text(&self, column: u32) -> bool {
        self.columns[column as usize]
    }

    /// The static texts of a template.
    pub(super) fn pieces(&self, template: u32) -> impl Iterator<Item = &[u8]> {
        let slot = |byte: &u8| matches!(*byte, WORD_SLOT | TEXT_SLOT);
        self.text(template).split(slot)
    }

    /// How many templates there are, with the raw one.
    pub(super) fn len(&self) -> usize {
        self.templates.len()
    }

    pub(super) fn columns(&self) -> usize {
        self.columns.len()
    }

    /// Notes that a block has rows of these templates.
    pub(super) fn keep(&mut self, used: &[(u32, u32)]) {
        for (template, _) in used {
            self.templates[*template as usize].kept = true;
        }
    }

    /// Appends all templates as `dictionary` reads them, the raw one left out, and an empty
    /// one for each that no block needs.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        put_varint(out, self.templates.len() as u64 - 1);
        for number in 1..self.templates.len() as u32 {
            if !self.templates[number as usize].kept {
                put_varint(out, 0);
                continue;
            }
            let text = self.text(number);
            put_varint(out, text.len() as u64);
            out.extend_from_slice(text);
            for column in self.slots(number) {
                put_varint(out, u64::from(*column));
            }
        }
    }
}

/// Where the last word of a text begins.
fn last_word(text: &[u8]) -> Option<usize> {
    let end = text.iter().rposition(|b| is_word_byte(*b))?;
    let gap = text[..end].iter().rposition(|b| !is_word_byte(*b));
    Some(gap.map_or(0, |gap| gap + 1))
}

//! The templates of a segment.
//!
//! ```text
//! dictionary  version u8 = 1, raw length varint, zstd level 1 of:
//!               templates varint, then each from number 1 on:
//!                 text length varint, text, and for each of its slots the column varint
//! text        static text; 0x0e a slot for a word with a digit, 0x0f a slot for any text
//! ```
//!
//! Template 0 is no text but one slot, whose column 0 holds the bodies that are kept raw. Its
//! values alone may hold the bytes 0x0e, 0x0f and 0x10.

use crate::class::{END, TEXT_SLOT, WORD_SLOT, has_reserved, is_word_byte};
use crate::damage::Damage;
use crate::limits::DICTIONARY_BYTES_MAX;
use crate::split::TEMPLATE_BYTES_MAX;
use crate::unzip::unzip;
use crate::wire::Wire;
use std::ops::Range;

/// The template of the rows that are kept raw.
pub(crate) const RAW_TEMPLATE: u32 = 0;
/// The column of the bodies that are kept raw.
pub(crate) const RAW_COLUMN: u32 = 0;
pub(crate) const VERSION: u8 = 1;

/// A column's number is less than this in every dictionary.
const COLUMNS_MAX: usize = 1 << 20;

/// One place for a variable in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Slot {
    /// Which column of the segment holds its variables.
    pub(crate) column: u32,
    /// Whether they may be any text, not only words.
    pub(crate) any_text: bool,
    /// Where the static text before it begins and ends, in the dictionary's texts.
    before: (u32, u32),
}

struct Template {
    text: (u32, u32),
    slots: (u32, u32),
}

/// The templates of a segment: shared by all its blocks, and by all who read them.
pub struct Dictionary {
    /// The templates' texts one after the other, each with [`END`] behind it.
    texts: Vec<u8>,
    templates: Vec<Template>,
    slots: Vec<Slot>,
    bounds_variables: bool,
}

impl Dictionary {
    /// Reads a dictionary as `Encoder::finish` wrote it.
    ///
    /// # Errors
    /// When the bytes are not a dictionary.
    pub fn read(bytes: &[u8]) -> Result<Self, Damage> {
        let mut wire = Wire(bytes);
        if wire.byte()? != VERSION {
            return Err(Damage("the dictionary has a version that is not known"));
        }
        let length = wire.up_to(DICTIONARY_BYTES_MAX)?;
        let raw = unzip(wire.0, length)?;
        let mut wire = Wire(&raw);
        let mut new = Self {
            texts: Vec::with_capacity(length),
            templates: Vec::new(),
            slots: Vec::new(),
            bounds_variables: true,
        };
        new.push(&[TEXT_SLOT], || Ok(RAW_COLUMN))?;
        for _ in 0..wire.up_to(length)? {
            let text_length = wire.up_to(TEMPLATE_BYTES_MAX)?;
            let text = wire.take(text_length)?;
            if memchr::memchr(END, text).is_some() {
                return Err(Damage("a template holds a byte that ends templates"));
            }
            new.push(text, || {
                let column = wire.up_to(COLUMNS_MAX)? as u32;
                if column == RAW_COLUMN {
                    return Err(Damage("a template takes variables from the raw column"));
                }
                Ok(column)
            })?;
            new.bounds_variables &= bounds_variables(text);
        }
        Ok(new)
    }

    fn push(
        &mut self,
        text: &[u8],
        mut column: impl FnMut() -> Result<u32, Damage>,
    ) -> Result<(), Damage> {
        let (base, slots_from) = (self.texts.len() as u32, self.slots.len() as u32);
        let mut from = 0;
        for at in memchr::memchr2_iter(WORD_SLOT, TEXT_SLOT, text) {
            self.slots.push(Slot {
                column: column()?,
                any_text: text[at] == TEXT_SLOT,
                before: (base + from, base + at as u32),
            });
            from = at as u32 + 1;
        }
        self.texts.extend_from_slice(text);
        self.texts.push(END);
        self.templates.push(Template {
            text: (base, base + text.len() as u32),
            slots: (slots_from, self.slots.len() as u32),
        });
        Ok(())
    }

    /// How many templates there are, with the one of raw rows: a template's number is less.
    #[must_use]
    pub fn templates(&self) -> usize {
        self.templates.len()
    }

    /// The bytes it holds in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.texts.capacity()
            + self.templates.capacity() * size_of::<Template>()
            + self.slots.capacity() * size_of::<Slot>()
    }

    /// Whether all variables stand between bytes that belong to no word, so that a needle of
    /// word bytes alone never lies over more than one of them.
    pub(crate) fn bounds_variables(&self) -> bool {
        self.bounds_variables
    }

    pub(crate) fn slice(&self, range: (u32, u32)) -> &[u8] {
        &self.texts[range.0 as usize..range.1 as usize]
    }

    /// A template's text with its slot bytes.
    pub(crate) fn text(&self, template: u32) -> &[u8] {
        self.slice(self.templates[template as usize].text)
    }

    pub(crate) fn slots(&self, template: u32) -> &[Slot] {
        &self.slots[self.slots_range(template)]
    }

    pub(crate) fn slots_range(&self, template: u32) -> Range<usize> {
        let (from, to) = self.templates[template as usize].slots;
        from as usize..to as usize
    }

    /// The static text before a slot.
    pub(crate) fn before(&self, slot: &Slot) -> &[u8] {
        self.slice(slot.before)
    }

    /// The static text behind the last slot.
    pub(crate) fn last_piece(&self, template: u32) -> &[u8] {
        let text = self.templates[template as usize].text;
        match self.slots(template).last() {
            Some(slot) => self.slice((slot.before.1 + 1, text.1)),
            None => self.slice(text),
        }
    }

    /// Whether a needle can only be in raw rows, because no template's text or variable has
    /// its bytes.
    pub(crate) fn only_raw(needle: &[u8]) -> bool {
        has_reserved(needle)
    }
}

/// Whether the slots of a template stand between bytes that belong to no word. An encoder
/// makes no others, but a dictionary is not to be trusted with more than its bytes.
fn bounds_variables(text: &[u8]) -> bool {
    // Only the neighbours of slots matter, and most bytes are none.
    let is_wordlike = |at: Option<usize>| {
        let byte = at.and_then(|at| text.get(at)).copied();
        byte.is_some_and(|byte| matches!(byte, WORD_SLOT | TEXT_SLOT) || is_word_byte(byte))
    };
    !memchr::memchr2_iter(WORD_SLOT, TEXT_SLOT, text)
        .any(|at| is_wordlike(at.checked_sub(1)) || is_wordlike(at.checked_add(1)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn slots_beside_words_or_slots_do_not_bound_variables(
            text in prop::collection::vec(prop::sample::select(&[WORD_SLOT, TEXT_SLOT, b'a', b' ', b'.'][..]), 0..12),
        ) {
            let slot = |byte: u8| matches!(byte, WORD_SLOT | TEXT_SLOT);
            let wordlike = |byte: u8| slot(byte) || is_word_byte(byte);
            let side_by_side = text.windows(2).any(|pair| {
                (slot(pair[0]) && wordlike(pair[1])) || (slot(pair[1]) && wordlike(pair[0]))
            });
            prop_assert_eq!(bounds_variables(&text), !side_by_side);
        }
    }
}

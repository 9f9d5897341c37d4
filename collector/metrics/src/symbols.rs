//! Texts, each kept once and known by its number.

use ahash::AHashMap;
use std::sync::Arc;

/// The number of a text in its table.
pub(crate) type Symbol = u32;

/// A table of texts.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    texts: Vec<Arc<str>>,
    numbers: AHashMap<Arc<str>, Symbol>,
    bytes: usize,
}

impl Symbols {
    /// The number of a text, which is kept if it is new.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let (number, text): (_, Arc<str>) = (self.texts.len() as Symbol, text.into());
        self.bytes += text.len() + 64;
        self.texts.push(Arc::clone(&text));
        self.numbers.insert(text, number);
        number
    }

    /// The number of a text, if it is known.
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        self.numbers.get(text).copied()
    }

    /// The text of a number from this table.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        self.texts.get(symbol as usize).map_or("", |text| text)
    }

    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    /// All texts, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        self.texts.iter().map(|text| &**text)
    }

    /// About how much memory the table takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

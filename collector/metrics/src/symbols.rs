//! Texts, each kept once and known by its number.

use ahash::RandomState;
use hashbrown::HashTable;

/// The number of a text in its table.
pub(crate) type Symbol = u32;

/// A table of texts: all one after the other, and where each ends. A new text costs its bytes
/// and about 14 more.
#[derive(Debug, Default)]
pub(crate) struct Symbols {
    all: String,
    ends: Vec<u64>,
    /// Empty where the texts are in order.
    numbers: HashTable<Symbol>,
    hasher: RandomState,
    is_sorted: bool,
}

impl Symbols {
    /// A table of texts that come in order, each once; it takes no others.
    pub(crate) fn sorted<'a>(texts: impl Iterator<Item = &'a str>) -> Self {
        let mut symbols = Self {
            is_sorted: true,
            ..Self::default()
        };
        texts.for_each(|text| symbols.push(text));
        symbols
    }

    /// The number of a text, which is kept if it is new.
    pub(crate) fn intern(&mut self, text: &str) -> Symbol {
        if let Some(number) = self.find(text) {
            return number;
        }
        debug_assert!(!self.is_sorted, "a sorted table takes no other texts");
        let number = self.ends.len() as Symbol;
        self.push(text);
        let (all, ends, hasher) = (&self.all, &self.ends, &self.hasher);
        let hash = |number: &Symbol| hasher.hash_one(text_of(all, ends, *number));
        self.numbers
            .insert_unique(hasher.hash_one(text), number, hash);
        number
    }

    fn push(&mut self, text: &str) {
        self.all.push_str(text);
        self.ends.push(self.all.len() as u64);
    }

    /// The number of a text, if it is known.
    pub(crate) fn find(&self, text: &str) -> Option<Symbol> {
        if self.is_sorted {
            return self.search(text);
        }
        let is_it = |number: &Symbol| self.text(*number) == text;
        self.numbers
            .find(self.hasher.hash_one(text), is_it)
            .copied()
    }

    fn search(&self, text: &str) -> Option<Symbol> {
        let (mut low, mut high) = (0, self.ends.len() as Symbol);
        while low < high {
            let middle = low + (high - low) / 2;
            match self.text(middle).cmp(text) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// The text of a number from this table.
    pub(crate) fn text(&self, symbol: Symbol) -> &str {
        text_of(&self.all, &self.ends, symbol)
    }

    /// How many texts there are.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// All texts, in the order of their numbers.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &str> {
        (0..self.ends.len() as Symbol).map(|symbol| self.text(symbol))
    }

    /// How many bytes the texts take, and where each ends.
    pub(crate) fn text_bytes(&self) -> u64 {
        (self.all.len() + self.ends.len() * 8) as u64
    }

    /// About how much memory the table takes.
    pub(crate) fn bytes(&self) -> usize {
        self.all.capacity() + self.ends.capacity() * 8 + self.numbers.capacity() * 6
    }
}

fn text_of<'t>(all: &'t str, ends: &[u64], symbol: Symbol) -> &'t str {
    let at = symbol as usize;
    let before = at.checked_sub(1).and_then(|before| ends.get(before));
    let start = before.copied().unwrap_or_default();
    let end = ends.get(at).copied().unwrap_or(start);
    all.get(start as usize..end as usize).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_one_number_and_a_number_one_text() {
        let texts: Vec<String> = (0..5000)
            .map(|n| format!("text {}", n * 7 % 3001))
            .collect();
        let mut symbols = Symbols::default();
        let numbers: Vec<Symbol> = texts.iter().map(|text| symbols.intern(text)).collect();
        assert_eq!(symbols.len(), 3001);
        for (text, number) in texts.iter().zip(numbers) {
            assert_eq!(symbols.text(number), text);
            assert_eq!(symbols.find(text), Some(number));
        }
        assert_eq!((symbols.find("text"), symbols.text(9999)), (None, ""));
    }

    #[test]
    fn sorted_texts_are_found_by_their_order() {
        let mut texts: Vec<String> = (0..500).map(|n| format!("{}", n * 3)).collect();
        texts.sort();
        let symbols = Symbols::sorted(texts.iter().map(String::as_str));
        for (number, text) in (0..).zip(&texts) {
            assert_eq!(symbols.find(text), Some(number));
            assert_eq!(symbols.text(number), text);
        }
        for missing in ["", "1", "zzz", "00"] {
            assert_eq!(symbols.find(missing), None);
        }
    }
}

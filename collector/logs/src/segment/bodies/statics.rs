//! The words of templates' static text, found once for each template of a segment.

use crate::segment::terms::BlockTerms;
use ahash::AHashMap;
use sonde_patterns::Encoder;

/// Static words. A block whose lines are all alike, and one with a thousand templates that
/// are nearly alike, should both look at each word of them once.
#[derive(Default)]
pub(super) struct StaticWords {
    numbers: AHashMap<Box<[u8]>, u32>,
    /// Of each word, by its number, the block that had it last.
    last: Vec<u32>,
    words: Vec<Box<[u8]>>,
    /// The numbers of each template's words, once they were asked for.
    of_templates: Vec<Option<Box<[u32]>>>,
    block: u32,
}

impl StaticWords {
    /// Gives `terms` the static words of the templates of the block that was encoded last.
    pub(super) fn take(&mut self, encoder: &Encoder, terms: &mut BlockTerms) {
        self.block += 1;
        if self.of_templates.len() < encoder.templates() {
            self.of_templates.resize(encoder.templates(), None);
        }
        for (template, _) in encoder.used() {
            let template = *template;
            if self.of_templates[template as usize].is_none() {
                let words = self.find(encoder, template);
                self.of_templates[template as usize] = Some(words);
            }
            let words = self.of_templates[template as usize].as_deref();
            for number in words.unwrap_or_default() {
                let last = &mut self.last[*number as usize];
                if std::mem::replace(last, self.block) != self.block {
                    terms.word(&self.words[*number as usize]);
                }
            }
        }
    }

    fn find(&mut self, encoder: &Encoder, template: u32) -> Box<[u32]> {
        let mut found = Vec::new();
        encoder.static_words(template, |word| {
            let number = match self.numbers.get(word) {
                Some(number) => *number,
                None => self.add(word),
            };
            found.push(number);
        });
        found.sort_unstable();
        found.dedup();
        found.into()
    }

    fn add(&mut self, word: &[u8]) -> u32 {
        let number = self.words.len() as u32;
        self.words.push(word.into());
        self.last.push(0);
        self.numbers.insert(word.into(), number);
        number
    }
}

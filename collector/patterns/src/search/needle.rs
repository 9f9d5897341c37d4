//! A needle, compiled for a dictionary.

use super::align::{Aligned, align};
use crate::class::{is_word_byte, signature};
use crate::damage::Damage;
use crate::dictionary::{Dictionary, RAW_TEMPLATE};
use crate::split::BODY_BYTES_MAX;
use memchr::memmem::{self, Finder};

/// What a variable has to do with a part of the needle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// It contains the part.
    Contains,
    /// It is the part.
    Equals,
    /// It begins with the part.
    Begins,
    /// It ends with the part.
    Ends,
}

/// A part of the needle and what a variable has to do with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Test {
    pub(crate) kind: Kind,
    pub(crate) from: u32,
    pub(crate) to: u32,
}

impl Test {
    /// The whole needle inside one variable.
    pub(crate) const INSIDE: Self = Self {
        kind: Kind::Contains,
        from: 0,
        to: u32::MAX,
    };
}

/// Tests on slots of a template, by slot number, that must all hold.
pub(crate) type Alignment = Vec<(u32, Test)>;

/// What a template says about its rows.
pub(crate) enum State<'a> {
    /// All contain the needle.
    All,
    /// Those do that have it inside one variable.
    Columns,
    /// Those too for which an alignment holds.
    Aligned(&'a [Alignment]),
    /// Only their text can tell.
    Look,
}

enum Of {
    All,
    Columns,
    Aligned(Vec<Alignment>),
    Look,
}

/// A byte string to be looked for in the blocks of one dictionary.
pub struct Needle {
    bytes: Vec<u8>,
    finder: Finder<'static>,
    signature: u64,
    templates: Vec<Of>,
}

impl Needle {
    /// Compiles a needle: one pass over the dictionary's texts.
    #[must_use]
    pub fn new(dictionary: &Dictionary, needle: &[u8]) -> Self {
        let mut new = Self {
            bytes: needle.to_vec(),
            finder: Finder::new(needle).into_owned(),
            signature: signature(needle),
            templates: Vec::new(),
        };
        new.templates
            .resize_with(dictionary.templates(), || Of::Columns);
        if needle.is_empty() {
            new.templates.iter_mut().for_each(|of| *of = Of::All);
        } else if !Dictionary::only_raw(needle) {
            new.find_static(dictionary);
            new.find_alignments(dictionary);
        }
        new
    }

    /// What is looked for.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// About how many bytes it takes in memory.
    #[must_use]
    pub fn memory(&self) -> usize {
        let of_alignments = |of: &Of| match of {
            Of::Aligned(alignments) => {
                let each = |a: &Alignment| a.capacity() * size_of::<(u32, Test)>();
                alignments.capacity() * size_of::<Alignment>()
                    + alignments.iter().map(each).sum::<usize>()
            }
            Of::All | Of::Columns | Of::Look => 0,
        };
        let aligned: usize = self.templates.iter().map(of_alignments).sum();
        2 * self.bytes.len() + self.templates.capacity() * size_of::<Of>() + aligned
    }

    pub(crate) fn finder(&self) -> &Finder<'static> {
        &self.finder
    }

    pub(crate) fn part(&self, test: Test) -> &[u8] {
        let to = self.bytes.len().min(test.to as usize);
        &self.bytes[test.from as usize..to]
    }

    pub(crate) fn part_signature(&self, test: Test) -> u64 {
        if test == Test::INSIDE {
            self.signature
        } else {
            signature(self.part(test))
        }
    }

    pub(crate) fn state(&self, template: u32) -> Result<State<'_>, Damage> {
        match self.templates.get(template as usize) {
            Some(Of::All) => Ok(State::All),
            Some(Of::Columns) => Ok(State::Columns),
            Some(Of::Aligned(alignments)) => Ok(State::Aligned(alignments)),
            Some(Of::Look) => Ok(State::Look),
            None => Err(Damage("a needle was compiled for another dictionary")),
        }
    }

    /// Marks the templates whose static text contains the needle. Texts stand one after the
    /// other with bytes between them that the needle has not, so one search finds them all.
    fn find_static(&mut self, dictionary: &Dictionary) {
        let mut at = 0;
        while let Some(found) = self.finder.find(&dictionary.texts()[at..]) {
            let template = dictionary.template_at(at + found);
            self.templates[template as usize] = Of::All;
            at = dictionary.text_end(template);
        }
    }

    /// Finds how the needle can lie over static text and variables.
    fn find_alignments(&mut self, dictionary: &Dictionary) {
        let one_word = self.bytes.iter().all(|b| is_word_byte(*b));
        if one_word && dictionary.bounds_variables() || self.bytes.len() > BODY_BYTES_MAX {
            return;
        }
        let clue = static_clue(&self.bytes).map(Finder::new);
        for number in RAW_TEMPLATE + 1..dictionary.templates() as u32 {
            let of = &mut self.templates[number as usize];
            let slots = dictionary.slots(number);
            if matches!(of, Of::All) || slots.is_empty() {
                continue;
            }
            let only_words = slots.iter().all(|slot| !slot.any_text);
            let impossible = |clue: &Finder<'_>| clue.find(dictionary.text(number)).is_none();
            if only_words && clue.as_ref().is_some_and(impossible) {
                continue;
            }
            *of = match align(dictionary, number, &self.bytes) {
                Aligned::No => Of::Columns,
                Aligned::Ways(ways) => Of::Aligned(ways),
                Aligned::TooMany => Of::Look,
            };
        }
    }
}

/// A part of the needle that must be static text where all variables are words: words without
/// digits that the needle holds whole, with what stands around them. The longest.
fn static_clue(needle: &[u8]) -> Option<&[u8]> {
    let mut longest: Option<&[u8]> = None;
    let mut words = Vec::new();
    let mut at = 0;
    while at < needle.len() {
        let end = |from: usize, word: bool| {
            let rest = &needle[from..];
            let length = rest.iter().position(|b| is_word_byte(*b) != word);
            length.map_or(needle.len(), |n| from + n)
        };
        let from = end(at, false);
        let to = end(from, true);
        words.push((from, to));
        at = to;
    }
    let is_static = |(from, to): &(usize, usize)| {
        let whole = *from > 0 && *to < needle.len() && from < to;
        whole && !needle[*from..*to].iter().any(u8::is_ascii_digit)
    };
    for group in words.split(|word| !is_static(word)) {
        if let (Some((from, _)), Some((_, to))) = (group.first(), group.last())
            && longest.is_none_or(|longest| longest.len() < to - from)
        {
            longest = Some(&needle[*from..*to]);
        }
    }
    longest
}

/// Whether a text contains another; for tests and for short texts.
pub(crate) fn contains(text: &[u8], needle: &[u8]) -> bool {
    memmem::find(text, needle).is_some()
}

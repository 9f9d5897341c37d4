//! A needle, compiled for a dictionary: for each template when a block with it is first looked
//! through, because a rare text is in one block or two, which have few of the templates.

use super::align::{Aligned, align};
use crate::class::{is_word_byte, signature};
use crate::damage::Damage;
use crate::dictionary::{Dictionary, RAW_TEMPLATE};
use crate::split::BODY_BYTES_MAX;
use memchr::memmem::{self, Finder};
use std::cell::{Cell, OnceCell};

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

/// Ways in which a needle can lie over a template, one after the other: each is tests on slots, by
/// slot number, that must all hold.
#[derive(Clone, Default)]
pub(crate) struct Alignments {
    tests: Vec<(u32, Test)>,
    /// Where the tests of each end.
    ends: Vec<u32>,
}

impl Alignments {
    pub(super) fn push(&mut self, tests: &[(u32, Test)]) {
        self.tests.extend_from_slice(tests);
        self.ends.push(self.tests.len() as u32);
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[(u32, Test)]> {
        let mut from = 0;
        self.ends.iter().map(move |end| {
            let tests = &self.tests[from..*end as usize];
            from = *end as usize;
            tests
        })
    }

    fn memory(&self) -> usize {
        self.tests.capacity() * size_of::<(u32, Test)>() + self.ends.capacity() * size_of::<u32>()
    }
}

/// What a template says about its rows.
pub(crate) enum State<'a> {
    /// All contain the needle.
    All,
    /// Those do that have it inside one variable.
    Columns,
    /// Those too for which an alignment holds.
    Aligned(&'a Alignments),
    /// Only their text can tell.
    Look,
}

#[derive(Clone)]
enum Of {
    All,
    Columns,
    Aligned(Alignments),
    Look,
}

/// A byte string to be looked for in the blocks of one dictionary.
pub struct Needle {
    bytes: Vec<u8>,
    finder: Finder<'static>,
    signature: u64,
    /// Whether no template's text and no word can have it.
    only_raw: bool,
    one_word: bool,
    /// Text that has to be static where all variables are words.
    clue: Option<Finder<'static>>,
    templates: Vec<OnceCell<Of>>,
    /// The bytes that all alignments take.
    aligned: Cell<usize>,
}

impl Needle {
    /// A needle that nothing is known of yet.
    #[must_use]
    pub fn new(dictionary: &Dictionary, needle: &[u8]) -> Self {
        Self {
            bytes: needle.to_vec(),
            finder: Finder::new(needle).into_owned(),
            signature: signature(needle),
            only_raw: Dictionary::only_raw(needle),
            one_word: needle.iter().all(|b| is_word_byte(*b)),
            clue: static_clue(needle).map(|clue| Finder::new(clue).into_owned()),
            templates: vec![OnceCell::new(); dictionary.templates()],
            aligned: Cell::new(0),
        }
    }

    /// What is looked for.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// About how many bytes it takes in memory; more the more blocks were looked through.
    #[must_use]
    pub fn memory(&self) -> usize {
        let templates = self.templates.capacity() * size_of::<OnceCell<Of>>();
        2 * self.bytes.len() + templates + self.aligned.get()
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

    /// What a template of the dictionary says.
    pub(crate) fn state(
        &self,
        dictionary: &Dictionary,
        template: u32,
    ) -> Result<State<'_>, Damage> {
        let is_ours = self.templates.len() == dictionary.templates();
        let of = self.templates.get(template as usize).filter(|_| is_ours);
        let of = of.ok_or(Damage("a needle was compiled for another dictionary"))?;
        Ok(
            match of.get_or_init(|| self.compile(dictionary, template)) {
                Of::All => State::All,
                Of::Columns => State::Columns,
                Of::Aligned(alignments) => State::Aligned(alignments),
                Of::Look => State::Look,
            },
        )
    }

    fn compile(&self, dictionary: &Dictionary, template: u32) -> Of {
        if self.bytes.is_empty() {
            return Of::All;
        }
        if self.only_raw || template == RAW_TEMPLATE {
            return Of::Columns;
        }
        let text = dictionary.text(template);
        if self.finder.find(text).is_some() {
            return Of::All;
        }
        let slots = dictionary.slots(template);
        let is_inside = self.one_word && dictionary.bounds_variables();
        if is_inside || slots.is_empty() || self.bytes.len() > BODY_BYTES_MAX {
            return Of::Columns;
        }
        let only_words = slots.iter().all(|slot| !slot.any_text);
        let impossible = |clue: &Finder<'_>| clue.find(text).is_none();
        if only_words && self.clue.as_ref().is_some_and(impossible) {
            return Of::Columns;
        }
        match align(dictionary, template, &self.bytes) {
            Aligned::No => Of::Columns,
            Aligned::TooMany => Of::Look,
            Aligned::Ways(ways) => {
                self.aligned.set(self.aligned.get() + ways.memory());
                Of::Aligned(ways)
            }
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

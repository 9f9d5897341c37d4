//! The ways in which a needle can lie over a template's static text and its variables.
//!
//! ```text
//! needle     "level":"ERROR"
//! template   {"level":"▯","msg":"▯"}
//!             └──┬────┘└┬┘└┬
//!             static    │  static
//!                 slot 0 equals ERROR
//! ```

use super::needle::{Alignments, Kind, Test};
use crate::class::is_word_byte;
use crate::dictionary::{Dictionary, Slot};

/// More ways than this, and the text is looked at.
const WAYS_MAX: usize = 64;
/// More comparisons than this for one template, and the text is looked at.
const STEPS_MAX: usize = 20_000;

/// What was found.
pub(super) enum Aligned {
    No,
    Ways(Alignments),
    TooMany,
}

struct TooMany;

/// A template as the pieces and the slots between them: piece 0, slot 0, piece 1, …
struct Aligner<'a> {
    needle: &'a [u8],
    dictionary: &'a Dictionary,
    slots: &'a [Slot],
    last_piece: &'a [u8],
    ways: Alignments,
    path: Vec<(u32, Test)>,
    steps: usize,
}

/// Finds the ways that touch static text and at least one variable.
pub(super) fn align(dictionary: &Dictionary, template: u32, needle: &[u8]) -> Aligned {
    let mut aligner = Aligner {
        needle,
        dictionary,
        slots: dictionary.slots(template),
        last_piece: dictionary.last_piece(template),
        ways: Alignments::default(),
        path: Vec::new(),
        steps: 0,
    };
    match aligner.run() {
        Err(TooMany) => Aligned::TooMany,
        Ok(()) if aligner.ways.is_empty() => Aligned::No,
        Ok(()) => Aligned::Ways(aligner.ways),
    }
}

impl<'a> Aligner<'a> {
    fn run(&mut self) -> Result<(), TooMany> {
        for slot in 0..self.slots.len() {
            self.begin_in_piece(slot)?;
            self.begin_in_slot(slot)?;
        }
        Ok(())
    }

    /// The static text before a slot, or behind the last one.
    fn piece(&self, at: usize) -> &'a [u8] {
        match self.slots.get(at) {
            Some(slot) => self.dictionary.before(slot),
            None => self.last_piece,
        }
    }

    /// The needle begins in the piece before a slot and reaches into the slot.
    fn begin_in_piece(&mut self, slot: usize) -> Result<(), TooMany> {
        let (piece, needle) = (self.piece(slot), self.needle);
        let Some(last) = piece.last() else {
            return Ok(());
        };
        let longest = piece.len().min(needle.len() - 1);
        for at in memchr::memchr_iter(*last, &needle[..longest]) {
            self.step()?;
            if piece.ends_with(&needle[..=at]) {
                self.in_slot(slot, at + 1)?;
            }
        }
        Ok(())
    }

    /// The needle begins inside a slot's variable and goes on behind it.
    fn begin_in_slot(&mut self, slot: usize) -> Result<(), TooMany> {
        let mut next = 1;
        while let Some(length) = self.end_of_variable(slot, 0, next)? {
            self.with(slot, Kind::Ends, 0, length, |this| {
                this.in_piece(slot + 1, length)
            })?;
            next = length + 1;
        }
        Ok(())
    }

    /// The rest of the needle from `at` on, not empty, begins where the slot does.
    fn in_slot(&mut self, slot: usize, at: usize) -> Result<(), TooMany> {
        let mut next = at;
        while let Some(to) = self.end_of_variable(slot, at, next)? {
            self.with(slot, Kind::Equals, at, to, |this| {
                this.in_piece(slot + 1, to)
            })?;
            next = to + 1;
        }
        if self.fits(slot, at, self.needle.len()) {
            return self.with(slot, Kind::Begins, at, self.needle.len(), Self::found);
        }
        Ok(())
    }

    /// The first place from `next` on, inside the needle, where a slot's variable that covers
    /// it from `from` on can end because the piece behind the slot can begin there.
    fn end_of_variable(
        &mut self,
        slot: usize,
        from: usize,
        next: usize,
    ) -> Result<Option<usize>, TooMany> {
        self.step()?;
        let Some(rest) = self.needle.get(next..).filter(|rest| !rest.is_empty()) else {
            return Ok(None);
        };
        let to = match self.piece(slot + 1).first() {
            Some(first) => memchr::memchr(*first, rest).map(|n| next + n),
            None if slot + 1 < self.slots.len() => Some(next),
            None => None,
        };
        Ok(to.filter(|to| self.fits(slot, from, *to)))
    }

    /// The rest of the needle from `at` on, not empty, begins where the piece does.
    fn in_piece(&mut self, piece: usize, at: usize) -> Result<(), TooMany> {
        let (text, rest) = (self.piece(piece), &self.needle[at..]);
        if rest.len() <= text.len() {
            return if text.starts_with(rest) {
                self.found()
            } else {
                Ok(())
            };
        }
        if rest.starts_with(text) && piece < self.slots.len() {
            return self.in_slot(piece, at + text.len());
        }
        Ok(())
    }

    /// Whether that part of the needle can be part of a slot's variable.
    fn fits(&self, slot: usize, from: usize, to: usize) -> bool {
        let wordlike = |b: &u8| is_word_byte(*b) || *b == b'.';
        self.slots[slot].any_text || self.needle[from..to].iter().all(wordlike)
    }

    fn with(
        &mut self,
        slot: usize,
        kind: Kind,
        from: usize,
        to: usize,
        then: impl FnOnce(&mut Self) -> Result<(), TooMany>,
    ) -> Result<(), TooMany> {
        let test = Test {
            kind,
            from: from as u32,
            to: to as u32,
        };
        self.path.push((slot as u32, test));
        let done = then(self);
        self.path.pop();
        done
    }

    fn found(&mut self) -> Result<(), TooMany> {
        if self.ways.len() == WAYS_MAX {
            return Err(TooMany);
        }
        self.ways.push(&self.path);
        Ok(())
    }

    fn step(&mut self) -> Result<(), TooMany> {
        self.steps += 1;
        if self.steps > STEPS_MAX {
            Err(TooMany)
        } else {
            Ok(())
        }
    }
}

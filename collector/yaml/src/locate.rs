//! Where a character of a value stands in the text it was read from.
//!
//! Quotes, indentation and folding make the two differ. Value and text are walked side by
//! side: runs of white space match each other, other characters must be equal. Where an
//! escape breaks the match there is no answer, and the caller falls back to the start.

use std::iter::Peekable;
use std::str::Chars;

use crate::tree::{Place, Scalar};

/// The place of the character of `scalar` at `line` and `column` (both from 1).
pub(crate) fn inside(
    text: &str,
    place: Place,
    scalar: &Scalar,
    line: usize,
    column: usize,
) -> Option<Place> {
    if place.source != 0 || scalar.substituted {
        return None;
    }
    let target = offset(&scalar.text, line, column)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut walk = Walk {
        rest: text.chars().peekable(),
        place,
    };
    for _ in 0..scalar.start {
        walk.rest.next()?;
    }
    let quote = walk.open();
    walk.follow(&scalar.text, target, quote)
}

/// The index of the character at a line and column.
fn offset(value: &str, line: usize, column: usize) -> Option<usize> {
    let before: usize = value
        .split('\n')
        .take(line.checked_sub(1)?)
        .map(|l| l.chars().count() + 1)
        .sum();
    Some((before + column.checked_sub(1)?).min(value.chars().count()))
}

struct Walk<'t> {
    rest: Peekable<Chars<'t>>,
    place: Place,
}

impl Walk<'_> {
    fn step(&mut self) -> Option<char> {
        let c = self.rest.next()?;
        if c == '\n' {
            self.place.line += 1;
            self.place.column = 1;
        } else {
            self.place.column += 1;
        }
        Some(c)
    }

    fn skip_space(&mut self) {
        while self.rest.peek().is_some_and(|c| c.is_whitespace()) {
            self.step();
        }
    }

    /// Steps over a quote or the header of a block; returns the quote.
    fn open(&mut self) -> Option<char> {
        match self.rest.peek().copied() {
            Some(quote @ ('"' | '\'')) => {
                self.step();
                Some(quote)
            }
            Some('|' | '>') => {
                while self.step().is_some_and(|c| c != '\n') {}
                self.skip_space();
                None
            }
            _ => None,
        }
    }

    fn follow(mut self, value: &str, target: usize, quote: Option<char>) -> Option<Place> {
        let mut after_space = false;
        for (at, wanted) in value.chars().enumerate() {
            if wanted.is_whitespace() {
                if at == target {
                    return Some(self.place);
                }
                after_space = true;
                continue;
            }
            if std::mem::take(&mut after_space) {
                self.skip_space();
            }
            if at == target {
                return Some(self.place);
            }
            if self.step()? != wanted {
                return None;
            }
            if wanted == '\'' && quote == Some('\'') {
                self.step();
            }
        }
        Some(self.place)
    }
}

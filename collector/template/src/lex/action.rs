//! The tokens inside of an action.

use super::{CLOSE, Kind, Lexer, SPACES};
use crate::error::TemplateError;

impl Lexer<'_, '_> {
    /// The next token. `action` is where the action began.
    pub(super) fn token(&mut self, action: usize) -> Result<(), TemplateError> {
        let rest = &self.text[self.at..];
        let Some(first) = rest.chars().next() else {
            return Err(self.error(action, "unclosed action"));
        };
        match first {
            ' ' | '\t' | '\r' | '\n' => self.spaces(),
            '=' => self.push(Kind::Assign, self.at + 1),
            ':' if rest.starts_with(":=") => self.push(Kind::Declare, self.at + 2),
            ':' => return Err(self.error(self.at, "expected :=")),
            '|' => self.push(Kind::Pipe, self.at + 1),
            ',' => self.push(Kind::Comma, self.at + 1),
            '(' => {
                self.parens.push(self.at);
                self.push(Kind::LeftParen, self.at + 1);
            }
            ')' => {
                if self.parens.pop().is_none() {
                    return Err(self.error(self.at, "unexpected right paren"));
                }
                self.push(Kind::RightParen, self.at + 1);
            }
            '"' => return self.quoted('"', Kind::Quoted, "unterminated quoted string"),
            '\'' => return self.quoted('\'', Kind::Char, "unterminated character constant"),
            '`' => return self.raw(),
            '$' => return self.named(Kind::Variable),
            '.' if !rest[1..].starts_with(|c: char| c.is_ascii_digit()) => return self.dot(),
            '.' | '+' | '-' | '0'..='9' => return self.number(),
            c if alphanumeric(c) => return self.named(Kind::Word),
            c => {
                return Err(self.error(self.at, format!("unexpected {c:?} in an action")));
            }
        }
        Ok(())
    }

    /// Spaces, but not the one that belongs to ` -}}`.
    fn spaces(&mut self) {
        let rest = &self.text[self.at..];
        let end = self.at + rest.len() - rest.trim_start_matches(SPACES).len();
        let trims = self.close_at(end - 1).is_some_and(|(_, trims)| trims);
        let end = if trims { end - 1 } else { end };
        if end > self.at {
            self.push(Kind::Space, end);
        }
    }

    fn quoted(&mut self, quote: char, kind: Kind, unterminated: &str) -> Result<(), TemplateError> {
        let mut escaped = false;
        for (at, c) in self.text[self.at..].char_indices().skip(1) {
            match c {
                '\n' => break,
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                c if c == quote => {
                    self.push(kind, self.at + at + 1);
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(self.error(self.at, unterminated))
    }

    fn raw(&mut self) -> Result<(), TemplateError> {
        let Some(length) = self.text[self.at + 1..].find('`') else {
            return Err(self.error(self.at, "unterminated raw quoted string"));
        };
        self.push(Kind::Raw, self.at + length + 2);
        Ok(())
    }

    fn dot(&mut self) -> Result<(), TemplateError> {
        if self.text[self.at + 1..].starts_with(alphanumeric) {
            self.named(Kind::Field)
        } else {
            self.push(Kind::Dot, self.at + 1);
            self.terminated()
        }
    }

    /// `$name`, `.name` or `name`.
    fn named(&mut self, kind: Kind) -> Result<(), TemplateError> {
        let mut letters = self.text[self.at..].char_indices().skip(1);
        let end = letters
            .find(|(_, c)| !alphanumeric(*c))
            .map_or(self.text.len(), |(length, _)| self.at + length);
        self.push(kind, end);
        self.terminated()
    }

    fn number(&mut self) -> Result<(), TemplateError> {
        let rest = &self.text[self.at..];
        let mut before = ' ';
        let part = |c: char| {
            let sign = matches!(c, '+' | '-') && matches!(before, ' ' | 'e' | 'E' | 'p' | 'P');
            before = c;
            !(sign || c == '.' || alphanumeric(c))
        };
        let length = rest.find(part).unwrap_or(rest.len());
        if crate::number::parse(&rest[..length]).is_none() {
            return Err(self.error(self.at, format!("bad number syntax: {:?}", &rest[..length])));
        }
        self.push(Kind::Number, self.at + length);
        Ok(())
    }

    /// Whether a name ends here: `$x+2` is no name.
    fn terminated(&self) -> Result<(), TemplateError> {
        let rest = &self.text[self.at..];
        match rest.chars().next() {
            None | Some(' ' | '\t' | '\r' | '\n' | '.' | ',' | '|' | ':' | ')' | '(') => Ok(()),
            Some(_) if rest.starts_with(CLOSE) => Ok(()),
            Some(c) => Err(self.error(self.at, format!("bad character {c:?} after a name"))),
        }
    }
}

fn alphanumeric(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}

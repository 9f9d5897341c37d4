//! A template's text as tokens.
//!
//! ```text
//! text {{- if .A }} text     →  Text  Open Keyword Space Field Close  Text
//! ```
//!
//! As in Go's `text/template/parse`: spaces inside actions are tokens, because `.a .b` and
//! `.a.b` differ; `{{- ` and ` -}}` trim the text beside them; a comment fills its action.

mod action;

use crate::error::{Place, TemplateError};

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Open,
    Close,
    Space,
    Dot,
    /// `.Name`
    Field,
    /// `$` or `$name`
    Variable,
    /// A function's name or a word of the language.
    Word,
    Number,
    Char,
    Quoted,
    Raw,
    Pipe,
    Comma,
    Declare,
    Assign,
    LeftParen,
    RightParen,
    End,
}

/// A piece of the text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind,
    pub(crate) text: &'a str,
    pub(crate) place: Place,
}

const OPEN: &str = "{{";
const CLOSE: &str = "}}";
const SPACES: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits a text into tokens; the last one is [`Kind::End`].
pub(crate) fn tokens<'a>(name: &str, text: &'a str) -> Result<Vec<Token<'a>>, TemplateError> {
    let mut lexer = Lexer {
        name,
        text,
        at: 0,
        tokens: Vec::new(),
        parens: Vec::new(),
        known: (0, Place::START),
    };
    let mut trim = false;
    while let Some(found) = text[lexer.at..].find(OPEN) {
        let open = lexer.at + found;
        let trims_left = trims_left(&text[open + OPEN.len()..]);
        lexer.plain(open, trim, trims_left);
        lexer.at = open;
        trim = lexer.action(trims_left)?;
    }
    lexer.plain(text.len(), trim, false);
    lexer.at = text.len();
    lexer.push(Kind::End, text.len());
    Ok(lexer.tokens)
}

struct Lexer<'a, 'n> {
    name: &'n str,
    text: &'a str,
    at: usize,
    tokens: Vec<Token<'a>>,
    /// Where the parentheses that are open began.
    parens: Vec<usize>,
    /// An offset and its place, from which that of the next token is counted.
    known: (usize, Place),
}

impl<'a> Lexer<'a, '_> {
    /// The text up to `end`, without the spaces that the actions beside it trim.
    fn plain(&mut self, end: usize, trim_start: bool, trim_end: bool) {
        let mut text = &self.text[self.at..end];
        let mut offset = self.at;
        if trim_start {
            let trimmed = text.trim_start_matches(SPACES);
            offset += text.len() - trimmed.len();
            text = trimmed;
        }
        if trim_end {
            text = text.trim_end_matches(SPACES);
        }
        if !text.is_empty() {
            let place = self.place(offset);
            self.tokens.push(Token {
                kind: Kind::Text,
                text,
                place,
            });
        }
    }

    /// One action from `{{` through `}}`. Returns whether the text after it is trimmed.
    fn action(&mut self, trims_left: bool) -> Result<bool, TemplateError> {
        let start = self.at;
        let inside = start + OPEN.len() + if trims_left { 2 } else { 0 };
        if self.text[inside..].starts_with("/*") {
            return self.comment(start, inside);
        }
        self.push(Kind::Open, start + OPEN.len());
        self.at = inside;
        loop {
            if let Some((end, trim)) = self.close_at(self.at) {
                if let Some(paren) = self.parens.first() {
                    return Err(self.error(*paren, "unclosed left paren"));
                }
                self.at = end - CLOSE.len();
                self.push(Kind::Close, end);
                return Ok(trim);
            }
            self.token(start)?;
        }
    }

    fn comment(&mut self, start: usize, inside: usize) -> Result<bool, TemplateError> {
        let Some(length) = self.text[inside..].find("*/") else {
            return Err(self.error(start, "unclosed comment"));
        };
        let Some((end, trim)) = self.close_at(inside + length + 2) else {
            return Err(self.error(start, "comment ends before closing delimiter"));
        };
        self.at = end;
        Ok(trim)
    }

    /// The end of the `}}` or ` -}}` that stands at `at`, and whether it trims.
    fn close_at(&self, at: usize) -> Option<(usize, bool)> {
        let rest = &self.text[at..];
        let after_space = rest
            .strip_prefix(SPACES)
            .and_then(|rest| rest.strip_prefix('-'));
        if after_space.is_some_and(|rest| rest.starts_with(CLOSE)) {
            return Some((at + 2 + CLOSE.len(), true));
        }
        rest.starts_with(CLOSE).then_some((at + CLOSE.len(), false))
    }

    fn push(&mut self, kind: Kind, end: usize) {
        let place = self.place(self.at);
        self.tokens.push(Token {
            kind,
            text: &self.text[self.at..end],
            place,
        });
        self.at = end;
    }

    fn error(&self, offset: usize, message: impl Into<String>) -> TemplateError {
        let place = Place::START.after(&self.text[..offset]);
        place.error(self.name, message)
    }

    /// The place of an offset that is not before that of the last token.
    fn place(&mut self, offset: usize) -> Place {
        let (from, place) = self.known;
        let place = place.after(&self.text[from..offset]);
        self.known = (offset, place);
        place
    }
}

/// Whether what follows `{{` is `- `.
fn trims_left(rest: &str) -> bool {
    rest.strip_prefix('-')
        .is_some_and(|rest| rest.starts_with(SPACES))
}

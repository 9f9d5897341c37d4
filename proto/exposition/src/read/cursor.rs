//! Words of one line of text.

use crate::names;
use memchr::{memchr, memchr2};
use std::borrow::Cow;

/// What is wrong with a line, and at which of its bytes.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) message: String,
}

/// The part of a line that is not read yet.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    line: &'a str,
    at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    #[cold]
    pub(super) fn fault(&self, message: impl Into<String>) -> Fault {
        Fault {
            at: self.at,
            message: message.into(),
        }
    }

    /// That something else is wanted here.
    #[cold]
    pub(super) fn expected(&self, what: &str) -> Fault {
        let found = match self.rest().chars().next() {
            Some(c) => format!("{c:?}"),
            None => "the end of the line".to_owned(),
        };
        self.fault(format!("expected {what}, found {found}"))
    }

    pub(super) fn rest(&self) -> &'a str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn bytes(&self) -> &'a [u8] {
        self.line.as_bytes().get(self.at..).unwrap_or_default()
    }

    #[inline]
    pub(super) fn peek(&self) -> Option<u8> {
        self.line.as_bytes().get(self.at).copied()
    }

    #[inline]
    pub(super) fn is_at_end(&self) -> bool {
        self.at >= self.line.len()
    }

    /// Whether the byte before is this one.
    pub(super) fn follows(&self, byte: u8) -> bool {
        self.line.as_bytes().get(self.at.wrapping_sub(1)) == Some(&byte)
    }

    /// Takes one byte if it is this one.
    #[inline]
    pub(super) fn take(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    /// Takes `word` if it stands here.
    pub(super) fn take_word(&mut self, word: &str) -> bool {
        let is = self.bytes().starts_with(word.as_bytes());
        self.at += if is { word.len() } else { 0 };
        is
    }

    /// Takes spaces and tabs; says how many.
    #[inline]
    pub(super) fn blanks(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b' ' | b'\t')) {
            self.at += 1;
        }
        self.at - start
    }

    /// Takes what stands before the next space or tab, or the end.
    #[inline]
    pub(super) fn token(&mut self) -> &'a str {
        let bytes = self.bytes();
        let end = bytes.iter().position(|byte| matches!(byte, b' ' | b'\t'));
        self.slice(end.unwrap_or(bytes.len()))
    }

    /// Takes a metric name that is not quoted; empty where there is none.
    #[inline]
    pub(super) fn metric_name(&mut self) -> &'a str {
        self.slice(names::metric_name_len(self.bytes()))
    }

    /// Takes a label name that is not quoted; empty where there is none.
    #[inline]
    pub(super) fn label_name(&mut self) -> &'a str {
        self.slice(names::label_name_len(self.bytes()))
    }

    #[inline]
    fn slice(&mut self, len: usize) -> &'a str {
        let start = self.at;
        self.at += len;
        self.line.get(start..self.at).unwrap_or_default()
    }

    /// Takes text in quotes, of which the first must stand here.
    #[inline]
    pub(super) fn quoted(&mut self, bytes_max: usize) -> Result<Cow<'a, str>, Fault> {
        let open = *self;
        if !self.take(b'"') {
            return Err(self.expected("a quoted text"));
        }
        let Some(len) = memchr2(b'"', b'\\', self.bytes()) else {
            return Err(open.fault("the quote is not closed on this line; write line feeds as \\n"));
        };
        let text = if self.bytes().get(len) == Some(&b'"') {
            let plain = self.slice(len);
            self.at += 1;
            Cow::Borrowed(plain)
        } else {
            Cow::Owned(self.escaped(open)?)
        };
        if text.len() > bytes_max {
            let message = format!("a text of {} bytes is longer than {bytes_max}", text.len());
            return Err(open.fault(message));
        }
        Ok(text)
    }

    /// Takes what is left of a quoted text that has escapes, and its end.
    fn escaped(&mut self, open: Self) -> Result<String, Fault> {
        let mut text = String::new();
        loop {
            let Some(len) = memchr2(b'"', b'\\', self.bytes()) else {
                return Err(open.fault("the quote is not closed on this line"));
            };
            text.push_str(self.slice(len));
            if self.take(b'"') {
                return Ok(text);
            }
            self.at += 1;
            let Some(c) = self.rest().chars().next() else {
                return Err(open.fault("the quote is not closed on this line"));
            };
            self.at += c.len_utf8();
            push_escaped(&mut text, c, true);
        }
    }
}

/// Adds what a backslash and `c` mean; both, where they mean nothing.
fn push_escaped(text: &mut String, c: char, quotes: bool) {
    match c {
        'n' => text.push('\n'),
        '\\' => text.push('\\'),
        '"' if quotes => text.push('"'),
        _ => text.extend(['\\', c]),
    }
}

/// A help text without its escapes. OpenMetrics escapes quotes in it, the text format does not.
pub(super) fn unescape_help(text: &str, quotes: bool) -> Cow<'_, str> {
    if memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (c, chars.as_str().chars().next()) {
            ('\\', Some(next)) => {
                chars.next();
                push_escaped(&mut plain, next, quotes);
            }
            _ => plain.push(c),
        }
    }
    Cow::Owned(plain)
}

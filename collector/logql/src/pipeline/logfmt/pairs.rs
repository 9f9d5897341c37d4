//! The pairs of a line.
//!
//! Blanks are all characters up to the space. A key ends at a blank or at `=`; a quote in it,
//! or nothing before the `=`, is a mistake. A value ends at a blank; `=` or a quote in it is
//! a mistake, and after one the rest of the word is left out.

use crate::pipeline::take::push_value;
use std::fmt;

/// The pairs of a line, and the mistakes between them.
pub(super) struct Pairs<'l> {
    line: &'l str,
    at: usize,
}

/// A value, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value<'l> {
    Plain(&'l str),
    /// With backslashes, which [`push_unescaped`] reads.
    Escaped(&'l str),
}

impl Value<'_> {
    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Plain(""))
    }
}

/// Where and why a pair is not well-formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    what: &'static str,
    at: usize,
}

impl fmt::Display for Bad {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at byte {}", self.what, self.at + 1)
    }
}

type Pair<'l> = (&'l str, Value<'l>);

impl<'l> Pairs<'l> {
    pub(super) fn new(line: &'l str) -> Self {
        Self { line, at: 0 }
    }

    fn bytes(&self) -> &'l [u8] {
        self.line.as_bytes()
    }

    /// The next pair or mistake.
    pub(super) fn next(&mut self) -> Option<Result<Pair<'l>, Bad>> {
        let rest = &self.bytes()[self.at..];
        self.at += rest.iter().position(|b| *b > b' ')?;
        Some(self.pair())
    }

    fn pair(&mut self) -> Result<Pair<'l>, Bad> {
        let start = self.at;
        let rest = &self.bytes()[start..];
        let is_end = |b: &u8| *b <= b' ' || *b == b'=' || *b == b'"';
        self.at += rest.iter().position(is_end).unwrap_or(rest.len());
        let key = &self.line[start..self.at];
        match self.bytes().get(self.at) {
            Some(b'=') if key.is_empty() => Err(self.mistake("= without a key")),
            Some(b'"') => Err(self.mistake("a quote in a key")),
            // What was not UTF-8 cannot be in a key.
            _ if !key.is_ascii() && key.contains(char::REPLACEMENT_CHARACTER) => {
                Err(self.mistake("no key"))
            }
            Some(b'=') => {
                self.at += 1;
                Ok((key, self.value()?))
            }
            _ => Ok((key, Value::Plain(""))),
        }
    }

    fn value(&mut self) -> Result<Value<'l>, Bad> {
        if self.bytes().get(self.at) == Some(&b'"') {
            return self.quoted();
        }
        let start = self.at;
        let rest = &self.bytes()[start..];
        let is_end = |b: &u8| *b <= b' ' || *b == b'=' || *b == b'"';
        self.at += rest.iter().position(is_end).unwrap_or(rest.len());
        match self.bytes().get(self.at) {
            Some(b'=') => Err(self.mistake("= in a value without quotes")),
            Some(b'"') => Err(self.mistake("a quote within a value")),
            _ => Ok(Value::Plain(&self.line[start..self.at])),
        }
    }

    fn quoted(&mut self) -> Result<Value<'l>, Bad> {
        let opening = self.at;
        let start = opening + 1;
        let mut at = start;
        let mut has_escapes = false;
        while let Some(step) = self
            .bytes()
            .get(at..)
            .and_then(|rest| memchr::memchr2(b'"', b'\\', rest))
        {
            at += step;
            if self.bytes()[at] == b'\\' {
                has_escapes = true;
                at += 2;
                continue;
            }
            self.at = at + 1;
            let text = &self.line[start..at];
            return match has_escapes {
                false => Ok(Value::Plain(text)),
                true if unescape(text, &mut String::new()) => Ok(Value::Escaped(text)),
                true => Err(Bad {
                    what: "an unknown escape in a value in quotes",
                    at: opening,
                }),
            };
        }
        self.at = self.line.len();
        Err(Bad {
            what: "a value in quotes has no end",
            at: opening,
        })
    }

    /// A mistake here; the rest of the word is left out.
    fn mistake(&mut self, what: &'static str) -> Bad {
        let bad = Bad { what, at: self.at };
        let rest = &self.bytes()[self.at..];
        self.at += rest.iter().position(|b| *b <= b' ').unwrap_or(rest.len());
        bad
    }
}

/// Appends a value without its escapes.
pub(super) fn push_unescaped(out: &mut String, text: &str) {
    let start = out.len();
    if !unescape(text, out) {
        out.truncate(start);
    }
}

/// Appends a value without its escapes, which are JSON's and `\'`. `false`: one is unknown.
fn unescape(text: &str, out: &mut String) -> bool {
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) {
        push_value(out, &rest[..at]);
        rest = &rest[at + 1..];
        let c = match rest.as_bytes().first() {
            Some(b @ (b'"' | b'\\' | b'/' | b'\'')) => char::from(*b),
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => match unicode(rest) {
                Some((c, after)) => {
                    out.push(c);
                    rest = after;
                    continue;
                }
                None => return false,
            },
            Some(_) | None => return false,
        };
        out.push(c);
        rest = &rest[1..];
    }
    push_value(out, rest);
    true
}

/// `u00e9` or a pair `ud83d\ude00`; half a pair is shown as a blank.
fn unicode(rest: &str) -> Option<(char, &str)> {
    let (first, after) = unit(rest)?;
    if let Some(c) = char::from_u32(first) {
        return Some((crate::pipeline::take::blank_for_bad(c), after));
    }
    let pair = after.strip_prefix('\\').and_then(unit);
    let decoded = pair.and_then(|(second, after)| {
        let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
        Some((char::decode_utf16(pair).next()?.ok()?, after))
    });
    Some(decoded.unwrap_or((' ', after)))
}

fn unit(rest: &str) -> Option<(u32, &str)> {
    let (digits, after) = rest.strip_prefix('u')?.split_at_checked(4)?;
    let is_hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).ok()?;
    is_hexadecimal.then_some((value, after))
}

//! The signs of JSON, one after another.
//!
//! Strictly read are names, strings and the places of signs; control characters in strings
//! are let through, as log lines have them, and what is skipped is only looked through for
//! its end.

use crate::pipeline::take::push_value;
use std::fmt;

/// A line that is read as JSON.
pub(super) struct Scan<'l> {
    text: &'l str,
    at: usize,
}

/// What begins at a place.
pub(super) enum Value<'l> {
    /// `{`, behind which the place is now.
    Object,
    /// `[`, behind which the place is now.
    Array,
    String(Text<'l>),
    /// A number, `true` or `false`.
    Plain(&'l str),
    Null,
}

/// A string between its quotes.
#[derive(Clone, Copy)]
pub(super) struct Text<'l> {
    raw: &'l str,
    has_escapes: bool,
}

/// Where and why a line is no JSON.
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

impl<'l> Scan<'l> {
    pub(super) fn new(text: &'l str) -> Self {
        Self { text, at: 0 }
    }

    fn bad(&self, what: &'static str) -> Bad {
        Bad { what, at: self.at }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    /// The line begins with an object: its `{` is read.
    pub(super) fn open_object(&mut self) -> Result<(), Bad> {
        self.skip_blanks();
        if self.peek() != Some(b'{') {
            return Err(self.bad("no object: a { is missing"));
        }
        self.at += 1;
        Ok(())
    }

    /// The next key, with its colon; `None` behind the end of the object.
    pub(super) fn next_key(&mut self, is_first: bool) -> Result<Option<Text<'l>>, Bad> {
        self.skip_blanks();
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !is_first => {
                self.at += 1;
                self.skip_blanks();
            }
            Some(_) if is_first => {}
            Some(_) => return Err(self.bad("a comma or } is missing")),
            None => return Err(self.bad("the object has no end")),
        }
        if self.peek() != Some(b'"') {
            return Err(self.bad("a key in quotes is missing"));
        }
        let key = self.string()?;
        self.skip_blanks();
        if self.peek() != Some(b':') {
            return Err(self.bad("a colon is missing"));
        }
        self.at += 1;
        Ok(Some(key))
    }

    /// Whether another element of an array follows; its comma is read.
    pub(super) fn next_element(&mut self, is_first: bool) -> Result<bool, Bad> {
        self.skip_blanks();
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                Ok(false)
            }
            Some(b',') if !is_first => {
                self.at += 1;
                Ok(true)
            }
            Some(_) if is_first => Ok(true),
            Some(_) => Err(self.bad("a comma or ] is missing")),
            None => Err(self.bad("the array has no end")),
        }
    }

    /// The value at this place.
    pub(super) fn value(&mut self) -> Result<Value<'l>, Bad> {
        self.skip_blanks();
        match self.peek() {
            Some(b'{') => {
                self.at += 1;
                Ok(Value::Object)
            }
            Some(b'[') => {
                self.at += 1;
                Ok(Value::Array)
            }
            Some(b'"') => self.string().map(Value::String),
            Some(_) => self.plain(),
            None => Err(self.bad("a value is missing")),
        }
    }

    fn plain(&mut self) -> Result<Value<'l>, Bad> {
        let rest = &self.text[self.at..];
        let is_end = |b: u8| matches!(b, b',' | b'}' | b']' | b' ' | b'\n' | b'\t' | b'\r' | b':');
        let length = rest.bytes().position(is_end).unwrap_or(rest.len());
        let word = &rest[..length];
        let value = match word {
            "true" | "false" => Value::Plain(word),
            "null" => Value::Null,
            number if is_number(number.as_bytes()) => Value::Plain(number),
            _ => return Err(self.bad("no value: neither a string, a number, true, false nor null")),
        };
        self.at += length;
        Ok(value)
    }

    fn string(&mut self) -> Result<Text<'l>, Bad> {
        let bytes = self.text.as_bytes();
        let start = self.at + 1;
        let mut at = start;
        let mut has_escapes = false;
        while let Some(step) = memchr::memchr2(b'"', b'\\', &bytes[at.min(bytes.len())..]) {
            at += step;
            if bytes[at] == b'"' {
                self.at = at + 1;
                return Ok(Text {
                    raw: &self.text[start..at],
                    has_escapes,
                });
            }
            has_escapes = true;
            at += 2;
        }
        Err(self.bad("a string has no end"))
    }

    /// Goes behind the end of the object or array whose beginning was read.
    pub(super) fn skip_rest(&mut self) -> Result<(), Bad> {
        let mut depth = 1_usize;
        while let Some(byte) = self.peek() {
            match byte {
                b'"' => {
                    self.string()?;
                    continue;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' => depth -= 1,
                _ => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
        Err(self.bad("an object or array has no end"))
    }

    /// Goes behind a value of which the beginning was read.
    pub(super) fn skip(&mut self, value: &Value<'l>) -> Result<(), Bad> {
        match value {
            Value::Object | Value::Array => self.skip_rest(),
            Value::String(_) | Value::Plain(_) | Value::Null => Ok(()),
        }
    }

    /// The whole text of the object or array whose beginning was just read.
    pub(super) fn whole(&mut self) -> Result<&'l str, Bad> {
        let start = self.at - 1;
        self.skip_rest()?;
        Ok(&self.text[start..self.at])
    }
}

fn is_number(text: &[u8]) -> bool {
    let digits = |from: usize| {
        text[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let mut at = usize::from(text.first() == Some(&b'-'));
    let whole = digits(at);
    if whole == 0 || (whole > 1 && text[at] == b'0') {
        return false;
    }
    at += whole;
    if text.get(at) == Some(&b'.') {
        let fraction = digits(at + 1);
        if fraction == 0 {
            return false;
        }
        at += 1 + fraction;
    }
    if let Some(b'e' | b'E') = text.get(at) {
        at += 1;
        if let Some(b'+' | b'-') = text.get(at) {
            at += 1;
        }
        let exponent = digits(at);
        if exponent == 0 {
            return false;
        }
        at += exponent;
    }
    at == text.len()
}

impl<'l> Text<'l> {
    /// The text of a key, written to `buffer` where it has escapes.
    pub(super) fn text<'t>(&self, buffer: &'t mut String) -> Result<&'t str, Bad>
    where
        'l: 't,
    {
        if !self.has_escapes {
            return Ok(self.raw);
        }
        buffer.clear();
        if unescape(self.raw, buffer, String::push_str) {
            Ok(buffer)
        } else {
            Err(Bad {
                what: "a key has an unknown escape",
                at: 0,
            })
        }
    }

    /// Appends the text of a value, with blanks for what was not UTF-8; nothing where an
    /// escape is unknown, as in Loki.
    pub(super) fn push_value(&self, out: &mut String) {
        if !self.has_escapes {
            push_value(out, self.raw);
            return;
        }
        let start = out.len();
        if !unescape(self.raw, out, push_value) {
            out.truncate(start);
        }
    }
}

/// Appends a string without its escapes, as `push` appends. `false`: one of them is unknown.
fn unescape(raw: &str, out: &mut String, push: fn(&mut String, &str)) -> bool {
    let mut rest = raw;
    loop {
        let Some(at) = memchr::memchr(b'\\', rest.as_bytes()) else {
            push(out, rest);
            return true;
        };
        push(out, &rest[..at]);
        rest = &rest[at + 1..];
        let c = match rest.as_bytes().first() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\x08',
            Some(b'f') => '\x0c',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => match unicode(rest) {
                Some((c, after)) => {
                    push(out, c.encode_utf8(&mut [0; 4]));
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
}

/// `u00e9`, or a pair `ud83d\ude00`.
fn unicode(rest: &str) -> Option<(char, &str)> {
    let (first, after) = unit(rest)?;
    if let Some(c) = char::from_u32(first) {
        return Some((c, after));
    }
    let (second, after) = unit(after.strip_prefix('\\')?)?;
    let pair = [u16::try_from(first).ok()?, u16::try_from(second).ok()?];
    let c = char::decode_utf16(pair).next()?.ok()?;
    Some((c, after))
}

fn unit(rest: &str) -> Option<(u32, &str)> {
    let (digits, after) = rest.strip_prefix('u')?.split_at_checked(4)?;
    let is_hexadecimal = digits.bytes().all(|b| b.is_ascii_hexdigit());
    let value = u32::from_str_radix(digits, 16).ok()?;
    is_hexadecimal.then_some((value, after))
}

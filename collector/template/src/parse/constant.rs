//! Constants: numbers, characters, strings with Go's escapes.

use super::Parser;
use crate::error::TemplateError;
use crate::lex::{Kind, Token};
use crate::value::Value;

impl Parser<'_> {
    pub(super) fn constant(&self, token: Token<'_>) -> Result<Value, TemplateError> {
        match token.kind {
            Kind::Char => self.character(token),
            Kind::Number => crate::number::parse(token.text).ok_or_else(|| {
                token
                    .place
                    .error(&self.name, format!("bad number syntax: {:?}", token.text))
            }),
            _ => self.string(token).map(Value::from),
        }
    }

    pub(super) fn string(&self, token: Token<'_>) -> Result<String, TemplateError> {
        let inner = &token.text[1..token.text.len() - 1];
        if token.kind == Kind::Raw {
            return Ok(inner.replace('\r', ""));
        }
        unquote(inner, '"').ok_or_else(|| {
            token.place.error(
                &self.name,
                format!("a string with an unknown escape: {}", token.text),
            )
        })
    }

    /// `'a'` is its code point.
    fn character(&self, token: Token<'_>) -> Result<Value, TemplateError> {
        let inner = &token.text[1..token.text.len() - 1];
        let text = unquote(inner, '\'').unwrap_or_default();
        let mut chars = text.chars();
        match (chars.next(), chars.next()) {
            (Some(c), None) => Ok(Value::Int(i64::from(u32::from(c)))),
            _ => Err(token.place.error(
                &self.name,
                format!("malformed character constant: {}", token.text),
            )),
        }
    }
}

/// What stands between quotes. Bytes that are not UTF-8 become U+FFFD.
fn unquote(inner: &str, quote: char) -> Option<String> {
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        match chars.next()? {
            'x' => bytes.push(u8::try_from(digits(&mut chars, 2, 16)?).ok()?),
            'u' => push_code(&mut bytes, digits(&mut chars, 4, 16)?)?,
            'U' => push_code(&mut bytes, digits(&mut chars, 8, 16)?)?,
            octal @ '0'..='7' => {
                let first = octal.to_digit(8)?;
                bytes.push(u8::try_from(first * 64 + digits(&mut chars, 2, 8)?).ok()?);
            }
            c if c == quote => bytes.push(u8::try_from(c).ok()?),
            c => bytes.push(simple_escape(c)?),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn simple_escape(c: char) -> Option<u8> {
    Some(match c {
        'a' => 0x07,
        'b' => 0x08,
        'f' => 0x0c,
        'n' => b'\n',
        'r' => b'\r',
        't' => b'\t',
        'v' => 0x0b,
        '\\' => b'\\',
        _ => return None,
    })
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, base: u32) -> Option<u32> {
    (0..count).try_fold(0_u32, |number, _| {
        number
            .checked_mul(base)?
            .checked_add(chars.next()?.to_digit(base)?)
    })
}

fn push_code(bytes: &mut Vec<u8>, code: u32) -> Option<()> {
    let c = char::from_u32(code)?;
    bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    Some(())
}

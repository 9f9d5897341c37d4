//! Text into tokens.

use super::error::ParseError;
use std::borrow::Cow;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token<'a> {
    /// A name or a word of the language; which one depends on the place.
    Word(&'a str),
    Number(f64),
    /// Milliseconds.
    Duration(i64),
    Text(Cow<'a, str>),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A token and where it begins.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) at: usize,
}

/// Longer signs first.
const SIGNS: [&str; 23] = [
    "==", "!=", "=~", "!~", ">=", "<=", ">", "<", "=", "+", "-", "*", "/", "%", "^", "(", ")", "{",
    "}", "[", "]", ",", "@",
];

/// Units and their milliseconds, in the order in which they may follow one another.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Cuts a text into tokens; the last one is [`Token::End`].
pub(crate) fn lex(text: &str) -> Result<Vec<Spanned<'_>>, ParseError> {
    let mut lexer = Lexer {
        text,
        at: 0,
        brackets: 0,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.skip_blank();
        let at = lexer.at;
        let token = lexer.next()?;
        let is_end = token == Token::End;
        tokens.push(Spanned { token, at });
        if is_end {
            return Ok(tokens);
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    brackets: usize,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn skip_blank(&mut self) {
        loop {
            let rest = self.rest().trim_start_matches([' ', '\t', '\n', '\r']);
            self.at = self.text.len() - rest.len();
            if !rest.starts_with('#') {
                return;
            }
            self.at += rest.find('\n').unwrap_or(rest.len());
        }
    }

    fn next(&mut self) -> Result<Token<'a>, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        let second = rest[first.len_utf8()..].chars().next();
        match first {
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '"' | '\'' | '`' => self.string(first),
            'a'..='z' | 'A'..='Z' | '_' => Ok(self.word()),
            ':' if self.brackets == 0
                && second.is_some_and(|c| c.is_ascii_alphabetic() || c == '_') =>
            {
                Ok(self.word())
            }
            ':' => {
                self.at += 1;
                Ok(Token::Sign(":"))
            }
            _ => self.sign(first),
        }
    }

    fn sign(&mut self, first: char) -> Result<Token<'a>, ParseError> {
        let Some(sign) = SIGNS.into_iter().find(|sign| self.rest().starts_with(sign)) else {
            return Err(ParseError::new(
                self.text,
                self.at,
                format!("unexpected character {first:?}"),
            ));
        };
        self.at += sign.len();
        match sign {
            "[" => self.brackets += 1,
            "]" => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        Ok(Token::Sign(sign))
    }

    fn word(&mut self) -> Token<'a> {
        let rest = self.rest();
        let inner =
            |c: char| c.is_ascii_alphanumeric() || c == '_' || (c == ':' && self.brackets == 0);
        let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
        self.at += end;
        Token::Word(&rest[..end])
    }

    fn number(&mut self) -> Result<Token<'a>, ParseError> {
        let from = self.at;
        let rest = self.rest();
        let alone = |end: usize| {
            !rest[end..].starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.')
        };
        if let Some((end, millis)) = duration(rest).filter(|(end, _)| alone(*end)) {
            let millis =
                millis.ok_or_else(|| ParseError::new(self.text, from, "duration is too long"))?;
            self.at += end;
            return Ok(Token::Duration(millis));
        }
        let (end, number) = number(rest);
        match number.filter(|_| alone(end)) {
            Some(number) => {
                self.at += end;
                Ok(Token::Number(number))
            }
            None => {
                let shown: String = rest
                    .chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || *c == '.')
                    .take(40)
                    .collect();
                Err(ParseError::new(
                    self.text,
                    from,
                    format!("bad number or duration syntax: {shown:?}"),
                ))
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<Token<'a>, ParseError> {
        let from = self.at;
        let body = &self.rest()[1..];
        let open = || ParseError::new(self.text, from, "this string has no end");
        if quote == '`' {
            let end = body.find('`').ok_or_else(open)?;
            self.at += end + 2;
            return Ok(Token::Text(body[..end].into()));
        }
        let mut escaped = false;
        for (at, c) in body.char_indices() {
            match c {
                '\n' => return Err(open()),
                c if c == quote && !escaped => {
                    self.at += at + 2;
                    let text = &body[..at];
                    return unescape(text)
                        .map_err(|(at, why)| ParseError::new(self.text, from + 1 + at, why))
                        .map(Token::Text);
                }
                _ => escaped = c == '\\' && !escaped,
            }
        }
        Err(open())
    }
}

/// The length of a number at the start of `text`, and its value.
fn number(text: &str) -> (usize, Option<f64>) {
    let lower = text.as_bytes();
    if lower.len() > 2 && lower[0] == b'0' && lower[1] | 0x20 == b'x' {
        let end = 2 + text[2..]
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(text.len() - 2);
        return (
            end,
            u64::from_str_radix(&text[2..end], 16)
                .ok()
                .map(|n| n as f64),
        );
    }
    let digits = |from: usize| {
        text[from..]
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .map_or(text.len(), |n| from + n)
    };
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    (end, text[..end].replace('_', "").parse().ok())
}

/// The length of a duration at the start of `text`, and its milliseconds unless too many.
fn duration(text: &str) -> Option<(usize, Option<i64>)> {
    let (mut at, mut millis, mut next_unit) = (0, Some(0i64), 0);
    while text[at..].starts_with(|c: char| c.is_ascii_digit()) {
        let digits = text[at..].find(|c: char| !c.is_ascii_digit())?;
        let letters = &text[at + digits..];
        let length = letters
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(letters.len());
        let unit = UNITS
            .iter()
            .position(|(unit, _)| *unit == &letters[..length])
            .filter(|unit| *unit >= next_unit)?;
        let count = text[at..at + digits].parse::<i64>().ok();
        let part = count.and_then(|count| count.checked_mul(UNITS[unit].1));
        millis = millis
            .zip(part)
            .and_then(|(sum, part)| sum.checked_add(part));
        next_unit = unit + 1;
        at += digits + length;
    }
    (at > 0).then_some((at, millis))
}

/// Go's escapes.
fn unescape(text: &str) -> Result<Cow<'_, str>, (usize, String)> {
    if !text.contains('\\') {
        return Ok(text.into());
    }
    let mut out = Vec::with_capacity(text.len());
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let bad = || (at, String::from("unknown escape sequence"));
        let (_, kind) = chars.next().ok_or_else(bad)?;
        let mut code = |digits: usize, radix: u32, first: Option<char>| {
            let mut value = first.map_or(Some(0), |c| c.to_digit(radix));
            for _ in 0..digits {
                let digit = chars.next().and_then(|(_, c)| c.to_digit(radix));
                value = value.zip(digit).map(|(value, digit)| value * radix + digit);
            }
            value.ok_or_else(bad)
        };
        match kind {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' | '"' | '\'' => out.push(kind as u8),
            'x' => out.push(code(2, 16, None)? as u8),
            '0'..='7' => out.push(u8::try_from(code(2, 8, Some(kind))?).map_err(|_| bad())?),
            'u' | 'U' => {
                let code = code(if kind == 'u' { 4 } else { 8 }, 16, None)?;
                let c = char::from_u32(code).ok_or_else(bad)?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(bad()),
        }
    }
    String::from_utf8(out)
        .map(Cow::Owned)
        .map_err(|_| (0, "the string is no UTF-8".into()))
}

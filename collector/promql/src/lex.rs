//! Text into tokens.
//!
//! What a character means depends on where it stands: in braces there are no numbers, in
//! brackets no names. A mistake is a token too ([`Token::Bad`]): what stands before it may
//! be wrong already, and then that is what is said.

use sonde_lex::ParseError;
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
    /// What is wrong here. The last token.
    Bad(String),
    /// The last token.
    End,
}

/// A token and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Spanned<'a> {
    pub(crate) token: Token<'a>,
    pub(crate) at: usize,
    pub(crate) end: usize,
}

/// Outside of braces and brackets; longer signs first.
const SIGNS: [&str; 22] = [
    "</", ">/", "==", "!=", ">=", "<=", ">", "<", "=", "+", "-", "*", "/", "%", "^", "(", ")", "{",
    "[", "]", ",", "@",
];

const IN_BRACES: [&str; 6] = ["=~", "!~", "!=", "=", ",", "}"];

const IN_BRACKETS: [&str; 10] = ["+", "-", "*", "/", "%", "^", "(", ")", ",", "]"];

/// The words of duration expressions. `min` and `max` were their names before 3.13.
const DURATION_WORDS: [&str; 6] = ["step", "range", "min_of", "max_of", "min", "max"];

/// The units of durations, without `ms`.
const UNITS: [char; 6] = ['s', 'm', 'h', 'd', 'w', 'y'];

/// Cuts a text into tokens; the last one is [`Token::End`] or [`Token::Bad`].
pub(crate) fn lex(text: &str) -> Vec<Spanned<'_>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        place: Place::Outside,
        open: 0,
        colon: false,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.at = sonde_lex::skip_blank(text, lexer.at);
        let at = lexer.at;
        let token = lexer.next().unwrap_or_else(|bad| {
            lexer.at = bad.at;
            Token::Bad(bad.message)
        });
        let at = if matches!(token, Token::Bad(_)) {
            lexer.at
        } else {
            at
        };
        let is_last = matches!(token, Token::End | Token::Bad(_));
        let end = lexer.at;
        tokens.push(Spanned { token, at, end });
        if is_last {
            return tokens;
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Outside,
    Braces,
    Brackets,
}

struct Bad {
    at: usize,
    message: String,
}

impl From<ParseError> for Bad {
    fn from(error: ParseError) -> Self {
        Self {
            at: error.offset,
            message: error.message,
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    place: Place,
    /// How many parentheses are open.
    open: usize,
    /// Whether a colon came since the bracket.
    colon: bool,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn bad(&self, message: impl Into<String>) -> Bad {
        Bad {
            at: self.at,
            message: message.into(),
        }
    }

    fn next(&mut self) -> Result<Token<'a>, Bad> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return self.end();
        };
        let second = rest[first.len_utf8()..].chars().next();
        let begins_number =
            first.is_ascii_digit() || (first == '.' && second.is_some_and(|c| c.is_ascii_digit()));
        let begins_word = first.is_ascii_alphabetic() || first == '_';
        match (self.place, first) {
            (Place::Braces, _) if begins_word => Ok(self.word(is_word)),
            (Place::Outside, _) if begins_word || first == ':' => {
                Ok(self.word(|c| is_word(c) || c == ':'))
            }
            (Place::Brackets, _) if begins_word => self.duration_word(first),
            (Place::Outside | Place::Brackets, _) if begins_number => self.number(),
            (Place::Outside | Place::Braces, '"' | '\'' | '`') => self.string(first),
            (Place::Brackets, ':') if self.colon => {
                Err(self.bad("unexpected repeated colon in duration expression"))
            }
            (Place::Brackets, ':') => {
                self.colon = true;
                self.at += 1;
                Ok(Token::Sign(":"))
            }
            _ => self.sign(first, second),
        }
    }

    fn end(&self) -> Result<Token<'a>, Bad> {
        match self.place {
            Place::Braces => Err(self.bad("unexpected end of input inside braces")),
            Place::Brackets => Err(self.bad("unexpected end of input in duration expression")),
            Place::Outside if self.open > 0 => Err(self.bad("unclosed left parenthesis")),
            Place::Outside => Ok(Token::End),
        }
    }

    fn sign(&mut self, first: char, second: Option<char>) -> Result<Token<'a>, Bad> {
        let signs = match self.place {
            Place::Outside => &SIGNS[..],
            Place::Braces => &IN_BRACES,
            Place::Brackets => &IN_BRACKETS,
        };
        let rest = self.rest();
        let found = signs.iter().copied().find(|sign| rest.starts_with(sign));
        let Some(sign) = found else {
            return Err(self.bad(no_sign(self.place, first, second)));
        };
        if self.place == Place::Outside && sign == "=" && second == Some('~') {
            return Err(self.bad("unexpected character after '=': '~'"));
        }
        let before = self.at;
        self.at += sign.len();
        match sign {
            "{" => self.place = Place::Braces,
            "}" | "]" if self.place != Place::Outside => self.place = Place::Outside,
            "]" => {
                self.at = before;
                return Err(self.bad("unexpected right bracket ']'"));
            }
            "[" => (self.place, self.colon) = (Place::Brackets, false),
            "(" => self.open += 1,
            ")" if self.open == 0 => return Err(self.bad("unexpected right parenthesis ')'")),
            ")" => self.open -= 1,
            _ => {}
        }
        Ok(Token::Sign(sign))
    }

    fn word(&mut self, inner: fn(char) -> bool) -> Token<'a> {
        let rest = self.rest();
        let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
        self.at += end;
        match sonde_lex::number_word(&rest[..end]) {
            Some(number) if self.place == Place::Outside => Token::Number(number),
            _ => Token::Word(&rest[..end]),
        }
    }

    fn duration_word(&mut self, first: char) -> Result<Token<'a>, Bad> {
        let at = self.at;
        let token = self.word(is_word);
        match token {
            Token::Word(word) if is_one_of(word, &DURATION_WORDS) => Ok(token),
            _ => Err(Bad {
                at,
                message: format!("unexpected character in duration expression: {first:?}"),
            }),
        }
    }

    fn number(&mut self) -> Result<Token<'a>, Bad> {
        let rest = self.rest();
        let alone = |end: usize| !rest[end..].starts_with(is_word);
        if let Some(end) = duration_length(rest).filter(|end| alone(*end)) {
            let token = match sonde_lex::prometheus_duration(rest) {
                Some((length, Some(millis))) if length == end => Ok(Token::Duration(millis)),
                Some((length, None)) if length == end => Err(self.bad("duration out of range")),
                _ => {
                    let shown = &rest[..end];
                    Err(self.bad(format!("not a valid duration string: {shown:?}")))
                }
            };
            self.at += end;
            return token;
        }
        let (end, number) = sonde_lex::number(rest);
        match number.filter(|_| alone(end)) {
            Some(number) => {
                self.at += end;
                Ok(Token::Number(octal(&rest[..end]).unwrap_or(number)))
            }
            None => {
                let (end, has_units) = misread(rest);
                let shown = &rest[..end];
                if has_units {
                    return Err(self.bad(format!("not a valid duration string: {shown:?}")));
                }
                Err(self.bad(format!("bad number or duration syntax: {shown:?}")))
            }
        }
    }

    fn string(&mut self, quote: char) -> Result<Token<'a>, Bad> {
        let at = self.at;
        match sonde_lex::string(self.text, at) {
            Ok((text, end)) => {
                self.at = end;
                Ok(Token::Text(text))
            }
            // At its begin, the mistake is that it has no end.
            Err(error) if error.offset == at => Err(self.bad(if quote == '`' {
                "unterminated raw string"
            } else {
                "unterminated quoted string"
            })),
            Err(error) => Err(error.into()),
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether a word is one of some, in any case of letters.
pub(crate) fn is_one_of(word: &str, words: &[&str]) -> bool {
    words.iter().any(|one| one.eq_ignore_ascii_case(word))
}

fn no_sign(place: Place, first: char, second: Option<char>) -> String {
    match (place, first, second) {
        (Place::Outside, '!', Some(second)) => {
            format!("unexpected character after '!': {second:?}")
        }
        (Place::Braces, '!', Some(second)) => {
            format!("unexpected character after '!' inside braces: {second:?}")
        }
        (Place::Braces, '{', _) => "unexpected left brace '{'".into(),
        (Place::Braces, ..) => format!("unexpected character inside braces: {first:?}"),
        (Place::Brackets, ..) => format!("unexpected character in duration expression: {first:?}"),
        (Place::Outside, ..) => format!("unexpected character: {first:?}"),
    }
}

/// The length of what looks like a duration: digits and units, whatever their order.
fn duration_length(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let digits = text[at..].find(|c: char| !c.is_ascii_digit());
        let digits = digits.unwrap_or(text.len() - at);
        if digits == 0 {
            return (at > 0).then_some(at);
        }
        if !text[at + digits..].starts_with(UNITS) {
            return None;
        }
        at += digits + 1;
        at += usize::from(text[at..].starts_with('s'));
    }
}

/// How much of what is neither a number nor a duration is read until that is clear: first as
/// much as a number could have, then a unit and more digits with units, then one character
/// that must not follow. And whether it has the units of a duration, if not its digits.
fn misread(text: &str) -> (usize, bool) {
    let run = |at: usize, is_in: fn(char) -> bool| {
        let rest = &text[at..];
        at + rest.find(|c| !is_in(c)).unwrap_or(rest.len())
    };
    let one = |at: usize, of: &[char]| at + usize::from(text[at..].starts_with(of));
    let digit: fn(char) -> bool = |c| c.is_ascii_digit() || c == '_';
    let hex: fn(char) -> bool = |c| c.is_ascii_hexdigit() || c == '_';
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let (from, digits) = if is_hex { (2, hex) } else { (0, digit) };
    let mut at = run(from, digits);
    if text[at..].starts_with('.') {
        at = run(at + 1, digits);
    }
    if text[at..].starts_with(['e', 'E']) {
        at = run(one(at + 1, &['+', '-']), digit);
    }
    loop {
        let unit = one(at, &UNITS);
        if unit == at {
            return (at, false);
        }
        at = one(unit, &['s']);
        let next = run(at, |c| c.is_ascii_digit());
        if next == at {
            let goes_on = text[at..].starts_with(is_word);
            return (at + usize::from(goes_on), !goes_on);
        }
        at = next;
    }
}

/// `017` is 15, as in Go; `08`, which is no such number, is 8.
fn octal(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('0').filter(|rest| !rest.is_empty())?;
    let is_octal = digits.chars().all(|c| ('0'..='7').contains(&c) || c == '_');
    let value = i64::from_str_radix(&digits.replace('_', ""), 8).ok();
    value.filter(|_| is_octal).map(|value| value as f64)
}

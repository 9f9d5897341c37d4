//! Text into tokens.

use sonde_lex::ParseError;
use std::borrow::Cow;

/// How much of a word an error shows.
const SHOWN_MAX: usize = 40;

/// What a token is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token<'a> {
    /// A name or a word of the language; which one depends on the place.
    Word(&'a str),
    Number(f64),
    /// Nanoseconds.
    Duration(i64),
    /// Whole bytes.
    Bytes(f64),
    Text(Cow<'a, str>),
    /// `--strict`
    Flag(&'a str),
    /// An operator or a bracket.
    Sign(&'static str),
    End,
}

/// A token and where it begins.
#[derive(Clone, Debug)]
pub(super) struct Spanned<'a> {
    pub(super) token: Token<'a>,
    pub(super) at: usize,
}

/// Longer signs first.
const SIGNS: [&str; 31] = [
    "|=", "|~", "|>", "!=", "!~", "!>", "=~", "==", ">=", "<=", ">", "<", "=", "|", "{", "}", "(",
    ")", "[", "]", ",", "+", "-", "*", "/", "%", "^", ":", ".", "@", "!",
];

/// Cuts a text into tokens; the last one is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<Spanned<'_>>, ParseError> {
    let mut tokens = Vec::new();
    let mut at = 0;
    loop {
        at = sonde_lex::skip_blank(text, at);
        let (token, end) = token(text, at)?;
        let is_end = token == Token::End;
        tokens.push(Spanned { token, at });
        if is_end {
            return Ok(tokens);
        }
        at = end;
    }
}

/// The token at `at`, and where it ends.
fn token(text: &str, at: usize) -> Result<(Token<'_>, usize), ParseError> {
    let rest = &text[at..];
    let Some(first) = rest.chars().next() else {
        return Ok((Token::End, at));
    };
    let second = rest[first.len_utf8()..].chars().next();
    match first {
        '0'..='9' => number(text, at),
        '.' if second.is_some_and(|c| c.is_ascii_digit()) => number(text, at),
        '"' | '`' => {
            let (value, end) = sonde_lex::string(text, at)?;
            Ok((Token::Text(value), end))
        }
        'a'..='z' | 'A'..='Z' | '_' => {
            let inner = |c: char| c.is_ascii_alphanumeric() || c == '_';
            let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
            Ok((Token::Word(&rest[..end]), at + end))
        }
        '-' if second == Some('-') && rest[2..].starts_with(|c: char| c.is_ascii_alphabetic()) => {
            let inner = |c: char| c.is_ascii_alphabetic() || c == '-';
            let end = rest.find(|c| !inner(c)).unwrap_or(rest.len());
            Ok((Token::Flag(&rest[..end]), at + end))
        }
        _ => match SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            Some(sign) => Ok((Token::Sign(sign), at + sign.len())),
            None => Err(unknown(text, at, first)),
        },
    }
}

fn unknown(text: &str, at: usize, c: char) -> ParseError {
    let remedy = match c {
        '\'' | '“' | '”' | '‘' | '’' => "write texts in double quotes or backquotes",
        '&' => "write and between conditions",
        c if c.is_whitespace() => "write a plain blank",
        c if c.is_alphabetic() => {
            "names have letters from a to z, digits and underscores; write texts in quotes"
        }
        _ => "write texts in quotes",
    };
    ParseError::new(text, at, format!("unexpected character {c:?}; {remedy}"))
}

/// A duration, a size or a number.
fn number(text: &str, at: usize) -> Result<(Token<'_>, usize), ParseError> {
    let rest = &text[at..];
    let alone = |end: &usize| {
        !rest[*end..].starts_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.')
    };
    if let Some((end, nanos)) = sonde_lex::duration(rest).filter(|(end, _)| alone(end)) {
        let too_long = || {
            let message = "this duration is too long; the longest is 292y";
            ParseError::new(text, at, message)
        };
        return Ok((Token::Duration(nanos.ok_or_else(too_long)?), at + end));
    }
    if let Some((end, bytes)) = sonde_lex::byte_size(rest).filter(|(end, _)| alone(end)) {
        return Ok((Token::Bytes(bytes), at + end));
    }
    if let (end, Some(number)) = sonde_lex::number(rest)
        && alone(&end)
    {
        return Ok((Token::Number(number), at + end));
    }
    let shown: String = rest
        .chars()
        .take_while(|c| c.is_alphanumeric() || *c == '.' || *c == '_')
        .take(SHOWN_MAX)
        .collect();
    Err(ParseError::new(
        text,
        at,
        format!(
            "{shown:?} is no number, duration or size; write 0.5, 1h30m, 250ms or 20KB, and names without a leading digit"
        ),
    ))
}

/// As an error names it.
impl std::fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Token::Word(word) | Token::Flag(word) => match word.char_indices().nth(SHOWN_MAX) {
                Some((end, _)) => write!(f, "\"{}…\"", &word[..end]),
                None => write!(f, "{word:?}"),
            },
            Token::Number(number) => write!(f, "the number {}", sonde_lex::number_text(*number)),
            Token::Duration(nanos) => {
                write!(f, "the duration {}", sonde_lex::duration_text(*nanos))
            }
            Token::Bytes(bytes) => write!(f, "the size {}", sonde_lex::byte_size_text(*bytes)),
            Token::Text(_) => f.write_str("a text in quotes"),
            Token::Sign(sign) => write!(f, "{sign:?}"),
            Token::End => f.write_str("the end of the query"),
        }
    }
}

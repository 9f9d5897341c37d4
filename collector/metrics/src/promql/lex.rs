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

/// Cuts a text into tokens; the last one is [`Token::End`].
pub(crate) fn lex(text: &str) -> Result<Vec<Spanned<'_>>, ParseError> {
    let mut lexer = Lexer {
        text,
        at: 0,
        brackets: 0,
    };
    let mut tokens = Vec::new();
    loop {
        lexer.at = sonde_lex::skip_blank(text, lexer.at);
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

    fn next(&mut self) -> Result<Token<'a>, ParseError> {
        let rest = self.rest();
        let Some(first) = rest.chars().next() else {
            return Ok(Token::End);
        };
        let second = rest[first.len_utf8()..].chars().next();
        match first {
            '0'..='9' => self.number(),
            '.' if second.is_some_and(|c| c.is_ascii_digit()) => self.number(),
            '"' | '\'' | '`' => self.string(),
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
        if let Some((end, millis)) =
            sonde_lex::prometheus_duration(rest).filter(|(end, _)| alone(*end))
        {
            let millis =
                millis.ok_or_else(|| ParseError::new(self.text, from, "duration is too long"))?;
            self.at += end;
            return Ok(Token::Duration(millis));
        }
        let (end, number) = sonde_lex::number(rest);
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

    fn string(&mut self) -> Result<Token<'a>, ParseError> {
        let (text, end) = sonde_lex::string(self.text, self.at)?;
        self.at = end;
        Ok(Token::Text(text))
    }
}

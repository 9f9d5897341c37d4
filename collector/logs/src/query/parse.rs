//! From text to a compiled query.

use super::{FilterOp, LineFilter, LogQuery, ParseError};
use sonde_proto::{MatchOp, Matcher};

/// The longest query, in bytes.
const TEXT_BYTES_MAX: usize = 64 << 10;
/// The most matchers, and the most filters, of one query: each may hold a compiled pattern.
const PARTS_MAX: usize = 64;

/// Parses a whole query.
pub(super) fn query(text: &str) -> Result<LogQuery, ParseError> {
    if text.len() > TEXT_BYTES_MAX {
        let message = format!(
            "a query has at most {TEXT_BYTES_MAX} bytes, this one has {}",
            text.len()
        );
        return Err(ParseError::new(text, TEXT_BYTES_MAX, message));
    }
    let mut parser = Parser { text, at: 0 };
    let matchers = parser.selector()?;
    let filters = parser.filters()?;
    Ok(LogQuery::new(matchers, filters))
}

/// A text as a double-quoted string that [`query`] reads back.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn selector(&mut self) -> Result<Vec<Matcher>, ParseError> {
        let mut matchers = Vec::new();
        if !self.take("{") {
            return Ok(matchers);
        }
        while !self.take("}") {
            if !matchers.is_empty() && !self.take(",") {
                return self.expected("',' or '}' after a label matcher");
            }
            if self.take("}") {
                break;
            }
            self.check_count(matchers.len(), "label matchers")?;
            matchers.push(self.matcher()?);
        }
        Ok(matchers)
    }

    fn matcher(&mut self) -> Result<Matcher, ParseError> {
        let name = self.name()?;
        let op = self.match_op()?;
        self.skip_space();
        let value_at = self.at;
        let value = self.string("a value in quotes, such as \"checkout\"")?;
        let name = if name == "service" {
            "service_name"
        } else {
            &name
        };
        Matcher::new(name, op, &value).map_err(|error| self.error(value_at, error.to_string()))
    }

    fn match_op(&mut self) -> Result<MatchOp, ParseError> {
        let ops = [
            ("=~", MatchOp::Regex),
            ("!~", MatchOp::NotRegex),
            ("!=", MatchOp::NotEqual),
            ("=", MatchOp::Equal),
        ];
        match ops.into_iter().find(|(text, _)| self.take(text)) {
            Some((_, op)) => Ok(op),
            None => self.expected("=, !=, =~ or !~ after a label's name"),
        }
    }

    fn filters(&mut self) -> Result<Vec<LineFilter>, ParseError> {
        let mut filters = Vec::new();
        loop {
            self.skip_space();
            if self.at == self.text.len() {
                return Ok(filters);
            }
            self.check_count(filters.len(), "line filters")?;
            filters.push(self.filter()?);
        }
    }

    fn filter(&mut self) -> Result<LineFilter, ParseError> {
        let ops = [
            ("|=", FilterOp::Contains),
            ("!=", FilterOp::NotContains),
            ("|~", FilterOp::Matches),
            ("!~", FilterOp::NotMatches),
        ];
        let Some((_, op)) = ops.into_iter().find(|(text, _)| self.take(text)) else {
            let rest = &self.text[self.at..];
            let message = if rest.starts_with('|') {
                "only line filters (|=, !=, |~, !~) are supported after the selector yet"
            } else {
                "expected a line filter (|=, !=, |~ or !~) or the end of the query"
            };
            return Err(self.error(self.at, message));
        };
        self.skip_space();
        let text_at = self.at;
        let text = self.string("the text to look for in quotes, such as \"timeout\"")?;
        LineFilter::new(op, &text).map_err(|message| self.error(text_at, message))
    }

    /// `[a-zA-Z_][a-zA-Z0-9_]*`
    fn name(&mut self) -> Result<String, ParseError> {
        self.skip_space();
        let rest = &self.text[self.at..];
        let length = rest
            .bytes()
            .take_while(|b| b.is_ascii_alphanumeric() || *b == b'_')
            .count();
        if length == 0 || rest.as_bytes()[0].is_ascii_digit() {
            return self.expected("a label's name, such as service_name");
        }
        self.at += length;
        if self.text[self.at..].starts_with('.') {
            return Err(self.error(self.at, "labels have underscores where attributes have dots: write service_name for service.name"));
        }
        Ok(rest[..length].to_owned())
    }

    fn string(&mut self, what: &str) -> Result<String, ParseError> {
        match self.text.as_bytes().get(self.at) {
            Some(b'`') => self.raw_string(),
            Some(b'"') => self.escaped_string(),
            _ => self.expected(what),
        }
    }

    fn raw_string(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        let inside = &self.text[start + 1..];
        let Some(end) = inside.find('`') else {
            return Err(self.error(start, "this string has no closing backquote"));
        };
        self.at = start + 1 + end + 1;
        Ok(inside[..end].to_owned())
    }

    fn escaped_string(&mut self) -> Result<String, ParseError> {
        let start = self.at;
        let mut out = String::new();
        self.at += 1;
        loop {
            let rest = &self.text[self.at..];
            let Some(c) = rest.chars().next() else {
                return Err(self.error(start, "this string has no closing quote"));
            };
            match c {
                '"' => {
                    self.at += 1;
                    return Ok(out);
                }
                '\\' => out.push(self.escape()?),
                '\n' => {
                    return Err(self.error(
                        start,
                        "this string has no closing quote on its line; use \\n or backquotes",
                    ));
                }
                c => {
                    out.push(c);
                    self.at += c.len_utf8();
                }
            }
        }
    }

    /// One of Go's escapes; `self.at` is at the backslash.
    fn escape(&mut self) -> Result<char, ParseError> {
        let rest = &self.text[self.at + 1..];
        let simple = |c| match c {
            'a' => Some('\u{7}'),
            'b' => Some('\u{8}'),
            'f' => Some('\u{c}'),
            'n' => Some('\n'),
            'r' => Some('\r'),
            't' => Some('\t'),
            'v' => Some('\u{b}'),
            '\\' | '"' | '\'' => Some(c),
            _ => None,
        };
        let letter = rest.chars().next();
        if let Some(c) = letter.and_then(simple) {
            self.at += 2;
            return Ok(c);
        }
        let (from, digits, radix) = match letter {
            Some('x') => (1, 2, 16),
            Some('u') => (1, 4, 16),
            Some('U') => (1, 8, 16),
            Some('0'..='7') => (0, 3, 8),
            _ => {
                return Err(self.error(
                    self.at,
                    "unknown escape; a backslash itself is written \\\\, or use backquotes",
                ));
            }
        };
        let number = rest
            .get(from..from + digits)
            .filter(|d| d.bytes().all(|b| char::from(b).is_digit(radix)));
        let code = number.and_then(|d| u32::from_str_radix(d, radix).ok());
        // A lone byte of 0x80 and above is no character; in Go it would be one byte.
        let code = code.filter(|code| *code < 0x80 || digits > 3);
        match code.and_then(char::from_u32) {
            Some(c) => {
                self.at += 1 + from + digits;
                Ok(c)
            }
            None => Err(self.error(self.at, "this escape is no character")),
        }
    }

    fn check_count(&self, count: usize, what: &str) -> Result<(), ParseError> {
        if count < PARTS_MAX {
            return Ok(());
        }
        Err(self.error(self.at, format!("a query has at most {PARTS_MAX} {what}")))
    }

    fn skip_space(&mut self) {
        let rest = &self.text[self.at..];
        self.at += rest.len() - rest.trim_start_matches([' ', '\t', '\n', '\r']).len();
    }

    /// Takes `token` after any space, where it stands there.
    fn take(&mut self, token: &str) -> bool {
        self.skip_space();
        let there = self.text[self.at..].starts_with(token);
        self.at += if there { token.len() } else { 0 };
        there
    }

    fn expected<T>(&self, what: &str) -> Result<T, ParseError> {
        let found = match self.text[self.at..].chars().next() {
            None => "the end of the query".to_owned(),
            Some(c) => format!("{c:?}"),
        };
        Err(self.error(self.at, format!("expected {what}, found {found}")))
    }

    fn error(&self, at: usize, message: impl Into<String>) -> ParseError {
        ParseError::new(self.text, at, message)
    }
}

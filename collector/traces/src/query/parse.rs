//! Reads the query text.

use super::{Comparison, Condition, Subject, Test, TraceQuery};

const TEXT_BYTES_MAX: usize = 16 * 1024;
const CONDITIONS_MAX: usize = 64;
const REGEX_BYTES_MAX: usize = 1 << 20;
const OPERATORS: [&str; 8] = ["!=", "=~", "!~", ">=", "<=", "=", ">", "<"];
const STATUSES: [&str; 3] = ["unset", "ok", "error"];
const KINDS: [&str; 6] = [
    "server",
    "client",
    "internal",
    "producer",
    "consumer",
    "unspecified",
];

/// Why a query could not be read, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "line {line}, column {column}: {message}\n{shown}\n{:>1$}",
    "^",
    column
)]
pub struct ParseError {
    /// What is wrong and what was expected.
    pub message: String,
    /// The place, in bytes from the start.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    shown: String,
}

pub(super) fn parse(text: &str) -> Result<TraceQuery, ParseError> {
    let mut parser = Parser { text, at: 0 };
    if text.len() > TEXT_BYTES_MAX {
        return Err(parser.error_at(0, format!("a query is at most {TEXT_BYTES_MAX} bytes long")));
    }
    let mut conditions = Vec::new();
    while parser.skip_space() {
        if conditions.len() == CONDITIONS_MAX {
            return Err(parser.error_at(
                parser.at,
                format!("a query has at most {CONDITIONS_MAX} conditions"),
            ));
        }
        conditions.push(parser.condition()?);
    }
    Ok(TraceQuery { conditions })
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    /// Skips white space; whether anything is left.
    fn skip_space(&mut self) -> bool {
        self.at = self.text.len() - self.rest().trim_start().len();
        self.at < self.text.len()
    }

    fn condition(&mut self) -> Result<Condition, ParseError> {
        let key_at = self.at;
        let key = self.key()?;
        self.skip_space();
        let operator_at = self.at;
        let operator = self.operator(&key)?;
        self.skip_space();
        let value_at = self.at;
        let value = self.value()?;
        let subject = match key.as_str() {
            "service" => Subject::Service,
            "operation" | "name" => Subject::Operation,
            "status" => Subject::Status,
            "kind" => Subject::Kind,
            "duration" => Subject::Duration,
            _ => Subject::Attribute(key),
        };
        let test = self.test(&subject, operator, value, [key_at, operator_at, value_at])?;
        Ok(Condition { subject, test })
    }

    fn key(&mut self) -> Result<String, ParseError> {
        if self.rest().starts_with(['"', '`']) {
            return self.value();
        }
        let is_key = |c: char| !c.is_whitespace() && !"=!<>~\"`".contains(c);
        let len = self
            .rest()
            .find(|c| !is_key(c))
            .unwrap_or(self.rest().len());
        let key = &self.rest()[..len];
        if key.is_empty() {
            return Err(self.error_at(
                self.at,
                "expected a key such as service, duration or http.route".to_owned(),
            ));
        }
        self.at += len;
        Ok(key.to_owned())
    }

    fn operator(&mut self, key: &str) -> Result<&'static str, ParseError> {
        let operator = OPERATORS.into_iter().find(|op| self.rest().starts_with(op));
        let operator = operator.ok_or_else(|| {
            self.error_at(
                self.at,
                format!("expected = != =~ !~ > >= < or <= after {key:?}, as in {key}=value"),
            )
        })?;
        self.at += operator.len();
        Ok(operator)
    }

    fn value(&mut self) -> Result<String, ParseError> {
        match self.rest().chars().next() {
            Some('"') => self.quoted(),
            Some('`') => {
                let inner = &self.rest()[1..];
                let len = inner
                    .find('`')
                    .ok_or_else(|| self.error_at(self.at, "this ` has no end".to_owned()))?;
                self.at += len + 2;
                Ok(inner[..len].to_owned())
            }
            _ => {
                let len = self
                    .rest()
                    .find(char::is_whitespace)
                    .unwrap_or(self.rest().len());
                let word = &self.rest()[..len];
                if word.is_empty() {
                    return Err(self.error_at(
                        self.at,
                        "expected a value; write \"\" for an empty one".to_owned(),
                    ));
                }
                self.at += len;
                Ok(word.to_owned())
            }
        }
    }

    fn quoted(&mut self) -> Result<String, ParseError> {
        let (mut out, mut escaped) = (String::new(), false);
        for (at, c) in self.rest().char_indices().skip(1) {
            match c {
                _ if escaped => {
                    out.push(if c == 'n' { '\n' } else { c });
                    escaped = false;
                }
                '\\' => escaped = true,
                '"' => {
                    self.at += at + 1;
                    return Ok(out);
                }
                _ => out.push(c),
            }
        }
        Err(self.error_at(self.at, "this \" has no end".to_owned()))
    }

    fn test(
        &self,
        subject: &Subject,
        operator: &str,
        value: String,
        [key_at, operator_at, value_at]: [usize; 3],
    ) -> Result<Test, ParseError> {
        let comparison = match operator {
            ">" => Some(Comparison::Greater),
            ">=" => Some(Comparison::GreaterEqual),
            "<" => Some(Comparison::Less),
            "<=" => Some(Comparison::LessEqual),
            _ => None,
        };
        if *subject == Subject::Duration {
            let comparison = match operator {
                "=" => Some(Comparison::Equal),
                "!=" => Some(Comparison::NotEqual),
                _ => comparison,
            };
            let comparison = comparison.ok_or_else(|| {
                self.error_at(
                    operator_at,
                    format!("a duration cannot be compared with {operator}"),
                )
            })?;
            let nanos = nanos(&value).ok_or_else(|| {
                self.error_at(
                    value_at,
                    format!("{value:?} is no duration; write for example 100ms, 1.5s or 2m"),
                )
            })?;
            return Ok(Test::Nanos(comparison, nanos));
        }
        if let Some(comparison) = comparison {
            let Subject::Attribute(_) = subject else {
                return Err(self.error_at(
                    operator_at,
                    format!(
                        "{} is text and cannot be compared with {operator}",
                        &self.text[key_at..operator_at].trim_end()
                    ),
                ));
            };
            let number = value.parse().map_err(|_| {
                self.error_at(
                    value_at,
                    format!("{operator} compares numbers, and {value:?} is none"),
                )
            })?;
            return Ok(Test::Number(comparison, number));
        }
        match operator {
            "=~" | "!~" => self.regex(&value, operator, value_at),
            _ => self.exact(subject, value, operator, value_at),
        }
    }

    fn exact(
        &self,
        subject: &Subject,
        value: String,
        operator: &str,
        value_at: usize,
    ) -> Result<Test, ParseError> {
        let words: &[&str] = match subject {
            Subject::Status => &STATUSES,
            Subject::Kind => &KINDS,
            Subject::Service | Subject::Operation | Subject::Duration | Subject::Attribute(_) => {
                &[]
            }
        };
        let lower = value.to_lowercase();
        let value = if words.is_empty() { value } else { lower };
        if !words.is_empty() && !words.contains(&value.as_str()) {
            return Err(self.error_at(
                value_at,
                format!("{value:?} is none of {}", words.join(", ")),
            ));
        }
        Ok(if operator == "=" {
            Test::Equal(value)
        } else {
            Test::NotEqual(value)
        })
    }

    fn regex(&self, pattern: &str, operator: &str, value_at: usize) -> Result<Test, ParseError> {
        let compile = |text: &str| {
            regex::RegexBuilder::new(text)
                .size_limit(REGEX_BYTES_MAX)
                .build()
        };
        // Alone first: `a)|(b` would close the group around it and so leave the anchors.
        let regex = compile(pattern)
            .and_then(|_| compile(&format!("^(?s:{pattern})$")))
            .map_err(|error| self.error_at(value_at, format!("bad regular expression: {error}")))?;
        Ok(if operator == "=~" {
            Test::Regex(regex)
        } else {
            Test::NotRegex(regex)
        })
    }

    fn error_at(&self, offset: usize, message: String) -> ParseError {
        let before = &self.text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let shown: String = self.text[line_start..]
            .lines()
            .next()
            .unwrap_or("")
            .chars()
            .take(500)
            .collect();
        let column = before[line_start..].chars().count() + 1;
        ParseError {
            message,
            offset,
            line: before.matches('\n').count() + 1,
            column,
            shown,
        }
    }
}

/// A duration as people write it, in nanoseconds: `100ms`, `1.5s`, `2m`.
fn nanos(text: &str) -> Option<u64> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(unit_at);
    let scale = match unit {
        "ns" => 1.0,
        "us" | "µs" => 1e3,
        "ms" => 1e6,
        "s" => 1e9,
        "m" => 60e9,
        "h" => 3600e9,
        _ => return None,
    };
    let nanos = number.parse::<f64>().ok()? * scale;
    (nanos.is_finite() && nanos < u64::MAX as f64).then_some(nanos.round() as u64)
}

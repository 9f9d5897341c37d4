//! Queries as their tokens, and queries with a mistake in them.

use crate::generate::Generator;
use rand::Rng;

impl Generator {
    /// A query with a small change: most of them are a mistake.
    pub(crate) fn mutated(&mut self) -> String {
        let query = self.query();
        let mut tokens = tokens(&query);
        for _ in 0..self.random.random_range(1..=2) {
            let at = self.random.random_range(0..tokens.len());
            match self.random.random_range(0..5) {
                0 => {
                    tokens.remove(at);
                }
                1 => tokens.insert(at, tokens[at].clone()),
                2 => {
                    let other = self.random.random_range(0..tokens.len());
                    tokens.swap(at, other);
                }
                3 => {
                    let inserted = [
                        "|", "{", "}", "(", ")", "[", "]", "by", "json", "\"x\"", "5m", "=", "1",
                        ",", "unwrap", "or", "and", "!", "a", "rate", "sum", "offset", "~",
                    ];
                    let token = *self.pick(&inserted);
                    tokens.insert(at, token.into());
                }
                _ => tokens.truncate(at.max(1)),
            }
            if tokens.is_empty() {
                tokens.push("{".into());
            }
        }
        // What is joined without blanks would become other tokens.
        tokens.join(" ")
    }
}

/// A query cut at its blanks, strings and signs, so that a change hits one part of it.
pub(crate) fn tokens(query: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = query.trim();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '`' => string(rest, first),
            '#' => rest.find('\n').map_or(rest.len(), |end| end + 1),
            c if is_word(c) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            '|' | '!' | '=' | '>' | '<' => {
                let second = rest[1..].chars().next().unwrap_or(' ');
                1 + usize::from("=~>".contains(second))
            }
            '-' if rest.starts_with("--") => rest.find(char::is_whitespace).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '.')
}

fn string(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote == '"' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

//! Queries that are still being written: an editor asks for names and values that go with what
//! stands there already.

use crate::ast::{Field, Query};
use sonde_lex::ParseError;

/// How many conditions are looked at.
const CONDITIONS_MAX: usize = 64;

impl Query {
    /// The query, or what can be told of one that is not finished: the conditions of its first
    /// `{` that are whole. All spans, where nothing can be told.
    #[must_use]
    pub fn parse_unfinished(text: &str) -> Self {
        if let Ok(query) = Self::parse(text) {
            return query;
        }
        let braces = text.find('{').map_or("", |at| &text[at + 1..]);
        let mut whole = Vec::new();
        for condition in conditions(braces).into_iter().take(CONDITIONS_MAX) {
            if Self::parse(&format!("{{ {condition} }}")).is_ok() {
                whole.push(condition);
            }
        }
        let joined = format!("{{ {} }}", whole.join(" && "));
        Self::parse(&joined).unwrap_or_else(|_| Self::all())
    }

    fn all() -> Self {
        Self {
            pipeline: crate::ast::Pipeline {
                stages: vec![crate::ast::Stage::Spansets(crate::ast::Spansets::Filter(
                    None,
                ))],
            },
            metrics: None,
            hints: Vec::new(),
        }
    }
}

/// What stands between `&&` up to the closing brace, none where `||` stands among it.
fn conditions(text: &str) -> Vec<&str> {
    let (mut found, mut from, mut at, mut depth) = (Vec::new(), 0, 0, 0_usize);
    while let Some(c) = text[at..].chars().next() {
        match c {
            '"' | '`' => match sonde_lex::string(text, at) {
                Ok((_, end)) => {
                    at = end;
                    continue;
                }
                Err(_) => return found,
            },
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '}' => break,
            '|' if depth == 0 => return Vec::new(),
            '&' if depth == 0 => {
                found.push(text[from..at].trim());
                at += if text[at..].starts_with("&&") { 2 } else { 1 };
                from = at;
                continue;
            }
            _ => {}
        }
        at += c.len_utf8();
    }
    found.push(text[from..at].trim());
    found.retain(|condition| !condition.is_empty());
    found
}

impl Field {
    /// The attribute or intrinsic of a name as it stands in a query.
    ///
    /// # Errors
    /// [`ParseError`] where it is neither.
    pub fn parse_tag(text: &str) -> Result<Self, ParseError> {
        let field = crate::parse::single_field(text)?;
        match field {
            Self::Attribute(_) | Self::Intrinsic(_) => Ok(field),
            _ => Err(ParseError::new(
                text,
                0,
                "expected an attribute such as span.http.route, or an intrinsic such as name",
            )),
        }
    }
}

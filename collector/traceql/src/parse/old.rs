//! The language of `service=checkout status=error duration>100ms`, which TraceQL replaced:
//! its queries are told what they are now.

use crate::ast::{Field, Intrinsic};
use crate::value::{Kind, Status};
use sonde_lex::{ParseError, quoted};

const OPERATORS: [&str; 8] = ["!=", "=~", "!~", ">=", "<=", "=", ">", "<"];

/// Why a text that does not begin as a query is none.
pub(super) fn error(text: &str, at: usize) -> ParseError {
    let message = match new_form(&text[at..]) {
        Some(query) => format!("conditions stand in braces; write {query}"),
        None => "a query begins with { conditions }, as in { resource.service.name = \"checkout\" && status = error }".to_owned(),
    };
    ParseError::new(text, at, message)
}

/// What an old query, or bare conditions, is in TraceQL, where that is one.
fn new_form(text: &str) -> Option<String> {
    let in_braces = format!("{{ {} }}", text.trim());
    if super::query(&in_braces).is_ok() {
        return Some(in_braces);
    }
    let (mut rest, mut conditions) = (text.trim(), Vec::new());
    while !rest.is_empty() {
        let (condition, behind) = condition(rest)?;
        conditions.push(condition);
        rest = behind.trim_start();
    }
    let query = format!("{{ {} }}", conditions.join(" && "));
    super::query(&query).is_ok().then_some(query)
}

fn condition(text: &str) -> Option<(String, &str)> {
    let end = text.find(|c: char| c.is_whitespace() || "=!<>~\"`".contains(c))?;
    let (key, rest) = text.split_at(end);
    let rest = rest.trim_start();
    let operator = OPERATORS.into_iter().find(|sign| rest.starts_with(sign))?;
    let rest = rest[operator.len()..].trim_start();
    let (value, behind) = if rest.starts_with(['"', '`']) {
        let (value, end) = sonde_lex::string(rest, 0).ok()?;
        (value.into_owned(), &rest[end..])
    } else {
        let end = rest.find(char::is_whitespace).unwrap_or(rest.len());
        (rest[..end].to_owned(), &rest[end..])
    };
    let is_word = Status::ALL.iter().any(|s| s.name() == value) && key == "status"
        || Kind::ALL.iter().any(|k| k.name() == value) && key == "kind";
    let is_bare = is_word || key == "duration" || operator.starts_with(['<', '>']);
    let value = if is_bare { value } else { quoted(&value) };
    let key = match key {
        "" => return None,
        "service" => "resource.service.name".to_owned(),
        "operation" => "name".to_owned(),
        _ if Intrinsic::named(key).is_some() => key.to_owned(),
        _ => Field::Attribute(crate::Attribute::new(crate::Scope::Any, key)).to_string(),
    };
    Some((format!("{key} {operator} {value}"), behind))
}

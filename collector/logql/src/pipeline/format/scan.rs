//! What a template looks at, told from its text.
//!
//! The template engine parses; here only as much is read as tells which labels a template
//! names, and whether it is so simple that it needs no engine. What is not understood counts
//! as "may look at any label".

/// A part of a simple template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// `{{.name}}`
    Field(String),
    /// `{{__line__}}`
    Line,
}

/// What a template looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    pub(super) pieces: Option<Vec<Piece>>,
    pub(super) fields: Option<Vec<String>>,
    pub(super) has_line: bool,
}

const LINE: &str = "__line__";

/// Looks through a template.
pub(super) fn scan(template: &str) -> Scanned {
    let mut pieces = Some(Vec::new());
    let mut fields = Some(Vec::new());
    let mut has_line = false;
    let mut rest = template;
    while let Some((text, action)) = rest.split_once("{{") {
        push_text(&mut pieces, text);
        let Some(end) = end_of_action(action) else {
            return Scanned {
                pieces: None,
                fields: None,
                has_line: true,
            };
        };
        let inner = &action[..end];
        has_line |= inner.contains(LINE);
        match (piece(inner), &mut pieces) {
            (Some(piece), Some(pieces)) => pieces.push(piece),
            _ => pieces = None,
        }
        if !collect_fields(inner, fields.as_mut()) {
            fields = None;
        }
        rest = &action[end + 2..];
    }
    push_text(&mut pieces, rest);
    if let Some(fields) = &mut fields {
        fields.sort();
        fields.dedup();
    }
    Scanned {
        pieces,
        fields,
        has_line,
    }
}

fn push_text(pieces: &mut Option<Vec<Piece>>, text: &str) {
    if let Some(pieces) = pieces
        && !text.is_empty()
    {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

/// Where the `}}` of an action is, outside of strings and comments.
fn end_of_action(action: &str) -> Option<usize> {
    let mut at = 0;
    while at < action.len() {
        let rest = &action[at..];
        if rest.starts_with("}}") {
            return Some(at);
        }
        at += skip(rest)?;
    }
    None
}

/// The length of a string, a comment or one character.
fn skip(rest: &str) -> Option<usize> {
    let first = rest.chars().next()?;
    match first {
        '`' => Some(rest[1..].find('`')? + 2),
        '"' | '\'' => {
            let mut at = 1;
            loop {
                let next = rest[at..].chars().next()?;
                at += next.len_utf8();
                match next {
                    '\\' => at += rest[at..].chars().next()?.len_utf8(),
                    next if next == first => return Some(at),
                    _ => {}
                }
            }
        }
        '/' if rest.starts_with("/*") => Some(rest.find("*/")? + 2),
        other => Some(other.len_utf8()),
    }
}

/// An action that is only a label or the line.
fn piece(inner: &str) -> Option<Piece> {
    let word = inner.trim_matches([' ', '\t', '\n', '\r']);
    if word == LINE {
        return Some(Piece::Line);
    }
    let name = word.strip_prefix('.')?;
    is_name(name).then(|| Piece::Field(name.to_owned()))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Collects the names behind points. `false`: the action may look at any label.
fn collect_fields(inner: &str, fields: Option<&mut Vec<String>>) -> bool {
    let Some(fields) = fields else {
        return false;
    };
    let words = inner.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    if words
        .into_iter()
        .any(|word| matches!(word, "template" | "define" | "block"))
    {
        return false;
    }
    let mut at = 0;
    let mut before = ' ';
    while at < inner.len() {
        let rest = &inner[at..];
        let Some(first) = rest.chars().next() else {
            break;
        };
        let next = rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        let begins_name = next.is_alphabetic() || next == '_';
        match first {
            '.' if begins_name => {
                let name = &rest[1..];
                let length = name
                    .find(|c: char| !(c.is_alphanumeric() || c == '_'))
                    .unwrap_or(name.len());
                fields.push(name[..length].to_owned());
                before = 'x';
                at += 1 + length;
                continue;
            }
            // A fraction.
            '.' if before.is_ascii_digit() || next.is_ascii_digit() => {}
            '.' => return false,
            '$' if !begins_name && next != '.' => return false,
            _ => {}
        }
        before = first;
        match skip(rest) {
            Some(length) => at += length,
            None => return false,
        }
    }
    true
}

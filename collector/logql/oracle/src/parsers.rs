//! Stages that take labels out of lines.

use crate::json::{Json, Step, first, forgiving, members, path, without_controls};
use crate::state::{State, sanitized};
use sonde_logql::ast::Extraction;

const JSON_ERROR: &str = "JSONParserErr";
const LOGFMT_ERROR: &str = "LogfmtParserErr";

/// `| json`: every member; those of objects under joined names; no lists and no nulls.
pub(crate) fn json(state: &mut State) {
    let (members, whole) = members(&state.line);
    flatten(state, "", &members);
    if !whole {
        state.error = JSON_ERROR.into();
    }
}

fn flatten(state: &mut State, prefix: &str, members: &[(String, Json)]) {
    for (name, value) in members {
        let name = if prefix.is_empty() {
            sanitized(name)
        } else {
            format!("{prefix}_{}", sanitized(name))
        };
        match value {
            Json::Object(inner) => flatten(state, &name, inner),
            Json::Text(text) => state.extract(&name, &shown(text)),
            Json::Number(number) => state.extract(&name, number),
            Json::Bool(b) => state.extract(&name, &b.to_string()),
            Json::Null | Json::List(_) => {}
        }
    }
}

/// What cannot be text is shown as a blank.
fn shown(text: &str) -> String {
    text.replace('\u{fffd}', " ")
}

/// `| json label="path", …`: the label is there even where the path leads nowhere.
pub(crate) fn json_paths(state: &mut State, extractions: &[Extraction]) {
    if state.line.is_empty() {
        return;
    }
    let text = String::from_utf8_lossy(&state.line);
    let whole: Json = match first(&forgiving(&text)) {
        Ok(whole @ (Json::Object(_) | Json::List(_) | Json::Text(_))) => whole,
        // What begins as JSON is looked at, and nothing is found in it.
        Err(_) if text.trim_start().starts_with(['{', '[', '"']) => {
            state.error = JSON_ERROR.into();
            Json::Null
        }
        _ => {
            state.error = JSON_ERROR.into();
            return;
        }
    };
    let mut missing = Vec::new();
    for extraction in extractions {
        let steps: Vec<Step> = path(&extraction.path);
        let Some(value) = whole.at(&steps) else {
            missing.push(extraction);
            continue;
        };
        let text = match value {
            Json::Null => String::new(),
            Json::Text(text) => shown(text),
            other => other.compact(),
        };
        let name = state.name_beside(&extraction.label);
        state.set(&name, &text);
    }
    // What was asked for and not found is there with an empty value.
    for extraction in missing {
        if state.get(&extraction.label).is_none() {
            state.set(&extraction.label, "");
        }
    }
}

/// `| unpack`: the texts of an object, if it holds a line.
pub(crate) fn unpack(state: &mut State) {
    if state.line.is_empty() {
        return;
    }
    let (members, whole) = members(&state.line);
    if !whole {
        state.error = JSON_ERROR.into();
        return;
    }
    let texts = members.iter().filter_map(|(name, value)| match value {
        Json::Text(text) => Some((name.as_str(), text)),
        _ => None,
    });
    let (entry, labels): (Vec<_>, Vec<_>) = texts.partition(|(name, _)| *name == "_entry");
    let Some((_, entry)) = entry.last() else {
        return;
    };
    for (name, text) in labels {
        state.extract(&sanitized(name), &shown(text));
    }
    state.line = (*entry).clone().into_bytes();
}

/// `| logfmt`
pub(crate) fn logfmt(state: &mut State, strict: bool, keep_empty: bool) {
    let (pairs, error) = pairs(&String::from_utf8_lossy(&state.line), strict);
    for (key, value) in pairs {
        if keep_empty || !value.is_empty() {
            state.extract(&sanitized(&key), &shown(&value));
        }
    }
    if error && strict {
        state.error = LOGFMT_ERROR.into();
    }
}

/// `| logfmt label="key", …`: the label is there even where the key is not.
pub(crate) fn logfmt_keys(state: &mut State, strict: bool, extractions: &[Extraction]) {
    let (pairs, error) = pairs(&String::from_utf8_lossy(&state.line), strict);
    for extraction in extractions {
        if !state.is_taken(&extraction.label) {
            state.set(&extraction.label, "");
        }
    }
    for extraction in extractions {
        let found = pairs
            .iter()
            .rev()
            .find(|(key, _)| sanitized(key) == extraction.path);
        if let Some((_, value)) = found {
            let name = state.name_beside(&extraction.label);
            state.set(&name, &shown(value));
        }
    }
    if error && strict {
        state.error = LOGFMT_ERROR.into();
    }
}

/// The pairs of a line, up to the first malformed one if that matters.
fn pairs(line: &str, strict: bool) -> (Vec<(String, String)>, bool) {
    let is_blank = |c: char| c <= ' ';
    let mut pairs = Vec::new();
    let mut rest = line.trim_start_matches(is_blank);
    let mut error = false;
    while !rest.is_empty() {
        let (pair, after) = pair(rest);
        match pair {
            Some(pair) => pairs.push(pair),
            None => {
                error = true;
                if strict {
                    break;
                }
            }
        }
        rest = after.trim_start_matches(is_blank);
    }
    (pairs, error)
}

/// The pair at the start of a text, and what comes behind it.
fn pair(text: &str) -> (Option<(String, String)>, &str) {
    let is_blank = |c: char| c <= ' ';
    let until_blank = |from: &str| from.find(is_blank).unwrap_or(from.len());
    let skipped = |from: usize| &text[from + until_blank(&text[from..])..];

    let key_end = text
        .find(|c: char| is_blank(c) || c == '=' || c == '"')
        .unwrap_or(text.len());
    let key = text[..key_end].to_owned();
    if key.contains('\u{fffd}') {
        return (None, skipped(key_end));
    }
    match text[key_end..].chars().next() {
        Some('"') => return (None, skipped(key_end)),
        Some('=') if key.is_empty() => return (None, skipped(key_end)),
        Some('=') => {}
        _ => return (Some((key, String::new())), &text[key_end..]),
    }
    let value = &text[key_end + 1..];
    if value.starts_with('"') {
        return match closing_quote(value) {
            None => (None, ""),
            Some(end) => {
                let raw = &value[1..end];
                let unquoted = if raw.contains('\\') {
                    serde_json::from_str(&format!("\"{}\"", without_controls(raw))).ok()
                } else {
                    Some(raw.to_owned())
                };
                (unquoted.map(|v| (key, v)), &value[end + 1..])
            }
        };
    }
    let end = until_blank(value);
    if value[..end].contains(['=', '"']) {
        return (None, &value[end..]);
    }
    (Some((key, value[..end].to_owned())), &value[end..])
}

/// Where a quoted text that stands at the start ends.
fn closing_quote(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at),
            _ => {}
        }
    }
    None
}

/// `| regexp "…"`: the named groups, if it matches.
pub(crate) fn regexp(state: &mut State, pattern: &str) {
    let regex = crate::filters::re2(pattern);
    let line = String::from_utf8_lossy(&state.line).into_owned();
    let Some(found) = regex.captures(&line) else {
        return;
    };
    for name in regex.capture_names().flatten() {
        let value = found.name(name).map_or("", |m| m.as_str());
        state.extract(&sanitized(name), value);
    }
}

/// `| pattern "…"`: each capture reaches to the next text of the pattern.
pub(crate) fn pattern(state: &mut State, pattern: &str) {
    let parts = pattern_parts(pattern);
    let line = String::from_utf8_lossy(&state.line).into_owned();
    if line.is_empty() {
        return;
    }
    let mut rest = line.as_str();
    let mut waiting: Option<&str> = None;
    let mut captured = Vec::new();
    for (at, part) in parts.iter().enumerate() {
        match part {
            Part::Capture(name) => waiting = Some(name),
            Part::Text(text) if at == 0 => match rest.strip_prefix(text.as_str()) {
                Some(after) => rest = after,
                None => return,
            },
            Part::Text(text) => match rest.split_once(text.as_str()) {
                Some((before, after)) => {
                    captured.push((waiting.take(), before));
                    rest = after;
                }
                // The last one that was begun reaches to the end.
                None => break,
            },
        }
    }
    if let Some(name) = waiting {
        captured.push((Some(name), rest));
    }
    for (name, value) in captured {
        match name {
            Some("_") | None => {}
            Some(name) => state.extract(name, value),
        }
    }
}

/// A part of a pattern.
pub(crate) enum Part {
    /// `<name>`
    Capture(String),
    /// Anything else.
    Text(String),
}

/// The parts of a pattern; a `<` that opens no name is text.
pub(crate) fn pattern_parts(pattern: &str) -> Vec<Part> {
    let capture = crate::filters::re2("<([A-Za-z_][A-Za-z0-9_]*)>");
    let mut parts = Vec::new();
    let mut end = 0;
    for found in capture.captures_iter(pattern) {
        let whole = found.get(0).expect("group 0 is the match");
        if whole.start() > end {
            parts.push(Part::Text(pattern[end..whole.start()].to_owned()));
        }
        parts.push(Part::Capture(found[1].to_owned()));
        end = whole.end();
    }
    if end < pattern.len() {
        parts.push(Part::Text(pattern[end..].to_owned()));
    }
    parts
}

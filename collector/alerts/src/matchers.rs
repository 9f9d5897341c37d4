//! Label matchers as Alertmanager's files write them.
//!
//! Two grammars are in use. The newer one allows any label name and reads Go string escapes:
//! `{"my label"="a\tb", foo!~bar.*}`. The older one has only Prometheus' names, knows the
//! escapes `\n`, `\"` and `\\`, keeps every other backslash and allows an empty value. As in
//! Alertmanager, a text is read by both; the older wins where they disagree.

use sonde_proto::{MatchOp, Matcher};

type Parsed = Vec<(String, MatchOp, String)>;

/// Reads one line: one matcher or several with commas, with or without braces.
///
/// # Errors
/// A sentence that says what is wrong with the line.
pub(crate) fn parse(text: &str) -> Result<Vec<Matcher>, String> {
    let parsed = match (newer(text), older(text)) {
        (Ok(_), Ok(parsed)) | (Ok(parsed), Err(_)) | (Err(_), Ok(parsed)) => parsed,
        (Err(reason), Err(_)) => return Err(format!("bad matcher {text:?}: {reason}")),
    };
    parsed
        .iter()
        .map(|(name, op, value)| Matcher::new(name, *op, value).map_err(|error| error.to_string()))
        .collect()
}

/// Whether a text is a label name of Prometheus' older kind.
#[must_use]
pub(crate) fn is_plain_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Reads the operator at the start of a text.
fn operator(text: &str) -> Option<(MatchOp, &str)> {
    [
        ("=~", MatchOp::Regex),
        ("!~", MatchOp::NotRegex),
        ("!=", MatchOp::NotEqual),
        ("=", MatchOp::Equal),
    ]
    .into_iter()
    .find_map(|(word, op)| text.strip_prefix(word).map(|rest| (op, rest)))
}

/// The newer grammar.
fn newer(text: &str) -> Result<Parsed, String> {
    let mut rest = text.trim();
    let braces = rest.starts_with('{');
    if braces {
        rest = rest
            .strip_prefix('{')
            .and_then(|r| r.strip_suffix('}'))
            .ok_or("`}` is missing")?
            .trim();
    }
    let mut parsed = Vec::new();
    while !rest.is_empty() {
        let (name, after) = word(rest, "a label name")?;
        let (op, after) = operator(after.trim_start())
            .ok_or("expected one of = != =~ !~ after the label name")?;
        let (value, after) = word(after.trim_start(), "a value; write \"\" for the empty one")?;
        if name.is_empty() {
            return Err("a label name is empty".into());
        }
        parsed.push((name, op, value));
        rest = after.trim_start();
        match rest.strip_prefix(',') {
            Some(after) => rest = after.trim_start(),
            None if rest.is_empty() => {}
            None => return Err(format!("expected a comma at {rest:?}")),
        }
    }
    if parsed.is_empty() && !braces {
        return Err("it is empty".into());
    }
    Ok(parsed)
}

/// Reads one quoted or bare word.
fn word<'a>(text: &'a str, what: &str) -> Result<(String, &'a str), String> {
    if text.starts_with('"') {
        return quoted(text);
    }
    let reserved = |c: char| c.is_whitespace() || "{}!=~,\\\"'`".contains(c);
    let end = text.find(reserved).unwrap_or(text.len());
    match &text[..end] {
        "" => Err(format!("expected {what} at {text:?}")),
        word => Ok((word.to_owned(), &text[end..])),
    }
}

/// Reads a double-quoted string with Go's escapes.
fn quoted(text: &str) -> Result<(String, &str), String> {
    let mut out = String::new();
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => {
                let (_, escape) = chars.next().ok_or("a string ends with a backslash")?;
                out.push(escaped(escape, &mut chars)?);
            }
            '\n' => return Err("a string contains a line break; write \\n".into()),
            c => out.push(c),
        }
    }
    Err("a closing quote is missing".into())
}

/// The character that an escape stands for.
fn escaped(escape: char, chars: &mut impl Iterator<Item = (usize, char)>) -> Result<char, String> {
    let mut code = |digits: usize| {
        let hex: String = chars.take(digits).map(|(_, c)| c).collect();
        u32::from_str_radix(&hex, 16)
            .ok()
            .filter(|_| hex.len() == digits)
            .and_then(char::from_u32)
            .ok_or_else(|| format!("\\{escape}{hex} is no character"))
    };
    match escape {
        'n' => Ok('\n'),
        't' => Ok('\t'),
        'r' => Ok('\r'),
        'a' => Ok('\u{7}'),
        'b' => Ok('\u{8}'),
        'f' => Ok('\u{c}'),
        'v' => Ok('\u{b}'),
        '\\' | '"' => Ok(escape),
        'x' => code(2).and_then(|c| {
            c.is_ascii()
                .then_some(c)
                .ok_or_else(|| "\\x escapes reach to 7f".into())
        }),
        'u' => code(4),
        'U' => code(8),
        other => Err(format!("\\{other} is no escape")),
    }
}

/// The older grammar. Each brace may be missing.
fn older(text: &str) -> Result<Parsed, String> {
    let text = text.trim();
    let inner = text.strip_prefix('{').unwrap_or(text);
    let inner = inner.strip_suffix('}').unwrap_or(inner);
    match split_commas(inner)?.as_slice() {
        [] if inner.len() == text.len() => Err("it is empty".into()),
        parts => parts.iter().map(|part| older_one(part)).collect(),
    }
}

/// Splits at commas that are outside quotes.
fn split_commas(text: &str) -> Result<Vec<&str>, String> {
    let (mut parts, mut start, mut in_quotes, mut after_backslash) = (Vec::new(), 0, false, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' if !after_backslash => in_quotes = !in_quotes,
            ',' if !in_quotes => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
        after_backslash = c == '\\' && !after_backslash;
    }
    if in_quotes {
        return Err("a closing quote is missing".into());
    }
    if !text[start..].trim().is_empty() || (start == 0 && !text.is_empty()) {
        parts.push(&text[start..]);
    }
    Ok(parts)
}

fn older_one(text: &str) -> Result<(String, MatchOp, String), String> {
    let text = text.trim();
    let end = text
        .find(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(text.len());
    let name = &text[..end];
    if !name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_' || c == ':') {
        return Err(format!("expected a label name at {text:?}"));
    }
    let (op, value) = operator(text[end..].trim_start()).ok_or("expected one of = != =~ !~")?;
    Ok((name.to_owned(), op, older_value(value.trim())?))
}

fn older_value(text: &str) -> Result<String, String> {
    let (body, is_quoted) = match text.strip_prefix('"') {
        Some(body) => (body, true),
        None => (text, false),
    };
    let (mut out, mut chars) = (String::new(), body.chars());
    loop {
        match chars.next() {
            Some('\\') => match chars.next() {
                Some('n') => out.push('\n'),
                Some(c @ ('"' | '\\')) => out.push(c),
                Some(c) => out.extend(['\\', c]),
                None => out.push('\\'),
            },
            Some('"') if is_quoted && chars.as_str().is_empty() => return Ok(out),
            Some('"') => return Err("a quote inside a value must be escaped".into()),
            Some(c) => out.push(c),
            None if is_quoted => return Err("a closing quote is missing".into()),
            None => return Ok(out),
        }
    }
}

#[cfg(test)]
mod tests;

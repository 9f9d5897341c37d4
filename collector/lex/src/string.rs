//! Strings as Go writes them: `"…"` and `'…'` with escapes, `` `…` `` as it stands.

use crate::ParseError;
use std::borrow::Cow;
use std::fmt::Write;

/// The string whose quote stands at `at` of `text`, and the place behind its end.
///
/// # Errors
/// Where it has no end, where an escape is none, and where its bytes are no UTF-8.
pub fn string(text: &str, at: usize) -> Result<(Cow<'_, str>, usize), ParseError> {
    let rest = text.get(at..).unwrap_or_default();
    let Some(quote) = rest.chars().next().filter(|c| ['"', '\'', '`'].contains(c)) else {
        return Err(ParseError::new(text, at, "expected a string in quotes"));
    };
    let body = &rest[1..];
    let open = |why: &str| ParseError::new(text, at, format!("this string has no end{why}"));
    if quote == '`' {
        let end = body
            .find('`')
            .ok_or_else(|| open("; close it with a backquote"))?;
        return Ok((body[..end].into(), at + end + 2));
    }
    let mut escaped = false;
    for (end, c) in body.char_indices() {
        match c {
            '\n' => return Err(open(" on its line; write \\n, or use backquotes")),
            c if c == quote && !escaped => {
                let value = unescape(&body[..end])
                    .map_err(|(inside, why)| ParseError::new(text, at + 1 + inside, why))?;
                return Ok((value, at + end + 2));
            }
            _ => escaped = c == '\\' && !escaped,
        }
    }
    Err(open(&format!("; close it with {quote}")))
}

/// Go's escapes.
fn unescape(text: &str) -> Result<Cow<'_, str>, (usize, &'static str)> {
    if !text.contains('\\') {
        return Ok(text.into());
    }
    let mut out = Vec::with_capacity(text.len());
    // Where escapes of single bytes stand, in what is written and in what is read.
    let mut bytes = Vec::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let bad = || {
            let why =
                "unknown escape sequence; a backslash itself is written \\\\, or use backquotes";
            (at, why)
        };
        let (_, kind) = chars.next().ok_or_else(bad)?;
        let mut code = |digits: usize, radix: u32, first: Option<char>| {
            let mut value = first.map_or(Some(0), |c| c.to_digit(radix));
            for _ in 0..digits {
                let digit = chars.next().and_then(|(_, c)| c.to_digit(radix));
                value = value
                    .zip(digit)
                    .and_then(|(value, digit)| u32::checked_add(value.checked_mul(radix)?, digit));
            }
            value.ok_or_else(bad)
        };
        match kind {
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            'v' => out.push(11),
            '\\' | '"' | '\'' => out.push(kind as u8),
            'x' | '0'..='7' => {
                let code = match kind {
                    'x' => code(2, 16, None)?,
                    first => code(2, 8, Some(first))?,
                };
                bytes.push((out.len(), at));
                out.push(u8::try_from(code).map_err(|_| bad())?);
            }
            'u' | 'U' => {
                let code = code(if kind == 'u' { 4 } else { 8 }, 16, None)?;
                let c = char::from_u32(code).ok_or((
                    at,
                    "this escape is no character; use one of up to \\U0010FFFF",
                ))?;
                out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            _ => return Err(bad()),
        }
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|error| {
        let from = error.utf8_error().valid_up_to();
        let place = bytes.iter().find(|(out, _)| *out >= from);
        let why = "the string is no UTF-8 here; write the character itself or \\u and its code";
        (place.map_or(0, |(_, at)| *at), why)
    })
}

/// A text as a double-quoted string with escapes, as every language here reads it back.
#[must_use]
pub fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line and paragraph separators break a line where they are shown.
            c if c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c) => {
                // Writing to a string does not fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::{quoted, string};
    use proptest::prelude::*;

    #[test]
    fn escapes_are_gos() {
        let check = |written: &str, expected: &str| {
            let (value, end) = string(written, 0).unwrap();
            assert_eq!(
                (value.as_ref(), end),
                (expected, written.len()),
                "{written}"
            );
        };
        check(r#""""#, "");
        check("''", "");
        check("``", "");
        check(r#""a\"b""#, "a\"b");
        check(r#"'a\'b"'"#, "a'b\"");
        check(r"`a\n\`", "a\\n\\");
        check("`two\nlines`", "two\nlines");
        check(r#""\a\b\f\n\r\t\v\\""#, "\u{7}\u{8}\u{c}\n\r\t\u{b}\\");
        check(r#""\x41\101\u00e9\U0001F600""#, "AAé😀");
        check(r#""\xc3\xa9\303\251""#, "éé");
        check(r#""\\""#, "\\");
    }

    #[test]
    fn what_is_no_string_is_refused_at_its_place() {
        let check = |written: &str, column: usize, part: &str| {
            let error = string(written, 0).unwrap_err();
            assert!(error.message.contains(part), "{written}: {}", error.message);
            assert_eq!(error.column, column, "{written}: {}", error.message);
        };
        check("\"a", 1, "close it with \"");
        check("'a\"", 1, "close it with '");
        check("`a", 1, "backquote");
        check("\"a\\\"", 1, "no end");
        check("\"a\nb\"", 1, "on its line");
        check("x", 1, "in quotes");
        check("", 1, "in quotes");
        check(r#""ab\q""#, 4, "unknown escape");
        check(r#""\x4""#, 2, "unknown escape");
        check(r#""\8""#, 2, "unknown escape");
        check(r#""\777""#, 2, "unknown escape");
        check(r#""\u12""#, 2, "unknown escape");
        check(r#""\UFFFFFFFF""#, 2, "no character");
        check(r#""\ud800""#, 2, "no character");
        check(r#""é\x41\xff""#, 7, "no UTF-8");
        check(r#""\xc3\xa9\xc3""#, 10, "no UTF-8");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_quoted_reads_back_from_one_line(text in any::<String>()) {
            let written = quoted(&text);
            let broken = written.contains(['\n', '\r', '\u{85}', '\u{2028}']);
            prop_assert!(!broken, "{}", written);
            let (value, end) = string(&written, 0).unwrap();
            prop_assert_eq!(value.as_ref(), text.as_str());
            prop_assert_eq!(end, written.len());
        }

        #[test]
        fn no_text_breaks_it(text in "[\"'`\\\\xuU0-9a-fé\n]{0,20}", at in 0usize..22) {
            if let Ok((_, end)) = string(&text, at) {
                prop_assert!(text.is_char_boundary(end) && end > at);
            }
        }
    }
}

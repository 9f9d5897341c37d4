//! Texts in quotes, as Go writes them.

use regex::Regex;
use std::fmt::Write as _;
use std::sync::LazyLock;

/// What Go calls printable: letters, marks, numbers, punctuation, symbols and the space.
static PRINTABLE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$").ok());

/// A text in quotes.
pub(super) fn quote(text: &str, out: &mut String) {
    out.push('"');
    for c in text.chars() {
        let escape = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\u{c}' => "\\f",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\u{b}' => "\\v",
            _ => "",
        };
        if !escape.is_empty() {
            out.push_str(escape);
        } else if is_printable(c) {
            out.push(c);
        } else {
            let code = u32::from(c);
            let _ = match code {
                0..0x80 => write!(out, "\\x{code:02x}"),
                0x80..0x1_0000 => write!(out, "\\u{code:04x}"),
                _ => write!(out, "\\U{code:08x}"),
            };
        }
    }
    out.push('"');
}

fn is_printable(c: char) -> bool {
    if c.is_ascii() {
        return c == ' ' || c.is_ascii_graphic();
    }
    let mut bytes = [0; 4];
    let text = c.encode_utf8(&mut bytes);
    PRINTABLE.as_ref().is_some_and(|class| class.is_match(text))
}

//! Strings and characters in Go's quotes.

/// A string between double quotes, with what cannot be printed escaped.
pub(crate) fn quote(text: &str, ascii: bool) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        push(&mut out, c, '"', ascii);
    }
    out.push('"');
    out
}

/// A character between single quotes.
pub(super) fn character(c: char, ascii: bool) -> String {
    let mut out = String::from("'");
    push(&mut out, c, '\'', ascii);
    out.push('\'');
    out
}

/// Whether a string can stand between backquotes.
pub(super) fn can_be_raw(text: &str) -> bool {
    text.chars()
        .all(|c| c == '\t' || (c != '`' && c != '\u{feff}' && c != '\u{7f}' && c >= ' '))
}

fn push(out: &mut String, c: char, quote: char, ascii: bool) {
    match c {
        '\u{07}' => out.push_str("\\a"),
        '\u{08}' => out.push_str("\\b"),
        '\u{0c}' => out.push_str("\\f"),
        '\n' => out.push_str("\\n"),
        '\r' => out.push_str("\\r"),
        '\t' => out.push_str("\\t"),
        '\u{0b}' => out.push_str("\\v"),
        '\\' => out.push_str("\\\\"),
        c if c == quote => {
            out.push('\\');
            out.push(c);
        }
        c if c < ' ' || c == '\u{7f}' => out.push_str(&format!("\\x{:02x}", u32::from(c))),
        c if c.is_ascii() || (!ascii && printable(c)) => out.push(c),
        c if u32::from(c) < 0x1_0000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
        c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
    }
}

/// Whether Go's `unicode.IsPrint` holds: a letter, mark, number, punctuation, symbol, or
/// the ASCII space. The standard library tells it apart when a character is not the first
/// of a string (a mark is then printed).
pub(crate) fn printable(c: char) -> bool {
    let mut text = String::from("a");
    text.push(c);
    matches!(c, '\'' | '"' | '\\') || text.escape_debug().eq(text.chars())
}

//! Values as HTML text and attributes.

use super::UNSAFE;

/// For text and quoted attributes.
pub(super) fn text(text: &str) -> String {
    replace(text, |c| match c {
        '&' => Some("&amp;"),
        c => special(c),
    })
}

/// HTML inside of a place that takes text: references in it stay.
pub(super) fn again(html: &str) -> String {
    replace(html, special)
}

/// For attributes without quotes. In `html`, references stay.
pub(super) fn unquoted(text: &str, html: bool) -> String {
    if text.is_empty() {
        return UNSAFE.into();
    }
    replace(text, |c| match c {
        '&' if html => None,
        '\0' => Some("&#xfffd;"),
        '\t' => Some("&#9;"),
        '\n' => Some("&#10;"),
        '\u{0b}' => Some("&#11;"),
        '\u{0c}' => Some("&#12;"),
        '\r' => Some("&#13;"),
        ' ' => Some("&#32;"),
        '&' => Some("&amp;"),
        '=' => Some("&#61;"),
        '`' => Some("&#96;"),
        c => special(c),
    })
}

fn special(c: char) -> Option<&'static str> {
    match c {
        '\0' => Some("\u{fffd}"),
        '"' => Some("&#34;"),
        '\'' => Some("&#39;"),
        '+' => Some("&#43;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

fn replace(text: &str, by: impl Fn(char) -> Option<&'static str>) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match by(c) {
            Some(replacement) => out.push_str(replacement),
            None => out.push(c),
        }
    }
    out
}

/// A value in a style: a colour, a size, a word. What could end the declaration, load
/// something or run is not let through.
pub(super) fn css_value(text: &str) -> &str {
    let breaks = |c: char| "\0\"'()/;@[\\]`{}<>".contains(c);
    let name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let word: String = text.chars().filter(|c| name(*c)).collect();
    let word = word.to_ascii_lowercase().replace('-', "");
    let runs = word.contains("expression") || word.contains("mozbinding");
    if text.contains(breaks) || text.contains("--") || runs {
        UNSAFE
    } else {
        text
    }
}

//! Blanks and comments.

/// The first place from `at` on where neither a blank nor a comment (`#` to the line's end)
/// stands.
#[must_use]
pub fn skip_blank(text: &str, at: usize) -> usize {
    let mut rest = text.get(at..).unwrap_or_default();
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\n', '\r']);
        if !rest.starts_with('#') {
            return text.len() - rest.len();
        }
        let end = rest.find('\n').unwrap_or(rest.len());
        rest = &rest[end..];
    }
}

#[cfg(test)]
mod tests {
    use super::skip_blank;

    #[test]
    fn blanks_and_comments_follow_one_another_in_any_order() {
        let check = |text: &str, expected: &str| {
            assert_eq!(&text[skip_blank(text, 0)..], expected, "{text:?}");
        };
        check("", "");
        check(" \t\r\n", "");
        check("a b", "a b");
        check("# note\n  # another\r\n\n a # b", "a # b");
        check("# to the end", "");
        assert_eq!(skip_blank("a # b\nc", 1), 6);
        assert_eq!(skip_blank("a", 9), 1);
    }
}

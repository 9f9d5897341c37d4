//! What is wrong with a text, and where.

/// How many characters of the line are shown on each side of the place.
const SHOWN_MAX: usize = 60;

/// Why a text is no query. Displayed with its line and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong and what would be right.
    pub message: String,
    /// Where, in bytes from the start of the text.
    pub offset: usize,
    /// The line of the place, counted from 1.
    pub line: usize,
    /// The character of the place in its line, counted from 1.
    pub column: usize,
    /// A part of the line around the place, and how many characters the caret is in.
    shown: String,
    caret: usize,
}

impl ParseError {
    /// An error at `offset` of `text`.
    #[must_use]
    pub fn new(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let column = text[line_start..offset].chars().count() + 1;
        let skipped = (column - 1).saturating_sub(SHOWN_MAX);
        let before = text[line_start..offset].chars().skip(skipped);
        let after = text[offset..].chars().take_while(|c| *c != '\n');
        let shown = before.chain(after.take(SHOWN_MAX));
        Self {
            message: message.into(),
            offset,
            line: text[..line_start].matches('\n').count() + 1,
            column,
            shown: shown
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            caret: column - 1 - skipped,
        }
    }
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            message,
            line,
            column,
            shown,
            caret,
            ..
        } = self;
        write!(f, "{line}:{column}: {message}\n  {shown}\n  {:caret$}^", "")
    }
}

impl std::error::Error for ParseError {}

#[cfg(test)]
mod tests {
    use super::ParseError;

    #[test]
    fn the_caret_stands_under_the_place() {
        let check = |text: &str, offset: usize, line: usize, column: usize, under: char| {
            let error = ParseError::new(text, offset, "wrong; write it right");
            assert_eq!((error.line, error.column), (line, column), "{text:?}");
            let shown = error.to_string();
            let lines: Vec<Vec<char>> = shown.lines().map(|l| l.chars().collect()).collect();
            assert_eq!(lines.len(), 3, "{shown}");
            let caret = lines[2].iter().position(|c| *c == '^').unwrap();
            let found = lines[1].get(caret).copied().unwrap_or('$');
            assert_eq!(found, under, "{shown}");
        };
        check("abc", 1, 1, 2, 'b');
        check("abc", 3, 1, 4, '$');
        check("abc", 99, 1, 4, '$');
        check("ab\n\tcd\nef", 4, 2, 2, 'c');
        check("größe=", 8 - 1, 1, 6, '=');
        check("größe", 3, 1, 3, 'ö');
        let long = format!("{}x{}", "é".repeat(5000), "y".repeat(5000));
        check(&long, 10_000, 1, 5001, 'x');
        let error = ParseError::new(&long, 10_000, "m");
        assert!(error.to_string().chars().count() < 250);
    }
}

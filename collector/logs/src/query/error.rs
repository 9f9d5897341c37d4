//! What is wrong with a query, and where.

/// Why a text is no query. Displayed with the line and a caret under the place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong and what would be right.
    pub message: String,
    /// Where, in bytes from the start of the query.
    pub offset: usize,
    /// The line of the place, counted from 1.
    pub line: usize,
    /// The character of the place in its line, counted from 1.
    pub column: usize,
    /// A part of the line around the place, and how many characters the caret is in.
    shown: String,
    caret: usize,
}

/// How many characters of the line are shown on each side of the place.
const SHOWN_MAX: usize = 60;

impl ParseError {
    /// An error at `offset` of `text`.
    pub(super) fn new(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let offset = floor_char_boundary(text, offset);
        let line_start = text[..offset].rfind('\n').map_or(0, |at| at + 1);
        let line_end = text[offset..]
            .find('\n')
            .map_or(text.len(), |at| offset + at);
        let before: Vec<char> = text[line_start..offset].chars().collect();
        let kept = &before[before.len().saturating_sub(SHOWN_MAX)..];
        let shown = kept
            .iter()
            .copied()
            .chain(text[offset..line_end].chars().take(SHOWN_MAX));
        Self {
            message: message.into(),
            offset,
            line: text[..line_start].matches('\n').count() + 1,
            column: before.len() + 1,
            shown: shown
                .map(|c| if c.is_control() { ' ' } else { c })
                .collect(),
            caret: kept.len(),
        }
    }
}

fn floor_char_boundary(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

impl std::fmt::Display for ParseError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(
            f,
            "{} at line {}, column {}:",
            self.message, self.line, self.column
        )?;
        writeln!(f, "  {}", self.shown)?;
        write!(f, "  {}^", " ".repeat(self.caret))
    }
}

impl std::error::Error for ParseError {}

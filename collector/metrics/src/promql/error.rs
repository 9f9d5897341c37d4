//! What can be wrong with a query.

use super::source::Stop;

/// How much of a line is shown above the caret.
const SHOWN_MAX: usize = 120;

/// Why a text is no expression, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// What is wrong.
    pub message: String,
    /// Where, in bytes.
    pub offset: usize,
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    shown: String,
    caret: usize,
}

impl ParseError {
    pub(crate) fn new(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let mut offset = offset.min(text.len());
        while !text.is_char_boundary(offset) {
            offset -= 1;
        }
        let before = &text[..offset];
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        let line = text[line_start..].lines().next().unwrap_or_default();
        let skip = (column - 1).saturating_sub(SHOWN_MAX / 2);
        let shown: String = line
            .chars()
            .skip(skip)
            .take(SHOWN_MAX)
            .map(|c| if c == '\t' { ' ' } else { c })
            .collect();
        Self {
            message: message.into(),
            offset,
            line: before.matches('\n').count() + 1,
            column,
            shown,
            caret: column - 1 - skip,
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

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// The expression or a parameter is wrong; asking again does not help.
    #[error("{line}:{column}: {message}")]
    BadData {
        /// What is wrong.
        message: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// The expression does not fit the data.
    #[error("{0}")]
    Execution(String),
    /// It took too long.
    #[error("{0}")]
    Timeout(String),
    /// It would take more than is allowed.
    #[error("{0}")]
    TooLarge(String),
}

impl QueryError {
    pub(crate) fn bad_data(message: &str) -> Self {
        Self::BadData {
            message: message.into(),
            line: 1,
            column: 1,
        }
    }
}

impl From<ParseError> for QueryError {
    fn from(error: ParseError) -> Self {
        Self::BadData {
            message: error.message,
            line: error.line,
            column: error.column,
        }
    }
}

impl From<Stop> for QueryError {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::SamplesMax(max) => Self::TooLarge(format!(
                "the query needs more than {max} samples: ask for fewer series, a shorter time or a larger step"
            )),
            Stop::SeriesMax(max) => Self::TooLarge(format!(
                "a selector matches more than {max} series: add matchers"
            )),
            Stop::LabelBytesMax(max) => Self::TooLarge(format!(
                "the query would keep more than {max} bytes of labels: ask for fewer series, or make shorter label values"
            )),
            Stop::ValueBytesMax(max) => Self::TooLarge(format!(
                "the query would keep more than {max} bytes of values: ask for fewer series, a shorter time or a larger step"
            )),
            Stop::LabelValueMax {
                function,
                label,
                max,
            } => Self::TooLarge(format!(
                "{function}() would make the value of label {label:?} longer than {max} bytes: make it of fewer or shorter parts"
            )),
            Stop::Deadline => Self::Timeout("the query took longer than it may".into()),
            Stop::Expression(message) | Stop::Source(message) => Self::Execution(message),
        }
    }
}

//! What can be wrong with a query.

use super::source::Stop;

pub use sonde_lex::ParseError;

/// Why a query has no answer.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum QueryError {
    /// The expression is wrong; asking again does not help.
    #[error("{line}:{column}: parse error: {message}")]
    Parse {
        /// What is wrong.
        message: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A parameter is wrong.
    #[error("{0}")]
    BadData(String),
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
        Self::BadData(message.into())
    }
}

impl From<ParseError> for QueryError {
    fn from(error: ParseError) -> Self {
        Self::Parse {
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
                "the query needs more than {max} samples: ask for fewer series, a shorter time or a larger step, or raise metrics.query_samples_max"
            )),
            Stop::SeriesMax(max) => Self::TooLarge(format!(
                "a selector matches more than {max} series: add matchers, or raise metrics.query_series_max"
            )),
            Stop::LabelBytesMax(max) => Self::TooLarge(format!(
                "the query would keep more than {max} bytes of labels: ask for fewer series, make label values shorter, or raise metrics.query_label_bytes_max"
            )),
            Stop::ValueBytesMax(max) => Self::TooLarge(format!(
                "the query would keep more than {max} bytes of values: ask for fewer series, a shorter time or a larger step, or raise metrics.query_value_bytes_max"
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

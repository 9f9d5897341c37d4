//! What is wrong with a body, and where.

use std::fmt;

/// A body that cannot be read. Samples before the place were given already: a caller that
/// wants all or nothing keeps them until [`crate::read`] returns.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {message}")]
pub struct Malformed {
    /// Where.
    pub place: Place,
    /// What is wrong there, and what to do.
    pub message: String,
}

/// A place in a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A character of a text format; both count from 1.
    Line {
        /// The line.
        line: usize,
        /// The character in it.
        column: usize,
    },
    /// A byte of protobuf, counted from 0.
    Byte(usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { line, column } => write!(f, "line {line}, column {column}"),
            Self::Byte(at) => write!(f, "byte {at}"),
        }
    }
}

/// Why reading ended early.
pub(crate) enum Halt {
    /// The sink has seen enough.
    Stopped,
    Malformed(Malformed),
}

impl From<Malformed> for Halt {
    fn from(malformed: Malformed) -> Self {
        Self::Malformed(malformed)
    }
}

//! The query language: which streams, and which of their lines.
//!
//! ```text
//! query    = [ selector ] filter*
//! selector = "{" [ matcher ("," matcher)* [","] ] "}"
//! matcher  = name ("=" | "!=" | "=~" | "!~") string        regular expressions match the whole value
//! filter   = ("|=" | "!=" | "|~" | "!~") string            regular expressions match anywhere in the line
//! string   = "…" with Go's escapes, or `…` as it stands
//! ```
//!
//! This is the log part of LogQL; its parsers, formatters and metric queries are not here
//! yet and are refused by name.

mod error;
mod filter;
mod literals;
mod parse;

pub use error::ParseError;
pub use filter::{FilterOp, LineFilter};

use sonde_proto::{Labels, Matcher};

/// A parsed and compiled query.
#[derive(Clone, Debug)]
pub struct LogQuery {
    matchers: Vec<Matcher>,
    filters: Vec<LineFilter>,
}

impl LogQuery {
    /// Parses and compiles a query. An empty text selects everything.
    ///
    /// # Errors
    /// [`ParseError`] with the place and the reason, also for regular expressions that are
    /// none or that would take too much memory.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        parse::query(text)
    }

    /// A query for the streams that satisfy all `matchers` and the lines that satisfy all
    /// `filters`.
    #[must_use]
    pub fn new(matchers: Vec<Matcher>, filters: Vec<LineFilter>) -> Self {
        Self { matchers, filters }
    }

    /// What a stream's labels must satisfy.
    #[must_use]
    pub fn matchers(&self) -> &[Matcher] {
        &self.matchers
    }

    /// What a line must satisfy, in the order written.
    #[must_use]
    pub fn filters(&self) -> &[LineFilter] {
        &self.filters
    }

    /// Whether a stream with these labels is asked for.
    #[must_use]
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches_labels(labels))
    }

    /// Whether a line with these bytes is asked for.
    #[must_use]
    pub fn matches_line(&self, line: &[u8]) -> bool {
        self.filters.iter().all(|f| f.matches(line))
    }
}

/// The query as it would be written.
impl std::fmt::Display for LogQuery {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("{")?;
        for (at, matcher) in self.matchers.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            write!(
                f,
                "{comma}{}{}{}",
                matcher.name,
                matcher.op.as_str(),
                parse::quoted(&matcher.value)
            )?;
        }
        f.write_str("}")?;
        self.filters
            .iter()
            .try_for_each(|filter| write!(f, " {filter}"))
    }
}

#[cfg(test)]
mod tests;

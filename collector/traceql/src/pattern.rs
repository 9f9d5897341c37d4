//! Regular expressions: RE2's dialect, over whole values, `.` being any character.

use regex::bytes::Regex;
use sonde_proto::re2::{BadRegex, Dot, PatternBudget};

/// A compiled pattern that is equal to another of the same text.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Compiles a pattern out of a query's budget.
    ///
    /// # Errors
    /// [`BadRegex`] where it is none, or more than the budget has left.
    pub fn new(text: &str, budget: &mut PatternBudget) -> Result<Self, BadRegex> {
        let regex = budget.compile_whole(text, Dot::Any)?;
        Ok(Self {
            text: text.to_owned(),
            regex,
        })
    }

    /// As it is written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it matches the whole of `text`.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text.as_bytes())
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

//! One line filter: what a line must, or must not, contain.

use super::literals;
use regex::bytes::{Regex, RegexBuilder};

/// The largest compiled pattern, in bytes: a pattern is input, its automaton is memory.
const REGEX_SIZE_MAX: usize = 1 << 20;
/// The largest cache a pattern's lazy automaton may fill, in bytes.
const REGEX_CACHE_MAX: usize = 4 << 20;
/// How deep groups may nest.
const REGEX_DEPTH_MAX: u32 = 100;

/// How a line is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FilterOp {
    /// `|=`: the line contains the text.
    Contains,
    /// `!=`: it does not.
    NotContains,
    /// `|~`: the pattern matches somewhere in the line.
    Matches,
    /// `!~`: it does not.
    NotMatches,
}

impl FilterOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Contains => "|=",
            Self::NotContains => "!=",
            Self::Matches => "|~",
            Self::NotMatches => "!~",
        }
    }
}

/// A compiled line filter. It looks at the raw bytes of the body, case-sensitively.
#[derive(Clone, Debug)]
pub struct LineFilter {
    op: FilterOp,
    text: String,
    compiled: Compiled,
    /// Of each, every line that satisfies the filter contains one.
    required: Vec<Vec<Vec<u8>>>,
}

#[derive(Clone, Debug)]
enum Compiled {
    Text(Box<memchr::memmem::Finder<'static>>),
    Pattern(Regex),
}

impl LineFilter {
    /// Compiles a filter.
    ///
    /// # Errors
    /// The reason when a pattern is no regular expression or too large a one.
    pub fn new(op: FilterOp, text: &str) -> Result<Self, String> {
        let compiled = match op {
            FilterOp::Contains | FilterOp::NotContains => finder(text),
            // A pattern without special characters is just text, and text is searched faster.
            FilterOp::Matches | FilterOp::NotMatches if is_just_text(text) => finder(text),
            FilterOp::Matches | FilterOp::NotMatches => Compiled::Pattern(pattern(text)?),
        };
        let required = match (op, &compiled) {
            (FilterOp::NotContains | FilterOp::NotMatches, _) => Vec::new(),
            (_, Compiled::Text(_)) => vec![vec![text.as_bytes().to_vec()]],
            (_, Compiled::Pattern(_)) => literals::required(text, REGEX_DEPTH_MAX),
        };
        Ok(Self {
            op,
            text: text.to_owned(),
            compiled,
            required,
        })
    }

    /// The comparison.
    #[must_use]
    pub fn op(&self) -> FilterOp {
        self.op
    }

    /// The text or pattern as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether a line satisfies the filter.
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        let found = match &self.compiled {
            Compiled::Text(finder) => finder.find(line).is_some(),
            Compiled::Pattern(regex) => regex.is_match(line) || matches_as_shown(regex, line),
        };
        match self.op {
            FilterOp::Contains | FilterOp::Matches => found,
            FilterOp::NotContains | FilterOp::NotMatches => !found,
        }
    }

    /// Texts of which every line that satisfies the filter contains one, for each list.
    pub(crate) fn required(&self) -> &[Vec<Vec<u8>>] {
        &self.required
    }

    /// What finds the text that every line that satisfies the filter contains, and no other
    /// line does; where the filter is of that kind.
    pub(crate) fn finder(&self) -> Option<&memchr::memmem::Finder<'static>> {
        match (self.op, &self.compiled) {
            (FilterOp::Contains | FilterOp::Matches, Compiled::Text(finder)) => Some(finder),
            (FilterOp::Contains | FilterOp::Matches, Compiled::Pattern(_))
            | (FilterOp::NotContains | FilterOp::NotMatches, _) => None,
        }
    }
}

/// Whether a pattern matches only itself. U+FFFD also matches bytes that are shown so.
fn is_just_text(pattern: &str) -> bool {
    regex::escape(pattern) == pattern && !pattern.contains('\u{fffd}')
}

/// A pattern's `.` is a character, and bytes that are no UTF-8 are none. They are shown as
/// U+FFFD, so a pattern that matches what is shown matches the line.
fn matches_as_shown(regex: &Regex, line: &[u8]) -> bool {
    std::str::from_utf8(line).is_err() && regex.is_match(String::from_utf8_lossy(line).as_bytes())
}

fn finder(text: &str) -> Compiled {
    Compiled::Text(Box::new(
        memchr::memmem::Finder::new(text.as_bytes()).into_owned(),
    ))
}

fn pattern(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text)
        .size_limit(REGEX_SIZE_MAX)
        .dfa_size_limit(REGEX_CACHE_MAX)
        .nest_limit(REGEX_DEPTH_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                format!("this regular expression needs more than {REGEX_SIZE_MAX} bytes of memory; use smaller repetitions")
            }
            other => format!("not a regular expression: {}", last_line(&other.to_string())),
        })
}

/// The regex crate draws its own caret; the last line says what is wrong.
fn last_line(message: &str) -> &str {
    let line = message
        .lines()
        .rev()
        .find(|l| !l.trim().is_empty())
        .unwrap_or(message);
    line.trim().trim_start_matches("error: ")
}

/// The filter as it would be written.
impl std::fmt::Display for LineFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} {}",
            self.op.as_str(),
            super::parse::quoted(&self.text)
        )
    }
}

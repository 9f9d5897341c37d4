//! What is wrong with a text, and where.

use std::fmt;

use crate::PROBLEMS_MAX;
use crate::tree::Place;

/// One thing that is wrong with a text.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file's name, or `--set path` for an override.
    pub file: String,
    /// The line, from 1; 0 when the problem is not in a text.
    pub line: usize,
    /// The column in characters, from 1; 0 when the problem is not in a text.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

/// `file:line:column: message (hint)`.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}:{}", self.line, self.column)?;
        }
        write!(f, ": {}", self.message)?;
        self.hint
            .as_ref()
            .map_or(Ok(()), |hint| write!(f, " ({hint})"))
    }
}

/// Everything that is wrong with a text, by place; never empty when returned as an error.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Problems(pub Vec<Problem>);

/// One problem a line.
impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.0.iter().enumerate() {
            let newline = if at == 0 { "" } else { "\n" };
            write!(f, "{newline}{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

/// Collects the problems of one reading.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    /// By source number: the file, then the overrides.
    sources: Vec<String>,
    found: Vec<(Place, String, Option<String>)>,
    /// Where the keys stand that nobody knows.
    unknown_keys: Vec<Place>,
    not_shown: usize,
}

impl Report {
    pub(crate) fn new(file: &str, overrides: &[(String, String)]) -> Self {
        let names = overrides.iter().map(|(path, _)| format!("--set {path}"));
        let sources = std::iter::once(file.to_owned()).chain(names).collect();
        Self {
            sources,
            found: Vec::new(),
            unknown_keys: Vec::new(),
            not_shown: 0,
        }
    }

    pub(crate) fn add(&mut self, place: Place, message: impl Into<String>, hint: Option<String>) {
        if self.found.len() < PROBLEMS_MAX {
            self.found.push((place, message.into(), hint));
        } else {
            self.not_shown += 1;
        }
    }

    /// A key that nobody knows: without it, the rest can still be read.
    pub(crate) fn add_unknown_key(&mut self, place: Place, message: String, hint: Option<String>) {
        self.unknown_keys.push(place);
        self.add(place, message, hint);
    }

    /// Where the unknown keys stand, if nothing else is wrong.
    pub(crate) fn only_unknown_keys(&self) -> Option<&[Place]> {
        (self.unknown_keys.len() == self.len()).then_some(&self.unknown_keys)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.found.len() + self.not_shown
    }

    /// An empty report for an attempt whose problems may be thrown away.
    pub(crate) fn attempt(&self) -> Self {
        Self {
            sources: self.sources.clone(),
            found: Vec::new(),
            unknown_keys: Vec::new(),
            not_shown: 0,
        }
    }

    pub(crate) fn absorb(&mut self, other: Self) {
        for (place, message, hint) in other.found {
            self.add(place, message, hint);
        }
        self.unknown_keys.extend(other.unknown_keys);
        self.not_shown += other.not_shown;
    }

    /// A problem with its place spelled out.
    pub(crate) fn problem(&self, place: Place, message: String, hint: Option<String>) -> Problem {
        let in_text = place.source == 0;
        Problem {
            file: self
                .sources
                .get(place.source as usize)
                .cloned()
                .unwrap_or_default(),
            line: if in_text { place.line as usize } else { 0 },
            column: if in_text { place.column as usize } else { 0 },
            message,
            hint,
        }
    }

    pub(crate) fn finish(mut self) -> Problems {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by_key(|(place, ..)| *place);
        let last = found.last().map(|(place, ..)| *place).unwrap_or_default();
        if self.not_shown > 0 {
            found.push((last, format!("and {} more problems", self.not_shown), None));
        }
        Problems(
            found
                .into_iter()
                .map(|(place, m, h)| self.problem(place, m, h))
                .collect(),
        )
    }
}

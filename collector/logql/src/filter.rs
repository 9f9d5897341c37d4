//! One line filter: what a line must, or must not, contain.
//!
//! A filter looks at the bytes of the line as they came, case-sensitively. What it asks for is
//! made as simple as it can be: a regular expression that is only text becomes a search for
//! text, several texts are searched at once, and from the rest are taken the texts without
//! which it cannot match ([`LineFilter::any_of`]), for a store to look them up.

mod address;
mod literal;
mod pattern;
mod re2;

use crate::ast;
use crate::ast::LineOp;
use memchr::memmem::Finder;
use regex::bytes::Regex;
use std::borrow::Cow;

pub(crate) use address::AddressRange;
pub(crate) use pattern::Template;
pub(crate) use re2::{compile as compile_regex, patterns};

/// Why a stage cannot be carried out: which one, what is wrong, what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{stage}: {reason}")]
pub struct CompileError {
    /// The stage, as it would be written; cut where it is long.
    pub stage: String,
    /// What is wrong and what would be right.
    pub reason: String,
}

/// How much of a stage an error shows, in characters.
const STAGE_SHOWN_MAX: usize = 120;

impl CompileError {
    pub(crate) fn new(stage: impl AsRef<str>, reason: impl Into<String>) -> Self {
        let stage = stage.as_ref();
        let mut shown: String = stage.chars().take(STAGE_SHOWN_MAX).collect();
        if shown.len() < stage.len() {
            shown.push('…');
        }
        Self {
            stage: shown,
            reason: reason.into(),
        }
    }
}

/// A compiled line filter.
#[derive(Clone, Debug)]
pub struct LineFilter {
    shown: String,
    is_negated: bool,
    /// A line that satisfies one of them is found.
    tests: Vec<Test>,
    any_of: Option<Vec<Vec<u8>>>,
    /// The text, where the filter asks for nothing but one text.
    text: Option<Vec<u8>>,
}

#[derive(Clone, Debug)]
enum Test {
    Always,
    Text(Box<Finder<'static>>),
    /// Several texts, searched in one pass.
    Texts(Regex),
    Regex(Regex),
    Pattern(Template),
    Address(AddressRange),
}

impl LineFilter {
    /// Compiles a filter.
    ///
    /// # Errors
    /// What is wrong with a regular expression, a pattern or a range of addresses.
    pub fn compile(filter: &ast::LineFilter) -> Result<Self, CompileError> {
        let alone = filter.alternatives.len();
        Self::compile_beside(filter, alone)
    }

    /// Compiles one of the filters of a query that has so many regular expressions.
    pub(crate) fn compile_beside(
        filter: &ast::LineFilter,
        patterns: usize,
    ) -> Result<Self, CompileError> {
        let shown = shown(filter);
        let asked = filter
            .alternatives
            .iter()
            .map(|alternative| Asked::new(filter.op, alternative, patterns))
            .collect::<Result<Vec<_>, _>>()
            .map_err(|reason| CompileError::new(&shown, reason))?;
        let is_negated = is_negated(filter.op);
        let any_of = if is_negated {
            None
        } else {
            literal::union(asked.iter().map(Asked::any_of))
        };
        let text = match asked.as_slice() {
            [Asked::Texts(texts)] => match texts.as_slice() {
                [text] => Some(text.clone()),
                _ => None,
            },
            _ => None,
        };
        Ok(Self {
            is_negated,
            tests: tests(asked, patterns).map_err(|reason| CompileError::new(&shown, reason))?,
            shown,
            any_of,
            text,
        })
    }

    /// Whether a line satisfies the filter.
    #[must_use]
    pub fn matches(&self, line: &[u8]) -> bool {
        self.tests.iter().any(|test| test.finds(line)) != self.is_negated
    }

    /// Texts of which every line that satisfies the filter contains at least one. `None` where
    /// no such texts are known, and always for a negated filter.
    #[must_use]
    pub fn any_of(&self) -> Option<Vec<Vec<u8>>> {
        self.any_of.clone()
    }

    /// The text, and whether lines must not contain it, where that is all the filter asks.
    #[must_use]
    pub fn as_contains(&self) -> Option<(&[u8], bool)> {
        self.text.as_deref().map(|text| (text, self.is_negated))
    }
}

/// The filter as it is written.
impl std::fmt::Display for LineFilter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Test {
    fn finds(&self, line: &[u8]) -> bool {
        match self {
            Self::Always => true,
            Self::Text(finder) => finder.find(line).is_some(),
            Self::Texts(regex) => regex.is_match(line),
            Self::Regex(regex) => {
                regex.is_match(line)
                    || shown_lossy(line).is_some_and(|shown| regex.is_match(shown.as_bytes()))
            }
            Self::Pattern(pattern) => pattern.covers(line),
            Self::Address(range) => range.is_in(line),
        }
    }
}

/// A line that is not UTF-8 with U+FFFD for each bad byte, as regular expressions of Go see
/// it: their `.` is a character, and a bad byte is one.
pub(crate) fn shown_lossy(line: &[u8]) -> Option<String> {
    if std::str::from_utf8(line).is_ok() {
        return None;
    }
    let mut shown = String::with_capacity(line.len() + 8);
    push_lossy(&mut shown, line, char::REPLACEMENT_CHARACTER);
    Some(shown)
}

/// Appends bytes as text, with a character for each byte that is not UTF-8.
pub(crate) fn push_lossy(out: &mut String, bytes: &[u8], bad: char) {
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|_| bad));
    }
}

/// What one alternative asks for.
enum Asked {
    /// Any of these texts; one is the usual case.
    Texts(Vec<Vec<u8>>),
    Regex {
        regex: Regex,
        any_of: Option<Vec<Vec<u8>>>,
    },
    Pattern(Template),
    Address(AddressRange),
}

impl Asked {
    fn new(op: LineOp, alternative: &ast::LineText, patterns: usize) -> Result<Self, String> {
        let text = alternative.text.as_str();
        if alternative.is_ip {
            return match op {
                LineOp::Contains | LineOp::NotContains => {
                    AddressRange::parse(text).map(Self::Address)
                }
                LineOp::Matches | LineOp::NotMatches | LineOp::Pattern | LineOp::NotPattern => {
                    Err("ip(…) goes with |= and != only".into())
                }
            };
        }
        match op {
            LineOp::Contains | LineOp::NotContains => Ok(Self::Texts(vec![text.into()])),
            LineOp::Pattern | LineOp::NotPattern => Template::of_filter(text).map(Self::Pattern),
            LineOp::Matches | LineOp::NotMatches => {
                let hir = re2::parse_filter(text)?;
                if let Some(texts) = literal::only_texts(&hir) {
                    return Ok(Self::Texts(texts));
                }
                Ok(Self::Regex {
                    regex: re2::compile_filter(text, patterns)?,
                    any_of: literal::required(&hir),
                })
            }
        }
    }

    fn any_of(&self) -> Option<Vec<Vec<u8>>> {
        match self {
            Self::Texts(texts) => Some(texts.clone()),
            Self::Regex { any_of, .. } => any_of.clone(),
            Self::Pattern(pattern) => pattern.longest_text().map(|text| vec![text.to_vec()]),
            Self::Address(range) => range.only_spelling().map(|text| vec![text.into_bytes()]),
        }
    }
}

/// The tests for what is asked: all texts in one.
fn tests(asked: Vec<Asked>, patterns: usize) -> Result<Vec<Test>, String> {
    let mut texts = Vec::new();
    let mut tests = Vec::new();
    for one in asked {
        match one {
            Asked::Texts(more) => texts.extend(more),
            Asked::Regex { regex, .. } => tests.push(Test::Regex(regex)),
            Asked::Pattern(pattern) => tests.push(Test::Pattern(pattern)),
            Asked::Address(range) => tests.push(Test::Address(range)),
        }
    }
    if texts.iter().any(Vec::is_empty) {
        return Ok(vec![Test::Always]);
    }
    match texts.as_slice() {
        [] => {}
        [text] => tests.insert(0, Test::Text(Box::new(Finder::new(text).into_owned()))),
        texts => tests.insert(0, Test::Texts(re2::any_text(texts, patterns)?)),
    }
    Ok(tests)
}

fn is_negated(op: LineOp) -> bool {
    matches!(
        op,
        LineOp::NotContains | LineOp::NotMatches | LineOp::NotPattern
    )
}

fn shown(filter: &ast::LineFilter) -> String {
    let op = match filter.op {
        LineOp::Contains => "|=",
        LineOp::NotContains => "!=",
        LineOp::Matches => "|~",
        LineOp::NotMatches => "!~",
        LineOp::Pattern => "|>",
        LineOp::NotPattern => "!>",
    };
    let texts: Vec<Cow<'_, str>> = filter
        .alternatives
        .iter()
        .map(|alternative| {
            let quoted = sonde_lex::quoted(&alternative.text);
            if alternative.is_ip {
                format!("ip({quoted})").into()
            } else {
                quoted.into()
            }
        })
        .collect();
    format!("{op} {}", texts.join(" or "))
}

#[cfg(test)]
mod tests;

//! Regular expressions of Go, as stages use them.

use crate::ast::Stage;
use regex::bytes::Regex;
use regex_syntax::hir::Hir;
use sonde_proto::re2::{self, BadRegex, Dot};

/// Compiles a regular expression that takes something out of a line, one of so many.
pub(crate) fn compile(pattern: &str, patterns: usize) -> Result<Regex, String> {
    re2::compile_beside(pattern, Dot::InLine, patterns).map_err(refused)
}

/// Compiles a regular expression that filters lines, one of so many: its dot is any character,
/// as documented.
pub(super) fn compile_filter(pattern: &str, patterns: usize) -> Result<Regex, String> {
    re2::compile_beside(pattern, Dot::Any, patterns).map_err(refused)
}

/// How many regular expressions stages have that look at lines. Texts that are searched at
/// once are one.
pub(crate) fn patterns(stages: &[Stage]) -> usize {
    let count = |stage: &Stage| match stage {
        Stage::Line(filter) if filter.op.is_regex() => filter.alternatives.len(),
        Stage::Line(filter) => usize::from(filter.alternatives.len() > 1),
        Stage::Regexp(_) => 1,
        _ => 0,
    };
    stages.iter().map(count).sum()
}

/// A search for any of several texts at once.
pub(super) fn any_text(texts: &[Vec<u8>], patterns: usize) -> Result<Regex, String> {
    re2::compile_texts(texts, patterns).map_err(refused)
}

/// What a regular expression that filters lines means.
pub(super) fn parse_filter(pattern: &str) -> Result<Hir, String> {
    let translated = re2::translate(pattern).map_err(refused)?;
    regex_syntax::ParserBuilder::new()
        .nest_limit(re2::DEPTH_MAX)
        .dot_matches_new_line(true)
        .utf8(false)
        .build()
        .parse(&translated)
        .map_err(|error| refused(BadRegex::told(&error.to_string())))
}

fn refused(error: BadRegex) -> String {
    match error {
        BadRegex::Syntax(reason) => format!("not a regular expression: {reason}"),
        error => format!("this regular expression is too large: {error}"),
    }
}

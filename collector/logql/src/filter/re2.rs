//! Regular expressions of Go, as stages use them.

use regex::bytes::Regex;
use regex_syntax::hir::Hir;
use sonde_proto::re2::{self, BadRegex, Dot};

/// Compiles a regular expression that takes something out of a line.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    re2::compile(pattern, Dot::InLine).map_err(refused)
}

/// Compiles a regular expression that filters lines: its dot is any character, as documented.
pub(super) fn compile_filter(pattern: &str) -> Result<Regex, String> {
    re2::compile(pattern, Dot::Any).map_err(refused)
}

/// A search for any of several texts at once.
pub(super) fn any_text(texts: &[Vec<u8>]) -> Result<Regex, String> {
    re2::compile_texts(texts).map_err(refused)
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
        BadRegex::TooLarge => format!("this regular expression is too large: {error}"),
    }
}

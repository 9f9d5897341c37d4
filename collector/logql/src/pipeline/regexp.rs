//! `| regexp "…(?P<name>…)…"`: named groups become labels.
//!
//! A line that does not match stays as it is; a group that took no part in a match is empty.

use super::take::Taker;
use crate::filter::compile_regex;
use regex::bytes::{CaptureLocations, Regex};

/// A regular expression and the names of its groups.
#[derive(Clone, Debug)]
pub(super) struct Regexp {
    regex: Regex,
    names: Vec<(usize, String)>,
}

impl Regexp {
    /// Compiles one of the regular expressions of a query that has so many.
    pub(super) fn compile(pattern: &str, patterns: usize) -> Result<Self, String> {
        let regex = compile_regex(pattern, patterns)?;
        let names: Vec<(usize, String)> = regex
            .capture_names()
            .enumerate()
            .filter_map(|(at, name)| Some((at, name?.to_owned())))
            .collect();
        if names.is_empty() {
            return Err("no group has a name: write at least one as (?P<name>…)".into());
        }
        let is_plain = |name: &str| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        match names.iter().find(|(_, name)| !is_plain(name)) {
            Some((_, bad)) => Err(format!(
                "{bad:?} is no name of a label: use letters, digits and underscores"
            )),
            None => Ok(Self { regex, names }),
        }
    }

    pub(super) fn run(
        &self,
        line: &str,
        found: &mut Option<CaptureLocations>,
        taker: &mut Taker<'_>,
    ) {
        let found = found.get_or_insert_with(|| self.regex.capture_locations());
        let matched = self.regex.captures_read(found, line.as_bytes());
        if matched.is_none() {
            return;
        }
        for (at, name) in &self.names {
            let text = found
                .get(*at)
                .and_then(|(start, end)| line.get(start..end))
                .unwrap_or_default();
            if !taker.take(name, |out| out.push_str(text)) {
                return;
            }
        }
    }
}

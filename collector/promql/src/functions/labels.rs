//! Functions that rewrite labels.

use super::{Function, Shape, shaped};
use crate::ast::Type;
use crate::source::Stop;
use ahash::AHashMap;
use regex::bytes::{Regex, RegexBuilder};
use sonde_proto::{Labels, re2};
use std::borrow::Cow;

const TEXT: Type = Type::String;

pub(crate) const TABLE: &[Function] = &[
    shaped(
        "label_replace",
        Type::Vector,
        &[Type::Vector, TEXT, TEXT, TEXT, TEXT],
        Shape::LabelReplace,
    ),
    Function {
        repeats: usize::MAX,
        optional: 1,
        ..shaped(
            "label_join",
            Type::Vector,
            &[Type::Vector, TEXT, TEXT, TEXT],
            Shape::LabelJoin,
        )
    },
];

/// A pattern's automaton is memory, and the time that a value takes to be matched.
const REGEX_SIZE_MAX: usize = 1 << 20;

/// Most patterns are smaller than this; larger ones are measured by doubling it.
const REGEX_SIZE_USUAL: usize = 1 << 16;

/// How many groups a pattern may have: a match may take memory for every group in every state
/// (4,000 of them took 2 GB).
const GROUPS_MAX: usize = 64;

/// How much one match may cost: size of the pattern × groups × bytes of the value. At worst
/// about a second, in which nothing looks at the deadline.
const MATCH_COST_MAX: u64 = 20_000_000_000;

/// The longest value that a function gives a label, in bytes.
pub(crate) const VALUE_BYTES_MAX: usize = 64 << 10;

/// How much of a label's name is shown in an error.
const SHOWN_MAX: usize = 80;

/// `label_replace`, ready to be applied.
pub(crate) struct Replace {
    pub(crate) target: String,
    pub(crate) source: String,
    template: Vec<Piece>,
    pattern: Regex,
    cost_per_byte: u64,
}

impl Replace {
    /// From the arguments after the vector.
    pub(crate) fn new([target, replacement, source, pattern]: [String; 4]) -> Result<Self, Stop> {
        check_name(&target, "destination", "label_replace")?;
        let (pattern, size) = compiled(&pattern)?;
        let groups = pattern.captures_len();
        if groups > GROUPS_MAX + 1 {
            return Err(Stop::Expression(format!(
                "the regular expression in label_replace() has more than {GROUPS_MAX} groups: write groups that are not used as (?:…)"
            )));
        }
        Ok(Self {
            template: template(&replacement, &pattern),
            target,
            source,
            pattern,
            cost_per_byte: (size * groups) as u64,
        })
    }

    /// The label's new value, where the pattern matches.
    pub(crate) fn value(&self, labels: &Labels) -> Result<Option<String>, Stop> {
        let source = labels.get(&self.source);
        if self.cost_per_byte.saturating_mul(source.len() as u64) > MATCH_COST_MAX {
            return Err(Stop::Expression(format!(
                "the regular expression in label_replace() is too large for a value of {} bytes: use fewer repetitions and groups",
                source.len()
            )));
        }
        let Some(captures) = self.pattern.captures(source.as_bytes()) else {
            return Ok(None);
        };
        let group = |n| captures.get(n).map_or(&b""[..], |group| group.as_bytes());
        let text = |piece| match piece {
            &Piece::Group(n) => String::from_utf8_lossy(group(n)),
            Piece::Text(text) => Cow::Borrowed(text.as_str()),
        };
        let pieces: Vec<Cow<'_, str>> = self.template.iter().map(text).collect();
        concat(
            pieces.iter().map(AsRef::as_ref),
            "label_replace",
            &self.target,
        )
        .map(Some)
    }
}

/// The pattern, one of Go's, for whole values, and how large it is at most.
fn compiled(pattern: &str) -> Result<(Regex, usize), Stop> {
    let refused = |why: &dyn std::fmt::Display| {
        Stop::Expression(format!(
            "invalid regular expression in label_replace(): {pattern}{why}"
        ))
    };
    let translated = re2::translate(pattern).map_err(|error| match error {
        re2::BadRegex::Syntax(_) => refused(&""),
        _ => refused(&format!(": {error}")),
    })?;
    // Alone first: `a)|(b` would close the group around it and so leave the anchors.
    regex_syntax::Parser::new()
        .parse(&translated)
        .map_err(|_| refused(&""))?;
    let anchored = format!("^(?s:{translated})$");
    let mut size = REGEX_SIZE_USUAL;
    loop {
        let mut builder = RegexBuilder::new(&anchored);
        builder.size_limit(size).nest_limit(re2::DEPTH_MAX + 2);
        match builder.build() {
            Ok(pattern) => return Ok((pattern, size)),
            Err(regex::Error::CompiledTooBig(_)) if size < REGEX_SIZE_MAX => size *= 2,
            Err(error) => {
                let why = re2::BadRegex::told(&error.to_string());
                return Err(refused(&format!(": {why}")));
            }
        }
    }
}

/// A part of what a match is replaced by.
#[derive(Debug)]
enum Piece {
    Text(String),
    Group(usize),
}

/// Takes `$1`, `$name`, `${name}` and `$$` apart, as [`regex::bytes::Captures::expand`] does. A group
/// that the pattern does not have stands for nothing.
fn template(replacement: &str, pattern: &Regex) -> Vec<Piece> {
    let names: AHashMap<&str, usize> = pattern
        .capture_names()
        .enumerate()
        .filter_map(|(n, name)| Some((name?, n)))
        .collect();
    let mut pieces = Vec::new();
    let mut text = String::new();
    let mut rest = replacement;
    while let Some(at) = rest.find('$') {
        text.push_str(&rest[..at]);
        let behind = &rest[at + 1..];
        let Some((name, after)) = group_name(behind) else {
            text.push('$');
            rest = behind.strip_prefix('$').unwrap_or(behind);
            continue;
        };
        rest = after;
        let number = name.parse().ok();
        if let Some(n) = number.or_else(|| names.get(name).copied()) {
            if !text.is_empty() {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
            }
            pieces.push(Piece::Group(n));
        }
    }
    text.push_str(rest);
    if !text.is_empty() {
        pieces.push(Piece::Text(text));
    }
    pieces
}

/// The name behind a `$`, and what follows it.
fn group_name(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}');
    }
    let is_letter = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let end = text.find(|c| !is_letter(c)).unwrap_or(text.len());
    (end > 0).then(|| text.split_at(end))
}

/// `label_join`: the values of labels, one behind the other.
pub(crate) fn join(
    labels: &Labels,
    target: &str,
    separator: &str,
    sources: &[String],
) -> Result<String, Stop> {
    let parts = sources.iter().enumerate().flat_map(|(n, name)| {
        let before = if n == 0 { "" } else { separator };
        [before, labels.get(name)]
    });
    concat(parts, "label_join", target)
}

/// Puts parts together unless that gives a value that is too long.
fn concat<'p>(
    parts: impl Iterator<Item = &'p str> + Clone,
    function: &'static str,
    target: &str,
) -> Result<String, Stop> {
    let mut len = 0usize;
    for part in parts.clone() {
        len = len.saturating_add(part.len());
        if len > VALUE_BYTES_MAX {
            return Err(Stop::LabelValueMax {
                function,
                label: target.chars().take(SHOWN_MAX).collect(),
                max: VALUE_BYTES_MAX,
            });
        }
    }
    let mut value = String::with_capacity(len);
    value.extend(parts);
    Ok(value)
}

/// Refuses a name that no label can have: any text but the empty one is a name.
pub(crate) fn check_name(name: &str, role: &str, function: &str) -> Result<(), Stop> {
    if !name.is_empty() {
        return Ok(());
    }
    Err(Stop::Expression(format!(
        "invalid {role} label name in {function}(): {name}"
    )))
}

#[cfg(test)]
mod tests;

//! Stages that keep or drop: line filters and label filters.

use crate::parsers::{Part, pattern_parts};
use crate::state::State;
use crate::units;
use regex::Regex;
use sonde_logql::ast::{CompareOp, Comparison, LabelFilter, LineFilter, LineOp, LineText};
use sonde_proto::{MatchOp, Matcher};
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

/// Whether a record passes a line filter.
pub(crate) fn line(filter: &LineFilter, state: &State) -> bool {
    let line = &state.line;
    let any = |is: fn(&[u8], &LineText) -> bool| filter.alternatives.iter().any(|a| is(line, a));
    match filter.op {
        LineOp::Contains => any(contains),
        LineOp::NotContains => !any(contains),
        LineOp::Matches => any(matches),
        LineOp::NotMatches => !any(matches),
        LineOp::Pattern => any(is_like),
        LineOp::NotPattern => !any(is_like),
    }
}

fn contains(line: &[u8], text: &LineText) -> bool {
    if text.is_ip {
        return units::has_address(line, &text.text);
    }
    let text = text.text.as_bytes();
    text.is_empty() || line.windows(text.len()).any(|window| window == text)
}

/// Bytes that are no text are shown as U+FFFD, and patterns see what is shown. The dot is any
/// character, also the end of a line.
fn matches(line: &[u8], text: &LineText) -> bool {
    let regex = re2(&format!("(?s:{})", text.text));
    regex.is_match(&String::from_utf8_lossy(line))
}

/// A pattern is the whole line; what stands between its texts is not empty.
fn is_like(line: &[u8], text: &LineText) -> bool {
    let line = String::from_utf8_lossy(line);
    let parts = pattern_parts(&text.text);
    if line.is_empty() || parts.is_empty() {
        return line.is_empty() && parts.is_empty();
    }
    let mut rest = &*line;
    for (at, part) in parts.iter().enumerate() {
        let Part::Text(text) = part else { continue };
        let Some(found) = rest.find(text.as_str()) else {
            return false;
        };
        if (found == 0) != (at == 0) {
            return false;
        }
        rest = &rest[found + text.len()..];
    }
    let ends_open = matches!(parts.last(), Some(Part::Capture(_)));
    ends_open != rest.is_empty()
}

/// Whether a record passes a label filter. A value that cannot be read is an error, and
/// passes.
pub(crate) fn labels(filter: &LabelFilter, state: &mut State) -> bool {
    match filter {
        LabelFilter::And(left, right) => {
            let left = labels(left, state);
            let right = labels(right, state);
            left && right
        }
        LabelFilter::Or(left, right) => labels(left, state) || labels(right, state),
        LabelFilter::Text(matcher) => {
            let value = match matcher.name.as_str() {
                "__error__" => state.error.clone(),
                name => state.get(name).unwrap_or("").to_owned(),
            };
            matcher_matches(matcher, &value)
        }
        LabelFilter::Number(comparison) => compared(comparison, state, units::number),
        LabelFilter::Duration(comparison) => compared(comparison, state, units::duration),
        LabelFilter::Bytes(comparison) => compared(comparison, state, units::bytes),
        LabelFilter::Ip {
            name,
            is_negated,
            range,
        } => {
            if !state.error.is_empty() {
                return true;
            }
            let Some(value) = state.get(name) else {
                return false;
            };
            units::has_address(value.as_bytes(), range) != *is_negated
        }
    }
}

fn compared(
    comparison: &Comparison<f64>,
    state: &mut State,
    read: fn(&str) -> Option<f64>,
) -> bool {
    let Some(text) = state.get(&comparison.name) else {
        return false;
    };
    let Some(value) = read(text) else {
        if state.error.is_empty() {
            state.error = "LabelFilterErr".into();
        }
        return true;
    };
    compare(comparison.op, value, comparison.value)
}

/// `left op right`
pub(crate) fn compare(op: CompareOp, left: f64, right: f64) -> bool {
    match op {
        CompareOp::Equal => left == right,
        CompareOp::NotEqual => left != right,
        CompareOp::Greater => left > right,
        CompareOp::GreaterOrEqual => left >= right,
        CompareOp::Less => left < right,
        CompareOp::LessOrEqual => left <= right,
    }
}

/// Whether a value satisfies a matcher: regular expressions match all of it.
pub(crate) fn matcher_matches(matcher: &Matcher, value: &str) -> bool {
    let regex = || re2(&format!("^(?s:{})$", matcher.value)).is_match(value);
    match matcher.op {
        MatchOp::Equal => value == matcher.value,
        MatchOp::NotEqual => value != matcher.value,
        MatchOp::Regex => regex(),
        MatchOp::NotRegex => !regex(),
    }
}

/// A regular expression as Go has them: classes know ASCII only.
///
/// # Panics
/// On a pattern that the generator does not make.
pub(crate) fn re2(pattern: &str) -> Rc<Regex> {
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Rc<Regex>>> = RefCell::default();
    }
    let compile = || {
        let ascii = pattern
            .replace("\\d", "[0-9]")
            .replace("\\w", "[0-9A-Za-z_]")
            .replace("\\S", "[^\\t\\n\\f\\r ]")
            .replace("\\s", "[\\t\\n\\f\\r ]")
            .replace("\\b", "(?-u:\\b)");
        Rc::new(Regex::new(&ascii).expect("the generator makes good patterns"))
    };
    COMPILED.with_borrow_mut(|compiled| {
        if !compiled.contains_key(pattern) && compiled.len() > 1000 {
            compiled.clear();
        }
        compiled
            .entry(pattern.to_owned())
            .or_insert_with(compile)
            .clone()
    })
}

//! Random stages that suit a record: most of them let it pass.

use crate::lines::{ADDRESSES, sentence};
use crate::parser_gen::parser;
use crate::parsers::{Part, pattern_parts};
use crate::state::State;
use crate::units;
use crate::world::pick;
use rand::Rng;
use sonde_logql::ast::{
    CompareOp, Comparison, LabelFilter, LabelFormat, LabelFormatValue, LabelSelector, LineFilter,
    LineOp, LineText, Stage,
};
use sonde_proto::{MatchOp, Matcher};

/// What may be generated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowed {
    /// Paths into JSON and `unpack`, of which is not said what they find in torn objects.
    pub(crate) paths: bool,
    /// `distinct`, which depends on the order of records.
    pub(crate) distinct: bool,
}

pub(crate) fn stage(rng: &mut impl Rng, state: &State, allowed: Allowed) -> Stage {
    match rng.random_range(0..100) {
        0..30 => Stage::Line(line_filter(rng, state)),
        30..55 => parser(rng, state, allowed),
        55..78 => Stage::Label(label_filter(rng, state, 2)),
        78..83 => Stage::LineFormat(template(rng, state)),
        83..88 => Stage::LabelFormat(label_formats(rng, state)),
        88..92 => Stage::Drop(label_selectors(rng, state)),
        92..95 => Stage::Keep(label_selectors(rng, state)),
        95 if allowed.distinct => Stage::Distinct(vec![label(rng, state).0]),
        _ => Stage::Decolorize,
    }
}

/// A piece of a line.
fn piece(rng: &mut impl Rng, line: &[u8]) -> String {
    let line = String::from_utf8_lossy(line);
    let chars: Vec<char> = line.chars().filter(|c| *c != '\u{fffd}').collect();
    if chars.is_empty() {
        return String::new();
    }
    let from = rng.random_range(0..chars.len());
    let to = (from + rng.random_range(1..12)).min(chars.len());
    chars[from..to].iter().collect()
}

pub(crate) fn line_filter(rng: &mut impl Rng, state: &State) -> LineFilter {
    let op = match rng.random_range(0..16) {
        0..6 => LineOp::Contains,
        6 | 7 => LineOp::NotContains,
        8..12 => LineOp::Matches,
        12 => LineOp::NotMatches,
        13 | 14 => LineOp::Pattern,
        _ => LineOp::NotPattern,
    };
    let is_negated = matches!(
        op,
        LineOp::NotContains | LineOp::NotMatches | LineOp::NotPattern
    );
    let mut alternatives = Vec::new();
    for _ in 0..[1, 1, 1, 2, 3][rng.random_range(0..5)] {
        // What the line does not have, where it should pass without.
        let line = if is_negated || rng.random_bool(0.2) {
            sentence(rng).into_bytes()
        } else {
            state.line.clone()
        };
        let is_text = matches!(op, LineOp::Contains | LineOp::NotContains);
        let is_ip = is_text && rng.random_bool(0.15);
        let text = match op {
            _ if is_ip => address_range(rng),
            LineOp::Contains | LineOp::NotContains => piece(rng, &line),
            LineOp::Matches | LineOp::NotMatches => regex(rng, &line),
            LineOp::Pattern | LineOp::NotPattern => line_pattern(rng, &line),
        };
        alternatives.push(LineText { text, is_ip });
    }
    LineFilter { op, alternatives }
}

/// A regular expression that finds a piece of a line.
fn regex(rng: &mut impl Rng, line: &[u8]) -> String {
    let piece = piece(rng, line);
    let escaped = regex::escape(&piece);
    match rng.random_range(0..9) {
        0 => {
            let digits = crate::filters::re2("[0-9]+");
            digits.replace_all(&escaped, r"\d+").into_owned()
        }
        1 => format!("(?i){}", escaped.to_ascii_uppercase()),
        2 => format!("{escaped}|never"),
        3 => format!("^.*{escaped}"),
        4 => format!("{escaped}.*$"),
        5 => format!(r"\w+.{{0,3}}{escaped}"),
        6 => format!("(a|{escaped}|b+c)"),
        7 => {
            let mut chars: Vec<char> = piece.chars().collect();
            if chars.is_empty() {
                return ".".into();
            }
            let last = chars.len() - 1;
            chars.truncate(last);
            format!("{}.", regex::escape(&chars.iter().collect::<String>()))
        }
        _ => escaped,
    }
}

/// A pattern for a whole line: what it begins with, or what stands in its middle.
fn line_pattern(rng: &mut impl Rng, line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line).into_owned();
    let middle = piece(rng, line);
    let pattern = match rng.random_range(0..4) {
        0 => format!("<_>{middle}<_>"),
        1 => format!("{}<_>", text.chars().take(5).collect::<String>()),
        2 => {
            let skipped = text.chars().count().saturating_sub(4);
            format!("<_>{}", text.chars().skip(skipped).collect::<String>())
        }
        _ => format!("<_>{middle}<_>{}<_>", piece(rng, line)),
    };
    let parts = pattern_parts(&pattern);
    let two_captures = |w: &[Part]| matches!(w, [Part::Capture(_), Part::Capture(_)]);
    // What is shown for bytes that are no text is not in the line.
    let unusual = ['<', '>', '\u{fffd}'];
    if parts.windows(2).any(two_captures) || pattern.replace("<_>", "").contains(unusual) {
        return "<_> <_>".into();
    }
    pattern
}

fn address_range(rng: &mut impl Rng) -> String {
    let ranges = [
        "10.0.0.0/8",
        "192.168.4.0/25",
        "192.168.4.5-192.168.4.130",
        "8.8.8.8/32",
        "2001:db8::/32",
        "2001:db8::1-2001:db8::ffff",
        "0.0.0.0/0",
    ];
    if rng.random() {
        pick(rng, ADDRESSES).into()
    } else {
        pick(rng, &ranges).into()
    }
}

/// A label of a record; of the stream where it has no other.
fn label(rng: &mut impl Rng, state: &State) -> (String, String) {
    let mut labels: Vec<_> = state.labels().into_iter().collect();
    // Lines that say "json" make it a label, and `| json != "a"` is a parser and a line filter.
    labels.retain(|(name, _)| name != "json");
    if labels.is_empty() || rng.random_bool(0.05) {
        return ("missing".into(), String::new());
    }
    labels[rng.random_range(0..labels.len())].clone()
}

pub(crate) fn label_filter(rng: &mut impl Rng, state: &State, depth: u32) -> LabelFilter {
    if depth > 0 && rng.random_bool(0.25) {
        let left = Box::new(label_filter(rng, state, depth - 1));
        let right = Box::new(label_filter(rng, state, depth - 1));
        return if rng.random() {
            LabelFilter::And(left, right)
        } else {
            LabelFilter::Or(left, right)
        };
    }
    if rng.random_bool(0.06) {
        let op = if state.error.is_empty() {
            MatchOp::Equal
        } else {
            MatchOp::NotEqual
        };
        return LabelFilter::Text(matcher("__error__", op, ""));
    }
    let (name, value) = label(rng, state);
    let is_odd = rng.random_bool(0.04);
    if let Some(is) = units::number(&value).filter(|_| rng.random_bool(0.6)) {
        return LabelFilter::Number(compared(rng, name, is));
    }
    if let Some(is) = units::duration(&value).filter(|_| rng.random_bool(0.6)) {
        return LabelFilter::Duration(compared(rng, name, is));
    }
    if let Some(is) = units::bytes(&value).filter(|_| rng.random_bool(0.6)) {
        return LabelFilter::Bytes(compared(rng, name, is));
    }
    if is_odd {
        return match rng.random_range(0..3) {
            0 => LabelFilter::Number(compared(rng, name, 250.0)),
            1 => LabelFilter::Duration(compared(rng, name, 250e6)),
            _ => LabelFilter::Bytes(compared(rng, name, 20e3)),
        };
    }
    if value.contains(['.', ':']) && rng.random_bool(0.3) {
        return LabelFilter::Ip {
            name,
            is_negated: rng.random_bool(0.3),
            range: address_range(rng),
        };
    }
    LabelFilter::Text(suiting(rng, &name, &value))
}

/// A comparison with a value near the one that is there; never negative.
fn compared(rng: &mut impl Rng, name: String, is: f64) -> Comparison<f64> {
    let op = [
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
        CompareOp::Less,
        CompareOp::LessOrEqual,
    ][rng.random_range(0..6)];
    let is = if is.is_finite() { is.abs() } else { 1.0 };
    let value = match (op, rng.random_range(0..3)) {
        (CompareOp::Equal, _) | (_, 0) => is,
        (CompareOp::Less | CompareOp::LessOrEqual, _) => (is * 2.0).ceil() + 1.0,
        _ => (is / 2.0).floor(),
    };
    Comparison { name, op, value }
}

fn matcher(name: &str, op: MatchOp, value: &str) -> Matcher {
    Matcher::new(name, op, value).expect("the generator makes good patterns")
}

/// A matcher that a value satisfies, mostly.
pub(crate) fn suiting(rng: &mut impl Rng, name: &str, value: &str) -> Matcher {
    let escaped = regex::escape(value);
    match rng.random_range(0..12) {
        0..5 => matcher(name, MatchOp::Equal, value),
        5 => matcher(
            name,
            MatchOp::Equal,
            pick(rng, &["api", "200", "error", ""]),
        ),
        6 | 7 => matcher(
            name,
            MatchOp::NotEqual,
            pick(rng, &["api", "200", "error", "", "h1"]),
        ),
        8 => matcher(name, MatchOp::Regex, &format!("{escaped}|other")),
        9 => {
            let head: String = value.chars().take(1).collect();
            matcher(name, MatchOp::Regex, &format!("{}.*", regex::escape(&head)))
        }
        10 => matcher(
            name,
            MatchOp::NotRegex,
            pick(rng, &["a.*", "[0-9]+", ".*x", "(?i)API", r"\w*"]),
        ),
        // Classes know ASCII only.
        _ => matcher(
            name,
            MatchOp::Regex,
            pick(rng, &[".+", ".+", r"\w+", r"\S+", r".*\b.*"]),
        ),
    }
}

fn template(rng: &mut impl Rng, state: &State) -> String {
    let (one, _) = label(rng, state);
    let (other, _) = label(rng, state);
    match rng.random_range(0..7) {
        0 => format!("{{{{.{one}}}}}"),
        1 => format!("{{{{.{one} | ToUpper}}}} and {{{{.{other}}}}}"),
        2 => format!("text {{{{ __line__ }}}} {{{{.{one}}}}}"),
        3 => format!("{{{{ ToLower .{one} }}}}={{{{ .{other} }}}}"),
        4 => "{{__line__ | ToLower}}".into(),
        5 => format!("{{\"level\":\"{{{{.{one}}}}}\"}}"),
        _ => format!("{one}={{{{.{one}}}}} other={{{{.{other}}}}}"),
    }
}

fn label_formats(rng: &mut impl Rng, state: &State) -> Vec<LabelFormat> {
    let mut formats: Vec<LabelFormat> = Vec::new();
    for number in 0..rng.random_range(1..4) {
        let (from, _) = label(rng, state);
        let (other, _) = label(rng, state);
        let name = if rng.random_bool(0.3) {
            other
        } else {
            format!("new{number}")
        };
        let is_twice = formats.iter().any(|f| f.name == name);
        if is_twice || name == from {
            continue;
        }
        let value = if rng.random() {
            LabelFormatValue::Rename(from)
        } else {
            LabelFormatValue::Template(template(rng, state))
        };
        formats.push(LabelFormat { name, value });
    }
    if formats.is_empty() {
        let value = LabelFormatValue::Template("fixed".into());
        formats.push(LabelFormat {
            name: "new".into(),
            value,
        });
    }
    formats
}

fn label_selectors(rng: &mut impl Rng, state: &State) -> Vec<LabelSelector> {
    let mut selectors = Vec::new();
    for _ in 0..rng.random_range(1..4) {
        let (name, value) = label(rng, state);
        selectors.push(if rng.random_bool(0.65) {
            LabelSelector::Name(name)
        } else {
            LabelSelector::Matching(suiting(rng, &name, &value))
        });
    }
    selectors
}

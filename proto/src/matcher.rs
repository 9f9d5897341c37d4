//! One label matcher: `name op value`, as in PromQL, LogQL and Alertmanager routes.

use crate::{Labels, re2};
use regex::bytes::Regex;
use std::fmt::Write;

/// How a label's value is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MatchOp {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `=~`, anchored at both ends
    Regex,
    /// `!~`, anchored at both ends
    NotRegex,
}

impl MatchOp {
    /// The operator as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Regex => "=~",
            Self::NotRegex => "!~",
        }
    }
}

/// A compiled label matcher. A missing label has the value `""`.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// The label's name.
    pub name: String,
    /// The comparison.
    pub op: MatchOp,
    /// The text or pattern to compare with.
    pub value: String,
    regex: Option<Regex>,
    /// The values that a pattern stands for, where it is nothing but these.
    alternatives: Vec<Box<str>>,
}

/// Why a matcher could not be compiled.
#[derive(Clone, Debug, thiserror::Error)]
#[error(
    "bad regular expression {pattern:?} for label {name:?}: {}",
    said(reason)
)]
pub struct MatcherError {
    name: String,
    pattern: String,
    reason: re2::BadRegex,
}

fn said(reason: &re2::BadRegex) -> String {
    match reason {
        re2::BadRegex::Syntax(what) => format!("regex parse error: {what}"),
        _ => reason.to_string(),
    }
}

impl MatcherError {
    /// What is wrong with the pattern.
    #[must_use]
    pub fn reason(&self) -> &re2::BadRegex {
        &self.reason
    }
}

impl Matcher {
    /// Compiles a matcher. Patterns are those of Go, as in Prometheus, Loki and Alertmanager:
    /// they match the whole value, and `.` includes newlines.
    ///
    /// # Errors
    /// [`MatcherError`] when a pattern is no regular expression or too large a one.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        Self::compiled(name, op, value, |pattern| {
            re2::compile_whole(pattern, re2::Dot::Any)
        })
    }

    /// As [`Self::new`], out of what the patterns of a request may take together.
    ///
    /// # Errors
    /// As [`Self::new`], and when the budget is spent.
    pub fn within(
        budget: &mut re2::PatternBudget,
        name: &str,
        op: MatchOp,
        value: &str,
    ) -> Result<Self, MatcherError> {
        Self::compiled(name, op, value, |pattern| {
            budget.compile_whole(pattern, re2::Dot::Any)
        })
    }

    fn compiled(
        name: &str,
        op: MatchOp,
        value: &str,
        compile: impl FnOnce(&str) -> Result<Regex, re2::BadRegex>,
    ) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                Some(compile(value).map_err(|reason| MatcherError {
                    name: name.into(),
                    pattern: value.chars().take(200).collect(),
                    reason,
                })?)
            }
        };
        Ok(Self {
            name: name.into(),
            op,
            value: value.into(),
            regex,
            alternatives: match op {
                MatchOp::Regex => alternatives(value),
                _ => Vec::new(),
            },
        })
    }

    /// The matcher of a label that has one of some values; `None` without values.
    #[must_use]
    pub fn any_of<'v>(name: &str, values: impl IntoIterator<Item = &'v str>) -> Option<Self> {
        let values: Vec<&str> = values.into_iter().collect();
        match values[..] {
            [] => None,
            [value] => Self::new(name, MatchOp::Equal, value).ok(),
            _ => {
                let escaped: Vec<String> = values.iter().map(|value| literal(value)).collect();
                Self::new(name, MatchOp::Regex, &escaped.join("|")).ok()
            }
        }
    }

    /// The values that satisfy a pattern which is nothing but a choice of them (`a|b`), as
    /// [`Self::any_of`] makes it and Grafana writes it for variables of several values: an index
    /// has a list for each. Empty for any other matcher.
    pub fn alternatives(&self) -> impl Iterator<Item = &str> {
        self.alternatives.iter().map(|value| &**value)
    }

    /// Whether a value of the label satisfies the matcher.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let regex = self.regex.as_ref();
        let regex = || regex.is_some_and(|r| r.is_match(value.as_bytes()));
        match self.op {
            MatchOp::Equal => self.value == value,
            MatchOp::NotEqual => self.value != value,
            MatchOp::Regex => regex(),
            MatchOp::NotRegex => !regex(),
        }
    }

    /// Whether a label set satisfies the matcher.
    #[must_use]
    pub fn matches_labels(&self, labels: &Labels) -> bool {
        self.matches(labels.get(&self.name))
    }
}

/// What means something else than itself in a pattern.
const SIGNS: &str = r"\.+*?()|[]{}^$";

/// A text as a pattern that matches it alone.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for c in text.chars() {
        if SIGNS.contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// The texts that a pattern stands for, where it is a choice of them, with or without brackets
/// around it; none where it is anything else, or where one of them is empty.
fn alternatives(pattern: &str) -> Vec<Box<str>> {
    let inner = pattern
        .strip_prefix('(')
        .and_then(|inner| inner.strip_suffix(')'));
    let (mut all, mut text) = (Vec::new(), String::new());
    let mut chars = inner.unwrap_or(pattern).chars();
    while let Some(c) = chars.next() {
        match c {
            '|' => all.push(std::mem::take(&mut text).into_boxed_str()),
            '\\' => match chars.next().filter(char::is_ascii_punctuation) {
                Some(c) => text.push(c),
                None => return Vec::new(),
            },
            c if SIGNS.contains(c) => return Vec::new(),
            c => text.push(c),
        }
    }
    all.push(text.into_boxed_str());
    if all.iter().any(|text| text.is_empty()) {
        return Vec::new();
    }
    all
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

/// As the query languages read it back.
impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}\"", self.name, self.op.as_str())?;
        for c in self.value.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                // Line and paragraph separators break a line where they are shown.
                c if c.is_control() || ['\u{2028}', '\u{2029}'].contains(&c) => {
                    write!(f, "\\u{:04x}", u32::from(c))?;
                }
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_value_and_a_missing_label_is_empty() {
        let check = |op, value: &str, against: &str, expected: bool| {
            let matcher = Matcher::new("l", op, value).unwrap();
            assert_eq!(
                matcher.matches(against),
                expected,
                "{matcher} against {against:?}"
            );
        };
        check(MatchOp::Regex, "a|b", "ab", false);
        check(MatchOp::Regex, "a|b", "b", true);
        check(MatchOp::Regex, "a.*", "a\nb", true);
        check(MatchOp::NotRegex, ".+", "", true);
        check(MatchOp::Equal, "", "", true);
    }

    #[test]
    fn patterns_are_those_of_go() {
        let check = |pattern: &str, value: &str, expected: bool| {
            let matcher = Matcher::new("l", MatchOp::Regex, pattern).unwrap();
            assert_eq!(matcher.matches(value), expected, "{matcher} {value:?}");
        };
        check(r"\w+", "aZ_0", true);
        check(r"\w+", "größe", false);
        check(r"\d+", "٣", false);
        check(r"\D", "٣", true);
        check(r"a\sb", "a\u{a0}b", false);
        check(r".*\bx\b.*", "éxé", true);
        check(r"\Ba.*", "éa", false);
        check(r"\Qa.b\E", "a.b", true);
        check(r"{,3}", "{,3}", true);
        check("(?i)GRÖSSE", "grösse", true);
        check(r"[[:alpha:]]+", "é", false);
        check(r"\pL+", "é", true);
        check(".", "é", true);
        assert!(Matcher::new("l", MatchOp::Regex, r"(?x)a").is_err());
        assert!(Matcher::new("l", MatchOp::Regex, r"(?<=a)b").is_err());
    }

    #[test]
    fn it_is_shown_as_the_languages_read_it() {
        let check = |value: &str, expected: &str| {
            let matcher = Matcher::new("l", MatchOp::NotEqual, value).unwrap();
            assert_eq!(matcher.to_string(), format!("l!=\"{expected}\""));
        };
        check("a\"b\\c", r#"a\"b\\c"#);
        check("\n\r\t", r"\n\r\t");
        check(
            "\0\u{1}\u{7f}\u{85}\u{2028}",
            r"\u0000\u0001\u007f\u0085\u2028",
        );
        check("é \u{301}\u{200b}😀'", "é \u{301}\u{200b}😀'");
    }

    #[test]
    fn a_pattern_whose_automaton_is_too_large_is_refused() {
        assert!(Matcher::new("l", MatchOp::Regex, "((a{100}){100}){100}").is_err());
        assert!(Matcher::new("l", MatchOp::Regex, "(").is_err());
    }

    #[test]
    fn what_is_wrong_with_a_pattern_is_said_in_a_line() {
        let check = |pattern: &str, expected: &str| {
            let error = Matcher::new("l", MatchOp::Regex, pattern).unwrap_err();
            let begin = format!("bad regular expression {pattern:?} for label \"l\": ");
            assert_eq!(error.to_string(), begin + expected);
        };
        check("[", "regex parse error: unclosed character class");
        check("(", "regex parse error: unclosed group");
        let small = "it needs more than 1048576 bytes of memory; use smaller repetitions";
        check("((a{100}){100}){100}", small);
    }

    #[test]
    fn a_pattern_cannot_leave_its_anchors() {
        for pattern in ["a)|(b", ")", "a)|.*|(?:b", "(?x)a # )"] {
            let matcher = Matcher::new("l", MatchOp::Regex, pattern);
            let escapes = matcher.is_ok_and(|m| m.matches("xxb") || m.matches("axx"));
            assert!(!escapes, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_that_is_a_choice_of_texts_is_known_as_one() {
        let check = |pattern: &str, expected: &[&str]| {
            let matcher = Matcher::new("l", MatchOp::Regex, pattern).unwrap();
            let found: Vec<_> = matcher.alternatives().collect();
            assert_eq!(found, expected, "{pattern}");
            assert!(found.iter().all(|text| matcher.matches(text)), "{pattern}");
        };
        check("a", &["a"]);
        check("a|b", &["a", "b"]);
        check("(a|b)", &["a", "b"]);
        check(r"a\.b|c\|d|\(", &["a.b", "c|d", "("]);
        check("new\nline|\u{e9}", &["new\nline", "\u{e9}"]);
        for other in [
            "", "a|", "|a", "()", "a.b", "a|b+", "(a)|(b)", "(a|b", "^a$", "(?i:a|b)", r"\d|a",
            r"\Qa|b\E", "a{2}", "[ab]",
        ] {
            if Matcher::new("l", MatchOp::Regex, other).is_ok() {
                check(other, &[]);
            }
        }
        let not = Matcher::new("l", MatchOp::NotRegex, "a|b").unwrap();
        assert_eq!(not.alternatives().count(), 0);
    }

    #[test]
    fn one_of_some_values_is_matched_and_read_back_whatever_they_hold() {
        let values = [
            "a",
            "a.b",
            "x\"y",
            "c\\d",
            "new\nline",
            "(|)*",
            "n\u{e9}",
            "[a]{2}^$?+",
            "a-b_c#&~ ",
        ];
        for count in 1..=values.len() {
            let matcher = Matcher::any_of("l", values[..count].iter().copied()).unwrap();
            for (at, value) in values.iter().enumerate() {
                assert_eq!(matcher.matches(value), at < count, "{matcher} {value}");
            }
            assert!(!matcher.matches("") && !matcher.matches("aXb"));
            if count > 1 {
                let found: Vec<_> = matcher.alternatives().collect();
                assert_eq!(found, values[..count]);
            }
        }
        assert!(Matcher::any_of("l", []).is_none());
    }
}

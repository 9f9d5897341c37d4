//! One label matcher: `name op value`, as in PromQL, LogQL and Alertmanager routes.

use crate::Labels;

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
    regex: Option<regex::Regex>,
}

/// Why a matcher could not be compiled.
#[derive(Clone, Debug, thiserror::Error)]
#[error("bad regular expression {pattern:?} for label {name:?}: {reason}")]
pub struct MatcherError {
    name: String,
    pattern: String,
    reason: String,
}

/// The largest compiled pattern, in bytes: a pattern is input, its automaton is memory.
const REGEX_SIZE_MAX: usize = 1 << 20;

impl Matcher {
    /// Compiles a matcher.
    ///
    /// # Errors
    /// [`MatcherError`] when a pattern is no regular expression or too large a one.
    pub fn new(name: &str, op: MatchOp, value: &str) -> Result<Self, MatcherError> {
        let regex = match op {
            MatchOp::Equal | MatchOp::NotEqual => None,
            MatchOp::Regex | MatchOp::NotRegex => {
                Some(anchored(value).map_err(|error| MatcherError {
                    name: name.into(),
                    pattern: value.chars().take(200).collect(),
                    reason: error.to_string(),
                })?)
            }
        };
        Ok(Self {
            name: name.into(),
            op,
            value: value.into(),
            regex,
        })
    }

    /// Whether a value of the label satisfies the matcher.
    #[must_use]
    pub fn matches(&self, value: &str) -> bool {
        let regex = || self.regex.as_ref().is_some_and(|r| r.is_match(value));
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

/// Prometheus' matching: the whole value, `.` includes newlines.
fn anchored(pattern: &str) -> Result<regex::Regex, regex::Error> {
    // Alone first: `a)|(b` would close the group around it and so leave the anchors.
    let alone = regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE_MAX)
        .build();
    alone?;
    regex::RegexBuilder::new(&format!("^(?s:{pattern})$"))
        .size_limit(REGEX_SIZE_MAX)
        .build()
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.name, self.op, &self.value) == (&other.name, other.op, &other.value)
    }
}

impl Eq for Matcher {}

impl std::fmt::Display for Matcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}{:?}", self.name, self.op.as_str(), self.value)
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
    fn a_pattern_whose_automaton_is_too_large_is_refused() {
        assert!(Matcher::new("l", MatchOp::Regex, "((a{100}){100}){100}").is_err());
        assert!(Matcher::new("l", MatchOp::Regex, "(").is_err());
    }

    #[test]
    fn a_pattern_cannot_leave_its_anchors() {
        for pattern in ["a)|(b", ")", "a)|.*|(?:b", "(?x)a # )"] {
            let matcher = Matcher::new("l", MatchOp::Regex, pattern);
            let escapes = matcher.is_ok_and(|m| m.matches("xxb") || m.matches("axx"));
            assert!(!escapes, "{pattern}");
        }
    }
}

//! Names of metrics and labels: which ones old readers know, and how others are told to them.

use std::borrow::Cow;
use std::fmt::Write as _;

const METRIC: u8 = 1;
const LABEL: u8 = 2;
const DIGIT: u8 = 4;

/// What each byte may be part of.
const CLASSES: [u8; 256] = {
    let mut classes = [0; 256];
    let mut at = 0;
    while at < 128 {
        classes[at] = match at as u8 {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => METRIC | LABEL,
            b':' => METRIC,
            b'0'..=b'9' => DIGIT,
            _ => 0,
        };
        at += 1;
    }
    classes
};

/// How many bytes at the start are a metric name that needs no quotes.
#[inline]
pub(crate) fn metric_name_len(bytes: &[u8]) -> usize {
    run_of(METRIC, bytes)
}

/// How many bytes at the start are a label name that needs no quotes.
#[inline]
pub(crate) fn label_name_len(bytes: &[u8]) -> usize {
    run_of(LABEL, bytes)
}

#[inline]
fn run_of(class: u8, bytes: &[u8]) -> usize {
    match bytes.first() {
        Some(&first) if CLASSES[usize::from(first)] & class != 0 => {}
        _ => return 0,
    }
    let inside = |byte: &u8| CLASSES[usize::from(*byte)] & (class | DIGIT) != 0;
    let end = bytes.iter().position(|byte| !inside(byte));
    end.unwrap_or(bytes.len())
}

/// Whether a metric name was allowed before names could be any UTF-8.
#[must_use]
pub fn is_legacy_metric_name(name: &str) -> bool {
    !name.is_empty() && metric_name_len(name.as_bytes()) == name.len()
}

/// Whether a label name was allowed before names could be any UTF-8.
#[must_use]
pub fn is_legacy_label_name(name: &str) -> bool {
    !name.is_empty() && label_name_len(name.as_bytes()) == name.len()
}

/// How names that old readers do not know are written; the `escaping` of `Accept`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Escaping {
    /// As they are, in quotes.
    Utf8,
    /// `_` for each character that is not allowed. Not to be undone.
    #[default]
    Underscores,
    /// `_dot_` for dots, `__` for underscores and all else.
    Dots,
    /// `U__`, then `_2e_` for a dot, `__` for underscores. [`unescape`] undoes it.
    Values,
}

impl Escaping {
    /// The word in `Accept` and `Content-Type`.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Utf8 => "allow-utf-8",
            Self::Underscores => "underscores",
            Self::Dots => "dots",
            Self::Values => "values",
        }
    }

    /// What a word means, if it is one of the four.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        [Self::Utf8, Self::Underscores, Self::Dots, Self::Values]
            .into_iter()
            .find(|escaping| escaping.word() == word)
    }

    /// A metric name as it is written.
    #[must_use]
    pub fn metric_name<'n>(self, name: &'n str) -> Cow<'n, str> {
        self.escape(name, METRIC)
    }

    /// A label name as it is written.
    #[must_use]
    pub fn label_name<'n>(self, name: &'n str) -> Cow<'n, str> {
        self.escape(name, LABEL)
    }

    fn escape<'n>(self, name: &'n str, class: u8) -> Cow<'n, str> {
        let legacy = !name.is_empty() && run_of(class, name.as_bytes()) == name.len();
        let as_it_is = match self {
            Self::Utf8 => true,
            Self::Underscores | Self::Values => legacy,
            Self::Dots => legacy && !name.contains('_'),
        };
        if as_it_is || name.is_empty() {
            return Cow::Borrowed(name);
        }
        let mut out = String::with_capacity(name.len() + 8);
        if self == Self::Values {
            out.push_str("U__");
        }
        for (at, c) in name.char_indices() {
            let allowed = c.is_ascii() && {
                let of = CLASSES[c as usize];
                of & class != 0 || (at > 0 && of & DIGIT != 0)
            };
            match (self, c) {
                (Self::Dots | Self::Values, '_') => out.push_str("__"),
                (Self::Dots, '.') => out.push_str("_dot_"),
                _ if allowed => out.push(c),
                (Self::Dots, _) => out.push_str("__"),
                (Self::Values, _) => {
                    let _ = write!(out, "_{:x}_", u32::from(c));
                }
                _ => out.push('_'),
            }
        }
        Cow::Owned(out)
    }
}

/// Undoes [`Escaping::Values`]. What was not written so is returned as it is.
#[must_use]
pub fn unescape(name: &str) -> Cow<'_, str> {
    let Some(escaped) = name.strip_prefix("U__") else {
        return Cow::Borrowed(name);
    };
    let mut out = String::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((plain, after)) = rest.split_once('_') {
        out.push_str(plain);
        let Some((code, next)) = after.split_once('_') else {
            return Cow::Borrowed(name);
        };
        if code.is_empty() {
            out.push('_');
        } else {
            let number = u32::from_str_radix(code, 16).ok();
            let Some(c) = number.filter(|_| code.len() <= 6).and_then(char::from_u32) else {
                return Cow::Borrowed(name);
            };
            out.push(c);
        }
        rest = next;
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests;

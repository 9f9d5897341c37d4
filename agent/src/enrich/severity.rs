//! How bad a record is, by the words its author used.

/// OTLP's severity numbers, the first of each range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Severity {
    Trace = 1,
    Debug = 5,
    Info = 9,
    Warn = 13,
    Error = 17,
    Fatal = 21,
}

/// The longest word that names a severity.
const WORD_BYTES_MAX: usize = 11;

impl Severity {
    /// The severity's text.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::Trace => "TRACE",
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warn => "WARN",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
        }
    }

    /// The severity that a word names, in either case.
    pub(crate) fn from_word(word: &[u8]) -> Option<Self> {
        if word.len() < 3 || word.len() > WORD_BYTES_MAX {
            return None;
        }
        let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
        let any = |names: &[&str]| names.iter().any(|name| is(name));
        // The first letter decides which words it may be: this runs for many words.
        match word[0] | 0x20 {
            b't' if is("trace") => Some(Self::Trace),
            b'd' if any(&["debug", "dbg"]) => Some(Self::Debug),
            b'v' if is("verbose") => Some(Self::Debug),
            b'i' if any(&["info", "information", "inf"]) => Some(Self::Info),
            b'n' if is("notice") => Some(Self::Info),
            b'w' if any(&["warn", "warning", "wrn"]) => Some(Self::Warn),
            b'e' if any(&["error", "err"]) => Some(Self::Error),
            b's' if is("severe") => Some(Self::Error),
            b'f' if any(&["fatal", "ftl"]) => Some(Self::Fatal),
            b'c' if any(&["critical", "crit"]) => Some(Self::Fatal),
            b'p' if is("panic") => Some(Self::Fatal),
            b'e' if any(&["emerg", "emergency"]) => Some(Self::Fatal),
            b'a' if is("alert") => Some(Self::Fatal),
            _ => None,
        }
    }

    /// The severity of a numeric level, as several JSON loggers write it: 10, 20, … 60.
    pub(crate) fn from_level(level: &[u8]) -> Option<Self> {
        match level {
            b"10" => Some(Self::Trace),
            b"20" => Some(Self::Debug),
            b"30" => Some(Self::Info),
            b"40" => Some(Self::Warn),
            b"50" => Some(Self::Error),
            b"60" => Some(Self::Fatal),
            _ => None,
        }
    }
}

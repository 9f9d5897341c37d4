//! A record's level, from its severity.

/// How many levels there are.
pub(crate) const LEVELS: usize = 7;

/// How serious a record is, in OpenTelemetry's six ranges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Level {
    #[default]
    Unknown,
    Trace,
    Debug,
    Info,
    Warn,
    Error,
    Fatal,
}

impl Level {
    /// The level of a severity: by its number, else by its text.
    pub(crate) fn of(number: i32, text: &str) -> Self {
        match number {
            1..=4 => Self::Trace,
            5..=8 => Self::Debug,
            9..=12 => Self::Info,
            13..=16 => Self::Warn,
            17..=20 => Self::Error,
            21..=24 => Self::Fatal,
            _ => Self::of_text(text),
        }
    }

    /// Whether it is an error or worse.
    pub(crate) fn is_error(self) -> bool {
        self >= Self::Error
    }

    fn of_text(text: &str) -> Self {
        let words: [(&[&str], Self); 6] = [
            (&["trace", "finest", "finer"], Self::Trace),
            (&["debug", "dbg", "fine", "verbose"], Self::Debug),
            (
                &["info", "information", "informational", "notice"],
                Self::Info,
            ),
            (&["warn", "warning"], Self::Warn),
            (&["error", "err", "severe"], Self::Error),
            (
                &[
                    "fatal",
                    "critical",
                    "crit",
                    "alert",
                    "emergency",
                    "emerg",
                    "panic",
                ],
                Self::Fatal,
            ),
        ];
        let text = text.trim();
        let known = words
            .into_iter()
            .find(|(names, _)| names.iter().any(|n| n.eq_ignore_ascii_case(text)));
        known.map_or(Self::Unknown, |(_, level)| level)
    }

    /// The level of a number, as `as u8` gives it.
    pub(crate) fn of_number(number: u8) -> Option<Self> {
        let all: [Self; LEVELS] = [
            Self::Unknown,
            Self::Trace,
            Self::Debug,
            Self::Info,
            Self::Warn,
            Self::Error,
            Self::Fatal,
        ];
        all.get(usize::from(number)).copied()
    }

    /// The value of the label `level`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Fatal => "fatal",
        }
    }
}

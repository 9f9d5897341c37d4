//! Durations as Prometheus and Alertmanager write them: `1h30m`, `5m`, `250ms`
//! (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/>, `<duration>`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// Units, the longest first, and their milliseconds.
pub const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration, in milliseconds: what fits into Go's `time.Duration`.
const MILLIS_MAX: u64 = i64::MAX as u64 / 1_000_000;

/// How long something takes, as it stands in a configuration.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Period(u64);

impl Period {
    /// So many seconds.
    #[must_use]
    pub const fn of_seconds(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }

    /// In milliseconds.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    /// Whether it is none.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }

    /// Reads one.
    ///
    /// # Errors
    /// As [`parse`].
    pub fn read(text: &str) -> Result<Self, String> {
        let read = parse(text)?;
        // No longer than what a number of nanoseconds holds.
        Ok(Self(u64::try_from(read.as_millis()).unwrap_or(u64::MAX)))
    }
}

impl TryFrom<String> for Period {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::read(&text)
    }
}

impl From<Period> for String {
    fn from(period: Period) -> Self {
        period.to_string()
    }
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(self.0))
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads a duration: whole numbers with units, largest unit first, each unit at most once;
/// or `0`.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub fn parse(text: &str) -> Result<Duration, String> {
    match text {
        "0" => Ok(Duration::ZERO),
        _ => millis(text).map(Duration::from_millis).ok_or_else(|| {
            format!(
                "{text:?} is no duration; write whole numbers with units, largest first, like \"30s\", \"5m\" or \"1h30m\""
            )
        }),
    }
}

/// Writes a duration: `15d`, `1h30m`, `250ms`. Years and weeks only where nothing is left: 8d
/// is not 1w1d.
#[must_use]
pub fn text(millis: u64) -> String {
    use std::fmt::Write as _;
    let (mut left, mut text) = (millis, String::new());
    for (unit, millis) in UNITS {
        let exact = matches!(unit, "y" | "w");
        if left >= millis && (!exact || left.is_multiple_of(millis)) {
            let _ = write!(text, "{}{unit}", left / millis);
            left %= millis;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

fn millis(text: &str) -> Option<u64> {
    let (mut rest, mut total, mut units) = (text, 0u64, &UNITS[..]);
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let (digits, after) = split(rest, |c| c.is_ascii_digit());
        let (unit, after) = split(after, |c| c.is_ascii_alphabetic());
        let at = units.iter().position(|(name, _)| *name == unit)?;
        let part = digits.parse::<u64>().ok()?.checked_mul(units[at].1)?;
        total = total.checked_add(part).filter(|sum| *sum <= MILLIS_MAX)?;
        units = &units[at + 1..];
        rest = after;
    }
    Some(total)
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, millis: Option<u64>) {
        let expected = millis.map(Duration::from_millis);
        assert_eq!(parse(text).ok(), expected, "{text:?}");
    }

    #[test]
    fn periods_are_written_as_prometheus_writes_them() {
        let check = |text: &str, millis: u64, written: &str| {
            let period = Period::read(text).unwrap();
            assert_eq!((period.0, period.to_string().as_str()), (millis, written));
        };
        check("15s", 15_000, "15s");
        check("1m30s", 90_000, "1m30s");
        check("90s", 90_000, "1m30s");
        check("500ms", 500, "500ms");
        check("1h5ms", 3_600_005, "1h5ms");
        check("8d", 691_200_000, "8d");
        check("14d", 1_209_600_000, "2w");
        check("0", 0, "0s");
        for bad in [
            "",
            "15",
            "s",
            "1s1m",
            "1s1s",
            "-1s",
            "1.5s",
            "1x",
            "99999999999y",
        ] {
            assert!(Period::read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn durations_are_written_as_they_are_read() {
        for written in ["0s", "250ms", "1h30m", "2w", "8d", "1y", "366d", "1d1ms"] {
            let millis = parse(written).unwrap().as_millis();
            assert_eq!(text(u64::try_from(millis).unwrap()), written);
        }
    }

    #[test]
    fn durations_are_read_as_prometheus_reads_them() {
        check("0", Some(0));
        check("0s", Some(0));
        check("250ms", Some(250));
        check("1h30m", Some(5_400_000));
        check("1y2w3d4h5m6s7ms", Some(33_019_506_007));
        for wrong in [
            "", "1", "5", "1.5h", "30m1h", "1m1m", " 1m", "1m ", "m", "-1m", "1M", "1é",
        ] {
            check(wrong, None);
        }
        check("300y", None);
        check("99999999999999999999s", None);
    }
}

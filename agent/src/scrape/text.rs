//! Values that Prometheus writes in a way of its own: `1m30s`, `10MB`; and what is never shown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sonde_proto::period;
use std::fmt;
use std::time::Duration;

/// How long something takes, as Prometheus writes it: `30s`, `1m30s`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Period(u64);

impl Period {
    pub(crate) const fn of_seconds(seconds: u64) -> Self {
        Self(seconds * 1_000)
    }

    /// As a duration.
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0)
    }

    pub(crate) const fn is_zero(self) -> bool {
        self.0 == 0
    }

    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let read = period::parse(text)?;
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
        let mut left = self.0;
        if left == 0 {
            return f.write_str("0s");
        }
        for (unit, millis) in period::UNITS {
            // Years and weeks only where nothing is left: 8d is not 1w1d.
            let exact = matches!(unit, "y" | "w");
            if left >= millis && (!exact || left.is_multiple_of(millis)) {
                write!(f, "{}{unit}", left / millis)?;
                left %= millis;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// So many bytes: `1048576`, `64MB`, `1GiB`; all units are powers of 1024, as in Prometheus.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "Written", into = "u64")]
#[schemars(with = "Written")]
pub struct Size(pub u64);

/// How a size is written.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Size {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let text = match written {
            Written::Number(bytes) => return Ok(Self(bytes)),
            Written::Text(text) => text,
        };
        let bad = || format!("{text:?} is no size; write a number of bytes, 64MB or 1GiB");
        let end = text.find(|c: char| !c.is_ascii_digit());
        let (number, unit) = text.split_at(end.unwrap_or(text.len()));
        let number: u64 = number.parse().map_err(|_| bad())?;
        let power = match unit.trim_end_matches('B').trim_end_matches('i') {
            "" => 0,
            "K" => 1,
            "M" => 2,
            "G" => 3,
            "T" => 4,
            _ => return Err(bad()),
        };
        let bytes = number.checked_mul(1 << (10 * power));
        bytes.map(Self).ok_or_else(bad)
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> Self {
        size.0
    }
}

/// What is sent and never shown.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<secret>")
    }
}

impl Serialize for Secret {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<secret>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn sizes_are_powers_of_1024() {
        let read = |text: &str| Size::try_from(Written::Text(text.into())).map(|size| size.0);
        assert_eq!(read("64MB"), Ok(64 << 20));
        assert_eq!(read("1GiB"), Ok(1 << 30));
        assert_eq!(read("12"), Ok(12));
        assert!(read("12parsecs").is_err() && read("").is_err());
        assert!(read("99999999999T").is_err());
    }

    #[test]
    fn a_secret_shows_nowhere() {
        let secret: Secret = serde_json::from_str("\"hunter2\"").unwrap();
        assert_eq!(format!("{secret:?}"), "<secret>");
        assert_eq!(serde_json::to_string(&secret).unwrap(), "\"<secret>\"");
        assert_eq!(secret.reveal(), "hunter2");
    }
}

//! Points and spans of time as Go's `time` package has them.

mod layout;
mod member;

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use std::fmt;
use std::sync::Arc;

pub(crate) use member::{of_duration, of_time};

/// A point in time, seen from a zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Time {
    at: Timestamp,
    offset: Offset,
    zone: Arc<str>,
}

impl Time {
    /// A point in time in UTC.
    #[must_use]
    pub fn new(at: Timestamp) -> Self {
        Self {
            at,
            offset: Offset::UTC,
            zone: "UTC".into(),
        }
    }

    /// Go's zero time: the start of the year 1, which stands for "not set".
    #[must_use]
    pub fn zero() -> Self {
        Self::new(Timestamp::from_second(ZERO_SECOND).unwrap_or(Timestamp::MIN))
    }

    /// Whether it is the zero time.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.at.as_second() == ZERO_SECOND && self.at.subsec_nanosecond() == 0
    }

    /// The same point, seen from another zone.
    #[must_use]
    pub fn in_zone(&self, zone: &TimeZone) -> Self {
        let info = zone.to_offset_info(self.at);
        Self {
            at: self.at,
            offset: info.offset(),
            zone: match zone.to_fixed_offset() {
                // As in Go, an offset alone has no name.
                Ok(offset) if offset != Offset::UTC => "".into(),
                Ok(_) | Err(_) => info.abbreviation().into(),
            },
        }
    }

    /// The point.
    #[must_use]
    pub fn timestamp(&self) -> Timestamp {
        self.at
    }

    /// By a layout in Go's way: `2006-01-02T15:04:05Z07:00`.
    #[must_use]
    pub fn format(&self, layout: &str) -> String {
        layout::format(self, layout)
    }

    /// Later by a span in nanoseconds, unless that is out of range.
    #[must_use]
    pub fn later(&self, nanos: i64) -> Option<Self> {
        let at = self
            .at
            .checked_add(jiff::SignedDuration::from_nanos(nanos))
            .ok()?;
        Some(Self { at, ..self.clone() })
    }

    /// The nanoseconds since an earlier point; the longest or shortest span when beyond it.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> i64 {
        let span = self.at.as_nanosecond() - earlier.at.as_nanosecond();
        i64::try_from(span).unwrap_or(if span < 0 { i64::MIN } else { i64::MAX })
    }
}

/// The second at which the year 1 began.
const ZERO_SECOND: i64 = -62_135_596_800;

/// As Go prints a time.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

/// A span in nanoseconds as Go prints it: `1h2m3.5s`, `1.5ms`.
#[must_use]
pub fn duration(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let nanos = nanos.unsigned_abs();
    let text = match nanos {
        0 => return "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let seconds = format!("{}s", decimal(nanos % MINUTE, SECOND));
            match (nanos / HOUR, nanos / MINUTE % 60) {
                (0, 0) => seconds,
                (0, minutes) => format!("{minutes}m{seconds}"),
                (hours, minutes) => format!("{hours}h{minutes}m{seconds}"),
            }
        }
    };
    format!("{sign}{text}")
}

const SECOND: u64 = 1_000_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;

/// How many `unit` a number is, exactly.
fn decimal(number: u64, unit: u64) -> String {
    let (whole, part) = (number / unit, number % unit);
    if part == 0 {
        return whole.to_string();
    }
    let digits = unit.ilog10() as usize;
    let part = format!("{part:0digits$}");
    format!("{whole}.{}", part.trim_end_matches('0'))
}

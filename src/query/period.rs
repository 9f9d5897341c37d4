//! A period as it is typed, in nanoseconds since 1970, as queries have it.

use crate::Failure;
use jiff::{SpanRelativeTo, Timestamp};

/// How far back a query looks where nothing says it.
const LENGTH_DEFAULT_NANOS: u64 = 3_600_000_000_000;

/// From `start` on, before `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Period {
    pub(super) start: u64,
    pub(super) end: u64,
}

impl Period {
    /// The period that `--from`, `--to` and `--since` name.
    ///
    /// # Errors
    /// Which of them is no time, or that the period is empty.
    pub(super) fn read(
        from: Option<&str>,
        to: &str,
        since: Option<&str>,
        now: u64,
    ) -> Result<Self, Failure> {
        let end = instant("--to", to, now)?;
        let start = match (from, since) {
            (Some(from), _) => instant("--from", from, now)?,
            (None, Some(since)) => end.saturating_sub(duration("--since", since)?),
            (None, None) => end.saturating_sub(LENGTH_DEFAULT_NANOS),
        };
        if start >= end {
            return Err("the period is empty: --from is not before --to".into());
        }
        Ok(Self { start, end })
    }
}

/// This moment.
pub(super) fn now() -> u64 {
    u64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(0)
}

/// Reads `now`, `-1h`, RFC 3339, or seconds or nanoseconds since 1970.
///
/// # Errors
/// When the text is none of these, naming the option.
pub(super) fn instant(option: &str, text: &str, now: u64) -> Result<u64, Failure> {
    /// Larger numbers cannot be seconds.
    const NANOS_FROM: f64 = 1e15;
    let text = text.trim();
    let refused = || -> Failure {
        format!(
            "{option}: {text:?} is no time; use RFC 3339, seconds since 1970, \"now\" or \"-1h\""
        )
        .into()
    };
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = text.strip_prefix("now-").or_else(|| text.strip_prefix('-')) {
        return nanos(ago)
            .map(|ago| now.saturating_sub(ago))
            .ok_or_else(refused);
    }
    if let Ok(number) = text.parse::<f64>() {
        let whole = text.parse::<u64>().ok();
        return match whole.filter(|_| number >= NANOS_FROM) {
            Some(nanos) => Ok(nanos),
            None => std::time::Duration::try_from_secs_f64(number)
                .ok()
                .and_then(|d| u64::try_from(d.as_nanos()).ok())
                .ok_or_else(refused),
        };
    }
    let stamp: Timestamp = text.parse().map_err(|_| refused())?;
    u64::try_from(stamp.as_nanosecond()).map_err(|_| refused())
}

/// Reads `15m`, `1h30m` or `2d`, a day having 24 hours.
///
/// # Errors
/// When the text is no positive duration, naming the option.
pub(crate) fn duration(option: &str, text: &str) -> Result<u64, Failure> {
    nanos(text.trim()).filter(|n| *n > 0).ok_or_else(|| {
        format!("{option}: {text:?} is no duration; use \"15m\", \"1h30m\" or \"2d\"").into()
    })
}

fn nanos(text: &str) -> Option<u64> {
    let span: jiff::Span = text.parse().ok()?;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    u64::try_from(duration.as_nanos()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000_000_000_000;
    const HOUR: u64 = 3_600_000_000_000;

    #[test]
    fn a_time_is_read_in_every_way_people_write_it() {
        for (text, expected) in [
            ("now", NOW),
            ("-1h30m", NOW - HOUR - HOUR / 2),
            ("now-2d", NOW - 48 * HOUR),
            ("-1w", NOW - 168 * HOUR),
            ("1700000000.5", NOW + 500_000_000),
            ("1700000000000000001", NOW + 1),
            ("2023-11-14T22:13:20Z", NOW),
        ] {
            assert_eq!(instant("--from", text, NOW).unwrap(), expected, "{text}");
        }
        for text in ["", "soon", "-", "-1x", "1e300", "NaN", "1h", "-P1Y"] {
            let error = instant("--from", text, NOW).unwrap_err().to_string();
            assert!(error.starts_with("--from:"), "{text}: {error}");
        }
    }

    #[test]
    fn a_period_ends_after_it_begins() {
        let read = |from, to, since| Period::read(from, to, since, NOW);
        let hour = read(None, "now", None).unwrap();
        assert_eq!((hour.start, hour.end), (NOW - HOUR, NOW));
        let before = read(None, "-1h", Some("2h")).unwrap();
        assert_eq!((before.start, before.end), (NOW - 3 * HOUR, NOW - HOUR));
        assert!(read(Some("now"), "-1h", None).is_err());
        for since in ["0s", "-1h", "x"] {
            assert!(read(None, "now", Some(since)).is_err(), "{since}");
        }
    }
}

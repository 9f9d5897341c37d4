//! Times and durations as they stand in query strings.

use super::ApiError;
use sonde_proto::UnixNanos;
use std::time::Duration;

const NANOS_FROM: f64 = 1e15;

/// Reads `now`, `-1h`, RFC 3339, seconds since 1970 (with decimals) or, from 10¹⁵ on,
/// nanoseconds since 1970.
///
/// # Errors
/// When the text is none of these, naming the parameter.
pub(super) fn instant(name: &str, text: &str, now: UnixNanos) -> Result<UnixNanos, ApiError> {
    let text = text.trim();
    let refused = || {
        ApiError::bad_request(format!(
            "{name}: {text:?} is no time; use RFC 3339, seconds since 1970, \"now\" or \"-1h\""
        ))
    };
    if text == "now" {
        return Ok(now);
    }
    if let Some(ago) = text.strip_prefix("now-").or_else(|| text.strip_prefix('-'))
        && let Some(ago) = span(ago)
    {
        return Ok(now.minus(ago));
    }
    if let Ok(nanos) = text.parse::<u64>()
        && nanos as f64 >= NANOS_FROM
    {
        return Ok(UnixNanos(nanos));
    }
    if let Ok(seconds) = text.parse::<f64>() {
        let time = Duration::try_from_secs_f64(seconds).map_err(|_| refused())?;
        return u64::try_from(time.as_nanos())
            .map(UnixNanos)
            .map_err(|_| refused());
    }
    let stamp: jiff::Timestamp = text.parse().map_err(|_| refused())?;
    u64::try_from(stamp.as_nanosecond())
        .map(UnixNanos)
        .map_err(|_| refused())
}

/// Reads a duration that is more than nothing: `90s`, `1h30m`, `250ms`, or a number of seconds.
///
/// # Errors
/// When the text is no positive duration, naming the parameter.
pub(super) fn duration(name: &str, text: &str) -> Result<Duration, ApiError> {
    let read = duration_or_zero(name, text)?;
    if read.is_zero() {
        return Err(ApiError::bad_request(format!(
            "{name}: {text:?} is no time; it must be more than nothing"
        )));
    }
    Ok(read)
}

/// The same, where none at all has a meaning.
///
/// # Errors
/// When the text is no duration, naming the parameter.
pub(super) fn duration_or_zero(name: &str, text: &str) -> Result<Duration, ApiError> {
    let text = text.trim();
    let seconds = text
        .parse::<f64>()
        .ok()
        .and_then(|s| Duration::try_from_secs_f64(s).ok());
    seconds.or_else(|| span(text)).ok_or_else(|| {
        ApiError::bad_request(format!(
            "{name}: {text:?} is no duration; use \"15s\", \"1h30m\" or a number of seconds"
        ))
    })
}

/// Reads a duration in whole nanoseconds, with decimals and small units: `1.5ms`, `100us`.
///
/// # Errors
/// When the text is no duration, naming the parameter.
pub(super) fn nanos(name: &str, text: &str) -> Result<u64, ApiError> {
    let read = sonde_lex::duration(text.trim());
    let whole = read.filter(|(length, _)| *length == text.trim().len());
    let nanos = whole.and_then(|(_, nanos)| u64::try_from(nanos?).ok());
    nanos.ok_or_else(|| {
        ApiError::bad_request(format!(
            "{name}: {text:?} is no duration; use \"1.2s\", \"100ms\" or \"500us\""
        ))
    })
}

/// Prometheus' durations: numbers with units, largest first.
fn span(text: &str) -> Option<Duration> {
    const UNITS: [(&str, u64); 7] = [
        ("ms", 1),
        ("s", 1_000),
        ("m", 60_000),
        ("h", 3_600_000),
        ("d", 86_400_000),
        ("w", 604_800_000),
        ("y", 31_536_000_000),
    ];
    let mut rest = text;
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let end = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..end])?;
        millis = millis.checked_add(number.checked_mul(*unit)?)?;
        rest = &rest[end..];
    }
    (!text.is_empty()).then(|| Duration::from_millis(millis))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_read_in_every_way_people_write_it() {
        let now = UnixNanos::from_secs(1_700_000_000);
        let check = |text: &str, expected: u64| {
            assert_eq!(
                instant("start", text, now).unwrap(),
                UnixNanos(expected),
                "{text}"
            );
        };
        check("now", now.0);
        check("-1h30m", now.0 - 5_400_000_000_000);
        check("now-10s", now.0 - 10_000_000_000);
        check("1700000000.5", now.0 + 500_000_000);
        check("1700000000000000001", now.0 + 1);
        check("2023-11-14T22:13:20Z", now.0);
    }

    #[test]
    fn what_is_no_time_is_refused_with_the_parameter_named() {
        for text in ["", "yesterday", "-", "-1x", "1e300", "NaN", "1h"] {
            let error = instant("start", text, UnixNanos(0)).unwrap_err();
            assert!(
                error.message.starts_with("start:"),
                "{text}: {}",
                error.message
            );
        }
        for text in ["", "0", "-5", "5 s", "1e40", "99999999999999999y"] {
            assert!(duration("step", text).is_err(), "{text}");
        }
        for (text, expected) in [
            ("1.5ms", 1_500_000),
            ("100us", 100_000),
            ("2h", 7_200_000_000_000),
        ] {
            assert_eq!(nanos("minDuration", text).unwrap(), expected, "{text}");
        }
        for text in ["", "5", "-1s", "1s ", "1x", "9999999h"] {
            let read = nanos("minDuration", text);
            assert_eq!(read.is_ok(), text == "1s ", "{text}");
        }
        for text in ["0", "0s", "0.0"] {
            assert_eq!(duration_or_zero("interval", text).unwrap(), Duration::ZERO);
        }
        assert!(duration_or_zero("interval", "-1").is_err());
    }
}

//! Durations as Prometheus and Alertmanager write them: `1h30m`, `5m`, `250ms`
//! (<https://prometheus.io/docs/prometheus/latest/configuration/configuration/>, `<duration>`).

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

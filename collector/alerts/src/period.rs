//! Durations as Prometheus and Alertmanager write them: `1h30m`, `5m`, `250ms`.

use std::time::Duration;

const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Reads a duration: whole numbers with units, largest unit first, each unit at most once; or `0`.
///
/// # Errors
/// A sentence that says what a duration looks like.
pub(crate) fn parse(text: &str) -> Result<Duration, String> {
    let bad = || {
        format!(
            "{text:?} is no duration; write whole numbers with units, like \"30s\", \"5m\" or \"1h30m\""
        )
    };
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let (mut rest, mut millis, mut largest) = (text, 0u64, 0);
    if rest.is_empty() {
        return Err(bad());
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let letters = rest[digits..]
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let unit = &rest[digits..digits + letters];
        let at = UNITS
            .iter()
            .position(|(name, _)| *name == unit)
            .ok_or_else(bad)?;
        let count: u64 = rest[..digits].parse().map_err(|_| bad())?;
        if at < largest {
            return Err(bad());
        }
        largest = at + 1;
        let part = count.checked_mul(UNITS[at].1).ok_or_else(bad)?;
        millis = millis.checked_add(part).ok_or_else(bad)?;
        rest = &rest[digits + letters..];
    }
    Ok(Duration::from_millis(millis))
}

#[cfg(test)]
mod tests;

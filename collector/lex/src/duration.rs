//! Durations as Prometheus writes them (`1d12h`) and as Go does (`1.5s`, `250µs`).

const MILLISECOND: i64 = 1_000_000;
const SECOND: i64 = 1000 * MILLISECOND;

/// Prometheus' units and their milliseconds, in the order in which they may follow one another.
const PROMETHEUS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// Go's units and their nanoseconds; micro has two code points.
const GO: [(&str, i64); 8] = [
    ("h", 3600 * SECOND),
    ("m", 60 * SECOND),
    ("s", SECOND),
    ("ms", MILLISECOND),
    ("us", 1000),
    ("\u{b5}s", 1000),
    ("\u{3bc}s", 1000),
    ("ns", 1),
];

/// The length of one of Prometheus' durations at the start of `text`, and its milliseconds
/// unless those are too many.
#[must_use]
pub fn prometheus_duration(text: &str) -> Option<(usize, Option<i64>)> {
    let (mut at, mut millis, mut next_unit) = (0, Some(0i64), 0);
    while text[at..].starts_with(|c: char| c.is_ascii_digit()) {
        let digits = text[at..].find(|c: char| !c.is_ascii_digit())?;
        let letters = letters(&text[at + digits..]);
        let unit = PROMETHEUS
            .iter()
            .position(|(unit, _)| *unit == letters)
            .filter(|unit| *unit >= next_unit)?;
        let count = text[at..at + digits].parse::<i64>().ok();
        let part = count.and_then(|count| count.checked_mul(PROMETHEUS[unit].1));
        millis = millis
            .zip(part)
            .and_then(|(sum, part)| sum.checked_add(part));
        next_unit = unit + 1;
        at += digits + letters.len();
    }
    (at > 0).then_some((at, millis))
}

/// The length of one of Go's durations at the start of `text`, and its nanoseconds unless
/// those are too many.
#[must_use]
pub fn go_duration(text: &str) -> Option<(usize, Option<i64>)> {
    let (mut at, mut nanos) = (0, Some(0i64));
    while text[at..].starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        let whole = digits(&text[at..]);
        let behind = &text[at + whole.len()..];
        let fraction = behind.strip_prefix('.').map(digits);
        let fraction_length = fraction.map_or(0, |fraction| 1 + fraction.len());
        let fraction = fraction.unwrap_or_default();
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let letters = letters(&behind[fraction_length..]);
        let (_, unit) = GO.iter().find(|(unit, _)| *unit == letters)?;
        let part = scaled(whole, fraction, *unit);
        nanos = nanos
            .zip(part)
            .and_then(|(sum, part)| sum.checked_add(part));
        at += whole.len() + fraction_length + letters.len();
    }
    (at > 0).then_some((at, nanos))
}

/// The length of a duration of either kind at the start of `text`, and its nanoseconds unless
/// those are too many.
#[must_use]
pub fn duration(text: &str) -> Option<(usize, Option<i64>)> {
    match prometheus_duration(text) {
        Some((end, millis)) => Some((
            end,
            millis.and_then(|millis| millis.checked_mul(MILLISECOND)),
        )),
        None => go_duration(text),
    }
}

fn digits(text: &str) -> &str {
    let end = text.find(|c: char| !c.is_ascii_digit());
    &text[..end.unwrap_or(text.len())]
}

fn letters(text: &str) -> &str {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '\u{b5}' || c == '\u{3bc}';
    &text[..text.find(|c| !is_letter(c)).unwrap_or(text.len())]
}

/// `whole.fraction` times `unit`, what is smaller than one being cut.
fn scaled(whole: &str, fraction: &str, unit: i64) -> Option<i64> {
    let number = |digits: &str| match digits {
        "" => Some(0),
        digits => digits.parse::<i64>().ok(),
    };
    // Digits behind the eighteenth are less than a nanosecond of any unit.
    let fraction = &fraction[..fraction.len().min(18)];
    let scale = 10i128.pow(u32::try_from(fraction.len()).ok()?);
    let below = i128::from(number(fraction)?) * i128::from(unit) / scale;
    let above = number(whole)?.checked_mul(unit)?;
    above.checked_add(i64::try_from(below).ok()?)
}

/// Nanoseconds as [`duration`] reads them back, behind a sign where there is one: in
/// Prometheus' units where milliseconds do, else in Go's.
#[must_use]
pub fn duration_text(nanos: i64) -> String {
    let mut out = String::from(if nanos < 0 { "-" } else { "" });
    let mut left = nanos.unsigned_abs();
    if left == 0 {
        return "0s".into();
    }
    let millisecond = MILLISECOND.unsigned_abs();
    if left.is_multiple_of(millisecond) {
        left /= millisecond;
        for (unit, millis) in PROMETHEUS {
            let millis = millis.unsigned_abs();
            // Years, weeks and days only where they leave nothing: `36h` is clearer than `1d12h`.
            let is_long = millis >= 86_400_000;
            if left >= millis && (!is_long || left.is_multiple_of(millis)) {
                out.push_str(&format!("{}{unit}", left / millis));
                left %= millis;
            }
        }
    } else {
        for (unit, nanos) in GO.into_iter().filter(|(unit, _)| unit.is_ascii()) {
            let nanos = nanos.unsigned_abs();
            if left >= nanos {
                out.push_str(&format!("{}{unit}", left / nanos));
                left %= nanos;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests;

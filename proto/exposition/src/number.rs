//! Numbers as Go reads and writes them, which is what the formats mean by a number.

use std::borrow::Cow;
use std::io::Write as _;

/// The one NaN that is not a stale marker.
pub(crate) const NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);

/// Reads a number. `None` for what is not one, and for what no `f64` can hold: Go refuses both.
#[inline]
pub(crate) fn read(text: &str) -> Option<f64> {
    let bytes = text.as_bytes();
    if !bytes.is_empty() && bytes.len() <= 15 && bytes.iter().all(u8::is_ascii_digit) {
        let whole = bytes
            .iter()
            .fold(0_u64, |n, digit| n * 10 + u64::from(digit - b'0'));
        return Some(whole as f64);
    }
    read_any(text)
}

fn read_any(text: &str) -> Option<f64> {
    let number: f64 = text.parse().ok()?;
    if number.is_nan() {
        return text.eq_ignore_ascii_case("nan").then_some(NAN);
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    let too_large = number.is_infinite() && !unsigned.starts_with(['i', 'I']);
    (!too_large).then_some(number)
}

/// The number, and any NaN as the one that is not a stale marker.
pub(crate) fn plain(number: f64) -> f64 {
    if number.is_nan() { NAN } else { number }
}

/// Reads seconds as milliseconds, exactly where they are written without exponent; what is
/// finer is cut.
pub(crate) fn read_seconds(text: &str) -> Option<i64> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if (1..=18).contains(&whole.len()) && digits(whole) && digits(fraction) {
        let whole: i128 = whole.parse().ok()?;
        let millis = fraction.bytes().chain(*b"000").take(3);
        let millis = millis.fold(0, |n, digit| n * 10 + i128::from(digit - b'0'));
        let value = whole * 1_000 + millis;
        return i64::try_from(if negative { -value } else { value }).ok();
    }
    let millis = read(text)? * 1e3;
    (millis.abs() < 9.2e18).then_some(millis as i64)
}

/// Writes a number as Go's shortest form; with `point` one that looks whole gets `.0`, as
/// OpenMetrics wants it.
pub(crate) fn write(out: &mut Vec<u8>, number: f64, point: bool) {
    if number.is_nan() {
        return out.extend_from_slice(b"NaN");
    }
    if number.is_infinite() {
        return out.extend_from_slice(if number > 0.0 { b"+Inf" } else { b"-Inf" });
    }
    let start = out.len();
    write_finite(out, number);
    if point && !out[start..].iter().any(|byte| matches!(byte, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}

fn write_finite(out: &mut Vec<u8>, number: f64) {
    // Rust gives the same shortest digits as Go, as d.ddde±x.
    let mut shortest = Vec::with_capacity(32);
    let _ = write!(shortest, "{number:e}");
    let split = shortest.iter().position(|&byte| byte == b'e');
    let split = split.unwrap_or(shortest.len());
    let exponent = std::str::from_utf8(shortest.get(split + 1..).unwrap_or_default());
    let exponent: i32 = exponent.unwrap_or_default().parse().unwrap_or(0);
    let mantissa = &shortest[..split];
    if !(-4..6).contains(&exponent) {
        out.extend_from_slice(mantissa);
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:02}", exponent.unsigned_abs());
    } else {
        let _ = write!(out, "{number}");
    }
}

/// A bound as OpenMetrics writes it, or the text itself where it is no number.
pub(crate) fn bound(text: &str) -> Cow<'_, str> {
    if text == "+Inf" || is_usual_bound(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let Some(number) = read(text) else {
        return Cow::Borrowed(text);
    };
    let mut written = Vec::with_capacity(24);
    // Minus zero is zero.
    write(&mut written, number + 0.0, true);
    match String::from_utf8(written) {
        Ok(written) if written != text => Cow::Owned(written),
        _ => Cow::Borrowed(text),
    }
}

/// Whether this is how OpenMetrics writes a bound, for those that nearly all are: up to five
/// digits before the point and few after it.
fn is_usual_bound(text: &[u8]) -> bool {
    let Some(point) = text.iter().position(|&byte| byte == b'.') else {
        return false;
    };
    let (whole, fraction) = (&text[..point], &text[point + 1..]);
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    if !digits(whole) || !digits(fraction) || whole.len() > 5 || fraction.len() > 9 {
        return false;
    }
    let whole_ends = whole == b"0" || whole[0] != b'0';
    let fraction_ends = fraction == b"0" || fraction[fraction.len() - 1] != b'0';
    let small = whole == b"0" && fraction.starts_with(b"0000");
    whole_ends && fraction_ends && !small
}

#[cfg(test)]
mod tests;

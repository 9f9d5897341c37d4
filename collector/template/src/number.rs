//! Numbers as Go writes them: `12`, `1_000`, `0x1F`, `0b1`, `0o17`, `017`, `1.5`, `1e3`.

use crate::value::Value;

/// The number that a text is: an integer unless it has a point or an exponent.
pub(crate) fn parse(text: &str) -> Option<Value> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !underscores_part_digits(digits)
    {
        return None;
    }
    let digits = digits.replace('_', "");
    match integer(&digits) {
        Some(number) => {
            let number = if negative { -number } else { number };
            i64::try_from(number).ok().map(Value::Int)
        }
        None => float(&digits).map(|number| Value::Float(if negative { -number } else { number })),
    }
}

fn integer(digits: &str) -> Option<i128> {
    let lower = digits.to_ascii_lowercase();
    let based = |prefix: &str, base| {
        let rest = lower.strip_prefix(prefix)?;
        rest.starts_with(|c: char| c.is_ascii_hexdigit())
            .then(|| i128::from_str_radix(rest, base).ok())?
    };
    based("0x", 16)
        .or_else(|| based("0b", 2))
        .or_else(|| based("0o", 8))
        .or_else(|| {
            if !lower.bytes().all(|b| b.is_ascii_digit()) {
                return None;
            }
            let octal = lower.len() > 1 && lower.starts_with('0');
            i128::from_str_radix(&lower, if octal { 8 } else { 10 }).ok()
        })
}

/// A decimal fraction. Rust reads the words `inf` and `nan` too; Go does not.
fn float(digits: &str) -> Option<f64> {
    let plain = digits
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    let number: f64 = digits.parse().ok().filter(|_| plain)?;
    (number.is_finite() && digits.contains(['.', 'e', 'E'])).then_some(number)
}

/// An underscore stands only between digits or after a base.
fn underscores_part_digits(digits: &str) -> bool {
    let bytes = digits.as_bytes();
    let hex = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_alphanumeric);
    (0..bytes.len())
        .filter(|at| bytes[*at] == b'_')
        .all(|at| at > 0 && hex(at - 1) && hex(at + 1))
}

//! Floating-point numbers: `%f %e %g` and `%v`, as Go's `strconv.FormatFloat` has them.

mod binary;

use super::out::Out;
use super::spec::Spec;

/// Adds a number; false when the verb does not fit.
pub(super) fn number(out: &mut Out, number: f64, verb: char, spec: &Spec) -> bool {
    let text = match verb {
        'f' | 'F' => fixed(number, spec.precision.unwrap_or(6)),
        'e' => exponent(number, Some(spec.precision.unwrap_or(6))),
        'E' => exponent(number, Some(spec.precision.unwrap_or(6))).to_uppercase(),
        'b' => binary::whole(number),
        'x' => hex(number, spec.precision),
        'X' => hex(number, spec.precision).to_uppercase(),
        'v' | 'g' => general(number, spec.precision),
        'G' => general(number, spec.precision).replace('e', "E"),
        _ => return false,
    };
    let text = match named(number) {
        Some(name) => name.into(),
        None if spec.sharp && verb != 'b' => with_point(&text, verb, spec.precision),
        None => text,
    };
    let sign = match (text.starts_with(['-', '+']), spec.plus, spec.space) {
        (true, ..) => "",
        (false, true, _) => "+",
        (false, false, true) => " ",
        (false, false, false) => "",
    };
    let zero = spec.zero && number.is_finite();
    let plain_plus = text.starts_with('+') && !spec.plus && named(number).is_none();
    let text = if plain_plus { &text[1..] } else { &text };
    Spec {
        zero,
        ..spec.clone()
    }
    .pad_number(out, &format!("{sign}{text}"));
    true
}

fn named(number: f64) -> Option<&'static str> {
    match number {
        n if n.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// No digit of a float is beyond: what is asked for after them is zeros.
const DIGITS_MAX: usize = 1_100;

fn fixed(number: f64, precision: usize) -> String {
    let exact = precision.min(DIGITS_MAX);
    format!("{number:.exact$}{}", "0".repeat(precision - exact))
}

/// Zeros beyond the digits of a float are added here too.
fn hex(number: f64, precision: Option<usize>) -> String {
    let exact = precision.map(|digits| digits.min(DIGITS_MAX));
    let text = binary::hex(number, exact);
    let missing = precision.unwrap_or(0).saturating_sub(DIGITS_MAX);
    text.replacen('p', &format!("{}p", "0".repeat(missing)), 1)
}

/// What `#` asks for: a point always, and for `%g` the zeros at the end.
fn with_point(text: &str, verb: char, precision: Option<usize>) -> String {
    let exponent: &[char] = match verb {
        'x' | 'X' => &['p', 'P'],
        _ => &['e', 'E'],
    };
    let tail = text.find(exponent).unwrap_or(text.len());
    let (digits, tail) = text.split_at(tail);
    let significant = digits
        .chars()
        .filter(|c| !matches!(c, '-' | '.'))
        .skip_while(|digit| *digit == '0')
        .count();
    let mut missing = match verb {
        'v' | 'g' | 'G' | 'x' => precision.unwrap_or(6).saturating_sub(significant),
        _ => 0,
    };
    let point = if digits.contains('.') { "" } else { "." };
    if !point.is_empty() && matches!(digits, "0" | "-0") {
        missing = missing.saturating_sub(1);
    }
    format!("{digits}{point}{}{tail}", "0".repeat(missing))
}

/// `1.5e+06`: at least two digits of exponent, with its sign.
fn exponent(number: f64, precision: Option<usize>) -> String {
    let text = match precision {
        Some(precision) => {
            let exact = precision.min(DIGITS_MAX);
            let text = format!("{number:.exact$e}");
            let zeros = "0".repeat(precision - exact);
            text.replacen('e', &format!("{zeros}e"), 1)
        }
        None => format!("{number:e}"),
    };
    let Some((digits, power)) = text.split_once('e') else {
        return text;
    };
    let (sign, power) = match power.strip_prefix('-') {
        Some(power) => ('-', power),
        None => ('+', power),
    };
    format!("{digits}e{sign}{power:0>2}")
}

/// The shortest digits that tell the number apart, or `precision` significant ones; with
/// an exponent when it is below -4 or not below 6 (shortest) or the precision.
pub(crate) fn general(number: f64, precision: Option<usize>) -> String {
    if let Some(name) = named(number) {
        return name.into();
    }
    let significant = precision.map(|digits| digits.max(1));
    let text = exponent(number, significant.map(|digits| digits - 1));
    let Some((digits, power)) = text.split_once('e') else {
        return text;
    };
    let power: i32 = power.parse().unwrap_or(0);
    let count = digits.bytes().filter(u8::is_ascii_digit).count();
    let point = match significant {
        None => SHORTEST_POWER_MAX,
        Some(most) => {
            let used = digits_used(digits, count);
            let wanted = if most > used && i32::try_from(used).is_ok_and(|used| used > power) {
                used
            } else {
                most
            };
            i32::try_from(wanted).unwrap_or(i32::MAX)
        }
    };
    if power < -4 || power >= point {
        return trimmed_exponent(digits, &text);
    }
    match significant {
        None => format!("{number}"),
        Some(digits) => {
            let digits = i32::try_from(digits).unwrap_or(i32::MAX);
            let decimals = usize::try_from(digits - 1 - power).unwrap_or(0);
            trimmed(&fixed(number, decimals))
        }
    }
}

/// From which power of ten the shortest form has an exponent.
const SHORTEST_POWER_MAX: i32 = 6;

/// How many digits are left without the zeros at the end.
fn digits_used(digits: &str, count: usize) -> usize {
    let zeros = digits
        .bytes()
        .rev()
        .filter(|b| *b != b'.')
        .take_while(|b| *b == b'0')
        .count();
    count.saturating_sub(zeros).max(1)
}

fn trimmed(text: &str) -> String {
    if !text.contains('.') {
        return text.into();
    }
    text.trim_end_matches('0').trim_end_matches('.').into()
}

fn trimmed_exponent(digits: &str, text: &str) -> String {
    format!("{}{}", trimmed(digits), &text[digits.len()..])
}

//! Numbers as Prometheus writes them.

/// A number with all its digits and no exponent: in labels, scalars and expressions. Go's
/// `strconv.FormatFloat(n, 'f', -1, 64)`.
#[must_use]
pub fn label_number(n: f64) -> String {
    if n.is_infinite() {
        return if n > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    let text = n.to_string();
    if n.abs() < TIES_FROM {
        return text;
    }
    let digits = shortest(n);
    let digits: String = digits.chars().take_while(|c| *c != 'e').collect();
    // Only the last digit may be another one.
    let mut places = digits.chars().filter(char::is_ascii_digit);
    let changed = |c: char| match c {
        '0'..='9' => places.next().unwrap_or('0'),
        other => other,
    };
    text.chars().map(changed).collect()
}

/// From here on two texts of the same length can be equally near to a number.
const TIES_FROM: f64 = 1e13;

/// The digits with an exponent, as few as tell the number from all others. Of two that are as
/// near, the one that ends in an even digit, as in Go.
fn shortest(n: f64) -> String {
    let text = format!("{n:e}");
    if n.abs() < TIES_FROM {
        return text;
    }
    let digits = text.find('e').unwrap_or(text.len());
    let places = text[..digits]
        .find('.')
        .map_or(0, |point| digits - point - 1);
    let even = format!("{n:.places$e}");
    if even.parse() == Ok(n) { even } else { text }
}

/// A number as a sample of a vector or matrix is written: below 1e-6 and from 1e21 on with an
/// exponent of at least two digits.
#[must_use]
pub fn sample_number(n: f64) -> String {
    let magnitude = n.abs();
    if !magnitude.is_finite() || magnitude == 0.0 || (1e-6..1e21).contains(&magnitude) {
        return label_number(n);
    }
    with_exponent(n)
}

/// Go's `%g`: with an exponent below 1e-4 and from 1e21 on, as errors show numbers.
#[must_use]
pub(crate) fn short_number(n: f64) -> String {
    let magnitude = n.abs();
    if !magnitude.is_finite() || magnitude == 0.0 || (1e-4..1e21).contains(&magnitude) {
        return label_number(n);
    }
    with_exponent(n)
}

/// Go's `%.2g`: two digits, with an exponent where those are not enough.
#[must_use]
pub(crate) fn two_digits(n: f64) -> String {
    let rounded: f64 = format!("{n:.1e}").parse().unwrap_or(n);
    if !rounded.is_finite() || rounded == 0.0 || (1e-4..100.0).contains(&rounded.abs()) {
        return label_number(rounded);
    }
    with_exponent(rounded)
}

fn with_exponent(n: f64) -> String {
    let text = shortest(n);
    let Some((digits, exponent)) = text.split_once('e') else {
        return text;
    };
    let (sign, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => ('-', exponent),
        None => ('+', exponent),
    };
    format!("{digits}e{sign}{exponent:0>2}")
}

#[cfg(test)]
mod tests {
    use super::{label_number, sample_number, two_digits};

    #[test]
    fn two_digits_are_written_as_go_writes_them() {
        let check = |n: f64, text: &str| assert_eq!(two_digits(n), text);
        check(10.0, "10");
        check(0.0123, "0.012");
        check(99.6, "1e+02");
        check(123.0, "1.2e+02");
        check(1.0, "1");
        check(0.000_012_3, "1.2e-05");
    }

    #[test]
    fn numbers_are_written_as_go_writes_them() {
        let check = |n: f64, label: &str, sample: &str| {
            assert_eq!(label_number(n), label);
            assert_eq!(sample_number(n), sample);
        };
        check(0.0, "0", "0");
        check(-0.0, "-0", "-0");
        check(1.5, "1.5", "1.5");
        check(1e20, "100000000000000000000", "100000000000000000000");
        check(1e21, "1000000000000000000000", "1e+21");
        check(-1.25e100, &format!("-125{}", "0".repeat(98)), "-1.25e+100");
        // As near to …13 as to …12.
        check(
            // Exact, however many digits it takes to write.
            228_486_901_324_401.0 + 0.125,
            "228486901324401.12",
            "228486901324401.12",
        );
        check(
            -228_486_901_324_401.0 - 0.375,
            "-228486901324401.38",
            "-228486901324401.38",
        );
        check(
            12_851_600_114_359_310_336.0,
            "12851600114359310000",
            "12851600114359310000",
        );
        check(1e-6, "0.000001", "0.000001");
        check(1.5e-7, "0.00000015", "1.5e-07");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
        check(f64::NAN, "NaN", "NaN");
    }
}

//! Numbers as Prometheus writes them.

/// A number with all its digits and no exponent: in labels, scalars and expressions. Go's
/// `strconv.FormatFloat(n, 'f', -1, 64)`.
#[must_use]
pub fn label_number(n: f64) -> String {
    if n.is_infinite() {
        return if n > 0.0 { "+Inf" } else { "-Inf" }.into();
    }
    n.to_string()
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

fn with_exponent(n: f64) -> String {
    let text = format!("{n:e}");
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
    use super::{label_number, sample_number};

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
        check(1e-6, "0.000001", "0.000001");
        check(1.5e-7, "0.00000015", "1.5e-07");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
        check(f64::NAN, "NaN", "NaN");
    }
}

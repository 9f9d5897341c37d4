//! Numbers.

/// The length of a number at the start of `text`, and its value where it is one: decimal with
/// a fraction and an exponent, or hexadecimal; underscores may part digits.
#[must_use]
pub fn number(text: &str) -> (usize, Option<f64>) {
    let bytes = text.as_bytes();
    if bytes.len() > 2 && bytes[0] == b'0' && bytes[1] | 0x20 == b'x' {
        let digits = text[2..]
            .find(|c: char| !c.is_ascii_hexdigit())
            .unwrap_or(text.len() - 2);
        let value = u64::from_str_radix(&text[2..2 + digits], 16);
        return (2 + digits, value.ok().map(|n| n as f64));
    }
    let digits = |from: usize| {
        text[from..]
            .find(|c: char| !c.is_ascii_digit() && c != '_')
            .map_or(text.len(), |n| from + n)
    };
    let mut end = digits(0);
    if text[end..].starts_with('.') {
        end = digits(end + 1);
    }
    if text[end..].starts_with(['e', 'E']) {
        let sign = usize::from(text[end + 1..].starts_with(['+', '-']));
        let exponent = digits(end + 1 + sign);
        if exponent > end + 1 + sign {
            end = exponent;
        }
    }
    (end, text[..end].replace('_', "").parse().ok())
}

/// The numbers that are words, in any case.
#[must_use]
pub fn number_word(word: &str) -> Option<f64> {
    if word.eq_ignore_ascii_case("inf") {
        Some(f64::INFINITY)
    } else if word.eq_ignore_ascii_case("nan") {
        Some(f64::NAN)
    } else {
        None
    }
}

/// A number as [`number`] and [`number_word`] read it back, behind a sign where it has one.
#[must_use]
pub fn number_text(number: f64) -> String {
    let magnitude = number.abs();
    if number.is_nan() {
        "NaN".into()
    } else if number.is_infinite() {
        if number > 0.0 { "Inf" } else { "-Inf" }.into()
    } else if magnitude != 0.0 && !(1e-6..1e21).contains(&magnitude) {
        format!("{number:e}")
    } else {
        number.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::{number, number_text, number_word};
    use proptest::prelude::*;

    #[test]
    fn numbers_end_where_they_end() {
        let check = |text: &str, length: usize, value: Option<f64>| {
            assert_eq!(number(text), (length, value), "{text:?}");
        };
        check("0", 1, Some(0.0));
        check("12)", 2, Some(12.0));
        check("1_000", 5, Some(1000.0));
        check(".5", 2, Some(0.5));
        check("1.", 2, Some(1.0));
        check("1e3 ", 3, Some(1000.0));
        check("1E-3", 4, Some(0.001));
        check("1e", 1, Some(1.0));
        check("1e+", 1, Some(1.0));
        check("0x1F", 4, Some(31.0));
        check("0x", 1, Some(0.0));
        check("0xg", 2, None);
        check("1..2", 2, Some(1.0));
        check("", 0, None);
        check("é", 0, None);
        check("1e400", 5, Some(f64::INFINITY));
        assert_eq!(number_word("InF"), Some(f64::INFINITY));
        assert!(number_word("nan").unwrap().is_nan());
        assert_eq!(number_word("infinity"), None);
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_reads_back(n in any::<f64>()) {
            let written = number_text(n);
            let bare = written.trim_start_matches('-');
            let value = number_word(bare).or_else(|| {
                let (end, value) = number(bare);
                (end == bare.len()).then_some(value).flatten()
            });
            let value = if written.starts_with('-') { -value.unwrap() } else { value.unwrap() };
            prop_assert!(value == n || value.is_nan() && n.is_nan(), "{} {}", written, value);
        }

        #[test]
        fn no_text_breaks_it(text in "[0-9xXeE._+é-]{0,12}") {
            let (end, _) = number(&text);
            prop_assert!(text.is_char_boundary(end));
        }
    }
}

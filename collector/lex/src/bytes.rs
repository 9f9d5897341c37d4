//! Sizes in bytes: `20KB` is 20,000, `5MiB` is 5,242,880, in any case of letters.

/// Units and their bytes; what is written takes the first that divides it.
const UNITS: [(&str, u64); 11] = [
    ("PiB", 1 << 50),
    ("PB", 1_000_000_000_000_000),
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1000),
    ("B", 1),
];

/// The largest size: what is above is no size.
const BYTES_MAX: f64 = 18_446_744_073_709_551_615.0;

/// The length of a size with its unit at the start of `text`, and its whole bytes. The `B` may
/// be missing behind a prefix.
#[must_use]
pub fn byte_size(text: &str) -> Option<(usize, f64)> {
    let is_number = |c: char| c.is_ascii_digit() || c == '.';
    let digits = text.find(|c| !is_number(c))?;
    let number: f64 = text[..digits].parse().ok()?;
    let rest = &text[digits..];
    let letters = rest.find(|c: char| !c.is_ascii_alphabetic());
    let letters = &rest[..letters.unwrap_or(rest.len())];
    let means = |unit: &str| {
        let short = unit.strip_suffix('B').unwrap_or(unit);
        letters.eq_ignore_ascii_case(unit)
            || (!short.is_empty() && letters.eq_ignore_ascii_case(short))
    };
    let (_, unit) = UNITS.into_iter().find(|(unit, _)| means(unit))?;
    let bytes = (number * unit as f64).trunc();
    (bytes < BYTES_MAX).then_some((digits + letters.len(), bytes))
}

/// Whole bytes as [`byte_size`] reads them back.
#[must_use]
pub fn byte_size_text(bytes: f64) -> String {
    let divides = |unit: u64| bytes >= unit as f64 && bytes % unit as f64 == 0.0;
    let found = UNITS.into_iter().find(|(_, unit)| divides(*unit));
    match found {
        Some((unit, size)) => format!("{}{unit}", bytes / size as f64),
        None => format!("{bytes}B"),
    }
}

#[cfg(test)]
mod tests {
    use super::{byte_size, byte_size_text};
    use proptest::prelude::*;

    #[test]
    fn units_are_of_a_thousand_or_of_1024() {
        let check = |text: &str, bytes: f64| {
            assert_eq!(byte_size(text), Some((text.len(), bytes)), "{text:?}");
        };
        check("20KB", 20_000.0);
        check("20kb", 20_000.0);
        check("5MiB", 5_242_880.0);
        check("5mib", 5_242_880.0);
        check("1.5k", 1500.0);
        check("2Gi", 2_147_483_648.0);
        check("42B", 42.0);
        check("1.5B", 1.0);
        check("1PB", 1e15);
        for text in [
            "5",
            "5s",
            "B",
            "",
            "5 KB",
            "5EB",
            "1..5KB",
            "99999999PiB",
            "5é",
        ] {
            assert_eq!(byte_size(text), None, "{text:?}");
        }
    }

    #[test]
    fn written_sizes_are_short() {
        let check = |bytes: f64, expected: &str| assert_eq!(byte_size_text(bytes), expected);
        check(0.0, "0B");
        check(20_000.0, "20KB");
        check(5_242_880.0, "5MiB");
        check(1500.0, "1500B");
        check(1_500_000.0, "1500KB");
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_written_reads_back(bytes in any::<u64>(), shift in 11u32..64, unit in 0usize..11) {
            let bytes = ((bytes >> shift) as f64 * super::UNITS[unit].1 as f64).min(1e15);
            let text = byte_size_text(bytes);
            prop_assert_eq!(byte_size(&text), Some((text.len(), bytes)), "{}", text);
        }
    }
}

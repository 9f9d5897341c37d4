//! Texts that are numbers, durations, sizes or addresses.

use std::net::IpAddr;

/// Nanoseconds of a duration as Go writes it: `1h30m`, `1.5s`, `-250ms`.
pub(crate) fn duration(text: &str) -> Option<f64> {
    let (sign, unsigned) = match text.as_bytes().first()? {
        b'-' => (-1.0, &text[1..]),
        b'+' => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if unsigned == "0" {
        return Some(0.0);
    }
    let mut rest = unsigned;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let end = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        nanos += number
            * match &rest[..end] {
                "ns" => 1.0,
                "us" | "µs" | "μs" => 1e3,
                "ms" => 1e6,
                "s" => 1e9,
                "m" => 60e9,
                "h" => 3600e9,
                _ => return None,
            };
        rest = &rest[end..];
    }
    (!unsigned.is_empty()).then_some(sign * nanos)
}

/// Bytes of a size: `42 MB`, `1.5KiB`, `512`.
pub(crate) fn bytes(text: &str) -> Option<f64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let unit = match text[end..].trim().to_lowercase().as_str() {
        "" | "b" => 1.0,
        "k" | "kb" => 1e3,
        "m" | "mb" => 1e6,
        "g" | "gb" => 1e9,
        "t" | "tb" => 1e12,
        "ki" | "kib" => 1024.0,
        "mi" | "mib" => 1024.0 * 1024.0,
        "gi" | "gib" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    Some((number * unit).trunc())
}

/// A number.
pub(crate) fn number(text: &str) -> Option<f64> {
    text.parse().ok()
}

/// Whether an address of a range stands in a text: `a`, `a-b` or `a/n`.
pub(crate) fn has_address(text: &[u8], range: &str) -> bool {
    let text = String::from_utf8_lossy(text);
    let v4 = |c: char| c.is_ascii_digit() || c == '.';
    let v6 = |c: char| c.is_ascii_hexdigit() || c == '.' || c == ':';
    let words = text.split(|c| !v4(c)).chain(text.split(|c| !v6(c)));
    let mut found = words.filter_map(|word| word.parse::<IpAddr>().ok());
    found.any(|address| is_within(address, range))
}

fn is_within(address: IpAddr, range: &str) -> bool {
    let number = |a: IpAddr| match a {
        IpAddr::V4(a) => u128::from(u32::from(a)),
        IpAddr::V6(a) => u128::from(a),
    };
    let same_kind = |a: IpAddr| a.is_ipv4() == address.is_ipv4();
    if let Some((low, high)) = range.split_once('-') {
        let (Ok(low), Ok(high)) = (low.trim().parse::<IpAddr>(), high.trim().parse::<IpAddr>())
        else {
            return false;
        };
        let between = number(low) <= number(address) && number(address) <= number(high);
        return same_kind(low) && between;
    }
    if let Some((base, bits)) = range.split_once('/') {
        let (Ok(base), Ok(bits)) = (base.parse::<IpAddr>(), bits.parse::<u32>()) else {
            return false;
        };
        let width = if base.is_ipv4() { 32 } else { 128 };
        let shift = width - bits;
        let head = |a: IpAddr| number(a).checked_shr(shift).unwrap_or(0);
        return same_kind(base) && head(base) == head(address);
    }
    range.parse() == Ok(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        assert_eq!(duration("1h2m"), Some(3720e9));
        assert_eq!(duration("900µs"), Some(900e3));
        assert_eq!(duration("12"), None);
        assert_eq!(duration("slow"), None);
        assert_eq!(bytes("42 MB"), Some(42e6));
        assert_eq!(bytes("1.5GB"), Some(1.5e9));
        assert_eq!(bytes("5MiB"), Some(5.0 * 1024.0 * 1024.0));
        assert_eq!(bytes("huge"), None);
        assert_eq!(number("12ms"), None);
    }

    #[test]
    fn addresses_are_found_in_their_ranges() {
        assert!(has_address(b"x 10.0.0.1:80 y", "10.0.0.0/8"));
        assert!(has_address(b"[2001:db8::1]", "2001:db8::/32"));
        assert!(has_address(b"192.168.4.5", "192.168.4.1-192.168.4.9"));
        assert!(!has_address(b"192.168.4.55", "192.168.4.5"));
        assert!(!has_address(b"::1", "0.0.0.0/0"));
    }
}

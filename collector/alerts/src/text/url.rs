//! Percent signs and base64, as URLs carry them.

use crate::notify::base64;

/// Undoes the escaping of a query: `%41` and `+`.
pub(super) fn unescape(text: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        bytes.push(match first {
            b'+' => b' ',
            b'%' => {
                let byte = after.get(..2).and_then(hex_byte);
                rest = after.get(2..).unwrap_or_default();
                byte.ok_or_else(|| format!("invalid URL escape in {text:?}"))?
            }
            other => *other,
        });
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    if !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// RFC 4648 with the URL-safe alphabet, padded.
pub(super) fn base64_encode(text: &str) -> String {
    base64(text.as_bytes()).replace('+', "-").replace('/', "_")
}

/// The reverse of [`base64_encode`].
pub(super) fn base64_decode(text: &str) -> Result<String, String> {
    let bad = || format!("{text:?} is no URL-safe base64");
    let bare = text.trim_end_matches('=');
    if !text.len().is_multiple_of(4) || text.len() - bare.len() > 2 {
        return Err(bad());
    }
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0u32, 0u32);
    for digit in bare.bytes() {
        let six = match digit {
            b'A'..=b'Z' => digit - b'A',
            b'a'..=b'z' => digit - b'a' + 26,
            b'0'..=b'9' => digit - b'0' + 52,
            b'-' => 62,
            b'_' => 63,
            _ => return Err(bad()),
        };
        held = (held << 6 | u32::from(six)) & 0xffff;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits & 0xff) as u8);
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

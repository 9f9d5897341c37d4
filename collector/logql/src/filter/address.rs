//! Addresses in a line: `ip("192.168.0.0/16")`.
//!
//! An address is looked for wherever a run of its characters could be one: digits and points
//! after something like `1.`, `12.` or `123.`; hexadecimal digits, colons and points after
//! something like `fe80:` or `::1`. A run that is no address as a whole is none at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// One address, a range `a-b`, or a prefix `a/n`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AddressRange {
    first: IpAddr,
    last: IpAddr,
}

impl AddressRange {
    /// Reads an address, `first-last` or `address/bits`.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let refused = || {
            format!(
                "{text:?} is no address: write one address, a range \"10.0.0.1-10.0.0.9\" or a prefix \"10.0.0.0/8\""
            )
        };
        let text = text.trim();
        if let Ok(only) = text.parse::<IpAddr>() {
            return Ok(Self {
                first: only,
                last: only,
            });
        }
        if let Some((address, bits)) = text.split_once('/') {
            return prefix(address, bits).ok_or_else(refused);
        }
        let (first, last) = text.split_once('-').ok_or_else(refused)?;
        let (Ok(first), Ok(last)) = (first.trim().parse(), last.trim().parse()) else {
            return Err(refused());
        };
        let range = Self { first, last };
        if first.is_ipv4() != last.is_ipv4() || first > last {
            return Err(format!(
                "{text:?} is no range: its first address must not be above its last, and both of one family"
            ));
        }
        Ok(range)
    }

    /// Whether one of the addresses in the line is in the range.
    pub(crate) fn is_in(&self, line: &[u8]) -> bool {
        let (mut at, mut mark) = (0, 0);
        loop {
            // A point or a colon stands at most four characters behind the first of an address.
            if mark < at || at == 0 {
                let next = line
                    .get(at..)
                    .and_then(|rest| memchr::memchr2(b'.', b':', rest));
                let Some(next) = next else {
                    return false;
                };
                mark = at + next;
            }
            at = at.max(mark.saturating_sub(4));
            let rest = &line[at..];
            let run = if may_begin_v4(rest) {
                span(rest, is_v4_byte)
            } else if may_begin_v6(rest) {
                span(rest, is_v6_byte)
            } else {
                at += 1;
                continue;
            };
            if address(&rest[..run]).is_some_and(|found| self.contains(found)) {
                return true;
            }
            at += run + 1;
        }
    }

    /// The same without a leap over what begins no address.
    #[cfg(test)]
    pub(super) fn is_in_plainly(&self, line: &[u8]) -> bool {
        let mut at = 0;
        while at < line.len() {
            let rest = &line[at..];
            let run = if may_begin_v4(rest) {
                span(rest, is_v4_byte)
            } else if may_begin_v6(rest) {
                span(rest, is_v6_byte)
            } else {
                at += 1;
                continue;
            };
            if address(&rest[..run]).is_some_and(|found| self.contains(found)) {
                return true;
            }
            at += run + 1;
        }
        false
    }

    /// The text that every line with an address of the range contains: an IPv4 address is
    /// written in one way only.
    pub(crate) fn only_spelling(&self) -> Option<String> {
        (self.first == self.last && self.first.is_ipv4()).then(|| self.first.to_string())
    }

    fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && self.first <= address && address <= self.last
    }
}

fn prefix(address: &str, bits: &str) -> Option<AddressRange> {
    if bits.is_empty() || !bits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bits: u32 = bits.parse().ok()?;
    let (first, last): (IpAddr, IpAddr) = match address.parse().ok()? {
        IpAddr::V4(address) => {
            let free = low_bits(32_u32.checked_sub(bits)?);
            #[expect(clippy::cast_possible_truncation, reason = "at most 32 bits are set")]
            let free = free as u32;
            let fixed = u32::from(address) & !free;
            (
                Ipv4Addr::from(fixed).into(),
                Ipv4Addr::from(fixed | free).into(),
            )
        }
        IpAddr::V6(address) => {
            let free = low_bits(128_u32.checked_sub(bits)?);
            let fixed = u128::from(address) & !free;
            (
                Ipv6Addr::from(fixed).into(),
                Ipv6Addr::from(fixed | free).into(),
            )
        }
    };
    Some(AddressRange { first, last })
}

fn low_bits(count: u32) -> u128 {
    match count {
        0 => 0,
        count => u128::MAX >> (128 - count.min(128)),
    }
}

/// The address that a whole run is.
fn address(run: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(run).ok()?.parse().ok()
}

/// A digit with a point one to three characters behind it.
fn may_begin_v4(rest: &[u8]) -> bool {
    rest.first().is_some_and(u8::is_ascii_digit) && rest[1..rest.len().min(4)].contains(&b'.')
}

/// One to four hexadecimal digits and a colon, or two colons and a digit.
fn may_begin_v6(rest: &[u8]) -> bool {
    if rest.starts_with(b"::") {
        return rest.get(2).is_some_and(u8::is_ascii_hexdigit);
    }
    let digits = span(&rest[..rest.len().min(5)], |b| b.is_ascii_hexdigit());
    (1..=4).contains(&digits) && rest.get(digits) == Some(&b':')
}

fn is_v4_byte(byte: u8) -> bool {
    byte.is_ascii_digit() || byte == b'.'
}

fn is_v6_byte(byte: u8) -> bool {
    byte.is_ascii_hexdigit() || byte == b':' || byte == b'.'
}

fn span(bytes: &[u8], belongs: impl Fn(u8) -> bool) -> usize {
    bytes
        .iter()
        .position(|b| !belongs(*b))
        .unwrap_or(bytes.len())
}

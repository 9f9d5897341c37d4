//! What a span is, in eleven bytes: enough to say of most spans that they cannot match.
//!
//! A code narrows and never decides: service and name are hashes, and a duration is rounded
//! down to about a thousandth of itself, in an order that comparisons keep.

use crate::raw::Shell;
use crate::token::{self, Kind};
use sonde_proto::walk;

/// The code of one span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct SpanCode {
    pub(crate) service: u32,
    pub(crate) name: u32,
    pub(crate) nanos: u16,
    /// Status in the lowest two bits, kind in the next three.
    pub(crate) flags: u8,
}

/// What codes of spans are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodeNeeds {
    pub(crate) service: Option<u32>,
    pub(crate) name: Option<u32>,
    /// The lowest and the highest.
    pub(crate) nanos: (u16, u16),
    /// Which bits of the flags matter, and what they must be.
    pub(crate) flags: (u8, u8),
}

const STATUS_BITS: u8 = 0b11;
const KIND_BITS: u8 = 0b1_1100;

impl Default for CodeNeeds {
    fn default() -> Self {
        Self {
            service: None,
            name: None,
            nanos: (0, u16::MAX),
            flags: (0, 0),
        }
    }
}

impl CodeNeeds {
    /// Whether every span will do.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    pub(crate) fn need_status(&mut self, status: u64) {
        self.flags.0 |= STATUS_BITS;
        self.flags.1 |= flags(status, 0);
    }

    pub(crate) fn need_kind(&mut self, kind: u64) {
        self.flags.0 |= KIND_BITS;
        self.flags.1 |= flags(0, kind);
    }

    /// Whether a span of this code may be one that is asked for.
    pub(crate) fn may_be(&self, code: &SpanCode) -> bool {
        self.service.is_none_or(|service| service == code.service)
            && self.name.is_none_or(|name| name == code.name)
            && (self.nanos.0..=self.nanos.1).contains(&code.nanos)
            && code.flags & self.flags.0 == self.flags.1
    }
}

/// The service of a resource, by its code.
pub(crate) fn of_resource(resource: &Shell) -> u32 {
    let name = token::of_resource(resource, &[], &mut Vec::new());
    service(&name).unwrap_or(0)
}

/// Status and kind of a span.
pub(crate) fn of_span(span: &[u8]) -> u8 {
    walk::span(span).map_or(0, |span| flags_of(&span))
}

/// The same of one that is read.
pub(crate) fn flags_of(span: &walk::Span<'_>) -> u8 {
    let number = |n: i32| u64::try_from(n).unwrap_or(0);
    flags(number(span.status_code), number(span.kind))
}

/// Status and kind of flags.
pub(crate) fn parts(flags: u8) -> (usize, usize) {
    let kind = (flags & KIND_BITS) >> KIND_BITS.trailing_zeros();
    (usize::from(flags & STATUS_BITS), usize::from(kind))
}

/// Status and kind; those that OTLP does not know are as unset ones.
pub(crate) fn flags(status: u64, kind: u64) -> u8 {
    let known = |n: u64, most: u64| if n <= most { n as u8 } else { 0 };
    known(status, 2) | known(kind, 5) << 2
}

/// A service by its code; `None` where it is too long to be asked for.
pub(crate) fn service(name: &str) -> Option<u32> {
    token::token(Kind::Service, "", name.as_bytes()).map(upper)
}

/// A span's name by its code; `None` where it is too long to be asked for.
pub(crate) fn name(name: &str) -> Option<u32> {
    token::token(Kind::Operation, "", name.as_bytes()).map(upper)
}

/// What of a token is in a code.
pub(crate) fn upper(token: u64) -> u32 {
    (token >> 32) as u32
}

/// A duration rounded down to eleven bits: never more for less.
pub(crate) fn nanos(nanos: u64) -> u16 {
    let bits = 63 - (nanos | 1).leading_zeros();
    let shift = bits.saturating_sub(10);
    (shift << 10) as u16 + (nanos >> shift) as u16
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
        #[test]
        fn durations_keep_their_order(a in 0_u32..64, b in any::<u64>(), c in any::<u64>()) {
            let (b, c) = (b >> a, c >> a);
            prop_assert_eq!(nanos(b.min(c)).max(nanos(b.max(c))), nanos(b.max(c)));
            // A thousandth more is another code.
            if let Some(more) = b.checked_add(b / 512 + 1) {
                prop_assert!(nanos(more) > nanos(b));
            }
        }
    }

    #[test]
    fn every_duration_has_a_code() {
        assert_eq!((nanos(0), nanos(1), nanos(2047)), (0, 1, 2047));
        assert_eq!((nanos(2048), nanos(2049), nanos(2050)), (2048, 2048, 2049));
        assert_eq!(nanos(u64::MAX), 53 * 1024 + 2047);
    }

    #[test]
    fn flags_are_asked_for_one_by_one() {
        let code = SpanCode {
            flags: flags(2, 3),
            ..SpanCode::default()
        };
        let with = |status: Option<u64>, kind: Option<u64>| {
            let mut needs = CodeNeeds::default();
            status.into_iter().for_each(|n| needs.need_status(n));
            kind.into_iter().for_each(|n| needs.need_kind(n));
            needs.may_be(&code)
        };
        assert!(with(None, None) && with(Some(2), None) && with(None, Some(3)));
        assert!(with(Some(2), Some(3)));
        assert!(!with(Some(1), Some(3)) && !with(Some(2), Some(0)) && !with(Some(0), None));
        assert_eq!(flags(77, 99), 0);
    }
}

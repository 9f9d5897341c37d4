//! How many spans a span stands for, and sums of that.
//!
//! An SDK that samples with a known probability says so in the span's trace state, as
//! OpenTelemetry's `ot=th:HEX`: a threshold T of 56 bits, of which trailing zeros may be left
//! out (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>).
//! A span is kept when its randomness, 56 bits too, is at least T. So it stands for
//!
//! ```text
//! weight = 2^56 / (2^56 - T)        th:0 → 1   th:8 → 2   th:c → 4   th:aaaaaaaaaaaaaa → 3
//! ```
//!
//! spans. A weight need not be whole, and counters of OTLP are: a [`Count`] keeps 32 binary
//! digits behind the point, and what is told is rounded down once, where it is told. What
//! was rounded off is not lost, but told with later spans.
//!
//! Invariants: without a threshold a span weighs exactly 1; a count never decreases and
//! stops at the largest number instead of beginning again.

use serde::{Deserialize, Serialize};

/// How many spans there are, or a span stands for: whole ones and 2^-32ths of one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub(crate) struct Count {
    whole: u64,
    fraction: u32,
}

/// As it stands in a snapshot: a number, or a number and its fraction.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Whole(u64),
    Parts(u64, u32),
}

const DIGITS_MAX: usize = 14;

impl Count {
    /// One span that was not sampled.
    pub(crate) const ONE: Self = Self {
        whole: 1,
        fraction: 0,
    };

    /// What a span with this trace state stands for. One that says nothing that can be
    /// understood stands for itself.
    pub(crate) fn of_trace_state(state: &str) -> Self {
        if state.is_empty() {
            return Self::ONE;
        }
        threshold(state).map_or(Self::ONE, |threshold| {
            let kept = (1_u128 << 56) - u128::from(threshold);
            Self::of_fixed(((1_u128 << 88) + kept / 2) / kept)
        })
    }

    /// Adds to the count.
    pub(crate) fn add(&mut self, other: Self) {
        let (fraction, carry) = self.fraction.overflowing_add(other.fraction);
        let whole = self.whole.checked_add(other.whole);
        match whole.and_then(|whole| whole.checked_add(u64::from(carry))) {
            Some(whole) => (self.whole, self.fraction) = (whole, fraction),
            None => (self.whole, self.fraction) = (u64::MAX, u32::MAX),
        }
    }

    /// The whole spans.
    pub(crate) fn whole(self) -> u64 {
        self.whole
    }

    /// So many times this, rounded to the nearest.
    pub(crate) fn times(self, factor: u64) -> u128 {
        let fraction = u128::from(self.fraction) * u128::from(factor) + (1 << 31);
        u128::from(self.whole) * u128::from(factor) + (fraction >> 32)
    }

    fn of_fixed(fixed: u128) -> Self {
        Self {
            whole: u64::try_from(fixed >> 32).unwrap_or(u64::MAX),
            fraction: (fixed & u128::from(u32::MAX)) as u32,
        }
    }
}

/// The threshold of OpenTelemetry's part of a trace state; below 2^56.
fn threshold(state: &str) -> Option<u64> {
    let member = state
        .split(',')
        .find_map(|member| member.trim().strip_prefix("ot="))?;
    let digits = member
        .split(';')
        .find_map(|field| field.trim().strip_prefix("th:"))?;
    let hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.is_empty() || digits.len() > DIGITS_MAX || !digits.bytes().all(hex) {
        return None;
    }
    let value = u64::from_str_radix(digits, 16).ok()?;
    Some(value << (4 * (DIGITS_MAX - digits.len())))
}

impl From<Written> for Count {
    fn from(written: Written) -> Self {
        match written {
            Written::Whole(whole) => Self { whole, fraction: 0 },
            Written::Parts(whole, fraction) => Self { whole, fraction },
        }
    }
}

impl From<Count> for Written {
    fn from(count: Count) -> Self {
        match count.fraction {
            0 => Self::Whole(count.whole),
            fraction => Self::Parts(count.whole, fraction),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: &str, whole: u64, fraction: u32) {
        assert_eq!(
            Count::of_trace_state(state),
            Count { whole, fraction },
            "{state}"
        );
    }

    #[test]
    fn a_threshold_says_how_many_spans_one_stands_for() {
        check("", 1, 0);
        check("ot=th:0", 1, 0);
        check("ot=th:8", 2, 0);
        check("ot=th:c", 4, 0);
        check("vendor=x, ot=rv:6e6d1a75832a2f;th:fd70a4", 100, 409_600);
        check("ot=th:aaaaaaaaaaaaab", 3, 0);
        check("ot=th:4", 1, 1_431_655_765);
        check("ot=th:ffffffffffffff", 1 << 56, 0);
    }

    #[test]
    fn what_is_no_threshold_weighs_one() {
        for state in [
            "ot",
            "ot=",
            "ot=th:",
            "ot=th:g",
            "ot=th:C",
            "ot=th:-1",
            "ot=th:000000000000000",
            "other=th:8",
            "ot=rv:8",
            "ot=p:8;r:62",
            "\u{e9}=1,\u{e9}",
        ] {
            check(state, 1, 0);
        }
    }

    #[test]
    fn thirds_add_up_and_the_largest_count_stays() {
        let third_more = Count::of_trace_state("ot=th:4");
        let mut sum = Count::default();
        for _ in 0..3_000_000 {
            sum.add(third_more);
        }
        // Two bits of each rounded off: less than a thousandth of one.
        assert_eq!(sum.whole(), 3_999_999);
        sum.add(Count {
            whole: 0,
            fraction: 1 << 22,
        });
        assert_eq!(sum.whole(), 4_000_000);
        let mut full = Count {
            whole: u64::MAX,
            fraction: 7,
        };
        full.add(Count::ONE);
        full.add(third_more);
        assert_eq!(full.whole(), u64::MAX);
        assert_eq!(third_more.times(3), 4);
        assert_eq!(Count::ONE.times(u64::MAX), u128::from(u64::MAX));
    }
}

//! Chance that is the same for all spans of a trace, and everywhere a trace is judged.
//!
//! W3C asks that the last 56 bits of a trace ID be random, and OpenTelemetry takes them as the
//! trace's randomness unless its trace state says otherwise, `ot=rv:` and 14 hex digits
//! (<https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/>). A trace
//! is kept when its randomness is at least a threshold. So what one sampler keeps of a tenth
//! is among what another keeps of a fifth, and a trace of which an SDK kept a fifth already is
//! kept here at a tenth of all, not at a tenth of these.

use crate::raw::RawSpan;
use crate::wire::{Field, fields};
use sonde_proto::TraceId;

const BITS: u32 = 56;
const DIGITS: usize = 14;
const TRACE_STATE: u64 = 3;

/// From which randomness on a share of the traces is kept.
pub(super) fn threshold(percent: f64) -> u64 {
    let all = 1_u64 << BITS;
    let kept = (percent / 100.0).clamp(0.0, 1.0) * all as f64;
    all - (kept.round() as u64).min(all)
}

/// The randomness of a trace with some spans.
pub(super) fn randomness(id: &TraceId, spans: &[RawSpan]) -> u64 {
    spans.iter().find_map(said).unwrap_or_else(|| {
        let bytes = id.as_bytes()[9..].iter();
        bytes.fold(0, |all, byte| all << 8 | u64::from(*byte))
    })
}

/// What the span's trace state says.
fn said(span: &RawSpan) -> Option<u64> {
    let mut state = None;
    for field in fields(&span.bytes) {
        if let Ok((TRACE_STATE, Field::Bytes(bytes))) = field {
            state = Some(bytes);
        }
    }
    of_trace_state(std::str::from_utf8(state?).ok()?)
}

fn of_trace_state(state: &str) -> Option<u64> {
    let mut members = state.split(',');
    let member = members.find_map(|member| member.trim().strip_prefix("ot="))?;
    let mut parts = member.split(';');
    let digits = parts.find_map(|part| part.trim().strip_prefix("rv:"))?;
    let is_hex = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    if digits.len() != DIGITS || !digits.bytes().all(is_hex) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_thresholds() {
        assert_eq!(threshold(100.0), 0);
        assert_eq!(threshold(50.0), 1 << 55);
        assert_eq!(threshold(25.0), 3 << 54);
        assert_eq!(threshold(0.0), 1 << 56);
        // The least share there is keeps one of 2^56.
        assert_eq!(threshold(100.0 / (1_u64 << 56) as f64), (1 << 56) - 1);
    }

    #[test]
    fn randomness_is_what_is_said_or_the_end_of_the_id() {
        let id = TraceId::from_hex("ffffffffffffffffff0123456789abcd").unwrap();
        assert_eq!(randomness(&id, &[]), 0x0001_2345_6789_abcd);
        let check = |state: &str, expected| assert_eq!(of_trace_state(state), expected, "{state}");
        check("ot=rv:6e6d1a75832a2f", Some(0x006e_6d1a_7583_2a2f));
        check("vendor=x, ot=th:8;rv:00000000000001", Some(1));
        check("ot=rv:6e6d1a75832a2", None);
        check("ot=rv:6e6d1a75832a2F", None);
        check("ot=th:8", None);
        check("other=rv:6e6d1a75832a2f", None);
        check("", None);
    }
}

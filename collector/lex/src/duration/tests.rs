//! Durations read and written.

use super::*;
use proptest::prelude::*;

#[test]
fn prometheus_units_stand_in_their_order() {
    let check = |text: &str, expected: Option<(usize, Option<i64>)>| {
        assert_eq!(prometheus_duration(text), expected, "{text:?}");
    };
    check("5m", Some((2, Some(300_000))));
    check("1d12h]", Some((5, Some(129_600_000))));
    check("1y2w3d4h5m6s7ms", Some((15, Some(33_019_506_007))));
    check("5", None);
    check("", None);
    check("m", None);
    check("5x", None);
    check("1m1h", None);
    check("1h1h", None);
    check("1.5h", None);
    check("5µs", None);
    check("99999999999999999999s", Some((21, None)));
    check("9223372036854775807y", Some((20, None)));
}

#[test]
fn gos_have_fractions_and_small_units() {
    let check = |text: &str, expected: Option<(usize, Option<i64>)>| {
        assert_eq!(go_duration(text), expected, "{text:?}");
    };
    check("1h30m", Some((5, Some(5_400_000_000_000))));
    check("1.5s", Some((4, Some(1_500_000_000))));
    check(".5s", Some((3, Some(500_000_000))));
    check("1.s", Some((3, Some(1_000_000_000))));
    check("100ms", Some((5, Some(100_000_000))));
    check("3µs", Some((4, Some(3_000))));
    check("3\u{3bc}s", Some((4, Some(3_000))));
    check("3us", Some((3, Some(3_000))));
    check("7ns)", Some((3, Some(7))));
    check("0.1234567891234567891234s", Some((25, Some(123_456_789))));
    check("1m1h", Some((4, Some(3_660_000_000_000))));
    check(".s", None);
    check("1d", None);
    check("1.5", None);
    check("2540400h", Some((8, Some(9_145_440_000_000_000_000))));
    check("9540400h", Some((8, None)));
}

#[test]
fn either_kind_is_a_duration() {
    let check = |text: &str, nanos: i64| {
        assert_eq!(duration(text), Some((text.len(), Some(nanos))), "{text:?}");
    };
    check("1d", 86_400_000_000_000);
    check("1h30m", 5_400_000_000_000);
    check("1.5h", 5_400_000_000_000);
    check("1s500us", 1_000_500_000);
    assert_eq!(duration("1d5us"), None);
    assert_eq!(duration("300y"), Some((4, None)));
}

#[test]
fn written_durations_are_short() {
    let check = |nanos: i64, expected: &str| {
        assert_eq!(duration_text(nanos), expected);
    };
    check(0, "0s");
    check(300_000_000_000, "5m");
    check(5_400_000_000_000, "1h30m");
    check(86_400_000_000_000, "1d");
    check(129_600_000_000_000, "36h");
    check(14 * 86_400_000_000_000, "2w");
    check(-1_500_000_000, "-1s500ms");
    check(1_000_500_000, "1s500us");
    check(7, "7ns");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_reads_back(nanos in any::<i64>(), shift in 0u32..63, coarse in any::<bool>()) {
        let unit = if coarse { MILLISECOND } else { 1 };
        let nanos = (nanos >> shift) / unit * unit;
        prop_assume!(nanos != i64::MIN);
        let text = duration_text(nanos);
        let bare = text.trim_start_matches('-');
        prop_assert_eq!(duration(bare), Some((bare.len(), Some(nanos.abs()))), "{}", text);
    }

    #[test]
    fn no_text_breaks_it(text in "[0-9.]{0,4}[a-zµμ.0-9]{0,12}") {
        for (end, _) in [duration(&text), go_duration(&text)].into_iter().flatten() {
            prop_assert!(text.is_char_boundary(end));
        }
    }
}

//! Numbers as Go has them.

use super::{NAN, bound, read, read_seconds, write};
use proptest::prelude::*;

fn written(number: f64, point: bool) -> String {
    let mut out = Vec::new();
    write(&mut out, number, point);
    String::from_utf8(out).unwrap()
}

#[test]
fn numbers_are_written_as_go_writes_them() {
    for (number, text) in [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (1493.0, "1493"),
        (491_520.0, "491520"),
        (999_999.0, "999999"),
        (1e6, "1e+06"),
        (1_445_225.0, "1.445225e+06"),
        (1.7e300, "1.7e+300"),
        (0.0001, "0.0001"),
        (0.00001, "1e-05"),
        (-2.5e-7, "-2.5e-07"),
        (0.1 + 0.2, "0.30000000000000004"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
        (f64::NAN, "NaN"),
        (5e-324, "5e-324"),
    ] {
        assert_eq!(written(number, false), text);
    }
    assert_eq!(written(1.0, true), "1.0");
    assert_eq!(written(1e6, true), "1e+06");
    assert_eq!(written(0.25, true), "0.25");
}

#[test]
fn what_go_reads_as_a_number_is_one() {
    for (text, number) in [
        ("0", 0.0),
        ("007", 7.0),
        ("-1.5e+3", -1500.0),
        (".5", 0.5),
        ("5.", 5.0),
        ("+Inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
        ("Infinity", f64::INFINITY),
        ("123456789012345", 123_456_789_012_345.0),
        ("18446744073709551616", 18_446_744_073_709_551_616.0),
    ] {
        assert_eq!(read(text), Some(number), "{text}");
    }
    for text in ["NaN", "nan"] {
        assert_eq!(read(text).map(f64::to_bits), Some(NAN.to_bits()));
    }
    for text in [
        "", "-", ".", "1_000", "0x10", "0x1p4", "1e", "1e999", "-1e999", "+nan", "-NaN", "١", "1 ",
    ] {
        assert_eq!(read(text), None, "{text}");
    }
}

#[test]
fn seconds_are_read_to_the_millisecond() {
    for (text, millis) in [
        ("0", 0),
        ("1.001", 1_001),
        ("1520879607.789", 1_520_879_607_789),
        ("-1.5", -1_500),
        ("1.9999", 1_999),
        ("1.", 1_000),
        ("1.52e+09", 1_520_000_000_000),
        ("9223372036854775.807", i64::MAX),
        ("-9223372036854775.808", i64::MIN),
    ] {
        assert_eq!(read_seconds(text), Some(millis), "{text}");
    }
    for text in [
        "",
        "-",
        "NaN",
        "+Inf",
        "1e300",
        "9223372036854775.808",
        "soon",
    ] {
        assert_eq!(read_seconds(text), None, "{text}");
    }
}

#[test]
fn bounds_are_written_as_openmetrics_writes_them() {
    for (text, expected) in [
        ("1", "1.0"),
        ("0", "0.0"),
        ("-0", "0.0"),
        ("0.50", "0.5"),
        ("0.5", "0.5"),
        ("0.00001", "1e-05"),
        ("0.0001", "0.0001"),
        ("1000000", "1e+06"),
        ("123456.0", "123456.0"),
        ("1e3", "1000.0"),
        ("inf", "+Inf"),
        ("+Inf", "+Inf"),
        ("much", "much"),
        ("", ""),
    ] {
        assert_eq!(bound(text), expected, "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_written_number_is_read_back(bits: u64, point: bool) {
        let number = f64::from_bits(bits);
        let back = read(&written(number, point)).unwrap();
        prop_assert!(back.to_bits() == bits || number.is_nan());
    }

    #[test]
    fn a_bound_is_the_same_number_and_stays_when_written_again(text in "[0-9]{1,7}(\\.[0-9]{1,10})?(e[+-]?[0-9]{1,2})?") {
        let once = bound(&text).into_owned();
        let number: f64 = text.parse().unwrap();
        prop_assert_eq!(read(&once), Some(number));
        prop_assert_eq!(bound(&once).into_owned(), once.clone());
        let mut plain = Vec::new();
        write(&mut plain, number, true);
        prop_assert_eq!(once.into_bytes(), plain);
    }
}

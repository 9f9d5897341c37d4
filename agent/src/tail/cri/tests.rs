//! Container lines, well and badly formed.

use super::*;

#[test]
fn a_line_is_taken_apart() {
    let line = parse(b"1970-01-02T00:00:01.5Z stderr P abc d").unwrap();
    let expected = CriLine {
        time: 86_401_500_000_000,
        stream: Stream::Stderr,
        partial: true,
        text: b"abc d",
    };
    assert_eq!(line, expected);
}

#[test]
fn times_are_read_in_every_form_that_runtimes_write() {
    let check = |text: &str, expected: u64| {
        assert_eq!(time(text.as_bytes()), Some((expected, &b""[..])), "{text}");
    };
    check("2000-03-01T00:00:00Z", 951_868_800_000_000_000);
    check("2024-02-29T23:59:59.999999999Z", 1_709_251_199_999_999_999);
    check(
        "2026-08-21T10:11:12.000000001+02:00",
        1_787_299_872_000_000_001,
    );
    check("2026-08-21T01:41:12.1-06:30", 1_787_299_872_100_000_000);
}

#[test]
fn empty_text_and_further_tags_are_allowed() {
    let text = |line: &str| parse(line.as_bytes()).map(|l| l.text.to_vec());
    assert_eq!(text("1970-01-02T00:00:01Z stdout F "), Some(b"".to_vec()));
    assert_eq!(text("1970-01-02T00:00:01Z stdout F"), Some(b"".to_vec()));
    assert_eq!(
        text("1970-01-02T00:00:01Z stdout F:x:y z"),
        Some(b"z".to_vec())
    );
}

#[test]
fn whatever_is_not_of_this_form_is_refused() {
    for line in [
        "",
        "x",
        "1970-01-02T00:00:01Z",
        "1970-01-02T00:00:01Z stdlog F a",
        "1970-01-02T00:00:01Z stdout X a",
        "1970-13-02T00:00:01Z stdout F a",
        "1970-01-02 00:00:01Z stdout F a",
        "1960-01-02T00:00:01Z stdout F a",
        "1970-01-02T00:00:01.Z stdout F a",
        "1970-01-02T00:00:01 stdout F a",
        "1970-01-02T00:00:01+2:00 stdout F a",
    ] {
        assert_eq!(parse(line.as_bytes()), None, "{line}");
    }
}

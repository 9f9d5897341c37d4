//! Tests of durations.

use super::*;

#[test]
fn durations_are_read_as_prometheus_writes_them() {
    let check = |text: &str, millis: u64| {
        assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
    };
    check("0", 0);
    check("30s", 30_000);
    check("1h30m", 5_400_000);
    check("1d", 86_400_000);
    check("1m1ms", 60_001);
}

#[test]
fn other_texts_are_refused() {
    for text in [
        "",
        "5",
        "m",
        "1.5h",
        "-1s",
        "30m1h",
        "1s1s",
        "1 s",
        "99999999999999999999s",
        "9999999999999999y",
        "1é",
    ] {
        assert!(parse(text).is_err(), "{text}");
    }
}

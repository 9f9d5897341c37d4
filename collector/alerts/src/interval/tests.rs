//! Tests of named times.

use super::*;

fn any() -> TimeInterval {
    TimeInterval {
        times: vec![],
        weekdays: vec![],
        days_of_month: vec![],
        months: vec![],
        years: vec![],
        location: TimeZone::UTC,
    }
}

fn at(text: &str) -> UnixNanos {
    let time: jiff::Timestamp = text.parse().unwrap();
    UnixNanos::from_millis(time.as_millisecond())
}

#[test]
fn office_hours_begin_at_nine_and_end_before_five_on_weekdays() {
    let office = TimeIntervals(vec![TimeInterval {
        times: vec![Range {
            start: parse_time("09:00").unwrap(),
            end: parse_time("17:00").unwrap(),
        }],
        weekdays: vec![
            parse_range(
                "monday:friday",
                WEEKDAYS,
                Range { start: 0, end: 6 },
                "day of the week",
            )
            .unwrap(),
        ],
        ..any()
    }]);
    assert!(office.contain(at("2026-11-23T09:00:00Z")), "a Monday");
    assert!(!office.contain(at("2026-11-23T17:00:00Z")));
    assert!(!office.contain(at("2026-11-22T12:00:00Z")), "a Sunday");
}

#[test]
fn days_count_from_the_end_of_the_month_too() {
    let range = parse_range(
        "-2:-1",
        &[],
        Range {
            start: -31,
            end: 31,
        },
        "day",
    )
    .unwrap();
    let last = TimeIntervals(vec![TimeInterval {
        days_of_month: vec![range],
        ..any()
    }]);
    assert!(last.contain(at("2024-02-28T00:00:00Z")));
    assert!(!last.contain(at("2024-02-27T23:59:59Z")));
}

#[test]
fn ranges_that_end_before_they_start_are_refused() {
    let check = |text: &str, ok: bool| {
        assert_eq!(
            parse_range(text, MONTHS, Range { start: 1, end: 12 }, "month").is_ok(),
            ok,
            "{text}"
        );
    };
    check("march", true);
    check("March:5", true);
    check("5:march", false);
    check("13", false);
    check("-1", false);
    assert!(parse_time("24:01").is_err());
    assert!(parse_time("9").is_err());
}
